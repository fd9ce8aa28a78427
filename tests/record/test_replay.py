"""A replay makes the recorded calls: it is recorded itself, and compared with its trace."""

import json
from pathlib import Path
from typing import Any

import pytest
from tracefile import (
    ALIGNED,
    CALLOC,
    FREE,
    HEADER,
    MALLOC,
    REALLOC,
    ROOT,
    THREAD,
    Item,
    account,
    items_of,
    trace,
)

from compare.allocators import find_library, load_table

TRACES = sorted((ROOT / "scenarios/traces").glob("*.trace"))


def allocators() -> list[str]:
    table = load_table()
    there = [known for known in table.known.values() if find_library(known, ROOT)]
    return ["system", *(known.name for known in there if not known.floor)]


def record_replay(lab: Any, file: Path, out: Path, allocator: str, iters: int) -> None:
    """Records the driver that replays `file`, the recorder before the allocator."""
    library = find_library(load_table().known[allocator], ROOT)
    driver = [lab.build / "hkl-driver", "--scenario", "trace", "--trace", file]
    arguments = ["--iters", iters, "--warmup", 0]
    # scudo guards a random call now and then, and the loader allocates for it: no call of ours.
    env = {"SCUDO_OPTIONS": "GWP_ASAN_Enabled=false"}
    if library is not None:
        env["LD_PRELOAD"] = str(library)
    lab.record(out, *driver, *arguments, env=env)


@pytest.mark.parametrize("allocator", allocators())
@pytest.mark.parametrize("file", TRACES, ids=lambda file: file.stem)
def test_shipped_trace_under_every_allocator(
    lab: Any, tmp_path: Path, file: Path, allocator: str
) -> None:
    original = items_of(file)
    assert THREAD not in {item.op for item in original}
    record_replay(lab, file, tmp_path / "t", allocator, 1)
    # Blocks are named by their distance, so the same calls are the same bytes wherever they stand.
    body, again = (path.read_bytes()[HEADER:] for path in (file, tmp_path / "t"))
    assert again.count(body) == 1
    sums = account(original)
    # Then comes a free for each block that was left live.
    after = items_of(tmp_path / "t")
    begin = find(after, original)
    assert account(after[begin : begin + len(original)]) == sums
    frees = after[begin + len(original) :][: sums.live]
    assert all(item.op == FREE and item.value for item in frees)


def find(items: list[Item], part: list[Item]) -> int:
    """Where `part` stands in `items`."""
    return next(
        i
        for i in range(len(items) - len(part) + 1)
        if items[i] == part[0] and items[i : i + len(part)] == part
    )


def calls_by_thread(items: list[Item]) -> dict[int, list[tuple[int, int, int]]]:
    """What each thread asks for, in its order; frees without their block."""
    thread = 0
    calls: dict[int, list[tuple[int, int, int]]] = {}
    for item in items:
        if item.op == THREAD:
            thread = item.value
            continue
        value = 1 if item.op in (REALLOC, FREE) and item.value else item.value
        calls.setdefault(thread, []).append((item.op, value, item.size))
    return calls


def test_blocks_that_change_threads(lab: Any, recorded: Any, tmp_path: Path) -> None:
    file = recorded("hand_over")
    original = calls_by_thread(items_of(file))
    record_replay(lab, file, tmp_path / "t", "system", 3)
    replayed = calls_by_thread(items_of(tmp_path / "t"))
    for thread in (1, 2):  # either may be the first to call; the thread's own end follows
        wanted = original[thread] * 3
        assert wanted in (replayed[other][: len(wanted)] for other in (1, 2))


def test_order_between_threads_is_kept(lab: Any, tmp_path: Path) -> None:
    # A block goes round four threads, growing; each step must wait for the one before.
    items = [Item(MALLOC, 100), Item(MALLOC, 7)]
    for turn in range(1, 4001):
        items += [Item(THREAD, turn % 4), Item(REALLOC, 2, 100 + turn), Item(FREE, 0)]
        items += (
            [Item(MALLOC, 7), Item(FREE, 3)] if turn % 2 else [Item(ALIGNED, 6, 9), Item(FREE, 3)]
        )
    items += [Item(FREE, 2)]
    file = tmp_path / "t"
    file.write_bytes(trace(items))
    done = lab.replay(file, "--iters", 20, "--warmup", 5)
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    sums = account(items)
    assert record["params"]["threads"] == sums.threads == 4
    assert record["windows"]["steady"]["ops"] == 20 * (sums.calls + sums.live)


def test_sizes_of_nothing_and_frees_of_nothing(lab: Any, tmp_path: Path) -> None:
    file = tmp_path / "t"
    file.write_bytes(trace([Item(FREE, 0)]))
    assert lab.replay(file, "--iters", 1).returncode == 0
    file.write_bytes(
        trace([Item(MALLOC, 0), Item(CALLOC, 0), Item(REALLOC, 0, 0), Item(ALIGNED, 0, 0)])
    )
    assert lab.replay(file, "--iters", 1).returncode == 0


def test_allocation_that_fails_is_a_failed_scenario(lab: Any, tmp_path: Path) -> None:
    file = tmp_path / "t"
    file.write_bytes(trace([Item(MALLOC, 1 << 46)]))
    done = lab.replay(file, "--iters", 1)
    assert done.returncode == 1
    assert f"an allocation of {1 << 46} bytes returned NULL" in done.stderr


@pytest.mark.parametrize(("option", "value"), [("--threads", 2), ("--batch", 9), ("--batch", "x")])
def test_what_the_trace_decides(lab: Any, tmp_path: Path, option: str, value: object) -> None:
    file = tmp_path / "t"
    file.write_bytes(trace([Item(MALLOC, 5), Item(FREE, 1), Item(MALLOC, 6)]))
    done = lab.replay(file, "--iters", 1, option, value)
    assert done.returncode == 2 and f"{option} '{value}': the trace has" in done.stderr
    assert lab.replay(file, "--iters", 1, "--threads", 1, "--batch", 4).returncode == 0
