"""The hardened variant: what is fatal in it, and what nobody can foresee."""

import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.allocator.runs import ROOT, Run, make
from tests.allocator.test_wrong_frees import PROBES

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

# One byte, at an offset from the block's start or from its end, before it is freed or after.
TOUCH = r"""
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    const size_t size = strtoul(argv[1], NULL, 10), alignment = strtoul(argv[2], NULL, 10);
    volatile char *block = aligned_alloc(alignment, size);
    const long at = strtol(argv[4], NULL, 10);
    const size_t from = argv[3][0] == 'e' ? malloc_usable_size((void *)block) : 0;
    volatile char *touched = block + from + at;
    if (argc > 5)
        free((void *)block);
    return *touched;
}
"""

# More large blocks than a process may have mappings, then all of them moved by realloc and freed.
MANY = r"""
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    static char *blocks[70000];
    for (int round = 0; round < 2; round++) {
        int n = 0;
        while (n < 70000 && (blocks[n] = malloc(70000 + (size_t)n)) != NULL)
            *(int *)blocks[n] = n, n++;
        const int error = errno;
        for (int i = n - 1; i >= 0; i -= 2) {
            free(blocks[i]);
            blocks[i] = NULL;
        }
        int moved = 0;
        for (int i = 0; i < n; i++) {
            char *grown = blocks[i] != NULL ? realloc(blocks[i], 200000) : NULL;
            if (grown != NULL)
                moved += grown != blocks[i], blocks[i] = grown;
            if (blocks[i] != NULL && *(int *)blocks[i] != i)
                abort();
            free(blocks[i]);
        }
        printf("%d %d %d\n", n, error == ENOMEM, moved);
    }
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


@pytest.mark.parametrize("size", [16, 100, 1000, 5000, 20000, 60000])
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


@pytest.mark.parametrize("alignment", [16, 4096, 1 << 16, 1 << 22])
@pytest.mark.parametrize("size", [(64 << 10) + 1, 300000, 1 << 20, 3 << 20])
def test_large_blocks_lie_between_guard_pages(
    size: int, alignment: int, run: Run, hardened: Path, tmp_path: Path
) -> None:
    program = compiled(tmp_path, TOUCH)

    def touch(*arguments: str) -> int:
        return run(program, str(size), str(alignment), *arguments, library=hardened).returncode

    assert [touch("start", "0"), touch("end", "-1")] == [0, 0]
    assert [touch("start", "-1"), touch("end", "0")] == [-signal.SIGSEGV] * 2
    # freed, it cannot even be read
    assert [touch("start", "0", "free"), touch("start", str(size // 2), "free")] == [
        -signal.SIGSEGV
    ] * 2


def test_large_blocks_to_the_limit_of_mappings(run: Run, hardened: Path, tmp_path: Path) -> None:
    """The addresses that wait are given up before a request is refused."""
    program = compiled(tmp_path, MANY)
    done = run(program, library=hardened)
    assert (done.returncode, done.stderr) == (0, ""), done
    rounds = [list(map(int, line.split())) for line in done.stdout.splitlines()]
    for n, refused, moved in rounds:
        assert 10000 < n < 70000 and refused == 1 and moved > n // 4
    assert rounds[1][0] >= rounds[0][0] - 300  # but for what waits, all has come back


@pytest.mark.parametrize("setting", ["abort", "ignore"])
def test_every_wrong_free_is_fatal(setting: str, run: Run, hardened: Path, built: Path) -> None:
    done = run(built / "tests/allocator/wrong_frees", library=hardened, ON_ERROR=setting)
    probes = [line.split("\t") for line in done.stdout.splitlines()]
    found = Counter(outcome for *_, outcome in probes)
    # placed at random, another block may be given just that address: then it is no wrong free
    by_chance = [kind for kind, *_, outcome in probes if outcome == "none"]
    assert set(by_chance) <= {"double: after another's reuse"} and len(by_chance) < 8
    assert found == Counter(aborted=PROBES - len(by_chance), none=len(by_chance))


def test_random_calls_match_the_model(run: Run, hardened: Path, built: Path) -> None:
    stress = built / "tests/allocator/stress"
    done = run(stress, "--operations", "300000", library=hardened)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "operations 300000" in done.stdout
