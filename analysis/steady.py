"""Did a process reach a steady state? Changepoints in its iteration times, and a verdict for each
process.

Follows Barrett et al., "Virtual machine warmup blows hot and cold" (OOPSLA 2017) and its
warmup_stats: outliers replaced, changepoints in mean and variance by PELT with a penalty of 15 ln
n, segments compared with the last.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FLAT = "flat"
WARMUP = "warm-up"
SLOWDOWN = "slowdown"
UNSETTLED = "no steady state"
SHORT = "too short"
CLASSES = (FLAT, WARMUP, SLOWDOWN, UNSETTLED, SHORT)

OUTLIER_WINDOW = 200
PENALTY = 15.0
# Longer series are cut into this many bins of consecutive iterations, each standing as its median.
LONGEST = 1000
# With fewer iterations even a doubling hardly outweighs the penalty.
SHORTEST = 20
# A shift below this share of the final level is not worth a word.
TOLERANCE = 0.02
# The last part that has to be free of shifts; Barrett et al. take 500 of 2000 iterations.
SETTLED_SHARE = 0.25


def classify(times: Floats) -> str:
    """One of CLASSES for the steady window of one process (ns per operation, in order).

    flat: no shift that matters. warm-up: settles on its fastest level, but later than the steady
    window began. slowdown: settles, but was faster before. no steady state: still shifting in the
    last quarter. A segment counts as level with the last one when their means differ by at most 2 %
    of the last one's mean or by its standard deviation, whichever is more.
    """
    if len(times) < SHORTEST:
        return SHORT
    series = without_outliers(aggregate(times))
    borders = [0, *changepoints(series), len(series)]
    segments = [series[a:b] for a, b in zip(borders, borders[1:])]
    means = np.array([segment.mean() for segment in segments])
    margin = max(TOLERANCE * means[-1], float(segments[-1].std()))
    shifted = np.flatnonzero(np.abs(means - means[-1]) > margin)
    if len(shifted) == 0:
        return FLAT
    settled_from = borders[int(shifted[-1]) + 1]
    if settled_from > (1 - SETTLED_SHARE) * len(series):
        return UNSETTLED
    return WARMUP if bool((means[shifted] > means[-1]).all()) else SLOWDOWN


def aggregate(times: Floats) -> Floats:
    """`times` itself up to LONGEST iterations, else the medians of LONGEST bins of consecutive
    ones."""
    if len(times) <= LONGEST:
        return times
    return np.array([np.median(part) for part in np.array_split(times, LONGEST)])


def without_outliers(times: Floats) -> Floats:
    """Values beyond median +/- 3 (P90 - P10) of a centred window of 200 become that median
    (warmup_stats)."""
    rolling = pd.Series(times).rolling(OUTLIER_WINDOW, min_periods=1, center=True)
    median = rolling.median().to_numpy()
    reach = 3 * (rolling.quantile(0.9) - rolling.quantile(0.1)).to_numpy()
    result: Floats = np.where(np.abs(times - median) > reach, median, times)
    return result


def changepoints(series: Floats) -> list[int]:
    """Indices at which a new segment begins, by PELT (Killick, Fearnhead & Eckley, JASA 107, 2012).

    The cost of a segment of n values is -2 log of its normal likelihood, n (ln(2 pi var) + 1), with
    mean and variance its own; each changepoint costs 15 ln(length). Segments have at least two
    values. The variance is taken as no less than that of 0.1 % of the median: times are whole
    nanoseconds, and a run of equal readings would have a cost of minus infinity.
    """
    n = len(series)
    level = float(np.median(series))
    least = max((1e-3 * level) ** 2, 1e-12)
    centred = series - level
    sums = np.concatenate([[0.0], np.cumsum(centred)])
    squares = np.concatenate([[0.0], np.cumsum(centred**2)])
    penalty = PENALTY * math.log(n)

    best = np.full(n + 1, np.inf)  # least cost of the first t values
    best[0] = -penalty
    previous = np.zeros(n + 1, dtype=np.int64)  # where the last segment of that solution begins
    candidates = np.array([0], dtype=np.int64)
    kept = np.array([True])
    for t in range(2, n + 1):
        length = t - candidates
        mean = (sums[t] - sums[candidates]) / length
        variance = (squares[t] - squares[candidates]) / length - mean**2
        cost = best[candidates] + length * (np.log(2 * math.pi * np.maximum(variance, least)) + 1.0)
        choice = int(np.argmin(cost))
        best[t] = cost[choice] + penalty
        previous[t] = candidates[choice]
        # A start that is already worse than the best by a penalty loses against t itself, but t
        # cannot be a start before t + 2: so starts are dropped one step after they lost. t - 1 is
        # the newest start whose segment has two values at the next step.
        lost, kept = ~kept, cost <= best[t]
        candidates = np.append(candidates[~lost], t - 1)
        kept = np.append(kept[~lost], True)
    found = []
    t = n
    while previous[t] > 0:
        t = int(previous[t])
        found.append(t)
    return found[::-1]
