"""A metric over commits: what several runs measured of the same scenario with the same parameters,
one point for each run and allocator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from analysis import measure, plots, report, statistics, table
from analysis.load import Arm, Cell, Run, RunError, load
from analysis.statistics import Estimate
from analysis.style import Style, arm_styles
from analysis.table import Grid

APART = 0.04  # of the distance of two runs: allocators stand side by side
# What is shown of a machine; runs from different ones are not joined by a line.
_MACHINE = ("cpu", "cores", "kernel")


@dataclass(frozen=True)
class Series:
    """One scenario with its parameters: arm -> run (its place in `Trend.runs`) -> value."""

    cell: Cell
    values: dict[str, dict[int, Estimate]]


@dataclass(frozen=True)
class Trend:
    """`metric` as compare/metric.py writes it; `against`: an arm, values are ratios to its own."""

    runs: list[Run]
    metric: str
    against: str | None
    series: list[Series]

    @property
    def unit(self) -> str:
        """What the values are."""
        words = {"time": "ns per operation", "rss_peak": "peak resident memory, KiB"}
        name = words.get(self.metric, self.metric)
        return name if self.against is None else f"{name}, by that of {self.against}"


def find_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in `folders`, at any depth, the oldest first; phases' runs are left out, since what
    they call before and after differs from one to the next. Raises RunError."""
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise RunError(f"{folder}: no such folder")
        paths = sorted(path.parent for path in folder.rglob("run.json"))
        found += [run for run in map(load, paths) if "phase" not in run.meta]
    if not found:
        raise RunError(f"no run in {', '.join(map(str, folders))}")
    return sorted(found, key=lambda run: str(run.meta["created"]))


def gather(runs: list[Run], metric: str, against: str | None) -> Trend:
    """All values of a metric. Raises RunError when no run has any."""
    series: dict[tuple[str, str], Series] = {}
    for place, run in enumerate(runs):
        for cell in run.cells:
            key = (cell.scenario, str(sorted(cell.params.items())))
            one = series.setdefault(key, Series(cell, {}))
            for arm in run.arms:
                if arm.twin_of is None and arm.arm in cell.arms:
                    value = _value(run, cell, arm, metric, against)
                    if value is not None:
                        one.values.setdefault(arm.arm, {})[place] = value
    shown = [one for one in series.values() if one.values]
    if not shown:
        raise RunError(f"--metric {metric}: no run has measured it")
    return Trend(runs, metric, against, shown)


def _value(run: Run, cell: Cell, arm: Arm, metric: str, against: str | None) -> Estimate | None:
    try:
        mine = measure.by_block(run, cell, arm.arm, metric)
        if against is None:
            return statistics.estimate(list(mine.values()))
        others = measure.by_block(run, cell, against, metric)
    except measure.NotMeasured:
        return None
    both = [
        block
        for block in sorted(mine.keys() & others.keys())
        if (mine[block] > 0).all() and (others[block] > 0).all()
    ]
    if not both or arm.arm == against:
        return None
    effect = statistics.compare([mine[b] for b in both], [others[b] for b in both])
    return effect.ratio


def draw(trend: Trend) -> Figure:
    """A panel for each scenario, with the commits from left to right."""
    arms = {arm.arm: arm for run in trend.runs for arm in run.arms}
    styles = arm_styles(list(arms.values()))
    with matplotlib.rc_context(plots.SETTINGS):
        figure, axes = plots.panels([3.4] * len(trend.series))
        for series, axis in zip(trend.series, axes):
            known = [name for name in arms if name in series.values]
            for nth, name in enumerate(known):
                shift = APART * (nth - (len(known) - 1) / 2)
                _line(trend, series.values[name], axis, styles[name], shift)
            _axes(trend, series, axis)
            # without versions, which differ from run to run
            plots.legend(axis, [plots.named_handle(name, styles[name]) for name in known])
    return figure


def _line(trend: Trend, values: dict[int, Estimate], axis: Any, style: Style, shift: float) -> None:
    """Points with their intervals, joined where they are from the same machine."""
    parts: list[list[int]] = []
    for place in sorted(values):
        same = parts and machine(trend.runs[parts[-1][-1]]) == machine(trend.runs[place])
        if same:
            parts[-1].append(place)
        else:
            parts.append([place])
    for part in parts:
        points = [values[place] for place in part]
        plots.interval_line(axis, [place + shift for place in part], points, style)


def _axes(trend: Trend, series: Series, axis: Any) -> None:
    axis.set_xticks(range(len(trend.runs)), [f"{commit(r)}\n{date(r)}" for r in trend.runs])
    axis.set_xlim(-0.5, len(trend.runs) - 0.5)
    values = [v for by_run in series.values.values() for e in by_run.values() for v in ends(e)]
    scale = ""
    if min(values) > 0 and max(values) > plots.LOG_SPREAD * min(values):
        axis.set_yscale("log")
        plots.log_ticks(axis.yaxis, min(values), max(values))
        scale = ", log scale"
    else:
        axis.set_ylim(0, 1.08 * max(values) or 1)
        axis.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,g}"))
    axis.set_xlabel("commit and day of measurement; bars: 95 % intervals")
    axis.set_ylabel(f"{trend.unit}{scale}")
    above, _, below = table.cell_title(series.cell).partition(": ")
    plots.titles(above, below, axis)


def ends(value: Estimate) -> list[float]:
    """The value and the ends of its interval that are known."""
    return [v for v in (value.value, value.lo, value.hi) if not math.isnan(v)]


def commit(run: Run) -> str:
    """Short name of the commit, with '+' when there were local changes."""
    git = run.meta["git"]
    return f"{(git['commit'] or 'unknown')[:8]}{'+' if git['dirty'] else ''}"


def date(run: Run) -> str:
    return str(run.meta["created"])[:10]


def machine(run: Run) -> str:
    """What is shown of the machine."""
    facts = run.meta["machine"]
    return ", ".join(f"{facts.get(key)}{' cores' if key == 'cores' else ''}" for key in _MACHINE)


def grid(trend: Trend, series: Series) -> Grid:
    """The figures of one panel, a row for each run."""
    columns = ("commit", "measured", "run", *series.values, "machine")
    shown = Grid(columns, words=frozenset({0, 1, 2, len(columns) - 1}))
    form = "number" if trend.against is None else "ratio"
    for place, run in enumerate(trend.runs):
        values = [by_run.get(place) for by_run in series.values.values()]
        if any(values):
            told = [table.estimate(value, form) for value in values]
            shown.add(commit(run), date(run), run.folder.resolve().name, *told, machine(run))
    return shown


def write(trend: Trend, folder: Path) -> None:
    """Writes trend.html, trend.md and trend.png; makes everything before the first byte."""
    figure = draw(trend)
    context = {
        "unit": trend.unit,
        "runs": len(trend.runs),
        "machines": len({machine(run) for run in trend.runs}),
        "series": [(table.cell_title(one.cell), grid(trend, one)) for one in trend.series],
    }
    page = report.render_html("trend.html.j2", {**context, "picture": plots.inline_svg(figure)})
    text = report.render_markdown("trend.md.j2", context)
    image = plots.png(figure)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trend.html").write_text(page, encoding="utf-8")
    (folder / "trend.md").write_text(text, encoding="utf-8")
    (folder / "trend.png").write_bytes(image)
