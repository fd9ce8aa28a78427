"""The kernel refuses the n-th mmap, munmap, mremap or madvise, for every n that a run makes, and
thirty in a row from every third one; and address space that is limited."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.allocator.runs import Count, Run

CALLS = ("mmap", "munmap", "mremap", "madvise")
IN_A_ROW = 30
EAGER = {"HAKMEM_SUPERSLAB_TTL_SEC": "0"}
SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "eager": EAGER,
    "unmapping": {
        **EAGER,
        "HAKMEM_WHALE_MAX_MB": "0",
        "HAKMEM_WHALE_LEARN": "0",
        "HAKMEM_REGION_PURGE": "munmap",
    },
    "no region kept": {
        **EAGER,
        "HAKMEM_WHALE_MAX_MB": "0",
        "HAKMEM_WHALE_LEARN": "0",
        "HAKMEM_REGION_MAX_MB": "1",
    },
    "slab by slab": {**EAGER, "HAKMEM_TINY_USE_SUPERSLAB": "0"},
}


def faults(built: Path, settings: dict[str, str], fault: str = "none 1 1") -> dict[str, int]:
    """What the program reports; it checks each call's outcome itself."""
    done = subprocess.run(
        [built / "tests/allocator/faults"],
        env={**settings, "FAULT": fault},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), f"FAULT='{fault}' {settings}: {done}"
    return {name: int(n) for name, n in re.findall(r"(\w+) (\d+)", done.stdout)}


def spare(call: str, found: dict[str, int]) -> int:
    """KiB that may be left: the heap of threads that have none, and what could not be unmapped."""
    return 128 + (2048 * found["refused"] if call == "munmap" else 0)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_call_survives_every_refusal(name: str, built: Path, record_property: Count) -> None:
    settings = SETTINGS[name]
    plain = faults(built, settings)
    assert plain["refused"] == plain["failed"] == 0 and plain["mmap"] > 10
    if name != "default":
        assert plain["munmap"] > 5 and plain["madvise"] > 5
    runs = refused = failed = 0
    for call in CALLS:
        for n in range(1, plain[call] + 1):
            for count in (1, IN_A_ROW) if n % 3 == 1 else (1,):
                fault = f"{call} {n} {count}"
                found = faults(built, settings, fault)
                assert 0 < found["refused"] <= count, fault
                if name != "slab by slab":  # there SuperSlabs are not mapped as such
                    assert found["rest"] <= plain["rest"] + spare(call, found), (fault, found)
                runs += 1
                refused += found["refused"]
                failed += found["failed"]
    print(f"{name}: {runs} runs, {refused} refusals, {failed} allocations failed")
    assert failed > 0  # the refusals did reach the callers
    record_property("faults", refused)


def test_a_refused_unmapping_is_made_up_for(built: Path) -> None:
    """The SuperSlab that stayed mapped is the next one that is needed; nothing maps it twice."""
    found = faults(built, EAGER, "munmap 1 1")
    assert found["refused"] == 1
    assert found["rest"] <= faults(built, EAGER)["rest"] + 128


LIMITED = """
import ctypes, resource, errno
libc = ctypes.CDLL(None, use_errno=True)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = libc.free.argtypes = [ctypes.c_size_t]
blocks = (ctypes.c_size_t * 1000000)() # a list would have to grow at the limit, too
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
for size in (100, 5000, 300000, 1 << 20, 3 << 20, 48 << 20, 1 << 40, 1 << 62):
    count = 0
    while block := libc.malloc(size):
        ctypes.memset(block, 1, min(size, 1 << 16))
        blocks[count] = block
        count += 1
    assert ctypes.get_errno() == errno.ENOMEM
    print(size, count, flush=True)
    for i in range(count):
        libc.free(blocks[i])
    block = libc.malloc(size)
    assert (block is not None) == (count > 0)
    libc.free(block or 0)
"""


def test_all_goes_on_at_the_limit_of_address_space(run: Run) -> None:
    done = run("/usr/bin/python3", "-c", LIMITED, SUPERSLAB_TTL_SEC=0, REGION_MAX_MB=1)
    assert (done.returncode, done.stderr) == (0, "")
    counts = {int(size): int(n) for size, n in (row.split() for row in done.stdout.splitlines())}
    assert len(counts) == 8
    for size in (100, 5000, 300000, 1 << 20, 3 << 20):
        assert size * counts[size] > 16 << 20, size  # most of what there was
    assert counts[1 << 40] == counts[1 << 62] == 0
