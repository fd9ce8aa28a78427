"""Micro-benchmarks by Google Benchmark: cells, records, the library's own JSON, bad input."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compare import micro
from compare.layout import Layout

FAST = ("--", "--benchmark_min_time=0.001", "--benchmark_repetitions=3")


def test_records_and_what_the_library_wrote(measured: Callable[..., Any]) -> None:
    done = measured("--micro", "--size", "16,4K", "--allocators", "system", "--trials", "1", *FAST)
    names = {"malloc_free", "calloc_free", "aligned_free", "realloc_double", "batch_100"}
    assert {cell["scenario"] for cell in done.run["cells"]} == {
        f"micro:{name}" for name in (*names, "remote_free")
    }
    assert len(done.trials) == 2 * 6 * 2  # the second copy of the baseline too
    for trial in done.trials:
        assert trial["status"] == "ok"
        assert len(trial["timeline_ns"]) == trial["params"]["iters"] == 3
        steady = trial["windows"]["steady"]
        assert (steady["iters"], steady["ns"]) == (2, sum(trial["timeline_ns"][1:]))
        written = json.loads((done.folder / trial["gbench_file"]).read_text())
        single = [entry for entry in written["benchmarks"] if entry["run_type"] == "iteration"]
        assert steady["ops"] == 2 * single[0]["iterations"]
        name = f"{trial['scenario'].removeprefix('micro:')}/{trial['params']['size']}/real_time"
        assert {entry["name"] for entry in single} == {name}


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--micro", "maloc_free"), "no such benchmark; did you mean 'malloc_free'?"),
        (("--micro", "calloc_free,calloc_free"), "is named twice"),
        (("--micro", "--size", "17"), "--size 17: must be a power of two"),
        (("--micro", "--scenario", "vm"), "--scenario: does not go with --micro"),
        (("--micro", "--programs"), "--programs: does not go with --micro"),
        (("--micro", "--counters", "none"), "--counters: does not go with --micro"),
        (("--micro", "--memory"), "--memory: does not go with --micro"),
        (("--micro", "--threads", "2"), "--threads: does not go with --micro"),
        (("--micro", "--", "-v"), "-- '-v': must be a flag of Google Benchmark"),
        (("--micro", "--", "--benchmark_filter=x"), "is set by the lab; leave it out"),
        (("--micro", "--", "--benchmark_repetitions=1"), "must be 2 or more"),
        (("--micro", "--", "--benchmark_min_time=0.1s"), "0.1s"),
        (("--micro", "--", "--benchmark_bogus=1"), "unrecognized command-line flag"),
        (
            ("--scenario", "vm", "--", "--benchmark_min_time=1"),
            "--: only --record FILE takes a program, and --micro flags",
        ),
    ],
)
def test_is_refused_in_one_line(
    compare: Callable[..., Any], layout: Layout, argv: tuple[str, ...], says: str
) -> None:
    outcome = compare(*argv, *(() if "--" in argv else ("--",)))
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert says in outcome.err
    assert list(layout.results.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", '{"benchmarks": []}', '{"benchmarks": [{}]}'])
def test_json_without_repetitions_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "out.json"
    path.write_text(text)
    with pytest.raises(ValueError):
        micro.measured(path, {})


def test_crash_is_a_result(
    compare: Callable[..., Any],
    read_run: Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]],
    libs: dict[str, Path],
) -> None:
    argv = ("--micro", "malloc_free", "--size", "16", "--trials", "1", "--allocators", "system")
    outcome = compare(*argv, "--allocator", f"bad={libs['crash']}", *FAST)
    assert outcome.status == 1
    _, trials = read_run(Path(outcome.out.strip()))
    assert {(trial["arm"], trial["status"]) for trial in trials} == {
        ("system", "ok"),
        ("system@2", "ok"),
        ("bad", "crash"),
    }
