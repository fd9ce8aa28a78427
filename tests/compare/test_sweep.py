"""Sweeps: one cell for each value, in the order given."""

from collections.abc import Callable
from typing import Any

from compare.cli import parse


def points(*argv: str) -> list[tuple[int | None, int | None]]:
    parsed = parse(["--scenario", "vm", *argv]).scenario_parameters()
    return [(asked["size"], asked["threads"]) for asked in parsed]


def test_values() -> None:
    assert points() == [(None, None)]
    assert points("--threads", "1,4,2") == [(None, 1), (None, 4), (None, 2)]
    assert points("--size", "16..128") == [(16, None), (32, None), (64, None), (128, None)]
    assert points("--size", "1K..1K") == [(1024, None)]
    assert points("--size", "64,4K", "--threads", "1,2") == [(64, 1), (64, 2), (4096, 1), (4096, 2)]


def test_a_cell_for_each_value(measured: Callable[..., Any]) -> None:
    done = measured(
        *("--scenario", "larson,handoff", "--threads", "1,2", "--batch", "100", "--iters", "2"),
        *("--allocators", "system", "--trials", "1", "--counters", "none", "--warmup", "1"),
    )
    cells = [(cell["scenario"], cell["params"]["threads"]) for cell in done.run["cells"]]
    assert cells == [("larson", 1), ("larson", 2), ("handoff", 1), ("handoff", 2)]
    for trial in done.trials:
        assert trial["status"] == "ok"
        assert trial["windows"]["steady"]["ops"] == 2 * 100 * trial["params"]["threads"]
