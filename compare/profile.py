"""Where the time goes: perf record over the steady window, as folded stacks.

Samples are taken by the cpu-clock event, which every machine has. Stacks are unwound with the
libraries' own unwind tables, since few libraries keep frame pointers.
"""

import tempfile
from collections import Counter
from pathlib import Path

from compare import perf
from compare.text import last_line, one_line
from compare.tools import run

PURPOSE = "profile"
HZ = 9999
# A steady window may last a few milliseconds only; times are not compared here.
TIMES_ITERS = 5
_BORDER = "hkl_run_iteration"
_STACK_BYTES = 2048  # copied with each sample to be unwound: scenarios are shallow
_PROBE_LIMIT_S = 30
_SCRIPT_LIMIT_S = 300


def command(perf_path: str, control_fd: int, ack_fd: int, output: Path) -> list[str]:
    """The command line up to '--'. Sampling is off until 'enable' comes through `control_fd`."""
    return [
        *_record(perf_path, output),
        *("-D", "-1", "--control", f"fd:{control_fd},{ack_fd}"),
        "--",
    ]


def _record(perf_path: str, output: Path) -> list[str]:
    return [
        *(perf_path, "record", "--quiet", "-e", "cpu-clock", "-F", str(HZ)),
        *("--call-graph", f"dwarf,{_STACK_BYTES}", "-o", str(output)),
    ]


def problem(perf_path: str | None) -> str | None:
    """Why nothing can be sampled here, found by sampling a little; None: it can."""
    if perf_path is None:
        return "perf is not installed"
    with tempfile.TemporaryDirectory(prefix="hkl-") as scratch:
        line = [*_record(perf_path, Path(scratch, "data")), "--", "true"]
        try:
            done = run(line, limit_s=_PROBE_LIMIT_S, env=perf.ENVIRONMENT)
        except OSError as error:
            return one_line(str(error))
    return None if done.returncode == 0 else last_line(done.stderr) or "perf record failed"


def fold(perf_path: str, data: Path) -> Counter[str]:
    """'outer;inner' -> samples, from perf's data file. Raises OSError when perf cannot read it."""
    line = [perf_path, "script", "--no-inline", "-i", str(data), "-F", "ip,sym,dso"]
    done = run(line, limit_s=_SCRIPT_LIMIT_S, env=perf.ENVIRONMENT)
    if done.returncode != 0:
        raise OSError(f"perf script: {last_line(done.stderr)}")
    return fold_text(done.stdout)


def fold_text(text: str) -> Counter[str]:
    """Folds what `perf script -F ip,sym,dso` prints: a line for each frame, innermost first, and
    an empty line after each sample."""
    stacks: Counter[str] = Counter()
    frames: list[str] = []
    for line in [*text.splitlines(), ""]:
        words = line.strip().split(" ", 1)
        if len(words) == 2:
            frames.append(_name(words[1]))
        elif frames:
            if _BORDER in frames:  # what called the scenario is of no interest
                frames = frames[: frames.index(_BORDER)]
            if frames:
                stacks[";".join(reversed(frames))] += 1
            frames = []
    return stacks


def _name(frame: str) -> str:
    """'symbol (library)' as the name of a frame; kernel functions end in _[k] as is the custom."""
    symbol, _, dso = frame.rpartition(" (")
    dso = dso.rstrip(")")
    symbol = symbol.strip().replace(";", ":")
    if dso.startswith("[kernel") or dso.startswith("[guest.kernel"):
        return f"{symbol}_[k]"
    library = Path(dso).name
    return f"[{library.strip('[]')}]" if symbol == "[unknown]" else symbol
