"""Sweeps, memory over time and latency: synthetic runs whose pictures and figures are known."""

import io
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analysis import figures, forest, latency, memory, plots, scaling
from analysis.cli import main
from analysis.load import RunError, load
from analysis.summary import Summary, summarise
from tests.analysis.synthetic import Plan, edit_records, write


def summary_of(folder: Path) -> Summary:
    return summarise(load(folder))


def sweep(folder: Path, parameter: str, values: list[int]) -> Summary:
    """A run with one cell for each value, times all alike."""
    write(folder, Plan(scenarios=("larson",) * len(values), blocks=4, iters=30, process_sigma=0))
    meta = json.loads((folder / "run.json").read_text())
    cell_of = {entry["trial"]: entry["cell"] for entry in meta["plan"]}

    def change(record: dict[str, Any]) -> None:
        record["params"][parameter] = values[cell_of[record["trial"]]]

    edit_records(folder, change)
    return summary_of(folder)


def test_sweep_over_threads_is_throughput(tmp_path: Path) -> None:
    summary = sweep(tmp_path, "threads", [4, 1, 2])
    (found,) = scaling.sweeps(summary)
    assert found.parameter == "threads"
    points = scaling.points(found, "hakmem")
    assert list(points) == [1, 2, 4]
    for point in points.values():
        assert point.value == pytest.approx(1e9 / 100, rel=0.02)
        assert point.lo <= point.value <= point.hi
    assert "threads" not in found.title[1]
    assert "scaling" in figures.draw_all(summary)


def test_sweep_over_size_is_time(tmp_path: Path) -> None:
    (found,) = scaling.sweeps(sweep(tmp_path, "size", [16, 64]))
    points = scaling.points(found, "mimalloc")
    assert list(points) == [16, 64]
    assert all(point.value == pytest.approx(105, rel=0.02) for point in points.values())


def test_forest_shows_every_comparison_and_its_verdict(tmp_path: Path) -> None:
    levels = {"hakmem": 100.0, "mimalloc": 130.0, "jemalloc": 100.0, "far": 2000.0}
    summary = summary_of(write(tmp_path, Plan(levels=levels, iters=30)))
    figure = figures.draw_all(summary)["forest"]
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "jemalloc 5.3.0",
        "mimalloc 2.0.9",
        "far",
    ]
    texts = [text.get_text() for text in axis.texts]
    assert any(re.search(r"slower \+[23]\d", text) for text in texts)
    assert any("slower ×" in text for text in texts)
    assert any("no difference shown" in text for text in texts)
    left, right = axis.get_xlim()
    assert left < 1 < 1.3 < right < 3  # what is far away does not squeeze the rest
    again = figures.draw_all(summary)["forest"]
    one, other = (plots.svg(drawn) for drawn in (figure, again))
    assert one == other and b"<svg" in one


def test_forest_of_many_scenarios_stands_side_by_side(tmp_path: Path) -> None:
    levels = {"hakmem": 100.0, "mimalloc": 130.0, "jemalloc": 100.0}
    names = tuple(f"s{i}" for i in range(forest.ONE_COLUMN + 1))
    summary = summary_of(write(tmp_path, Plan(levels=levels, scenarios=names, iters=30)))
    figure = figures.draw_all(summary)["forest"]
    panels = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in panels] == list(names)
    figure.draw_without_rendering()
    boxes = [axis.get_tightbbox() for axis in panels]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert len({round(axis.get_position().x0, 3) for axis in panels}) == forest.COLUMNS
    for axis in panels:
        assert {label.get_text() for label in axis.get_yticklabels()} == {"jemalloc", "mimalloc"}
        assert re.search(r"^slower \+[23]\d", axis.texts[1].get_text())
    assert "time by that of hakmem 0.1," in figure.texts[0].get_text()


def test_pictures_have_few_colours_and_their_full_width(tmp_path: Path) -> None:
    figure = figures.draw_all(summary_of(write(tmp_path, Plan(blocks=4, iters=30))))["forest"]
    picture = Image.open(io.BytesIO(plots.png(figure)))
    assert (picture.mode, picture.width) == ("P", 1200)
    assert len(picture.getcolors()) <= plots.COLOURS


@pytest.mark.parametrize(("lo", "hi", "most"), [(15e3, 2.8e6, 6), (2.0, 25.0, 6), (1.0, 1e6, 8)])
def test_labels_of_a_logarithmic_axis_do_not_crowd(lo: float, hi: float, most: int) -> None:
    _, (axis,) = plots.panels([2.0])
    axis.set_xscale("log")
    axis.set_xlim(lo / 1.3, hi * 1.3)
    plots.log_ticks(axis.xaxis, lo, hi)
    shown = [at for at in axis.xaxis.get_majorticklocs() if lo / 1.3 <= at <= hi * 1.3]
    assert 2 <= len(shown) <= most


def test_no_sweep_no_picture(tmp_path: Path) -> None:
    summary = summary_of(write(tmp_path, Plan(scenarios=("vm", "json"), blocks=2, iters=30)))
    assert scaling.sweeps(summary) == []
    assert not {"scaling", "memory", "latency"} & set(figures.draw_all(summary))


def test_front() -> None:
    assert memory.front([(1, 5), (2, 6), (3, 2), (4, 2), (0.5, 9)]) == [4, 0, 2]
    assert memory.front([(1, 1)]) == [0]


def as_purpose(purpose: str, extra: dict[str, Any]) -> Any:
    """Makes the trials that count system calls into ones of another purpose."""

    def change(record: dict[str, Any]) -> None:
        if record["purpose"] == "count":
            record.update(purpose=purpose, **extra)

    return change


def test_memory_over_time(tmp_path: Path) -> None:
    write(tmp_path, Plan(blocks=2, iters=30))
    edit_records(tmp_path, as_purpose("memory", {"memory_file": "memory/1.csv"}))
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/1.csv").write_text("seconds,rss_kib\n0.0,1024\n0.5,2048\n")
    samples = memory.read_samples(tmp_path, "memory/1.csv")
    assert samples.tolist() == [[0, 1], [0.5, 2]]
    assert "memory" in figures.draw_all(summary_of(tmp_path))


@pytest.mark.parametrize("text", ["", "seconds\n1\n", "seconds,rss_kib\n1,x\n"])
def test_damaged_samples_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(RunError):
        memory.read_samples(tmp_path, "a.csv")
    with pytest.raises(RunError, match="outside"):
        memory.read_samples(tmp_path / "run", "../a.csv")


def calls(histogram: list[list[float]]) -> dict[str, Any]:
    named = dict.fromkeys(("p50", "p90", "p99", "p999", "p9999", "max"), 7.0)
    return {"count": sum(int(n) for _, n in histogram), **named, "histogram": histogram}


def test_latency(tmp_path: Path) -> None:
    write(tmp_path, Plan(blocks=2, iters=30))
    record = {
        "clock": "tsc",
        "overhead": 20.2,
        "resolution": 10.0,
        "malloc": calls([[10.0, 90], [20.0, 9], [500.0, 1]]),
    }
    edit_records(tmp_path, as_purpose("latency", {"latency": record}))
    ns, above = latency.merged([record, record], "malloc")
    assert ns.tolist() == [10, 20, 500]
    assert np.allclose(above, [0.1, 0.01, 0])
    assert latency.merged([record], "free").shape == (2, 0)
    summary = summary_of(tmp_path)
    grid = latency.grid(summary, summary.cells[0])
    assert [[entry.text for entry in row][1:4] for row in grid.rows] == [
        ["malloc", "100", "7.00"]
    ] * 2
    assert "20 ns of the clock itself (tsc, which goes in steps of 10 ns)" in grid.footnotes[0]
    assert main([str(tmp_path), "--quiet"]) == 0
    assert "## Latency of single calls" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "plots/latency.png").exists()


def test_fragmentation_and_failures_under_a_limit(tmp_path: Path) -> None:
    write(tmp_path, Plan(blocks=2, iters=30))

    def change(record: dict[str, Any]) -> None:
        record["live_bytes"] = 1024 * 1024
        record["limit"] = {"kind": "rlimit-as", "bytes": 3 << 20, "failures": 4}
        record["rss"]["after_kib"] = 2048

    edit_records(tmp_path, change)
    arm = summary_of(tmp_path).cells[0].arms[0]
    assert arm.fragmentation == pytest.approx((3584 - 1024) / 1024)
    assert arm.rss["after_kib"] == 2048
    assert main([str(tmp_path), "--quiet"]) == 0
    text = (tmp_path / "report.md").read_text()
    assert "hakmem: 4 allocations of a process failed under the limit of 3.00 MiB" in text
