"""make aarch64: all unit tests, random calls, wrong frees and a run of the driver, emulated."""

import json
import re
from pathlib import Path

import pytest

from tests.allocator.runs import BUILD, make
from tests.allocator.test_wrong_frees import PROBES

OPERATIONS = 50_000
EM_AARCH64 = 183
# Each says why by skip_under_emulator; one of them is in two programs.
SKIPPED = 8

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def printed() -> str:
    return make("aarch64", f"AARCH64_STRESS={OPERATIONS}")


def programs(folder: Path) -> set[str]:
    return {path.name for path in (folder / "tests/allocator").glob("test_*") if not path.suffix}


def test_what_runs_is_for_aarch64(printed: str) -> None:
    for name in ("libhakmem.so", "hkl-driver", "tests/allocator/test_api"):
        header = (BUILD / "aarch64" / name).read_bytes()[:20]
        assert int.from_bytes(header[18:20], "little") == EM_AARCH64, name


def test_every_unit_test_passes_or_says_why_not(printed: str, built: Path) -> None:
    ran = re.findall(r"^(\S+) +allocator/(\S+): (\d+) passed", printed, re.M)
    assert {status for status, _, _ in ran} == {"ok"}
    assert {name for _, name, _ in ran} == programs(built)
    passed = sum(int(count) for _, _, count in ran)
    assert passed > 150
    assert f"\n{passed} passed, 0 failed, {SKIPPED} skipped\n" in printed


def test_random_calls_match_the_model_also_among_few_addresses(printed: str) -> None:
    found = re.findall(r"^operations (\d+) digest", printed, re.M)
    assert found == [str(OPERATIONS)] * 2


def test_every_wrong_free_is_detected(printed: str) -> None:
    assert re.findall(r"^wrong frees (\w+) (\d+)", printed, re.M) == [("aborted", str(PROBES))]


def test_the_driver_measures_hakmem(printed: str) -> None:
    record = json.loads(printed.splitlines()[-1])
    assert record["scenario"] == "random_mixed"
    assert record["windows"]["steady"]["ops"] > 0
    assert record["stats_total"]["superslab.peak"] > 0
