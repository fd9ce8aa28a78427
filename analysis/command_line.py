"""What the commands of run.sh that only read results share: how options are read, and how one ends
that cannot be done."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from analysis.load import RunError
from compare.errors import UsageError
from compare.output import complain


class OneLineParser(argparse.ArgumentParser):
    """Bad options are one line and exit status 2."""

    def __init__(self, usage: str, description: str, epilog: str | None = None) -> None:
        super().__init__("run.sh", usage, description, epilog, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise RunError(message.removeprefix("argument "))


def status_of(command: Callable[[], int], option: str, written: str) -> int:
    """The exit status of `command`, which `option` asks for and which writes what `written` says;
    2, after one line, when it cannot be done."""
    try:
        return command()
    except (RunError, UsageError) as error:
        complain(f"run.sh: {option}: {error}".replace(f"{option}: --", "--"))
    except OSError as error:
        complain(f"run.sh: {option}: {error.filename or written}: {error.strerror}")
    return 2
