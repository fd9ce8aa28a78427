"""What the tests of recording and replaying share."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tracefile import ROOT

from compare.layout import Layout

HERE = Path(__file__).parent
BUILT = ("hkl-driver", "hkl-record.so", "hkl-trace")


@dataclass(frozen=True)
class Lab:
    """The built programs, and ways to run them."""

    build: Path
    exercise: Path

    def trace(self, action: str, file: Path) -> subprocess.CompletedProcess[str]:
        """hkl-trace --check or --dump."""
        return subprocess.run(
            [self.build / "hkl-trace", action, file], capture_output=True, text=True, check=False
        )

    def sums(self, file: Path) -> dict[str, Any]:
        """What --check says of a trace that is right."""
        done = self.trace("--check", file)
        assert (done.returncode, done.stderr) == (0, "")
        return dict(json.loads(done.stdout))

    def record(
        self, out: Path, *program: object, status: int = 0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """`--record out -- program` as run.sh calls it; the program must end with `status`."""
        command = [sys.executable, "-P", "-m", "compare", "--record", out, "--", *program]
        done = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})},
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        assert done.returncode == status, done.stderr
        return done

    def replay(self, file: Path, *args: object, **options: Any) -> Any:
        """The driver's finished process."""
        command = [self.build / "hkl-driver", "--scenario", "trace", "--trace", file, *args]
        return subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False, **options
        )


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The lab, built when it is not there."""
    build = Layout.of_checkout().build
    if not all((build / name).exists() for name in BUILT):
        subprocess.run(["make", "-s", *(f"build/{name}" for name in BUILT)], cwd=ROOT, check=True)
    exercise = tmp_path_factory.mktemp("exercise") / "exercise"
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-D_GNU_SOURCE", "-pthread"]
    flags += ["-Wno-alloc-size-larger-than", "-Wno-use-after-free"]  # calls that fail
    subprocess.run(["gcc", *flags, HERE / "exercise.c", "-o", exercise], check=True)
    return Lab(build, exercise)


@pytest.fixture
def recorded(lab: Lab, tmp_path: Path) -> Callable[[str], Path]:
    """Records the exercise of that name; the trace."""

    def call(what: str) -> Path:
        out = tmp_path / f"{what}.trace"
        lab.record(out, lab.exercise, what)
        return out

    return call
