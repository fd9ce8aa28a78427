"""Resident memory of a process over time, seen from outside."""

import os
import time
from pathlib import Path

SAMPLE_EVERY_S = 0.01

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class MemoryWatch:
    """Samples of a process's statm: a file that the kernel fills in from counters, so that the
    process does not notice."""

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
