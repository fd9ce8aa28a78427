"""perf: what cannot be counted is never zero, and nothing of ours is preloaded into perf."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compare import perf

RUN = ("--scenario", "vm", "--iters", "3", "--allocators", "system", "--trials", "1")


def fake_perf(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a `perf` of our own first on PATH."""
    script = folder / "bin" / "perf"
    script.parent.mkdir()
    script.write_text(f"#!/bin/bash\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")


def test_parse_tells_numbers_from_what_was_not_counted() -> None:
    text = (
        "# started on Fri\n\n"
        "1.15,msec,task-clock,1149166,100.00,0.447,CPUs utilized\n"
        "50,,page-faults,1149166,100.00,43.510,K/sec\n"
        "0,,context-switches:u,826864,100.00,0.000,/sec\n"
        "<not supported>,,cycles,0,100.00,,\n"
        "<not counted>,,instructions,0,100.00,,\n"
        "8,,syscalls:sys_enter_mmap,1149166,100.00,6.962,K/sec\n"
    )
    events = [
        "task-clock",
        "page-faults",
        "context-switches",
        "cycles",
        "instructions",
        "syscalls:sys_enter_mmap",
        "major-faults",
    ]
    counts = perf.parse(text, events)
    assert counts["task-clock"] == 1.15
    assert counts["page-faults"] == 50
    assert perf.split(counts)[1] == {"mmap": 8}
    for event in ("context-switches", "cycles", "instructions", "major-faults"):
        count = counts[event]
        assert isinstance(count, dict) and list(count) == ["unsupported"] and count["unsupported"]


def test_without_perf_the_run_goes_on_and_says_so(
    measured: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = measured(*RUN)
    assert "perf is not installed" in done.said and "install" in done.said
    assert done.run["counters"]["mode"] == "none"
    assert len(done.run["counters"]["notes"]) == 1
    assert [trial["purpose"] for trial in done.trials] == ["time", "time"]
    assert all(trial["perf"] is None and trial["syscalls"] is None for trial in done.trials)


def test_user_mode_counts_are_unsupported(
    measured: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_perf(
        tmp_path,
        "event=$4\n"
        "if [[ $event == syscalls:* ]]; then\n"
        '  printf "event syntax error\\nError:\\tNo permissions\\nHint: x\\n" >&2; exit 129\n'
        "fi\n"
        'echo "0,,$event:u,826864,100.00,0.000,/sec" >&2',
        monkeypatch,
    )
    done = measured(*RUN)
    assert done.run["counters"]["events"] == []
    unsupported = done.run["counters"]["unsupported"]
    assert "user mode only" in unsupported["context-switches"]
    assert unsupported["syscalls:sys_enter_brk"] == "No permissions"
    assert "run as root" in done.said
    assert all(trial["perf"] is None for trial in done.trials)


def test_one_unusable_event_does_not_cost_the_others(
    measured: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = perf.find()
    if real is None:
        pytest.skip("no perf here")
    fake_perf(
        tmp_path,
        'case "$*" in *page-faults*) echo "event syntax error" >&2; exit 129 ;; esac\n'
        f'exec {real} "$@"',
        monkeypatch,
    )
    done = measured(*RUN)
    if "task-clock" not in done.run["counters"]["events"]:
        pytest.skip("perf may count nothing here")
    timed = [trial for trial in done.trials if trial["purpose"] == "time"]
    for trial in timed:
        assert trial["perf"]["page-faults"] == {"unsupported": "event syntax error"}
        assert trial["perf"]["task-clock"] > 0


def test_preload_reaches_the_driver_but_not_perf(
    measured: Callable[..., Any],
    libs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = perf.find()
    if real is None:
        pytest.skip("no perf here")
    log = tmp_path / "environment"
    fake_perf(tmp_path, f'[ "$1" != stat ] || env >> {log}\nexec {real} "$@"', monkeypatch)
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("HAKMEM_MODE", "fast")
    monkeypatch.setenv("UNRELATED", "secret")
    done = measured(
        *RUN[:-4], "--trials", "1", "--allocators", "system", "--allocator", f"x={libs['sound']}"
    )
    text = log.read_text()
    assert "LC_ALL=C" in text
    for stranger in ("LD_PRELOAD", "HAKMEM_MODE", "UNRELATED", "HKL_PAD"):
        assert stranger not in text
    assert done.run["environment"] == {"HAKMEM_MODE": "fast"}
