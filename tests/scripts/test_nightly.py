"""scripts/nightly, in a house of its own whose make targets say and do what the real ones may."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS = "test self-hosting hardened-programs protocol asan ubsan tsan fuzz".split()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts/nightly"
    script.write_bytes((ROOT / "scripts/nightly").read_bytes())
    script.chmod(0o755)
    return tmp_path


def nightly(house: Path, *steps: str, **says: str) -> tuple[int, list[str], str]:
    """Status, lines and errors, where a target runs the shell text given, or 'echo done'."""
    rules = [f"{step}:\n\t@{says.get(step, 'echo done')}\n" for step in STEPS]
    (house / "Makefile").write_text("\n".join([f".PHONY: {' '.join(STEPS)}", *rules]))
    env = {name: value for name, value in os.environ.items() if name != "HKL_NIGHTLY"}
    done = subprocess.run(
        [house / "scripts/nightly", *steps], env=env, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_every_step_runs_and_what_it_counted_is_summed_up(house: Path) -> None:
    status, lines, errors = nightly(
        house,
        test="echo counted: 100 operations, 7 forks; echo 1200 passed, 0 failed",
        protocol="echo the protocol holds in all 5000000 states: -DHEAPS=2",
        asan="echo 102 passed, 0 failed; echo operations 23 digest 12ab; echo asan: nothing found",
        fuzz="echo stat::number_of_executed_units: 4100; echo fuzz: nothing found",
    )
    assert (status, errors) == (0, "")
    assert [line.split()[1] for line in lines[: len(STEPS)]] == STEPS
    assert lines[0].endswith(": 1200 passed, 0 failed")
    assert lines[-2:] == [
        "in all: 1,302 tests, 123 operations, 7 forks, 5,000,000 states, 4,100 inputs",
        "8 steps passed, 0 failed",
    ]


def test_one_that_fails_stops_no_other_and_is_shown(house: Path) -> None:
    status, lines, _ = nightly(house, ubsan="echo what went wrong; exit 7", fuzz="exit 1")
    assert status == 1
    assert lines[-1] == "6 steps passed, 2 failed"
    assert [line[:4] for line in lines if " min): " in line].count("FAIL") == 2
    assert "      what went wrong" in lines
    assert any(re.fullmatch(r"FAIL  ubsan .*: what went wrong", line) for line in lines)
    assert any(line.startswith("ok    tsan ") for line in lines)


def test_only_some_steps_have_the_random_tests_go_on_for_longer(house: Path) -> None:
    say = 'echo "$$HKL_NIGHTLY"'
    _, lines, _ = nightly(house, "test", "self-hosting", **{"test": say, "self-hosting": say})
    assert [line.split("min): ")[1] for line in lines[:2]] == ["1", ""]


def test_an_unknown_step_is_refused(house: Path) -> None:
    status, lines, errors = nightly(house, "nonsense")
    assert (status, lines) == (2, [])
    assert errors.startswith("nightly: 'nonsense' is not one of test, ")
