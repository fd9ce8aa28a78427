"""The hardened variant: what is fatal in it, and what nobody can foresee."""

import subprocess
from pathlib import Path

import pytest

from tests.allocator.runs import ROOT, Run, make

WRITE_AFTER_FREE = r"""
#include <stdlib.h>
int main(int argc, char **argv) {
    const size_t size = strtoul(argv[1], NULL, 10), at = strtoul(argv[2], NULL, 10);
    char *volatile block = malloc(size);
    free(block);
    if (argc > 3)
        block[at] = 'x';
    for (int i = 0; i < 5000; i++)
        free(malloc(size));
    return 0;
}
"""

PLACES = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    int again = 0, ascending = 0;
    for (int i = 0; i < 1000; i++) {
        const uintptr_t first = (uintptr_t)malloc(64);
        free((void *)first);
        void *second = malloc(64);
        again += (uintptr_t)second == first;
        free(second);
    }
    uintptr_t last = 0;
    for (int i = 0; i < 1000; i++) {
        const uintptr_t block = (uintptr_t)malloc(200);
        ascending += block > last;
        last = block;
    }
    printf("%d %d\n", again, ascending);
    return 0;
}
"""


@pytest.fixture(scope="module")
def hardened(built: Path) -> Path:
    path = built / "variants/hardened/libhakmem.so"
    make("VARIANT=hardened", str(path.relative_to(ROOT)))
    return path


def compiled(folder: Path, source: str) -> Path:
    (folder / "program.c").write_text(source)
    command: list[str | Path] = [
        "gcc",
        "-O1",
        "-fno-builtin",
        "-w",
        folder / "program.c",
        "-o",
        folder / "program",
    ]
    subprocess.run(command, check=True)
    return folder / "program"


@pytest.mark.parametrize("size", [16, 100, 1000, 5000, 20000, 300000, 1 << 20, 3 << 20])
def test_a_write_after_free_is_fatal(size: int, run: Run, hardened: Path, tmp_path: Path) -> None:
    program = compiled(tmp_path, WRITE_AFTER_FREE)
    for at in (0, size // 2, size - 1):
        done = run(program, str(size), str(at), "write", library=hardened, ON_ERROR="ignore")
        assert done.returncode < 0
        assert done.stderr.endswith("written to after it was freed\n")
    done = run(program, str(size), "0", library=hardened)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_block_comes_back_at_once_or_in_order(
    run: Run, hardened: Path, built: Path, tmp_path: Path
) -> None:
    program = compiled(tmp_path, PLACES)
    again, ascending = map(int, run(program, library=hardened).stdout.split())
    assert again < 50 and 200 < ascending < 800
    # and the default build's differ, so that this is seen to tell
    again, ascending = map(int, run(program, library=built / "libhakmem.so").stdout.split())
    assert again > 900 and ascending > 900


@pytest.mark.parametrize("setting", ["abort", "ignore"])
def test_every_wrong_free_is_fatal(setting: str, run: Run, hardened: Path, built: Path) -> None:
    done = run(built / "tests/allocator/wrong_frees", library=hardened, ON_ERROR=setting)
    found = [line.split("\t")[-1] for line in done.stdout.splitlines()]
    assert len(found) > 300 and set(found) == {"aborted"}


def test_random_calls_match_the_model(run: Run, hardened: Path, built: Path) -> None:
    stress = built / "tests/allocator/stress"
    done = run(stress, "--operations", "300000", library=hardened)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "operations 300000" in done.stdout
