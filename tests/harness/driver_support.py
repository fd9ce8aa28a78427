"""Runs the driver for its tests and checks what it writes; where the checkout and the build lie."""

import json
import os
import subprocess
from pathlib import Path

import jsonschema


REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / "build"

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
