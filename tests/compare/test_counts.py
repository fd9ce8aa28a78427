"""Callgrind, profiles, the floor and pinning: whole runs with the real driver."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analysis.cli import main as analyse
from compare import callgrind, profile
from compare.allocators import load_table

ROOT = Path(__file__).resolve().parents[2]
Compare = Callable[..., Any]
Read = Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]
TINY = ("--scenario", "tiny_hot", "--iters", "3", "--batch", "2000", "--trials", "1")
MINE = ("--allocators", "hakmem,system")

needs_valgrind = pytest.mark.skipif(callgrind.find() is None, reason="no valgrind here")


def has(name: str) -> bool:
    known = load_table().known[name]
    return any(list(Path("/").glob(pattern.lstrip("/"))) for pattern in known.candidates)


@needs_valgrind
@pytest.mark.slow
def test_counts_are_exact(
    compare: Compare, read_run: Read, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes of one allocator, and two runs, count the same."""
    counted = []
    for name in ("one", "two"):
        outcome = compare(*TINY, *MINE, "--counters", "callgrind", "--out", str(tmp_path / name))
        assert outcome.status == 0
        run, trials = read_run(tmp_path / name)
        jsonschema.validate(run, json.loads((ROOT / "results/schema/run.schema.json").read_text()))
        counted.append({t["arm"]: t["callgrind"] for t in trials if t["purpose"] == "callgrind"})
    assert set(counted[0]) == {"hakmem", "hakmem@2", "system"}
    assert counted[0] == counted[1]
    assert counted[0]["hakmem"] == counted[0]["hakmem@2"] != counted[0]["system"]
    per_pair = counted[0]["hakmem"]["instructions"] / (3 * 2000)
    assert 10 < per_pair < 200  # nothing but the steady window
    assert analyse([str(tmp_path / "two")]) == 0
    text = capsys.readouterr().out
    assert "callgrind: two processes of hakmem counted the same instructions" in text
    assert "instr" in text and f"{per_pair:.1f}" in text


@needs_valgrind
def test_worker_threads_are_counted(compare: Compare, read_run: Read, tmp_path: Path) -> None:
    outcome = compare(
        *("--scenario", "larson", "--iters", "2", "--batch", "1000", "--trials", "1"),
        *("--allocators", "system", "--counters", "callgrind", "--out", str(tmp_path / "run")),
    )
    assert outcome.status == 0
    trials = [t for t in read_run(tmp_path / "run")[1] if t["purpose"] == "callgrind"]
    for trial in trials:
        assert trial["callgrind"]["instructions"] > 50 * trial["windows"]["steady"]["ops"]


def test_what_callgrind_cannot_do_is_said(
    compare: Compare, read_run: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callgrind, "find", lambda: None)
    out = tmp_path / "run"
    outcome = compare(*TINY, *MINE, "--counters", "callgrind", "--out", str(out))
    assert outcome.status == 0
    assert "note: callgrind is left out: valgrind is not installed" in outcome.err
    assert {t["purpose"] for t in read_run(out)[1]} <= {"time", "count"}
    assert analyse([str(out), "--quiet"]) == 0
    assert "valgrind is not installed" in (out / "report.md").read_text()


def test_counts_are_read_from_callgrinds_file() -> None:
    text = "events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\n\ntotals: 100 9 8 1 2 3\n"
    assert callgrind.parse(text) == {"instructions": 100, "l1_misses": 6, "ll_misses": 0}
    assert callgrind.parse("events: Ir Dr\ntotals: 0\n") is None
    assert callgrind.parse("") is None


def test_a_driver_without_valgrinds_header_can_be_built(tmp_path: Path) -> None:
    source = (ROOT / "harness/callgrind.c").read_text()
    (tmp_path / "callgrind.c").write_text(source.replace("<valgrind/callgrind.h>", "<no/such.h>"))
    command = ["gcc", "-Wall", "-Werror", f"-I{ROOT}", "-c", str(tmp_path / "callgrind.c")]
    subprocess.run([*command, "-o", str(tmp_path / "callgrind.o")], check=True)


# What `perf script -F ip,sym,dso` prints: innermost first, an empty line after each sample.
SCRIPT = """
\t    7f01 malloc (/usr/lib/liba;b.so)
\t    5501 iterate (/build/hkl-driver)
\t    5502 hkl_run_iteration (/build/hkl-driver)
\t    5503 main (/build/hkl-driver)

\tffff01 clear_page ([kernel.kallsyms])
\t    7f02 [unknown] (/usr/lib/libc.so.6)
\t    5501 start_thread (/usr/lib/libc.so.6)

"""


def test_stacks_are_folded() -> None:
    assert profile.fold_text(SCRIPT) == {
        "iterate;malloc": 1,
        "start_thread;[libc.so.6];clear_page_[k]": 1,
    }


@pytest.mark.skipif(profile.problem(shutil.which("perf")) is not None, reason="perf cannot sample")
def test_profile_of_a_run(compare: Compare, read_run: Read, tmp_path: Path) -> None:
    out = tmp_path / "run"
    outcome = compare(
        *("--scenario", "random_mixed", "--iters", "20", "--trials", "1", "--profile"),
        *(*MINE, "--counters", "none", "--out", str(out)),
    )
    assert outcome.status == 0
    profiles = [t["profile"] for t in read_run(out)[1] if t["purpose"] == "profile"]
    assert len(profiles) == 2
    for entry in profiles:
        assert entry["samples"] > 0
        assert "iterate" in (out / entry["file"]).read_text()
    assert analyse([str(out), "--quiet"]) == 0
    assert len(list((out / "plots").glob("flame-*.svg"))) == 2
    assert "## Where the time goes" in (out / "report.md").read_text()


def test_without_permission_to_sample_the_run_goes_on(
    compare: Compare, read_run: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "problem", lambda _perf: "no permission")
    out = tmp_path / "run"
    outcome = compare(*TINY, *MINE, "--profile", "--counters", "none", "--out", str(out))
    assert outcome.status == 0
    assert "note: profile is left out: no permission" in outcome.err
    assert {t["purpose"] for t in read_run(out)[1]} == {"time"}


def test_the_floor_runs_where_it_may_and_is_not_compared(
    compare: Compare, read_run: Read, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    outcome = compare(
        *("--scenario", "tiny_hot,json,random_mixed", "--iters", "25", "--batch", "500"),
        *("--trials", "3", "--counters", "none", "--allocators", "hakmem,floor,system"),
        *("--out", str(out)),
    )
    assert outcome.status == 0
    assert "floor is left out of random_mixed" in outcome.err
    run, trials = read_run(out)
    ran = {(t["scenario"], t["arm"]) for t in trials}
    assert ("tiny_hot", "floor") in ran and ("json", "floor") in ran
    assert ("random_mixed", "floor") not in ran
    assert all(t["status"] == "ok" for t in trials)
    assert [arm["arm"] for arm in run["arms"] if arm["floor"]] == ["floor"]
    assert analyse([str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    floors = [line for line in lines if line.startswith(" floor ")]
    assert len(floors) == 2
    assert all("not compared" in line and "best" not in line for line in floors)
    assert "The allocator's share" in (out / "report.md").read_text()


@pytest.mark.parametrize("size", [1, 16, 100, 65536])
def test_the_floor_is_an_allocator(size: int) -> None:
    """Blocks do not overlap, whatever is asked of it."""
    script = (
        "import ctypes\n"
        "c = ctypes.CDLL(None)\n"
        "c.malloc.restype = c.realloc.restype = c.aligned_alloc.restype = ctypes.c_void_p\n"
        "c.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]\n"
        "c.free.argtypes = [ctypes.c_void_p]\n"
        f"size = {size}\n"
        "blocks = [c.malloc(size) for _ in range(20)] + [c.aligned_alloc(4096, size)]\n"
        "for n, block in enumerate(blocks): ctypes.memset(block, n, size)\n"
        "assert all(block % 16 == 0 for block in blocks) and blocks[20] % 4096 == 0\n"
        "blocks[3] = c.realloc(blocks[3], 2 * size)\n"
        "for n, block in enumerate(blocks):\n"
        "    assert ctypes.string_at(block, size) == bytes([n]) * size\n"
        "for block in blocks[::-1]: c.free(block)\n"
        "print('sound')"
    )
    env = {"LD_PRELOAD": str(ROOT / "build/libfloor.so"), "PYTHONMALLOC": "malloc"}
    command = ["/usr/bin/python3", "-S", "-c", script]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("sound\n", "")


@pytest.mark.parametrize("name", ["tbb", "scudo"])
def test_further_peers_are_in_effect(
    compare: Compare, read_run: Read, tmp_path: Path, name: str
) -> None:
    if not has(name):
        pytest.skip(f"no {name} here")
    out = tmp_path / "run"
    outcome = compare(
        *TINY, "--allocators", f"system,{name}", "--counters", "none", "--out", str(out)
    )
    assert outcome.status == 0, outcome.err
    assert {t["status"] for t in read_run(out)[1]} == {"ok"}


def test_pinned_processes_stay_on_their_cpu(
    compare: Compare, read_run: Read, libs: dict[str, Path], tmp_path: Path
) -> None:
    cpu = max(os.sched_getaffinity(0))
    out = tmp_path / "run"
    outcome = compare(*TINY, "--allocators", "system", "--pin", str(cpu), "--out", str(out))
    assert outcome.status == 0
    run, trials = read_run(out)
    assert run["pin"] == [cpu]
    assert all(t["noise"]["migrations"] in (0, None) for t in trials)
    assert os.sched_getaffinity(0) != {cpu} or os.cpu_count() == 1


def test_the_machine_is_described(compare: Compare, read_run: Read, tmp_path: Path) -> None:
    compare(*TINY, "--allocators", "system", "--counters", "none", "--out", str(tmp_path / "run"))
    machine = read_run(tmp_path / "run")[0]["machine"]
    wanted = {"governor", "turbo", "smt", "virtual", "steal_ticks", "load1", "thp", "aslr", "cpus"}
    assert wanted <= set(machine)
    assert machine["steal_ticks"] is None or machine["steal_ticks"] >= 0
