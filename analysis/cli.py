"""The command line: `python -m analysis RUN_FOLDER [--quiet]`. Reads a run, writes its report,
prints its table."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from analysis import report, table
from analysis.load import RunError, load
from analysis.summary import Summary, summarise


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 when the folder is not a run or cannot be written (nothing
    is written)."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        description="Statistics, plots and report of a finished run; reads nothing but its folder.",
        allow_abbrev=False,
    )
    parser.add_argument("run_folder", type=Path, help="a folder with run.json and trials.jsonl")
    parser.add_argument("--quiet", action="store_true", help="write the files, print nothing")
    options = parser.parse_args(argv)
    try:
        summary = summarise(load(options.run_folder))
        report.write(summary, options.run_folder)
    except RunError as error:
        print(f"analysis: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"analysis: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    if not options.quiet:
        _print(summary, options.run_folder / "report.html")
    return 0


def _print(summary: Summary, report_path: Path) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A title may hold a character that this terminal cannot show.
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    console.width = (
        max(console.width, table.LEAST_WIDTH) if console.is_terminal else table.PLAIN_WIDTH
    )
    try:
        table.print_summary(summary, console, str(report_path))
    except BrokenPipeError:
        # The reader has seen enough ('| head'); what Python still holds must go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
