"""--resume: a run's folder is gone on with only if it runs what its plan says, and nothing else.

run.json names what is executed, and it may have come from elsewhere. So the folder must be ours and
hold no links; allocators, driver and traces must be the files whose SHA-256 the plan has, and none
of them lies in the folder; programs, settings, events and flags must be such as the command line
would let through. All is checked before the first process.
"""

import os
import shutil
from pathlib import Path

from compare import callgrind, machine, micro, perf, profile, program, storage
from compare.allocators import not_preloadable, sha256_of
from compare.errors import UsageError
from compare.layout import Layout
from compare.plan import Json

_TOOLS = {
    callgrind.PURPOSE: "valgrind",
    profile.PURPOSE: "perf",
    program.PURPOSE: "hyperfine",
}
_EVENTS = {*perf.TIME_EVENTS, *perf.SYSCALL_EVENTS}


class _Refused(Exception):
    """What stands against going on."""


def load(folder: Path, layout: Layout) -> dict[Path, Json]:
    """run.json of each run in `folder`, by its folder below. Raises UsageError when one must not be
    gone on with."""
    try:
        runs = storage.load_runs(folder)
        _check_files(folder)
        for run in runs.values():
            _check_plan(run)
            _check_words(run)
            _check_programs(run)
            _check_unchanged(run, folder, layout)
            _check_tools(run)
    except _Refused as error:
        raise UsageError(f"--resume {folder}: {error}") from error
    return runs


def _check_files(folder: Path) -> None:
    """All that is in the folder is ours and inside of it: trials.jsonl is written to, for one."""
    for name, folders, files in os.walk(folder):
        for path in (Path(name, entry) for entry in (".", *folders, *files)):
            where = path.relative_to(folder)
            if path.is_symlink():
                raise _Refused(f"{where} is a link; put what it leads to in its place")
            if path.lstat().st_uid not in (os.geteuid(), 0):
                raise _Refused(
                    f"{where} is another user's, and a plan names what is executed;"
                    " if you trust it, make it yours with chown"
                )


def _check_plan(run: Json) -> None:
    """Every trial has its arm, its cell and a purpose that fits."""
    arms = {arm["arm"] for arm in run["arms"]}
    cells = dict(enumerate(run["cells"]))
    for entry in run["plan"]:
        cell = cells.get(entry["cell"])
        if entry["arm"] not in arms or cell is None:
            raise _Refused(f"run.json is damaged: trial {entry['trial']}: no such arm or cell")
        whole = cell.get("program") is not None
        complete = whole or {"iters", "warmup"} <= cell["params"].keys()
        if whole != (entry["purpose"] == program.PURPOSE) or not complete:
            raise _Refused(f"run.json is damaged: trial {entry['trial']}: not fit for its cell")


def _check_words(run: Json) -> None:
    """Settings steer allocators only, what is counted are our events, flags are the library's."""
    for settings in (run["environment"], *(arm["env"] for arm in run["arms"])):
        stranger = settings.keys() - machine.allocator_environment(settings).keys()
        if stranger:
            raise _Refused(f"{min(stranger)} is not a variable that steers allocators")
    for event in run["counters"]["events"]:
        if event not in _EVENTS:
            raise _Refused(f"event '{event}': no run counts it")
    for cell in run["cells"]:
        micro.check_flags(cell["micro"]["flags"] if "micro" in cell else ())


def _check_programs(run: Json) -> None:
    """Whole programs are called as programs.toml says."""
    table = program.load_table()
    planned = {entry["cell"] for entry in run["plan"] if entry["purpose"] == program.PURPOSE}
    for cell in (run["cells"][index] for index in planned):
        known = table.get(cell["scenario"])
        if known is None or not cell["program"].items() >= program.calls(known).items():
            raise _Refused(
                f"program {cell['scenario']} is not called, or not installed, as it was when the"
                " run began; start a new run"
            )


def _check_unchanged(run: Json, folder: Path, layout: Layout) -> None:
    """Allocators, drivers and traces are those that the run began with."""
    files = [(arm["title"], arm["lib"], arm["sha256"]) for arm in run["arms"] if arm["lib"]]
    for _, lib, _ in files:
        if not_preloadable(lib):
            raise _Refused(f"{lib}: cannot be preloaded")
    files.append(("the driver", str(layout.driver), run["tools"].get("driver_sha256")))
    if any(entry["purpose"] == "latency" for entry in run["plan"]):
        files.append(
            (layout.latency.name, str(layout.latency), run["tools"].get(layout.latency.name))
        )
    if any("micro" in cell for cell in run["cells"]):
        files.append((layout.micro.name, str(layout.micro), run["tools"].get(layout.micro.name)))
    traces = {
        cell["params"]["trace"]: cell["params"]
        for cell in run["cells"]
        if "trace" in cell["params"]
    }
    files += [("the trace", path, params.get("trace_sha256")) for path, params in traces.items()]
    for title, name, recorded in files:
        path = layout.root / name
        if Path(os.path.realpath(path)).is_relative_to(folder):
            raise _Refused(f"{title} ({name}) lies in the run's own folder; start a new run")
        try:
            now = sha256_of(path)
        except OSError as error:
            raise _Refused(f"{title}: {name}: {error.strerror}") from error
        if now != recorded:
            raise _Refused(
                f"{title} ({name}) has changed since the run began;"
                " start a new run, or bring the old file back"
            )


def _check_tools(run: Json) -> None:
    """What stands between us and the driver is still here, and so are the CPUs."""
    if run["counters"]["mode"] == "perf" and perf.find() is None:
        raise _Refused("this run counts with perf, which is not here any more")
    for purpose, tool in _TOOLS.items():
        planned = any(entry["purpose"] == purpose for entry in run["plan"])
        if planned and shutil.which(tool) is None:
            raise _Refused(f"this run needs {tool}, which is not here any more")
    machine.check_pin(run.get("pin"))
