"""Random calls from many threads against the model (model.h): a minute of them, or with
HKL_NIGHTLY=1 a hundred million. A failure says its seed, thread and operation."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.allocator.runs import Count

NIGHTLY = os.environ.get("HKL_NIGHTLY") == "1"


def stress(built: Path, *options: object, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [str(built / "tests/allocator/stress"), *map(str, options)]
    env = {f"HAKMEM_{name}": value for name, value in settings.items()}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=1500)
    print(" ".join(command), settings, done.stdout, done.stderr)
    return done


def matches(done: subprocess.CompletedProcess[str], operations: int, count: Count) -> None:
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"^operations {operations} digest", done.stdout, re.M)
    count("operations", operations)


def test_free_running_threads_match_the_model(built: Path, record_property: Count) -> None:
    operations = 60_000_000 if NIGHTLY else 16_000_000
    matches(stress(built, "--operations", operations), operations, record_property)


def test_many_threads_match_the_model(built: Path, record_property: Count) -> None:
    operations = 24_000_000 if NIGHTLY else 4_000_000
    done = stress(built, "--threads", 16, "--operations", operations)
    matches(done, operations, record_property)


def test_threads_in_lockstep_match_the_model(built: Path, record_property: Count) -> None:
    operations = 20_000_000 if NIGHTLY else 6_000_000
    matches(stress(built, "--lockstep", "--operations", operations), operations, record_property)


@pytest.mark.parametrize(
    "settings",
    [
        {"SUPERSLAB_TTL_SEC": "0", "WHALE_MAX_MB": "8", "WHALE_LEARN": "0"},
        {"WARM_POOL": "0", "REGION_PURGE": "free"},
        {"TINY_USE_SUPERSLAB": "0", "REGION_PURGE": "munmap"},
        {"SHARED_POOL": "0", "WHALE_RING": "1"},
        {"LEARNER": "1", "BACKGROUND": "1", "SUPERSLAB_TTL_SEC": "1"},
    ],
    ids=lambda settings: ",".join(settings),
)
def test_other_settings_match_the_model(
    settings: dict[str, str], built: Path, record_property: Count
) -> None:
    operations = 4_000_000 if NIGHTLY else 1_000_000
    done = stress(built, "--operations", operations, **settings)
    matches(done, operations, record_property)


def test_a_seed_repeats_a_run(built: Path) -> None:
    runs = [
        stress(built, "--lockstep", "--operations", 200_000, "--seed", seed) for seed in (7, 7, 8)
    ]
    digests = [run.stdout.split("digest")[1] for run in runs]
    assert digests[0] == digests[1] != digests[2]


def test_a_broken_byte_is_found_and_found_again(built: Path) -> None:
    options = ("--lockstep", "--operations", 200_000, "--seed", 7, "--corrupt", 20_000)
    first, second = (stress(built, *options) for _ in range(2))
    assert first.returncode < 0 and "contents changed" in first.stderr
    told = [run.stderr.split("; ")[1] for run in (first, second)]
    assert told[0] == told[1] and told[0].startswith("seed 7 thread")
