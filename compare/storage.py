"""The folder of a run: run.json, trials.jsonl, and the link results/latest.

A record is on the disk before the next trial begins. A last line that was torn by a crash is cut
off when the run is resumed, so that its trial is done again. A folder belongs to the run that made
the first file in it: of two that want the same, one is refused.
"""

import contextlib
import fcntl
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compare.errors import UsageError
from compare.schema import record_problem, run_problem
from compare.text import not_plain


PARTS = "runs.json"  # of a run of several phases: the folders of its runs


class Taken(UsageError):
    """The folder holds something already."""


def check_new(folder: Path) -> None:
    """Raises UsageError unless `folder` does not exist or is an empty folder that we may fill."""
    option = f"--out {folder}"
    if not_plain(str(folder)):
        raise UsageError(f"{option}: must be UTF-8 without control characters")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise _taken(folder)
    except OSError as error:
        raise UsageError(f"{option}: {error.strerror}") from error
    parent = folder
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise UsageError(f"{option}: {parent} is not a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f"{option}: no permission to write in {parent}")


def _taken(folder: Path) -> Taken:
    return Taken(f"--out {folder}: must not exist, or be an empty folder")


def _write(path: Path, content: object) -> None:
    with path.open("x", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def create(folder: Path, runs: Mapping[Path, dict[str, Any]]) -> None:
    """Makes `folder` with each run in its own folder below it, which is '.' for a single run, and
    where there are several the list of them: `PARTS`.

    When that fails nothing is left behind. Raises UsageError; Taken when another run has `folder`.
    """
    check_new(folder)
    made: list[Path] = []  # in the order in which they came to be

    def make(path: Path) -> None:
        missing = [path] if not path.exists() else []
        missing += [parent for parent in path.parents if not parent.exists()]
        path.mkdir(parents=True, exist_ok=True)
        made.extend(reversed(missing))

    try:
        make(folder)
        if list(runs) != [Path()]:
            _claim(folder / PARTS, made)
            (folder / PARTS).write_text(
                json.dumps({"runs": [str(part) for part in runs]}, indent=1) + "\n",
                encoding="utf-8",
            )
        for part, run in runs.items():
            make(folder / part)
            _claim(folder / part / "trials.jsonl", made)
            temporary = folder / part / ".run.json.new"
            made.append(temporary)
            _write(temporary, run)
            made[-1] = folder / part / "run.json"  # is whole, or not there
            temporary.replace(made[-1])
    except OSError as error:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(error, FileExistsError):
            raise _taken(folder) from error
        raise UsageError(f"--out {folder}: {error.strerror}") from error


def _claim(path: Path, made: list[Path]) -> None:
    """Makes an empty file, whose folder is then ours; FileExistsError when another was quicker."""
    path.touch(exist_ok=False)
    made.append(path)


def load_runs(folder: Path) -> dict[Path, dict[str, Any]]:
    """run.json of each run in `folder`, by its folder below: '.' for a single one, else those that
    PARTS names. Raises UsageError."""
    if not (folder / PARTS).exists():
        return {Path(): load_run(folder)}
    try:
        names = json.loads((folder / PARTS).read_text(encoding="utf-8"))["runs"]
        for name in names:
            if len(Path(name).parts) != 1 or name == "..":
                raise ValueError(f"'{name}' is not a folder in it")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--resume {folder}: {PARTS} is damaged: {error}") from error
    return {Path(name): load_run(folder / name) for name in names}


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
    """Makes results/latest a link to `folder`, in one step; only for a folder right below it.
    Raises OSError."""
    if folder.parent != results:
        return
    temporary = results / f".latest.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.name)
    try:
        temporary.replace(results / "latest")
    except OSError:
        temporary.unlink()
        raise


class Trials:
    """trials.jsonl, open for appending by this process alone."""

    def __init__(self, folder: Path) -> None:
        """Reads the finished trials into `done` and cuts off a torn last line.

        Raises UsageError when another process writes here, a line before the last is damaged, or
        a record is not as its schema says, as one of an older lab.
        """
        path = folder / "trials.jsonl"
        try:
            self._file = path.open("a+b", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file.seek(0)
            lines = io.BytesIO(self._file.readall()).readlines()
        except BlockingIOError as error:
            raise UsageError(f"--resume {folder}: this run is going on in another process") from (
                error
            )
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
        self.done: dict[int, dict[str, Any]] = {}
        self._size = 0
        for number, line in enumerate(lines, 1):
            try:
                if not line.endswith(b"\n"):
                    raise ValueError
                record = json.loads(line)
            except ValueError as error:
                if number < len(lines):
                    raise UsageError(
                        f"{path}: line {number} is damaged; delete it to do that trial again"
                    ) from error
                break
            problem = record_problem(record)
            if problem:
                raise UsageError(f"{path}: line {number} is not as its schema says: {problem}")
            self.done[record["trial"]] = record
            self._size += len(line)
        self._file.truncate(self._size)

    def append(self, record: dict[str, Any]) -> None:
        """Writes one record and waits until it is on the disk. Raises OSError; nothing of the
        record is then left in the file."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(line)
        self.done[record["trial"]] = record

    def __enter__(self) -> "Trials":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()
