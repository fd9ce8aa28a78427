"""The build variants: each works, and the timing variant leaves nothing in the others."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.allocator.runs import ROOT, Run, make

VARIANTS = re.findall(r"^VARIANT_([\w-]+)", (ROOT / "allocator/variants.mk").read_text(), re.M)
CATEGORIES = re.findall(
    r'X\([A-Z_]+, "(\w+)"\)', (ROOT / "allocator/src/debug/timing.h").read_text()
)


def library(built: Path, variant: str) -> Path:
    path = built / "variants" / variant / "libhakmem.so"
    make("-j2", f"VARIANT={variant}", str(path.relative_to(ROOT)))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_builds_and_works(variant: str, run: Run, built: Path) -> None:
    # a system call for each free of a big block takes test_remote to its time limit
    threads = "test_threads" if variant == "guess" else "test_remote"
    programs = ["test_api-preload", "test_misuse", threads]
    if variant == "hardened":
        programs = programs[:1]  # the others are for settings that it has not; see test_hardened.py
    for program in programs:
        done = run(built / "tests/allocator" / program, library=library(built, variant))
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_variant_that_does_not_exist_is_refused() -> None:
    done = subprocess.run(
        ["make", "VARIANT=fastest"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "VARIANT=fastest: no such variant" in done.stderr


# ---- Other ways ----


def stats(run: Run, built: Path, library: Path, scenario: str) -> dict[str, Any]:
    command = [built / "hkl-driver", "--scenario", scenario, "--iters", "10"]
    done = run(*command, library=library)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["stats_total"]


def usable_sizes(run: Run, library: Path, *sizes: int) -> list[int]:
    """What malloc_usable_size says of blocks of these sizes."""
    script = (
        "import ctypes; libc = ctypes.CDLL(None);"
        "libc.malloc.restype = ctypes.c_void_p; libc.malloc.argtypes = [ctypes.c_size_t];"
        "libc.malloc_usable_size.argtypes = [ctypes.c_void_p];"
        f"print([libc.malloc_usable_size(libc.malloc(n)) for n in {list(sizes)}])"
    )
    done = run("/usr/bin/python3", "-c", script, library=library)
    assert done.returncode == 0, done.stderr
    return [int(size) for size in re.findall(r"\d+", done.stdout)]


def test_guessing_asks_the_kernel_once_for_each_doubtful_free(run: Run, built: Path) -> None:
    guess = library(built, "guess")
    large = stats(run, built, guess, "evict")
    assert large["sys.mincore"] >= large["large.free"] > 100
    small = stats(run, built, guess, "random_mixed")
    assert small["sys.mincore"] >= small["flush.count"] > 100
    default = stats(run, built, built / "libhakmem.so", "random_mixed")
    assert default["sys.mincore"] == 0
    assert default["flush.count"] == pytest.approx(small["flush.count"], rel=0.05)


def test_without_small_classes_the_smallest_middle_one_serves(run: Run, built: Path) -> None:
    assert usable_sizes(run, library(built, "no-tiny"), 0, 1, 64, 1024) == [1152] * 4
    assert usable_sizes(run, built / "libhakmem.so", 0, 1, 64, 1024) == [16, 16, 64, 1024]
    sizes = [1025, 1152, 1153, 65536]
    assert usable_sizes(run, library(built, "no-tiny"), *sizes) == usable_sizes(
        run, built / "libhakmem.so", *sizes
    )


def test_superslabs_of_512_kib_are_more_in_number(run: Run, built: Path) -> None:
    lean = library(built, "superslab-512k")
    few, many = (
        stats(run, built, path, "random_mixed")["superslab.peak"]
        for path in (built / "libhakmem.so", lean)
    )
    assert many >= 2 * few
    # the largest blocks do not fit into a SuperSlab: whole pages of the large path
    assert usable_sizes(run, lean, 400 << 10, 512 << 10, (512 << 10) + 1, 1 << 20) == [
        448 << 10,
        512 << 10,
        (512 << 10) + 4096,
        1 << 20,
    ]


# ---- Timing ----


def timings(run: Run, library: Path, **settings: object) -> dict[str, tuple[int, int, int]]:
    """Calls, cycles and cycles per call by category, of a program that uses blocks of all sizes."""
    script = (
        "import ctypes; libc = ctypes.CDLL(None);"
        "libc.malloc.restype = ctypes.c_void_p; libc.malloc.argtypes = [ctypes.c_size_t];"
        "libc.free.argtypes = [ctypes.c_void_p];"
        "[libc.free(p) for _ in range(9) for p in [libc.malloc(1 << n) for n in range(26)]]"
    )
    done = run("/usr/bin/python3", "-c", script, library=library, **settings)
    assert done.returncode == 0
    found = {}
    for line in done.stderr.splitlines():
        match = re.fullmatch(r"timing (\w+) calls (\d+) cycles (\d+) per_call (\d+)", line)
        assert match, line
        found[match[1]] = (int(match[2]), int(match[3]), int(match[4]))
    return found


def test_the_timing_variant_prints_its_categories(run: Run, built: Path) -> None:
    found = timings(run, library(built, "timing"), TIMING=1)
    assert CATEGORIES and list(found) == CATEGORIES
    for calls, cycles, per_call in found.values():
        assert per_call == (cycles // calls if calls else 0)
    for category in ("mmap", "refill", "flush", "new_slab", "whale_get", "whale_put"):
        assert found[category][0] > 0, category


def test_nothing_is_timed_unless_asked_for(run: Run, built: Path) -> None:
    assert timings(run, library(built, "timing")) == {}
    assert timings(run, library(built, "timing"), TIMING=0) == {}
    assert timings(run, built / "libhakmem.so", TIMING=1) == {}


def code(folder: Path, *variables: str) -> dict[str, str]:
    """The machine code of each object of the allocator in `folder`, built there."""
    (folder / "Makefile").write_text("BUILD := build\ninclude allocator/build.mk\n")
    make("-j2", "build/libhakmem.so", *variables, cwd=folder)
    objects = sorted((folder / "build/allocator").rglob("*.o"))
    told = {}
    for path in objects:
        command = ["objdump", "-dr", "--no-show-raw-insn", str(path.relative_to(folder))]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        told[path.name] = done.stdout
    return told


@pytest.mark.slow
def test_timing_compiled_out_leaves_the_same_machine_code(tmp_path: Path) -> None:
    """The objects are those of a source from which the timing's lines have been deleted."""
    folders = [tmp_path / name for name in ("as-it-is", "without", "with")]
    for folder in folders:
        shutil.copytree(ROOT / "allocator", folder / "allocator")
    deleted = set()
    for path in (folders[1] / "allocator/src").rglob("*.c"):
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not line.strip().startswith("HKM_TIMED_")]
        if kept != lines:
            deleted.add(path.name)
            path.write_text("".join(kept))
    assert deleted >= {"hakmem.c", "warm_pool.c", "large.c", "sys.c"}
    as_it_is, without = code(folders[0]), code(folders[1])
    assert "hak_malloc" in as_it_is["hakmem.o"]
    assert as_it_is == without
    # and the comparison can tell: compiled in, each of these files differs
    timed = code(folders[2], "CFLAGS=-DHAKMEM_DEBUG_TIMING=1")
    assert {name for name in as_it_is if as_it_is[name] != timed[name]} >= {
        path.replace(".c", ".o") for path in deleted
    }
