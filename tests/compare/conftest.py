"""What the tests of compare/ share: the real driver, allocators with faults, ways to run it."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compare.layout import Layout
from compare.main import main

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent

FAULTS = {
    "crash": "*(volatile int *)NULL = 0",
    "hang": "for (;;) pause()",
    "exhausted": "errno = ENOMEM; return NULL",
    "sound": "(void)0",
}


@dataclass(frozen=True)
class Outcome:
    """What a call of the command gave."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Measured:
    """A run that succeeded."""

    folder: Path
    said: str  # on stderr
    run: dict[str, Any]  # run.json
    trials: list[dict[str, Any]]


@pytest.fixture(scope="session")
def driver() -> Path:
    """The real driver, built with its siblings when one is not there."""
    path = ROOT / "build" / "hkl-driver"
    programs = ["build/hkl-driver", "build/hkl-latency", "build/hkl-micro"]
    if not all((ROOT / program).exists() for program in programs):
        subprocess.run(["make", "-s", *programs], cwd=ROOT, check=True)
    return path


@pytest.fixture(scope="session")
def libs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Shared objects by name: an allocator for each of FAULTS, and one without malloc."""
    folder = tmp_path_factory.mktemp("libs")
    built = {}
    for name, fault in {**FAULTS, "no_malloc": ""}.items():
        built[name] = folder / f"{name}.so"
        source = HERE / ("faulty.c" if fault else "no_malloc.c")
        define = [f"-DFAULT={fault}", "-DAFTER=300"]
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-fno-builtin", *define, source, "-o", built[name]],
            check=True,
        )
    return built


@pytest.fixture
def layout(driver: Path, tmp_path: Path) -> Layout:
    """The checkout, with a results folder of its own."""
    (tmp_path / "results").mkdir()
    return Layout(root=ROOT, driver=driver, results=tmp_path / "results")


@pytest.fixture
def compare(layout: Layout, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Calls the command in this process."""

    def call(*argv: str) -> Outcome:
        status = main(argv, layout)
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call


@pytest.fixture
def read_run() -> Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Reads run.json and trials.jsonl of a folder."""

    def read(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        lines = (folder / "trials.jsonl").read_text().splitlines()
        return json.loads((folder / "run.json").read_text()), [json.loads(line) for line in lines]

    return read


@pytest.fixture
def measured(
    compare: Callable[..., Outcome],
    read_run: Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]],
) -> Callable[..., Measured]:
    """Calls the command, which must succeed, and reads what it left."""

    def call(*argv: str) -> Measured:
        outcome = compare(*argv)
        assert outcome.status == 0, outcome.err
        folder = Path(outcome.out.strip())
        return Measured(folder, outcome.err, *read_run(folder))

    return call
