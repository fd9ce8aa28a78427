"""The allocator's settings: what each switch changes on random_mixed, whether all still works under
it, what the dumps at exit say, and what a bad value leads to."""

import json
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


def calls(run: Run, script: str, **settings: object) -> dict[str, int]:
    """The counters of a program that makes these calls of the C library `libc`."""
    head = "import ctypes; libc = ctypes.CDLL(None); libc.calloc.restype = ctypes.c_void_p; "
    done = run("/usr/bin/python3", "-c", head + script, STATS=1, **settings)
    assert done.returncode == 0, done.stderr
    return {name: int(value) for name, value in map(str.split, done.stderr.splitlines())}


@pytest.mark.parametrize("size", (1 << 18, 64 << 20))
def test_without_lazy_zeroing_calloc_clears_fresh_pages(size: int, run: Run) -> None:
    """Middle and large blocks; small ones are always cleared."""
    script = (
        f"p = libc.calloc(1, {size}); d = ctypes.string_at(p, {size}); assert d.count(0) == {size}"
    )
    lazy, eager = (calls(run, script, LAZY_ZERO=lazy) for lazy in (1, 0))
    assert lazy["calloc.skipped_bytes"] >= size
    assert eager["calloc.skipped_bytes"] == 0


def test_without_mid_blocks_of_64_kib_are_large_ones(run: Run, built: Path) -> None:
    def stats(scenario: str, mid: int) -> dict[str, Any]:
        command = [built / "hkl-driver", "--scenario", scenario, "--iters", "10"]
        return json.loads(run(*command, MID=mid).stdout)["stats_total"]

    for scenario, each in (("json", 100), ("mir", 100)):  # 64 KiB, 256 KiB
        assert stats(scenario, 1)["large.alloc"] == 0
        without = stats(scenario, 0)
        assert without["large.alloc"] >= each
        assert without["whale.hit"] >= each - 1 and without["big.miss"] == 0
    assert stats("random_mixed", 0)["large.alloc"] < 10  # small blocks stay where they were


def test_slabs_of_a_class_are_made_at_start(mixed: Mixed) -> None:
    prewarmed, default = mixed(PREWARM_CLASS="1024:64"), mixed()
    assert (prewarmed["slab.prewarmed"], default["slab.prewarmed"]) == (64, 0)
    # 64 slabs of 32 KiB are one SuperSlab
    used = [stats["refill.superslab"] + stats["refill.fresh"] for stats in (prewarmed, default)]
    assert used[0] < used[1]
    assert mixed(PREWARM_CLASS="1024:0")["slab.prewarmed"] == 0


@pytest.mark.parametrize(
    "value", ("", ":", "64", "64:", ":8", "x:1", "1:x", "1:2:3", "1 :2", "1048577:1", "1:65537")
)
def test_a_bad_class_to_prewarm_is_one_line(value: str, run: Run) -> None:
    line = (
        f"hakmem: HAKMEM_PREWARM_CLASS={value}: "
        "needs BYTES:COUNT, whole numbers up to 1048576 and 65536; the default is used\n"
    )
    assert run("/bin/true", PREWARM_CLASS=value).stderr == line


def test_a_class_that_the_settings_do_without_is_not_prewarmed(run: Run) -> None:
    done = run("/bin/true", PREWARM_CLASS="65536:1", MID=0)
    refused = "hakmem: HAKMEM_PREWARM_CLASS=65536:1: this size has no class here"
    assert done.stderr == refused + "; the default is used\n"


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
    {"MID": 0},
    {"LAZY_ZERO": 0},
    {"PREWARM_CLASS": "64:70"},
]


def all_works(run: Run, built: Path, programs: list[str], settings: dict[str, Any]) -> None:
    for program in programs:
        done = run(built / "tests/allocator" / program, **settings)
        assert done.returncode == 0, done.stdout + done.stderr


def test_all_works_without_superslabs(run: Run, built: Path) -> None:
    all_works(run, built, ["test_api", "test_cxx", "test_misuse"], {"TINY_USE_SUPERSLAB": 0})


@pytest.mark.slow
@pytest.mark.parametrize("settings", UNDER, ids=lambda s: ",".join(f"{k}={s[k]}" for k in s))
def test_all_works_under(settings: dict[str, Any], run: Run, built: Path) -> None:
    programs = ["test_api", "test_misuse"]
    if settings.keys() & {"TINY_USE_SUPERSLAB", "WARM_POOL", "SUPERSLAB_TTL_SEC"}:
        programs.append("test_threads")
    all_works(run, built, programs, settings)


def test_rings_by_site_keep_what_was_split_together(run: Run, built: Path) -> None:
    """evict has one call site: its ring must serve it as well as the one for all sites would."""

    def stats(**settings: object) -> dict[str, Any]:
        command = [built / "hkl-driver", "--scenario", "evict", "--iters", "1500"]
        return json.loads(run(*command, **settings).stdout)["stats_total"]

    by_site, together = stats(WHALE_PER_SITE=1), stats(WHALE_PER_SITE=0)
    assert by_site["whale.miss"] <= together["whale.miss"] * 1.1 + 2
    assert by_site["whale.evict"] <= together["whale.evict"] * 1.1 + 2


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
    "MID",
    "LAZY_ZERO",
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


REASONS = {
    "WARM_POOL": "needs a whole number from 0 to 16",
    "STATS": "needs 0 or 1",
    "PREWARM_CLASS": "needs BYTES:COUNT, whole numbers up to 1048576 and 65536",
    "STRATEGY": "needs auto, settings, nothing, thrifty, fixed, unmap, sites, whales or hoard",
}


@pytest.mark.parametrize("name", REASONS)
def test_only_the_value_is_cut_in_a_line_that_is_too_long(name: str, run: Run) -> None:
    """A line has room for 256 bytes; what the value cannot have of them is cut off its end."""
    before, after = f"hakmem: HAKMEM_{name}=", f": {REASONS[name]}; the default is used\n"
    room = 256 - len(before) - len(after)
    for length in (room - 1, room, room + 1, 255, 256, 257, 100_000):
        value = "x" * length
        shown = value if length <= room else value[: room - 3] + "..."
        done = run("/bin/true", **{name: value})
        assert (done.returncode, done.stderr) == (0, before + shown + after), length


def test_bad_values_leave_the_defaults(mixed: Mixed, run: Run, built: Path) -> None:
    bad = {"WARM_POOL": 17, "SHARED_POOL": "no", "TINY_USE_SUPERSLAB": 2, "WARM_PREFILL": 4}
    lines = driver(run, built, STATS=1, **bad)
    refused = [line for line in lines if line.startswith("hakmem: ")]
    assert len(refused) == len(bad)
    printed = dict(line.split(" ") for line in lines if not line.startswith("hakmem: "))
    default = dict(line.split(" ") for line in driver(run, built, STATS=1))
    assert printed == default
