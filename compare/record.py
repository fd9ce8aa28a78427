"""--record: runs a program once with the recorder preloaded, then packs what it noted into a trace.

The program gets our terminal, our environment and our signals, and its exit status becomes ours.
What we have to say goes to stderr, its stdout stays the program's.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compare.allocators import not_preloadable
from compare.errors import UsageError
from compare.layout import Layout
from compare.text import last_line
from compare.tools import run

_RAW_VARIABLE = "HKL_RECORD_RAW"  # as in harness/record/raw.h
_SIGNAL_STATUS = 128  # what a shell adds to the number of the signal that ended a program


def record(file: str, program: Sequence[str], layout: Layout) -> int:
    """Records `program` into the trace `file`; the program's exit status, 128 + N after signal N.

    1 when the program ended with 0 but there is no trace. Raises UsageError when the program or
    the file cannot be, before anything has run.
    """
    out = Path(os.path.abspath(file))
    recorder = layout.build / "hkl-record.so"
    _check(file, out, program[0], recorder)
    try:  # a file without a name: nothing is left of it, whatever becomes of us
        noted = tempfile.TemporaryFile(dir=out.parent)
    except OSError as error:
        raise UsageError(f"--record '{file}': cannot be written: {error.strerror}") from error
    with noted:
        raw = f"/proc/{os.getpid()}/fd/{noted.fileno()}"
        status = _run(program, _environment(recorder, raw, layout))
        problem = _pack(layout.build / "hkl-trace", raw, out)
    if problem is not None:
        print(f"run.sh: --record '{file}': no trace was written: {problem}", file=sys.stderr)
        return status or 1
    return status


def _check(file: str, out: Path, program: str, recorder: Path) -> None:
    option = f"--record '{file}'"
    if not recorder.exists():
        raise UsageError("build/hkl-record.so: not built; run 'make'")
    if not_preloadable(str(recorder)):
        raise UsageError(
            f"{option}: the dynamic loader cannot preload a path with a space, ':' or '$';"
            " move the checkout"
        )
    if os.path.lexists(out) and not out.is_dir():
        raise UsageError(f"{option}: is there already; give another name, or delete it first")
    if out.is_dir() or not out.parent.is_dir():
        raise UsageError(f"{option}: must be a file in a folder that is there")
    if shutil.which(program) is None:
        raise UsageError(f"{option}: '{program}': no such program")


def _environment(recorder: Path, raw: str, layout: Layout) -> dict[str, str]:
    """Ours, without what run.sh put into it, and with the recorder before other libraries."""
    environment = dict(os.environ)
    modules = environment.pop("PYTHONPATH", "").split(":")
    if modules[0] == str(layout.root):
        modules = modules[1:]
    if any(modules):
        environment["PYTHONPATH"] = ":".join(modules)
    preload = environment.get("LD_PRELOAD")
    environment["LD_PRELOAD"] = f"{recorder}:{preload}" if preload else str(recorder)
    environment[_RAW_VARIABLE] = raw
    return environment


def _run(program: Sequence[str], environment: dict[str, str]) -> int:
    """Runs the program to its end; a signal to stop is the program's to answer."""
    try:
        process = subprocess.Popen(program, env=environment)
    except OSError as error:
        raise UsageError(f"'{program[0]}': cannot be run: {error.strerror}") from error
    # A terminal sends these to the program as well; SIGTERM comes to us alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
    status = process.wait()
    return status if status >= 0 else _SIGNAL_STATUS - status


def _pack(tool: Path, raw: str, out: Path) -> str | None:
    """Makes the trace and says what is in it; else what went wrong."""
    if os.path.lexists(out):
        return "there is a file of that name now"
    done = run([tool, "--pack", raw, out])
    if done.returncode != 0:
        said = last_line(done.stderr).removeprefix("hkl-trace: ")
        return said or f"hkl-trace ended with status {done.returncode}"
    sums: dict[str, Any] = json.loads(done.stdout)
    print(
        f"recorded {sums['calls']} calls, {sums['bytes']} bytes,"
        f" {sums['peak_bytes']} bytes live at the peak, {_threads(sums)},"
        f" {sums['file_bytes']} bytes of trace: {out}",
        file=sys.stderr,
    )
    for count, what in (
        (sums["unknown_frees"], "frees of blocks whose allocation was not seen: left out"),
        (sums["missed_frees"], "frees were not seen, but their address came again: put in"),
    ):
        if count:
            print(f"note: {count} {what}", file=sys.stderr)
    return None


def _threads(sums: dict[str, Any]) -> str:
    recorded, replayed = sums["recorded_threads"], sums["threads"]
    words = "1 thread" if recorded == 1 else f"{recorded} threads"
    return words if recorded == replayed else f"{words} (replayed by {replayed})"
