"""The gate's summary in Markdown, fit for a code review."""

from __future__ import annotations

import math

from analysis import table
from analysis.gate import BETTER, FAILS, WORSE, Gate, Row, Side
from analysis.report import escape_markdown, markdown_grid
from analysis.table import Entry, Grid

_MARKS = {WORSE: "bad", FAILS: "bad", BETTER: "good"}


def markdown(gate: Gate) -> str:
    """What was compared, what got worse, and every row."""
    lines = [f"# {headline(gate)}", ""]
    lines += [f"* {escape_markdown(describe(row))}" for row in gate.worse]
    lines += [""] if gate.worse else []
    lines += [*_circumstances(gate), "", markdown_grid(_grid(gate)), ""]
    if not all(row.judged for row in gate.rows):
        lines += ["The same binary in both runs, not judged: the machine's drift between them.", ""]
        lines += [markdown_grid(_drift_grid(gate)), ""]
    lines += [f"> {escape_markdown(note)}\n" for note in gate.notes]
    lines += [escape_markdown(" ".join(_method(gate).split()))]
    return "\n".join(lines) + "\n"


def headline(gate: Gate) -> str:
    """The outcome in one line."""
    worse = len(gate.worse)
    judged = sum(row.judged for row in gate.rows)
    if worse:
        return f"Regression gate: {worse} of {judged} rows got worse"
    return f"Regression gate: passed, none of {judged} rows shown to be worse"


def describe(row: Row) -> str:
    """One row in words: which, by how much, and beyond what."""
    name = f"{row.cell.scenario}, {_arms(row)}, {row.metric}"
    if row.verdict == FAILS:
        return f"{name}: {row.failures}"
    return f"{name}: {row.verdict} {_change(row)}, beyond {_percent(row.margin)}"


def _arms(row: Row) -> str:
    same = row.base_arm == row.new_arm
    return row.new_arm if same else f"{row.new_arm} against {row.base_arm}"


def _percent(log_ratio: float) -> str:
    return table.percent(log_ratio).lstrip("+") if math.isfinite(log_ratio) else "not known"


def _change(row: Row) -> str:
    effect = row.effect
    if effect is None:
        return table.NONE
    if effect.n < 2:
        return table.percent(effect.log_ratio)
    ends = f"{table.percent(effect.lo)}, {table.percent(effect.hi)}"
    return f"{table.percent(effect.log_ratio)} [{ends}]"


def _value(row: Row, value: float) -> str:
    return table.mebibytes(value) if row.metric == "peak memory" else table.number(value)


def _unit(row: Row) -> str:
    return "peak MiB" if row.metric == "peak memory" else row.cell.unit[0]


def _grid(gate: Gate) -> Grid:
    columns = (
        "scenario",
        "allocator",
        "metric",
        "base",
        "new",
        "change [95 %]",
        "floor",
        "could see",
        "verdict",
    )
    grid = Grid(columns, words=frozenset({0, 1, 2, 8}))
    for row in gate.rows:
        if row.judged:
            told = f"{row.verdict}: {row.failures}" if row.verdict == FAILS else row.verdict
            grid.add(
                *_first_columns(gate, row),
                _percent(row.floor),
                _percent(row.detectable),
                Entry(told.upper() if row in gate.worse else told, _MARKS.get(row.verdict, "")),
            )
    return grid


def _drift_grid(gate: Gate) -> Grid:
    columns = ("scenario", "allocator", "metric", "base", "new", "change [95 %]")
    grid = Grid(columns, words=frozenset({0, 1, 2}))
    for row in gate.rows:
        if not row.judged:
            grid.add(*_first_columns(gate, row))
    return grid


def _first_columns(gate: Gate, row: Row) -> tuple[str, ...]:
    cells = {other.cell.index for other in gate.rows if other.cell.scenario == row.cell.scenario}
    return (
        row.cell.scenario if len(cells) == 1 else table.cell_title(row.cell),
        _arms(row),
        _unit(row),
        _value(row, row.base),
        _value(row, row.new),
        _change(row),
    )


def _circumstances(gate: Gate) -> list[str]:
    how = (
        "Paired block by block: both sides ran in the same run, in turn."
        if gate.paired
        else "Not paired: the sides ran at different times. The drift of the machine between them"
        " is known only from allocators whose binary is the same in both runs."
    )
    return [f"* base: {_side(gate.base)}", f"* new: {_side(gate.new)}", f"* {how}"]


def _side(side: Side) -> str:
    meta = side.run.meta
    commit = (meta["git"]["commit"] or "commit not known")[:10]
    changes = ", with local changes" if meta["git"]["dirty"] else ""
    return f"{escape_markdown(side.name)}: {meta['created'][:16]}, {commit}{changes}"


def _method(gate: Gate) -> str:
    test = "signed-rank test" if gate.paired else "Mann-Whitney test"
    estimate = "median of paired ratios" if gate.paired else "Hodges-Lehmann estimate"
    drift = (
        ""
        if gate.paired
        else ", or the shift of another allocator, the same in both runs, between them"
    )
    return f"""
        A row is worse when the whole 95 % interval of its change ({estimate}) lies beyond the noise
        floor and beyond the bound of {100 * gate.bound:g} %, and the p-value ({test}, Holm's
        correction) is below 5 %; or when processes fail that did not before. Floor: what two copies
        of the same allocator differ by within the runs (A/A'){drift}, whichever is more. Could
        see: a change of that size would have been found in about 80 % of runs."""
