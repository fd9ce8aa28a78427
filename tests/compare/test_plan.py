"""The plan: what every block holds, and what the seed decides."""

from pathlib import Path
from typing import Any

import pytest

from compare.allocators import Allocator, load_table, title_of
from compare.errors import UsageError
from compare.plan import MAX_PAD, arms_of, blocks


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


def test_every_block_holds_every_arm_once() -> None:
    plan = blocks(arms("a", "b", "c"), cells=2, trials=7, seed=1, count=True)
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
    plan = blocks(arms("a"), cells=3, trials=2, seed=1, count=False)
    in_order = list(dict.fromkeys((entry["block"], entry["cell"]) for entry in plan))
    assert in_order == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]


def test_seed_decides_order_and_padding() -> None:
    def of(seed: int) -> list[dict[str, Any]]:
        return blocks(arms("a", "b"), cells=1, trials=10, seed=seed, count=False)

    assert of(5) == of(5)
    assert [entry["arm"] for entry in of(5)] != [entry["arm"] for entry in of(6)]
    assert [entry["env_pad"] for entry in of(5)] != [entry["env_pad"] for entry in of(6)]
    assert all(0 <= entry["env_pad"] <= MAX_PAD for entry in of(5))


def test_order_is_not_always_the_same() -> None:
    plan = blocks(arms("a", "b", "c"), cells=1, trials=50, seed=3, count=False)
    first = [entry["arm"] for entry in plan if entry["order"] == 0]
    assert set(first) == {"a", "b", "c", "a@2"}


def test_table_of_allocators_is_whole() -> None:
    table = load_table()
    assert table.default == ("hakmem", "system", "mimalloc", "jemalloc")
    assert "tcmalloc" in table.known


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
        ("unknown", "x unknown"),
    ],
)
def test_titles_are_short(version: str, title: str) -> None:
    assert title_of("x", version) == title
