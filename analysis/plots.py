"""The pictures of a run: time per operation with intervals, and the way from cold to steady."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from analysis import table
from analysis.statistics import Estimate
from analysis.style import Style
from analysis.summary import ArmSummary, CellSummary, Summary

DPI = 144
WIDTH_INCHES = 1200 / DPI
COLOURS = 64  # of a PNG
# Times that span more than this factor are shown on a logarithmic axis.
LOG_SPREAD = 10
# Points drawn for one warm-up curve at most; of longer ones, medians of ranges that grow with the
# iteration.
CURVE_POINTS = 400

SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#777777",
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
}


def png(figure: Figure) -> bytes:
    """A picture of WIDTH_INCHES in few colours: a third of the size, with no difference to see."""
    buffer = io.BytesIO()
    _save(figure, buffer, "png")
    few = Image.open(buffer).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    smaller = io.BytesIO()
    few.save(smaller, "png", optimize=True, dpi=(DPI, DPI))
    return smaller.getvalue()


def svg(figure: Figure) -> bytes:
    """A picture without a date: the same figure gives the same bytes."""
    buffer = io.BytesIO()
    _save(figure, buffer, "svg", metadata={"Date": None})
    return buffer.getvalue()


def _save(figure: Figure, file: io.BytesIO, form: str, **more: Any) -> None:
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": "hakmem lab"}):
        figure.savefig(file, dpi=DPI, format=form, **more)


def inline_svg(figure: Figure) -> str:
    """A picture for the `src` of an HTML image."""
    encoded = base64.b64encode(svg(figure)).decode()
    return f"data:image/svg+xml;base64,{encoded}"


def panels(heights: list[float]) -> tuple[Figure, list[Any]]:
    """A figure with one panel below the other, each with its height in inches (labels included)."""
    total = sum(heights)
    figure = Figure(figsize=(WIDTH_INCHES, total), layout="constrained")
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(h_pad=0.1)
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
    return figure, [row[0] for row in axes]


def title(cell: CellSummary, axis: Any) -> None:
    """The scenario in bold above the panel, its parameters in small print below that."""
    scenario, _, params = table.cell_title(cell.cell).partition(": ")
    titles(scenario, params, axis)


def titles(above: str, below: str, axis: Any) -> None:
    """A line in bold above the panel, one in small print below that."""
    axis.set_title(above, pad=17)
    axis.annotate(
        below,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 5),
        textcoords="offset points",
        fontsize=8,
        color="#555555",
    )


def log_ticks(axis: Any, lo: float, hi: float) -> None:
    """Labels at 1, 2, 5, 10 ... of a logarithmic axis, at 1, 3, 10 ... of a long one, and only at
    powers of ten of a very long one."""
    steps = (1, 2, 5) if hi < 30 * lo else (1, 3) if hi < 1000 * lo else (1,)
    axis.set_major_locator(matplotlib.ticker.LogLocator(subs=steps))
    axis.set_major_formatter(matplotlib.ticker.FuncFormatter(plain))
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def plain(value: float, _position: int) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def draw_times(summary: Summary, styles: dict[str, Style]) -> Figure | None:
    cells = [cell for cell in summary.cells if cell.best is not None]
    if not cells:
        return None
    figure, axes = panels([1.3 + 0.28 * sum(a.steady is not None for a in c.arms) for c in cells])
    for cell, axis in zip(cells, axes):
        _times_panel(cell, axis, styles, cell.cell.baseline)
    return figure


def _times_panel(cell: CellSummary, axis: Any, styles: dict[str, Style], baseline: str) -> None:
    arms = [arm for arm in table.in_order(cell) if arm.steady is not None]
    extent = []
    floor = ""
    for place, arm in enumerate(arms):
        time = arm.steady
        assert time is not None
        style = styles[arm.arm.arm]
        lo, hi = (time.value, time.value) if math.isnan(time.lo) else (time.lo, time.hi)
        extent += [lo, hi]
        interval_row(axis, place, time, style, table.estimate(time))
        if arm.arm.arm == baseline and math.isfinite(cell.floor):
            band = (time.value * math.exp(-cell.floor), time.value * math.exp(cell.floor))
            axis.axvspan(*band, color="#bbbbbb", alpha=0.45, linewidth=0, zorder=1)
            floor = "; grey: noise floor (A/A')"
    if max(extent) > LOG_SPREAD * min(extent):
        axis.set_xscale("log")
        axis.set_xlim(min(extent) / 1.3, max(extent) * 1.3)
        log_ticks(axis.xaxis, min(extent), max(extent))
    else:
        margin = 0.06 * (max(extent) - min(extent)) or 0.05 * max(extent)
        axis.set_xlim(min(extent) - margin, max(extent) + margin)
        axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(6))
        axis.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,g}"))
    name_rows(axis, [arm.arm.title for arm in arms])
    scale = ", log scale" if axis.get_xscale() == "log" else ""
    axis.set_xlabel(f"{_unit(cell)}, median and 95 % interval{scale}{floor}")
    title(cell, axis)


def interval_row(axis: Any, place: int, value: Estimate, style: Style, label: str) -> None:
    """A value with its interval in row `place` of a panel, and a text to the right of it."""
    if not math.isnan(value.lo):
        ends = [value.lo, value.hi]
        axis.plot(ends, [place, place], color=style.colour, linewidth=2, zorder=2)
    axis.plot(value.value, place, color=style.colour, zorder=3, **marker(style, 6.5))
    axis.annotate(
        label,
        (1, place),
        xycoords=("axes fraction", "data"),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
    )


def interval_line(axis: Any, at: list[float], values: list[Estimate], style: Style) -> None:
    """Values with their intervals as upright bars, joined by a line."""
    middle = [value.value for value in values]
    below = [0.0 if math.isnan(value.lo) else value.value - value.lo for value in values]
    above = [0.0 if math.isnan(value.hi) else value.hi - value.value for value in values]
    axis.errorbar(
        at,
        middle,
        yerr=[below, above],
        color=style.colour,
        capsize=2,
        linewidth=1.4,
        **{**marker(style, 5), "linestyle": style.line},
    )


def name_rows(axis: Any, names: list[str]) -> None:
    """Names of the rows, from the top, to the left of a panel."""
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.grid(axis="y", visible=False)


def _unit(cell: CellSummary) -> str:
    """What the horizontal axis shows."""
    return cell.cell.unit[1] + (" in steady state" if cell.cell.program is None else "")


def marker(style: Style, size: float) -> dict[str, Any]:
    """How an arm's points look; `size` in points."""
    return {
        "marker": style.marker,
        "markersize": size,
        "markerfacecolor": style.colour if style.filled else "white",
        "markeredgecolor": style.colour,
        "linestyle": "none",
    }


def draw_warmup(summary: Summary, styles: dict[str, Style]) -> Figure | None:
    cells = [cell for cell in summary.cells if any(len(c) for c in _curves(summary, cell).values())]
    if not cells:
        return None
    figure, axes = panels([3.1] * len(cells))
    for cell, axis in zip(cells, axes):
        _warmup_panel(cell, axis, styles, _curves(summary, cell))
    return figure


def _curves(summary: Summary, cell: CellSummary) -> dict[str, NDArray[np.float64]]:
    """Arm -> times, shape (processes, iterations), ns per operation."""
    curves = {}
    for arm in cell.arms:
        times = [
            t for t in summary.run.select(cell.cell.index, arm.arm.arm, "time")["times"] if len(t)
        ]
        curves[arm.arm.arm] = np.array(times)
    return curves


def _warmup_panel(
    cell: CellSummary,
    axis: Any,
    styles: dict[str, Style],
    curves: dict[str, NDArray[np.float64]],
) -> None:
    shown = [arm for arm in table.in_order(cell) if len(curves[arm.arm.arm])]
    lows, highs = [], []
    length = 1
    for arm in shown:
        times, style = curves[arm.arm.arm], styles[arm.arm.arm]
        length = times.shape[1]
        at, (q1, median, q3) = _quartiles(times)
        axis.fill_between(at, q1, q3, color=style.colour, alpha=0.18, linewidth=0)
        axis.plot(at, median, color=style.colour, linestyle=style.line, linewidth=1.4)
        # Markers where they can be told apart: the cold iteration and the last one.
        ends = [0, len(at) - 1]
        axis.plot(at[ends], median[ends], color=style.colour, **marker(style, 5))
        lows.append(median.min())
        highs.append(median.max())
    border = max(int(cell.cell.params.get("warmup", 0)), 1) + 0.5
    if border < length:
        axis.axvline(border, color="#555555", linewidth=0.9, linestyle=(0, (4, 3)))
        axis.annotate(
            "steady from here",
            (border, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(4, -3),
            textcoords="offset points",
            va="top",
            fontsize=8,
            color="#555555",
        )
    if length > 1:
        axis.set_xscale("log")
        axis.set_xlim(0.9, length * 1.1)
    axis.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(plain))
    scale = ""
    if max(highs) > LOG_SPREAD * min(lows):
        axis.set_yscale("log")
        log_ticks(axis.yaxis, min(lows), max(highs))
        scale = ", log scale"
    else:
        axis.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,g}"))
    axis.set_xlabel(
        "iteration, log scale (1 is the cold one); line: median of processes, band: quartiles"
    )
    axis.set_ylabel(f"ns per operation{scale}")
    title(cell, axis)
    legend(axis, [handle(arm, styles[arm.arm.arm]) for arm in shown])


def legend(axis: Any, handles: list[Any]) -> None:
    """The names of the arms to the right of a panel."""
    axis.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        fontsize=8.5,
    )


def handle(arm: ArmSummary, style: Style) -> Any:
    """An arm's entry in a legend."""
    return named_handle(arm.arm.title, style)


def named_handle(name: str, style: Style) -> Any:
    """An entry in a legend."""
    look = {**marker(style, 5), "linestyle": style.line}
    return matplotlib.lines.Line2D([], [], color=style.colour, label=name, **look)


def _quartiles(times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Iterations (from 1) and, at each, the quartiles over processes, shape (3, points)."""
    quartiles = np.quantile(times, [0.25, 0.5, 0.75], axis=0)
    n = times.shape[1]
    if n <= CURVE_POINTS:
        return np.arange(1.0, n + 1), quartiles
    starts = np.unique(np.geomspace(1, n, CURVE_POINTS).astype(int)) - 1
    parts = np.split(quartiles, starts[1:], axis=1)
    return starts + 1.0, np.stack([np.median(part, axis=1) for part in parts], axis=1)
