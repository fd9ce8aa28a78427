"""Trials for memory over time and for latency: beside the timed ones, never in place of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from compare import separate


def test_plan_of_extra_trials() -> None:
    arms = [{"arm": "a", "twin_of": None}, {"arm": "b", "twin_of": None}]
    run = {
        "seed": 3,
        "arms": [*arms, {"arm": "a@2", "twin_of": "a"}],
        "cells": [{}, {}],
        "plan": [{"trial": 0}],
    }
    entries = separate.plan(run, ("memory", "latency"))
    assert [entry["trial"] for entry in entries] == list(range(1, 1 + 2 * separate.TRIALS * 2 * 2))
    assert {entry["arm"] for entry in entries} == {"a", "b"}
    assert entries == separate.plan(run, ("memory", "latency"))
    assert separate.plan(run, ()) == []


def test_memory_and_latency(
    compare: Callable[..., Any],
    read_run: Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]],
) -> None:
    outcome = compare(
        *("--scenario", "random_mixed", "--iters", "30", "--trials", "1", "--memory", "--latency"),
        *("--allocators", "system,mimalloc"),
    )
    assert outcome.status == 0, outcome.err
    folder = Path(outcome.out.strip())
    run, trials = read_run(folder)
    assert len(trials) == len(run["plan"])
    for trial in trials:
        assert (trial["latency"] is not None) == (trial["purpose"] == "latency")
        assert ("memory_file" in trial) == (trial["purpose"] == "memory")
        assert trial["rss"]["after_kib"] > 0
        if trial["purpose"] == "memory":
            lines = (folder / trial["memory_file"]).read_text().splitlines()
            assert lines[0] == "seconds,rss_kib"
            assert len(lines) > 1
            largest = max(int(line.split(",")[1]) for line in lines[1:])
            assert largest <= trial["rss"]["peak_kib"] + 1024
    assert [t["purpose"] for t in trials].count("memory") == 2 * separate.TRIALS
