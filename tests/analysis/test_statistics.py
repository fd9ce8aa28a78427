"""statistics.py against data whose answer is known exactly; test_simulation.py has the rest."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis import statistics
from analysis.statistics import Effect, Floats
from compare.significance import blocks_needed

BLOCKS = 15
ITERATIONS = 25


def experiment(rng: np.random.Generator, level: float = 100.0) -> list[Floats]:
    """Processes of one arm: 2 % between processes, 0.5 % between iterations."""
    levels = level * np.exp(rng.normal(0, 0.02, BLOCKS))
    return [value * np.exp(rng.normal(0, 0.005, ITERATIONS)) for value in levels]


def test_processes_of_different_length_count_alike() -> None:
    samples = [np.array([3.0, 1.0, 2.0]), np.array([10.0, 20.0])]
    np.testing.assert_array_equal(statistics.process_medians(samples), [2.0, 15.0])
    assert statistics.estimate(samples).value == 8.5


def test_effect_is_the_median_of_paired_log_ratios() -> None:
    base = [np.array([100.0]), np.array([200.0]), np.array([400.0])]
    arm = [np.array([110.0]), np.array([260.0]), np.array([480.0])]
    effect = statistics.compare(arm, base)
    assert effect.ratio.value == pytest.approx(1.2)
    assert (effect.ratio.lo, effect.ratio.hi) == pytest.approx((1.1, 1.3))


def test_what_disturbs_a_whole_block_cancels_out() -> None:
    rng = np.random.default_rng(4)
    base = experiment(rng)
    drift = np.linspace(1, 3, BLOCKS)
    plain = statistics.compare(experiment(rng), base)
    rng = np.random.default_rng(4)
    slow = [times * d for times, d in zip(experiment(rng), drift)]
    arm = [times * d for times, d in zip(experiment(rng), drift)]
    drifted = statistics.compare(arm, slow)
    assert (drifted.lo, drifted.hi) == pytest.approx((plain.lo, plain.hi))


def test_one_process_has_no_interval_and_no_verdict() -> None:
    one = [np.array([1.0, 2.0, 9.0])]
    found = statistics.estimate(one)
    assert found.value == 2.0 and math.isnan(found.lo) and math.isnan(found.hi)
    effect = statistics.compare(one, one)
    assert math.isnan(effect.lo) and effect.p == 1.0
    assert math.isnan(statistics.noise_floor(effect))
    assert not statistics.clears(effect, 0.01)


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
    n = blocks_needed(comparisons)
    for blocks, enough in ((n, True), (n - 1, False)):
        p = statistics.signed_rank(np.arange(1.0, blocks + 1))
        assert (p * comparisons < statistics.ALPHA) is enough
