"""steady.py: changepoints against an exhaustive search, and verdicts on series of a known shape."""

import math

import numpy as np
import pytest

from analysis import steady
from analysis.statistics import Floats


def noisy(levels: list[tuple[int, float]], seed: int = 1) -> Floats:
    """A series with (length, level) segments and 1 % noise."""
    rng = np.random.default_rng(seed)
    flat = np.concatenate([np.full(length, level) for length, level in levels])
    return np.asarray(flat * (1 + rng.normal(0, 0.01, len(flat))))


def exhaustive(series: Floats) -> list[int]:
    """Optimal partitioning without any pruning, straight from the definition."""
    n = len(series)
    penalty = steady.PENALTY * math.log(n)
    least = float(1e-3 * np.median(series)) ** 2

    def cost(a: int, b: int) -> float:
        variance = max(float(np.var(series[a:b])), least)
        return (b - a) * (math.log(2 * math.pi * variance) + 1)

    best: list[tuple[float, list[int]]] = [(-penalty, [])]
    for _ in range(n):
        best.append((math.inf, []))
    for t in range(2, n + 1):
        best[t] = min(
            (best[s][0] + cost(s, t) + penalty, best[s][1] + [s])
            for s in range(t - 1)
            if best[s][0] < math.inf
        )
    return [s for s in best[n][1] if s > 0]


@pytest.mark.parametrize("seed", range(6))
def test_pelt_finds_what_an_exhaustive_search_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 30, 4)
    levels = rng.choice([100.0, 103.0, 110.0, 150.0], 4)
    series = noisy([(int(n), float(v)) for n, v in zip(lengths, levels)], seed)
    assert steady.changepoints(series) == exhaustive(series)


def test_changepoints_of_a_known_series() -> None:
    assert steady.changepoints(noisy([(40, 100.0), (60, 120.0), (50, 90.0)])) == [40, 100]
    assert steady.changepoints(noisy([(150, 100.0)])) == []
    assert steady.changepoints(np.full(100, 7.0)) == []


def test_change_of_variance_alone_is_a_changepoint() -> None:
    rng = np.random.default_rng(1)
    series = 100 + np.concatenate([rng.normal(0, 0.5, 100), rng.normal(0, 8, 100)])
    found = steady.changepoints(series)
    assert len(found) == 1 and abs(found[0] - 100) <= 5
    # Yet the level is the same: no shift that matters.
    assert steady.classify(series) == steady.FLAT


@pytest.mark.parametrize(
    "levels, verdict",
    [
        ([(150, 100.0)], steady.FLAT),
        ([(50, 101.0), (100, 100.0)], steady.FLAT),
        ([(50, 120.0), (100, 100.0)], steady.WARMUP),
        ([(30, 130.0), (30, 115.0), (90, 100.0)], steady.WARMUP),
        ([(50, 90.0), (100, 100.0)], steady.SLOWDOWN),
        ([(50, 120.0), (50, 90.0), (50, 100.0)], steady.SLOWDOWN),
        ([(130, 100.0), (20, 120.0)], steady.UNSETTLED),
        ([(30, 100.0), (30, 110.0)] * 2 + [(60, 110.0)], steady.SLOWDOWN),
        ([(40, 100.0), (40, 110.0)] * 2 + [(20, 100.0)], steady.UNSETTLED),
        ([(19, 100.0)], steady.SHORT),
    ],
)
def test_verdicts(levels: list[tuple[int, float]], verdict: str) -> None:
    assert steady.classify(noisy(levels)) == verdict


def test_outliers_are_no_changepoints() -> None:
    series = noisy([(150, 100.0)])
    series[[20, 77, 140]] *= 5
    assert steady.classify(series) == steady.FLAT
    cleaned = steady.without_outliers(series)
    assert cleaned.max() < 110
    untouched = np.delete(np.arange(150), [20, 77, 140])
    np.testing.assert_array_equal(cleaned[untouched], series[untouched])


def test_long_series_are_judged_by_medians_of_bins() -> None:
    series = noisy([(6000, 120.0), (14000, 100.0)])
    assert len(steady.aggregate(series)) == steady.LONGEST
    assert steady.classify(series) == steady.WARMUP
    np.testing.assert_array_equal(steady.aggregate(series[:1000]), series[:1000])
