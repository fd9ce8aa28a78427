"""A phase's verdicts and circumstances as grids and sentences, for the terminal and the reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from analysis import table
from analysis.load import Run
from analysis.summary import SYSCALLS, ArmSummary, CellSummary
from analysis.table import NONE, Entry, Grid
from analysis.verdict import (
    CONFIRMED,
    INCONCLUSIVE,
    MOST_BLOCKS,
    NOT_EXERCISED,
    NOT_MEASURABLE,
    REFUTED,
    Judged,
    Verdicts,
)

TONES = {
    CONFIRMED: "good",
    REFUTED: "bad",
    INCONCLUSIVE: "warn",
    NOT_EXERCISED: "warn",
    NOT_MEASURABLE: "quiet",
}
_UNITS = {
    "time": "ns/op",
    "cold_time": "ns/op",
    "throughput": "ops/s",
    **dict.fromkeys(("rss_start", "rss_steady", "rss_end", "rss_peak", "rss_after"), "KiB"),
}
# Settings of a setting's absence.
_NO_SETTINGS = "hakmem's defaults"


def summary_line(verdicts: Verdicts) -> str:
    """'5 confirmed, 1 refuted (of 6 claims)'."""
    parts = [f"{n} {word}" for word, n in verdicts.counts().items()]
    total = len(verdicts.claims)
    return f"{', '.join(parts)} (of {total} claim{'' if total == 1 else 's'})"


def word(judged: Judged) -> Entry:
    """The verdict with its tone."""
    return Entry(judged.verdict, TONES[judged.verdict])


def measured(judged: Judged) -> str:
    """The measured value with its interval, as the claim's kind writes it."""
    value = judged.value
    if value is None:
        return NONE
    if judged.kind == "no-crash":
        return f"{table.count(value.value)} of {value.n} failed"
    if judged.spread is not None:
        lo, hi = (table.count(end) for end in judged.spread)
        return f"{lo} to {hi}"
    if judged.kind == "count":
        return f"{table.number(value.value) if value.value % 1 else table.count(value.value)}"
    if judged.kind == "share":
        return _per_cent(value.value, value.lo, value.hi)
    return table.estimate(value, "ratio")


def _per_cent(value: float, lo: float, hi: float) -> str:
    if math.isnan(lo):
        return f"{100 * value:.4g} %"
    return f"{100 * value:.3g} % [{100 * lo:.3g}, {100 * hi:.3g}]"


def claimed(judged: Judged) -> str:
    """The claimed value, as the claim's kind writes it."""
    value = judged.claim.get("claimed")
    if value is None:
        return NONE
    if isinstance(value, str):
        return value
    if judged.kind == "share":
        return f"{100 * value:.3g} %"
    if judged.kind in ("ratio", "equivalence"):
        return table.ratio(value)
    return f"{value:,g}"


def reason(judged: Judged) -> str:
    """Why the verdict is what it is, and how many blocks would decide."""
    if judged.blocks is None:
        return judged.reason
    if judged.blocks > MOST_BLOCKS:
        return f"{judged.reason}; more than {MOST_BLOCKS:,} blocks would be needed"
    return f"{judged.reason}; {judged.blocks:,.0f} blocks would decide (--trials)"


def terminal_grid(verdicts: Verdicts) -> Grid:
    """The table that ends the terminal's output."""
    grid = Grid(("claim", "claimed", "measured [95 %]", "bound", "verdict", "why"))
    grid.words = frozenset({0, 4, 5})
    for one in verdicts.claims:
        grid.add(
            one.claim["id"], claimed(one), measured(one), one.bound or NONE, word(one), reason(one)
        )
    return grid


def print_verdicts(run: Run, verdicts: Verdicts, console: Console) -> None:
    """Prints the verdicts on the claims of a phase."""
    phase = run.meta["phase"]
    console.print()
    console.print(Text(f"phase {phase['id']}: {phase['title']}", style="bold"))
    table.print_grid(terminal_grid(verdicts), console)
    console.print(Text(f"verdicts: {summary_line(verdicts)}"))


def claims_grid(verdicts: Verdicts) -> Grid:
    """Each claim with what it is judged by."""
    columns = (
        "claim",
        "verdict",
        "claimed",
        "measured [95 %]",
        "bound",
        "p (Holm)",
        "floor",
        "why",
        "metric",
        "source",
    )
    grid = Grid(columns, words=frozenset({0, 1, 7, 8, 9}))
    for one in verdicts.claims:
        where = f"{one.claim['comparison']}: {what(one.claim)}"
        grid.add(
            one.claim["id"],
            word(one),
            claimed(one),
            measured(one),
            one.bound or NONE,
            NONE if math.isnan(one.p_holm) else f"{one.p_holm:.2g}",
            NONE if math.isnan(one.floor) else table.percent(one.floor).lstrip("+"),
            reason(one),
            where,
            one.claim["source"],
        )
    return grid


def what(claim: dict[str, Any]) -> str:
    """What the measured value is, in a few words."""
    if claim["kind"] == "no-crash":
        return f"processes that failed, {claim.get('arm', 'after')}"
    if "metric" not in claim:
        return "not measured"
    unit = _UNITS.get(claim["metric"])
    name = f"{claim['metric']}{f' ({unit})' if unit else ''}"
    if claim["kind"] in ("ratio", "equivalence"):
        return f"{name}, after / before"
    return f"{name}, {claim.get('arm', 'after')}"


def power_grid(verdicts: Verdicts) -> Grid:
    """What each comparison could see in time."""
    columns = (
        "comparison",
        "blocks",
        "noise floor",
        "smallest effect, foreseen from the first blocks",
        "smallest effect, in the end",
    )
    grid = Grid(columns)
    for one in verdicts.power:
        sizes = (one.floor, one.foreseen, one.in_the_end)
        grid.add(
            one.comparison,
            str(one.blocks),
            *(NONE if math.isnan(size) else table.percent(size).lstrip("+") for size in sizes),
        )
    return grid


def change_grid(run: Run, verdicts: Verdicts) -> Grid:
    """Both sides of each comparison, and whether the mechanism under test ran."""
    columns = ("comparison", "scenario", "before", "after", "did the mechanism run?")
    grid = Grid(columns, words=frozenset(range(len(columns))))
    cells = {cell.comparison: cell for cell in run.cells}
    for entry in run.meta["phase"]["comparison"]:
        grid.add(
            entry["id"],
            table.cell_title(cells[entry["id"]]),
            _side(entry["before"]),
            _side(entry["after"]),
            verdicts.guards[entry["id"]],
        )
    return grid


def _side(side: dict[str, Any]) -> str:
    words = [f"{name}={value}" for name, value in side.get("env", {}).items()]
    if "variant" in side:
        words.insert(0, f"VARIANT={side['variant']}")
    return " ".join(words) or _NO_SETTINGS


def counters_grid(cell: CellSummary) -> Grid:
    """hakmem's counters over all iterations and the system calls that the kernel saw in the steady
    window, before and after: what was not zero on both sides."""
    sides = [_side_of(cell, "before"), _side_of(cell, "after")]
    grid = Grid(("counter", "before", "after"))
    totals = [side.stats_total or {} for side in sides]
    for name in dict.fromkeys(name for total in totals for name in total):
        if any(total.get(name) for total in totals):
            known = [total.get(name) for total in totals]
            grid.add(name, *(NONE if value is None else f"{value:,}" for value in known))
    for call in SYSCALLS:
        counts = [side.syscalls[call] for side in sides]
        grid.add(f"{call}, seen by the kernel", *(table.counted(grid, one) for one in counts))
    return grid


def _side_of(cell: CellSummary, side: str) -> ArmSummary:
    return next(arm for arm in cell.arms if arm.arm.arm.endswith(side))


def context(run: Run, verdicts: Verdicts, cells: Sequence[CellSummary]) -> dict[str, Any]:
    """What both report templates show of a phase."""
    phase = run.meta["phase"]
    return {
        "id": phase["id"],
        "title": phase["title"],
        "change": phase["change"],
        "stands_for": phase.get("stands_for"),
        "line": summary_line(verdicts),
        "verdicts": [
            {
                "claim": one.claim["id"],
                "says": one.claim["says"],
                "word": one.verdict,
                "tone": TONES[one.verdict],
                "measured": measured(one),
                "claimed": claimed(one),
                "why": reason(one),
            }
            for one in verdicts.claims
        ],
        "changes": change_grid(run, verdicts),
        "claims": claims_grid(verdicts),
        "power": power_grid(verdicts),
        "counters": [
            (f"{cell.cell.comparison} ({table.cell_title(cell.cell)})", counters_grid(cell))
            for cell in cells
        ],
        "deferred": phase.get("deferred", []),
        "next": phase.get("next", []),
    }
