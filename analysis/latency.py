"""How long single calls take: the distribution of malloc's and of free's times, by allocator."""

from __future__ import annotations

from collections import Counter
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis import plots, table
from analysis.style import Style
from analysis.summary import ArmSummary, CellSummary, Summary
from analysis.table import Grid

CALLS = ("malloc", "calloc", "realloc", "free")
QUANTILES = ("p50", "p90", "p99", "p999", "p9999", "max")
_TICKS = {
    "0": 1.0,
    "50 %": 0.5,
    "90 %": 0.1,
    "99 %": 1e-2,
    "99.9 %": 1e-3,
    "99.99 %": 1e-4,
    "99.999 %": 1e-5,
    "99.9999 %": 1e-6,
}


def records(summary: Summary, cell: CellSummary, arm: ArmSummary) -> list[dict[str, Any]]:
    """The latency records of an arm's processes; empty where nothing was recorded."""
    trials = summary.run.select(cell.cell.index, arm.arm.arm, "latency")
    return list(trials["latency"].dropna())


def merged(found: list[dict[str, Any]], call: str) -> NDArray[np.float64]:
    """Shape (2, n): ns in ascending order, and the share of calls that took longer than that, over
    all processes; the last share is 0. Empty where the call was not made."""
    counts: Counter[float] = Counter()
    for record in found:
        for ns, count in record.get(call, {}).get("histogram", []):
            counts[ns] += count
    ns = np.array(sorted(counts))
    if not len(ns):
        return np.empty((2, 0))
    cumulated = np.cumsum([counts[value] for value in ns])
    return np.array([ns, 1 - cumulated / cumulated[-1]])


def grid(summary: Summary, cell: CellSummary) -> Grid:
    """Percentiles, medians over processes; no rows when nothing was recorded."""
    result = Grid(("allocator", "call", "calls", *(f"{name}, ns" for name in QUANTILES)))
    result.words = frozenset({0, 1})
    clocks = set()
    for arm in table.in_order(cell):
        found = records(summary, cell, arm)
        for record in found:
            clocks.add((record["clock"], round(record["overhead"]), round(record["resolution"])))
        for call in CALLS:
            made = [record[call] for record in found if call in record]
            if made:
                figures = [float(np.median([one[name] for one in made])) for name in QUANTILES]
                total = sum(one["count"] for one in made)
                result.add(arm.arm.title, call, f"{total:,}", *map(table.number, figures))
    for clock, overhead, resolution in sorted(clocks)[:1]:
        result.note(
            f"each figure includes about {overhead} ns of the clock itself ({clock}, which "
            f"goes in steps of {resolution} ns)"
        )
    return result


def draw(summary: Summary, styles: dict[str, Style]) -> Figure | None:
    """A panel for each cell and call; None when nothing was recorded."""
    panels = []
    for cell in summary.cells:
        for call in CALLS:
            curves = [
                (arm, merged(records(summary, cell, arm), call)) for arm in table.in_order(cell)
            ]
            curves = [(arm, curve) for arm, curve in curves if curve.shape[1]]
            if curves:
                overhead = _overhead(summary, cell)
                panels.append((cell, call, curves, overhead))
    if not panels:
        return None
    figure, axes = plots.panels([3.1] * len(panels))
    for (cell, call, curves, overhead), axis in zip(panels, axes):
        _panel(cell, call, curves, overhead, axis, styles)
    return figure


def _overhead(summary: Summary, cell: CellSummary) -> float:
    """ns that the clock itself takes, median over all processes of a cell."""
    found = [r["overhead"] for arm in cell.arms for r in records(summary, cell, arm)]
    return float(np.median(found))


def _panel(
    cell: CellSummary,
    call: str,
    curves: list[tuple[ArmSummary, NDArray[np.float64]]],
    overhead: float,
    axis: Any,
    styles: dict[str, Style],
) -> None:
    least = 1.0
    for arm, (ns, above) in curves:
        style = styles[arm.arm.arm]
        # The largest has no call above it: it is drawn where one more call would be.
        shares = np.maximum(above, above[above > 0].min() / 2 if (above > 0).any() else 0.5)
        least = min(least, float(shares.min()))
        at = np.concatenate([[1.0], shares])
        drawn = {"color": style.colour, "linestyle": style.line, "linewidth": 1.4}
        axis.plot(at, np.concatenate([ns[:1], ns]), drawstyle="steps-pre", **drawn)
        axis.plot(shares[-1], ns[-1], color=style.colour, **plots.marker(style, 5))
    axis.axhline(overhead, color="#888888", linewidth=0.9, linestyle=(0, (4, 3)))
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(1.0, least / 1.5)
    shown = {name: share for name, share in _TICKS.items() if share >= least}
    axis.set_xticks(list(shown.values()), list(shown))
    axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    lows, highs = [ns[0] for _, (ns, _) in curves], [ns[-1] for _, (ns, _) in curves]
    plots.log_ticks(axis.yaxis, min(lows), max(highs))
    axis.set_xlabel(
        "percentile of calls, log scale towards 100 %; mark: slowest call; dashed: the clock's own "
        f"{overhead:.0f} ns"
    )
    axis.set_ylabel(f"ns per {call}, log scale")
    plots.title(cell, axis)
    axis.set_title(f"{cell.cell.scenario}: {call}", pad=17)
    plots.legend(axis, [plots.handle(arm, styles[arm.arm.arm]) for arm, _ in curves])
