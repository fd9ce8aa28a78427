"""Where things are in the checkout."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Folders and files of one checkout; all absolute."""

    root: Path
    driver: Path
    results: Path

    @property
    def latency(self) -> Path:
        """The driver that times each call."""
        return self.driver.with_name("hkl-latency")

    @property
    def micro(self) -> Path:
        """Google Benchmark's main with the micro-benchmarks."""
        return self.driver.with_name("hkl-micro")

    @property
    def phases(self) -> Path:
        """The phase files."""
        return Path(__file__).with_name("phases")

    @property
    def build(self) -> Path:
        """Where the driver is, and what is built with it."""
        return self.driver.parent

    @staticmethod
    def of_checkout() -> "Layout":
        """The checkout that this module is part of."""
        root = Path(__file__).resolve().parent.parent
        return Layout(root=root, driver=root / "build" / "hkl-driver", results=root / "results")

    @property
    def child(self) -> Path:
        """What runs a whole program under an allocator."""
        return self.root / "build" / "hkl-child"
