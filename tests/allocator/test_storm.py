"""Thousands of forks of a busy process, and a hundred thousand short threads."""

import os
import re
import subprocess
from pathlib import Path

from tests.allocator.runs import Count

MORE = 10 if os.environ.get("HKL_NIGHTLY") == "1" else 1


def storm(built: Path, what: str, count: int) -> str:
    command = [str(built / "tests/allocator/storm"), what, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600 * MORE)
    print(done.stdout, done.stderr)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_no_child_of_a_storm_hangs_or_crashes(built: Path, record_property: Count) -> None:
    found = re.fullmatch(r"forks (\d+) threads (\d+)\n", storm(built, "forks", 4000 * MORE))
    assert found and int(found[1]) == 4000 * MORE
    assert int(found[2]) > 1000  # threads did come and go meanwhile
    record_property("forks", int(found[1]))
    record_property("threads", int(found[2]))


def test_memory_does_not_grow_with_a_hundred_thousand_threads(
    built: Path, record_property: Count
) -> None:
    assert storm(built, "threads", 100_000 * MORE) == f"threads {100_000 * MORE}\n"
    record_property("threads", 100_000 * MORE)
