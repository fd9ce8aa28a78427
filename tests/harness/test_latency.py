"""hkl-latency: every call of the steady window is counted, and the figures fit together."""

import subprocess

import pytest
from driver_support import BUILD, REPO, Driver

PERCENTILES = ["p50", "p90", "p99", "p999", "p9999", "max"]

HISTOGRAM_TEST = """
#include "harness/histogram.h"
#include <assert.h>
int main(void) {
    static struct hkl_histogram h;
    assert(hkl_histogram_quantile(&h, 0.5) == 0);
    uint64_t last = 0;
    for (size_t i = 1; i < HKL_HISTOGRAM_BUCKETS; i++) { /* no gap, no overlap, 1/128 wide */
        const uint64_t top = hkl_histogram_top(i);
        assert(top > last && (top - last) * 128 <= (top > 127 ? top + 1 : 128));
        last = top;
    }
    for (uint64_t v = 1; v <= 100000; v++) hkl_histogram_add(&h, v);
    assert(hkl_histogram_count(&h) == 100000 && h.max == 100000);
    for (int p = 1; p <= 100; p++) {
        const uint64_t q = hkl_histogram_quantile(&h, p / 100.0);
        assert(q >= (uint64_t)p * 1000 && q <= (uint64_t)p * 1000 + p * 1000 / 128 + 1);
    }
    assert(hkl_histogram_quantile(&h, 1) == 100000);
    static struct hkl_histogram edges;
    for (size_t i = 0; i < HKL_HISTOGRAM_BUCKETS; i++)
        hkl_histogram_add(&edges, hkl_histogram_top(i));
    for (size_t i = 0; i < HKL_HISTOGRAM_BUCKETS; i++) assert(edges.counts[i] == 1);
    hkl_histogram_add(&edges, UINT64_MAX);
    assert(edges.max == UINT64_MAX);
    return 0;
}
"""


@pytest.fixture(scope="module")
def latency(driver):
    path = BUILD / "hkl-latency"
    if not path.exists():
        subprocess.run(["make", "build/hkl-latency"], cwd=REPO, check=True, capture_output=True)
    return Driver(path)


def test_histogram(tmp_path):
    (tmp_path / "test.c").write_text(HISTOGRAM_TEST)
    program = tmp_path / "test"
    sources = [tmp_path / "test.c", REPO / "harness/histogram.c"]
    subprocess.run(["gcc", "-g", f"-I{REPO}", *sources, "-lm", "-o", program], check=True)
    subprocess.run([program], check=True)


@pytest.mark.parametrize("threads", [1, 2])
def test_every_call_is_counted(latency, counting_malloc, threads):
    args = ["--warmup", 2, "--batch", 500, "--threads", threads]
    record = latency.record("handoff", 4, *args, preload=counting_malloc)
    figures = record["latency"]
    assert figures["clock"] in ("tsc", "cntvct", "monotonic")
    assert figures["malloc"]["count"] == figures["free"]["count"] == 4 * 500 * threads
    assert "calloc" not in figures and "realloc" not in figures
    for call in ("malloc", "free"):
        values = [figures[call][name] for name in PERCENTILES]
        assert values == sorted(values)
        histogram = figures[call]["histogram"]
        assert sum(count for _, count in histogram) == figures[call]["count"]
        assert [ns for ns, _ in histogram] == sorted(ns for ns, _ in histogram)


def test_realloc_and_calloc(latency):
    record = latency.record("realloc_grow", 2, "--warmup", 1, "--batch", 10, "--size", 4096)
    assert record["latency"]["realloc"]["count"] == 20
    record = latency.record("calloc_large", 2, "--warmup", 1, "--size", "64K")
    assert record["latency"]["calloc"]["count"] == 2


def test_without_a_steady_window_there_is_nothing_to_time(latency):
    assert latency.record("json", 1, "--warmup", 0)["latency"] is None


def test_the_plain_driver_times_no_calls(driver):
    assert driver.record("json", 2)["latency"] is None


def test_memory_after_everything_is_freed(driver):
    args = ["--warmup", 1, "--slots", 8, "--size", "8M"]
    record = driver.record("evict_uniform", 4, *args, env={"MALLOC_MMAP_THRESHOLD_": "65536"})
    assert record["rss"]["after_kib"] < 16 * 1024
    assert record["maps"]["after"] > 0
    assert record["live_bytes"] % (8 << 20) == 0
    assert record["rss"]["end_kib"] * 1024 >= record["live_bytes"]


@pytest.mark.parametrize("size", [0, 100])
def test_live_bytes_of_a_working_set(driver, size):
    args = ["--warmup", 2, "--batch", 500, "--slots", 64, "--size", size]
    record = driver.record("random_mixed", 4, *args)
    least, most = (size, size) if size else (16, 1040)
    assert least * 10 < record["live_bytes"] < most * 64
    assert not size or record["live_bytes"] % size == 0
