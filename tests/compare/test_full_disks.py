"""Disks that fill: nothing is lost, nothing half written, and one line says what to do."""

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compare.storage import Trials
from tests.compare.small_runs import SMALL, assert_complete, command, records, run

Compare = Callable[..., Any]


def limited_files(size: int) -> Callable[[], None]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_file_that_cannot_grow_ends_the_run_and_is_gone_on_with(
    driver: Path, compare: Compare, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    argv = command(*SMALL, "--trials", "8", "--out", str(out))
    done = run(argv, tmp_path, preexec_fn=limited_files(40_000))
    assert done.returncode == 2
    last = done.stderr.decode().splitlines()[-1]
    assert last == f"run.sh: {out}: File too large; go on with ./run.sh --resume {out}"
    before = (out / "trials.jsonl").read_bytes()
    assert 0 < len(records(out)) < 24
    assert compare("--resume", str(out)).status == 0
    assert (out / "trials.jsonl").read_bytes().startswith(before)
    assert_complete(out)


def test_no_room_for_the_plan_leaves_nothing(driver: Path, tmp_path: Path) -> None:
    argv = command(*SMALL, "--out", str(tmp_path / "new" / "run"))
    done = run(argv, tmp_path, preexec_fn=limited_files(500))
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        f"run.sh: --out {tmp_path}/new/run: File too large"
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of the size given, or gives it that size."""
    folder = tmp_path / "disk"
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder.mkdir()

    def mount(options: str) -> Path:
        how = ["-o", f"remount,{options}"] if folder.is_mount() else ["-t", "tmpfs", "-o", options]
        done = subprocess.run(["mount", *how, "tmpfs", folder], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"mounting a small disk is not allowed here: {done.stderr.strip()}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_not_held_against_the_allocator(
    compare: Compare, small_disk: Callable[[str], Path]
) -> None:
    """The driver's long timeline does not fit: no record says that the allocator failed."""
    out = small_disk("size=60k") / "run"
    argv = [*SMALL, "--trials", "1", "--iters", "9000", "--out", str(out)]
    full = compare(*argv)
    assert full.status == 2
    assert full.err.splitlines()[-1].endswith(
        f"No space left on device; go on with" f" ./run.sh --resume {out}"
    )
    assert records(out) == []
    small_disk("size=10M")
    assert compare("--resume", str(out)).status == 0
    assert_complete(out)


def test_a_disk_that_nothing_can_be_written_to(
    compare: Compare, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("size=10M")
    out = disk / "run"
    assert compare(*SMALL, "--trials", "1", "--out", str(out)).status == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    small_disk("ro")
    for argv in ((*SMALL, "--out", str(disk / "other")), ("--resume", str(out))):
        refused = compare(*argv)
        assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert list(disk.iterdir()) == [out]


def test_record_that_cannot_be_written_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes half a line, then nothing, when it is made durable."""

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    with Trials(tmp_path) as trials:
        trials.append({"trial": 0})
        before = (tmp_path / "trials.jsonl").read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                trials.append({"trial": 1})
        assert (tmp_path / "trials.jsonl").read_bytes() == before
        assert list(trials.done) == [0]
        trials.append({"trial": 1})
    assert (tmp_path / "trials.jsonl").read_bytes() == before + b'{"trial":1}\n'
