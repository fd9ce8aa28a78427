"""How time changes with a parameter: for each sweep in a run (cells that differ in --threads or in
--size alone) operations per second against threads, or ns per operation against size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from analysis import plots, table
from analysis.statistics import Estimate
from analysis.style import Style
from analysis.summary import CellSummary, Summary

SWEPT = ("threads", "size")
# Arms at one value stand side by side, so that their intervals can be told apart.
APART = 1.02


@dataclass(frozen=True)
class Sweep:
    """Cells of one scenario, two or more, that differ in `parameter` alone, by its value."""

    parameter: str
    cells: tuple[CellSummary, ...]

    @property
    def title(self) -> tuple[str, str]:
        """The scenario, and the parameters that all its cells share."""
        cell = self.cells[0].cell
        shared = {key: value for key, value in cell.params.items() if key != self.parameter}
        name, _, params = table.cell_title(replace(cell, params=shared)).partition(": ")
        return name, params


def sweeps(summary: Summary) -> list[Sweep]:
    """All sweeps of a run, in the order of its cells."""
    found = []
    for parameter in SWEPT:
        groups: dict[Any, list[CellSummary]] = {}
        for cell in summary.cells:
            params = cell.cell.params
            if params.get(parameter):
                fixed = tuple(item for item in params.items() if item[0] != parameter)
                groups.setdefault((cell.cell.scenario, fixed), []).append(cell)
        for cells in groups.values():
            if len({cell.cell.params[parameter] for cell in cells}) > 1:
                cells.sort(key=lambda cell: int(cell.cell.params[parameter]))
                found.append(Sweep(parameter, tuple(cells)))
    return found


def points(sweep: Sweep, arm: str) -> dict[int, Estimate]:
    """What an arm did, by the parameter's value: operations per second of a sweep over threads,
    else ns per operation."""
    result = {}
    for cell in sweep.cells:
        time = next(a for a in cell.arms if a.arm.arm == arm).steady
        if time is None:
            continue
        at = int(cell.cell.params[sweep.parameter])
        if sweep.parameter == "threads":
            result[at] = Estimate(1e9 / time.value, 1e9 / time.hi, 1e9 / time.lo, time.n)
        else:
            result[at] = time
    return result


def draw(summary: Summary, styles: dict[str, Style]) -> Figure | None:
    """A panel for each sweep; None when there is none."""
    shown = [s for s in sweeps(summary) if any(points(s, a.arm.arm) for a in s.cells[0].arms)]
    if not shown:
        return None
    figure, axes = plots.panels([3.4] * len(shown))
    for sweep, axis in zip(shown, axes):
        _panel(sweep, axis, styles)
    return figure


def _panel(sweep: Sweep, axis: Any, styles: dict[str, Style]) -> None:
    extent: list[float] = []
    handles = []
    arms = sweep.cells[0].arms
    for place, arm in enumerate(arms):
        here = points(sweep, arm.arm.arm)
        if not here:
            continue
        shift = APART ** (place - (len(arms) - 1) / 2)
        found = list(here.values())
        plots.interval_line(axis, [at * shift for at in here], found, styles[arm.arm.arm])
        extent += [value for point in found for value in (point.value, point.lo, point.hi)]
        handles.append(plots.handle(arm, styles[arm.arm.arm]))
    known = [value for value in extent if math.isfinite(value)]
    values = sorted({int(cell.cell.params[sweep.parameter]) for cell in sweep.cells})
    axis.set_xscale("log", base=2)
    names = [table.byte_size(v) if sweep.parameter == "size" else str(v) for v in values]
    axis.set_xticks(values, names)
    axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    scale = ""
    if sweep.parameter == "size" and max(known) > plots.LOG_SPREAD * min(known):
        axis.set_yscale("log")
        plots.log_ticks(axis.yaxis, min(known), max(known))
        scale = ", log scale"
    else:
        axis.set_ylim(0, 1.06 * max(known))
        axis.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(_short))
    if sweep.parameter == "threads":
        axis.set_xlabel("threads, log scale; bars: 95 % intervals")
        axis.set_ylabel("operations per second, all threads")
    else:
        axis.set_xlabel("size of a block, log scale; bars: 95 % intervals")
        axis.set_ylabel(f"ns per operation{scale}")
    plots.titles(*sweep.title, axis)
    plots.legend(axis, handles)


def _short(value: float, _position: int) -> str:
    """1,500,000 as '1.5 M'."""
    for unit, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
