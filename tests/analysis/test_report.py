"""The whole way: table, report.md, report.html, summary.csv and plots of synthetic runs, and the
command line."""

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from analysis.cli import main
from analysis.table import Grid, fit, percent, to_rich
from tests.analysis.synthetic import Plan, write

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = {"summary.csv", "report.md", "report.html", "plots"}
PLAN = Plan(
    levels={"hakmem": 100.0, "jemalloc": 150.0, "dead": 90.0, "ill": 100.0},
    fails={"dead": 15, "ill": 3},
    steal={4: 20},
)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its report."""
    folder = write(tmp_path_factory.mktemp("run"), PLAN)
    assert main([str(folder), "--quiet"]) == 0
    return folder


def test_table_on_the_terminal(reported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(reported)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "vm: iters 100, warm-up 10, size 2 MiB" in out
    csv = pd.read_csv(reported / "summary.csv").set_index("arm")
    line = next(line for line in out.splitlines() if "jemalloc 5.3.0" in line)
    row = csv.loc["jemalloc"]
    interval = f"[{row['steady_ns_per_op_lo']:,.0f}, {row['steady_ns_per_op_hi']:,.0f}]"
    assert f"{row['steady_ns_per_op']:,.0f} {interval}" in line
    assert f"{row['ratio_to_best']:.3f}" in line
    assert f"slower {100 * (row['ratio_to_baseline'] - 1):+.1f} %" in line
    assert line.split()[-2:] == ["12/11/0", "4.00"]
    assert "crash 15/15 (killed by SIGSEGV)" in " ".join(out.split())
    assert "hakmem-twin" not in out
    assert "noise floor (A/A')" in out and "smallest effect" in out
    assert "1 of 15 blocks disturbed" in out
    assert "no hardware counters on this machine" in out
    assert out.rstrip().endswith(f"report: {reported / 'report.html'}")


def test_steady_time_in_the_table_by_hand(reported: Path) -> None:
    records = map(json.loads, (reported / "trials.jsonl").read_text().splitlines())
    medians = [
        np.median(r["timeline_ns"][10:]) / 1000
        for r in records
        if r["arm"] == "jemalloc" and r["purpose"] == "time"
    ]
    text = (reported / "report.md").read_text()
    assert re.search(rf"^\| jemalloc 5.3.0 \| {np.median(medians):.0f} \\\[", text, re.M)


def test_quiet_prints_nothing(reported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(reported), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_markdown_report_is_complete(reported: Path) -> None:
    text = (reported / "report.md").read_text()
    for heading in (
        "Summary",
        "What was compared",
        "Method",
        "Results",
        "Allocators' own counters",
        "System calls in the steady window",
        "Counts by perf in the steady window",
        "Memory",
        "Steady state",
        "Failures",
        "Environment and noise",
    ):
        assert f"\n## {heading}\n" in text
    assert "| whale\\_hits | 990 | 990 |" in text and "never" not in re.findall(
        r"\| (\w+) \|", text
    )
    assert text.count("crash: killed by SIGSEGV") == 18
    assert "{{" not in text and "{%" not in text
    for image in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
        assert (reported / image).read_bytes().startswith(b"\x89PNG")


def test_markdown_tables_have_as_many_entries_as_columns(reported: Path) -> None:
    columns = None
    for line in (reported / "report.md").read_text().splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        entries = len(re.findall(r"(?<!\\)\|", line))
        columns = columns or entries
        assert entries == columns, line


def test_html_report_needs_nothing_else(reported: Path) -> None:
    text = (reported / "report.html").read_text()
    sources = re.findall(r"""(?:src|href)=["']?([^"'> ]+)""", text)
    assert len(sources) == 4
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert all(b"<svg" in base64.b64decode(source.partition(",")[2]) for source in sources)
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert "<script" not in text and "@import" not in text and "url(" not in text
    assert '<td class="w bad"><span>slower' in text


def test_html_and_markdown_agree(reported: Path) -> None:
    rows = pd.read_html(str(reported / "report.html"), match="verdict vs hakmem")[0]
    text = (reported / "report.md").read_text().replace("\\", "")
    for value in rows["ns/op [95 %]"]:
        assert f"| {value} |" in text


def test_text_from_the_run_cannot_break_the_reports(tmp_path: Path) -> None:
    write(tmp_path, Plan(blocks=2, iters=30))
    path = tmp_path / "run.json"
    meta = json.loads(path.read_text())
    meta["arms"][1]["title"] = "<script>alert(1)</script>|[bold]\nx"
    meta["counters"]["notes"] = ["[red]a & b"]
    path.write_text(json.dumps(meta))
    assert main([str(tmp_path)]) == 0
    html = (tmp_path / "report.html").read_text()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert (
        "\\<script\\>alert(1)\\</script\\>\\|\\[bold\\] x" in (tmp_path / "report.md").read_text()
    )


def test_no_steady_iterations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, Plan(blocks=3, iters=1, warmup=0))
    assert main([str(tmp_path)]) == 0
    assert "no steady iterations" in capsys.readouterr().out
    assert "no steady iterations" in (tmp_path / "report.md").read_text()


def test_few_processes_and_too_few_blocks_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, Plan(blocks=3))
    assert main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "few processes" in out
    assert "3 blocks are too few to show any difference" in out and "at least 6" in out


def test_unsupported_counts_have_a_footnote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, Plan(blocks=2, unsupported="tracefs is not readable"))
    assert main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "n/a [1]" in out and "[1] tracefs is not readable" in out


def test_unfinished_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, Plan(blocks=6))
    path = tmp_path / "trials.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:15]) + "\n")
    assert main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "not finished: 15 of 20 trials so far" in out
    assert "system calls were not counted" in out


def test_bad_input_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    write(tmp_path, Plan(blocks=1))
    (tmp_path / "trials.jsonl").write_text("")
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = subprocess.run(
            [sys.executable, "-m", "analysis", str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith("analysis: ") and done.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "trials.jsonl"}


@pytest.mark.parametrize(
    ("width", "gone"),
    [(64, ["mmap/munmap", "cold ns/op"]), (80, ["mmap/munmap"]), (90, []), (100, [])],
)
def test_figures_stay_whole_at_any_width(width: int, gone: list[str]) -> None:
    """Intervals go below their values, then columns go, before a figure is cut."""
    columns = ("allocator", "ns/op [95 %]", "cold\nns/op", "verdict", "mmap/\nmunmap", "peak\nMiB")
    grid = Grid(columns, words=frozenset({0, 3}))
    interval = "2,534,980 [2,319,868, 2,761,662]"
    grid.add("a long name of one", interval, "4,242,310", "no difference shown", "238/241", "222")
    shown, left_out = fit(grid, width)
    console = Console(width=width, file=io.StringIO())
    console.print(to_rich(shown))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    figures = ["2,534,980", "[2,319,868, 2,761,662]", "222"]
    figures += [] if "cold ns/op" in gone else ["4,242,310"]
    figures += [] if "mmap/munmap" in gone else ["238/241"]
    assert all(figure in text for figure in figures)
    assert (interval in text) == (width == 100)
    assert left_out == gone


@pytest.mark.parametrize(
    ("ratio", "text"), [(1.0523, "+5.2 %"), (0.5, "-50.0 %"), (4.0, "+300 %"), (28.04, "×28.0")]
)
def test_changes_are_percent_until_tenfold(ratio: float, text: str) -> None:
    assert percent(np.log(ratio)) == text
