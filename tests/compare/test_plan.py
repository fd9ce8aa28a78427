"""The plan: what every block holds, and what the seed decides."""

from pathlib import Path
from typing import Any

import pytest

from compare import driver
from compare.allocators import Allocator, load_table, title_of
from compare.callgrind import MAX_ITERS
from compare.errors import UsageError
from compare.plan import MAX_PAD, REPEATS, arms_of, blocks


def arms(*names: str) -> list[dict[str, Any]]:
    allocators = [Allocator(name, name, None, "1", None, "") for name in names]
    return arms_of(allocators, names[0], Path("/"))


def test_baseline_runs_twice_and_only_it() -> None:
    made = arms("a", "b", "c")
    assert [(arm["arm"], arm["twin_of"]) for arm in made] == [
        ("a", None),
        ("b", None),
        ("c", None),
        ("a@2", "a"),
    ]
    assert made[3]["allocator"] == "a"


def cells(count: int) -> list[dict[str, Any]]:
    return [{"scenario": f"s{i}", "params": {"iters": 100}} for i in range(count)]


def test_every_block_holds_every_arm_once() -> None:
    extra = {"count": ["a", "b", "c"]}
    plan = blocks(arms("a", "b", "c"), cells(2), trials=7, seed=1, extra=extra)
    assert [entry["trial"] for entry in plan] == list(range(len(plan)))
    for cell in range(2):
        for block in range(8):
            here = [entry for entry in plan if (entry["cell"], entry["block"]) == (cell, block)]
            wanted = ["a", "b", "c"] if block == 0 else ["a", "a@2", "b", "c"]
            assert sorted(entry["arm"] for entry in here) == wanted
            assert [entry["order"] for entry in here] == list(range(len(wanted)))
            assert {entry["purpose"] for entry in here} == {"count" if block == 0 else "time"}
    assert len(plan) == 2 * (3 + 7 * 4)


def test_blocks_of_all_cells_go_in_rotation() -> None:
    plan = blocks(arms("a"), cells(3), trials=2, seed=1, extra={})
    in_order = list(dict.fromkeys((entry["block"], entry["cell"]) for entry in plan))
    assert in_order == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]


def test_seed_decides_order_and_padding() -> None:
    def of(seed: int) -> list[dict[str, Any]]:
        return blocks(arms("a", "b"), cells(1), trials=10, seed=seed, extra={})

    assert of(5) == of(5)
    assert [entry["arm"] for entry in of(5)] != [entry["arm"] for entry in of(6)]
    assert [entry["env_pad"] for entry in of(5)] != [entry["env_pad"] for entry in of(6)]
    assert all(0 <= entry["env_pad"] <= MAX_PAD for entry in of(5))


def test_order_is_not_always_the_same() -> None:
    plan = blocks(arms("a", "b", "c"), cells(1), trials=50, seed=3, extra={})
    first = [entry["arm"] for entry in plan if entry["order"] == 0]
    assert set(first) == {"a", "b", "c", "a@2"}


def test_a_cell_runs_only_its_arms() -> None:
    made = cells(2)
    made[0]["arms"] = ["a", "a@2"]
    extra = {"callgrind": ["a", "a@2", "b"]}
    plan = blocks(arms("a", "b"), made, trials=3, seed=1, extra=extra)
    assert {entry["arm"] for entry in plan if entry["cell"] == 0} == {"a", "a@2"}
    assert {entry["arm"] for entry in plan if entry["cell"] == 1} == {"a", "a@2", "b"}


def test_memory_and_latency_come_last_and_change_nothing_before_them() -> None:
    made = [*cells(2), {"scenario": "p", "params": {}, "program": {"title": "p"}}]
    labels = ["a", "b"]
    without = blocks(arms("a", "b"), made, trials=2, seed=1, extra={"count": labels})
    extra = {"count": labels, "memory": labels, "latency": labels}
    plan = blocks(arms("a", "b"), made, trials=2, seed=1, extra=extra)
    assert plan[: len(without)] == without
    added = plan[len(without) :]
    assert [entry["purpose"] for entry in added] == [
        purpose for purpose in ("memory", "latency") for _ in range(2 * 2 * REPEATS)
    ]
    for block in range(1, REPEATS + 1):
        here = [(e["purpose"], e["cell"], e["arm"]) for e in added if e["block"] == block]
        assert sorted(here) == [
            (purpose, cell, arm)
            for purpose in ("latency", "memory")
            for cell in range(2)
            for arm in labels
        ]


def test_callgrind_runs_few_iterations_in_one_environment() -> None:
    plan = blocks(arms("a", "b"), cells(1), trials=1, seed=1, extra={"callgrind": ["a", "b"]})
    counted = [entry for entry in plan if entry["purpose"] == "callgrind"]
    assert [(entry["env_pad"], entry["iters"], entry["block"]) for entry in counted] == [
        (0, MAX_ITERS, 0),
        (0, MAX_ITERS, 0),
    ]


def test_whole_programs_have_timed_blocks_only() -> None:
    made = [{"scenario": "p", "params": {}, "program": {"title": "p"}}]
    plan = blocks(arms("a"), made, trials=2, seed=1, extra={"count": ["a"], "profile": ["a"]})
    assert {(entry["purpose"], entry["block"]) for entry in plan} == {
        ("program", 1),
        ("program", 2),
    }


def test_table_of_allocators_is_whole() -> None:
    table = load_table()
    assert table.default == ("hakmem", "system", "mimalloc", "jemalloc")
    assert {"tcmalloc", "tbb", "scudo", "floor"} <= set(table.known)


def test_damaged_table_is_refused(tmp_path: Path) -> None:
    for text in ("default = [", "default = []", 'default = ["x"]\n[allocator]'):
        path = tmp_path / "allocators.toml"
        path.write_text(text)
        with pytest.raises(UsageError, match="allocators.toml"):
            load_table(path)


@pytest.mark.parametrize(
    ("version", "title"),
    [
        ("2.0.9+ds-2", "x 2.0.9"),
        ("1:2.10-1+b1", "x 2.10"),
        ("glibc 2.36", "glibc 2.36"),
        ("0.1.0+c3e86db-dirty", "x 0.1.0+c3e86db-dirty"),
        ("sha256 0123456789ab", "x"),
        ("2865bd8-dirty", "x"),
        ("unknown", "x unknown"),
    ],
)
def test_titles_are_short(version: str, title: str) -> None:
    assert title_of("x", version) == title


@pytest.mark.parametrize("iters, quick", [(100, 20), (10, 3), (3, 3)])
def test_quick_takes_a_fifth_of_the_scenario_s_iterations(iters: int, quick: int) -> None:
    scenario = driver.Scenario("any", "any", {"iters": iters}, 0, 0, 1, False, False)
    assert driver.default_iters(scenario, quick=False) == iters
    assert driver.default_iters(scenario, quick=True) == quick
