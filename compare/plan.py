"""The plan of a run, as data: names and numbers in, the content of run.json out. No side effects.

A block holds every arm of one cell once, and a second copy of the baseline (A'), in an order
shuffled with the plan's seed; each process gets a random amount of padding in its environment. The
blocks of all cells go in rotation, so that a drift of the machine hits all alike. Block 0 of each
scenario, where there is one, counts system calls, instructions, or where the time goes, each in
processes of their own; the others, from 1, are timed. Last come blocks that watch memory or time
single calls.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compare import callgrind, driver, profile
from compare.allocators import Allocator, preload_path

MAX_PAD = 4095  # bytes
# Purposes that come last, in so many blocks each.
REPEATED = ("memory", "latency")
REPEATS = 3
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
            "floor": allocator.floor,
            "env": {},
        }
        for allocator in allocators
    ]
    original = next(arm for arm in arms if arm["arm"] == baseline)
    return [*arms, {**original, "arm": baseline + TWIN_SUFFIX, "twin_of": baseline}]


def blocks(
    arms: Sequence[Json],
    cells: Sequence[Json],
    trials: int,
    seed: int,
    extra: Mapping[str, Sequence[str]],
) -> list[Json]:
    """The plan's entries in the order in which they run.

    `trials` is the number of timed blocks per cell; `extra`: purposes beside times, which only
    scenarios have, each with its arms.
    """
    chance = random.Random(seed)
    labels = [str(arm["arm"]) for arm in arms]
    entries: list[Json] = []

    def add(block: int, index: int, purpose: str, wanted: Sequence[str]) -> None:
        cell = cells[index]
        order = [label for label in wanted if label in cell.get("arms", labels)]
        chance.shuffle(order)
        exact = purpose == callgrind.PURPOSE
        for place, label in enumerate(order):
            entry: Json = {
                "trial": len(entries),
                "purpose": purpose,
                "block": block,
                "order": place,
                "cell": index,
                "arm": label,
                # What does not vary from process to process is counted exactly.
                "env_pad": 0 if exact else chance.randint(0, MAX_PAD),
            }
            if exact:
                entry["iters"] = min(cell["params"]["iters"], callgrind.MAX_ITERS)
            elif purpose == profile.PURPOSE:
                wanted_iters = cell["params"]["iters"] * profile.TIMES_ITERS
                entry["iters"] = min(wanted_iters, driver.MAX_ITERS)
            entries.append(entry)

    scenarios = [index for index, cell in enumerate(cells) if cell.get("program") is None]
    for index in scenarios:
        for purpose in extra:
            if purpose not in REPEATED and purpose in cells[index].get("purposes", extra):
                add(0, index, purpose, extra[purpose])
    for block in range(1, trials + 1):
        for index in range(len(cells)):
            add(block, index, "time" if index in scenarios else "program", labels)
    for purpose in [purpose for purpose in REPEATED if purpose in extra]:
        for block in range(1, REPEATS + 1):
            for index in scenarios:
                add(block, index, purpose, extra[purpose])
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
    extra: Mapping[str, Sequence[str]],
    timeout_s: float,
    facts: Json,
    environment: Mapping[str, str],
    pin: Sequence[int] | None,
    notes: Sequence[str],
    phase: Json | None = None,
) -> Json:
    """The content of run.json; `facts` has the keys machine, tools and git, `extra` is as in
    blocks(), `phase` a phase file's content."""
    return {
        "schema": "hkl-run-1",
        "created": created,
        "argv": list(argv),
        "seed": seed,
        "baseline": baseline,
        "arms": list(arms),
        "cells": list(cells),
        "plan": blocks(arms, cells, trials, seed, extra),
        "counters": counters,
        "timeout_s": timeout_s,
        "environment": dict(environment),
        "pin": None if pin is None else list(pin),
        "notes": list(notes),
        **({} if phase is None else {"phase": phase}),
        **facts,
    }
