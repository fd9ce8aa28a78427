"""hakmem under what made it: the compiler on all that make builds, git on the history, CPython."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(os.environ.get("HAKMEM_TEST_LIBRARY", ROOT / "build/libhakmem.so"))
NIGHTLY = "HKL_NIGHTLY" in os.environ
LIMIT_S = 2000

pytestmark = pytest.mark.timeout(2 * LIMIT_S)

# CPython's own tests of memory, data types, threads and buffers.
PYTHON_TESTS = (
    *("array", "bool", "bufio", "buffer", "bytes", "collections", "complex", "contextlib", "copy"),
    *("deque", "descr", "dict", "enumerate", "exceptions", "fileio", "float", "fork1", "gc"),
    *("generators", "hash", "heapq", "int", "itertools", "json", "list", "long", "memoryio"),
    *("memoryview", "mmap", "ordered_dict", "queue", "range", "set", "slice", "sort", "string"),
    *("struct", "thread", "threadedtempfile", "threading", "threading_local", "tuple", "unicode"),
    *("userdict", "userlist", "weakset", "zlib"),
)
NIGHTLY_PYTHON_TESTS = (
    *("concurrent_futures", "decimal", "functools", "io", "lzma", "os", "pickle", "subprocess"),
    "weakref",
)


def environment(preloaded: bool, **more: str) -> dict[str, str]:
    """As little as works; PYTHONMALLOC: Python's small objects come from malloc, too."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    env = {**kept, "LC_ALL": "C.UTF-8", "GIT_CONFIG_GLOBAL": os.devnull, "PYTHONMALLOC": "malloc"}
    env |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory"}
    env |= {"GIT_CONFIG_VALUE_0": "*", **more}
    if preloaded:
        env["LD_PRELOAD"] = str(LIBRARY)
    return env


def run(command: list[str], preloaded: bool, cwd: Path, **more: str) -> str:
    """Runs a program to its end; what it printed. A bad status fails."""
    done = subprocess.run(
        command,
        env=environment(preloaded, **more),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT_S,
    )
    said = (done.stdout + done.stderr)[-4000:]
    assert done.returncode == 0, f"{command[0]}: status {done.returncode}: {said}"
    assert "hakmem:" not in done.stderr and "ld.so" not in done.stderr, done.stderr[-2000:]
    return done.stdout


def test_cpython_passes_its_own_tests(tmp_path: Path) -> None:
    """Debian's package libpython3.11-testsuite has them (scripts/bootstrap test installs it)."""
    wanted = [f"test_{name}" for name in PYTHON_TESTS + (NIGHTLY_PYTHON_TESTS if NIGHTLY else ())]
    maps = "print(open('/proc/self/maps').read())"
    assert LIBRARY.name in run(["/usr/bin/python3", "-c", maps], True, tmp_path)
    line = ["/usr/bin/python3", "-m", "test", "--timeout", "1000", *wanted]
    said = run(line, True, tmp_path)
    # A module that is not there, or skips itself, would be counted apart.
    assert f"All {len(wanted)} tests OK." in said, said[-4000:]


def test_gcc_builds_the_same_project(tmp_path: Path) -> None:
    """Every file that make builds is the same to the last byte, and the library works."""
    sums = []
    build = tmp_path / "build"
    for preloaded in (False, True):
        line = ["make", "-s", "-j2", "-C", str(ROOT), f"BUILD={build}", "all", "test-programs"]
        run(line, preloaded, tmp_path)
        files = sorted(path for path in build.rglob("*") if path.is_file() and path.suffix != ".d")
        sums.append({path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
        build.rename(tmp_path / f"build-{preloaded}")
    assert sums[0] == sums[1]
    names = {path.name for path in sums[0]}
    assert len(names) > 100 and {"libhakmem.a", "hkl-driver", "hkl-micro", "test_cxx"} <= names
    built = tmp_path / "build-True" / "libhakmem.so"
    maps = subprocess.run(
        ["/bin/cat", "/proc/self/maps"], env={"LD_PRELOAD": str(built)}, capture_output=True
    )
    assert (maps.returncode, maps.stderr) == (0, b"")
    assert str(built).encode() in maps.stdout


def test_git_on_this_repository(tmp_path: Path) -> None:
    """Cloned object by object, read through, packed anew: nothing is lost, all is found sound."""
    if not (ROOT / ".git").exists():
        pytest.skip("this copy of the project is not a git repository")
    # Of a copy: somebody may commit meanwhile.
    source = tmp_path / "source"
    run(["git", "clone", "-q", "--mirror", ROOT.as_uri(), str(source)], False, tmp_path)
    told = []
    for preloaded in (False, True):
        folder = tmp_path / f"clone-{preloaded}"

        def git(*arguments: str) -> str:
            return run(["git", "-C", str(folder), *arguments], preloaded, tmp_path)

        line = ["git", "clone", "-q", "--no-checkout", source.as_uri(), str(folder)]
        run(line, preloaded, tmp_path)
        git("checkout", "-q", "--detach", "HEAD")
        before = git("cat-file", "--batch-all-objects", "--batch-check")
        git("fsck", "--full", "--strict", "--no-progress")
        log = git("log", "--stat", "-p", "-n", "60", "HEAD")
        git("-c", "pack.threads=2", "gc", "-q", "--aggressive", "--prune=now")
        git("fsck", "--full", "--no-progress")
        assert git("cat-file", "--batch-all-objects", "--batch-check") == before
        assert git("status", "--porcelain") == ""
        told.append((before, log, git("blame", "HEAD", "--", "Makefile")))
    assert told[0] == told[1]
    assert told[0][0].count("\n") > 100
