"""SIGINT, SIGTERM and SIGHUP as something to look at, not as an exception anywhere.

A trial waits for its process and for `fd` at once; between trials the runner asks `pending`. So no
process is left behind and no record is half written.
"""

import os
import signal
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """While entered, the signals set `pending` and make `fd` readable."""

    def __init__(self) -> None:
        self.pending = False
        self.fd, self._write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup_before = -1

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.pending = True

    def __enter__(self) -> "Interrupt":
        self._wakeup_before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in _SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # started by nohup
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self.fd)
        os.close(self._write_fd)
