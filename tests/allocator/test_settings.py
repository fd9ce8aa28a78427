"""The allocator's settings: what each switch changes on random_mixed, whether all still works under
it, what the dumps at exit say, and what a bad value leads to."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.allocator.runs import Run

Mixed = Callable[..., dict[str, Any]]
STAGES = ("warm", "shared", "superslab", "lru", "fresh")


def refills(stats: dict[str, Any]) -> int:
    return sum(stats[f"refill.{stage}"] for stage in STAGES)


def test_the_warm_pool_serves_over_nine_refills_in_ten(mixed: Mixed) -> None:
    stats = mixed()
    assert refills(stats) > 1000
    assert stats["refill.warm"] > 0.9 * refills(stats)


def test_the_shared_pool_needs_under_a_quarter_of_the_superslabs(mixed: Mixed) -> None:
    assert mixed(SHARED_POOL=0)["superslab.peak"] >= 4 * mixed()["superslab.peak"]


def test_without_warm_pool_all_refills_come_from_further_behind(mixed: Mixed) -> None:
    stats = mixed(WARM_POOL=0)
    assert stats["refill.warm"] == 0
    assert stats["refill.shared"] > 0.9 * refills(stats)
    assert stats["refill.blocks"] >= refills(stats)


def test_a_warm_pool_of_one_slab_hits_less_often(mixed: Mixed) -> None:
    small, default = mixed(WARM_POOL=1), mixed()
    assert 0 < small["refill.warm"] < default["refill.warm"]
    assert small["refill.shared"] > default["refill.shared"]


def test_without_superslabs_slabs_are_mapped_one_by_one(mixed: Mixed) -> None:
    without, default = mixed(TINY_USE_SUPERSLAB=0), mixed()
    slabs = without["refill.superslab"] + without["refill.fresh"]
    assert without["sys.mmap"] >= slabs > 50 > default["sys.mmap"]
    assert without["superslab.cached"] == 0


UNDER = [
    {"TINY_USE_SUPERSLAB": 0},
    {"SHARED_POOL": 0},
    {"WARM_POOL": 0},
    {"WARM_POOL": 1, "WARM_PREFILL": 1},
    {"WARM_PREFILL": 0},
    {"SUPERSLAB_MAX_CACHED": 0},
    {"SUPERSLAB_MAX_MEMORY_MB": 0},
    {"SUPERSLAB_TTL_SEC": 0, "BACKGROUND": 1},
    {"PREWARM_SUPERSLABS": 3},
]


def all_works(run: Run, built: Path, programs: list[str], settings: dict[str, int]) -> None:
    for program in programs:
        done = run(built / "tests/allocator" / program, **settings)
        assert done.returncode == 0, done.stdout + done.stderr


def test_all_works_without_superslabs(run: Run, built: Path) -> None:
    all_works(run, built, ["test_api", "test_cxx", "test_misuse"], {"TINY_USE_SUPERSLAB": 0})


@pytest.mark.slow
@pytest.mark.parametrize("settings", UNDER, ids=lambda s: ",".join(f"{k}={s[k]}" for k in s))
def test_all_works_under(settings: dict[str, int], run: Run, built: Path) -> None:
    programs = ["test_api", "test_misuse"]
    if settings.keys() & {"TINY_USE_SUPERSLAB", "WARM_POOL", "SUPERSLAB_TTL_SEC"}:
        programs.append("test_threads")
    all_works(run, built, programs, settings)


# ---- Dumps at exit ----


def driver(run: Run, built: Path, **settings: object) -> list[str]:
    """What a short run writes to stderr."""
    done = run(built / "hkl-driver", "--scenario", "random_mixed", "--iters", "1", **settings)
    assert done.returncode == 0
    assert done.stderr == "" or done.stderr.endswith("\n")
    return done.stderr.splitlines()


def test_nothing_is_printed_by_default(run: Run, built: Path) -> None:
    assert driver(run, built) == []
    assert driver(run, built, STATS=0, WARM_POOL_STATS=0, SS_DEBUG=0) == []


def test_stats_prints_every_counter(run: Run, built: Path, mixed: Mixed) -> None:
    lines = driver(run, built, STATS=1)
    printed = {name: int(value) for name, value in (line.split(" ") for line in lines)}
    assert len(printed) == len(lines)
    assert printed.keys() == mixed().keys()
    assert printed["refill.warm"] > 0 and printed["superslab.live"] > 0


def test_warm_pool_stats_prints_each_class_in_use(run: Run, built: Path) -> None:
    lines = driver(run, built, WARM_POOL_STATS=1, STATS=1)
    form = re.compile(r"warm_pool class (\d+) size (\d+) hits (\d+) misses (\d+)")
    found = [tuple(map(int, m.groups())) for m in map(form.fullmatch, lines) if m]
    counters = dict(line.split(" ") for line in lines if not form.fullmatch(line))
    assert [cls for cls, *_ in found] == sorted({cls for cls, *_ in found})
    assert {16, 64, 1024} <= {size for _, size, *_ in found}
    assert all(hits + misses > 0 for *_, hits, misses in found)
    assert sum(hits for *_, hits, _ in found) == int(counters["refill.warm"])
    others = sum(int(counters[f"refill.{stage}"]) for stage in STAGES[1:])
    assert sum(misses for *_, misses in found) == others


def test_ss_debug_prints_each_superslab(run: Run, built: Path) -> None:
    lines = driver(run, built, SS_DEBUG=1, PREWARM_SUPERSLABS=3, STATS=1)
    form = re.compile(
        r"superslab 0x([0-9a-f]+) blocks up to (1024|8192|65536|1048576) "
        r"tier (HOT|DRAINING|FREE) slabs in use (\d+) of (\d+)"
    )
    found = [m.groups() for m in map(form.fullmatch, lines) if m]
    counters = dict(line.split(" ") for line in lines if not form.fullmatch(line))
    assert len({address for address, *_ in found}) == len(found)
    assert all(int(address, 16) % (2 << 20) == 0 for address, *_ in found)
    for tier, used, of in ((tier, int(used), int(of)) for *_, tier, used, of in found):
        expected = "FREE" if used == 0 else "HOT" if used * 4 > of else "DRAINING"
        assert tier == expected
    tiers = [tier for _, _, tier, *_ in found]
    for tier, name in (("HOT", "hot"), ("DRAINING", "draining"), ("FREE", "cached")):
        assert tiers.count(tier) == int(counters[f"superslab.{name}"])


# ---- Bad values ----

NUMBERS = {
    "SUPERSLAB_MAX_CACHED": 1048576,
    "SUPERSLAB_MAX_MEMORY_MB": 16777216,
    "SUPERSLAB_TTL_SEC": 16777216,
    "WHALE_MAX_MB": 16777216,
    "REGION_MAX_MB": 16777216,
    "REGION_MAX_COUNT": 16384,
    "WARM_POOL": 16,
    "WARM_PREFILL": 3,
    "PREWARM_SUPERSLABS": 4096,
}
SWITCHES = ("TINY_USE_SUPERSLAB", "SHARED_POOL", "BACKGROUND", "WHALE_LEARN") + (
    "STATS",
    "WARM_POOL_STATS",
    "SS_DEBUG",
)


@pytest.mark.parametrize("name", [*NUMBERS, *SWITCHES])
def test_a_bad_value_is_one_line(name: str, run: Run) -> None:
    most = NUMBERS.get(name, 1)
    right = f"a whole number from 0 to {most}" if name in NUMBERS else "0 or 1"
    for value in ("", "x", "-1", "1x", " 1", "0x1", str(most + 1), "9" * 40):
        done = run("/bin/true", **{name: value})
        line = f"hakmem: HAKMEM_{name}={value}: needs {right}; the default is used\n"
        assert (done.returncode, done.stderr) == (0, line)
    for value in ("0", "1"):
        if name not in ("STATS", "WARM_POOL_STATS", "SS_DEBUG"):
            assert run("/bin/true", **{name: value}).stderr == ""


def test_bad_values_leave_the_defaults(mixed: Mixed, run: Run, built: Path) -> None:
    bad = {"WARM_POOL": 17, "SHARED_POOL": "no", "TINY_USE_SUPERSLAB": 2, "WARM_PREFILL": 4}
    lines = driver(run, built, STATS=1, **bad)
    refused = [line for line in lines if line.startswith("hakmem: ")]
    assert len(refused) == len(bad)
    printed = dict(line.split(" ") for line in lines if not line.startswith("hakmem: "))
    default = dict(line.split(" ") for line in driver(run, built, STATS=1))
    assert printed == default
