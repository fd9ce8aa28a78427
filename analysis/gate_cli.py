"""The command line of the gate: `./run.sh --gate BASE NEW [--bound PERCENT] [--force WHAT]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from analysis import gate, gate_report
from analysis.command_line import OneLineParser, status_of
from analysis.load import RunError
from compare.output import put

CLOSED = 3  # exit status: something got worse
NAME = "gate.md"


def _bound(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"'{text}': must be per cent, from 0 to 1000")
    return value / 100


def _overrides(text: str) -> list[str]:
    words = text.split(",")
    for word in words:
        if word not in gate.OVERRIDES:
            raise argparse.ArgumentTypeError(
                f"'{word}': must be {' or '.join(gate.OVERRIDES)}, or both with a comma"
            )
    return words


def _parser() -> OneLineParser:
    parser = OneLineParser(
        usage="./run.sh --gate BASE NEW [options]",
        description="Did anything get worse from run BASE to run NEW by more than the noise?",
        epilog="Each side is a run's folder, or FOLDER:ALLOCATOR. Two allocators of one run are "
        "paired block by block, which sees smaller changes than two runs do. Exit status: 0 "
        "nothing shown to be worse, 3 something is, 2 the two cannot be compared.",
    )
    parser.add_argument("--gate", nargs="*", required=True, metavar="RUN", help="BASE and NEW")
    parser.add_argument(
        "--bound",
        type=_bound,
        default=gate.DEFAULT_BOUND,
        metavar="PERCENT",
        help=f"changes up to this are let through ({100 * gate.DEFAULT_BOUND:g})",
    )
    parser.add_argument(
        "--force",
        type=_overrides,
        default=[],
        metavar="WHAT",
        help="compare runs whose machine or params (of scenarios) differ: name what",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"where the summary is written, in Markdown ({NAME} in NEW's folder)",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Prints and writes the summary; returns the exit status."""
    return status_of(lambda: _gate(argv), "--gate", "the summary")


def _gate(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    if len(options.gate) != 2:
        raise RunError(f"{len(options.gate)} runs given, it takes two: BASE and NEW")
    base, new = (gate.side(text) for text in options.gate)
    found = gate.compare(base, new, options.bound, options.force)
    text = gate_report.markdown(found)
    (options.out or new.run.folder / NAME).write_text(text, encoding="utf-8")
    put(text.rstrip("\n"))
    return CLOSED if found.worse else 0
