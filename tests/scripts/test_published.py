"""The published runs: every link of their pages leads to a file, and no picture is unlinked."""

import re
from pathlib import Path

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"


def linked() -> set[Path]:
    """Files that the pages link to or show."""
    return {
        (page.parent / link).resolve()
        for page in REFERENCE.glob("**/*.md")
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text())
        if "://" not in link
    }


def test_every_link_leads_to_a_file() -> None:
    assert {path.name for path in linked()} >= {"report.md", "forest.png", "trend.png"}
    assert [path for path in linked() if not path.is_file()] == []


def test_every_picture_is_shown() -> None:
    pictures = {*REFERENCE.glob("**/*.png"), *REFERENCE.glob("**/*.svg")}
    assert pictures - linked() == set()
