"""Where the checkout and what was built lie, for the tests of the harness."""

from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / "build"
