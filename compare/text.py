"""Small things about words in messages."""

import difflib
import unicodedata
from collections.abc import Iterable

_NEAR = 0.5  # of 1: how alike a word must be to be worth suggesting
_CONTROLS = ("Cc", "Cs", "Zl", "Zp")  # control characters, bytes that are not UTF-8, line ends


def did_you_mean(word: str, words: Iterable[str], hint: str = "") -> str:
    """The end of a message: "; did you mean 'X'? HINT" with the one of `words` that is most like
    `word`; if none is like it, "; HINT"."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=_NEAR)
    said = [f"did you mean '{near[0]}'?"] if near else []
    said += [hint] if hint else []
    return f"; {' '.join(said)}" if said else ""


def not_plain(text: str) -> bool:
    """Whether `text` holds what would break a line, a terminal or UTF-8."""
    return any(unicodedata.category(letter) in _CONTROLS for letter in text)


def one_line(text: str, limit: int = 300) -> str:
    """`text` with every run of white space made one space, other control characters spelled out,
    cut to `limit` characters."""
    line = " ".join(text.split())
    if not_plain(line):
        line = "".join(
            letter.encode("unicode_escape").decode() if not_plain(letter) else letter
            for letter in line
        )
    return line if len(line) <= limit else line[: limit - 3] + "..."


def last_line(text: str) -> str:
    """The last line of `text` that is not empty; '' when there is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else ""
