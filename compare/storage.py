"""The folder of a run: run.json, trials.jsonl, and the link results/latest.

A record is on the disk before the next trial begins. A last line that was torn by a crash is cut
off when the run is resumed, so that its trial is done again.
"""

import fcntl
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from compare.errors import UsageError
from compare.schema import run_problem


PARTS = "runs.json"  # of a run of several phases: the folders of its runs


def check_new(folder: Path) -> None:
    """Raises UsageError unless `folder` does not exist or is an empty folder that we may fill."""
    option = f"--out {folder}"
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{option}: must not exist, or be an empty folder")
    except OSError as error:
        raise UsageError(f"{option}: {error.strerror}") from error
    parent = folder
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise UsageError(f"{option}: {parent} is not a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f"{option}: no permission to write in {parent}")


def create(folder: Path, run: dict[str, Any]) -> None:
    """Makes the folder with run.json and an empty trials.jsonl. Raises UsageError on failure."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trials.jsonl").touch()
        temporary = folder / ".run.json.new"
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(run, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / "run.json")  # run.json is whole, or not there
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}") from error


def create_all(folder: Path, runs: Mapping[Path, dict[str, Any]]) -> None:
    """Makes every run's folder, and where `folder` only holds them, its list of them: `PARTS`.
    Raises UsageError."""
    for part, run in runs.items():
        create(part, run)
    if folder not in runs:
        names = [str(part.relative_to(folder)) for part in runs]
        (folder / PARTS).write_text(json.dumps({"runs": names}, indent=1) + "\n", encoding="utf-8")


def load_runs(folder: Path) -> dict[Path, dict[str, Any]]:
    """run.json of each run in `folder`, which is one, or holds those that PARTS names. Raises
    UsageError."""
    if not (folder / PARTS).exists():
        return {folder: load_run(folder)}
    try:
        names = json.loads((folder / PARTS).read_text(encoding="utf-8"))["runs"]
        parts = [folder / str(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--resume {folder}: {PARTS} is damaged: {error}") from error
    return {part: load_run(part) for part in parts}


def load_run(folder: Path) -> dict[str, Any]:
    """run.json of `folder`. Raises UsageError when it is absent or not as its schema says."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"--resume {folder}: must be the folder of a run: run.json: {error.strerror}"
        ) from error
    except ValueError as error:
        raise UsageError(f"--resume {folder}: run.json is damaged: {error}") from error
    problem = run_problem(run)
    if problem:
        raise UsageError(f"--resume {folder}: run.json is not as its schema says: {problem}")
    assert isinstance(run, dict)
    return run


def point_latest(results: Path, folder: Path) -> None:
    """Makes results/latest a link to `folder`, in one step; only for a folder right below it."""
    if folder.parent != results:
        return
    temporary = results / f".latest.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.name)
    temporary.replace(results / "latest")


class Trials:
    """trials.jsonl, open for appending by this process alone."""

    def __init__(self, folder: Path) -> None:
        """Reads the finished trials into `done` and cuts off a torn last line.

        Raises UsageError when another process writes here, or a line before the last is damaged.
        """
        path = folder / "trials.jsonl"
        try:
            # unbuffered: what a full disk refused must not be written again when the file is closed
            self._file = path.open("a+b", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"--resume {folder}: this run is going on in another process") from (
                error
            )
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
        self.done: dict[int, dict[str, Any]] = {}
        self._file.seek(0)
        whole = 0
        lines = io.BytesIO(self._file.readall()).readlines()
        for number, line in enumerate(lines, 1):
            try:
                if not line.endswith(b"\n"):
                    raise ValueError
                record = json.loads(line)
                self.done[record["trial"]] = record
            except (ValueError, KeyError, TypeError) as error:
                if number < len(lines):
                    raise UsageError(
                        f"{path}: line {number} is damaged; delete it to do that trial again"
                    ) from error
                break
            whole += len(line)
        self._file.truncate(whole)

    def append(self, record: dict[str, Any]) -> None:
        """Writes one record and waits until it is on the disk. Raises OSError."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[self._file.write(line) :]
        os.fsync(self._file.fileno())
        self.done[record["trial"]] = record

    def __enter__(self) -> "Trials":
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._file.close()
