"""Processes for memory over time and for latency: beside the timed ones, never in place of them."""

from collections.abc import Callable
from typing import Any

from compare.plan import REPEATS


def test_memory_and_latency(measured: Callable[..., Any]) -> None:
    done = measured(
        *("--scenario", "random_mixed", "--iters", "30", "--trials", "1", "--memory", "--latency"),
        *("--allocators", "system,mimalloc"),
    )
    assert len(done.trials) == len(done.run["plan"])
    for trial in done.trials:
        assert (trial["latency"] is not None) == (trial["purpose"] == "latency")
        assert ("memory_file" in trial) == (trial["purpose"] == "memory")
        assert trial["rss"]["after_kib"] > 0
        if trial["purpose"] == "memory":
            lines = (done.folder / trial["memory_file"]).read_text().splitlines()
            assert lines[0] == "seconds,rss_kib"
            assert len(lines) > 1
            largest = max(int(line.split(",")[1]) for line in lines[1:])
            assert largest <= trial["rss"]["peak_kib"] + 1024
    assert [t["purpose"] for t in done.trials].count("memory") == 2 * REPEATS
