"""The kernel's own limits, really met: the number of mappings, address space, private memory, and a
control group's memory."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.allocator.runs import Run
from tests.allocator.test_faults import SETTINGS

KIB_SPARE = 4096
# A limit, and how often it is met; the number of mappings with 0, 1 ... mappings to spare.
CYCLES = {"mappings": 3, "addresses": 1, "data": 1}


def limits(built: Path, limit: str, cycles: int, settings: dict[str, str]) -> dict[str, list[int]]:
    """What the program reports; it checks each call's outcome itself."""
    command = [str(built / "tests/allocator/limits"), limit, str(cycles)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=250)
    assert (done.returncode, done.stderr) == (0, ""), done
    print(done.stdout)
    found = re.findall(r"([a-z]+)((?: \d+)+)", done.stdout)
    return {name: [int(n) for n in numbers.split()] for name, numbers in found}


@pytest.mark.parametrize("limit", CYCLES)
@pytest.mark.parametrize("name", ["default", "eager", "unmapping", "slab by slab"])
def test_every_call_is_sound_at_the_limit_and_works_after_it(
    name: str, limit: str, built: Path
) -> None:
    settings = SETTINGS[name]
    if limit == "mappings" and int(Path("/proc/sys/vm/max_map_count").read_text()) > 1 << 20:
        pytest.skip("vm.max_map_count is more than memory has room for")
    never, met = (limits(built, limit, n, settings) for n in (0, CYCLES[limit]))
    assert never["failed"] == never["mmap"] == never["munmap"] == [0]
    assert met["failed"][0] > 0
    if limit == "mappings" and name != "default":
        assert met["munmap"][0] > 10  # holes that the kernel did not allow
    if name != "slab by slab":  # there SuperSlabs are not mapped as such
        assert met["besides"][1] == met["besides"][0]
    if name != "default":  # which keeps what is freed
        assert met["halved"][1] <= met["halved"][0] + 2 * KIB_SPARE
        assert met["resident"][1] <= never["resident"][1] + KIB_SPARE


# ---- A control group's memory ----

MIB = 1 << 20
LIMIT = 128 * MIB
# Three times as much: small blocks, middle ones, large ones; each all freed before the next.
PHASES = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = libc.free.argtypes = [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_size_t, ctypes.c_int, ctypes.c_size_t]
for size, live in zip((4000, 100000, 5 << 20), map(int, sys.argv[1:])):
    blocks = [libc.malloc(size) for _ in range(live // size)]
    for block in blocks:
        libc.memset(block, 1, size)
    for block in blocks:
        libc.free(block)
# not ru_maxrss, which begins with that of the process before exec
print(next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if "VmHWM" in line))
"""
THRIFTY = {"SUPERSLAB_TTL_SEC": 0, "BACKGROUND": 1, "WHALE_MAX_MB": 0, "WHALE_LEARN": 0}


def phases(mib: int) -> list[str]:
    return ["/usr/bin/python3", "-c", PHASES, *[str(mib * MIB)] * 3]


def test_what_is_freed_does_not_add_up(run: Run) -> None:
    done = run(*phases(64), **THRIFTY)
    assert (done.returncode, done.stderr) == (0, "")
    assert 64 * MIB < int(done.stdout) < LIMIT
    assert int(run(*phases(64)).stdout) > LIMIT  # by default it is kept for a minute


def hierarchy() -> tuple[Path, str, str] | None:
    """The memory controller: where it is mounted, the file of its limit, this process's group."""
    groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    v2 = Path("/sys/fs/cgroup/cgroup.controllers")
    if v2.exists() and "memory" in v2.read_text().split():
        return v2.parent, "memory.max", next(path for n, _, path in groups if n == "0")
    for _, controllers, path in groups:
        if "memory" in controllers.split(",") and Path("/sys/fs/cgroup/memory").is_dir():
            return Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", path
    return None


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with LIMIT. It is made in HKL_CGROUP, or at the top when this process is
    there: any other folder has a manager of its own."""
    found = hierarchy()
    if found is None:
        pytest.skip("this machine has no memory controller")
    mounted, limit, path = found
    if "HKL_CGROUP" in os.environ:
        mounted = Path(os.environ["HKL_CGROUP"])
    elif path != "/":
        pytest.skip(f"{path} is not ours to divide; HKL_CGROUP names a control group that is")
    made = mounted / f"hkl-test-{os.getpid()}"
    try:
        control = mounted / "cgroup.subtree_control"
        if control.exists():
            control.write_text("+memory")
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        (made / limit).write_text(str(LIMIT))
        swap = made / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")
        yield made
    finally:
        made.rmdir()


def in_group(group: Path, run: Run, mib: int, library: str | None, **settings: object) -> int:
    """The phases in the control group: their exit status."""
    enter = f'echo $$ > {group}/cgroup.procs; exec "$@"'
    command = ["/bin/sh", "-c", enter, "sh", *phases(mib)]
    given = {} if library is None else {"library": library}
    return run(*command, **given, **settings).returncode


def test_a_process_that_frees_is_not_killed_in_its_control_group(group: Path, run: Run) -> None:
    assert in_group(group, run, 140, "") == -signal.SIGKILL  # the limit is real
    assert in_group(group, run, 64, "") == 0  # the C library
    assert in_group(group, run, 64, None, **THRIFTY) == 0
