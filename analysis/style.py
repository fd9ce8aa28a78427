"""One look for all pictures: a colour and a marker for each allocator, the same everywhere.

Colours are from two palettes made for colour-blind readers, Okabe & Ito (2008) and Paul Tol's
"muted" (2021); the marker tells allocators apart without colour.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.load import Arm


@dataclass(frozen=True)
class Style:
    """How an arm is drawn; `line` and `filled` tell arms of the same allocator apart."""

    colour: str
    marker: str
    line: str = "-"
    filled: bool = True


_FIXED = {
    "hakmem": Style("#d55e00", "o"),
    "system": Style("#444444", "s"),
    "mimalloc": Style("#0072b2", "D"),
    "jemalloc": Style("#009e73", "^"),
    "tcmalloc": Style("#cc79a7", "v"),
    "tbb": Style("#882255", "P"),
    "scudo": Style("#e69f00", "X"),
    "snmalloc": Style("#56b4e9", "<"),
    "rpmalloc": Style("#999933", ">"),
    "floor": Style("#999999", "|"),
}
_OTHERS = (
    Style("#332288", "h"),
    Style("#117733", "p"),
    Style("#aa4499", "*"),
    Style("#44aa99", "d"),
    Style("#cc6677", "8"),
)
_LINES = ("-", "--", ":", "-.")


def allocator_style(allocator: str) -> Style:
    """The style of an allocator; one that is not known gets its style by its name, in every run the
    same."""
    known = _FIXED.get(allocator)
    return known or _OTHERS[zlib.crc32(allocator.encode()) % len(_OTHERS)]


def arm_styles(arms: Sequence[Arm]) -> dict[str, Style]:
    """Arm -> style: its allocator's, with another line and hollow markers for a second arm of the
    same one."""
    styles: dict[str, Style] = {}
    times_seen: dict[str, int] = {}
    for arm in arms:
        nth = times_seen.get(arm.allocator, 0)
        times_seen[arm.allocator] = nth + 1
        base = allocator_style(arm.allocator)
        styles[arm.arm] = Style(base.colour, base.marker, _LINES[nth % len(_LINES)], nth == 0)
    return styles
