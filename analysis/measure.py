"""The values of a phase's metrics, from the trials of a run: for each process one array, which has
one number for each steady iteration, or a single one.

What the quantities mean is said in compare/metric.py.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis import flame
from analysis.load import Cell, Run
from analysis.statistics import Floats
from compare import metric

_RSS = {name: f"{name}_kib" for name in metric.PLAIN if name.startswith("rss_")}
_EVENT_OF_CALLS = "syscalls:sys_enter_"


class NotMeasured(Exception):
    """There is no such value in this run; the message says why."""


def by_block(run: Run, cell: Cell, arm: str, text: str) -> dict[int, Floats]:
    """Block -> the metric's values in that block's process of `arm`. Raises NotMeasured."""
    purpose = metric.purposes(text)[0]
    trials = run.select(cell.index, arm, purpose)
    if len(trials) == 0:
        raise NotMeasured(_why_none(run, purpose))
    ok = trials[trials["status"] == "ok"]
    if len(ok) == 0:
        raise NotMeasured(f"no process of {arm} came to its end: {trials.iloc[0]['error']}")
    values = {}
    for _, row in ok.iterrows():
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.atleast_1d(metric.evaluate(text, partial(_quantity, row)))
        if not np.isfinite(value).all():
            raise NotMeasured(f"{text}: nothing to divide by")
        values[int(row["block"])] = value
    return values


def samples_in(run: Run, cell: Cell, arm: str, symbol: str) -> tuple[int, int]:
    """(samples in functions whose name begins with `symbol`, all samples) of the arm's profile.
    Raises NotMeasured."""
    by_block(run, cell, arm, f"profile.{symbol}")
    trials = run.select(cell.index, arm, metric.PROFILE)
    stacks = next(stacks for stacks in trials["stacks"] if stacks is not None)
    return _samples(stacks, symbol), stacks.total()


def profiled_symbol(text: str) -> str | None:
    """The symbol of the metric 'profile.SYMBOL'; None when it is another."""
    match = re.fullmatch(r"profile\.(\w+)", text)
    return match[1] if match else None


def is_per_iteration(text: str) -> bool:
    """Whether a process yields the metric once for each steady iteration."""
    return any(name in metric.PER_ITERATION for name in metric.quantities(text))


def missing(run: Run, needs: list[str]) -> str | None:
    """Why one of `needs` (events or tools) cannot be had in this run; None: all can."""
    unsupported = run.meta["counters"]["unsupported"]
    for name in needs:
        for key in (name, _EVENT_OF_CALLS + name):
            if key in unsupported:
                return f"{name}: {unsupported[key]}"
        if run.meta["counters"]["mode"] == "none" and name not in metric.GROUPS:
            return f"{name}: nothing was counted in this run"
    return None


def _why_none(run: Run, purpose: str) -> str:
    needed = {"count": "mmap"}.get(purpose, purpose)
    return missing(run, [needed]) or f"no process of purpose '{purpose}' ran"


def _quantity(row: pd.Series, name: str) -> Floats:
    """One quantity of one process: an array of its steady iterations, or of a single number."""
    # An array, for whose division by 0 there is a value.
    return np.atleast_1d(np.asarray(_value(row, name), dtype=np.float64))


def _value(row: pd.Series, name: str) -> Any:
    group, _, rest = name.partition(".")
    if name in metric.PER_ITERATION:
        steady = row["steady"]
        if len(steady) == 0:
            raise NotMeasured("no iteration after warm-up")
        return steady if name == "time" else 1e9 / steady
    if name == "cold_time":
        return row["cold_ns_per_op"]
    if name == "kernel_share":
        whole = row["steady_user_ns"] + row["steady_sys_ns"]
        if not whole > 0:
            raise NotMeasured("the steady window is too short for its CPU time to be known")
        return row["steady_sys_ns"] / whole
    if name == "faults":
        return row["steady_minflt"] + row["steady_majflt"]
    if name in _RSS:
        return row[_RSS[name]]
    if group in ("steady", "total"):
        return _counter(row["stats" if group == "steady" else "stats_total"], rest)
    if group == "syscalls":
        return _count(row["syscalls"], rest)
    if group == "perf":
        return _count(row["perf"], rest.replace("_", "-"))
    if group == "callgrind":
        return row["callgrind"][rest] / row["steady_ops"]
    return _samples(row["stacks"], rest) / max(row["stacks"].total(), 1)


def _counter(stats: dict[str, int] | None, name: str) -> int:
    if stats is None or name not in stats:
        raise NotMeasured(f"the allocator has no counter {name} in that window")
    return stats[name]


def _count(counts: dict[str, Any] | None, name: str) -> float:
    value = (counts or {}).get(name)
    if value is None:
        raise NotMeasured(f"{name} was not counted")
    if isinstance(value, dict):
        raise NotMeasured(f"{name}: {value['unsupported']}")
    return float(value)


def _samples(stacks: Any, symbol: str) -> int:
    """Samples whose innermost function's name begins with `symbol`."""
    if symbol == "kernel":
        return round(flame.kernel_share(stacks) * stacks.total())
    return sum(
        count for stack, count in stacks.items() if stack.rpartition(";")[2].startswith(symbol)
    )
