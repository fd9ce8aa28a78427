"""Micro-benchmarks of single calls by Google Benchmark: build/hkl-micro, one benchmark a process.

A cell is a benchmark at one size, named micro:NAME; its trials are planned, shuffled, compared and
drawn like any other. Google Benchmark runs it a few times (repetitions): the first is the cold
window, the others are the steady iterations. Its own JSON is kept below the run's folder, where its
tools (compare.py) can use it.
"""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

from compare.errors import UsageError
from compare.layout import Layout
from compare.plan import Json
from compare.text import last_line, did_you_mean
from compare.tools import run

DEFAULT_SIZES = (16, 256, 4096, 64 << 10, 1 << 20)
_PREFIX = "micro:"
_DEFAULT_FLAGS = ("--benchmark_min_time=0.02", "--benchmark_repetitions=8")
# What we set ourselves, or what would make the output something else.
_OURS = (
    "filter",
    "out",
    "out_format",
    "format",
    "list_tests",
    "report_aggregates_only",
    "dry_run",
)
_LIST_LIMIT_S = 30


def check_flags(flags: Sequence[str]) -> None:
    """Raises UsageError unless `flags` look like Google Benchmark's and are not ours to set."""
    for flag in flags:
        match = re.fullmatch(r"--benchmark_([a-z_]+)(?:=(.*))?", flag, re.DOTALL)
        if not match:
            raise UsageError(f"-- '{flag}': must be a flag of Google Benchmark, --benchmark_...")
        if match[1] in _OURS:
            raise UsageError(f"-- '{flag}': is set by the lab; leave it out")
        if match[1] == "repetitions" and not re.fullmatch(r"[1-9][0-9]+|[2-9]", match[2] or ""):
            raise UsageError(f"-- '{flag}': must be 2 or more: the first one is the cold window")


def cells(
    names: Sequence[str], sizes: Sequence[int] | None, flags: Sequence[str], layout: Layout
) -> list[Json]:
    """The cells of a run: `names` (empty: all) at each of `sizes` (None: a few).

    Raises UsageError on an unknown name or size, or on flags that the library refuses.
    """
    known = _list(layout, flags)
    for i, name in enumerate(names):
        if name not in known:
            raise UsageError(
                f"--micro '{name}': no such benchmark"
                + did_you_mean(name, known, f"there are: {', '.join(known)}")
            )
        if name in names[:i]:
            raise UsageError(f"--micro '{name}': is named twice")
    for size in sizes or ():
        if size not in next(iter(known.values())):
            raise UsageError(
                f"--size {size}: must be a power of two from 16 to 1048576 for micro-benchmarks"
            )
    every_flag = [*_DEFAULT_FLAGS, *flags]
    repetitions = [flag.partition("=")[2] for flag in every_flag if "_repetitions=" in flag][-1]
    return [
        {
            "scenario": _PREFIX + name,
            "params": {
                **{"iters": int(repetitions), "warmup": 0, "size": size, "seed": 0},
                **{"threads": 1, "slots": 0, "batch": 0},
            },
            "micro": {"benchmark": f"{name}/{size}", "flags": every_flag},
        }
        for name in names or known
        for size in sizes or DEFAULT_SIZES
    ]


def _list(layout: Layout, flags: Sequence[str]) -> dict[str, list[int]]:
    """Sizes by name. Raises UsageError when hkl-micro is not there or refuses the flags."""
    try:
        asked = [str(layout.micro), *flags, "--benchmark_list_tests=true"]
        done = run(asked, limit_s=_LIST_LIMIT_S, env={"LC_ALL": "C"})
    except FileNotFoundError as error:
        raise UsageError("build/hkl-micro: not built; run 'make'") from error
    except OSError as error:
        raise UsageError(f"build/hkl-micro: {error}") from error
    if done.returncode != 0 or done.stderr:
        raise UsageError(f"-- {' '.join(flags)}: {last_line(done.stderr)}")
    known: dict[str, list[int]] = {}
    for line in done.stdout.splitlines():
        name, size = line.split("/")[:2]
        known.setdefault(name, []).append(int(size))
    return known


def command(layout: Layout, cell: Json, output: Path) -> list[str]:
    """The command line that measures a cell and leaves Google Benchmark's JSON in `output`."""
    micro = cell["micro"]
    return [
        str(layout.micro),
        *micro["flags"],
        f"--benchmark_filter=^{micro['benchmark']}/",
        f"--benchmark_out={output}",
        "--benchmark_out_format=json",
    ]


def measured(output: Path, params: Json) -> Json:
    """The record's fields from Google Benchmark's JSON. Raises ValueError when it holds no
    repetitions of one benchmark."""
    try:
        runs = [
            run
            for run in json.loads(output.read_bytes())["benchmarks"]
            if run["run_type"] == "iteration"
        ]
        batch = int(runs[0]["iterations"])
        times = [
            round(float(run["real_time"]) * _unit_ns(run["time_unit"]) * batch) for run in runs
        ]
    except (OSError, KeyError, IndexError, OverflowError) as error:
        raise ValueError(f"no repetitions in Google Benchmark's JSON: {error!r}") from error
    if any(run["iterations"] != batch or "error_message" in run for run in runs):
        raise ValueError("Google Benchmark's repetitions differ, or one failed")
    return {
        "params": {**params, "iters": len(times)},
        "windows": {
            "cold": _window(times[:1], batch),
            "warmup": None,
            "steady": _window(times[1:], batch),
        },
        "timeline_ns": times,
    }


def _unit_ns(unit: str) -> float:
    return {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}[unit]


def _window(times: Sequence[int], batch: int) -> Json | None:
    """Sums of a window, without what Google Benchmark does not count."""
    if not times:
        return None
    ops = len(times) * batch
    return {
        "iters": len(times),
        "ops": ops,
        "ns": sum(times),
        "ns_per_op": round(math.fsum(times) / ops, 3),
    }
