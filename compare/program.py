"""Whole programs: programs.toml, which of them are here, and one run of one under hyperfine.

hyperfine times a single run, because the order of runs is our plan's. Between it and the program
stand `env`, which sets the environment, and hkl-child (harness/child/), which preloads the
allocator into the program alone, keeps its output and reads its peak memory:

    hyperfine --runs 1 --prepare ... "env -i NAME=VALUE... hkl-child FOLDER LIB PROGRAM ARGUMENT..."

A program's output must be the same under every allocator: the right one is made before the first
trial with nothing preloaded.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compare import preload
from compare.errors import UsageError
from compare.layout import Layout
from compare.text import last_line, did_you_mean, one_line
from compare.tools import output_of, run

PURPOSE = "program"
TABLE = Path(__file__).with_name("programs.toml")
FOLDER = Path(__file__).with_name("programs")

_PATH = "/usr/local/bin:/usr/bin:/bin"
_ENV = shutil.which("env") or "/usr/bin/env"
_CHECK_LIMIT_S = 120


@dataclass(frozen=True)
class Known:
    """An entry of programs.toml."""

    name: str
    title: str
    package: str
    binaries: tuple[str, ...]
    version: tuple[str, ...]
    prepare: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]


def load_table(path: Path = TABLE) -> dict[str, Known]:
    """Reads programs.toml. Raises UsageError when it is not what it should be."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return {
            name: Known(
                name=name,
                title=entry["title"],
                package=entry["package"],
                binaries=tuple(entry["binaries"]),
                version=tuple(entry["version"]),
                prepare=tuple(entry.get("prepare", ())),
                command=tuple(entry["command"]),
                environment=entry.get("environment", {}),
            )
            for name, entry in data["program"].items()
        }
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path.name}: {error}") from error
    except KeyError as error:
        raise UsageError(f"{path.name}: the key {error} is missing") from error


def choose(names: Sequence[str], table: Mapping[str, Known]) -> list[Known]:
    """The programs called `names` (none: all). Raises UsageError on an unknown name."""
    for i, name in enumerate(names):
        if name not in table:
            raise UsageError(
                f"--programs '{name}': no such program"
                + did_you_mean(name, table, "--list shows all")
            )
        if name in names[:i]:
            raise UsageError(f"--programs '{name}': is named twice")
    return [table[name] for name in names] or list(table.values())


def find(known: Known) -> Path | None:
    """The program's file; None when it is not installed."""
    for name in known.binaries:
        found = shutil.which(name, path=_PATH)
        if found:
            return Path(found)
    return None


def cell(known: Known, layout: Layout, environment: Mapping[str, str]) -> dict[str, Any]:
    """run.json's cell for the program: with its right output, or why it is skipped."""
    program: dict[str, Any] = {
        "title": known.title,
        "package": known.package,
        **calls(known),
        "output_sha256": None,
        "skipped": None,
    }
    found = {"scenario": known.name, "params": {}, "program": program}
    if shutil.which("hyperfine") is None:
        program["skipped"] = "hyperfine is not installed"
    elif find(known) is None:
        program["skipped"] = f"{known.binaries[0]} is not installed (package {known.package})"
    else:
        program["skipped"] = _right_output(program, layout, environment)
    return found


def calls(known: Known) -> dict[str, Any]:
    """What of a cell says how the program is called, and in which version."""
    binary = find(known)
    words = {"{programs}": str(FOLDER), "{program}": str(binary)}
    said = output_of(str(binary), *known.version) if binary is not None else None
    number = re.search(r"[0-9]+(\.[0-9]+)+", said or "")
    return {
        "version": number[0] if number else None,
        "prepare": [_filled(word, words) for word in known.prepare],
        "command": [_filled(word, words) for word in known.command],
        "environment": dict(known.environment),
    }


def _filled(word: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        word = word.replace(name, value)
    return word


def _right_output(
    program: dict[str, Any], layout: Layout, environment: Mapping[str, str]
) -> str | None:
    """Runs the program once with nothing preloaded and fills in the sum of its output.

    Returns why that is not possible; None when it is.
    """
    with tempfile.TemporaryDirectory(prefix="hkl-") as folder:
        scratch = Path(folder)
        (scratch / "work").mkdir()
        report = scratch / "hyperfine.json"
        try:
            line = command(program, None, layout, scratch, report, environment)
            done = run(line, limit_s=_CHECK_LIMIT_S, cwd=scratch / "work")
        except OSError as error:
            return one_line(f"does not run here: {error}")
        status, error_text, measured = outcome(program, scratch, report)
        if status != "ok":
            return f"does not run here: {error_text or last_line(done.stderr)}"
        program["output_sha256"] = measured["output_sha256"]
    return None


def not_in_effect(known: Known, lib: str | None, layout: Layout) -> str | None:
    """Why the allocator would not serve the program's malloc; None: it does."""
    binary = find(known)
    assert binary is not None
    return preload.problem(binary.resolve(), layout.root, lib or _C_LIBRARY, {})


def _c_library() -> str | None:
    """The file of this process's C library."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            path = line.split(None, 5)[-1].strip()
            if Path(path).name.startswith("libc.so"):
                return path
    return None


# A program that is linked with an allocator (redis with jemalloc) uses the C library's malloc only
# when the C library comes first.
_C_LIBRARY = _c_library()


def command(
    program: Mapping[str, Any],
    lib: str | None,
    layout: Layout,
    scratch: Path,
    report: Path,
    environment: Mapping[str, str],
) -> list[str]:
    """hyperfine's command line for one run; its working folder must be a new one.

    `lib` is the arm's as in run.json; `scratch` gets the program's output, `report` is hyperfine's
    JSON.
    """
    full = {**environment, **program["environment"], "HOME": str(scratch)}
    settings = [f"{name}={value}" for name, value in full.items()]
    preloaded = str(layout.root / lib) if lib is not None else _C_LIBRARY or "-"
    child = [str(layout.child), str(scratch), preloaded, *program["command"]]
    line = [shutil.which("hyperfine") or "hyperfine", "--shell", "none", "--runs", "1"]
    line += ["--style", "none", "--export-json", str(report)]
    if program["prepare"]:
        path = ["PATH=/usr/bin:/bin", "LC_ALL=C"]
        line += ["--prepare", shlex.join([_ENV, "-i", *path, *program["prepare"]])]
    return [*line, shlex.join([_ENV, "-i", *settings, *child])]


def outcome(
    program: Mapping[str, Any], scratch: Path, report: Path
) -> tuple[str, str | None, dict[str, Any]]:
    """What became of a run: status and error as in the record, and what was measured."""
    try:
        status, peak_kib = map(int, (scratch / "usage").read_text(encoding="ascii").split())
        said = (scratch / "err").read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return "error", None, {}
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return "crash", one_line(f"killed by {name}: {last_line(said)}".rstrip(": ")), {}
    if status != 0:
        return "error", last_line(said) or f"exit status {os.WEXITSTATUS(status)}", {}
    with (scratch / "out").open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if program["output_sha256"] not in (None, sha256):
        return "error", "its output differs from what it prints with nothing preloaded", {}
    try:
        result = json.loads(report.read_text(encoding="utf-8"))["results"][0]
        measured = {
            "ns": round(result["times"][0] * 1e9),
            "user_ns": round(result["user"] * 1e9),
            "sys_ns": round(result["system"] * 1e9),
        }
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        return "error", one_line(f"hyperfine left no result: {error}"), {}
    return "ok", None, {**measured, "peak_kib": peak_kib, "output_sha256": sha256}
