"""Callgrind: exact instruction counts and simulated cache misses of the steady window.

For machines without hardware counters. The driver tells callgrind where the steady window is
(harness/callgrind.c). The simulated caches are the same on every machine, so that counts can be
compared between machines too.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from compare.layout import Layout
from compare.text import last_line, one_line
from compare.tools import run

PURPOSE = "callgrind"
# A process is some fifty times slower here, and its counts do not vary: few iterations will do.
MAX_ITERS = 5
CACHES = ("--I1=32768,8,64", "--D1=32768,8,64", "--LL=8388608,16,64")

_L1_EVENTS = ("I1mr", "D1mr", "D1mw")
_LL_EVENTS = ("ILmr", "DLmr", "DLmw")
_PROBE_LIMIT_S = 60
_PROBE = ("--scenario", "tiny_hot", "--iters", "1", "--warmup", "1", "--batch", "1000")


def find() -> str | None:
    """valgrind's path; None when there is none on PATH."""
    return shutil.which("valgrind")


def command(valgrind: str, output: Path) -> list[str]:
    """The command line up to the program."""
    return [
        valgrind,
        "--quiet",
        "--tool=callgrind",
        "--instr-atstart=no",
        "--cache-sim=yes",
        *CACHES,
        f"--callgrind-out-file={output}",
    ]


def parse(text: str) -> dict[str, int] | None:
    """The counts in callgrind's output file; None when it has none."""
    events = re.search(r"^events: (.+)$", text, re.MULTILINE)
    totals = re.search(r"^totals: (.+)$", text, re.MULTILINE)
    if not events or not totals:
        return None
    numbers = [int(word) for word in totals[1].split()]
    names = events[1].split()
    counts = dict.fromkeys(names, 0) | dict(zip(names, numbers))  # zeros at the end are left out
    if not counts.get("Ir"):
        return None
    return {
        "instructions": counts["Ir"],
        "l1_misses": sum(counts[event] for event in _L1_EVENTS),
        "ll_misses": sum(counts[event] for event in _LL_EVENTS),
    }


def problem(layout: Layout, lib: str | None, environment: Mapping[str, str]) -> str | None:
    """Why nothing can be counted here, found by counting a little; None: it can.

    `lib` is as LD_PRELOAD gets it, None: the C library's own malloc.
    """
    valgrind = find()
    if valgrind is None:
        return "valgrind is not installed"
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", **environment}
    if lib is not None:
        env["LD_PRELOAD"] = lib
    with tempfile.TemporaryDirectory(prefix="hkl-") as scratch:
        output = Path(scratch, "counts")
        try:
            done = run(
                [*command(valgrind, output), layout.driver, *_PROBE],
                limit_s=_PROBE_LIMIT_S,
                env=env,
                cwd=layout.root,
            )
        except OSError as error:
            return one_line(f"valgrind does not run here: {error}")
        if done.returncode != 0 or not output.exists():
            return f"it does not run under valgrind: {_said(done.stderr)}"
        if parse(output.read_text(encoding="utf-8", errors="replace")) is None:
            return (
                "the driver was built without valgrind/callgrind.h;"
                " install valgrind, then 'make clean all'"
            )
    return None


def _said(stderr: str) -> str:
    """The last thing that the program itself said: valgrind's lines begin with '==PID=='."""
    return last_line(re.sub(r"^(==|--)[0-9]+(==|--).*$", "", stderr, flags=re.MULTILINE))
