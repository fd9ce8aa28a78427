"""Whatever happens to a run's files, load.py gives a run or one line that says what is wrong."""

import json
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

from analysis.load import RunError, load
from tests.analysis.synthetic import Plan, write

ROUNDS = 3000 if os.environ.get("HKL_NIGHTLY") == "1" else 300
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1e308,
    2**70,
    "",
    "x",
    "../../etc",
    "a\nb",
    [],
    [[]],
    {},
    {"a": 1},
]


def mutate_value(value: Any, rng: random.Random) -> Any:
    """One place in a JSON document gets something else."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(sorted(value))
        if rng.random() < 0.15:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: mutate_value(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        index = rng.randrange(len(value))
        return [mutate_value(v, rng) if i == index else v for i, v in enumerate(value)]
    return rng.choice(ODD)


def mutate_text(text: bytes, rng: random.Random) -> bytes:
    """Bytes are lost, doubled, changed, or the end is torn off."""
    start = rng.randrange(len(text) + 1)
    end = min(len(text), start + rng.randrange(1, 40))
    kind = rng.randrange(4)
    if kind == 0:
        return text[:start]
    if kind == 1:
        return text[:start] + text[end:]
    if kind == 2:
        return text[:end] + text[start:]
    return text[:start] + rng.randbytes(end - start) + text[end:]


def mutate(path: Path, rng: random.Random) -> None:
    text = path.read_bytes()
    if rng.random() < 0.3:
        path.write_bytes(mutate_text(text, rng))
    elif path.suffix == ".json":
        path.write_text(json.dumps(mutate_value(json.loads(text), rng)))
    else:
        lines = text.decode().splitlines()
        index = rng.randrange(len(lines))
        lines[index] = json.dumps(mutate_value(json.loads(lines[index]), rng))
        path.write_text("\n".join(lines) + "\n")


def test_a_damaged_run_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    seed = int(os.environ.get("HKL_TEST_SEED", time.time_ns() % 10**9))
    print(f"HKL_TEST_SEED={seed}")
    whole = write(tmp_path / "whole", Plan(blocks=2, iters=5, warmup=2))
    read = refused = 0
    for number in range(ROUNDS):
        rng = random.Random(f"{seed}-{number}")
        folder = tmp_path / "run"
        shutil.copytree(whole, folder)
        mutate(folder / rng.choice(["run.json", "trials.jsonl"]), rng)
        try:
            assert len(load(folder).trials) > 0
            read += 1
        except RunError as error:
            assert "\n" not in str(error), (seed, number)
            refused += 1
        except Exception as error:
            raise AssertionError(f"HKL_TEST_SEED={seed}, round {number}") from error
        shutil.rmtree(folder)
    print(f"{read} read, {refused} refused")
    assert refused > ROUNDS / 3 and read > 0
