"""The driver `build/hkl-driver`: which scenarios it has, and the command line that runs one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compare.allocators import sha256_of
from compare.errors import UsageError
from compare.text import last_line, did_you_mean
from compare.tools import run

# Limits of the driver's options that do not depend on the scenario.
MAX_ITERS = 10_000_000
MAX_SLOTS = 1 << 24
MAX_BATCH = 1_000_000_000
MAX_SEED = (1 << 63) - 1
MIN_LIMIT, MAX_LIMIT = 10, 10_000  # per cent
# Timelines longer than this go to a file of their own.
TIMELINE_INLINE = 4096

_LIST_LIMIT_S = 30

# --quick takes one of so many iterations, but at least so many.
_QUICK_PART = 5
_QUICK_LEAST = 3


@dataclass(frozen=True)
class Scenario:
    """One entry of `hkl-driver --list`. Sizes in bytes; max_size 0: --size has no meaning."""

    name: str
    summary: str
    defaults: Mapping[str, int]
    min_size: int
    max_size: int
    max_threads: int
    floor_ok: bool  # whether the floor, which reuses only the newest block, can serve it
    takes_trace: bool
    wrong_frees: bool = False  # most allocators crash on it: never part of 'all'


@dataclass(frozen=True)
class Trace:
    """A recording to replay: its path as the driver gets it, and what it holds."""

    path: str
    sha256: str
    threads: int
    operations: int  # of one iteration: all calls, and the frees of what is left


def scenarios(driver: Path) -> dict[str, Scenario]:
    """All scenarios by name. Raises UsageError when there is no driver, or it does not answer."""
    try:
        done = run([driver, "--list"], limit_s=_LIST_LIMIT_S, env={"LC_ALL": "C"})
        entries = json.loads(done.stdout) if done.returncode == 0 else None
    except FileNotFoundError as error:
        raise UsageError("build/hkl-driver: not built; run 'make'") from error
    except (OSError, json.JSONDecodeError) as error:
        raise UsageError(f"build/hkl-driver --list: {error}") from error
    if not entries:
        reason = last_line(done.stderr) or f"exit status {done.returncode}"
        raise UsageError(f"build/hkl-driver --list: {reason}; build it again with 'make'")
    return {
        entry["name"]: Scenario(
            name=entry["name"],
            summary=entry["summary"],
            defaults=entry["defaults"],
            floor_ok=entry["floor_ok"],
            takes_trace=entry["takes_trace"],
            wrong_frees=entry["wrong_frees"],
            **entry["limits"],
        )
        for entry in entries
    }


def choose(names: Sequence[str], known: Mapping[str, Scenario], trace: bool) -> list[Scenario]:
    """The scenarios called `names`. ["all"]: all but those with wrong frees, and those that take a
    trace only if there is one.

    Raises UsageError on an unknown name, and when `trace` (whether one was given) does not fit.
    """
    if list(names) == ["all"]:
        return [
            scenario
            for scenario in known.values()
            if (trace or not scenario.takes_trace) and not scenario.wrong_frees
        ]
    for i, name in enumerate(names):
        if name not in known:
            raise UsageError(
                f"--scenario '{name}': no such scenario"
                + did_you_mean(name, [*known, "all"], "--list shows all")
            )
        if name in names[:i]:
            raise UsageError(f"--scenario '{name}': is named twice")
    chosen = [known[name] for name in names]
    takers = [scenario.name for scenario in chosen if scenario.takes_trace]
    if takers and not trace:
        raise UsageError(f"--trace: missing; scenario {takers[0]} needs the file of a recording")
    if trace and not takers:
        raise UsageError(f"--trace: no scenario of {', '.join(names)} takes one; leave it out")
    return chosen


def read_trace(tool: Path, file: Path, path: str) -> Trace:
    """Checks the trace in `file`, which the driver will get as `path`. Raises UsageError."""
    try:
        done = run([tool, "--check", file])
        sums = json.loads(done.stdout) if done.returncode == 0 else None
        digest = sha256_of(file) if sums else ""
    except FileNotFoundError as error:
        raise UsageError("build/hkl-trace: not built; run 'make'") from error
    except (OSError, json.JSONDecodeError) as error:
        raise UsageError(f"--trace '{file}': {error}") from error
    if sums is None:
        reason = last_line(done.stderr).removeprefix(f"hkl-trace: {file}: ")
        raise UsageError(f"--trace '{file}': {reason or f'exit status {done.returncode}'}")
    return Trace(path, digest, sums["threads"], sums["calls"] + sums["live"])


def default_iters(scenario: Scenario, quick: bool) -> int:
    """Iterations after the warm-up where the user sets none."""
    iters = scenario.defaults["iters"]
    return max(_QUICK_LEAST, iters // _QUICK_PART) if quick else iters


def parameters(
    scenario: Scenario, iters: int, asked: Mapping[str, int | None], trace: Trace | None
) -> dict[str, int | str]:
    """All parameters of a cell: what was asked (None: not), else the scenario's default.

    Raises UsageError when the scenario does not take a value.
    """
    defaults = dict(scenario.defaults)
    of_trace: dict[str, int | str] = {}
    if scenario.takes_trace and trace is not None:
        defaults |= {"threads": trace.threads, "batch": trace.operations}
        of_trace = {"trace": trace.path, "trace_sha256": trace.sha256}
        for name in ("threads", "batch"):
            value = asked[name]
            if value is not None and value != defaults[name]:
                raise UsageError(f"--{name} {value}: the trace has {defaults[name]}; leave it out")
    size, slots, threads = asked["size"], asked["slots"], asked["threads"]
    if size is not None and size != scenario.defaults["size"]:
        if not scenario.max_size:
            raise UsageError(
                f"--size {size}: scenario {scenario.name} has sizes of its own; leave it out"
            )
        if not scenario.min_size <= size <= scenario.max_size:
            raise UsageError(
                f"--size {size}: must be from {scenario.min_size} to {scenario.max_size} bytes"
                f" for scenario {scenario.name}"
            )
    if slots is not None and not scenario.defaults["slots"]:
        raise UsageError(f"--slots {slots}: scenario {scenario.name} has no slots; leave it out")
    limit = asked["limit"]
    if limit is not None and not scenario.defaults["limit"]:
        raise UsageError(f"--limit {limit}: scenario {scenario.name} sets no limit; leave it out")
    if threads is not None and threads > scenario.max_threads:
        raise UsageError(
            f"--threads {threads}: must be from 1 to {scenario.max_threads}"
            f" for scenario {scenario.name}"
        )
    chosen = {
        key: defaults[key] if asked[key] is None else asked[key]
        for key in ("warmup", "size", "seed", "threads", "slots", "batch")
    }
    if limit is None:
        limit = scenario.defaults["limit"]
    of_limit = {"limit": limit} if limit else {}
    numbers = {key: value for key, value in chosen.items() if value is not None}
    return {"iters": iters, **numbers, **of_limit, **of_trace}


def command(driver: Path, scenario: str, params: Mapping[str, int | str]) -> list[str]:
    """The command line that measures `scenario` with all parameters spelled out."""
    line = [str(driver), "--scenario", scenario]
    for key, value in params.items():
        if key == "trace_sha256":  # the driver has the file itself
            continue
        line += [f"--{key}", str(value)]
    return line
