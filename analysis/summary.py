"""The figures of a run: what each arm did in each cell, how it compares, and what the run could
have seen.

`summarise` gives them as objects for the table, the plots and the report; `to_frame` as the rows of
summary.csv.

summary.csv has one row for each cell and arm (the A' arm too, its `twin_of` set). Empty means "not
known". A whole program's time, its steady_ns_per_op, is ms per run. Names that end in * stand for
three columns: the name itself, and with _lo and _hi the ends of its 95 % interval.

    scenario iters warmup size seed threads slots batch    the cell
    arm allocator title twin_of                            the arm
    trials_ok trials_failed failures                       processes that were timed
    cold_ns_per_op*                                        median over processes, ns
    warmup_ns_per_op*                                      the same, of the window's means
    steady_ns_per_op*                                      the same, of the window's medians
    ratio_to_baseline*                                     paired by blocks; below 1: faster
    p_value p_holm                                         signed-rank; corrected by Holm
    verdict                                                against the baseline
    ratio_to_best*                                         to the fastest arm of the cell
    floor smallest_detectable                              of the cell, as ratios (1.02: 2 %)
    minflt_per_iter majflt_per_iter                        page faults in the steady window
    syscalls_mmap syscalls_munmap syscalls_madvise
    syscalls_mremap syscalls_brk                           calls in the steady window
    instructions_per_op l1_misses_per_op ll_misses_per_op  by callgrind, steady window
    user_share kernel_share                                of the steady window's CPU time
    less_floor*                                            steady time less the floor's
    rss_start_kib rss_steady_kib rss_end_kib rss_peak_kib
    rss_after_kib                                          median, KiB
    maps_start maps_steady maps_end maps_after             number of mappings, median
    fragmentation                                          resident by live bytes, median
    failed_allocations                                     under a memory limit, median
    steady_flat steady_warmup steady_slowdown
    steady_unsettled steady_short                          processes by that verdict
    blocks_disturbed                                       of the cell
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis import noise, statistics, steady, verdict
from analysis.load import MAPS_FIELDS, RSS_FIELDS, WINDOWS, Arm, Cell, Run
from analysis.statistics import Effect, Estimate
from analysis.verdict import Verdicts

SYSCALLS = ("mmap", "munmap", "madvise", "mremap", "brk")
CALLGRIND = ("instructions", "l1_misses", "ll_misses")
PARAMS = ("iters", "warmup", "size", "seed", "threads", "slots", "batch")

BASELINE = "baseline"
FASTER = "faster"
SLOWER = "slower"
NO_DIFFERENCE = "no difference shown"


@dataclass(frozen=True)
class Count:
    """A count in the steady window, or why there is none (then value is NaN and reason is set)."""

    value: float
    reason: str | None = None


@dataclass
class ArmSummary:
    """What one arm did in one cell. Estimates and effects are None where there is nothing to
    estimate."""

    arm: Arm
    ok: int
    failed: int
    failures: tuple[str, ...]
    windows: dict[str, Estimate | None]
    faults: dict[str, float]
    syscalls: dict[str, Count]
    perf: dict[str, Count]
    rss: dict[str, float]
    maps: dict[str, float]
    # Resident memory that came since the start for each byte live at the end; NaN: not known.
    fragmentation: float
    limit: dict[str, Any] | None
    states: Counter[str]
    stats: dict[str, int] | None
    stats_total: dict[str, int] | None
    callgrind: dict[str, Count]
    user: float
    kernel: float
    less_floor: Estimate | None = None
    to_baseline: Effect | None = None
    p_holm: float = math.nan
    to_best: Effect | None = None
    verdict: str = ""

    @property
    def steady(self) -> Estimate | None:
        """ns per operation in the steady window."""
        return self.windows["steady"]

    @property
    def kernel_share(self) -> float:
        """The kernel's part of the CPU time of the steady window, or NaN."""
        whole = self.user + self.kernel
        return self.kernel / whole if whole > 0 else math.nan

    @property
    def few(self) -> bool:
        """Whether there are too few processes to trust the interval."""
        return self.steady is not None and self.steady.n < statistics.FEW_BLOCKS


def steady_value(arm: ArmSummary) -> float:
    """ns per operation in the steady window, to sort by; without one, infinity."""
    return arm.steady.value if arm.steady is not None else math.inf


@dataclass
class CellSummary:
    """One cell: its arms (A' apart), the noise floor and the smallest detectable effect as
    log-ratios."""

    cell: Cell
    arms: list[ArmSummary]
    twin: ArmSummary | None
    floor: float
    detectable: float
    disturbed: dict[int, str]
    blocks: int

    @property
    def best(self) -> ArmSummary | None:
        """The fastest arm in steady state, or None; the floor is none to compare with."""
        timed = [a for a in self.arms if a.steady is not None and not a.arm.floor]
        return min(timed, key=steady_value) if timed else None


@dataclass
class Summary:
    """A whole run; `comparisons` is how many p-values Holm's correction was made for."""

    run: Run
    cells: list[CellSummary]
    comparisons: int
    planned: int
    recorded: int
    noise: dict[str, float]
    verdicts: Verdicts | None = None  # of the phase that the run is of


def summarise(run: Run) -> Summary:
    """All figures of a run."""
    cells = [_summarise_cell(run, cell) for cell in run.cells]
    compared = [
        arm
        for cell in cells
        for arm in cell.arms
        if arm.to_baseline is not None and arm.to_baseline.n > 1
    ]
    p_values = [arm.to_baseline.p for arm in compared if arm.to_baseline is not None]
    for arm, p in zip(compared, statistics.holm(p_values)):
        arm.p_holm = p
    for cell in cells:
        for arm in cell.arms:
            arm.verdict = _verdict(arm, cell.cell.baseline, cell.floor)
    return Summary(
        run,
        cells,
        comparisons=len(compared),
        planned=len(run.meta["plan"]),
        recorded=len(run.trials),
        noise=noise.noise_figures(run),
        verdicts=verdict.judge(run) if "phase" in run.meta else None,
    )


def _verdict(arm: ArmSummary, baseline: str, floor: float) -> str:
    """A difference is claimed only if its interval clears the floor and its corrected p-value is
    below 5 %."""
    if arm.arm.arm == baseline:
        return BASELINE
    if arm.to_baseline is None:
        return ""
    if statistics.clears(arm.to_baseline, floor) and arm.p_holm < statistics.ALPHA:
        return FASTER if arm.to_baseline.log_ratio < 0 else SLOWER
    return NO_DIFFERENCE


def _summarise_cell(run: Run, cell: Cell) -> CellSummary:
    here = [arm for arm in run.arms if arm.arm in cell.arms]
    summaries = {arm.arm: _summarise_arm(run, cell, arm) for arm in here}
    steady_times = {arm.arm: _steady_by_block(run, cell, arm.arm) for arm in here}
    floors = {arm.arm for arm in here if arm.floor}

    def paired(arm: str, other: str) -> tuple[list[statistics.Floats], list[statistics.Floats]]:
        both = sorted(steady_times[arm].keys() & steady_times[other].keys())
        return [steady_times[arm][b] for b in both], [steady_times[other][b] for b in both]

    def effect(arm: str, other: str) -> Effect | None:
        mine, others = paired(arm, other)
        if not mine or arm == other or arm in floors:
            return None
        return statistics.compare(mine, others)

    baseline = cell.baseline
    for name, summary in summaries.items():
        summary.to_baseline = effect(name, baseline)
        for floor_name in floors - {name}:
            mine, others = paired(name, floor_name)
            if mine:
                summary.less_floor = statistics.difference(mine, others)
    copy = run.twin(cell)
    twin = summaries.get(copy.arm) if copy else None
    to_twin = twin.to_baseline if twin else None
    floor = statistics.noise_floor(to_twin) if to_twin else math.nan
    result = CellSummary(
        cell=cell,
        arms=[s for s in summaries.values() if s.arm.twin_of is None],
        twin=twin,
        floor=floor,
        detectable=statistics.smallest_detectable(to_twin, floor) if to_twin else math.nan,
        disturbed=noise.disturbed_blocks(run, cell.index),
        blocks=int(
            run.trials.query("cell == @cell.index and purpose == 'time'")["block"].nunique()
        ),
    )
    best = result.best
    if best is not None:
        for name, summary in summaries.items():
            same = best.arm.arm == baseline
            summary.to_best = summary.to_baseline if same else effect(name, best.arm.arm)
    return result


def _steady_by_block(run: Run, cell: Cell, arm: str) -> dict[int, statistics.Floats]:
    """Block -> steady iterations (ns per operation) of the processes that have any."""
    trials = run.select(cell.index, arm, "time")
    return {
        int(block): times
        for block, times in zip(trials["block"], trials["steady"])
        if len(times) > 0
    }


def _summarise_arm(run: Run, cell: Cell, arm: Arm) -> ArmSummary:
    trials = run.select(cell.index, arm.arm, "time")
    ok = trials[trials["status"] == "ok"]
    steady_times = [times for times in ok["steady"] if len(times) > 0]
    windows: dict[str, Estimate | None] = {}
    for window in WINDOWS:
        if window == "steady":
            samples = steady_times
        else:
            samples = [np.array([value]) for value in ok[f"{window}_ns_per_op"].dropna()]
        windows[window] = statistics.estimate(samples) if samples else None
    return ArmSummary(
        arm=arm,
        ok=len(ok),
        failed=len(trials) - len(ok),
        failures=_failures(trials),
        windows=windows,
        faults={
            name: _median(ok[f"steady_{name}"] / ok["steady_iters"])
            for name in ("minflt", "majflt")
        },
        syscalls=_syscalls(run, cell, arm),
        perf=_counts([perf for perf in ok["perf"] if perf is not None]),
        rss={field: _median(ok[f"rss_{field}"]) for field in RSS_FIELDS},
        maps={field: _median(ok[f"maps_{field}"]) for field in MAPS_FIELDS},
        fragmentation=_median(
            (ok["rss_end_kib"] - ok["rss_start_kib"])
            * 1024
            / ok["live_bytes"].where(lambda b: b > 0)
        ),
        limit=_limit(ok["limit"]),
        states=Counter(steady.classify(times) for times in steady_times),
        stats=_first(ok["stats"]),
        stats_total=_first(ok["stats_total"]),
        callgrind=_callgrind(run, cell, arm),
        user=_cpu_time(ok, "user_ns"),
        kernel=_cpu_time(ok, "sys_ns"),
    )


def _cpu_time(ok: pd.DataFrame, field: str) -> float:
    """Median CPU time of the steady window or the whole program, ns; NaN when not known."""
    programs = [program[field] for program in ok["program"] if program is not None]
    return float(np.median(programs)) if programs else _median(ok[f"steady_{field}"])


def _callgrind(run: Run, cell: Cell, arm: Arm) -> dict[str, Count]:
    """Per operation, or why there is none; empty when the run did not ask callgrind."""
    planned = [entry for entry in run.meta["plan"] if entry["purpose"] == "callgrind"]
    reason = run.meta["counters"]["unsupported"].get("callgrind")
    if cell.program is not None or not (planned or reason):
        return {}
    trials = run.select(cell.index, arm.arm, "callgrind")
    ok = trials[trials["status"] == "ok"]
    if len(ok):
        first = ok.iloc[0]
        ops = first["steady_ops"]
        return {name: Count(first["callgrind"][name] / ops) for name in CALLGRIND}
    why = reason or next(iter(_failures(trials)), "not counted by callgrind, see the notes")
    return {name: Count(math.nan, why) for name in CALLGRIND}


def _median(column: pd.Series) -> float:
    """Median of what is known of a column, NaN when nothing is."""
    known = column.dropna()
    return float(known.median()) if len(known) else math.nan


def _failures(trials: pd.DataFrame) -> tuple[str, ...]:
    """For each kind of failure one line such as 'crash 3/15 (killed by SIGSEGV)'."""
    bad = trials[trials["status"] != "ok"]
    kinds = Counter((row["status"], row["error"] or "no message") for _, row in bad.iterrows())
    return tuple(
        f"{status} {count}/{len(trials)} ({error})" for (status, error), count in kinds.items()
    )


def _first(column: Sequence[dict[str, int] | None]) -> dict[str, int] | None:
    return next((value for value in column if value is not None), None)


def _limit(column: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """The memory limit of an arm's processes, with the median of their failed allocations."""
    known = [limit for limit in column if limit is not None]
    if not known:
        return None
    return {**known[0], "failures": float(np.median([limit["failures"] for limit in known]))}


def _counts(records: Sequence[dict[str, Any]]) -> dict[str, Count]:
    """Median of each count over the processes that have it; the reason where none has."""
    result = {}
    for event in dict.fromkeys(event for record in records for event in record):
        values = [record[event] for record in records if event in record]
        numbers = [float(value) for value in values if not isinstance(value, dict)]
        if numbers:
            result[event] = Count(float(np.median(numbers)))
        else:
            result[event] = Count(math.nan, values[0]["unsupported"])
    return result


def _syscalls(run: Run, cell: Cell, arm: Arm) -> dict[str, Count]:
    trials = run.select(cell.index, arm.arm, "count")
    ok = trials[trials["status"] == "ok"]
    counted = _counts([calls for calls in ok["syscalls"] if calls is not None])
    if counted:
        return counted
    failures = _failures(trials)
    if failures:
        reason = f"counting failed: {failures[0]}"
    else:
        unsupported = run.meta["counters"]["unsupported"]
        reason = next(
            (why for event, why in unsupported.items() if event.endswith("sys_enter_mmap")),
            "system calls were not counted in this run",
        )
    return {call: Count(math.nan, reason) for call in SYSCALLS}


def to_frame(summary: Summary) -> pd.DataFrame:
    """The rows of summary.csv; the columns are listed at the top of this file."""
    rows = []
    for cell in summary.cells:
        for arm in [*cell.arms, *([cell.twin] if cell.twin else [])]:
            rows.append(_csv_row(cell, arm))
    return pd.DataFrame(rows)


def _csv_row(cell: CellSummary, arm: ArmSummary) -> dict[str, Any]:
    row: dict[str, Any] = {"scenario": cell.cell.scenario}
    row.update({name: cell.cell.params.get(name) for name in PARAMS})
    row.update(
        arm=arm.arm.arm,
        allocator=arm.arm.allocator,
        title=arm.arm.title,
        twin_of=arm.arm.twin_of,
        trials_ok=arm.ok,
        trials_failed=arm.failed,
        failures="; ".join(arm.failures) or None,
    )
    for window in WINDOWS:
        row.update(_interval(f"{window}_ns_per_op", arm.windows[window]))
    to_baseline = arm.to_baseline
    row.update(_interval("ratio_to_baseline", to_baseline.ratio if to_baseline else None))
    row["p_value"] = to_baseline.p if to_baseline and to_baseline.n > 1 else None
    row["p_holm"] = arm.p_holm
    row["verdict"] = arm.verdict or None
    row.update(_interval("ratio_to_best", arm.to_best.ratio if arm.to_best else None))
    row["floor"] = math.exp(cell.floor)
    row["smallest_detectable"] = math.exp(cell.detectable)
    row.update({f"{name}_per_iter": value for name, value in arm.faults.items()})
    for call in SYSCALLS:
        row[f"syscalls_{call}"] = arm.syscalls[call].value
    for name in CALLGRIND:
        row[f"{name}_per_op"] = arm.callgrind[name].value if arm.callgrind else None
    row["user_share"] = 1 - arm.kernel_share
    row["kernel_share"] = arm.kernel_share
    row.update(_interval("less_floor", arm.less_floor))
    row.update({f"rss_{field}": value for field, value in arm.rss.items()})
    row.update({f"maps_{field}": value for field, value in arm.maps.items()})
    row["fragmentation"] = arm.fragmentation
    row["failed_allocations"] = arm.limit["failures"] if arm.limit else None
    names = ("flat", "warmup", "slowdown", "unsettled", "short")
    for name, state in zip(names, steady.CLASSES):
        row[f"steady_{name}"] = arm.states[state]
    row["blocks_disturbed"] = len(cell.disturbed)
    return row


def _interval(name: str, value: Estimate | None) -> dict[str, float | None]:
    if value is None:
        return {name: None, f"{name}_lo": None, f"{name}_hi": None}
    return {name: value.value, f"{name}_lo": value.lo, f"{name}_hi": value.hi}
