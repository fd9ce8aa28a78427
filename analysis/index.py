"""The page over a run of several phases: every claim with its verdict, and a link to each phase's
report. Writes index.md, index.html and verdicts.csv into the run's folder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from analysis import phase_tables, report
from analysis.load import RunError
from analysis.summary import Summary
from analysis.table import Entry, Grid
from analysis.verdict import VERDICTS

PARTS = "runs.json"


def parts(folder: Path) -> list[Path]:
    """The runs in `folder`: those that its list names, or itself. Raises RunError."""
    path = folder / PARTS
    if not path.exists():
        return [folder]
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["runs"]
        return [folder / str(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: not a list of runs: {error}") from None


def all_claims(summaries: Mapping[str, Summary]) -> Grid:
    """Every claim of every phase; `summaries` by the name of the run's folder."""
    columns = ("phase", "claim", "verdict", "in words", "claimed", "measured [95 %]", "why")
    grid = Grid(columns, words=frozenset({0, 1, 2, 3, 6}))
    for summary in summaries.values():
        phase = summary.run.meta["phase"]["id"]
        for one in summary.verdicts.claims if summary.verdicts else ():
            grid.add(
                phase,
                one.claim["id"],
                phase_tables.word(one),
                one.claim["says"],
                phase_tables.claimed(one),
                phase_tables.measured(one),
                phase_tables.reason(one),
            )
    return grid


def by_phase(summaries: Mapping[str, Summary]) -> Grid:
    """How many claims of each phase have which verdict."""
    grid = Grid(("phase", "title", *VERDICTS), words=frozenset({0, 1}))
    for summary in summaries.values():
        if summary.verdicts is None:
            continue
        phase = summary.run.meta["phase"]
        found = summary.verdicts.counts()
        counts = [
            Entry(str(found[word]), phase_tables.TONES[word]) if word in found else Entry("")
            for word in VERDICTS
        ]
        grid.add(phase["id"], phase["title"], *counts)
    return grid


def write(summaries: Mapping[str, Summary], folder: Path) -> None:
    """Writes the page in both forms, and the verdicts as a table for programs."""
    first = next(iter(summaries.values()))
    meta = first.run.meta
    total = sum(len(s.verdicts.claims) for s in summaries.values() if s.verdicts)
    context = {
        "name": folder.resolve().name,
        "created": meta["created"],
        "command": shlex.join(["./run.sh", *meta["argv"]]),
        "git": meta["git"],
        "total": total,
        "links": [
            (name, f"{s.run.meta['phase']['id']}: {s.run.meta['phase']['title']}", _line(s))
            for name, s in summaries.items()
        ],
        "phases": by_phase(summaries),
        "claims": all_claims(summaries),
    }
    texts = {
        "index.md": report.render_markdown("index.md.j2", context),
        "index.html": report.render_html("index.html.j2", context),
        "verdicts.csv": _frame(summaries).to_csv(index=False),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _line(summary: Summary) -> str:
    return phase_tables.summary_line(summary.verdicts) if summary.verdicts else ""


def _frame(summaries: Mapping[str, Summary]) -> pd.DataFrame:
    """One row for each claim; value, lo and hi as its kind has them (a share: 0 to 1)."""
    rows = []
    for summary in summaries.values():
        for one in summary.verdicts.claims if summary.verdicts else ():
            rows.append(
                {
                    "phase": summary.run.meta["phase"]["id"],
                    **{key: one.claim.get(key) for key in ("id", "kind", "metric", "claimed")},
                    "value": one.value.value if one.value else None,
                    "lo": one.value.lo if one.value else None,
                    "hi": one.value.hi if one.value else None,
                    "processes": one.value.n if one.value else None,
                    "p_holm": one.p_holm,
                    "floor": one.floor,
                    "verdict": one.verdict,
                    "why": phase_tables.reason(one),
                }
            )
    return pd.DataFrame(rows)
