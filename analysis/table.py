"""Figures as text: the grids that the terminal, report.md and report.html all show, and their
wording.

A Grid is plain text with a tone for each entry, so that a number reads the same wherever it is
shown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis import flame, steady
from analysis.load import WINDOWS, Cell
from analysis.statistics import Estimate
from analysis.summary import (
    BASELINE,
    FASTER,
    SLOWER,
    SYSCALLS,
    ArmSummary,
    CellSummary,
    Count,
    Summary,
    steady_value,
)
from compare.significance import blocks_needed

NONE = "-"
HOT_SYMBOLS = 15
# Columns when the output is no terminal and so has no width; the fewest that are written for; the
# fewest that hold every interval.
PLAIN_WIDTH = 132
LEAST_WIDTH = 80
WIDE = 120
# What callgrind's columns need beside.
SIMULATED_WIDTH = 27
# What a column of words needs at least, and what is left out first where there is no room.
_WORDS_WIDTH = 14
_LEFT_OUT_FIRST = ("mmap/", "cold", "faults")

_RICH_TONES = {"good": "green", "bad": "red", "warn": "yellow", "quiet": "dim", "": ""}
_COUNTED = ("mmap", "munmap", "madvise")


@dataclass(frozen=True)
class Entry:
    """One entry of a grid; tone is good, bad, warn, quiet or nothing."""

    text: str
    tone: str = ""


@dataclass
class Grid:
    """A table: its first column names the row, the others are aligned to the right unless `words`
    has them."""

    columns: tuple[str, ...]
    rows: list[tuple[Entry, ...]] = field(default_factory=list)
    words: frozenset[int] = frozenset({0})
    footnotes: list[str] = field(default_factory=list)

    def add(self, *entries: str | Entry) -> None:
        """Appends a row."""
        self.rows.append(tuple(e if isinstance(e, Entry) else Entry(e) for e in entries))

    def note(self, text: str) -> str:
        """The mark of a footnote, such as '[1]'; the same text gets the same mark."""
        if text not in self.footnotes:
            self.footnotes.append(text)
        return f"[{self.footnotes.index(text) + 1}]"


def number(value: float) -> str:
    """Three significant digits or all digits before the point, whichever is more; '-' for NaN."""
    if not math.isfinite(value):
        return NONE
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}"


def count(value: float) -> str:
    """A whole count without decimals, another with up to two."""
    if not math.isfinite(value):
        return NONE
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:.2f}"


def ratio(value: float) -> str:
    """A ratio with three decimals, or three significant digits from 10 on; '-' for NaN."""
    return f"{value:.3f}" if math.isfinite(value) and value < 10 else number(value)


def estimate(value: Estimate | None, form: str = "number") -> str:
    """'value [lo, hi]', or only the value when there is no interval, or '-'."""
    if value is None:
        return NONE
    show = ratio if form == "ratio" else number
    if math.isnan(value.lo):
        return show(value.value)
    return f"{show(value.value)} [{show(value.lo)}, {show(value.hi)}]"


def percent(log_ratio: float) -> str:
    """A log-ratio as a signed change: '+12.3 %', '+985 %'; from tenfold on as '×27.4'."""
    if log_ratio >= math.log(10):
        return f"×{number(math.exp(log_ratio))}"
    change = 100 * math.expm1(log_ratio)
    return f"{change:+.1f} %" if abs(change) < 100 else f"{change:+,.0f} %"


def mebibytes(kib: float) -> str:
    """KiB as MiB."""
    return number(kib / 1024)


def byte_size(size: int) -> str:
    """'2 MiB', '64 KiB', '100 B': the largest unit that divides it."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def cell_title(cell: Cell) -> str:
    """'vm: iters 100, warm-up 10, ...': the scenario and those of its parameters that mean
    something."""
    if cell.program is not None:
        version = f" ({cell.program['version']})" if cell.program["version"] else ""
        return f"{cell.scenario}: {cell.program['title']}{version}"
    words = []
    names = {"warmup": "warm-up", "batch": "operations per iteration"}
    for name, value in cell.params.items():
        if name == "trace_sha256":
            continue
        if (name in ("size", "slots", "batch") and value == 0) or (name, value) == ("threads", 1):
            continue
        shown = byte_size(value) if name == "size" else str(value)
        words.append(f"{names.get(name, name)} {shown}")
    return f"{cell.scenario}: {', '.join(words)}" if words else cell.scenario


def verdict(arm: ArmSummary) -> Entry:
    """The verdict with its size, then what has to be known about it: few processes, failures."""
    parts = []
    if arm.verdict in (FASTER, SLOWER) and arm.to_baseline is not None:
        parts.append(f"{arm.verdict} {percent(arm.to_baseline.log_ratio)}")
    elif arm.verdict:
        parts.append(arm.verdict)
    elif arm.arm.floor:
        parts.append("not compared")
    if arm.few:
        parts.append("few processes")
    parts.extend(arm.failures)
    tone = {FASTER: "good", SLOWER: "bad", BASELINE: "quiet"}.get(arm.verdict, "")
    return Entry("; ".join(parts) or NONE, "warn" if arm.failed else tone)


def in_order(cell: CellSummary) -> list[ArmSummary]:
    """The arms of a cell, fastest first, those without a time last."""
    return sorted(cell.arms, key=steady_value)


def main_grid(cell: CellSummary, baseline: str, narrow: bool = False) -> Grid:
    """What the terminal shows of a cell; `narrow` leaves out one interval."""
    unit = cell.cell.unit[0]
    to_best_title = "to best" if narrow else "to best [95 %]"
    common = (to_best_title, f"verdict vs {baseline}")
    if cell.cell.program is not None:
        return _program_grid(cell, (f"{unit} [95 %]", *common), narrow)
    simulated = any(arm.callgrind for arm in cell.arms)
    grid = Grid(
        (
            "allocator",
            f"{unit} [95 %]",
            f"cold\n{unit}",
            *common,
            "faults\n/iter",
            "mmap/\nmunmap/\nmadvise",
            *(("instr\n/op", "L1 miss\n/op", "LL miss\n/op") if simulated else ()),
            "peak\nMiB",
        ),
        words=frozenset({0, 4}),
    )
    for arm in in_order(cell):
        cold = arm.windows["cold"]
        grid.add(
            arm.arm.title,
            steady_time(arm),
            number(cold.value) if cold else NONE,
            to_best(cell, arm, narrow),
            verdict(arm),
            count(arm.faults["minflt"] + arm.faults["majflt"]),
            _calls(grid, arm),
            *(counted(grid, value, number) for value in arm.callgrind.values()),
            mebibytes(arm.rss["peak_kib"]),
        )
    return grid


def _program_grid(cell: CellSummary, common: tuple[str, ...], narrow: bool) -> Grid:
    """The same for a whole program."""
    columns = ("allocator", *common, "user\nms", "kernel\nms", "peak\nMiB")
    grid = Grid(columns, words=frozenset({0, 3}))
    for arm in in_order(cell):
        grid.add(
            arm.arm.title,
            steady_time(arm),
            to_best(cell, arm, narrow),
            verdict(arm),
            number(arm.user / 1e6),
            number(arm.kernel / 1e6),
            mebibytes(arm.rss["peak_kib"]),
        )
    if cell.cell.skipped is not None:
        grid.add(Entry(f"skipped: {cell.cell.skipped}", "warn"), *[NONE] * (len(columns) - 1))
    return grid


def steady_time(arm: ArmSummary) -> str:
    """ns per operation in the steady window, or that there was none."""
    if arm.steady is None and arm.ok > 0:
        return "no steady iterations"
    return estimate(arm.steady)


def to_best(cell: CellSummary, arm: ArmSummary, narrow: bool) -> str:
    """Ratio to the fastest arm of the cell, with its interval unless `narrow`."""
    if arm is cell.best:
        return "best"
    effect = arm.to_best
    if effect is None:
        return NONE
    return ratio(effect.ratio.value) if narrow else estimate(effect.ratio, "ratio")


def _calls(grid: Grid, arm: ArmSummary) -> str:
    calls = [arm.syscalls[name] for name in _COUNTED]
    if all(call.reason for call in calls):
        return f"n/a {grid.note(calls[0].reason or '')}"
    return "/".join(counted(grid, call) for call in calls)


def counted(grid: Grid, value: Count, show: Callable[[float], str] = count) -> str:
    """A count, or 'n/a' with a footnote that says why."""
    return f"n/a {grid.note(value.reason)}" if value.reason else show(value.value)


def windows_grid(cell: CellSummary) -> Grid:
    """Cold, warm-up and steady times, apart."""
    grid = Grid(("allocator", "cold ns/op", "warm-up ns/op", "steady ns/op"))
    for arm in in_order(cell):
        times = [estimate(arm.windows[window]) for window in WINDOWS[:2]]
        grid.add(arm.arm.title, *times, steady_time(arm))
    return grid


def comparison_grid(cell: CellSummary, baseline: str) -> Grid:
    """The comparison with the baseline in full."""
    columns = ("allocator", f"ratio to {baseline} [95 %]", "blocks", "p", "p (Holm)", "verdict")
    grid = Grid(columns, words=frozenset({0, 5}))
    for arm in in_order(cell):
        effect = arm.to_baseline
        if effect is None:
            grid.add(arm.arm.title, NONE, NONE, NONE, NONE, verdict(arm))
            continue
        several = effect.n > 1
        grid.add(
            arm.arm.title,
            estimate(effect.ratio, "ratio"),
            str(effect.n),
            f"{effect.p:.2g}" if several else NONE,
            f"{arm.p_holm:.2g}" if several else NONE,
            verdict(arm),
        )
    return grid


def share_grid(cell: CellSummary) -> Grid:
    """Each allocator's own part of the time: what is left when the floor's is taken away; no rows
    when the floor did not run."""
    unit = cell.cell.unit[0]
    columns = ("allocator", f"whole, {unit} [95 %]", f"less floor, {unit} [95 %]", "share")
    grid = Grid(columns)
    for arm in in_order(cell):
        if arm.less_floor is not None and arm.steady is not None:
            share = f"{100 * arm.less_floor.value / arm.steady.value:.0f} %"
            grid.add(arm.arm.title, estimate(arm.steady), estimate(arm.less_floor), share)
    return grid


def cpu_grid(cell: CellSummary) -> Grid:
    """How the CPU time of the steady window, or of a whole program, divides."""
    grid = Grid(("allocator", "CPU time, ms", "user", "kernel"))
    for arm in in_order(cell):
        share = arm.kernel_share
        known = math.isfinite(share)
        parts = (f"{100 * (1 - share):.0f} %", f"{100 * share:.0f} %") if known else (NONE, NONE)
        grid.add(arm.arm.title, number((arm.user + arm.kernel) / 1e6), *parts)
    return grid


def hot_grid(stacks: Counter[str]) -> Grid:
    """The symbols in which most samples were taken."""
    grid = Grid(("symbol", "by itself", "with what it calls"))
    for name, own, whole in flame.hot_symbols(stacks)[:HOT_SYMBOLS]:
        grid.add(name, f"{100 * own:.1f} %", f"{100 * whole:.1f} %")
    return grid


def syscalls_grid(cell: CellSummary) -> Grid:
    """System calls in the steady window."""
    grid = Grid(("allocator", *SYSCALLS))
    for arm in in_order(cell):
        grid.add(arm.arm.title, *(counted(grid, arm.syscalls[call]) for call in SYSCALLS))
    return grid


def perf_grid(cell: CellSummary) -> Grid:
    """perf's counts in the steady window, a row for each event; no rows if perf was not run."""
    arms = in_order(cell)
    grid = Grid(("event", *(arm.arm.title for arm in arms)))
    for event in dict.fromkeys(event for arm in arms for event in arm.perf):
        values = [arm.perf.get(event) for arm in arms]
        grid.add(event, *(counted(grid, value) if value else NONE for value in values))
    return grid


def memory_grid(cell: CellSummary) -> Grid:
    """Resident memory and mappings at four moments, the peak, and resident by live bytes."""
    columns = ("RSS start", "RSS steady", "RSS end", "RSS peak", "RSS after free")
    maps = ("maps start", "maps steady", "maps end", "maps after free")
    grid = Grid(("allocator", *(f"{name}, MiB" for name in columns), *maps, "resident/live"))
    for arm in in_order(cell):
        rss = [mebibytes(value) for value in arm.rss.values()]
        maps_at = [count(value) for value in arm.maps.values()]
        grid.add(arm.arm.title, *rss, *maps_at, ratio(arm.fragmentation))
    return grid


def states_grid(cell: CellSummary) -> Grid:
    """How many processes of each arm reached which kind of steady state; the A' arm too."""
    grid = Grid(("allocator", *steady.CLASSES))
    for arm in [*in_order(cell), *([cell.twin] if cell.twin else [])]:
        name = f"{arm.arm.title} (A')" if arm is cell.twin else arm.arm.title
        for_all = [
            Entry(
                str(arm.states[state]),
                "warn" if state == steady.UNSETTLED and arm.states[state] else "",
            )
            for state in steady.CLASSES
        ]
        grid.add(name, *for_all)
    return grid


def stats_grid(arm: ArmSummary) -> Grid:
    """The allocator's own counters, from the first process that has them: each group ('whale.')
    of which one is not zero."""
    grid = Grid(("counter", "steady window", "all iterations"))
    steady_stats, total = arm.stats or {}, arm.stats_total or {}
    names = list(dict.fromkeys([*total, *steady_stats]))
    used = {_group(name) for name in names if steady_stats.get(name) or total.get(name)}
    for name in names:
        if _group(name) in used:
            values = (steady_stats.get(name), total.get(name))
            grid.add(name, *(NONE if value is None else f"{value:,}" for value in values))
    return grid


def _group(counter: str) -> str:
    return counter.partition(".")[0]


def failures_grid(summary: Summary) -> Grid:
    """Every trial that failed."""
    grid = Grid(("trial", "scenario", "allocator", "purpose", "block", "what happened"))
    grid.words = frozenset({0, 1, 2, 3, 5})
    trials = summary.run.trials
    for _, row in trials[trials["status"] != "ok"].sort_values("trial").iterrows():
        scenario = summary.run.cells[row["cell"]].scenario
        what = f"{row['status']}: {row['error'] or 'no message'}"
        words = (scenario, row["arm"], row["purpose"], str(row["block"]))
        grid.add(str(row["trial"]), *words, Entry(what, "warn"))
    return grid


def floor_line(cell: CellSummary) -> str:
    """The noise floor and the smallest detectable effect in one line."""
    if cell.twin is None:
        return "noise floor: not known, this run has no second copy of the baseline (A')"
    if math.isnan(cell.floor):
        return "noise floor: not known, too few blocks hold both copies of the baseline"
    return (
        f"noise floor (A/A'): {percent(cell.floor).lstrip('+')}; "
        f"smallest effect this run could have seen: {percent(cell.detectable).lstrip('+')}"
    )


def cell_lines(cell: CellSummary) -> list[str]:
    """What has to be said below the table of a cell."""
    if cell.cell.skipped is not None:
        return [f"skipped: {cell.cell.skipped}"]
    lines = [floor_line(cell), *_callgrind_lines(cell)]
    if cell.twin is not None and cell.twin.failures:
        lines.append(f"second copy of the baseline (A'): {', '.join(cell.twin.failures)}")
    for arm in [*cell.arms, *([cell.twin] if cell.twin else [])]:
        odd = {steady.UNSETTLED: "never settle", steady.SLOWDOWN: "get slower"}
        said = [f"{arm.states[state]} {says}" for state, says in odd.items() if arm.states[state]]
        if said:
            lines.append(
                f"{arm.arm.arm}: of {sum(arm.states.values())} processes {', '.join(said)}"
            )
    for arm in in_order(cell):
        if arm.limit is not None:
            lines.append(
                f"{arm.arm.arm}: {count(arm.limit['failures'])} allocations of a process failed "
                f"under the limit of {mebibytes(arm.limit['bytes'] / 1024)} MiB "
                f"({arm.limit['kind']})"
            )
    if cell.disturbed:
        lines.append(
            f"noise: {len(cell.disturbed)} of {cell.blocks} blocks disturbed (listed in the report)"
        )
    return lines


def _callgrind_lines(cell: CellSummary) -> list[str]:
    """Whether callgrind counted the same in the baseline's two processes."""
    if cell.twin is None or not cell.twin.callgrind:
        return []
    base = next(arm for arm in cell.arms if arm.arm.arm == cell.twin.arm.twin_of)
    one, other = (arm.callgrind["instructions"].value for arm in (base, cell.twin))
    if not (math.isfinite(one) and math.isfinite(other)):
        return []
    if one == other:
        return [f"callgrind: two processes of {base.arm.arm} counted the same instructions"]
    change = percent(math.log(other / one))
    return [f"callgrind: two processes of {base.arm.arm} differ in instructions by {change}"]


def run_lines(summary: Summary) -> list[str]:
    """What has to be said about the whole run."""
    lines = []
    if summary.recorded < summary.planned:
        lines.append(f"not finished: {summary.recorded} of {summary.planned} trials so far")
    needed = blocks_needed(summary.comparisons)
    fewest = min((cell.blocks for cell in summary.cells if cell.blocks), default=0)
    if summary.comparisons and fewest < needed:
        lines.append(
            f"{fewest} blocks are too few to show any difference: with {summary.comparisons} "
            f"compared, Holm's correction included, it takes at least {needed}"
        )
    lines.extend(summary.run.meta["counters"]["notes"])
    lines.extend(summary.run.meta.get("notes", []))
    return lines


def print_grid(grid: Grid, console: Console) -> None:
    """Prints a grid as it fits."""
    shown, left_out = fit(grid, console.width)
    console.print(to_rich(shown))
    notes = [f"{grid.note(n)} {n}" for n in grid.footnotes]
    if left_out:
        notes.append(f"too narrow for: {', '.join(left_out)} (in the report)")
    for line in notes:
        console.print(Text(line))


def print_summary(summary: Summary, console: Console) -> None:
    """Prints the table of each cell, and what has to be said about it."""
    for cell in summary.cells:
        wide = WIDE + (SIMULATED_WIDTH if any(arm.callgrind for arm in cell.arms) else 0)
        grid = main_grid(cell, cell.cell.baseline, console.width < wide)
        console.print()
        console.print(Text(cell_title(cell.cell), style="bold"))
        print_grid(grid, console)
        for line in cell_lines(cell):
            console.print(Text(line))
    console.print()
    for line in run_lines(summary):
        console.print(Text(line))


def fit(grid: Grid, width: int) -> tuple[Grid, list[str]]:
    """The grid made to fit into `width` characters, and the names of the columns left out.

    Where there is no room, intervals go below their values; then columns go, the least needed
    first. Never the figures of a column that stays.
    """
    left_out: list[str] = []
    if _needed(grid) > width:
        grid = _stacked(grid)
    for start in _LEFT_OUT_FIRST:
        index = next((i for i, name in enumerate(grid.columns) if name.startswith(start)), None)
        if _needed(grid) > width and index is not None:
            left_out.append(" ".join(grid.columns[index].split("\n")).replace("/ ", "/"))
            grid = _without(grid, index)
    return grid, left_out


def _needed(grid: Grid) -> int:
    """Characters across that a grid needs: one beside it, two between columns."""
    return sum(2 + _column_width(grid, index) for index in range(len(grid.columns)))


def _column_width(grid: Grid, index: int) -> int:
    texts = [grid.columns[index], *(row[index].text for row in grid.rows)]
    widest = max(len(line) for text in texts for line in text.split("\n"))
    return min(widest, _WORDS_WIDTH) if index in grid.words else widest


def _stacked(grid: Grid) -> Grid:
    def stack(text: str, index: int) -> str:
        return text if index in grid.words else text.replace(" [", "\n[")

    columns = tuple(stack(name, i) for i, name in enumerate(grid.columns))
    rows = [
        tuple(Entry(stack(entry.text, i), entry.tone) for i, entry in enumerate(row))
        for row in grid.rows
    ]
    return Grid(columns, rows, grid.words, grid.footnotes)


def _without(grid: Grid, index: int) -> Grid:
    columns = grid.columns[:index] + grid.columns[index + 1 :]
    rows = [row[:index] + row[index + 1 :] for row in grid.rows]
    words = frozenset(word - (word > index) for word in grid.words)
    return Grid(columns, rows, words, grid.footnotes)


def to_rich(grid: Grid) -> Table:
    """A grid for the terminal. Words may be broken into lines, figures stay whole."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(grid.columns):
        least = _column_width(grid, index)
        if index in grid.words:
            table.add_column(Text(column), overflow="fold", min_width=least)
        else:
            table.add_column(Text(column), justify="right", width=least)
    for row in grid.rows:
        table.add_row(*(Text(entry.text, style=_RICH_TONES[entry.tone]) for entry in row))
    return table
