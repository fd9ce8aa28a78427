"""What reaches the allocator: exactly the scenario's calls, under any preloaded allocator."""

from pathlib import Path

import pytest

LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
MASK = (1 << 64) - 1


class Random:
    """splitmix64 as scenarios/random.h has it, written anew."""

    def __init__(self, seed, stream):
        self.state = seed
        self.state = (self.next() + stream) & MASK
        self.state = self.next()

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n):
        return ((self.next() >> 32) * n) >> 32


def expected_steps(seed, slots, steps, size_of):
    """malloc calls, bytes, free calls after so many steps of a random working set."""
    random = Random(seed, 0)
    full = [False] * slots
    mallocs = size = 0
    for _ in range(steps):
        slot = random.below(slots)
        full[slot] = not full[slot]
        if full[slot]:
            mallocs += 1
            size += size_of(random)
    return mallocs, size, steps - mallocs


def calls(stats):
    return stats["calls.malloc"], stats["bytes"], stats["calls.free"]


def check_nothing_else(stats):
    assert stats["calls.calloc"] == stats["calls.realloc"] == 0


@pytest.mark.parametrize("iters", [1, 5, 200])
@pytest.mark.parametrize(("scenario", "size"), [("json", 65536), ("mir", 262144), ("vm", 2097152)])
def test_large_blocks(driver, counting_malloc, scenario, size, iters):
    record = driver.record(scenario, iters, "--warmup", 4, preload=counting_malloc)
    for stats, iterations in ((record["stats"], iters), (record["stats_total"], iters + 4)):
        assert calls(stats) == (10 * iterations, 10 * iterations * size, 10 * iterations)
        check_nothing_else(stats)


@pytest.mark.parametrize("slots", [1, 2, 64, 1000])
def test_tiny_hot(driver, counting_malloc, slots):
    args = ["--warmup", 2, "--batch", 100, "--slots", slots, "--size", 48]
    record = driver.record("tiny_hot", 3, *args, preload=counting_malloc)
    assert calls(record["stats"]) == (300, 300 * 48, 300)
    assert calls(record["stats_total"]) == (500, 500 * 48, 500)
    check_nothing_else(record["stats_total"])


@pytest.mark.parametrize("size", [0, 256])
@pytest.mark.parametrize("seed", [0, 42, 2**63 - 1])
def test_random_mixed(driver, counting_malloc, seed, size):
    args = ["--warmup", 2, "--batch", 500, "--slots", 64, "--seed", seed, "--size", size]
    record = driver.record("random_mixed", 4, *args, preload=counting_malloc)

    def size_of(random):
        return size + random.below(1) if size else 16 + random.below(1025)

    total = expected_steps(seed, 64, 3000, size_of)
    before = expected_steps(seed, 64, 1000, size_of)
    assert calls(record["stats_total"]) == total
    assert calls(record["stats"]) == tuple(t - b for t, b in zip(total, before))
    check_nothing_else(record["stats_total"])


def test_evict(driver, counting_malloc):
    record = driver.record("evict", 10, "--warmup", 2, "--slots", 6, preload=counting_malloc)
    expected = expected_steps(42, 6, 12 * 16, lambda random: (2 << 20) * (1 + random.below(12)))
    assert calls(record["stats_total"]) == expected
    check_nothing_else(record["stats_total"])


@pytest.mark.parametrize("threads", [1, 3])
def test_larson(driver, counting_malloc, threads):
    args = ["--warmup", 2, "--batch", 3000, "--slots", 100, "--threads", threads]
    record = driver.record("larson", 4, *args, preload=counting_malloc)
    total = record["stats_total"]
    assert total["calls.malloc"] == threads * 3000 * 6
    assert total["calls.malloc"] - total["calls.free"] == threads * 100  # full chests
    assert total["calls.realloc"] == 0
    assert total["calls.calloc"] <= threads * 6  # the C library's, for a new thread
    again = driver.record("larson", 4, *args, preload=counting_malloc)
    assert again["stats_total"]["bytes"] == total["bytes"]


@pytest.mark.parametrize("threads", [1, 2])
def test_handoff(driver, counting_malloc, threads):
    args = ["--warmup", 2, "--batch", 1000, "--threads", threads]
    record = driver.record("handoff", 4, *args, preload=counting_malloc)
    total = record["stats_total"]
    randoms = [Random(42, i) for i in range(threads)]
    size = sum(16 + random.below(4081) for random in randoms for _ in range(6000))
    assert calls(total) == (threads * 6000, size, threads * 6000)
    check_nothing_else(total)


def test_seed_decides_the_sizes(driver, counting_malloc):
    def total_bytes(scenario, seed):
        args = ["--warmup", 1, "--batch", 1000, "--seed", seed]
        return driver.record(scenario, 2, *args, preload=counting_malloc)["stats"]["bytes"]

    for scenario in ("random_mixed", "larson", "handoff"):
        assert total_bytes(scenario, 7) == total_bytes(scenario, 7)
        assert total_bytes(scenario, 7) != total_bytes(scenario, 8)


def test_gauges_keep_their_last_value(driver, counting_malloc):
    args = ["--warmup", 2, "--batch", 1000, "--slots", 100]
    record = driver.record("random_mixed", 3, *args, preload=counting_malloc)
    assert record["stats"]["live"] == record["stats_total"]["live"]
    in_slots = record["stats_total"]["calls.malloc"] - record["stats_total"]["calls.free"]
    assert record["stats"]["live"] >= in_slots


def test_one_snapshot_at_each_border(driver, counting_malloc):
    record = driver.record("json", 50, "--warmup", 5, preload=counting_malloc)
    assert record["stats"]["snapshots"] == 1  # the one that ends the window counts itself
    assert record["stats_total"]["snapshots"] == 2


def test_allocator_without_statistics(driver):
    record = driver.record("json", 2)
    assert record["stats"] is None
    assert record["stats_total"] is None


@pytest.mark.parametrize("library", ["libmimalloc.so", "libjemalloc.so", "libtcmalloc_minimal.so"])
@pytest.mark.parametrize(
    "scenario", ["json", "vm", "tiny_hot", "random_mixed", "larson", "handoff"]
)
def test_peers(driver, library, scenario):
    found = sorted(LIBRARIES.glob(library + "*"))
    if not found:
        pytest.skip(f"{library} is not installed")
    record = driver.record(scenario, 3, "--warmup", 2, preload=found[0])
    assert record["windows"]["steady"]["iters"] == 3
