"""Flame graphs: widths are shares, names cannot break the picture."""

import xml.etree.ElementTree as ElementTree
from collections import Counter

import pytest

from analysis import flame

STACKS = Counter({"main;a": 60, "main;b;c": 30, "main;b;clear_page_[k]": 10})
SPACE = "{http://www.w3.org/2000/svg}"


def boxes(text: str) -> dict[str, tuple[float, float]]:
    """Name -> left edge and width."""
    found = {}
    for group in ElementTree.fromstring(text).iter(f"{SPACE}g"):
        title, rect = group.find(f"{SPACE}title"), group.find(f"{SPACE}rect")
        assert title is not None and rect is not None and title.text
        found[title.text.rpartition(": ")[0]] = (
            float(rect.get("x", 0)),
            float(rect.get("width", 0)),
        )
    return found


def test_widths_are_shares() -> None:
    drawn = boxes(flame.svg(STACKS, "title"))
    full = drawn["all"][1] + 0.5
    for name, share in {"main": 1, "a": 0.6, "b": 0.4, "c": 0.3, "clear_page_[k]": 0.1}.items():
        assert drawn[name][1] + 0.5 == pytest.approx(share * full, abs=0.2)
    assert drawn["b"][0] == pytest.approx(drawn["a"][0] + 0.6 * full, abs=0.2)


def test_hot_symbols_and_the_kernels_share() -> None:
    hot = flame.hot_symbols(STACKS + Counter({"main;b;b": 100}))
    assert hot[0] == ("b", 0.5, 0.7)
    assert ("a", 0.3, 0.3) in hot
    assert flame.kernel_share(STACKS) == 0.1


def test_names_are_escaped() -> None:
    text = flame.svg(Counter({"<script>&\"'": 5}), "a<b")
    assert "<script>" not in text
    ElementTree.fromstring(text)


def test_nothing_sampled_is_an_empty_picture() -> None:
    assert set(boxes(flame.svg(Counter(), "t"))) == {"all"}
    assert flame.hot_symbols(Counter()) == []


def test_parse_refuses_what_is_no_stack() -> None:
    assert flame.parse("a;b c 3\na 1\n") == {"a;b c": 3, "a": 1}
    for text in ("nonsense", "a;b x\n"):
        with pytest.raises(ValueError):
            flame.parse(text)
