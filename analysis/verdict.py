"""Judges the claims of a phase: each by its interval and its bound, never by a point estimate.

    confirmed       the whole interval lies where the bound wants it and beyond the noise floor
    refuted         the whole interval lies on the other side of the bound
    inconclusive    neither; says how many blocks would decide
    not exercised   the mechanism under test never ran, whatever the times say
    not measurable here   says why

What has an interval also needs a p-value below 5 % after Holm's correction over all such claims of
the phase. What comes out the same in every process is exact: it has no interval and needs no test.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from analysis import measure, statistics
from analysis.load import Cell, Run
from analysis.measure import NotMeasured
from analysis.statistics import Effect, Estimate, Floats
from compare import metric
from compare.significance import blocks_needed

CONFIRMED = "confirmed"
REFUTED = "refuted"
INCONCLUSIVE = "inconclusive"
NOT_EXERCISED = "not exercised"
NOT_MEASURABLE = "not measurable here"
VERDICTS = (CONFIRMED, REFUTED, INCONCLUSIVE, NOT_EXERCISED, NOT_MEASURABLE)

# More blocks than this are said as "more than".
MOST_BLOCKS = 100_000
# What 0 counts as where the logarithm of a count is needed.
HALF = 0.5


@dataclass(frozen=True)
class Bound:
    """What decides: '<=', '>=', '<', '>' or '=' and a number."""

    sign: str
    value: float

    @staticmethod
    def of(text: str) -> "Bound":
        """Reads such as '<= 0.7'."""
        match = re.fullmatch(r"(<=|>=|<|>|=) ?(.+)", text)
        assert match, text  # the schema has been here
        return Bound(match[1], float(match[2]))

    def holds(self, value: float) -> bool:
        """Whether `value` is where the bound wants it."""
        same = math.isclose(value, self.value, rel_tol=1e-12)
        if self.sign == "=":
            return same
        if same:
            return "=" in self.sign
        return value < self.value if "<" in self.sign else value > self.value


@dataclass
class Judged:
    """A claim with what was measured. `value` is a ratio, a count or a share by the claim's kind,
    lo and hi its interval (NaN where it is exact or not measured)."""

    claim: dict[str, Any]
    value: Estimate | None = None
    p: float | None = None  # None: decided without a test
    p_holm: float = math.nan
    floor: float = math.nan  # as a log-ratio
    blocks: float | None = None  # that would decide
    verdict: str = ""
    reason: str = ""
    # The values of the processes, where they differ and have no interval.
    spread: tuple[float, float] | None = None
    _effect: Effect | None = field(default=None, repr=False)

    @property
    def bound(self) -> str:
        """What decides, in the words of the claim's kind."""
        if self.kind == "equivalence":
            return f"within ± {100 * self.claim['margin']:g} %"
        text = str(self.claim.get("bound", ""))
        if self.kind == "share" and text:
            limit = Bound.of(text)
            return f"{limit.sign} {100 * limit.value:.3g} %"
        return text

    @property
    def kind(self) -> str:
        """The claim's kind."""
        return str(self.claim["kind"])

    def end(self, verdict: str, reason: str) -> "Judged":
        """This, with its verdict."""
        self.verdict, self.reason = verdict, reason
        return self


@dataclass(frozen=True)
class Power:
    """The smallest effect on time that a comparison can see, as log-ratios: foreseen from its first
    blocks, and in the end."""

    comparison: str
    floor: float
    foreseen: float
    in_the_end: float
    blocks: int


@dataclass(frozen=True)
class Verdicts:
    """All claims of a phase, in the file's order; what each comparison could see; for each
    comparison what the guard found."""

    claims: list[Judged]
    power: list[Power]
    guards: dict[str, str]

    def counts(self) -> dict[str, int]:
        """Verdict -> how many claims have it; those that none has are left out."""
        found = {word: sum(c.verdict == word for c in self.claims) for word in VERDICTS}
        return {word: n for word, n in found.items() if n}


def judge(run: Run) -> Verdicts:
    """The verdicts on the claims of the phase that `run` is of."""
    phase = run.meta["phase"]
    cells = {cell.comparison: cell for cell in run.cells}
    guards = {entry["id"]: _guard(run, cells[entry["id"]], entry) for entry in phase["comparison"]}
    judged = []
    for claim in phase["claim"]:
        judge_of = _Judge(run, cells[claim["comparison"]], claim)
        judged.append(judge_of.evidence(guards[claim["comparison"]]))
    tested = [one for one in judged if one.p is not None and not one.verdict]
    for one, p in zip(tested, statistics.holm([one.p for one in tested if one.p is not None])):
        one.p_holm = p
        _decide(one, len(tested))
    power = [_power(run, cell) for cell in run.cells]
    return Verdicts(judged, power, {name: text for name, (_, text) in guards.items()})


def _guard(run: Run, cell: Cell, comparison: dict[str, Any]) -> tuple[str | None, str]:
    """(verdict that it forces, or None; what was found) of a comparison's counter of use."""
    text = comparison.get("exercised")
    if text is None:
        return None, "no counter can tell"
    side = comparison.get("exercised_in", "after")
    arm = _arm(cell, side)
    try:
        values = [float(np.median(v)) for v in measure.by_block(run, cell, arm, text).values()]
    except NotMeasured as error:
        return NOT_MEASURABLE, f"whether the mechanism ran cannot be told: {error}"
    ran = sum(value > 0 for value in values)
    found = f"{text} in {side}: {_range(values)}"
    if ran == 0:
        return NOT_EXERCISED, f"{found}: it never ran"
    if ran < len(values):
        return None, f"{found}: it ran in {ran} of {len(values)} processes only"
    return None, found


def _arm(cell: Cell, side: str) -> str:
    """The arm of a cell's side 'before' or 'after'."""
    return next(name for name in cell.arms if name.endswith(side))


def _range(values: Sequence[float]) -> str:
    lo, hi = (f"{value:,.6g}" for value in (min(values), max(values)))
    return lo if lo == hi else f"{lo} to {hi}"


class _Judge:
    """Gathers what one claim is decided by."""

    def __init__(self, run: Run, cell: Cell, claim: dict[str, Any]) -> None:
        self.run, self.cell, self.claim = run, cell, claim

    def evidence(self, guard: tuple[str | None, str]) -> Judged:
        """The claim measured, and judged where no test is needed."""
        judged = Judged(self.claim)
        if "not_here" in self.claim:
            return judged.end(NOT_MEASURABLE, self.claim["not_here"])
        why = measure.missing(self.run, self.claim.get("needs", []))
        if why is not None:
            return judged.end(NOT_MEASURABLE, why)
        try:
            getattr(self, "_" + self.claim["kind"].replace("-", "_"))(judged)
        except NotMeasured as error:
            judged.end(NOT_MEASURABLE, str(error))
        forced, found = guard
        # Counts and shares of one side show by themselves what ran.
        if forced is not None and self.claim["kind"] not in ("count", "share"):
            judged.p = None
            judged.end(forced, found)
        return judged

    def _side(self) -> str:
        return _arm(self.cell, self.claim.get("arm", "after"))

    def _by_callgrind(self) -> bool:
        return metric.purposes(self.claim["metric"]) == [metric.CALLGRIND]

    def _values(self, arm: str) -> dict[int, Floats]:
        return measure.by_block(self.run, self.cell, arm, self.claim["metric"])

    def _no_crash(self, judged: Judged) -> None:
        trials = self.run.select(self.cell.index, self._side(), metric.TIME)
        bad = trials[trials["status"] != "ok"]
        if len(trials) == 0:
            raise NotMeasured("no process ran")
        judged.value = Estimate(len(bad), math.nan, math.nan, len(trials))
        if len(bad):
            first = f"{bad.iloc[0]['status']}: {bad.iloc[0]['error']}"
            judged.end(REFUTED, f"{len(bad)} of {len(trials)} processes failed ({first})")
        else:
            judged.end(CONFIRMED, f"all {len(trials)} processes came to their end")

    def _count(self, judged: Judged) -> None:
        bound = Bound.of(self.claim["bound"])
        values = [float(np.median(v)) for v in self._values(self._side()).values()]
        judged.value = Estimate(float(np.median(values)), math.nan, math.nan, len(values))
        if min(values) != max(values):
            judged.spread = (min(values), max(values))
        hold = sum(bound.holds(value) for value in values)
        said = f"{_range(values)} in {_processes(len(values))}"
        if hold == len(values):
            judged.end(CONFIRMED, f"counted: {said}")
        elif hold == 0:
            judged.end(REFUTED, f"counted: {said}, which is not {judged.bound}")
        else:
            judged.end(INCONCLUSIVE, f"holds in {hold} of {len(values)} processes: {said}")

    def _share(self, judged: Judged) -> None:
        bound = Bound.of(self.claim["bound"])
        symbol = measure.profiled_symbol(self.claim["metric"])
        if symbol is not None:
            k, n = measure.samples_in(self.run, self.cell, self._side(), symbol)
            if n == 0:
                raise NotMeasured("the profile has no samples")
            test = stats.binomtest(k, n, bound.value)
            interval = test.proportion_ci(method="wilson")
            judged.value = Estimate(k / n, float(interval.low), float(interval.high), n)
            judged.p = float(test.pvalue)
            return
        values = list(self._values(self._side()).values())
        medians = np.array([float(np.median(value)) for value in values])
        if self._exact(judged, [medians], bound):
            return
        judged.value = statistics.estimate(values)
        judged.p = statistics.signed_rank(medians - bound.value)

    def _exact(self, judged: Judged, arms: Sequence[Floats], bound: Bound) -> bool:
        """Judges what came out the same in every process, of each of `arms`; False: it did not, or
        one process cannot tell. Callgrind's counts do not vary."""
        if any(values.min() != values.max() for values in arms):
            return False
        if len(arms[0]) < 2 and not self._by_callgrind():
            return False
        value = float(arms[0][0]) / (float(arms[1][0]) if len(arms) > 1 else 1)
        n = len(arms[0])
        judged.value = Estimate(value, math.nan, math.nan, n)
        word = CONFIRMED if bound.holds(value) else REFUTED
        judged.end(word, f"the same in {_processes(n)}, which is{_not(word)} {judged.bound}")
        return True

    def _ratio(self, judged: Judged) -> None:
        bound = Bound.of(self.claim["bound"])
        after, before = self._sides(judged)
        effect = judged._effect
        assert effect is not None
        if not measure.is_per_iteration(self.claim["metric"]):
            here = (_arm(self.cell, "after"), self.cell.baseline)
            flat = [np.concatenate(list(self._values(arm).values())) for arm in here]
            twin = np.concatenate([*self._twin().values(), flat[1][:1]])
            if (twin == flat[1][0]).all() and self._exact(judged, flat, bound):
                return
            if effect.n == 1 and len(twin) > 1 and self._by_callgrind():
                self._nearly_exact(judged, effect, float(twin[0] / flat[1][0]), bound)
                return
        if effect.n < 2:
            judged.end(INCONCLUSIVE, "a single block has no interval")
            return
        judged.p = statistics.against(after, before, math.log(bound.value))

    def _nearly_exact(self, judged: Judged, effect: Effect, twin: float, bound: Bound) -> None:
        """Judges a count of one process each, where two copies of before differ by the ratio
        `twin`: that is its interval."""
        away = math.exp(abs(math.log(twin)))
        value = effect.ratio.value
        judged.value = Estimate(value, value / away, value * away, 1)
        judged.floor = math.log(away)
        held = [bound.holds(value / away), bound.holds(value * away)]
        word = CONFIRMED if all(held) else INCONCLUSIVE if any(held) else REFUTED
        judged.end(word, f"counted; two copies of before differ by {_pct(judged.floor)}")

    def _equivalence(self, judged: Judged) -> None:
        after, before = self._sides(judged)
        if judged._effect is None or judged._effect.n < 2:
            judged.end(INCONCLUSIVE, "a single block has no interval")
            return
        judged.p = statistics.equivalence(after, before, math.log1p(self.claim["margin"]))

    def _sides(self, judged: Judged) -> tuple[list[Floats], list[Floats]]:
        """Values of after and of before, block by block; fills in the effect and the floor."""
        before = self._values(self.cell.baseline)
        after = self._values(_arm(self.cell, "after"))
        if any((values <= 0).all() for values in before.values()):
            raise NotMeasured("the metric is 0 before: there is no ratio")
        both = sorted(before.keys() & after.keys())
        if not both:
            raise NotMeasured("no block in which both sides came to their end")

        def positive(values: Floats) -> Floats:
            return np.where(values > 0, values, HALF)

        mine = [positive(after[block]) for block in both]
        others = [positive(before[block]) for block in both]
        effect = statistics.compare(mine, others)
        judged._effect = effect
        judged.value = effect.ratio
        twin = self._twin()
        pairs = sorted(twin.keys() & before.keys())
        if len(pairs) > 1:
            noise = statistics.compare(
                [positive(twin[block]) for block in pairs],
                [positive(before[block]) for block in pairs],
            )
            judged.floor = statistics.noise_floor(noise)
        return mine, others

    def _twin(self) -> dict[int, Floats]:
        twin = self.run.twin(self.cell)
        if twin is None:
            return {}
        try:
            return self._values(twin.arm)
        except NotMeasured:
            return {}


def _decide(judged: Judged, comparisons: int) -> None:
    """The verdict of a claim that has an interval and a p-value."""
    if judged.kind == "equivalence":
        _decide_equivalence(judged, comparisons)
    elif judged.kind == "ratio":
        _decide_ratio(judged, comparisons)
    else:
        _decide_share(judged)


def _decide_share(judged: Judged) -> None:
    assert judged.value is not None
    bound = Bound.of(judged.claim["bound"])
    lo, hi = judged.value.lo, judged.value.hi
    if not math.isnan(lo) and judged.p_holm < statistics.ALPHA:
        if bound.holds(lo) and bound.holds(hi):
            judged.end(CONFIRMED, f"the whole interval is {judged.bound}")
            return
        if not bound.holds(lo) and not bound.holds(hi):
            judged.end(REFUTED, f"no part of the interval is {judged.bound}")
            return
    if math.isnan(lo):
        judged.end(INCONCLUSIVE, "a single process has no interval")
        return
    judged.end(INCONCLUSIVE, f"the interval straddles the bound {judged.bound}, or nearly so")
    if measure.profiled_symbol(judged.claim["metric"]) is None:
        n, distance = judged.value.n, abs(judged.value.value - bound.value)
        se = (hi - lo) / (2 * stats.norm.ppf(1 - statistics.ALPHA / 2))
        judged.blocks = max(statistics.blocks_to_decide(n, se, distance), n + 1)


def _decide_ratio(judged: Judged, comparisons: int) -> None:
    effect, value = judged._effect, judged.value
    assert effect is not None and value is not None
    bound = Bound.of(judged.claim["bound"])
    floor, at = judged.floor, math.log(bound.value)
    if math.isnan(floor):
        judged.end(INCONCLUSIVE, "no noise floor: no second copy of before (A') came to its end")
        return
    sure = judged.p_holm < statistics.ALPHA
    inside, outside = (
        [bound.holds(end) for end in (value.lo, value.hi)] == [wanted] * 2
        for wanted in (True, False)
    )
    if bound.holds(1):  # no difference is claimed, so that noise must not reach the bound
        clear = effect.hi + floor < at if "<" in bound.sign else effect.lo - floor > at
    else:
        clear = statistics.clears(effect, floor)
    if sure and outside:
        judged.end(REFUTED, f"no part of the interval is {judged.bound}")
        return
    if sure and inside and clear:
        beyond = "" if bound.holds(1) else " and beyond the noise floor"
        judged.end(CONFIRMED, f"the whole interval is {judged.bound}{beyond}")
        return
    if inside and not clear:
        judged.end(INCONCLUSIVE, f"within the bound, but not clear of the floor of {_pct(floor)}")
        distance = abs(effect.log_ratio - (at if bound.holds(1) else 0))
        judged.blocks = max(
            statistics.blocks_to_clear(effect.n, effect.se, floor, distance), effect.n + 1
        )
        return
    elif inside or outside:
        few = blocks_needed(comparisons)
        judged.end(INCONCLUSIVE, f"{effect.n} blocks cannot show it: it takes {few}")
    else:
        judged.end(INCONCLUSIVE, f"the interval straddles the bound {judged.bound}")
    judged.blocks = _blocks(effect, at, comparisons)


def _decide_equivalence(judged: Judged, comparisons: int) -> None:
    effect = judged._effect
    assert effect is not None
    margin = math.log1p(judged.claim["margin"])
    shown = f"the margin of {100 * judged.claim['margin']:g} %"
    if statistics.clears(effect, margin):
        judged.end(REFUTED, f"the whole interval lies outside {shown}")
        return
    if -margin < effect.lo and effect.hi < margin and judged.p_holm < statistics.ALPHA:
        if judged.floor < margin:
            judged.end(CONFIRMED, f"the whole interval lies within {shown}; both tests hold")
            return
        judged.end(
            INCONCLUSIVE, f"within {shown}, but the noise floor, {_pct(judged.floor)}, is not"
        )
    else:
        judged.end(INCONCLUSIVE, f"the interval is not within {shown}")
    nearest = math.copysign(margin, effect.log_ratio)
    judged.blocks = _blocks(effect, nearest, comparisons)


def _blocks(effect: Effect, log_bound: float, comparisons: int) -> float:
    distance = abs(effect.log_ratio - log_bound)
    needed = statistics.blocks_to_decide(effect.n, effect.se, distance)
    return max(needed, blocks_needed(comparisons), effect.n + 1)


def _power(run: Run, cell: Cell) -> Power:
    """What a comparison could see in time, from A' against before."""
    nothing = Power(cell.comparison or "", math.nan, math.nan, math.nan, 0)
    twin = run.twin(cell)
    if twin is None:
        return nothing
    try:
        copies = measure.by_block(run, cell, twin.arm, "time")
        before = measure.by_block(run, cell, cell.baseline, "time")
    except NotMeasured:
        return nothing
    both = sorted(copies.keys() & before.keys())
    if len(both) < 2:
        return nothing

    def noise(blocks: list[int]) -> Effect:
        sides = [[side[block] for block in blocks] for side in (copies, before)]
        return statistics.compare(sides[0], sides[1])

    whole, pilot = noise(both), noise(both[: statistics.FEW_BLOCKS])
    floor = statistics.noise_floor(whole)
    shrinks = math.sqrt(pilot.n / whole.n)
    return Power(
        cell.comparison or "",
        floor,
        statistics.smallest_detectable(pilot, statistics.noise_floor(pilot)) * shrinks,
        statistics.smallest_detectable(whole, floor),
        len(both),
    )


def _not(word: str) -> str:
    return "" if word == CONFIRMED else " not"


def _processes(n: int) -> str:
    return "1 process" if n == 1 else f"{n} processes"


def _pct(log_ratio: float) -> str:
    return f"{100 * math.expm1(log_ratio):.1f} %"
