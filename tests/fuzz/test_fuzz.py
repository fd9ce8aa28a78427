"""Every fuzz target goes on from its corpus for a bounded number of inputs; 'make fuzz' goes on for
longer. libFuzzer prints its seed, and keeps an input that fails in build/fuzz."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.allocator.runs import BUILD, ROOT, Count, make

CORPUS = ROOT / "tests/fuzz/corpus"
MORE = 20 if os.environ.get("HKL_NIGHTLY") == "1" else 1


@pytest.fixture(scope="module")
def targets() -> Path:
    make("fuzz-targets")
    return BUILD / "fuzz"


@pytest.mark.parametrize(
    ("target", "runs", "least"),
    [("calls", 4000, 500), ("settings", 100_000, 50), ("trace", 100_000, 100)],
)
def test_nothing_breaks(
    target: str, runs: int, least: int, targets: Path, tmp_path: Path, record_property: Count
) -> None:
    command: list[str | Path] = [
        *("env", "-u", "LD_PRELOAD"),  # the sanitizer's malloc, and no other
        targets / target,
        "-close_fd_mask=2",
        f"-runs={runs * MORE}",
        "-rss_limit_mb=4096",
        f"-artifact_prefix={targets}/",
        tmp_path,  # what is found goes here, not into the corpus
        CORPUS / target,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2900)
    print(done.stderr[-3000:])
    assert done.returncode == 0
    assert f"Done {runs * MORE} runs" in done.stderr
    covered = [int(n) for n in re.findall(r"cov: (\d+)", done.stderr)]
    assert covered[-1] > least  # it does reach the code
    record_property("inputs", runs * MORE)


def test_make_fuzz_fails_when_a_target_does(targets: Path) -> None:
    done = subprocess.run(
        ["make", "-s", "fuzz", "FUZZ_TARGETS=absent", "FUZZ_SECONDS=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "fuzz: absent ended with status 127" in done.stdout


def test_the_corpora_are_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert len(files) >= 10
    assert sum(path.stat().st_size for path in files) < 64 << 10
