"""README.md names every setting and build variant that there is, and nothing that there is not."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_every_setting_is_there_with_its_default() -> None:
    code = (ROOT / "allocator/src/policy/settings.c").read_text()
    known = set(re.findall(r'"(HAKMEM_\w+)"', code))
    rows = dict(re.findall(r"^\| `(HAKMEM_\w+)` \| (\w+) \|", README, re.MULTILINE))
    assert set(rows) == known
    fields = dict(re.findall(r'{"(HAKMEM_\w+)", &hkm_settings\.(\w+)', code))
    defaults = dict(re.findall(r"^    \.(\w+) = (\w+)", code, re.MULTILINE))
    words = {"true": "1", "false": "0"}
    for name, field in fields.items():
        value = defaults.get(field, "0")
        assert rows[name] == words.get(value, value), name


def test_every_variant_is_there() -> None:
    variants = re.findall(r"^VARIANT_(\S+)", (ROOT / "allocator/variants.mk").read_text(), re.M)
    assert [name for name in variants if f"`{name}`" not in README] == []


def test_every_folder_and_file_linked_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
