"""The regression gate: did anything get worse from one run to another by more than noise and a
bound?

Two sides are compared, each an allocator of a run, cell by cell. Two allocators of one run are
paired block by block. In two runs nothing is paired, and the machine may have drifted between them:
allocators whose binary is the same in both tell by how much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analysis import measure, statistics
from analysis.load import Arm, Cell, Run, RunError, load
from analysis.statistics import Effect, Floats

DEFAULT_BOUND = 0.03
# What runs may be compared in spite of; named in --force.
OVERRIDES = ("machine", "params")
# Facts about a machine that change from one minute to the next.
_PASSING = ("steal_ticks", "load1")

# What is compared, as compare/metric.py names it; more is worse.
METRICS = {"time": "time", "peak memory": "rss_peak"}

WORSE = "worse"
BETTER = "better"
UNCHANGED = "no change shown"
FAILS = "fails"
CONTROL = "same binary"

# Block -> measured values of its process.
Samples = dict[int, Floats]


@dataclass(frozen=True)
class Side:
    """One of the two sides: a run, and one allocator of it, or None: all."""

    run: Run
    arm: str | None

    @property
    def name(self) -> str:
        folder = self.run.folder.resolve().name
        return folder if self.arm is None else f"{folder}:{self.arm}"


@dataclass
class Row:
    """One comparison, by log-ratios of NEW to BASE: above 0 is worse.

    `floor`: by how much the same binary differs from itself; NaN when not known.
    """

    cell: Cell
    metric: str
    base_arm: str
    new_arm: str
    base: float
    new: float
    effect: Effect | None
    floor: float
    judged: bool  # False: the same binary, shows the machine's drift only
    failures: str = ""
    bound: float = DEFAULT_BOUND
    p_holm: float = math.nan

    @property
    def margin(self) -> float:
        """What an interval must clear: the floor and the bound; NaN without a floor."""
        return max(self.floor, math.log1p(self.bound)) if math.isfinite(self.floor) else math.nan

    @property
    def detectable(self) -> float:
        """The smallest log-ratio that would have been found with a probability of 80 %, or NaN."""
        if self.effect is None or self.effect.n < 2:
            return math.nan
        return self.margin + statistics.detectable_errors(self.effect.n) * self.effect.se

    @property
    def verdict(self) -> str:
        """One of the words above."""
        if not self.judged:
            return CONTROL
        if self.failures:
            return FAILS
        if self.effect is None or not self.p_holm < statistics.ALPHA:
            return UNCHANGED
        if not statistics.clears(self.effect, self.margin):
            return UNCHANGED
        return WORSE if self.effect.log_ratio > 0 else BETTER


@dataclass
class Gate:
    """What the gate found; `notes`: what has to be known about it, a line each."""

    base: Side
    new: Side
    paired: bool
    bound: float
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @property
    def worse(self) -> list[Row]:
        """The rows for which the gate closes."""
        return [row for row in self.rows if row.verdict in (WORSE, FAILS)]


def side(text: str) -> Side:
    """The side that 'FOLDER' or 'FOLDER:ALLOCATOR' names. Raises RunError."""
    folder, colon, arm = text, "", ""
    if not Path(text).is_dir():
        folder, colon, arm = text.rpartition(":")
        if not colon:
            folder = text
    run = load(Path(folder))
    if not colon:
        return Side(run, None)
    known = [known.arm for known in run.arms if known.twin_of is None]
    if arm not in known:
        raise RunError(f"{text}: {arm!r} is not one of the run's allocators: {', '.join(known)}")
    return Side(run, arm)


def compare(base: Side, new: Side, bound: float, overridden: Sequence[str]) -> Gate:
    """Judges every row. Raises RunError when the two sides cannot be compared."""
    paired = base.run.folder.resolve() == new.run.folder.resolve()
    if paired and (base.arm is None or new.arm is None or base.arm == new.arm):
        raise RunError(
            f"{new.run.folder}: is on both sides; give two of its allocators, FOLDER:ALLOCATOR"
        )
    notes = [] if paired else _check_machines(base.run, new.run, overridden)
    gate = Gate(base, new, paired, bound, [], notes)
    for mine, theirs in _matching_cells(base.run, new.run, overridden, notes):
        for metric in METRICS:
            gate.rows += _cell_rows(gate, mine, theirs, metric)
    if not any(row.judged for row in gate.rows):
        raise RunError("no allocator was measured in both of the runs: nothing to compare")
    judged = [row for row in gate.rows if row.judged and row.effect and row.effect.n > 1]
    p_values = statistics.holm([row.effect.p for row in judged if row.effect])
    for row, p in zip(judged, p_values):
        row.p_holm = p
    return gate


# ---- What may be compared ----


def _check_machines(base: Run, new: Run, overridden: Sequence[str]) -> list[str]:
    """Notes about differences that were to be ignored. Raises RunError at others."""
    sides = [
        {**run.meta["machine"], "pinned to": str(run.meta.get("pin") or "any CPU")}
        for run in (base, new)
    ]
    keys = [key for key in {**sides[0], **sides[1]} if key not in _PASSING]
    differ = [
        f"{key}: {_shown(sides[0].get(key))} / {_shown(sides[1].get(key))}"
        for key in keys
        if sides[0].get(key) != sides[1].get(key)
    ]
    notes = []
    if differ:
        said = f"the machines differ ({'; '.join(differ)})"
        if "machine" not in overridden:
            raise RunError(f"{said}; --force machine compares them all the same")
        notes.append(f"{said}, compared all the same (--force machine)")
    for name in ("driver_sha256", "cc", "perf"):
        one, other = (run.meta["tools"].get(name) for run in (base, new))
        if one != other:
            notes.append(f"not the same in both runs: {name.removesuffix('_sha256')}")
    if base.meta["environment"] != new.meta["environment"]:
        notes.append(
            f"settings differ: {_settings(base.meta['environment'])} /"
            f" {_settings(new.meta['environment'])}"
        )
    return notes


def _shown(value: object) -> str:
    return "not known" if value is None else str(value)


def _settings(environment: dict[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in environment.items()) or "none"


def _matching_cells(
    base: Run, new: Run, overridden: Sequence[str], notes: list[str]
) -> list[tuple[Cell, Cell]]:
    """Cells of the same scenario with the same parameters in both runs.

    Raises RunError where a scenario is in both with different parameters, or none is in both.
    """
    matches = []
    left = list(new.cells)
    for cell in base.cells:
        same = [other for other in left if other.scenario == cell.scenario]
        exact = next((other for other in same if other.params == cell.params), None)
        if exact is None and same:
            said = f"{cell.scenario}: parameters differ ({_changes(cell, same[0])})"
            if "params" not in overridden:
                raise RunError(f"{said}; --force params compares them all the same")
            notes.append(f"{said}, compared all the same (--force params)")
            exact = same[0]
        if exact is None:
            notes.append(f"{cell.scenario}: in {base.folder.name} only, not compared")
            continue
        left.remove(exact)
        matches.append((cell, exact))
    notes += [f"{cell.scenario}: in {new.folder.name} only, not compared" for cell in left]
    if not matches:
        raise RunError("no scenario is in both of the runs: nothing to compare")
    return matches


def _changes(one: Cell, other: Cell) -> str:
    keys = dict.fromkeys([*one.params, *other.params])
    return ", ".join(
        f"{key} {_shown(one.params.get(key))} / {_shown(other.params.get(key))}"
        for key in keys
        if one.params.get(key) != other.params.get(key)
    )


def _same_binary(base: Run, new: Run, one: Arm, other: Arm) -> bool:
    """Whether two arms are the same code under the same settings."""
    if one.allocator == base.baseline.allocator:
        settings = base.meta["environment"] == new.meta["environment"]
    else:
        settings = True
    same = one.sha256 == other.sha256 and one.version == other.version and one.env == other.env
    return same and settings


# ---- Rows ----


def _samples(run: Run, cell: Cell, arm: str, metric: str) -> Samples:
    """What the processes of an arm measured; empty when none did."""
    try:
        found = measure.by_block(run, cell, arm, METRICS[metric])
    except measure.NotMeasured:
        return {}
    return {block: values for block, values in found.items() if (values > 0).all()}


def _cell_rows(gate: Gate, base_cell: Cell, new_cell: Cell, metric: str) -> list[Row]:
    base, new = gate.base.run, gate.new.run
    pairs = _arm_pairs(gate, base_cell, new_cell)

    def effect(one: str, other: str) -> Effect | None:
        before = _samples(base, base_cell, one, metric)
        after = _samples(new, new_cell, other, metric)
        if gate.paired:
            both = sorted(before.keys() & after.keys())
            before = {block: before[block] for block in both}
            after = {block: after[block] for block in both}
        if not before or not after:
            return None
        judge = statistics.compare if gate.paired else statistics.compare_unpaired
        return judge(list(after.values()), list(before.values()))

    effects = {one.arm: effect(one.arm, other.arm) for one, other in pairs}
    inside = [_inner_floor(base, base_cell, metric), _inner_floor(new, new_cell, metric)]
    rows = []
    for one, other in pairs:
        same = not gate.paired and _same_binary(base, new, one, other)
        drifts = [
            abs(shift.log_ratio)
            for x, y in pairs
            if x is not one and not gate.paired and _same_binary(base, new, x, y)
            if (shift := effects[x.arm]) is not None
        ]
        known = [floor for floor in inside if math.isfinite(floor)]
        floor = max([*known, *drifts]) if known else math.nan
        chosen = one.arm == (gate.base.arm or gate.new.arm or base_cell.baseline)
        rows.append(
            Row(
                cell=new_cell,
                metric=metric,
                base_arm=one.arm,
                new_arm=other.arm,
                base=_middle(_samples(base, base_cell, one.arm, metric)),
                new=_middle(_samples(new, new_cell, other.arm, metric)),
                effect=effects[one.arm],
                floor=floor,
                judged=chosen or not same,
                failures=_failures(base, base_cell, one, new, new_cell, other)
                if metric == "time"
                else "",
                bound=gate.bound,
            )
        )
    return rows


def _arm_pairs(gate: Gate, base_cell: Cell, new_cell: Cell) -> list[tuple[Arm, Arm]]:
    """Arms of the same name in both; or the two that were named, and in two runs those that are the
    same in both, which show the drift."""
    before = {a.arm: a for a in gate.base.run.arms if a.arm in base_cell.arms}
    after = {a.arm: a for a in gate.new.run.arms if a.arm in new_cell.arms}
    names = [(name, name) for name in before if name in after]
    if gate.base.arm is not None or gate.new.arm is not None:
        one, other = gate.base.arm or gate.new.arm, gate.new.arm or gate.base.arm
        controls = [
            (name, name)
            for name, _ in names
            if not gate.paired and name not in (one, other)
            if _same_binary(gate.base.run, gate.new.run, before[name], after[name])
        ]
        here = one in before and other in after
        names = [(str(one), str(other)), *controls] if here else []
    return [
        (before[one], after[other])
        for one, other in names
        if before[one].twin_of is None and not before[one].floor
    ]


def _inner_floor(run: Run, cell: Cell, metric: str) -> float:
    """The A/A' floor of a cell; NaN when the run has none."""
    copy = run.twin(cell)
    if copy is None:
        return math.nan
    one = _samples(run, cell, cell.baseline, metric)
    other = _samples(run, cell, copy.arm, metric)
    both = sorted(one.keys() & other.keys())
    if not both:
        return math.nan
    twin = statistics.compare([other[b] for b in both], [one[b] for b in both])
    return statistics.noise_floor(twin)


def _middle(samples: Samples) -> float:
    if not samples:
        return math.nan
    return float(np.median(statistics.process_medians(list(samples.values()))))


def _failures(base: Run, base_cell: Cell, one: Arm, new: Run, new_cell: Cell, other: Arm) -> str:
    """'3 of 15 processes fail (killed by SIGSEGV)' where NEW fails and BASE does not, else ''."""
    before = base.select(base_cell.index, one.arm, "time")
    after = new.select(new_cell.index, other.arm, "time")
    bad = after[after["status"] != "ok"]
    if len(bad) == 0 or (before["status"] != "ok").any():
        return ""
    why = bad["error"].iloc[0] or bad["status"].iloc[0]
    return f"{len(bad)} of {len(after)} processes fail ({why})"
