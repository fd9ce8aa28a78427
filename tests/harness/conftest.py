"""What the tests of the driver share: the driver, a way to run it, a malloc that counts."""

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest

from harness_paths import BUILD, REPO

HERE = Path(__file__).resolve().parent

# What the driver writes of a trial's fields; compare/ adds the others.
DRIVER_FIELDS = [
    "scenario", "params", "windows", "timeline_ns", "timeline_file", "latency",
    "rss", "maps", "stats", "stats_total", "noise",
]  # fmt: skip
OPTIONAL_FIELDS = ["limit", "live_bytes"]


def record_schema():
    """The part of the trial's schema that the driver answers for."""
    schema = json.loads((REPO / "results/schema/trial.schema.json").read_text())
    return {
        "$schema": schema["$schema"],
        "$defs": schema["$defs"],
        "type": "object",
        "additionalProperties": False,
        "required": DRIVER_FIELDS,
        "properties": {
            name: schema["properties"][name] for name in [*DRIVER_FIELDS, *OPTIONAL_FIELDS]
        },
    }


class Driver:
    """Runs build/hkl-driver."""

    def __init__(self, path):
        self.path = path
        self.validator = jsonschema.Draft202012Validator(record_schema())

    def run(self, *args, preload=None, env=None, **popen):
        """The finished process; `args` are its arguments, made into text."""
        full_env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        full_env.update(env or {})
        if preload:
            full_env["LD_PRELOAD"] = str(preload)
        command = [str(self.path), *map(str, args)]
        return subprocess.run(
            command, env=full_env, capture_output=True, text=True, timeout=120, check=False, **popen
        )

    def record(self, scenario, iters, *args, **options):
        """The record of a run that must succeed, checked against the schema."""
        done = self.run("--scenario", scenario, "--iters", iters, *args, **options)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        record = json.loads(done.stdout)
        self.validator.validate(record)
        return record

    def list(self):
        done = self.run("--list")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def driver():
    path = BUILD / "hkl-driver"
    if not path.exists():
        subprocess.run(["make", "build/hkl-driver"], cwd=REPO, check=True, capture_output=True)
    return Driver(path)


@pytest.fixture(scope="session")
def counting_malloc(tmp_path_factory):
    """A library to preload that counts calls and offers the counts as hak_stats_*."""
    library = tmp_path_factory.mktemp("preload") / "libcounting.so"
    source = HERE / "counting_malloc.c"
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fno-builtin"]
    subprocess.run([*command, str(source), "-o", str(library)], check=True)
    return library
