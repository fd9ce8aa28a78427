"""The driver `build/hkl-driver`: which scenarios it has, and the command line that runs one."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compare.errors import UsageError
from compare.text import last_line, nearest

# Limits of the driver's options that do not depend on the scenario.
MAX_ITERS = 10_000_000
MAX_SLOTS = 1 << 24
MAX_BATCH = 1_000_000_000
MAX_SEED = (1 << 63) - 1
# Timelines longer than this go to a file of their own.
TIMELINE_INLINE = 4096

_LIST_LIMIT_S = 30


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


def scenarios(driver: Path) -> dict[str, Scenario]:
    """All scenarios by name. Raises UsageError when there is no driver, or it does not answer."""
    try:
        done = subprocess.run(
            [driver, "--list"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIST_LIMIT_S,
            check=False,
            env={"LC_ALL": "C"},
        )
        entries = json.loads(done.stdout) if done.returncode == 0 else None
    except FileNotFoundError as error:
        raise UsageError("build/hkl-driver: not built; run 'make'") from error
    except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError) as error:
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
            **entry["limits"],
        )
        for entry in entries
    }


def choose(names: Sequence[str], known: Mapping[str, Scenario]) -> list[Scenario]:
    """The scenarios called `names`; ["all"]: all. Raises UsageError on an unknown name."""
    if list(names) == ["all"]:
        return list(known.values())
    for i, name in enumerate(names):
        if name not in known:
            raise UsageError(
                f"--scenario '{name}': no such scenario; did you mean"
                f" '{nearest(name, [*known, 'all'])}'? --list shows all"
            )
        if name in names[:i]:
            raise UsageError(f"--scenario '{name}': is named twice")
    return [known[name] for name in names]


def parameters(scenario: Scenario, iters: int, asked: Mapping[str, int | None]) -> dict[str, int]:
    """All parameters of a cell: what was asked (None: not), else the scenario's default.

    Raises UsageError when the scenario does not take a value.
    """
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
    if threads is not None and threads > scenario.max_threads:
        raise UsageError(
            f"--threads {threads}: must be from 1 to {scenario.max_threads}"
            f" for scenario {scenario.name}"
        )
    chosen = {
        key: scenario.defaults[key] if asked[key] is None else asked[key]
        for key in ("warmup", "size", "seed", "threads", "slots", "batch")
    }
    return {"iters": iters, **{key: value for key, value in chosen.items() if value is not None}}


def command(driver: Path, scenario: str, params: Mapping[str, int]) -> list[str]:
    """The command line that measures `scenario` with all parameters spelled out."""
    line = [str(driver), "--scenario", scenario]
    for key, value in params.items():
        line += [f"--{key}", str(value)]
    return line
