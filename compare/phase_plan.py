"""A phase made into runs: which arms and cells its comparisons come to. One phase is one run; every
comparison is a cell of it, with arms of its own: before, after, and a second copy of before (A').
"""

from collections.abc import Mapping, Sequence

from compare import phase, preload
from compare.allocators import Known, found, load_table, preload_path
from compare.errors import UsageError
from compare.layout import Layout
from compare.phase import SIDES, Json, Phase
from compare.plan import TWIN_SUFFIX
from compare.trial import BASE_ENVIRONMENT


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuses settings from outside: both sides are the phase file's alone."""
    for name in environment:
        raise UsageError(
            f"--phase: {name} is set in the environment; unset it: the phase decides the settings"
        )


def arms_and_cells(chosen: Phase, layout: Layout) -> tuple[list[Json], list[Json]]:
    """run.json's `arms` and `cells`. Sides that are the same in several comparisons are the same
    arms."""
    pairs: dict[str, str] = {}  # both sides, as text -> prefix of their arms' names
    arms: list[Json] = []
    cells: list[Json] = []
    comparisons = chosen.content["comparison"]
    alone = all(
        [entry[side] for side in SIDES] == [comparisons[0][side] for side in SIDES]
        for entry in comparisons
    )
    for entry in comparisons:
        sides = [entry[side] for side in SIDES]
        key = str(sides)
        if key not in pairs:
            pairs[key] = "" if alone else f"{entry['id']}-"
            arms += _arms(pairs[key], sides, layout)
        prefix = pairs[key]
        cells.append(
            {
                "scenario": entry["scenario"],
                "params": dict(chosen.params[entry["id"]]),
                "arms": [f"{prefix}{name}" for name in (*SIDES, f"before{TWIN_SUFFIX}")],
                "baseline": f"{prefix}before",
                "comparison": entry["id"],
                "purposes": ["count", *chosen.purposes(entry["id"])],
            }
        )
    return arms, cells


def _arms(prefix: str, sides: Sequence[Json], layout: Layout) -> list[Json]:
    known = load_table().known["hakmem"]
    arms = []
    for name, side in zip(SIDES, sides):
        arms.append(_arm(f"{prefix}{name}", side, known, layout))
    return [*arms, {**arms[0], "arm": arms[0]["arm"] + TWIN_SUFFIX, "twin_of": arms[0]["arm"]}]


def _arm(name: str, side: Json, known: Known, layout: Layout) -> Json:
    variant = side.get("variant")
    lib = phase.library(variant, layout)
    allocator = found(known.name, known.title, lib, known.version, "--phase", layout.root)
    path = preload_path(lib, layout.root)
    problem = preload.problem(layout.driver, layout.root, path, BASE_ENVIRONMENT)
    if problem:
        raise UsageError(f"--phase: {path}: not in effect: {problem}")
    return {
        "arm": name,
        "allocator": known.name,
        "title": name.replace("-", " "),
        "lib": path,
        "version": allocator.version + (f", variant {variant}" if variant else ""),
        "sha256": allocator.sha256,
        "twin_of": None,
        "floor": False,
        "env": dict(side.get("env", {})),
    }
