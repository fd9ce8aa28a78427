"""The command line of the trend page: `./run.sh --trend [FOLDER ...] [options]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from analysis import trend
from analysis.command_line import OneLineParser, status_of
from compare import metric
from compare.output import put
from compare.text import did_you_mean

REFERENCE = Path(__file__).resolve().parents[1] / "results" / "reference"


def _metric(text: str) -> str:
    try:
        names = metric.quantities(text)
    except metric.MetricError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    for name in names:
        group, _, rest = name.partition(".")
        if name not in metric.PLAIN and not (group in metric.GROUPS and rest):
            near = did_you_mean(name, metric.known([]))
            raise argparse.ArgumentTypeError(f"'{name}': no such quantity{near}")
    return text


def _parser() -> OneLineParser:
    parser = OneLineParser(
        usage="./run.sh --trend [FOLDER ...] [options]",
        description="A metric over commits, from all the runs in some folders.",
    )
    parser.add_argument(
        "--trend",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="folders that hold runs, at any depth (results/reference)",
    )
    parser.add_argument(
        "--metric",
        type=_metric,
        default="time",
        metavar="M",
        help="time, rss_peak, cold_time, total.whale.hit ...: as in a phase's file (time)",
    )
    parser.add_argument(
        "--against",
        metavar="ALLOCATOR",
        help="show ratios to this allocator of the same run: free of the machine's drift",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for trend.html, trend.md and trend.png (the first FOLDER's 'trend')",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Writes the page, says where; returns the exit status."""
    return status_of(lambda: _trend(argv), "--trend", "the page")


def _trend(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    folders = options.trend or [REFERENCE]
    found = trend.gather(trend.find_runs(folders), options.metric, options.against)
    out = options.out or folders[0] / "trend"
    trend.write(found, out)
    put(str(out / "trend.html"))
    return 0
