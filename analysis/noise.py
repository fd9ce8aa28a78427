"""Which blocks were disturbed while they were measured, by the evidence kept with each trial.

Disturbed blocks are marked, not dropped: dropping what looks bad would bias the comparison.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.load import Run

STEAL_SHARE = 0.01
# The unit of /proc/stat on Linux, whatever machine the analysis runs on.
USER_HZ = 100
# More involuntary switches than this, and than so many times what is usual for the arm, are "many".
SWITCHES = 10
SWITCHES_TIMES = 5


def disturbed_blocks(run: Run, cell: int) -> dict[int, str]:
    """Block number -> what disturbed it, for the blocks of one cell in which some trial was
    disturbed.

    Steal: more than 1 % of the CPU time (all cores) that passed in the steady window; the kernel
    counts it in ticks of 10 ms, so that a single one marks any window under 1 s / cores.
    Involuntary context switches: more than 10 and more than 5 times the median of the same arm's
    processes.
    """
    cores = _cores(run.meta["machine"])
    found: dict[int, list[str]] = {}
    for arm in run.arms:
        trials = run.select(cell, arm.arm, "time")
        trials = trials[trials["status"] == "ok"]
        usual = trials["steady_nivcsw"].fillna(0).median()
        for _, trial in trials.iterrows():
            available = trial["steady_ns"] * 1e-9 * cores
            stolen = trial["steal_ticks"] / USER_HZ
            if available > 0 and stolen > STEAL_SHARE * available:
                window = trial["steady_ns"] * 1e-6
                text = f"{arm.arm}: {1000 * stolen:.0f} ms stolen, window {window:,.1f} ms"
                found.setdefault(int(trial["block"]), []).append(text)
            if trial["steady_nivcsw"] > max(SWITCHES, SWITCHES_TIMES * usual):
                text = f"{arm.arm}: {int(trial['steady_nivcsw'])} involuntary switches"
                found.setdefault(int(trial["block"]), []).append(text)
    return {block: "; ".join(found[block]) for block in sorted(found)}


def noise_figures(run: Run) -> dict[str, float]:
    """Sum of steal ticks and migrations over all timed trials, greatest load; NaN where never
    measured."""
    trials = run.trials[(run.trials["purpose"] == "time") & (run.trials["status"] == "ok")]
    return {
        "steal_ticks": float(trials["steal_ticks"].sum(min_count=1)),
        "migrations": float(trials["migrations"].sum(min_count=1)),
        "load1": float(trials["load1"].max()),
        "nivcsw": float(trials["steady_nivcsw"].sum(min_count=1)),
    }


def _cores(machine: dict[str, Any]) -> float:
    cores = machine.get("cores")
    usable = isinstance(cores, (int, float)) and np.isfinite(cores) and cores >= 1
    return float(cores) if usable and cores is not None else 1.0
