"""One trial: one process of the driver under one allocator, and its record for trials.jsonl.

What happens is a function of the plan's entry and run.json alone. perf stat stands between us and
the driver where it counts, and `env` between perf and the driver, so that LD_PRELOAD reaches
neither us nor perf:

    perf stat ... -- env -i NAME=VALUE... LD_PRELOAD=lib hkl-driver ...

Trials of other purposes stand between us and the driver in the same way: perf record, callgrind
(inside of `env`, since it runs the driver itself). Whole programs are program.py's.

The driver's record comes through a file of its own and is written last: no record, no result. perf
exits with 0 when its child dies by a signal, but prints "<command>: <signal's name>": that is read.
"""

import ctypes
import errno
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from compare import callgrind, driver, micro, perf, profile, program
from compare.interrupt import Interrupt
from compare.layout import Layout
from compare.plan import Json
from compare.schema import record_problem
from compare.memory import SAMPLE_EVERY_S, MemoryWatch
from compare.text import last_line, one_line

# All that the driver's environment holds, beside what run.json adds.
BASE_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}

_LIBC = ctypes.CDLL(None)
_ADDR_NO_RANDOMIZE = 0x0040000
_PR_SET_PDEATHSIG = 1
_ENV = shutil.which("env") or "/usr/bin/env"
_SIGNAL_NAMES = {
    signal.strsignal(number): signal.Signals(number).name
    for number in signal.valid_signals()
    if number in set(signal.Signals)
}
# perf's words about the control pipe.
_PERF_SAYS = ("Events enabled", "Events disabled")
_MEASURED = (
    "windows",
    "timeline_ns",
    "timeline_file",
    "latency",
    "rss",
    "maps",
    "stats",
    "stats_total",
    "noise",
)


class Interrupted(Exception):
    """The user ended the run during this trial; the process is gone, nothing was recorded."""


@dataclass(frozen=True)
class _End:
    """How a process ended: status as in the record ('ok' so far), one line of why."""

    status: str
    error: str | None


@dataclass(frozen=True)
class Bench:
    """Where trials run: the checkout, the run's folder, perf's path (None: run without)."""

    layout: Layout
    folder: Path
    perf: str | None
    interrupt: Interrupt
    valgrind: str | None = None


def run_trial(run: Json, entry: Json, bench: Bench) -> Json:
    """Runs the plan's `entry` and returns its record, whatever became of it.

    Raises Interrupted when a signal asked to end the run; OSError when no process can be started,
    or there is no room for what it writes.
    """
    arm = next(arm for arm in run["arms"] if arm["arm"] == entry["arm"])
    cell = run["cells"][entry["cell"]]
    whole_program = entry["purpose"] == program.PURPOSE
    if "iters" in entry:
        cell = {**cell, "params": {**cell["params"], "iters": entry["iters"]}}
    record: Json = {
        "schema": "hkl-trial-1",
        **{key: entry[key] for key in ("trial", "purpose", "block", "order", "arm", "env_pad")},
        "allocator": arm["allocator"],
        "lib": arm["lib"],
        "scenario": cell["scenario"],
        "params": None if whole_program else cell["params"],
        "status": "ok",
        "error": None,
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        **dict.fromkeys(_MEASURED),
        "perf": None,
        "syscalls": None,
    }
    measure = _measure_program if whole_program else _measure
    if "micro" in cell:
        measure = _measure_micro
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hkl-") as scratch:
        end, measured = measure(run, entry, arm, cell, bench, Path(scratch))
        if end.status != "ok":
            _check_space(Path(scratch), bench.folder)
    record["elapsed_s"] = round(time.monotonic() - begin, 6)
    measured_record = {**record, **measured}
    if end.status == "ok":
        problem = record_problem(measured_record)
        if problem is None:
            return measured_record
        end = _End("error", f"the driver's record is not as the schema says: {problem}")
    return {**record, "status": end.status, "error": end.error}


def _check_space(*folders: Path) -> None:
    """Raises OSError when a disk is full: a failure is then not the allocator's."""
    for folder in folders:
        if os.statvfs(folder).f_bavail == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _measure(
    run: Json, entry: Json, arm: Json, cell: Json, bench: Bench, scratch: Path
) -> tuple[_End, Json]:
    """Runs the process; returns how it ended and what it measured ({} unless 'ok')."""
    record_path, said_path, data_path = (scratch / name for name in ("record", "said", "data"))
    purpose = entry["purpose"]
    events = _events(run, entry) if bench.perf else []
    program = bench.layout.latency if entry["purpose"] == "latency" else bench.layout.driver
    watch = MemoryWatch(program.name) if entry["purpose"] == "memory" else None
    line = driver.command(program, cell["scenario"], cell["params"])
    timeline = None
    if cell["params"]["iters"] + cell["params"]["warmup"] > driver.TIMELINE_INLINE:
        timeline = f"timelines/{entry['trial']}.u64"
        (bench.folder / "timelines").mkdir(exist_ok=True)
        line += ["--timeline", str(bench.folder / timeline)]
    record_fd = os.open(record_path, os.O_WRONLY | os.O_CREAT, 0o600)
    line += ["--record", str(record_fd)]
    fds = [record_fd]
    prefix: list[str] = []
    if purpose == callgrind.PURPOSE:
        line = [*callgrind.command(bench.valgrind or "valgrind", data_path), *line]
    elif bench.perf and (events or purpose == profile.PURPOSE):
        control_read, control_write = os.pipe()
        ack_read, ack_write = os.pipe()
        fds += [control_read, control_write, ack_read, ack_write]
        line += ["--perf-control", f"{control_write},{ack_read}"]
        if purpose == profile.PURPOSE:
            prefix = profile.command(bench.perf, control_read, ack_write, data_path)
        else:
            prefix = perf.command(bench.perf, events, control_read, ack_write, str(data_path))
    environment = environment_of(run, entry, arm)
    if arm["lib"] is not None:
        environment["LD_PRELOAD"] = arm["lib"]
    settings = [f"{key}={value}" for key, value in environment.items()]
    try:
        end = _run_process(
            [*prefix, _ENV, "-i", *settings, *line],
            run,
            bench,
            said_path,
            fds=fds,
            fixed_layout=purpose == callgrind.PURPOSE,
            watch=watch,
        )
    finally:
        for fd in fds:
            os.close(fd)
    if end.status != "ok":
        return end, {}
    try:
        measured = json.loads(record_path.read_bytes())
    except ValueError:
        return _End("error", "the driver ended with status 0 but left no record"), {}
    if not isinstance(measured, dict):
        return _End("error", "the driver's record is not a JSON object"), {}
    if isinstance(measured.get("params"), dict):  # what only the plan knows
        measured["params"] = {**cell["params"], **measured["params"]}
    if measured.get("timeline_file") is not None:
        measured["timeline_file"] = timeline
    if watch is not None:
        measured["memory_file"] = f"memory/{entry['trial']}.csv"
        watch.write(bench.folder / measured["memory_file"])
    elif purpose == callgrind.PURPOSE:
        counted = callgrind.parse(data_path.read_text(encoding="utf-8", errors="replace"))
        if counted is None:
            return _End("error", "callgrind counted nothing"), {}
        measured["callgrind"] = counted
    elif purpose == profile.PURPOSE:
        measured["profile"] = _keep_profile(entry, bench, data_path)
    elif events:
        counts = perf.parse(data_path.read_text(encoding="utf-8", errors="replace"), events)
        counts |= {
            event: {"unsupported": reason}
            for event, reason in run["counters"]["unsupported"].items()
            if event in perf.TIME_EVENTS or (purpose == "count" and event in perf.SYSCALL_EVENTS)
        }
        own, calls = perf.split(counts)
        measured["perf"] = own
        measured["syscalls"] = calls if purpose == "count" else None
    return end, measured


def _keep_profile(entry: Json, bench: Bench, data: Path) -> Json:
    """Writes the folded stacks below the run's folder; the record's `profile`."""
    stacks = profile.fold(bench.perf or "perf", data)
    name = f"profiles/{entry['trial']}.folded"
    (bench.folder / "profiles").mkdir(exist_ok=True)
    lines = [f"{stack} {count}\n" for stack, count in sorted(stacks.items())]
    (bench.folder / name).write_text("".join(lines), encoding="utf-8")
    return {"file": name, "samples": stacks.total(), "hz": profile.HZ}


def _measure_program(
    run: Json, entry: Json, arm: Json, cell: Json, bench: Bench, scratch: Path
) -> tuple[_End, Json]:
    """Runs a whole program once under hyperfine; as _measure."""
    work = scratch / "work"
    work.mkdir()
    kept = f"programs/{entry['trial']}.json"
    (bench.folder / "programs").mkdir(exist_ok=True)
    environment = environment_of(run, entry, arm)
    line = program.command(
        cell["program"], arm["lib"], bench.layout, scratch, bench.folder / kept, environment
    )
    end = _run_process(line, run, bench, scratch / "said", cwd=work)
    if end.status == "timeout":
        return end, {}
    status, error, measured = program.outcome(cell["program"], scratch, bench.folder / kept)
    if status == "ok":
        return end, {"program": {**measured, "hyperfine": kept}}
    return _End(status, error or end.error), {}


def _measure_micro(
    run: Json, entry: Json, arm: Json, cell: Json, bench: Bench, scratch: Path
) -> tuple[_End, Json]:
    """Runs a micro-benchmark once; as _measure."""
    kept = f"gbench/{entry['trial']}.json"
    (bench.folder / "gbench").mkdir(exist_ok=True)
    environment = environment_of(run, entry, arm)
    if arm["lib"] is not None:
        environment["LD_PRELOAD"] = arm["lib"]
    settings = [f"{key}={value}" for key, value in environment.items()]
    line = micro.command(bench.layout, cell, bench.folder / kept)
    end = _run_process([_ENV, "-i", *settings, *line], run, bench, scratch / "said")
    if end.status != "ok":
        return end, {}
    try:
        return end, {**micro.measured(bench.folder / kept, cell["params"]), "gbench_file": kept}
    except ValueError as error:
        return _End("error", one_line(str(error))), {}


def _events(run: Json, entry: Json) -> list[str]:
    """The events of this trial: system calls are traced in 'count' trials only."""
    if run["counters"]["mode"] != "perf" or entry["purpose"] not in ("time", "count"):
        return []
    return [
        event
        for event in run["counters"]["events"]
        if entry["purpose"] == "count" or event in perf.TIME_EVENTS
    ]


def environment_of(run: Json, entry: Json, arm: Json) -> dict[str, str]:
    """The measured process's whole environment but for LD_PRELOAD."""
    environment = {**BASE_ENVIRONMENT, **run["environment"], **arm["env"]}
    return {**environment, "HKL_PAD": "x" * entry["env_pad"]}


def _setting_up(cpus: Sequence[int] | None, fixed_layout: bool) -> Callable[[], None]:
    """What the child does before exec: sees to it that it dies with us, binds itself to `cpus`,
    ends address randomisation."""

    def set_up() -> None:
        # The driver and hkl-child do the same, since perf and hyperfine would leave them behind.
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpus is not None:
            os.sched_setaffinity(0, cpus)
        if fixed_layout:  # some containers forbid it; counts then vary by a little
            _LIBC.personality(_ADDR_NO_RANDOMIZE)

    return set_up


def _run_process(
    command: Sequence[str],
    run: Json,
    bench: Bench,
    said_path: Path,
    *,
    fds: Sequence[int] = (),
    cwd: Path | None = None,
    fixed_layout: bool = False,
    watch: MemoryWatch | None = None,
) -> _End:
    """Runs `command` in a process group of its own to its end, or to the time limit."""
    timeout_s = run["timeout_s"]
    with said_path.open("wb") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=cwd or bench.layout.root,
            env=perf.ENVIRONMENT,
            pass_fds=fds,
            start_new_session=True,
            preexec_fn=_setting_up(run.get("pin"), fixed_layout),
        )
    in_time = _wait(process.pid, timeout_s, bench.interrupt.fd, watch)
    # The group still exists: its leader has not been reaped. Nothing of a trial may outlive it.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if bench.interrupt.pending:
        raise Interrupted
    if not in_time:
        return _End("timeout", f"no result within {timeout_s:g} s")
    return _fate(process.returncode, said_path.read_text(encoding="utf-8", errors="replace"))


def _wait(pid: int, timeout_s: float, wake_fd: int, watch: MemoryWatch | None) -> bool:
    """Waits without using the processor, or while watching. False when neither the end nor a signal
    came in time."""
    pid_fd = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(pid_fd, select.POLLIN)
        poller.register(wake_fd, select.POLLIN)
        if watch is None:
            return bool(poller.poll(timeout_s * 1000))
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            watch.look(pid)
            if poller.poll(SAMPLE_EVERY_S * 1000):
                return True
        return False
    finally:
        os.close(pid_fd)


def _fate(returncode: int, said: str) -> _End:
    """What became of the driver, from the exit status and the text on stderr."""
    died = None
    kept = []
    for text in said.splitlines():
        match = re.fullmatch(re.escape(_ENV) + ": (.+)", text)
        if match and match[1] in _SIGNAL_NAMES:  # perf's words for a child killed by a signal
            died = _SIGNAL_NAMES[match[1]]
        elif text not in _PERF_SAYS:
            kept.append(text)
    last = last_line("\n".join(kept))
    if returncode < 0:
        died = signal.Signals(-returncode).name
    if died:
        return _End("crash", one_line(f"killed by {died}: {last}" if last else f"killed by {died}"))
    if returncode != 0:
        return _End("error", last or f"exit status {returncode}")
    return _End("ok", None)
