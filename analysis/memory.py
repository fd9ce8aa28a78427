"""What memory costs: resident memory over time, and time against memory with its Pareto front."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis import plots, table
from analysis.load import RunError
from analysis.style import Style
from analysis.summary import ArmSummary, CellSummary, Summary

Floats = NDArray[np.float64]


def read_samples(folder: Path, name: str) -> Floats:
    """Shape (samples, 2): seconds since the process began, resident MiB. Raises RunError."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise RunError(f"{path}: is outside the run's folder")
    try:
        frame = pd.read_csv(path, dtype=float)
        samples = frame[["seconds", "rss_kib"]].to_numpy(dtype=np.float64)
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError) as error:
        raise RunError(f"{path}: not a CSV of seconds, rss_kib: {error}") from None
    return samples / np.array([1.0, 1024.0])


def front(points: list[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other point beats in one coordinate without losing in the
    other; less is better in both. In order of the first coordinate."""
    best = math.inf
    found = []
    for index in sorted(range(len(points)), key=lambda i: points[i]):
        if points[index][1] < best:
            best = points[index][1]
            found.append(index)
    return found


def draw_timeline(summary: Summary, styles: dict[str, Style]) -> Figure | None:
    """Resident memory of each process that was watched; None when none was."""
    watched = {cell.cell.index: _watched(summary, cell) for cell in summary.cells}
    cells = [cell for cell in summary.cells if watched[cell.cell.index]]
    if not cells:
        return None
    figure, axes = plots.panels([3.1] * len(cells))
    for cell, axis in zip(cells, axes):
        curves = watched[cell.cell.index]
        drawn: set[str] = set()
        for arm, samples in curves:
            style = styles[arm.arm.arm]
            first = arm.arm.arm not in drawn
            drawn.add(arm.arm.arm)
            axis.plot(
                samples[:, 0],
                samples[:, 1],
                color=style.colour,
                linestyle=style.line,
                linewidth=1.2 if first else 0.8,
                alpha=0.9 if first else 0.3,
                drawstyle="steps-post",
            )
            axis.plot(*samples[-1], color=style.colour, **plots.marker(style, 5))
        axis.set_xlim(left=0)
        axis.set_ylim(0, 1.08 * max(samples[:, 1].max() for _, samples in curves))
        axis.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,g}"))
        axis.set_xlabel(
            "seconds since the process began; a line for each process, one bold, a mark at its end"
        )
        axis.set_ylabel("resident memory, MiB")
        plots.title(cell, axis)
        shown = [arm for arm in cell.arms if arm.arm.arm in drawn]
        plots.legend(axis, [plots.handle(arm, styles[arm.arm.arm]) for arm in shown])
    return figure


def _watched(summary: Summary, cell: CellSummary) -> list[tuple[ArmSummary, Floats]]:
    """The curves of a cell, each with its arm."""
    curves = []
    for arm in cell.arms:
        trials = summary.run.select(cell.cell.index, arm.arm.arm, "memory")
        for name in trials["memory_file"].dropna():
            samples = read_samples(summary.run.folder, name)
            if len(samples):
                curves.append((arm, samples))
    return curves


def draw_cost(summary: Summary, styles: dict[str, Style]) -> Figure | None:
    """Time per operation against peak memory, a panel for each cell of at least two arms."""
    cells = [cell for cell in summary.cells if len(_costs(cell)) > 1]
    if not cells:
        return None
    figure, axes = plots.panels([3.1] * len(cells))
    for cell, axis in zip(cells, axes):
        _cost_panel(cell, axis, styles)
    return figure


def _costs(cell: CellSummary) -> list[tuple[ArmSummary, float, float]]:
    """Arms with their time, ns per operation, and peak memory, MiB."""
    return [
        (arm, arm.steady.value, arm.rss["peak_kib"] / 1024)
        for arm in table.in_order(cell)
        if arm.steady is not None and math.isfinite(arm.rss["peak_kib"])
    ]


def _cost_panel(cell: CellSummary, axis: Any, styles: dict[str, Style]) -> None:
    costs = _costs(cell)
    best = front([(time, mib) for _, time, mib in costs])
    edge = [costs[index] for index in best]
    axis.plot(
        [time for _, time, _ in edge],
        [mib for _, _, mib in edge],
        color="#999999",
        linewidth=1,
        linestyle=(0, (4, 3)),
        drawstyle="steps-post",
        zorder=1,
    )
    for index, (arm, time, mib) in enumerate(costs):
        style = styles[arm.arm.arm]
        axis.plot(time, mib, color=style.colour, zorder=3, **plots.marker(style, 7))
        if index in best:
            ring = {"marker": "o", "markersize": 14, "markerfacecolor": "none"}
            axis.plot(time, mib, markeredgecolor="#555555", linestyle="none", zorder=2, **ring)
    times = [time for _, time, _ in costs]
    mibs = [mib for _, _, mib in costs]
    scale = ""
    if max(times) > plots.LOG_SPREAD * min(times):
        axis.set_xscale("log")
        axis.set_xlim(min(times) / 1.5, max(times) * 1.5)
        plots.log_ticks(axis.xaxis, min(times), max(times))
        scale = ", log scale"
    else:
        axis.set_xlim(0, 1.15 * max(times))
        axis.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,g}"))
    axis.set_ylim(0, 1.2 * max(mibs))
    axis.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,g}"))
    axis.set_xlabel(
        f"ns per operation in steady state, median{scale}; ringed: no other is better in both"
    )
    axis.set_ylabel("peak resident memory, MiB")
    plots.title(cell, axis)
    plots.legend(axis, [plots.handle(arm, styles[arm.arm.arm]) for arm, _, _ in costs])
