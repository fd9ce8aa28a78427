"""Holds what is written against results/schema/*.json."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from compare.layout import Layout
from compare.text import one_line

_FOLDER = Layout.of_checkout().results / "schema"


@cache
def _validator(name: str) -> Any:
    schema = json.loads(Path(_FOLDER / name).read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _problem(name: str, value: object) -> str | None:
    error = jsonschema.exceptions.best_match(_validator(name).iter_errors(value))
    return None if error is None else one_line(f"{error.json_path}: {error.message}")


def record_problem(record: object) -> str | None:
    """What is wrong with a line of trials.jsonl; None when it is as the schema says."""
    return _problem("trial.schema.json", record)


def run_problem(run: object) -> str | None:
    """What is wrong with the content of run.json; None when it is as the schema says."""
    return _problem("run.schema.json", run)


def phase_error(phase: object) -> Any:
    """The jsonschema error of what is wrong with a phase file's content; None when nothing is."""
    return jsonschema.exceptions.best_match(_validator("phase.schema.json").iter_errors(phase))
