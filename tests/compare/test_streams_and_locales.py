"""Any locale, and streams that are closed, full or read by nobody: the run goes on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.compare.small_runs import ROOT, SMALL, assert_complete, command, environment, run

Compare = Callable[..., Any]


@pytest.mark.parametrize(
    "changes",
    [
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "nonsense"},
    ],
)
def test_any_locale_will_do(driver: Path, tmp_path: Path, changes: dict[str, str]) -> None:
    out = tmp_path / "ünï→日本"
    argv = [str(ROOT / "run.sh"), *SMALL, "--trials", "1", "--out", str(out)]
    done = run(argv, tmp_path, env=environment(**changes))
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr.decode()
    assert done.stdout.splitlines()[-1] == os.fsencode(out)
    assert_complete(out)
    assert (out / "report.html").exists()


@pytest.mark.parametrize(
    ("through", "closed"),
    [("run.sh", (2,)), ("run.sh", (0, 1, 2))]
    + [("compare", closed) for closed in ((0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2))],
)
def test_closed_descriptors_get_nothing_of_ours(
    driver: Path, tmp_path: Path, closed: tuple[int, ...], through: str
) -> None:
    out = tmp_path / "run"
    argv = [*SMALL, "--trials", "1", "--out", str(out)]
    line = [str(ROOT / "run.sh"), *argv] if through == "run.sh" else command(*argv)

    def close() -> None:
        for fd in closed:
            os.close(fd)

    done = run(line, tmp_path, preexec_fn=close)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert_complete(out)


@pytest.mark.parametrize(
    ("through", "argv"),
    [("run.sh", ["--list"]), ("run.sh", ["run"]), ("compare", ["--list"])]
    + [("compare", ["--help"]), ("compare", ["run"])],
)
def test_reader_that_goes_away_costs_nothing(
    driver: Path, tmp_path: Path, through: str, argv: list[str]
) -> None:
    """As with '| head -1': no traceback, and the run is whole."""
    out = tmp_path / "run"
    if argv == ["run"]:
        argv = [*SMALL, "--trials", "1", "--out", str(out)]
    line = [str(ROOT / "run.sh"), *argv] if through == "run.sh" else command(*argv)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        line, cwd=tmp_path, env=environment(), stdout=writer, stderr=subprocess.PIPE, timeout=120
    )
    os.close(writer)
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr
    if "--out" in argv:
        assert_complete(out)
        assert (out / "report.html").exists() == (through == "run.sh")


@pytest.mark.parametrize("where", ["nobody", "/dev/full"])
def test_progress_that_nobody_can_read_does_not_end_a_run(
    driver: Path, tmp_path: Path, where: str
) -> None:
    out = tmp_path / "run"
    if where == "nobody":
        reader, stderr = os.pipe()
        os.close(reader)
    else:
        stderr = os.open(where, os.O_WRONLY)
    done = subprocess.run(
        command(*SMALL, "--trials", "1", "--out", str(out)),
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=stderr, timeout=120,
    )  # fmt: skip
    os.close(stderr)
    assert (done.returncode, done.stdout.decode()) == (0, f"{out}\n")
    assert_complete(out)


def test_full_stdout_is_one_line_and_status_2(driver: Path, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command("--list"), cwd=tmp_path, env=environment(), stdout=full,
            stderr=subprocess.PIPE, timeout=120,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == b"run.sh: stdout: cannot be written: No space left on device\n"


@pytest.fixture
def two_runs(compare: Compare, tmp_path: Path) -> list[str]:
    names = [str(tmp_path / name) for name in ("base", "new")]
    for name in names:
        assert compare(*SMALL, "--trials", "2", "--out", name).status == 0
    return names


def test_gate_and_analysis_tell_their_status_to_nobody(two_runs: list[str], tmp_path: Path) -> None:
    """A reader that is gone changes neither status nor file; a full disk is one line."""
    python = [sys.executable, "-P", "-m", "analysis"]
    gate = ["--gate", *two_runs]
    told = run([*python, *gate], tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    for argv, stdout, status in (
        (gate, writer, told.returncode),
        (gate, os.open("/dev/full", os.O_WRONLY), 2),
        ([two_runs[0]], os.open("/dev/full", os.O_WRONLY), 2),
    ):
        done = subprocess.run(
            [*python, *argv], cwd=tmp_path, env=environment(), stdout=stdout,
            stderr=subprocess.PIPE, timeout=120,
        )  # fmt: skip
        os.close(stdout)
        assert (done.returncode, done.stderr.count(b"\n")) == (status, int(status == 2))
        assert b"Traceback" not in done.stderr
    assert (Path(two_runs[1]) / "gate.md").read_bytes() == told.stdout
    assert (Path(two_runs[0]) / "report.html").exists()
