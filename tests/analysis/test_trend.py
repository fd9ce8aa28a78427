"""The trend page: runs in order, values by hand, and the command line."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import trend, trend_cli
from tests.analysis.synthetic import Plan, edit_run, write

LEVELS = (100.0, 120.0, 90.0)


def _update(facts: dict[str, Any], meta: dict[str, Any]) -> None:
    meta.update(facts)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three runs of commits a.., b.., c..; the last is from another machine."""
    folder = tmp_path_factory.mktemp("runs")
    for place, level in enumerate(LEVELS):
        levels = {"hakmem": level, "system": 150.0}
        plan = Plan(levels=levels, scenarios=("vm", "json"), blocks=6, iters=30, seed=place)
        one = write(folder / f"z{3 - place}", plan)  # names do not tell the order
        facts = {
            "created": f"2026-11-2{place}T00:00:00Z",
            "git": {"commit": "abc"[place] * 40, "dirty": place == 1},
            "machine": {"cpu": "another CPU" if place == 2 else "a CPU", "cores": 2},
        }
        edit_run(one, partial(_update, facts))
    return folder


def test_values_are_those_of_the_runs_in_order_of_time(runs: Path) -> None:
    found = trend.gather(trend.find_runs([runs]), "time", None)
    assert [trend.commit(run) for run in found.runs] == ["aaaaaaaa", "bbbbbbbb+", "cccccccc"]
    assert [series.cell.scenario for series in found.series] == ["vm", "json"]
    for series in found.series:
        assert list(series.values) == ["hakmem", "system"]
        values = series.values["hakmem"]
        assert [round(values[place].value, -1) for place in range(3)] == list(LEVELS)
    records = map(json.loads, (runs / "z3" / "trials.jsonl").read_text().splitlines())
    medians = [
        np.median(r["timeline_ns"][10:]) / 1000
        for r in records
        if (r["arm"], r["purpose"], r["scenario"]) == ("hakmem", "time", "vm")
    ]
    first = found.series[0].values["hakmem"][0]
    assert first.value == pytest.approx(np.median(medians))
    assert min(medians) <= first.lo < first.value < first.hi <= max(medians)


def test_other_metrics_and_ratios(runs: Path) -> None:
    found = trend.find_runs([runs])
    memory = trend.gather(found, "rss_peak", None).series[0].values["hakmem"][0]
    assert memory.value == 4096
    ratios = trend.gather(found, "time", "system").series[0].values
    assert list(ratios) == ["hakmem"]
    assert ratios["hakmem"][1].value == pytest.approx(120 / 150, rel=0.05)


def test_lines_end_where_the_machine_changes(runs: Path) -> None:
    figure = trend.draw(trend.gather(trend.find_runs([runs]), "time", None))
    places = [len(bars.lines[0].get_xdata()) for bars in figure.axes[0].containers]
    assert places == [2, 1, 2, 1]
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["aaaaaaaa\n2026-11-20", "bbbbbbbb+\n2026-11-21", "cccccccc\n2026-11-22"]


def test_the_page(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trend_cli.main(["--trend", str(runs), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'trend.html'}\n"
    assert (tmp_path / "trend.png").read_bytes().startswith(b"\x89PNG")
    page, text = ((tmp_path / f"trend.{form}").read_text() for form in ("html", "md"))
    assert page.count("data:image/svg+xml;base64,") == 1 and "http" not in page
    for words in (page, text):
        assert "2 machines" in words and "cccccccc" in words and "bbbbbbbb+" in words
    rows = re.findall(r"^\| \w{8}\+? \| 2026-11-2\d \| z\d \|", text, re.M)
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--metric", "tim"], "--metric: 'tim': no such quantity; did you mean 'time'?"),
        (["--metric", "1 +"], "--metric: '1 +': not an arithmetic expression"),
        (["--metric", "total.nothing"], "--metric total.nothing: no run has measured it"),
        (["--nonsense"], "--trend: unrecognized arguments: --nonsense"),
    ],
)
def test_bad_input_is_one_line(
    runs: Path,
    tmp_path: Path,
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert trend_cli.main(["--trend", str(runs), "--out", str(out), *arguments]) == 2
    assert capsys.readouterr().err == f"run.sh: {said}\n"
    assert not out.exists()


def test_folders_without_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trend_cli.main(["--trend", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"run.sh: --trend: no run in {tmp_path}\n"
    assert trend_cli.main(["--trend", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
