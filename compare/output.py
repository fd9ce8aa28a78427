"""What goes to stdout and stderr, whatever they are: closed, full, or read by nobody any more."""

import contextlib
import os
import sys
from typing import TextIO

from compare.errors import UsageError
from compare.text import one_line

_LONGEST_MESSAGE = 10_000  # characters


def put(text: str) -> None:
    """Prints `text`. A reader that has seen enough ('| head') is no error; a full disk raises
    UsageError."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        pass
    except OSError as error:
        raise UsageError(f"stdout: cannot be written: {error.strerror}") from error


def complain(text: str) -> None:
    """Prints `text`, which may hold what a user typed, as one line on stderr if it can."""
    with contextlib.suppress(OSError):
        print(one_line(text, _LONGEST_MESSAGE), file=sys.stderr)


def settle() -> None:
    """To be called last: what cannot be written is dropped, or Python would complain at its end."""
    streams: tuple[TextIO | None, ...] = (sys.stdout, sys.stderr)
    for stream in streams:
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
