"""statistics.py against data whose answer is known: exact cases, and coverage and errors in
simulation."""

import math
from functools import lru_cache

import numpy as np
import pytest
from scipy import stats

from analysis import statistics
from analysis.statistics import Effect, Floats, Processes

EXPERIMENTS = 250
RESAMPLES = 600
BLOCKS = 15
ITERATIONS = 25


def experiment(rng: np.random.Generator, level: float = 100.0) -> list[Floats]:
    """Processes of one arm: 2 % between processes, 0.5 % between iterations."""
    levels = level * np.exp(rng.normal(0, 0.02, BLOCKS))
    return [value * np.exp(rng.normal(0, 0.005, ITERATIONS)) for value in levels]


@lru_cache
def simulate(level: float) -> list[tuple[Effect, Effect, float]]:
    """(arm against baseline, A' against A, the floor) of many experiments."""
    rng = np.random.default_rng(20)
    results = []
    for _ in range(EXPERIMENTS):
        base, twin, arm = experiment(rng), experiment(rng), experiment(rng, level)
        effect = statistics.compare(arm, base, rng, RESAMPLES)
        floor = statistics.compare(twin, base, rng, RESAMPLES)
        results.append((effect, floor, statistics.noise_floor(floor)))
    return results


def test_interval_of_one_arm_covers_the_truth() -> None:
    rng = np.random.default_rng(10)
    hits = 0
    for _ in range(EXPERIMENTS):
        found = statistics.estimate(experiment(rng), rng, RESAMPLES)
        hits += found.lo <= 100.0 <= found.hi
    assert 0.90 <= hits / EXPERIMENTS <= 0.985


def test_identical_arms_are_rarely_told_apart_and_never_with_the_floor() -> None:
    results = simulate(100.0)
    outside = sum(not effect.lo <= 0 <= effect.hi for effect, _, _ in results)
    significant = sum(effect.p < 0.05 for effect, _, _ in results)
    claimed = sum(statistics.clears(effect, floor) for effect, _, floor in results)
    assert 0.015 <= outside / EXPERIMENTS <= 0.10
    assert 0.015 <= significant / EXPERIMENTS <= 0.09
    assert claimed / EXPERIMENTS <= 0.05


def test_a_planted_difference_is_covered_and_found() -> None:
    results = simulate(110.0)
    covered = sum(effect.lo <= math.log(1.10) <= effect.hi for effect, _, _ in results)
    found = sum(
        statistics.clears(effect, floor) and effect.p < 0.05 for effect, _, floor in results
    )
    assert 0.90 <= covered / EXPERIMENTS <= 0.985
    assert found / EXPERIMENTS >= 0.99


def test_the_smallest_detectable_effect_is_found_in_about_80_percent() -> None:
    results = simulate(100.0)
    found = 0
    for effect, twin, floor in results:
        # The same experiment, with an effect of just that size added to it.
        added = statistics.smallest_detectable(twin, floor)
        moved = Effect(
            effect.log_ratio + added, effect.lo + added, effect.hi + added, effect.se, 0.0, effect.n
        )
        assert added >= floor
        found += statistics.clears(moved, floor)
    assert 0.70 <= found / EXPERIMENTS <= 0.90


@pytest.mark.parametrize("size", [1, 2, 7, 10])
def test_drawn_medians_are_those_of_resampled_iterations(size: int) -> None:
    """The order statistics' short cut against resampling by hand."""
    rng = np.random.default_rng(3)
    sample = rng.lognormal(size=size)
    picks = np.zeros((4000, 5), dtype=np.int64)
    drawn = Processes([sample]).draw(picks, rng).ravel()
    by_hand = np.median(rng.choice(sample, size=(20_000, size)), axis=1)
    values = np.union1d(np.round(drawn, 9), np.round(by_hand, 9))
    share = [np.mean(np.isclose(drawn, v, atol=1e-8)) for v in values]
    share_by_hand = [np.mean(np.isclose(by_hand, v, atol=1e-8)) for v in values]
    np.testing.assert_allclose(share, share_by_hand, atol=0.02)


def test_processes_of_different_length_keep_their_own_medians() -> None:
    processes = Processes([np.array([3.0, 1.0, 2.0]), np.array([10.0, 20.0])])
    np.testing.assert_array_equal(processes.medians(), [2.0, 15.0])
    drawn = processes.draw(np.array([[0, 1]] * 500), np.random.default_rng(1))
    assert set(drawn[:, 0]) == {1.0, 2.0, 3.0}
    assert set(drawn[:, 1]) == {10.0, 15.0, 20.0}


def test_effect_is_the_median_of_paired_log_ratios() -> None:
    base = [np.array([100.0]), np.array([200.0]), np.array([400.0])]
    arm = [np.array([110.0]), np.array([260.0]), np.array([480.0])]
    effect = statistics.compare(arm, base, np.random.default_rng(1), 500)
    assert effect.ratio.value == pytest.approx(1.2)
    assert (effect.ratio.lo, effect.ratio.hi) == pytest.approx((1.1, 1.3))


def test_what_disturbs_a_whole_block_cancels_out() -> None:
    rng = np.random.default_rng(4)
    base = experiment(rng)
    drift = np.linspace(1, 3, BLOCKS)
    plain = statistics.compare(experiment(rng), base, np.random.default_rng(5), RESAMPLES)
    rng = np.random.default_rng(4)
    slow = [times * d for times, d in zip(experiment(rng), drift)]
    arm = [times * d for times, d in zip(experiment(rng), drift)]
    drifted = statistics.compare(arm, slow, np.random.default_rng(5), RESAMPLES)
    assert (drifted.lo, drifted.hi) == pytest.approx((plain.lo, plain.hi))


def test_one_process_has_no_interval_and_no_verdict() -> None:
    rng = np.random.default_rng(1)
    one = [np.array([1.0, 2.0, 9.0])]
    found = statistics.estimate(one, rng)
    assert found.value == 2.0 and math.isnan(found.lo) and math.isnan(found.hi)
    effect = statistics.compare(one, one, rng)
    assert math.isnan(effect.lo) and effect.p == 1.0
    assert math.isnan(statistics.noise_floor(effect))
    assert not statistics.clears(effect, 0.01)


def test_same_seed_same_interval() -> None:
    data = experiment(np.random.default_rng(1))
    first = statistics.estimate(data, np.random.default_rng(7), RESAMPLES)
    assert first == statistics.estimate(data, np.random.default_rng(7), RESAMPLES)


def test_nothing_clears_an_unknown_floor() -> None:
    assert not statistics.clears(Effect(1.0, 0.9, 1.1, 0.05, 1e-4, 15), math.nan)


def test_interval_has_to_lie_outside_the_floor_as_a_whole() -> None:
    def effect(lo: float, hi: float) -> Effect:
        return Effect((lo + hi) / 2, lo, hi, 0.01, 1e-4, 15)

    assert statistics.clears(effect(0.021, 0.03), 0.02)
    assert statistics.clears(effect(-0.03, -0.021), 0.02)
    assert not statistics.clears(effect(0.019, 0.03), 0.02)
    assert not statistics.clears(effect(-0.03, 0.03), 0.02)


def test_floor_is_the_farther_end_of_the_interval() -> None:
    assert statistics.noise_floor(Effect(0.0, -0.03, 0.01, 0.01, 0.5, 15)) == 0.03


def test_holm_by_hand() -> None:
    # Sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1 -> raised to the one before it.
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.6, 0.7]) == [1.0, 1.0]
    assert statistics.holm([]) == []


def test_signed_rank_without_zeros_and_without_any_difference() -> None:
    differences = np.array([0.1, 0.0, 0.2, -0.05, 0.3, 0.4, 0.25])
    expected = stats.wilcoxon(differences[differences != 0], method="exact").pvalue
    assert statistics.signed_rank(differences) == expected
    assert statistics.signed_rank(np.zeros(5)) == 1.0


@pytest.mark.parametrize("comparisons", [1, 4, 50])
def test_blocks_needed_is_the_least_number_that_can_reach_significance(comparisons: int) -> None:
    n = statistics.blocks_needed(comparisons)
    for blocks, enough in ((n, True), (n - 1, False)):
        p = statistics.signed_rank(np.arange(1.0, blocks + 1))
        assert (p * comparisons < statistics.ALPHA) is enough
