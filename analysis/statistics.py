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

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

RESAMPLES = 10_000
CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.80
FEW_BLOCKS = 5


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

    lo and hi are NaN when n is 1. `se` is the standard error (standard deviation of the bootstrap
    distribution), `p` the p-value of Wilcoxon's signed-rank test of "no difference", before any
    correction.
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


class Processes:
    """Measured values of several processes, made ready for the two-level bootstrap.

    Takes one array for each process (its steady iterations; they may differ in length; none is
    empty).
    """

    def __init__(self, samples: Sequence[Floats]) -> None:
        self.sizes = np.array([len(sample) for sample in samples])
        self._sorted = np.full((len(samples), int(self.sizes.max())), np.nan)
        for row, sample in zip(self._sorted, samples):
            row[: len(sample)] = np.sort(sample)

    def __len__(self) -> int:
        return len(self.sizes)

    def medians(self) -> Floats:
        """Shape (processes,): the one number of each process."""
        result: Floats = np.nanmedian(self._sorted, axis=1)
        return result

    def draw(self, picks: NDArray[np.int64], rng: np.random.Generator) -> Floats:
        """For each process in `picks` (any shape): the median of a fresh resample of its
        iterations.

        Equal in distribution to drawing m of the m iterations with replacement and taking the
        median, without drawing them: a resample is x[floor(m U_i)] with x sorted and U_i uniform,
        floor is monotone, so its k-th order statistic is x[floor(m U_(k))], and U_(k) follows
        Beta(k, m + 1 - k) (David & Nagaraja, "Order Statistics", 3rd ed. 2003, section 2.3). For
        even m the next one, U_(k+1), is the least of the m - k uniforms above U_(k). The cost does
        not depend on m: thousands of iterations are no slower than ten.
        """
        m = self.sizes[picks]
        if m.max() == 1:
            only: Floats = self._sorted[picks, 0]
            return only
        k = (m + 1) // 2
        low = rng.beta(k, m + 1 - k)
        above = np.maximum(m - k, 1)
        high = low + (1 - low) * (1 - rng.random(m.shape) ** (1 / above))
        lower = self._sorted[picks, np.minimum((m * low).astype(np.int64), m - 1)]
        upper = self._sorted[picks, np.minimum((m * high).astype(np.int64), m - 1)]
        result: Floats = np.where(m % 2 == 1, lower, (lower + upper) / 2)
        return result


def estimate(
    samples: Sequence[Floats], rng: np.random.Generator, resamples: int = RESAMPLES
) -> Estimate:
    """Median over processes of their medians, with a 95 % interval by the two-level bootstrap.

    Each resample draws processes with replacement, then iterations within each drawn process
    (Davison & Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8; Kalibera &
    Jones 2013); the interval is that of the percentiles (Efron & Tibshirani 1993, chapter 13).
    """
    processes = Processes(samples)
    n = len(processes)
    value = float(np.median(processes.medians()))
    if n == 1:
        return Estimate(value, math.nan, math.nan, 1)
    picks = rng.integers(0, n, size=(resamples, n))
    lo, hi = _percentiles(np.median(processes.draw(picks, rng), axis=1))
    return Estimate(value, lo, hi, n)


def compare(
    arm: Sequence[Floats],
    other: Sequence[Floats],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Effect:
    """The paired effect of `arm` against `other`; element i of both comes from the same block.

    Blocks are resampled together, so that what disturbs a whole block cancels out (randomised
    interleaved trials: Abedi & Brecht, ICPE 2017), then iterations within each process.
    """
    a, b = Processes(arm), Processes(other)
    logs = _paired_logs(arm, other)
    n = len(logs)
    effect = float(np.median(logs))
    if n == 1:
        return Effect(effect, math.nan, math.nan, math.nan, 1.0, 1)
    picks = rng.integers(0, n, size=(resamples, n))
    draws = np.median(np.log(a.draw(picks, rng)) - np.log(b.draw(picks, rng)), axis=1)
    lo, hi = _percentiles(draws)
    return Effect(effect, lo, hi, float(np.std(draws)), signed_rank(logs), n)


def difference(
    arm: Sequence[Floats],
    other: Sequence[Floats],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Median over blocks of (time of `arm` - time of `other`), in the unit of the times, with its
    95 % interval; paired and resampled as in `compare`."""
    a, b = Processes(arm), Processes(other)
    n = len(a)
    value = float(np.median(a.medians() - b.medians()))
    if n == 1:
        return Estimate(value, math.nan, math.nan, 1)
    picks = rng.integers(0, n, size=(resamples, n))
    lo, hi = _percentiles(np.median(a.draw(picks, rng) - b.draw(picks, rng), axis=1))
    return Estimate(value, lo, hi, n)


def _percentiles(draws: Floats) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    lo, hi = np.quantile(draws, [tail, 1 - tail])
    return float(lo), float(hi)


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
    logs: Floats = np.log(Processes(arm).medians()) - np.log(Processes(other).medians())
    return logs


def blocks_to_decide(n: int, se: float, distance: float) -> float:
    """With how many blocks an estimate, whose standard error is `se` with `n`, has its 95 %
    interval clear of a bound `distance` away in 80 % of runs; infinity when it is right on it.

    The standard error falls with the root of the number of blocks.
    """
    if distance == 0 or math.isnan(se) or math.isnan(distance):
        return math.inf
    return math.ceil(n * (_reach() * se / distance) ** 2)


def _reach() -> float:
    """Standard errors between a bound and an effect that clears it in 80 % of runs: 2.8."""
    return float(stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER))


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


def blocks_needed(comparisons: int) -> int:
    """Fewest blocks with which the signed-rank test can reach ALPHA at all after Holm's correction.

    The least two-sided p of n differences is 2 / 2^n; the first of m comparisons is multiplied by
    m.
    """
    return math.floor(1 + math.log2(max(comparisons, 1) / ALPHA)) + 1


def noise_floor(twin: Effect) -> float:
    """Largest absolute log-ratio that the interval of A' against A covers, or NaN without an
    interval.

    Two copies of the same arm differ by this much for no reason but noise.
    """
    return max(abs(twin.lo), abs(twin.hi)) if twin.n > 1 else math.nan


def clears(effect: Effect, floor: float) -> bool:
    """Whether the whole interval lies outside [-floor, floor]; False when either is not known."""
    return effect.lo > floor or effect.hi < -floor


def smallest_detectable(twin: Effect, floor: float) -> float:
    """The log-ratio that this run would have found with a probability of 80 %, or NaN.

    floor + (z_0.975 + z_0.80) * se = floor + 2.8 se: an estimate with that standard error has its
    95 % interval beyond the floor in 80 % of runs (Bloom, "Minimum detectable effects", Evaluation
    Review 19(5), 1995, shifted by the floor). The standard error is that of the A/A comparison.
    """
    return floor + _reach() * twin.se
