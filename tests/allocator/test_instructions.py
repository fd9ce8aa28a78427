"""The fast paths' instruction counts, as callgrind counts them: the same on every run."""

import re
import subprocess
from pathlib import Path

from tests.allocator.runs import Run

PAIRS = 10000


def instructions(run: Run, built: Path, folder: Path, iterations: int) -> dict[str, int]:
    """Instructions executed in malloc, in free, and in stubs of the procedure linkage table."""
    data = folder / f"callgrind.{iterations}"
    valgrind = ["valgrind", "--tool=callgrind", "--skip-plt=no", f"--callgrind-out-file={data}"]
    driver = [built / "hkl-driver", "--scenario", "tiny_hot", "--warmup", "0"]
    done = run(*valgrind, *driver, "--iters", str(iterations), "--batch", str(PAIRS))
    assert done.returncode == 0, done.stderr
    command = ["callgrind_annotate", "--auto=no", "--threshold=100", "--show-percs=no", str(data)]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {"malloc": 0, "free": 0, "plt": 0}
    for count, function, library in re.findall(r"^ *([\d,]+)  \S+?:(\S+)(.*)$", table, re.M):
        name = "plt" if "[PLT]" in library else function.removeprefix("hak_")
        if name in found:
            found[name] += int(count.replace(",", ""))
    return found


def test_malloc_and_free_take_at_most_20_instructions(
    run: Run, built: Path, tmp_path: Path
) -> None:
    few, many = (instructions(run, built, tmp_path, n) for n in (2, 12))
    # rounding takes the driver's own few calls for each iteration away
    each = {name: round((many[name] - few[name]) / (10 * PAIRS), 2) for name in few}
    assert each["plt"] >= 2  # a stub for either
    stub = each["plt"] / 2
    assert 5 < each["malloc"] + stub <= 20
    assert 5 < each["free"] + stub <= 20
