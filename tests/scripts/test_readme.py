"""README.md names every setting and build variant that there is, and no page what there is not."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_every_setting_is_there_with_its_default() -> None:
    """hakmem itself is asked; HAKMEM_TIMING is built into one variant only."""
    environment = {"LD_PRELOAD": str(ROOT / "build/libhakmem.so"), "HAKMEM_SETTINGS": "1"}
    said = subprocess.run(["/bin/true"], env=environment, stderr=subprocess.PIPE, text=True).stderr
    known = dict(re.findall(r"^setting (HAKMEM_\w+)=(\w+)$", said, re.MULTILINE))
    known |= {"HAKMEM_SETTINGS": "0", "HAKMEM_TIMING": "0"}
    rows = re.findall(r"^\| `(HAKMEM_\w+)` \| (\w+) \|", README, re.MULTILINE)
    assert len(known) > 20
    assert dict(rows) == known


def test_every_variant_is_there() -> None:
    variants = re.findall(r"^VARIANT_(\S+)", (ROOT / "allocator/variants.mk").read_text(), re.M)
    assert [name for name in variants if f"`{name}`" not in README] == []


def test_every_folder_and_file_linked_is_there() -> None:
    pages = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "allocator/README.md"]
    for page in [*pages, *ROOT.glob("docs/*.md")]:
        links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == [], page
