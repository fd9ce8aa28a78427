"""The forest plot: each allocator's ratio to the baseline with its interval, beside the band in
which two copies of the same thing differ."""

from __future__ import annotations

import math
import re
import textwrap
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from analysis import plots, table
from analysis.style import Style
from analysis.summary import ArmSummary, CellSummary, Summary

# Ratios beyond these are arrows at the edge, so that small differences stay visible.
LEAST, MOST = 0.5, 2.0
# More panels than this stand side by side, with less said in each: the tables have it all.
ONE_COLUMN = 6
COLUMNS = 3
LABEL_WIDTH = 14  # characters
_GREY = "grey: noise floor (A/A')"


def draw(summary: Summary, styles: dict[str, Style]) -> Figure | None:
    """A panel for each cell in which something was compared; None when there is none."""
    cells = [cell for cell in summary.cells if _compared(cell)]
    if not cells:
        return None
    baselines = {_baseline(cell) for cell in cells}
    if len(cells) > ONE_COLUMN and len(baselines) == 1:
        return _draw_grid(cells, styles, baselines.pop())
    figure, axes = plots.panels([1.3 + 0.28 * len(_compared(cell)) for cell in cells])
    for cell, axis in zip(cells, axes):
        arms = _compared(cell)
        labels = [
            f"{table.estimate(arm.to_baseline.ratio, 'ratio')}  {table.verdict(arm).text}"
            for arm in arms
            if arm.to_baseline
        ]
        _panel(cell, axis, styles, [arm.arm.title for arm in arms], labels, ticks=6)
        grey = f"; {_GREY}" if math.isfinite(cell.floor) else ""
        axis.set_xlabel(f"time by that of {_baseline(cell)}, below 1: faster; 95 % interval{grey}")
        plots.title(cell, axis)
    return figure


def _draw_grid(cells: list[CellSummary], styles: dict[str, Style], baseline: str) -> Figure:
    rows = [cells[at : at + COLUMNS] for at in range(0, len(cells), COLUMNS)]
    heights = [0.75 + 0.24 * max(len(_compared(cell)) for cell in row) for row in rows]
    figure = Figure(figsize=(plots.WIDTH_INCHES, sum(heights) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), COLUMNS, squeeze=False, height_ratios=heights)
    for axis in axes.flat[len(cells) :]:
        axis.set_visible(False)
    for cell, axis in zip(cells, axes.flat):
        arms = _compared(cell)
        names = [re.sub(r" [0-9]\S*$", "", arm.arm.title) for arm in arms]  # without versions
        labels = [textwrap.fill(table.verdict(arm).text, LABEL_WIDTH) for arm in arms]
        _panel(cell, axis, styles, names, labels, ticks=4)
        axis.set_title(table.cell_title(cell.cell).partition(": ")[0])
    figure.supxlabel(
        f"time by that of {baseline}, below 1: faster; 95 % interval; arrow: far beyond; {_GREY}",
        fontsize=matplotlib.rcParams["font.size"],
    )
    return figure


def _baseline(cell: CellSummary) -> str:
    """The title of the arm that the others are compared with."""
    return next(arm.arm.title for arm in cell.arms if arm.arm.arm == cell.cell.baseline)


def _compared(cell: CellSummary) -> list[ArmSummary]:
    """Arms with an interval of their ratio to the baseline, the fastest first."""
    known = [arm for arm in cell.arms if arm.to_baseline is not None and arm.to_baseline.n > 1]
    return sorted(known, key=lambda arm: arm.to_baseline.log_ratio if arm.to_baseline else 0.0)


def _panel(
    cell: CellSummary,
    axis: Any,
    styles: dict[str, Style],
    names: list[str],
    labels: list[str],
    ticks: int,
) -> None:
    """A row for each arm compared: name, interval, label."""
    arms = _compared(cell)
    shown = [1.0]
    for place, (arm, label) in enumerate(zip(arms, labels)):
        assert arm.to_baseline is not None
        ratio = arm.to_baseline.ratio
        plots.interval_row(axis, place, ratio, styles[arm.arm.arm], label)
        shown += [min(max(end, LEAST), MOST) for end in (ratio.lo, ratio.hi)]
    if math.isfinite(cell.floor):
        band = (math.exp(-cell.floor), math.exp(cell.floor))
        axis.axvspan(*band, color="#bbbbbb", alpha=0.45, linewidth=0, zorder=1)
        shown += [min(max(end, LEAST), MOST) for end in band]
    axis.axvline(1, color="#555555", linewidth=0.9, zorder=1)
    margin = 0.06 * (max(shown) - min(shown))
    axis.set_xlim(min(shown) - margin, max(shown) + margin)
    for place, arm in enumerate(arms):
        assert arm.to_baseline is not None
        _arrow(axis, place, arm.to_baseline.ratio.value, styles[arm.arm.arm].colour)
    axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
    plots.name_rows(axis, names)


def _arrow(axis: Any, place: int, ratio: float, colour: str) -> None:
    """Points to a value that lies outside the panel."""
    left, right = axis.get_xlim()
    if left <= ratio <= right:
        return
    tip, tail = (0.99, 0.93) if ratio > right else (0.01, 0.07)
    axis.annotate(
        "",
        (tip, place),
        (tail, place),
        xycoords=("axes fraction", "data"),
        arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2},
    )
