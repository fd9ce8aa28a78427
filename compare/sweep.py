"""Sweeps: several values of --threads or --size, each of which becomes a cell of its own.

Reads the options' text and says which combinations there are; knows nothing of scenarios.
"""

import argparse
import itertools
import re
from collections.abc import Callable, Mapping, Sequence

MAX_VALUES = 32  # of one option

Values = tuple[int, ...]


def _distinct(values: Sequence[int], text: str) -> Values:
    """`values` as they are. Raises ArgumentTypeError when there are too many, or one twice."""
    if len(set(values)) < len(values):
        raise argparse.ArgumentTypeError(f"'{text}': holds a value twice")
    if len(values) > MAX_VALUES:
        raise argparse.ArgumentTypeError(f"'{text}': must be at most {MAX_VALUES} values")
    return tuple(values)


def of(read_one: Callable[[str], int]) -> Callable[[str], Values]:
    """A reader of 'A,B,C', each value as `read_one` reads it."""

    def read(text: str) -> Values:
        return _distinct([read_one(part) for part in text.split(",")], text)

    return read


def doubling(read_one: Callable[[str], int]) -> Callable[[str], Values]:
    """A reader of 'A,B,C' or 'A..B': A, 2 A, 4 A and so on up to B."""
    read_list = of(read_one)

    def read(text: str) -> Values:
        match = re.fullmatch(r"([^.,]+)\.\.([^.,]+)", text)
        if not match:
            return read_list(text)
        value, last = read_one(match[1]), read_one(match[2])
        values = [value]
        while 0 < value < last:
            value *= 2
            values.append(value)
        if value != last:
            raise argparse.ArgumentTypeError(
                f"'{text}': must be FIRST..LAST with LAST reached from FIRST by doubling"
            )
        return _distinct(values, text)

    return read


def combinations(
    given: Mapping[str, int | None], swept: Mapping[str, Values | None]
) -> list[dict[str, int | None]]:
    """`given` with each combination of the values of `swept` (None: not given) filled in."""
    lists = [values or (None,) for values in swept.values()]
    return [{**given, **dict(zip(swept, point))} for point in itertools.product(*lists)]
