"""--trace through compare: the plan, the records, resuming, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tracefile import FREE, MALLOC, ROOT, Item, trace

from compare.allocators import sha256_of
from compare.layout import Layout
from compare.main import main

SHORT = ["--iters", "2", "--trials", "1", "--counters", "none", "--allocators", "system"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.trace"
    path.write_bytes(trace([Item(MALLOC, 5), Item(FREE, 1), Item(MALLOC, 6)]))
    return path


@pytest.fixture
def layout(lab: Any, tmp_path: Path) -> Layout:
    (tmp_path / "results").mkdir()
    return Layout(root=ROOT, driver=lab.build / "hkl-driver", results=tmp_path / "results")


def test_run_records_the_trace_and_resume_checks_it(
    file: Path,
    layout: Layout,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    argv = ["--scenario", "trace", "--trace", "my.trace", *SHORT, "--out", str(out)]
    assert main(argv, layout) == 0, capsys.readouterr().err
    records = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    wanted = {"trace": str(file), "trace_sha256": sha256_of(file), "threads": 1, "batch": 4}
    for params in [json.loads((out / "run.json").read_text())["cells"][0]["params"]] + [
        record["params"] for record in records
    ]:
        assert {key: params[key] for key in wanted} == wanted
    assert [record["status"] for record in records] == ["ok", "ok"]
    file.write_bytes(trace([Item(MALLOC, 5)]))
    capsys.readouterr()
    assert main(["--resume", str(out)], layout) == 2
    assert "the trace" in capsys.readouterr().err


def test_shipped_traces_are_named_below_the_checkout(
    layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shipped = ROOT / "scenarios/traces/sqlite3.trace"
    argv = ["--scenario", "trace,tiny_hot", "--trace", str(shipped), *SHORT, "--out", str(out)]
    assert main(argv, layout) == 0, capsys.readouterr().err
    cells = json.loads((out / "run.json").read_text())["cells"]
    assert cells[0]["params"]["trace"] == "scenarios/traces/sqlite3.trace"
    assert "trace" not in cells[1]["params"]


def test_all_scenarios_need_no_trace(lab: Any) -> None:
    from compare.driver import choose, scenarios

    known = scenarios(lab.build / "hkl-driver")
    assert "trace" not in [scenario.name for scenario in choose(["all"], known, False)]
    assert "trace" in [scenario.name for scenario in choose(["all"], known, True)]


BAD = [
    (["--scenario", "trace"], "--trace: missing"),
    (["--scenario", "vm", "--trace", "FILE"], "--trace: no scenario of vm takes one"),
    (["--scenario", "trace", "--trace", "none"], "No such file"),
    (["--scenario", "trace", "--trace", "cut"], "byte 74: the file ends"),
    (["--scenario", "trace", "--trace", "FILE", "--threads", "2"], "--threads 2: the trace has 1"),
    (["--scenario", "trace", "--trace", "FILE", "--batch", "2"], "--batch 2: the trace has 4"),
    (["--scenario", "trace", "--trace", ""], "--trace ''"),
]


@pytest.mark.parametrize(("argv", "words"), BAD)
def test_bad_options(
    file: Path,
    layout: Layout,
    argv: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(file, "cut")
    Path("cut").write_bytes(file.read_bytes()[:-1])
    argv = [file.name if word == "FILE" else word for word in argv]
    assert main([*argv, *SHORT], layout) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == 1
    assert list((tmp_path / "results").iterdir()) == []
