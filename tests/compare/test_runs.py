"""Whole runs with the real driver: records, failures, interruption, resumption."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

import jsonschema
import pytest

from analysis.cli import main as analyse
from compare.cli import QUICK_TRIALS
from compare.errors import UsageError
from compare.layout import Layout
from compare.significance import blocks_needed
from compare.storage import Trials
from tests.compare.small_runs import command, environment, processes_with, wait_until

ROOT = Path(__file__).resolve().parents[2]
Read = Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]
Compare = Callable[..., Any]


def schema(name: str) -> Any:
    return json.loads((ROOT / "results" / "schema" / name).read_text())


def test_records_are_as_the_schemas_say(
    compare: Compare, read_run: Read, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")  # the C library then maps every block
    outcome = compare(
        *("--scenario", "tiny_hot,vm", "--iters", "4", "--warmup", "2", "--trials", "2"),
        *("--allocators", "system,mimalloc", "--batch", "10", "--plan-seed", "9"),
    )
    folder = Path(outcome.out.strip())
    assert outcome.status == 0
    assert folder.parent == layout.results
    assert (layout.results / "latest").resolve() == folder
    run, trials = read_run(folder)
    jsonschema.validate(run, schema("run.schema.json"))
    for trial in trials:
        jsonschema.validate(trial, schema("trial.schema.json"))
        assert trial["status"] == "ok"
        assert trial["params"]["iters"] == 4
        assert trial["windows"]["steady"]["iters"] == 4
        assert (trial["syscalls"] is None) == (trial["purpose"] == "time")
    assert [trial["trial"] for trial in trials] == [entry["trial"] for entry in run["plan"]]
    assert (run["seed"], run["baseline"]) == (9, "system")
    if "syscalls:sys_enter_mmap" in run["counters"]["events"]:
        counted = [trial for trial in trials if trial["purpose"] == "count"]
        assert len(counted) == 4
        mapped = {(t["scenario"], t["arm"]): t["syscalls"]["mmap"] for t in counted}
        assert mapped["vm", "system"] == 4 * 10
        assert mapped["tiny_hot", "system"] == 0


@pytest.mark.slow
def test_settings_of_an_allocator_reach_it_and_are_recorded(
    compare: Compare, read_run: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fixed limit makes hakmem evict: address ranges are found again, mappings do not grow."""
    settings = {"HAKMEM_WHALE_LEARN": "0", "HAKMEM_WHALE_MAX_MB": "16"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    outcome = compare(
        *("--scenario", "evict", "--iters", "30", "--warmup", "20", "--trials", "1"),
        *("--allocators", "hakmem", "--counters", "none"),
    )
    assert outcome.status == 0
    folder = Path(outcome.out.strip())
    run, trials = read_run(folder)
    assert run["environment"].items() >= settings.items()
    for trial in trials:
        assert trial["stats"]["whale.evict"] > 0
        assert trial["stats"]["region.hit"] > 0
        assert trial["stats_total"]["region.unmap"] == 0
        assert trial["maps"]["end"] <= trial["maps"]["steady"] + 2
    assert analyse([str(folder), "--quiet"]) == 0
    report = (folder / "report.md").read_text().replace("\\", "")
    assert "| HAKMEM_WHALE_LEARN | 0 |" in report and "| HAKMEM_WHALE_MAX_MB | 16 |" in report
    assert "| region.hit |" in report


def test_quick_takes_enough_processes_for_its_comparisons(measured: Callable[..., Any]) -> None:
    done = measured(
        *("--scenario", "tiny_hot", "--size", "16..1K", "--quick", "--iters", "1", "--batch", "1"),
        *("--allocators", "system,hakmem", "--counters", "none"),
    )
    assert max(entry["block"] for entry in done.run["plan"]) == blocks_needed(7) > QUICK_TRIALS


def test_long_timeline_goes_to_a_file_below_the_run(compare: Compare, read_run: Read) -> None:
    outcome = compare(
        *("--scenario", "tiny_hot", "--batch", "1", "--iters", "5000", "--warmup", "0"),
        *("--trials", "1", "--allocators", "system", "--counters", "none"),
    )
    folder = Path(outcome.out.strip())
    for trial in read_run(folder)[1]:
        assert trial["timeline_ns"] is None
        assert (folder / trial["timeline_file"]).stat().st_size == 8 * 5000


@pytest.mark.parametrize("counters", [pytest.param("perf", marks=pytest.mark.slow), "none"])
def test_failures_are_named_and_the_others_go_on(
    compare: Compare, read_run: Read, libs: dict[str, Path], counters: str
) -> None:
    faults = [
        text
        for name in ("crash", "hang", "exhausted")
        for text in ("--allocator", f"{name}={libs[name]}")
    ]
    outcome = compare(
        *("--scenario", "json", "--iters", "60", "--trials", "1", "--allocators", "system"),
        *("--timeout", "2", "--counters", counters, *faults),
    )
    assert outcome.status == 1
    run, trials = read_run(Path(outcome.out.strip()))
    assert len(trials) == len(run["plan"])
    for trial in trials:
        jsonschema.validate(trial, schema("trial.schema.json"))
        status, error = {
            "crash": ("crash", "killed by SIGSEGV"),
            "hang": ("timeout", "no result within 2 s"),
            "exhausted": ("error", "returned NULL"),
        }.get(trial["arm"], ("ok", None))
        assert trial["status"] == status
        if trial["arm"] == "exhausted":
            assert error in trial["error"]
        else:
            assert trial["error"] == error
        assert (trial["windows"] is None) == (status != "ok")
    assert "json, crash: crash: killed by SIGSEGV" in outcome.err
    assert processes_with(str(libs["hang"])) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_is_resumed_without_loss_or_repetition(
    compare: Compare, read_run: Read, tmp_path: Path, number: int
) -> None:
    out = tmp_path / "run"
    argv = ("--scenario", "tiny_hot", "--iters", "150", "--trials", "6", "--counters", "none")
    process = subprocess.Popen(
        command(*argv, "--allocators", "system", "--out", str(out)),
        cwd=tmp_path,
        env=environment(),
        stdout=PIPE,
        stderr=PIPE,
        text=True,
    )
    lines = out / "trials.jsonl"
    wait_until(lambda: lines.exists() and lines.read_bytes().count(b"\n") >= 3, "too few trials")
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"./run.sh --resume {out}" in stderr
    assert stdout == ""
    before = (out / "trials.jsonl").read_bytes()
    run, kept = read_run(out)
    assert 3 <= len(kept) < len(run["plan"])

    with (out / "trials.jsonl").open("ab") as file:  # as a crash in the middle of a write leaves it
        file.write(b'{"schema":"hkl-trial-1","trial":')
    outcome = compare("--resume", str(out))
    assert (outcome.status, outcome.out) == (0, f"{out}\n")
    _, trials = read_run(out)
    assert [trial["trial"] for trial in trials] == [entry["trial"] for entry in run["plan"]]
    assert (out / "trials.jsonl").read_bytes().startswith(before)

    finished = (out / "trials.jsonl").read_bytes()
    assert compare("--resume", str(out)).status == 0
    assert (out / "trials.jsonl").read_bytes() == finished


def test_torn_last_line_is_cut_off_but_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    lines = [json.dumps(failed_trial(n), separators=(",", ":")).encode() + b"\n" for n in range(3)]
    kept = lines[0] + lines[1]
    for torn in (b'{"tri', lines[2][:-1], b"\0\0\0\n"):
        path.write_bytes(kept + torn)
        with Trials(tmp_path) as trials:
            assert sorted(trials.done) == [0, 1]
            trials.append(failed_trial(2))
        assert path.read_bytes() == kept + lines[2]
    path.write_bytes(lines[0] + b"???\n" + lines[1])
    with pytest.raises(UsageError, match="line 2 is damaged"):
        Trials(tmp_path)


def failed_trial(number: int) -> dict[str, Any]:
    """A record of a process that failed."""
    required = schema("trial.schema.json")["required"]
    return {
        **dict.fromkeys(required),
        **{"schema": "hkl-trial-1", "trial": number, "purpose": "time", "block": 1, "order": 0},
        **{"arm": "system", "allocator": "system", "scenario": "vm", "params": None},
        **{"env_pad": 0, "status": "error", "error": "why", "started": "2026-01-01T00:00:00+00:00"},
        "elapsed_s": 0.5,
    }


def test_a_run_has_one_writer(tmp_path: Path) -> None:
    with Trials(tmp_path):
        with pytest.raises(UsageError, match="going on in another process"):
            Trials(tmp_path)


def test_list_names_scenarios_and_allocators(compare: Compare, layout: Layout) -> None:
    outcome = compare("--list")
    assert outcome.status == 0
    for name in ("vm", "tiny_hot", "hakmem", "system", "mimalloc", "jemalloc", "tcmalloc"):
        assert f" {name} " in outcome.out
    assert list(layout.results.iterdir()) == []
