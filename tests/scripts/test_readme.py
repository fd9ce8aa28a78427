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
    units = {"1": 1, "1024": 1 << 10, "MIB": 1 << 20, "SECOND": 10**9}
    defaults = dict(re.findall(r"^    \.(\w+) = (.+),$", code, re.MULTILINE))
    numbers = re.findall(r'{"(HAKMEM_\w+)", &hkm_settings\.(\w+), (\w+), ', code)
    switches = re.findall(r'{"(HAKMEM_\w+)", &hkm_settings\.(\w+)}', code)
    assert len(numbers) > 5 and len(switches) > 5
    for name, field, unit in numbers:
        count, _, times = defaults.get(field, "0").partition(" * ")
        assert int(rows[name]) * units[unit] == int(count) * units[times or "1"], name
    for name, field in switches:
        assert rows[name] == ("1" if defaults.get(field) == "true" else "0"), name


def test_every_variant_is_there() -> None:
    variants = re.findall(r"^VARIANT_(\S+)", (ROOT / "allocator/variants.mk").read_text(), re.M)
    assert [name for name in variants if f"`{name}`" not in README] == []


def test_every_folder_and_file_linked_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
