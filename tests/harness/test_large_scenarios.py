"""The scenarios of big blocks: what reaches the allocator, and how they bear a lack of memory."""

import pytest
from test_allocators import Random, calls, check_nothing_else, expected_steps

MIB = 1 << 20


def test_evict_uniform(driver, counting_malloc):
    args = ["--warmup", 2, "--slots", 6, "--size", "1M"]
    record = driver.record("evict_uniform", 10, *args, preload=counting_malloc)
    expected = expected_steps(42, 6, 12 * 16, lambda random: MIB)
    assert calls(record["stats_total"]) == expected
    check_nothing_else(record["stats_total"])


def test_evict_grow_never_asks_for_a_size_twice(driver, counting_malloc):
    args = ["--warmup", 2, "--slots", 6]
    record = driver.record("evict_grow", 10, *args, preload=counting_malloc)
    sizes = iter(range(4 * MIB, 20 * MIB, 4096))
    expected = expected_steps(42, 6, 12 * 16, lambda random: next(sizes))
    assert calls(record["stats_total"]) == expected


@pytest.mark.parametrize(("batch", "bursts"), [(12, 1), (30, 3)])
def test_evict_burst_frees_all(driver, counting_malloc, batch, bursts):
    args = ["--warmup", 1, "--batch", batch]
    total = driver.record("evict_burst", 1, *args, preload=counting_malloc)["stats_total"]
    assert total["calls.malloc"] == total["calls.free"] == 2 * (batch + bursts * 2000)


def test_realloc_grow(driver, counting_malloc):
    args = ["--warmup", 1, "--batch", 20, "--size", "64K"]
    total = driver.record("realloc_grow", 2, *args, preload=counting_malloc)["stats_total"]
    assert (total["calls.realloc"], total["calls.malloc"], total["calls.free"]) == (60, 0, 3)


def test_large_mix(driver, counting_malloc):
    args = ["--warmup", 1, "--slots", 4, "--batch", 5]
    total = driver.record("large_mix", 2, *args, preload=counting_malloc)["stats_total"]
    random, used, size = Random(42, 0), set(), 0
    for _ in range(15):
        used.add(random.below(4))
        size += 5 * MIB + random.below(20 * MIB + 1)
    assert calls(total) == (15, size, 15 - len(used))


def test_calloc_large(driver, counting_malloc):
    args = ["--warmup", 1, "--size", "1M", "--batch", 3]
    total = driver.record("calloc_large", 2, *args, preload=counting_malloc)["stats_total"]
    assert (total["calls.calloc"], total["calls.malloc"], total["calls.free"]) == (9, 0, 9)


@pytest.mark.parametrize("percent", [50, 1000])
def test_pressure(driver, counting_malloc, percent):
    args = ["--warmup", 3, "--batch", 2000, "--limit", percent]
    record = driver.record("pressure", 60, *args, preload=counting_malloc)
    assert record["params"]["limit"] == percent
    limit = record["limit"]
    assert limit["kind"] in ("cgroup", "rlimit-as")
    assert limit["bytes"] == pytest.approx(104 * MIB * percent / 100, rel=0.01)
    total = record["stats_total"]
    # Half of what may live at once: some big block must fail, and later ones succeed.
    if limit["kind"] == "rlimit-as":
        assert (limit["failures"] > 0) == (percent < 100)
    assert total["calls.malloc"] - limit["failures"] > 63 * 2000 / 3
    assert record["windows"]["steady"]["ops"] == 60 * 2000


def test_small_blocks_may_fail_too(driver, counting_malloc):
    args = ["--warmup", 1, "--batch", 300000, "--slots", 200000, "--limit", 10]
    record = driver.record("pressure", 5, *args, preload=counting_malloc)
    if record["limit"]["kind"] == "rlimit-as":
        assert record["limit"]["failures"] > 1000


def test_other_scenarios_have_no_limit(driver):
    record = driver.record("json", 1)
    assert "limit" not in record
    assert "limit" not in record["params"]
