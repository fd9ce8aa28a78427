"""What the user sees while a run goes on, all on stderr.

On a terminal one line that is redrawn; elsewhere a plain line now and then. Drawn between trials
only: nothing of ours runs while a process is being measured. That nobody reads it any more, or its
disk is full, does not end the run.
"""

import contextlib
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_PLAIN_EVERY_S = 10.0
_AS_FAR_AS_POSSIBLE = contextlib.suppress(OSError, ValueError)  # ValueError: a closed file


def _duration(seconds: float) -> str:
    """As people say it: '40 s', '12 min', '1 h 05 min'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


class Display:
    """Progress of `total` trials, `done` of which were there before."""

    def __init__(self, total: int, done: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._total = total
        self._before = done
        self._begin = time.monotonic()
        self._plain_at = self._begin - _PLAIN_EVERY_S
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[left]}", markup=False),
                console=self._console,
                auto_refresh=False,
                transient=True,
            )
            self._task = self._bar.add_task("", total=total, completed=done, left="")

    def begin_trial(self, number: int, cell: str, arm: str) -> None:
        """Trial `number` (from 1) of the plan is about to run; all before it are finished."""
        now = time.monotonic()
        finished = number - 1 - self._before
        left = ""
        if finished > 0:
            each = (now - self._begin) / finished
            left = f"{_duration(each * (self._total - number + 1))} left"
        if self._bar is not None:
            self._bar.update(
                self._task, description=f"{cell:14}{arm:16}", completed=number - 1, left=left
            )
            with _AS_FAR_AS_POSSIBLE:
                self._bar.refresh()
        elif now - self._plain_at >= _PLAIN_EVERY_S:
            self._plain_at = now
            self.say(f"trial {number}/{self._total}  {cell}  {arm}" + (f"  {left}" if left else ""))

    def say(self, text: str) -> None:
        """One line that stays."""
        with _AS_FAR_AS_POSSIBLE:
            self._console.print(text, markup=False)

    def __enter__(self) -> "Display":
        if self._bar is not None:
            with _AS_FAR_AS_POSSIBLE:
                self._bar.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._bar is not None:
            with _AS_FAR_AS_POSSIBLE:
                self._bar.stop()
