"""All pictures of a run with their captions: which modules draw what, in the report's order."""

from __future__ import annotations

import matplotlib
from matplotlib.figure import Figure

from analysis import forest, latency, memory, plots, scaling
from analysis.style import arm_styles
from analysis.summary import Summary

CAPTIONS = {
    "time_per_operation": "Time per operation in steady state, with 95 % intervals",
    "forest": "Time by that of the baseline, paired block by block, with 95 % intervals",
    "warmup": "Time per operation of each iteration, from cold to steady",
    "scaling": "How time changes with threads or size, with 95 % intervals",
    "time_against_memory": "Time per operation against peak resident memory",
    "memory": "Resident memory over time, watched from outside every 10 ms",
    "latency": "Time of single calls: the share of calls that take at most so long",
}


def draw_all(summary: Summary) -> dict[str, Figure]:
    """File name (without .png) -> figure. A picture without anything to show is left out."""
    styles = arm_styles(summary.run.arms)
    with matplotlib.rc_context(plots.SETTINGS):
        drawn = {
            "time_per_operation": plots.draw_times(summary, styles),
            "forest": forest.draw(summary, styles),
            "warmup": plots.draw_warmup(summary, styles),
            "scaling": scaling.draw(summary, styles),
            "time_against_memory": memory.draw_cost(summary, styles),
            "memory": memory.draw_timeline(summary, styles),
            "latency": latency.draw(summary, styles),
        }
    return {name: figure for name, figure in drawn.items() if figure is not None}
