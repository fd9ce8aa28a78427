"""The command line: `python -m analysis RUN_FOLDER [--quiet]`. Reads a run, or the runs of several
phases, writes the reports, prints tables."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from analysis import index, phase_tables, report, table
from analysis.load import RunError, load
from analysis.summary import Summary, summarise
from compare.output import complain


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
    folder = options.run_folder
    try:
        several = index.parts(folder)
        summaries = {part.name: summarise(load(part)) for part in several}
        for part, summary in zip(several, summaries.values()):
            report.write(summary, part)
        if several != [folder]:
            index.write(summaries, folder)
    except RunError as error:
        complain(f"analysis: {error}")
        return 2
    except OSError as error:
        complain(f"analysis: {error.filename or folder}: {error.strerror}")
        return 2
    if not options.quiet:
        page = "report.html" if several == [folder] else "index.html"
        try:
            _print(list(summaries.values()), str(folder / page))
        except BrokenPipeError:
            pass  # the reader has seen enough ('| head')
        except OSError as error:
            complain(f"analysis: stdout: cannot be written: {error.strerror}")
            return 2
    return 0


def _print(summaries: list[Summary], page: str) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A title may hold a character that this terminal cannot show.
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    console.width = (
        max(console.width, table.LEAST_WIDTH) if console.is_terminal else table.PLAIN_WIDTH
    )
    if len(summaries) == 1:
        table.print_summary(summaries[0], console)
    for summary in summaries:
        if summary.verdicts is not None:
            phase_tables.print_verdicts(summary.run, summary.verdicts, console)
    console.print(Text(f"report: {page}"))
    sys.stdout.flush()
