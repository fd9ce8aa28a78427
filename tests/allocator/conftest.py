"""What the Python tests of the allocator share: the library, the driver, ways to run programs."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.allocator.runs import BUILD, Run, make


@pytest.fixture(scope="session")
def built() -> Path:
    """The build folder, with library, driver and test programs in it."""
    if not (BUILD / "tests/allocator/test_misuse").exists():
        make("all", "test-programs")
    return BUILD


@pytest.fixture
def run(built: Path) -> Run:
    """Runs a program under the library with settings; stdout and stderr are in the result."""

    def call(
        *command: str | Path, library: Path = built / "libhakmem.so", **settings: object
    ) -> subprocess.CompletedProcess[str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("HAKMEM_")}
        env |= {f"HAKMEM_{name}": str(value) for name, value in settings.items()}
        env["LD_PRELOAD"] = str(library)
        return subprocess.run(
            [str(part) for part in command], env=env, capture_output=True, text=True, timeout=120
        )

    return call


@pytest.fixture
def mixed(run: Run, built: Path) -> Callable[..., dict[str, Any]]:
    """The counters after a run of random_mixed under settings; it must succeed in silence."""

    def call(**settings: object) -> dict[str, Any]:
        driver = built / "hkl-driver"
        done = run(driver, "--scenario", "random_mixed", "--iters", "10", **settings)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)["stats_total"]

    return call
