"""Small things about words in messages."""

import difflib
from collections.abc import Iterable


def nearest(word: str, words: Iterable[str]) -> str:
    """The one of `words` (at least one) that is most like `word`."""
    return difflib.get_close_matches(word, list(words), n=1, cutoff=0.0)[0]


def one_line(text: str, limit: int = 300) -> str:
    """`text` with every run of white space made one space, cut to `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def last_line(text: str) -> str:
    """The last line of `text` that is not empty; '' when there is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else ""
