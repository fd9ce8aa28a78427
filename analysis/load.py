"""Reads a run's folder into memory: run.json, trials.jsonl and timelines/.

Everything that comes from outside is checked here, against results/schema/ and against the run's
own plan, so that the other modules can rely on it. Nothing is computed here but times per
operation.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import flame

SCHEMA_FOLDER = Path(__file__).resolve().parents[1] / "results" / "schema"
RUN_SCHEMA = "hkl-run-1"
TRIAL_SCHEMA = "hkl-trial-1"

WINDOWS = ("cold", "warmup", "steady")
WINDOW_FIELDS = (
    "iters",
    "ops",
    "ns",
    "ns_per_op",
    "minflt",
    "majflt",
    "nvcsw",
    "nivcsw",
    "user_ns",
    "sys_ns",
)
RSS_FIELDS = ("start_kib", "steady_kib", "end_kib", "peak_kib", "after_kib")
MAPS_FIELDS = ("start", "steady", "end", "after")
NOISE_FIELDS = ("steal_ticks", "migrations", "load1")

# Fields that only trials of certain purposes have.
_OPTIONAL = ("callgrind", "profile", "program", "latency", "limit", "memory_file")

# A reading of 0 ns means "shorter than the clock's tick of 1 ns"; half a tick keeps its logarithm
# finite.
SHORTEST_NS = 0.5


class RunError(Exception):
    """The folder is not a run that can be analysed. The message is one line for the user."""


@dataclass(frozen=True)
class Arm:
    """One allocator under one environment: what is compared."""

    arm: str
    allocator: str
    title: str
    version: str
    lib: str | None
    sha256: str | None
    twin_of: str | None
    env: dict[str, str]
    floor: bool = False  # shows what a scenario costs by itself; never compared


@dataclass(frozen=True)
class Cell:
    """One scenario with its parameters, or one whole program: where arms are compared."""

    index: int
    scenario: str
    params: dict[str, Any]
    arms: tuple[str, ...]  # that run here
    program: dict[str, Any] | None = None  # as in run.json
    baseline: str = ""  # arm that the others are compared with here
    comparison: str | None = None  # of the run's phase, its id

    @property
    def unit(self) -> tuple[str, str]:
        """What a time of this cell is: in a table's heading, and in a sentence."""
        return ("ns/op", "ns per operation") if self.program is None else ("ms/run", "ms per run")

    @property
    def skipped(self) -> str | None:
        """Why nothing was planned here, or None."""
        return self.program["skipped"] if self.program is not None else None


@dataclass(frozen=True)
class Run:
    """A run as it was recorded.

    `trials` has one row for each finished trial. Its columns: trial, purpose, cell, block, order,
    arm, status, error; WINDOW_iters, _ops, _ns, _ns_per_op, _minflt, ... for WINDOW in cold,
    warmup, steady; rss_*_kib; maps_*; live_bytes; steal_ticks, migrations, load1 (NaN where null);
    and as objects: times (ns per operation of each iteration, cold first; empty where not
    measured), steady (the part of it in the steady window), perf, syscalls, stats, stats_total,
    callgrind, profile, program, latency, limit (dict or None), memory_file (or None), stacks (of a
    profile). A whole program's run has purpose 'time' too, a time of ms per run in `steady`, and
    nothing in `times`.
    """

    folder: Path
    meta: dict[str, Any]
    arms: tuple[Arm, ...]
    cells: tuple[Cell, ...]
    trials: pd.DataFrame

    @property
    def baseline(self) -> Arm:
        """The arm that the others are compared with."""
        return next(a for a in self.arms if a.arm == self.meta["baseline"])

    def twin(self, cell: Cell) -> Arm | None:
        """The second copy (A') of the cell's baseline, or None if it has none."""
        here = (a for a in self.arms if a.arm in cell.arms)
        return next((a for a in here if a.twin_of == cell.baseline), None)

    def select(self, cell: int, arm: str, purpose: str) -> pd.DataFrame:
        """All trials, failed ones too, of one cell, arm and purpose, in order of their blocks."""
        t = self.trials
        chosen = t[(t["cell"] == cell) & (t["arm"] == arm) & (t["purpose"] == purpose)]
        return chosen.sort_values("block")


def load(folder: Path) -> Run:
    """Reads and checks the run in `folder`. Raises RunError when it is not a run, or has nothing to
    analyse."""
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder")
    meta = _read_meta(folder / "run.json")
    arms = tuple(
        Arm(**{field: entry[field] for field in Arm.__dataclass_fields__ if field in entry})
        for entry in meta["arms"]
    )
    _check_meta(folder / "run.json", meta, arms)
    plan = {entry["trial"]: entry for entry in meta["plan"]}
    rows = []
    seen: set[int] = set()
    for where, record in _read_trials(folder / "trials.jsonl"):
        entry = plan.get(record["trial"])
        if entry is None or entry["arm"] != record["arm"]:
            raise RunError(f"{where}: trial {record['trial']} is not in the plan of run.json")
        if record["trial"] in seen:
            raise RunError(f"{where}: trial {record['trial']} is recorded twice")
        seen.add(record["trial"])
        rows.append(_row(folder, where, record, entry["cell"]))
    if not any(row["status"] == "ok" and row["purpose"] == "time" for row in rows):
        first = next((row["error"] for row in rows if row["error"]), None)
        reason = f" (first error: {first})" if first else ""
        raise RunError(f"{folder}: no trial succeeded, nothing to analyse{reason}")
    trials = pd.DataFrame(rows)
    cells = []
    for index, cell in enumerate(meta["cells"]):
        # A trial's parameters have the defaults filled in; the plan's may not.
        timed = (r["params"] for r in rows if r["cell"] == index and r["purpose"] == "time")
        params = next(timed, None) or cell["params"]
        runs_here = tuple(cell.get("arms", [arm.arm for arm in arms]))
        baseline = cell.get("baseline", meta["baseline"])
        cells.append(
            Cell(
                index,
                cell["scenario"],
                params,
                runs_here,
                cell.get("program"),
                baseline,
                cell.get("comparison"),
            )
        )
    return Run(folder, meta, arms, tuple(cells), trials)


@lru_cache
def _validator(name: str) -> Any:
    with open(SCHEMA_FOLDER / name, encoding="utf-8") as file:
        return jsonschema.Draft202012Validator(json.load(file))


def _check(where: str, document: Any, schema: str, version: str) -> None:
    """Raises RunError unless `document` follows the schema file, whose version it must name."""
    found = document.get("schema") if isinstance(document, dict) else None
    if found != version:
        raise RunError(f"{where}: schema is {found!r}, this program reads {version!r}")
    _check_shape(where, document, schema)


def _check_shape(where: str, document: Any, schema: str) -> None:
    error = jsonschema.exceptions.best_match(_validator(schema).iter_errors(document))
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path) or "document"
        message = " ".join(error.message.split())
        raise RunError(f"{where}: {place}: {message[:160]}")


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; not a run's folder?") from None
    except ValueError as error:
        raise RunError(f"{path}: not JSON: {error}") from None
    _check(str(path), meta, "run.schema.json", RUN_SCHEMA)
    if "phase" in meta:
        _check_shape(f"{path}: phase", meta["phase"], "phase.schema.json")
    return dict(meta)


def _check_meta(path: Path, meta: dict[str, Any], arms: tuple[Arm, ...]) -> None:
    names = [arm.arm for arm in arms]
    if meta["baseline"] not in names:
        raise RunError(f"{path}: the baseline {meta['baseline']!r} is not one of the arms")
    for cell in meta["cells"]:
        for name in (*cell.get("arms", ()), cell.get("baseline", meta["baseline"])):
            if name not in names:
                raise RunError(f"{path}: a cell's arm {name!r} is not one of the arms")
    if "phase" in meta:
        _check_phase(path, meta)
    for entry in meta["plan"]:
        if entry["arm"] not in names or not 0 <= entry["cell"] < len(meta["cells"]):
            raise RunError(f"{path}: trial {entry['trial']} of the plan has no such arm or cell")


def _check_phase(path: Path, meta: dict[str, Any]) -> None:
    """Each comparison is a cell with both sides, each claim is on a comparison."""
    everywhere = [arm["arm"] for arm in meta["arms"]]
    sides = {cell.get("comparison"): cell.get("arms", everywhere) for cell in meta["cells"]}
    named = [entry["id"] for entry in meta["phase"]["comparison"]]
    named += [claim["comparison"] for claim in meta["phase"]["claim"]]
    for name in named:
        for side in ("before", "after"):
            if not any(arm.endswith(side) for arm in sides.get(name, ())):
                raise RunError(f"{path}: phase: comparison {name!r} has no arm {side!r}")


def _read_trials(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The checked records with where each came from. A torn last line (an interrupted run) is left
    out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; the run has no trials") from None
    last = max((i for i, line in enumerate(lines) if line.strip()), default=-1)
    records = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        where = f"{path}: line {number + 1}"
        try:
            record = json.loads(line)
        except ValueError:
            if number == last:
                break
            raise RunError(f"{where}: not JSON") from None
        timeline = record.get("timeline_ns") if isinstance(record, dict) else None
        if isinstance(timeline, list):
            # jsonschema takes microseconds for each item, numpy none to speak of.
            try:
                values = np.asarray(timeline)
            except (ValueError, OverflowError):  # lists of several lengths in it
                values = np.asarray(None)
            if timeline and (values.ndim != 1 or values.dtype.kind not in "iu" or values.min() < 0):
                raise RunError(f"{where}: timeline_ns: not a list of nanoseconds")
            _check(where, {**record, "timeline_ns": []}, "trial.schema.json", TRIAL_SCHEMA)
        else:
            _check(where, record, "trial.schema.json", TRIAL_SCHEMA)
        records.append((where, record))
    return records


def _row(folder: Path, where: str, record: dict[str, Any], cell: int) -> dict[str, Any]:
    """One line of the frame `Run.trials`."""
    keep = ("trial", "purpose", "block", "order", "arm", "status", "error", "params")
    row: dict[str, Any] = {field: record[field] for field in keep}
    row["cell"] = cell
    row["stacks"] = _stacks(folder, where, record.get("profile"))
    if row["purpose"] == "program":
        row["purpose"] = "time"
    for window in WINDOWS:
        values = (record["windows"] or {}).get(window) or {}
        for field in WINDOW_FIELDS:
            row[f"{window}_{field}"] = _number(values.get(field))
    for prefix, group, fields in (
        ("rss_", "rss", RSS_FIELDS),
        ("maps_", "maps", MAPS_FIELDS),
        ("", "noise", NOISE_FIELDS),
    ):
        values = record[group] or {}
        for field in fields:
            row[prefix + field] = _number(values.get(field))
    for field in ("perf", "syscalls", "stats", "stats_total", *_OPTIONAL):
        row[field] = record.get(field)
    row["live_bytes"] = _number(record.get("live_bytes"))
    program = row["program"]
    if program is not None:
        row["rss_peak_kib"] = float(program["peak_kib"])
        row["times"], row["steady"] = np.empty(0), np.array([max(program["ns"], 1) / 1e6])
    else:
        row["times"], row["steady"] = _times(folder, where, record)
    return row


def _stacks(folder: Path, where: str, profile: dict[str, Any] | None) -> Counter[str] | None:
    """The folded stacks of a profile."""
    if profile is None:
        return None
    path = _below(folder, where, profile["file"])
    try:
        return flame.parse(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise RunError(f"{path}: {error}") from None


def _below(folder: Path, where: str, name: str) -> Path:
    """The path of a file of the run. Raises RunError when it is outside the run's folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise RunError(f"{where}: {name!r} is outside the run's folder")
    return path


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _times(
    folder: Path, where: str, record: dict[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ns per operation of every iteration, and of those in the steady window; empty where not
    measured."""
    nothing = np.empty(0)
    if record["status"] != "ok" or record["windows"] is None:
        return nothing, nothing
    if record["timeline_ns"] is not None:
        ns = np.asarray(record["timeline_ns"], dtype=np.float64)
    elif record["timeline_file"] is not None:
        ns = _read_timeline(folder, where, record["timeline_file"])
    else:
        return nothing, nothing
    params = record["params"]
    if params is None:
        raise RunError(f"{where}: a timeline, but no parameters")
    if len(ns) != params["warmup"] + params["iters"]:
        raise RunError(
            f"{where}: {len(ns)} iterations in the timeline, "
            f"{params['warmup']} + {params['iters']} in the parameters"
        )
    windows = [record["windows"][w] for w in WINDOWS if record["windows"][w] is not None]
    ops = sum(w["ops"] for w in windows)
    iterations = sum(w["iters"] for w in windows)
    if ops == 0 or iterations == 0:
        return nothing, nothing
    # Every iteration is the same batch, so that operations / iterations is the size of the batch.
    times = np.maximum(ns, SHORTEST_NS) / (ops / iterations)
    return times, times[max(params["warmup"], 1) :]


def _read_timeline(folder: Path, where: str, name: str) -> NDArray[np.float64]:
    """Reads little-endian uint64 from a file below the run's folder."""
    path = _below(folder, where, name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from None
    if len(data) % 8:
        raise RunError(f"{path}: {len(data)} bytes are not a whole number of 64-bit times")
    return np.frombuffer(data, dtype="<u8").astype(np.float64)
