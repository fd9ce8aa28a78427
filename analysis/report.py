"""Writes what a run's folder gets: summary.csv, plots/*.png, report.md (REPORT_TEMPLATE.md filled
in), report.html.

Both reports are made from the same grids and sentences, so that they cannot disagree.
"""

from __future__ import annotations

import base64
import re
import shlex
from pathlib import Path
from typing import Any

import jinja2

from analysis import (
    figures,
    flame,
    latency,
    noise,
    phase_tables,
    plots,
    statistics,
    steady,
    table,
)
from analysis.summary import FASTER, NO_DIFFERENCE, SLOWER, CellSummary, Summary, to_frame
from analysis.table import Grid

MARKDOWN_TEMPLATE = Path(__file__).resolve().parents[1] / "REPORT_TEMPLATE.md"
HTML_TEMPLATES = Path(__file__).resolve().parent / "templates"

_VERDICTS_METHOD = """
A claim is confirmed when its whole interval lies where its bound wants it and,
where it claims a difference, beyond the noise floor; refuted when the whole interval lies on the
other side of the bound; each time with a p-value (signed-rank test against the bound) below 0.05
after Holm's correction over the claims of the phase. Otherwise it is inconclusive: the number of
blocks given would decide in 80 % of runs, were the effect as measured. 'No effect' is judged by two
one-sided tests (Schuirmann 1987) and the interval within the stated margin. Counts that are the
same in every process are exact and need no test. Where the counter that proves that the mechanism
ran stayed zero, the verdict is 'not exercised', whatever the times say."""

# Below this, shares are known to some tens of per cent only.
FEW_SAMPLES = 100


def write(summary: Summary, folder: Path) -> None:
    """Writes every file of the report into `folder`. Everything is made before the first byte is
    written."""
    drawn = figures.draw_all(summary)
    images = {name: plots.png(figure) for name, figure in drawn.items()}
    flames = {profile["plot"]: profile["svg"] for profile in _profiles(summary)}
    texts = {
        "summary.csv": to_frame(summary).to_csv(index=False),
        "report.md": markdown(summary, list(images)),
        "report.html": html(
            summary, {name: plots.inline_svg(figure) for name, figure in drawn.items()}
        ),
    }
    (folder / "plots").mkdir(exist_ok=True)
    for name, image in images.items():
        (folder / "plots" / f"{name}.png").write_bytes(image)
    for name, picture in flames.items():
        (folder / name).write_text(picture, encoding="utf-8")
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def markdown(summary: Summary, plot_names: list[str]) -> str:
    """report.md: the top-level template filled in."""
    pictures = [(figures.CAPTIONS[name], f"plots/{name}.png") for name in plot_names]
    filled = {**context(summary), "figures": pictures}
    return render_markdown(MARKDOWN_TEMPLATE.name, filled)


def html(summary: Summary, images: dict[str, str]) -> str:
    """report.html: one page that needs no other file; `images` are data URIs by name."""
    pictures = [(figures.CAPTIONS[name], image) for name, image in images.items()]
    return render_html("report.html.j2", {**context(summary), "figures": pictures})


def render_markdown(template: str, values: dict[str, Any]) -> str:
    """A Markdown template, the top-level one or one of ours, filled in."""
    environment = _environment([MARKDOWN_TEMPLATE.parent, HTML_TEMPLATES], autoescape=False)
    environment.filters["md"] = escape_markdown
    environment.filters["code"] = code_span
    environment.filters["grid"] = markdown_grid
    text = environment.get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def render_html(template: str, values: dict[str, Any]) -> str:
    """One of our HTML templates filled in."""
    text = _environment([HTML_TEMPLATES], autoescape=True).get_template(template).render(**values)
    return text.strip() + "\n"


def _environment(folders: list[Path], autoescape: bool) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def escape_markdown(value: object) -> str:
    """`value` as text that Markdown shows as it is, on one line, also inside a table."""
    text = " ".join(str(value).split())
    return re.sub(r"([\\`*_<>|\[\]#])", r"\\\1", text)


def code_span(text: str) -> str:
    """`text` as a Markdown code span: its fence is longer than any run of backticks in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    space = " " if longest else ""
    return f"{'`' * (longest + 1)}{space}{text}{space}{'`' * (longest + 1)}"


def markdown_grid(grid: Grid) -> str:
    """A grid as a Markdown table with its footnotes."""
    lines = [
        _markdown_row([escape_markdown(column) for column in grid.columns]),
        _markdown_row([":--" if i in grid.words else "--:" for i in range(len(grid.columns))]),
    ]
    lines += [_markdown_row([escape_markdown(entry.text) for entry in row]) for row in grid.rows]
    if grid.footnotes:
        lines.append("")
        lines += [escape_markdown(f"{grid.note(n)} {n}") + "  " for n in grid.footnotes]
    return "\n".join(lines)


def _markdown_row(entries: list[str]) -> str:
    return f"| {' | '.join(entries)} |"


def context(summary: Summary) -> dict[str, Any]:
    """What both templates are filled with; the names are listed at the top of
    REPORT_TEMPLATE.md."""
    run = summary.run
    meta = run.meta
    return {
        "name": run.folder.resolve().name,
        "phase": phase_tables.context(run, summary.verdicts, summary.cells)
        if summary.verdicts
        else None,
        "created": meta["created"],
        "command": shlex.join(["./run.sh", *meta["argv"]]),
        "seed": meta["seed"],
        "git": meta["git"],
        "baseline": run.baseline.title,
        "arms": _arms_grid(summary),
        "cells": [_cell_context(cell, summary) for cell in summary.cells],
        "warnings": table.run_lines(summary),
        "trials": {"planned": summary.planned, "recorded": summary.recorded},
        "failures": table.failures_grid(summary),
        "method": _method(summary),
        "profiles": _profiles(summary),
        "machine": _pairs("machine", {**meta["machine"], "pinned to CPUs": _pinned(meta)}),
        "tools": _pairs("tool", meta["tools"]),
        "environment": _pairs("variable", meta["environment"]),
        "counters": meta["counters"],
        "noise": _noise_grid(summary),
    }


def _cell_context(cell: CellSummary, summary: Summary) -> dict[str, Any]:
    baseline = cell.cell.baseline
    disturbed = Grid(("block", "what disturbed it"), words=frozenset({0, 1}))
    for block, reason in cell.disturbed.items():
        disturbed.add(str(block), reason)
    stats = [(arm.arm.title, table.stats_grid(arm)) for arm in cell.arms]
    return {
        "title": table.cell_title(cell.cell),
        "scenario": (
            f"{cell.cell.comparison} ({cell.cell.scenario})"
            if cell.cell.comparison
            else cell.cell.scenario
        ),
        "says": _sentences(cell, baseline),
        "lines": table.cell_lines(cell),
        "main": table.main_grid(cell, baseline),
        "windows": table.windows_grid(cell),
        "whole_program": cell.cell.program is not None,
        "share": table.share_grid(cell),
        "cpu": table.cpu_grid(cell),
        "comparison": table.comparison_grid(cell, baseline),
        "syscalls": table.syscalls_grid(cell),
        "perf": table.perf_grid(cell),
        "memory": table.memory_grid(cell),
        "latency": latency.grid(summary, cell),
        "states": table.states_grid(cell),
        "stats": [(title, grid) for title, grid in stats if grid.rows],
        "disturbed": disturbed,
    }


def _sentences(cell: CellSummary, baseline: str) -> str:
    """What the figures of a cell come to, in a few sentences."""
    if cell.cell.skipped is not None:
        return "Skipped."
    arms = {arm.arm.arm: arm for arm in cell.arms}
    base, best = arms[baseline], cell.best
    said = []
    if base.steady is None or best is None:
        said.append(f"{base.arm.title}, the baseline, has no time in steady state.")
    else:
        time = (
            f"{base.arm.title} takes {table.estimate(base.steady)} {cell.cell.unit[1]}"
            f"{' in steady state' if cell.cell.program is None else ''}"
        )
        timed = sum(arm.steady is not None and not arm.arm.floor for arm in cell.arms)
        if best is base:
            said.append(f"{time}, the lowest of {timed}.")
        else:
            lowest = table.estimate(best.steady)
            said.append(f"{time}; {best.arm.title} has the lowest time, {lowest}.")
    for word in (FASTER, SLOWER):
        found = [arm for arm in table.in_order(cell) if arm.verdict == word]
        if found:
            sizes = [
                f"{arm.arm.title} ({table.percent(arm.to_baseline.log_ratio)})"
                for arm in found
                if arm.to_baseline
            ]
            said.append(f"Shown to be {word} than {base.arm.title}: {', '.join(sizes)}.")
    same = [arm.arm.title for arm in table.in_order(cell) if arm.verdict == NO_DIFFERENCE]
    if same:
        said.append(f"No difference shown: {', '.join(same)}.")
    failed = [f"{arm.arm.title}: {', '.join(arm.failures)}" for arm in cell.arms if arm.failures]
    if failed:
        said.append(f"Failed: {'; '.join(failed)}.")
    return " ".join(said)


def _arms_grid(summary: Summary) -> Grid:
    columns = ("allocator", "role", "version", "library", "sha256", "environment")
    grid = Grid(columns, words=frozenset(range(len(columns))))
    for arm in summary.run.arms:
        role = "compared"
        if arm.twin_of is not None:
            role = f"second copy of {arm.twin_of} (A')"
        elif arm.arm in {cell.baseline for cell in summary.run.cells}:
            role = "baseline"
        elif arm.floor:
            role = "floor, not compared"
        settings = " ".join(f"{name}={value}" for name, value in arm.env.items())
        grid.add(
            arm.title,
            role,
            arm.version,
            arm.lib or "the C library's own",
            (arm.sha256 or table.NONE)[:12],
            settings or table.NONE,
        )
    return grid


def _profiles(summary: Summary) -> list[dict[str, Any]]:
    """For each profile: title, what it was, hot symbols, and the flame graph with its file."""
    profiles = []
    trials = summary.run.trials
    titles = {arm.arm: arm.title for arm in summary.run.arms}
    for _, row in trials[trials["stacks"].notna()].sort_values(["cell", "trial"]).iterrows():
        cell = summary.run.cells[row["cell"]]
        stacks = row["stacks"]
        title = f"{cell.scenario}: {titles[row['arm']]}"
        picture = flame.svg(stacks, title)
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"flame-{row['cell']}-{cell.scenario}-{row['arm']}")
        few = " (few: give more --iters)" if stacks.total() < FEW_SAMPLES else ""
        profiles.append(
            {
                "title": title,
                "says": f"{stacks.total():,} samples{few}, of which"
                f" {100 * flame.kernel_share(stacks):.0f} % in the kernel.",
                "hot": table.hot_grid(stacks),
                "plot": f"plots/{name}.svg",
                "svg": picture,
                "image": "data:image/svg+xml;base64," + base64.b64encode(picture.encode()).decode(),
            }
        )
    return profiles


def _pinned(meta: dict[str, Any]) -> str:
    return ",".join(map(str, meta.get("pin") or ())) or "no"


def _pairs(name: str, values: dict[str, Any]) -> Grid:
    grid = Grid((name, "value"), words=frozenset({0, 1}))
    for key, value in values.items():
        grid.add(str(key), "not known" if value is None else str(value))
    return grid


def _noise_grid(summary: Summary) -> Grid:
    grid = Grid(("over all timed trials", "value"))
    names = {
        "steal_ticks": "steal, ticks of 10 ms",
        "nivcsw": "involuntary context switches in steady windows",
        "migrations": "migrations of the measuring thread",
        "load1": "greatest load average (1 minute)",
    }
    for key, name in names.items():
        grid.add(name, table.count(summary.noise[key]))
    for cell in summary.cells:
        grid.add(
            f"disturbed blocks, {cell.cell.scenario}", f"{len(cell.disturbed)} of {cell.blocks}"
        )
    return grid


def _method(summary: Summary) -> list[str]:
    """How the figures were made, a paragraph each; the numbers are those in force."""
    blocks = ", ".join(f"{cell.blocks} ({cell.cell.scenario})" for cell in summary.cells)
    text = f"""
        The unit is a process. A block holds one process of every allocator, and a second copy of
        the baseline (A'), in an order shuffled with seed {summary.run.meta['seed']}. Blocks
        measured: {blocks}.

        A process yields one number: the median over its steady iterations of the time per
        operation. Shown is the median over processes; its 95 % interval is that of interpolated
        order statistics (Hettmansperger & Sheather 1986), which holds for any distribution. It
        covers the truth in 93 to 97 % of simulated runs, with heavy tails, two modes or noisy
        iterations too. Cold and warm-up times are one number for each process: the mean of that
        window.

        Two allocators are compared block by block: the effect is the median over blocks of the
        logarithm of their ratio, with its interval made in the same way. A ratio below 1 means
        faster. Where the machine drifts, it differs from the quotient of the two
        medians over all processes, and is the one to trust.

        The noise floor is the largest ratio that the interval of A' against A covers: two copies
        of the same thing differ by so much. A difference is claimed only if its whole interval
        lies beyond the floor and its p-value (Wilcoxon's signed-rank test over blocks, corrected
        by Holm's method for the {summary.comparisons} comparisons of this report) is below
        {statistics.ALPHA}. Otherwise: no difference shown, which is not the same as no difference.

        The smallest effect that this run could have seen is the floor plus so many standard errors
        of the A/A comparison (3.0 with 15 blocks; Bloom 1995) that an effect of that size clears
        the floor in about 80 % of runs; in simulation 77 to 82 %, but 70 % where processes fall
        into two groups.

        Steady state: changepoints in each process's steady window (PELT, Killick et al. 2012; mean
        and variance, penalty {steady.PENALTY:.0f} ln n, outliers replaced; Barrett et al. 2017).
        Segments whose means differ by no more than {100 * steady.TOLERANCE:.0f} % or a standard
        deviation count as level. Windows of more than {steady.LONGEST:,} iterations are judged by
        the medians of {steady.LONGEST:,} bins; windows of fewer than {steady.SHORTEST} are too
        short to judge. Processes that never settle are reported, not dropped.

        A block counts as disturbed when more than {100 * noise.STEAL_SHARE:.0f} % of the CPU time
        of a steady window was stolen, or a process had more than {noise.SWITCHES} involuntary
        context switches and more than {noise.SWITCHES_TIMES} times what is usual for its
        allocator. Disturbed blocks are marked, not dropped.

        {_VERDICTS_METHOD if summary.verdicts else ""}

        Intervals from fewer than {statistics.FEW_BLOCKS} processes are marked: they are the whole
        range, and miss the truth more often than one time in 20."""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]
