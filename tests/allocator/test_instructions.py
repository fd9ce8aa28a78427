"""The fast paths' instruction counts, as callgrind counts them: the same on every run."""

import re
import subprocess
from pathlib import Path

from tests.allocator.runs import Run

PAIRS = 10000


def instructions(run: Run, built: Path, folder: Path, iterations: int) -> dict[str, int]:
    """Instructions executed in malloc and in free, without the stubs that lead to them."""
    data = folder / f"callgrind.{iterations}"
    valgrind = ["valgrind", "--tool=callgrind", "--skip-plt=no", f"--callgrind-out-file={data}"]
    driver = [built / "hkl-driver", "--scenario", "tiny_hot", "--warmup", "0"]
    done = run(*valgrind, *driver, "--iters", str(iterations), "--batch", str(PAIRS))
    assert done.returncode == 0, done.stderr
    command = ["callgrind_annotate", "--auto=no", "--threshold=100", "--show-percs=no", str(data)]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {"malloc": 0, "free": 0}
    for count, function in re.findall(r"^ *([\d,]+)  \S+?:(\S+)", table, re.M):
        name = function.removeprefix("hak_")
        if name in found:
            found[name] += int(count.replace(",", ""))
    return found


def stub_length(driver: Path, function: str) -> int:
    """Instructions of the driver's stub in the procedure linkage table, its jump included."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(driver)]
    code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    stub = code.split(f"<{function}@plt>:\n")[1].split("\n\n")[0].splitlines()
    return 1 + next(i for i, line in enumerate(stub) if "jmp" in line)


def test_malloc_and_free_take_at_most_20_instructions(
    run: Run, built: Path, tmp_path: Path
) -> None:
    few, many = (instructions(run, built, tmp_path, n) for n in (2, 12))
    for function in ("malloc", "free"):
        # rounding takes the driver's own few calls for each iteration away
        each = round((many[function] - few[function]) / (10 * PAIRS), 2)
        assert 5 < each + stub_length(built / "hkl-driver", function) <= 20, function
