"""'make self-hosting', with the fast tests: all pass while make, gcc, Python, perf, valgrind and
they themselves run under hakmem. 'make nightly' does so with all tests."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 1000

pytestmark = pytest.mark.timeout(LIMIT_S + 10)


def self_hosting(*variables: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    return subprocess.run(
        ["make", "-s", "-C", str(ROOT), "self-hosting", *variables],
        env=env,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


def test_the_fast_tests_pass_under_hakmem() -> None:
    done = self_hosting("SELF_HOSTING=--fast")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    found = re.fullmatch(r"(\d+) passed, 0 failed", done.stdout.splitlines()[-1])
    assert found and int(found[1]) > 800


def test_a_library_that_cannot_be_loaded_is_noticed(tmp_path: Path) -> None:
    """Else the tests would all pass without it."""
    broken = tmp_path / "libhakmem.so"
    broken.write_text("no library")
    done = self_hosting(f"SELF={broken}", "SELF_HOSTING=--fast --no-pytest")
    assert done.returncode != 0 and "passed" not in done.stdout
