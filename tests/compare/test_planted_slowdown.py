"""The gate against a slowdown that is really there: the build variant slow-free, measured next to
the default build and to a copy of that. Here it is ten times the variant's own, so that no
load of the machine hides it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compare.conftest import ROOT, Outcome

SLOWER = ("VARIANT=slow-free", "VARIANT_slow-free=-DHKM_SLOW_FREE=60")
RUN = ("--scenario", "tiny_hot", "--iters", "40", "--trials", "12", "--counters", "none")


def gate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What './run.sh --gate' says."""
    command = [str(ROOT / "run.sh"), "--gate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def measure(compare: Callable[..., Outcome], tmp_path: Path) -> Callable[[str], Path]:
    """Measures a run with all three libraries."""
    slow = tmp_path / "variants/slow-free/libhakmem.so"
    subprocess.run(["make", "-s", f"BUILD={tmp_path}", *SLOWER, str(slow)], cwd=ROOT, check=True)
    subprocess.run(["make", "-s", "build/libhakmem.so"], cwd=ROOT, check=True)
    copy = shutil.copy(ROOT / "build/libhakmem.so", tmp_path / "libcopy.so")

    def call(name: str) -> Path:
        libraries = ("--allocator", f"slow={slow}", "--allocator", f"copy={copy}")
        folder = tmp_path / name
        done = compare(*RUN, "--allocators", "hakmem", *libraries, "--out", str(folder))
        assert done.status == 0, done.err
        return folder

    return call


def test_the_gate_finds_the_planted_slowdown_and_nothing_else(
    measure: Callable[[str], Path],
) -> None:
    one, other = measure("one"), measure("other")

    paired = gate(f"{one}:hakmem", f"{one}:slow")
    assert (paired.returncode, paired.stderr) == (3, "")
    assert "Paired block by block" in paired.stdout
    assert "* tiny\\_hot, slow against hakmem, time: worse +" in paired.stdout
    assert gate(f"{one}:hakmem", f"{one}:copy").returncode == 0

    same = gate(str(one), str(other))
    assert same.returncode == 0, same.stdout
    assert same.stdout == (other / "gate.md").read_text()
    assert same.stdout.startswith("# Regression gate: passed")
