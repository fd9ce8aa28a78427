"""Makes runs whose true answer is known, in the form of results/schema/*.json, for the tests of
analysis/.

A Plan says what each arm really takes; `write` draws hierarchical noise (processes, then
iterations) and writes the run's folder. As a command it writes a folder to look at: python
tests/analysis/synthetic.py FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

TITLES = {
    "hakmem": "hakmem 0.1",
    "system": "C library 2.36",
    "mimalloc": "mimalloc 2.0.9",
    "jemalloc": "jemalloc 5.3.0",
    "tcmalloc": "tcmalloc 2.10",
}
TWIN = "hakmem-twin"


@dataclass
class Plan:
    """What to make. `levels`: arm -> true ns per operation, hakmem first; `fails`: arm -> first N
    blocks crash."""

    levels: dict[str, float] = field(default_factory=lambda: {"hakmem": 100.0, "mimalloc": 105.0})
    scenarios: tuple[str, ...] = ("vm",)
    blocks: int = 15
    iters: int = 100
    warmup: int = 10
    batch: int = 1000
    process_sigma: float = 0.02
    iteration_sigma: float = 0.005
    seed: int = 1
    twin: bool = True
    fails: dict[str, int] = field(default_factory=dict)
    steal: dict[int, int] = field(default_factory=dict)
    unsupported: str | None = None
    long_timelines: bool = False


def write(folder: Path, plan: Plan) -> Path:
    """Writes run.json, trials.jsonl and, if asked for, timelines/ into `folder`, and returns it."""
    rng = np.random.default_rng(plan.seed)
    folder.mkdir(parents=True, exist_ok=True)
    arms = list(plan.levels) + ([TWIN] if plan.twin else [])
    entries: list[dict[str, Any]] = []
    for cell in range(len(plan.scenarios)):
        for block in range(plan.blocks):
            for order, arm in enumerate(rng.permutation(arms)):
                entries.append(_entry(len(entries), "time", block, order, cell, str(arm)))
        for order, arm in enumerate(plan.levels):
            entries.append(_entry(len(entries), "count", 0, order, cell, arm))
    (folder / "run.json").write_text(json.dumps(_meta(plan, arms, entries)), encoding="utf-8")
    records = [_record(folder, plan, entry, rng) for entry in entries]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "trials.jsonl").write_text(lines, encoding="utf-8")
    return folder


def edit_run(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Calls change(content) of run.json."""
    path = folder / "run.json"
    meta = json.loads(path.read_text(encoding="utf-8"))
    change(meta)
    path.write_text(json.dumps(meta), encoding="utf-8")


def edit_records(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Calls change(record) for each line of trials.jsonl."""
    path = folder / "trials.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for record in records:
        change(record)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    path.write_text(lines, encoding="utf-8")


def _entry(trial: int, purpose: str, block: int, order: int, cell: int, arm: str) -> dict[str, Any]:
    return {
        "trial": trial,
        "purpose": purpose,
        "block": block,
        "order": order,
        "cell": cell,
        "arm": arm,
        "env_pad": 16 * trial,
    }


def _meta(plan: Plan, arms: list[str], entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schema": "hkl-run-1",
        "created": "2024-01-02T03:04:05Z",
        "argv": ["--scenario", ",".join(plan.scenarios)],
        "seed": plan.seed,
        "baseline": next(iter(plan.levels)),
        "arms": [
            {
                "arm": arm,
                "allocator": _allocator(arm),
                "lib": None if arm == "system" else f"/usr/lib/lib{_allocator(arm)}.so",
                "version": TITLES.get(_allocator(arm), "x 1.0").split()[-1],
                "sha256": None if arm == "system" else "ab" * 32,
                "twin_of": "hakmem" if arm == TWIN else None,
                "env": {"HAKMEM_MODE": "fast"} if _allocator(arm) == "hakmem" else {},
                "title": TITLES.get(_allocator(arm), arm),
            }
            for arm in arms
        ],
        "cells": [
            {"scenario": scenario, "params": {"iters": plan.iters, "warmup": plan.warmup}}
            for scenario in plan.scenarios
        ],
        "plan": entries,
        "counters": {
            "mode": "perf",
            "events": ["instructions", "page-faults"],
            "unsupported": {"instructions": "no hardware counters on this machine"},
            "notes": ["no hardware counters on this machine: instructions are not counted"],
        },
        "timeout_s": 60,
        "machine": {"cpu": "a CPU", "cores": 2, "kernel": "6.1", "governor": None},
        "tools": {"cc": "gcc 12.2.0", "perf": None},
        "git": {"commit": "0123456789abcdef", "dirty": True},
        "environment": {"HAKMEM_MODE": "fast"},
    }


def _allocator(arm: str) -> str:
    return "hakmem" if arm == TWIN else arm


def _record(
    folder: Path, plan: Plan, entry: dict[str, Any], rng: np.random.Generator
) -> dict[str, Any]:
    arm = entry["arm"]
    cell = entry["cell"]
    record: dict[str, Any] = {
        "schema": "hkl-trial-1",
        **{key: entry[key] for key in ("trial", "purpose", "block", "order", "arm", "env_pad")},
        "allocator": _allocator(arm),
        "lib": None,
        "scenario": plan.scenarios[cell],
        "params": {
            "iters": plan.iters,
            "warmup": plan.warmup,
            "size": 2 << 20,
            "seed": 42,
            "threads": 1,
            "slots": 0,
            "batch": plan.batch,
        },
        "status": "ok",
        "error": None,
        "started": "2024-01-02T03:04:05Z",
        "elapsed_s": 0.5,
    }
    if entry["purpose"] == "time" and entry["block"] < plan.fails.get(arm, 0):
        empty = ("windows", "timeline_ns", "timeline_file", "latency", "rss", "maps", "perf")
        record.update({key: None for key in empty + ("syscalls", "stats", "stats_total", "noise")})
        return {**record, "status": "crash", "error": "killed by SIGSEGV"}

    level = plan.levels["hakmem" if arm == TWIN else arm] * np.exp(
        rng.normal(0, plan.process_sigma)
    )
    count = plan.warmup + plan.iters
    times = level * plan.batch * np.exp(rng.normal(0, plan.iteration_sigma, count))
    settling = np.arange(1, max(plan.warmup, 1))
    times[0] *= 8
    times[settling] *= 1 + 1 / (settling + 1)
    ns = times.round().astype(np.int64)
    timeline_file = None
    if plan.long_timelines:
        timeline_file = f"timelines/{entry['trial']}.u64"
        (folder / "timelines").mkdir(exist_ok=True)
        (folder / timeline_file).write_bytes(ns.astype("<u8").tobytes())
    first = max(plan.warmup, 1)
    counting = entry["purpose"] == "count"
    calls: dict[str, Any] = {"mmap": 12, "munmap": 11, "madvise": 0, "mremap": 0, "brk": 3}
    if plan.unsupported:
        calls = {call: {"unsupported": plan.unsupported} for call in calls}
    steal = plan.steal.get(entry["block"], 0) if not counting else 0
    stats = {"whale_hits": 990, "whale_misses": 1, "never": 0} if arm == "hakmem" else None
    return {
        **record,
        "windows": {
            "cold": _window(ns[:1], plan.batch, 512),
            "warmup": _window(ns[1:first], plan.batch, 8),
            "steady": _window(ns[first:], plan.batch, 2),
        },
        "timeline_ns": None if plan.long_timelines else [int(value) for value in ns],
        "timeline_file": timeline_file,
        "latency": None,
        "rss": {
            "start_kib": 1024,
            "steady_kib": 3072,
            "end_kib": 3584,
            "peak_kib": 4096,
            "after_kib": 1536,
        },
        "maps": {"start": 20, "steady": 25, "end": 26, "after": 22},
        "perf": {"instructions": {"unsupported": "no hardware counters"}, "page-faults": 200},
        "syscalls": calls if counting else None,
        "stats": stats,
        "stats_total": {**stats, "whale_misses": 2} if stats else None,
        "noise": {"steal_ticks": steal, "migrations": 0, "load1": 0.5},
    }


def _window(ns: Any, batch: int, faults: int) -> dict[str, Any] | None:
    """A window's sums; `faults` is page faults per iteration."""
    if len(ns) == 0:
        return None
    total = int(ns.sum())
    return {
        "iters": len(ns),
        "ops": len(ns) * batch,
        "ns": total,
        "ns_per_op": total / (len(ns) * batch),
        "minflt": faults * len(ns),
        "majflt": 0,
        "nvcsw": 0,
        "nivcsw": 1,
        "user_ns": total,
        "sys_ns": 0,
    }


if __name__ == "__main__":
    LEVELS = {"hakmem": 4300.0, "system": 4700.0, "mimalloc": 4320.0, "jemalloc": 48000.0}
    write(
        Path(sys.argv[1]),
        Plan(
            levels={**LEVELS, "tcmalloc": 4250.0, "mymalloc": 4100.0},
            scenarios=("vm", "random_mixed"),
            fails={"tcmalloc": 3, "mymalloc": 15},
            steal={4: 20},
        ),
    )
