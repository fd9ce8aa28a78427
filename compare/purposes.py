"""Processes beside those that are timed: which purposes they can have here, and for which arms."""

from collections.abc import Collection, Mapping, Sequence

from compare import callgrind, perf, profile
from compare.layout import Layout
from compare.plan import REPEATED, Json


def available(
    wanted: Collection[str],
    arms: Sequence[Json],
    counters: Json,
    environment: Mapping[str, str],
    layout: Layout,
) -> dict[str, list[str]]:
    """Those of `wanted` that can be had, each with its arms; why others cannot goes into run.json's
    `counters`. System calls are counted wherever they can be."""
    originals = [str(arm["arm"]) for arm in arms if arm["twin_of"] is None]
    found: dict[str, list[str]] = {}
    if any(event in perf.SYSCALL_EVENTS for event in counters["events"]):
        found["count"] = originals
    if profile.PURPOSE in wanted:
        problem = profile.problem(perf.find())
        if problem is None:
            found[profile.PURPOSE] = originals
        else:
            _leave_out(counters, profile.PURPOSE, problem)
    if callgrind.PURPOSE in wanted:
        found[callgrind.PURPOSE] = _simulated(arms, counters, environment, layout)
    found |= {purpose: originals for purpose in REPEATED if purpose in wanted}
    return found


def _simulated(
    arms: Sequence[Json], counters: Json, environment: Mapping[str, str], layout: Layout
) -> list[str]:
    """The arms that callgrind can count, A' too: equal counts show that they are exact."""
    libs = dict.fromkeys(arm["lib"] for arm in arms)
    problems = {lib: callgrind.problem(layout, lib, environment) for lib in libs}
    if all(problems.values()):
        _leave_out(counters, callgrind.PURPOSE, next(iter(problems.values())))
        return []
    for arm in arms:
        problem = problems[arm["lib"]]
        if problem and arm["twin_of"] is None:
            counters["notes"].append(f"{arm['arm']} is not counted by callgrind: {problem}")
    return [str(arm["arm"]) for arm in arms if not problems[arm["lib"]]]


def _leave_out(counters: Json, purpose: str, problem: str | None) -> None:
    why = f"{purpose} is left out: {problem}"
    counters["unsupported"][purpose] = why
    counters["notes"].append(why)
