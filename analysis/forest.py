"""The forest plot: each allocator's ratio to the baseline with its interval, beside the band in
which two copies of the same thing differ."""

from __future__ import annotations

import math
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from analysis import plots, table
from analysis.style import Style
from analysis.summary import ArmSummary, CellSummary, Summary

# Ratios beyond these are arrows at the edge, so that small differences stay visible.
LEAST, MOST = 0.5, 2.0


def draw(summary: Summary, styles: dict[str, Style]) -> Figure | None:
    """A panel for each cell in which something was compared; None when there is none."""
    cells = [cell for cell in summary.cells if _compared(cell)]
    if not cells:
        return None
    figure, axes = plots.panels([1.3 + 0.28 * len(_compared(cell)) for cell in cells])
    for cell, axis in zip(cells, axes):
        titles = {arm.arm.arm: arm.arm.title for arm in cell.arms}
        _panel(cell, axis, styles, titles[cell.cell.baseline])
    return figure


def _compared(cell: CellSummary) -> list[ArmSummary]:
    """Arms with an interval of their ratio to the baseline, the fastest first."""
    known = [arm for arm in cell.arms if arm.to_baseline is not None and arm.to_baseline.n > 1]
    return sorted(known, key=lambda arm: arm.to_baseline.log_ratio if arm.to_baseline else 0.0)


def _panel(cell: CellSummary, axis: Any, styles: dict[str, Style], baseline: str) -> None:
    arms = _compared(cell)
    shown = [1.0]
    for place, arm in enumerate(arms):
        assert arm.to_baseline is not None
        ratio = arm.to_baseline.ratio
        label = f"{table.estimate(ratio, 'ratio')}  {table.verdict(arm).text}"
        plots.interval_row(axis, place, ratio, styles[arm.arm.arm], label)
        shown += [min(max(end, LEAST), MOST) for end in (ratio.lo, ratio.hi)]
    said = ""
    if math.isfinite(cell.floor):
        band = (math.exp(-cell.floor), math.exp(cell.floor))
        axis.axvspan(*band, color="#bbbbbb", alpha=0.45, linewidth=0, zorder=1)
        shown += [min(max(end, LEAST), MOST) for end in band]
        said = "; grey: noise floor (A/A')"
    axis.axvline(1, color="#555555", linewidth=0.9, zorder=1)
    margin = 0.06 * (max(shown) - min(shown))
    axis.set_xlim(min(shown) - margin, max(shown) + margin)
    for place, arm in enumerate(arms):
        assert arm.to_baseline is not None
        _arrow(axis, place, arm.to_baseline.ratio.value, styles[arm.arm.arm].colour)
    axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
    plots.name_rows(axis, [arm.arm.title for arm in arms])
    axis.set_xlabel(f"time by that of {baseline}, below 1: faster; 95 % interval{said}")
    plots.title(cell, axis)


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
