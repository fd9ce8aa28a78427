"""The plan of a run, as data: names and numbers in, the content of run.json out. No side effects.

A block holds every arm of one cell once, and a second copy of the baseline (A'), in an order
shuffled with the plan's seed; each process gets a random amount of padding in its environment. The
blocks of all cells go in rotation, so that a drift of the machine hits all alike. Block 0 of each
cell, where there is one, counts system calls, without A'; the others, from 1, are timed.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compare.allocators import Allocator, preload_path

MAX_PAD = 4095  # bytes
TWIN_SUFFIX = "@2"  # '@' cannot be part of an allocator's name

Json = dict[str, Any]


def arms_of(allocators: Sequence[Allocator], baseline: str, root: Path) -> list[Json]:
    """One arm for each allocator, then the second copy of the baseline."""
    arms: list[Json] = [
        {
            "arm": allocator.name,
            "allocator": allocator.name,
            "title": allocator.title,
            "lib": None if allocator.lib is None else preload_path(allocator.lib, root),
            "version": allocator.version,
            "sha256": allocator.sha256,
            "twin_of": None,
            "env": {},
        }
        for allocator in allocators
    ]
    original = next(arm for arm in arms if arm["arm"] == baseline)
    return [*arms, {**original, "arm": baseline + TWIN_SUFFIX, "twin_of": baseline}]


def blocks(arms: Sequence[Json], cells: int, trials: int, seed: int, count: bool) -> list[Json]:
    """The plan's entries in the order in which they run.

    `trials` is the number of timed blocks per cell; `count`: whether block 0 counts system calls.
    """
    chance = random.Random(seed)
    labels = [str(arm["arm"]) for arm in arms]
    originals = [str(arm["arm"]) for arm in arms if arm["twin_of"] is None]
    entries: list[Json] = []
    for block in range(0 if count else 1, trials + 1):
        for cell in range(cells):
            order = list(originals if block == 0 else labels)
            chance.shuffle(order)
            for place, label in enumerate(order):
                entries.append(
                    {
                        "trial": len(entries),
                        "purpose": "count" if block == 0 else "time",
                        "block": block,
                        "order": place,
                        "cell": cell,
                        "arm": label,
                        "env_pad": chance.randint(0, MAX_PAD),
                    }
                )
    return entries


def run_json(
    *,
    created: str,
    argv: Sequence[str],
    seed: int,
    baseline: str,
    arms: Sequence[Json],
    cells: Sequence[Json],
    trials: int,
    counters: Json,
    timeout_s: float,
    facts: Json,
    environment: Mapping[str, str],
) -> Json:
    """The content of run.json; `facts` has the keys machine, tools and git."""
    traced = any(event.startswith("syscalls:") for event in counters["events"])
    return {
        "schema": "hkl-run-1",
        "created": created,
        "argv": list(argv),
        "seed": seed,
        "baseline": baseline,
        "arms": list(arms),
        "cells": list(cells),
        "plan": blocks(arms, len(cells), trials, seed, count=traced),
        "counters": counters,
        "timeout_s": timeout_s,
        "environment": dict(environment),
        **facts,
    }
