"""A small run, what it must have left, and ways to start it in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    *("--scenario", "tiny_hot", "--iters", "5", "--warmup", "1", "--batch", "100"),
    *("--counters", "none", "--allocators", "system,hakmem"),
)


def records(folder: Path) -> list[dict[str, Any]]:
    """The trials of a run, each as the schema says."""
    schema = json.loads((ROOT / "results/schema/trial.schema.json").read_text())
    lines = (folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in lines)
    trials = [json.loads(line) for line in lines]
    for trial in trials:
        jsonschema.validate(trial, schema)
    return trials


def assert_complete(folder: Path) -> None:
    """Each trial of the plan is there once, and went well."""
    planned = [entry["trial"] for entry in json.loads((folder / "run.json").read_text())["plan"]]
    assert sorted(trial["trial"] for trial in records(folder)) == planned
    assert {trial["status"] for trial in records(folder)} == {"ok"}


def command(*argv: str) -> list[str]:
    return [sys.executable, "-P", "-m", "compare", *argv]


def environment(**changes: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "HKL_SKIP_BOOTSTRAP": "1", **changes}


def run(argv: list[str], cwd: Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    more = {"env": environment(), "stdin": subprocess.DEVNULL, **more}
    return subprocess.run(
        argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, **more
    )


def processes_with(text: str) -> list[str]:
    """Command lines of the processes that have `text` in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and text.encode() in (entry / "environ").read_bytes():
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if line:
                    found.append(line)
        except OSError:
            continue
    return found


def wait_until(true: Callable[[], bool], what: str) -> None:
    for _ in range(1500):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError(what)
