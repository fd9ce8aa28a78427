"""Estimates, intervals, comparisons and corrections: numbers in, numbers out; knows nothing of
runs.

The unit of every comparison is a process, and a process yields one number: the median over its
steady iterations. Iterations of different processes are never pooled as if they were independent:
the variance between processes is usually the larger one (Kalibera & Jones, "Rigorous benchmarking
in reasonable time", ISMM 2013; Georges et al., OOPSLA 2007).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from compare.significance import ALPHA

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
POWER = 0.80
FEW_BLOCKS = 6
_Z = float(stats.norm.ppf(1 - ALPHA / 2))


@dataclass(frozen=True)
class Estimate:
    """A median over `n` processes with its 95 % interval; lo and hi are NaN when n is 1."""

    value: float
    lo: float
    hi: float
    n: int


@dataclass(frozen=True)
class Effect:
    """Median over `n` blocks of log(time of one arm / time of another), its 95 % interval and its
    doubt.

    lo and hi are NaN when n is 1. `se` is the standard error, `p` the p-value of the test of "no
    difference" (Wilcoxon's signed-rank test, or Mann-Whitney's where nothing is paired), before
    any correction.
    """

    log_ratio: float
    lo: float
    hi: float
    se: float
    p: float
    n: int

    @property
    def ratio(self) -> Estimate:
        """The same as a ratio of times; below 1 means faster."""
        return Estimate(math.exp(self.log_ratio), math.exp(self.lo), math.exp(self.hi), self.n)


def process_medians(samples: Sequence[Floats]) -> Floats:
    """The one number of each process: the median of its steady iterations."""
    return np.array([np.median(sample) for sample in samples])


@lru_cache
def _interval_place(n: int) -> tuple[int, float]:
    """Where the 95 % interval of the median of n values lies among the sorted values.

    (k, share): the lower end is (1 - share) of the k-th smallest and share of the next, the upper
    end the same from above (k from 1). Hettmansperger & Sheather, "Confidence intervals based on
    interpolated order statistics", Statistics & Probability Letters 4, 1986: the interval from the
    k-th smallest to the k-th largest covers the median with probability 1 - 2 P(B <= k - 1), B
    binomial (n, 1/2), whatever the distribution; between two such intervals it is interpolated.
    Below 6 values no interval reaches 95 %: then it is the whole range.
    """

    def coverage(k: int) -> float:
        return float(1 - 2 * stats.binom.cdf(k - 1, n, 0.5))

    if coverage(1) < CONFIDENCE:
        return 1, 0.0
    k = max(k for k in range(1, n // 2 + 1) if coverage(k) >= CONFIDENCE)
    outer, inner = coverage(k), coverage(k + 1)
    part = (outer - CONFIDENCE) / (outer - inner)
    return k, (n - k) * part / (k + (n - 2 * k) * part)


def median_interval(values: Floats) -> tuple[Floats, Floats]:
    """Ends of the 95 % interval of the median along the last axis, of two values or more."""
    ordered = np.sort(values, axis=-1)
    k, share = _interval_place(values.shape[-1])
    lo = (1 - share) * ordered[..., k - 1] + share * ordered[..., k]
    hi = (1 - share) * ordered[..., -k] + share * ordered[..., -k - 1]
    return lo, hi


def median_error(values: Floats) -> Floats:
    """Standard error of the median along the last axis.

    It is the standard deviation that the bootstrap of the median has, in closed form (Maritz &
    Jarrett, Journal of the American Statistical Association 73, 1978): weight i is the probability
    that the resample's median is the i-th smallest value.
    """
    n = values.shape[-1]
    middle = (n + 1) / 2
    edges = stats.beta.cdf(np.arange(n + 1) / n, middle, middle)
    weights = np.diff(edges)
    ordered = np.sort(values, axis=-1)
    mean = ordered @ weights
    result: Floats = np.sqrt(np.maximum(ordered**2 @ weights - mean**2, 0.0))
    return result


def _median_estimate(values: Floats) -> Estimate:
    n = len(values)
    if n == 1:
        return Estimate(float(values[0]), math.nan, math.nan, 1)
    lo, hi = median_interval(values)
    return Estimate(float(np.median(values)), float(lo), float(hi), n)


def estimate(samples: Sequence[Floats]) -> Estimate:
    """Median over processes of their medians, with its 95 % interval.

    The interval comes from the spread of the processes' medians, which holds the noise of their
    iterations already. (A bootstrap that draws processes and then iterations too counts that noise
    twice: in simulation it covered the truth in 98 to 100 % of runs where iterations are noisy,
    and in 90 % with 8 calm processes. Davison & Hinkley, "Bootstrap Methods", 1997, section 3.8,
    advise against it as well.)
    """
    return _median_estimate(process_medians(samples))


def compare(arm: Sequence[Floats], other: Sequence[Floats]) -> Effect:
    """The paired effect of `arm` against `other`; element i of both comes from the same block.

    What disturbs a whole block cancels out (randomised interleaved trials: Abedi & Brecht, ICPE
    2017).
    """
    logs = _paired_logs(arm, other)
    found = _median_estimate(logs)
    if found.n == 1:
        return Effect(found.value, math.nan, math.nan, math.nan, 1.0, 1)
    se = float(median_error(logs))
    return Effect(found.value, found.lo, found.hi, se, signed_rank(logs), found.n)


def compare_unpaired(arm: Sequence[Floats], other: Sequence[Floats]) -> Effect:
    """The effect of `arm` against `other`, whose processes ran at different times.

    The shift between the two groups of log times is their Hodges-Lehmann estimate, the median of
    all differences of one process of each (Hodges & Lehmann, Annals of Mathematical Statistics 34,
    1963), with the interval of `shift_interval`; `se` is half its length over 1.96, `p` that of
    the Mann-Whitney test, `n` the size of the smaller group.
    """
    a, b = np.log(process_medians(arm)), np.log(process_medians(other))
    n = min(len(a), len(b))
    shift = float(np.median(np.subtract.outer(a, b)))
    if n == 1:
        return Effect(shift, math.nan, math.nan, math.nan, 1.0, 1)
    lo, hi = (float(end) for end in shift_interval(a, b))
    p = float(stats.mannwhitneyu(a, b, alternative="two-sided").pvalue)
    return Effect(shift, lo, hi, (hi - lo) / (2 * _Z), p, n)


def shift_interval(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Ends of the 95 % interval of a shift of `a` against `b` along the last axis.

    It leaves as many of the differences of one value of each outside as the Mann-Whitney test
    allows (Hollander, Wolfe & Chicken, "Nonparametric Statistical Methods", 3rd ed. 2014, section
    4.3, normal approximation).
    """
    n, m = a.shape[-1], b.shape[-1]
    pairs = n * m
    shifts = (a[..., :, None] - b[..., None, :]).reshape(*a.shape[:-1], pairs)
    outside = math.floor(pairs / 2 - _Z * math.sqrt(pairs * (n + m + 1) / 12))
    outside = max(outside, 1)
    ordered = np.sort(shifts, axis=-1)
    return ordered[..., outside - 1], ordered[..., pairs - outside]


def difference(arm: Sequence[Floats], other: Sequence[Floats]) -> Estimate:
    """Median over blocks of (time of `arm` - time of `other`), in the unit of the times, with its
    95 % interval; paired as in `compare`."""
    return _median_estimate(process_medians(arm) - process_medians(other))


def signed_rank(differences: Floats) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test that `differences` are symmetric about 0.

    Under "no difference" the two arms of a block are exchangeable, since their order is random, so
    the symmetry holds by design. Exact up to 50 differences; zeros are left out, as Wilcoxon does.
    """
    nonzero = differences[differences != 0]
    if len(nonzero) == 0:
        return 1.0
    method = "exact" if len(nonzero) <= 50 else "approx"
    return float(stats.wilcoxon(nonzero, method=method).pvalue)


def against(arm: Sequence[Floats], other: Sequence[Floats], log_bound: float) -> float:
    """Two-sided p-value of the signed-rank test that the paired log-ratio is `log_bound`."""
    return signed_rank(_paired_logs(arm, other) - log_bound)


def equivalence(arm: Sequence[Floats], other: Sequence[Floats], margin: float) -> float:
    """p-value of "the paired log-ratio is `margin` or more away from 0", by two one-sided
    signed-rank tests (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987): the
    greater of the two."""
    logs = _paired_logs(arm, other)
    above, below = logs + margin, logs - margin
    if not np.any(above) or not np.any(below):
        return 1.0
    return max(
        float(stats.wilcoxon(above, alternative="greater").pvalue),
        float(stats.wilcoxon(below, alternative="less").pvalue),
    )


def _paired_logs(arm: Sequence[Floats], other: Sequence[Floats]) -> Floats:
    logs: Floats = np.log(process_medians(arm)) - np.log(process_medians(other))
    return logs


def blocks_to_decide(n: int, se: float, distance: float) -> float:
    """With how many blocks an estimate, whose standard error is `se` with `n`, has its 95 %
    interval clear of a bound `distance` away in 80 % of runs; infinity when it is right on it.

    The standard error falls with the root of the number of blocks.
    """
    if distance == 0 or math.isnan(se) or math.isnan(distance):
        return math.inf
    return math.ceil(n * (detectable_errors(n) * se / distance) ** 2)


def blocks_to_clear(n: int, se: float, floor: float, distance: float) -> float:
    """The same for an interval that must also be `floor` away, which falls alike."""
    if distance == 0:
        return math.inf
    return math.ceil(n * ((detectable_errors(n) * se + floor) / distance) ** 2)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given (Holm, Scandinavian Journal of Statistics 6, 1979).

    The k-th smallest of m (k from 0) is multiplied by m - k; none may be below an earlier one, nor
    above 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    adjusted = np.empty(len(p))
    adjusted[order] = stepped
    return [float(value) for value in adjusted]


def noise_floor(twin: Effect) -> float:
    """Largest absolute log-ratio that the interval of A' against A covers, or NaN without an
    interval.

    Two copies of the same arm differ by this much for no reason but noise.
    """
    return max(abs(twin.lo), abs(twin.hi)) if twin.n > 1 else math.nan


def clears(effect: Effect, floor: float) -> bool:
    """Whether the whole interval lies outside [-floor, floor]; False when either is not known."""
    return effect.lo > floor or effect.hi < -floor


def detectable_errors(blocks: int) -> float:
    """How many standard errors beyond the floor an effect must lie to be found in 80 % of runs.

    t_0.975 + t_0.80 with blocks - 1 degrees of freedom, 3.0 for 15 blocks (Bloom, "Minimum
    detectable effects", Evaluation Review 19(5), 1995).
    """
    return float(stats.t.ppf(1 - ALPHA / 2, blocks - 1) + stats.t.ppf(POWER, blocks - 1))


def smallest_detectable(twin: Effect, floor: float) -> float:
    """The log-ratio that this run would have found with a probability of 80 %, or NaN.

    The standard error is that of the A/A comparison.
    """
    return floor + detectable_errors(twin.n) * twin.se if twin.n > 1 else math.nan
