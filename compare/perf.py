"""perf stat: what it can count here, its command line, and what it printed.

An event that cannot be counted is {"unsupported": reason}, never zero. perf's exit status says
little: it is 0 for unsupported events, and without privilege it silently counts user mode only
(context switches then read 0), which shows in a ':u' after the event's name.
"""

import re
import shutil
from collections.abc import Iterable, Sequence
from typing import Any

from compare.text import one_line
from compare.tools import run

# Cheap enough to be counted while times are measured.
TIME_EVENTS = (
    "task-clock",
    "page-faults",
    "minor-faults",
    "major-faults",
    "context-switches",
    "cpu-migrations",
    "cycles",
    "instructions",
)
SYSCALLS = ("mmap", "munmap", "madvise", "mremap", "brk")
_TRACEPOINT = "syscalls:sys_enter_"
SYSCALL_EVENTS = tuple(_TRACEPOINT + name for name in SYSCALLS)
_HARDWARE = ("cycles", "instructions")

# perf's own environment: its messages in English, numbers with a point, nobody's configuration.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "PERF_CONFIG": "/dev/null"}

_PROBE_LIMIT_S = 20
_USER_ONLY = "perf may count in user mode only"
_PERMIT = "run as root, or 'sysctl kernel.perf_event_paranoid=1'"

Count = int | float | dict[str, str]


def find() -> str | None:
    """perf's path; None when there is none on PATH."""
    return shutil.which("perf")


def probe(perf: str | None, simulated: bool = False) -> dict[str, Any]:
    """run.json's `counters`: each event tried by itself, since an unusable one aborts perf.

    `simulated`: callgrind is asked to stand in for hardware counters.
    """
    everything = (*TIME_EVENTS, *SYSCALL_EVENTS)
    if perf is None:
        return {
            "mode": "none",
            "events": [],
            "unsupported": {event: "perf is not installed" for event in everything},
            "notes": ["perf is not installed: no counters; install linux-perf (Debian) or perf"],
        }
    unsupported: dict[str, str] = {}
    for event in everything:
        reason = _why_not(perf, event)
        if reason:
            unsupported[event] = reason
    events = [event for event in everything if event not in unsupported]
    return {
        "mode": "perf" if events else "none",
        "events": events,
        "unsupported": unsupported,
        "notes": _notes(events, unsupported, simulated),
    }


def off() -> dict[str, Any]:
    """run.json's `counters` when the user wants none."""
    return {"mode": "none", "events": [], "unsupported": {}, "notes": []}


def _why_not(perf: str, event: str) -> str | None:
    """Why `event` cannot be counted, from counting it for a program that does nothing."""
    try:
        line = [perf, "stat", "-x,", "-e", event, "--", "true"]
        done = run(line, limit_s=_PROBE_LIMIT_S, env=ENVIRONMENT)
    except OSError as error:
        return one_line(str(error))
    if done.returncode != 0:
        return _first_reason(done.stderr) or f"perf stat ended with status {done.returncode}"
    count = parse(done.stderr, [event])[event]
    return count["unsupported"] if isinstance(count, dict) else None


def _first_reason(said: str) -> str:
    """The telling line of perf's error message: what follows 'Error:', else the first."""
    after = re.search(r"^Error:\s*(\S.*)$", said, re.MULTILINE)
    lines = [line for line in said.splitlines() if line.strip()]
    return one_line(after[1] if after else (lines or [""])[0])


def _notes(events: Sequence[str], unsupported: dict[str, str], simulated: bool) -> list[str]:
    """What is missing and the remedy, one line for each group of events with one cause."""
    notes = []
    if not events:
        reason = unsupported[TIME_EVENTS[0]]
        notes.append(f"perf can count nothing here ({reason}): no counters; {_PERMIT}")
        return notes
    software = [event for event in TIME_EVENTS if event not in _HARDWARE and event in unsupported]
    if software:
        reason = unsupported[software[0]]
        notes.append(f"{', '.join(software)} cannot be counted ({reason}): {_PERMIT}")
    hardware = [event for event in _HARDWARE if event in unsupported]
    if hardware and not simulated:
        remedy = (
            _PERMIT
            if unsupported[hardware[0]] == _USER_ONLY
            else "most virtual machines have none; --counters callgrind counts instructions exactly"
        )
        notes.append(
            f"hardware counters ({', '.join(hardware)}) cannot be read"
            f" ({unsupported[hardware[0]]}): {remedy}"
        )
    traced = [event for event in SYSCALL_EVENTS if event in unsupported]
    if traced:
        names = ", ".join(event.removeprefix(_TRACEPOINT) for event in traced)
        notes.append(
            f"system calls ({names}) cannot be counted ({unsupported[traced[0]]}): run as root,"
            " with tracefs mounted at /sys/kernel/tracing"
        )
    return notes


def command(
    perf: str, events: Iterable[str], control_fd: int, ack_fd: int, output: str
) -> list[str]:
    """The command line up to '--'. Counters are off until 'enable' comes through `control_fd`."""
    return [
        perf,
        "stat",
        "-x,",
        "-D",
        "-1",
        "--control",
        f"fd:{control_fd},{ack_fd}",
        "-e",
        ",".join(events),
        "-o",
        output,
        "--",
    ]


def parse(text: str, events: Iterable[str]) -> dict[str, Count]:
    """The counts of `events` in perf's CSV output: value,unit,event,run time,percent,..."""
    printed: dict[str, str] = {}
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) >= 3 and not line.startswith("#"):
            printed[fields[2]] = fields[0]
    return {event: _count(event, printed) for event in events}


def _count(event: str, printed: dict[str, str]) -> Count:
    value = printed.get(event)
    if value is None:
        if any(re.fullmatch(re.escape(event) + ":[a-zA-Z]+", name) for name in printed):
            return {"unsupported": _USER_ONLY}
        return {"unsupported": "perf printed no count"}
    if value == "<not supported>":
        return {"unsupported": "not supported by this machine"}
    if value == "<not counted>":
        return {"unsupported": "not counted: the counters were never on"}
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return {"unsupported": f"perf printed '{one_line(value)}'"}


def split(counts: dict[str, Count]) -> tuple[dict[str, Count], dict[str, Count]]:
    """Counts by event, parted into (perf's own, system calls by name)."""
    own = {key: value for key, value in counts.items() if not key.startswith(_TRACEPOINT)}
    calls = {
        key.removeprefix(_TRACEPOINT): value
        for key, value in counts.items()
        if key.startswith(_TRACEPOINT)
    }
    return own, calls
