"""The matrix of wrong frees: kinds of pointer, sizes, free and realloc, this and another thread.
Every one is detected, and memory is never given out twice; scripts/wrong-frees shows the peers'."""

import subprocess
from pathlib import Path

import pytest

from tests.allocator.runs import ROOT, Run

PROBES = (9 + 10 * 8) * 4


def outcomes(run: Run, built: Path, **settings: str) -> list[list[str]]:
    done = run(built / "tests/allocator/wrong_frees", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("setting", "outcome"), [("abort", "aborted"), ("report", "told"), ("ignore", "silent")]
)
def test_every_wrong_free_is_detected(setting: str, outcome: str, run: Run, built: Path) -> None:
    found = outcomes(run, built, ON_ERROR=setting)
    assert len(found) == PROBES
    assert [line for line in found if line[-1] != outcome] == []


def test_the_probes_find_what_the_c_library_misses(built: Path) -> None:
    command = ["env", "-u", "LD_PRELOAD", str(built / "tests/allocator/wrong_frees")]
    done = subprocess.run(command, capture_output=True, text=True)
    found = {line.split("\t")[-1] for line in done.stdout.splitlines()}
    assert {"aborted", "crashed", "silent"} <= found


@pytest.mark.slow
def test_the_table_has_every_allocator_that_is_named(built: Path) -> None:
    command: list[str | Path] = [ROOT / "scripts/wrong-frees", "hakmem", "system"]
    command += [f"again={built}/libhakmem.so"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    assert {"hakmem", "system", "again"} <= set(rows[0])
    last = dict(zip(rows[0], rows[-1], strict=True))
    assert last["hakmem"] == last["again"] == f"{PROBES} aborted"
