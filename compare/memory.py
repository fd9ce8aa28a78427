"""Trials beside those that are timed: resident memory seen from outside, latency of single calls.

They come after all others in the plan, in blocks of their own, every arm but A' once in each.
"""

import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

from compare.plan import MAX_PAD, Json

PURPOSES = ("memory", "latency")
TRIALS = 3  # processes per arm and cell
SAMPLE_EVERY_S = 0.01

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def plan(run: Json, purposes: Sequence[str]) -> list[Json]:
    """The entries to append to the plan of `run`."""
    chance = random.Random(f"{run['seed']} extra")
    labels = [str(arm["arm"]) for arm in run["arms"] if arm["twin_of"] is None]
    entries: list[Json] = []
    for purpose in purposes:
        for block in range(1, TRIALS + 1):
            for index, cell in enumerate(run["cells"]):
                if "program" in cell:
                    continue
                here = [label for label in labels if label in cell.get("arms", labels)]
                chance.shuffle(here)
                for place, label in enumerate(here):
                    entries.append(
                        {
                            "trial": len(run["plan"]) + len(entries),
                            "purpose": purpose,
                            "block": block,
                            "order": place,
                            "cell": index,
                            "arm": label,
                            "env_pad": chance.randint(0, MAX_PAD),
                        }
                    )
    return entries


class MemoryWatch:
    """Resident memory of a process over time, read from its statm: a file that the kernel fills in
    from counters, so that the process does not notice."""

    def __init__(self, program: str) -> None:
        """`program`: name of the executable, as the kernel has it; until then nothing is kept."""
        self._program = program[:15]
        self._begin = time.monotonic()
        self._running = False
        self.samples: list[tuple[float, int]] = []

    def look(self, pid: int) -> None:
        """Takes a sample: seconds since the watch began, KiB. Nothing when the process is gone."""
        try:
            if not self._running:
                name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace")
                self._running = name.strip() == self._program
            if self._running:
                pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
                self.samples.append((time.monotonic() - self._begin, pages * _PAGE_KIB))
        except (OSError, IndexError):
            return

    def write(self, path: Path) -> None:
        """Writes the samples as CSV. Raises OSError."""
        path.parent.mkdir(exist_ok=True)
        rows = "".join(f"{seconds:.4f},{kib}\n" for seconds, kib in self.samples if kib)
        path.write_text("seconds,rss_kib\n" + rows, encoding="ascii")
