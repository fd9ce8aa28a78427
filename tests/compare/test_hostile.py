"""What a run must survive: names with anything in them, a file size limit as a full disk gives, an
ended reader, a killed runner, a locale without UTF-8, two runs into the same folder."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.allocator.runs import ROOT

ARGUMENTS = ["--scenario", "tiny_hot", "--iters", "20", "--trials", "3", "--counters", "none"]


def command(out: Path | str, *more: str) -> list[str]:
    python = [sys.executable, "-m", "compare", *ARGUMENTS, "--allocators", "system"]
    return [*python, "--out", str(out), *more]


def run(
    out: Path | str, *more: str, limit: int | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    return subprocess.run(
        command(out, *more), cwd=ROOT, env={**os.environ, **environment}, capture_output=True,
        timeout=120, preexec_fn=limited,
    )  # fmt: skip


def records(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'a"b', "$(touch x)", ";touch x", "line\nbreak", "ü"]
)
def test_a_folder_of_any_name_is_used_as_it_is(name: str, driver: Path, tmp_path: Path) -> None:
    done = run(tmp_path / name)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len(records(tmp_path / name)) >= 3


def test_a_locale_without_utf_8(driver: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "run", LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr


def test_a_disk_that_fills_ends_in_one_line_and_keeps_what_is_there(
    driver: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert run(out).returncode == 0
    size = (out / "trials.jsonl").stat().st_size
    limited = tmp_path / "limited"
    done = run(limited, limit=size * 2 // 3)
    assert done.returncode not in (0, None)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    again = run_resume(limited)
    assert again.returncode == 0, again.stderr
    assert len(records(limited)) == len(records(out))


def run_resume(out: Path) -> subprocess.CompletedProcess[bytes]:
    resume = [sys.executable, "-m", "compare", "--resume", str(out)]
    return subprocess.run(resume, cwd=ROOT, capture_output=True, timeout=120)


def test_a_killed_runner_loses_at_most_the_trial_it_was_at(driver: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with subprocess.Popen(
        command(out, "--trials", "9"), cwd=ROOT, stderr=subprocess.DEVNULL
    ) as runner:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (
            (out / "trials.jsonl").exists()
            and len((out / "trials.jsonl").read_bytes().splitlines()) >= 3
        ):
            time.sleep(0.01)
        runner.kill()
    before = (out / "trials.jsonl").read_bytes()
    assert before.count(b"\n") >= 3
    assert run_resume(out).returncode == 0
    after = (out / "trials.jsonl").read_bytes()
    assert after.startswith(before[: before.rindex(b"\n") + 1])
    trials = [record["trial"] for record in records(out)]
    assert len(trials) == len(set(trials)) >= 9


def test_a_second_run_does_not_write_over_the_first(driver: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(out).returncode == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    done = run(out)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
