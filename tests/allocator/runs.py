"""Paths, types and make, for the Python tests of the allocator."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"

Run = Callable[..., subprocess.CompletedProcess[str]]
Count = Callable[[str, int], None]  # pytest's record_property; tests/run sums up


def make(*arguments: str, cwd: Path = ROOT) -> str:
    """Calls make, which must succeed; what it printed."""
    env = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    done = subprocess.run(["make", "-s", *arguments], cwd=cwd, env=env, capture_output=True)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.stdout.decode()
