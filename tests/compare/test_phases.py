"""Whole runs of phases: what is planned, recorded and resumed, and what is refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compare import driver as driver_module
from compare import phase, phase_plan
from compare.layout import Layout

PHASE = """\
id = "{id}"
title = "A phase"
change = "something"

[[comparison]]
id = "one"
scenario = "tiny_hot"
params = {{ iters = 5, warmup = 1, batch = 1000 }}
before.env = {{ HAKMEM_WARM_POOL = "0" }}
after = {{}}

[[comparison]]
id = "two"
scenario = "vm"
params = {{ iters = 2, warmup = 1 }}
before.env = {{ HAKMEM_WHALE_LEARN = "0", HAKMEM_WHALE_MAX_MB = "0" }}
after = {{}}
exercised = "total.whale.hit"

[[claim]]
id = "hits"
comparison = "two"
says = "there are hits"
source = "this test"
kind = "count"
metric = "total.whale.hit"
bound = ">= 1"
"""


@pytest.fixture
def phases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the phases p1 and p2, in place of compare/phases."""
    folder = tmp_path / "phases"
    folder.mkdir()
    for name in ("p1", "p2"):
        (folder / f"{name}.toml").write_text(PHASE.format(id=name))
    monkeypatch.setattr(Layout, "phases", property(lambda _: folder))
    for name in ("HAKMEM_MODE", "HAKMEM_STATS"):
        monkeypatch.delenv(name, raising=False)
    return folder


def test_comparisons_become_cells_with_arms_of_their_own(
    phases: Path, compare: Callable[..., Any], read_run: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = compare("--phase", "p1", "--trials", "2", "--out", str(out))
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[-1] == str(out)
    run, trials = read_run(out)
    assert run["phase"]["id"] == "p1"
    assert run["environment"] == {}
    sides = [("before", None), ("after", None), ("before@2", "before")]
    assert [(arm["arm"], arm["twin_of"]) for arm in run["arms"]] == [
        (f"{prefix}-{name}", of and f"{prefix}-{of}")
        for prefix in ("one", "two")
        for name, of in sides
    ]
    assert [cell["comparison"] for cell in run["cells"]] == ["one", "two"]
    timed = [t for t in trials if t["purpose"] == "time"]
    assert {t["status"] for t in trials} == {"ok"}
    assert len(timed) == 2 * 2 * 3
    hits = {t["arm"]: t["stats_total"]["whale.hit"] for t in timed if t["scenario"] == "vm"}
    assert hits["two-before"] == hits["two-before@2"] == 0 < hits["two-after"]


def test_several_phases_are_runs_in_one_folder_and_can_be_resumed(
    phases: Path, compare: Callable[..., Any], read_run: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert compare("--phase", "all", "--trials", "1", "--out", str(out)).status == 0
    assert json.loads((out / "runs.json").read_text()) == {"runs": ["p1", "p2"]}
    whole = (out / "p2" / "trials.jsonl").read_text().splitlines(keepends=True)
    (out / "p2" / "trials.jsonl").write_text("".join(whole[:2]))
    outcome = compare("--resume", str(out))
    assert outcome.status == 0
    assert outcome.out.splitlines()[-1] == str(out)
    run, trials = read_run(out / "p2")
    assert sorted(t["trial"] for t in trials) == [entry["trial"] for entry in run["plan"]]


def test_same_sides_are_the_same_arms(driver: Path, layout: Layout, tmp_path: Path) -> None:
    text = PHASE.format(id="p").replace(
        'HAKMEM_WHALE_LEARN = "0", HAKMEM_WHALE_MAX_MB = "0"', 'HAKMEM_WARM_POOL = "0"'
    )
    (tmp_path / "p.toml").write_text(text)
    loaded = phase.load(tmp_path / "p.toml", all_names(driver), layout)
    arms, cells = phase_plan.arms_and_cells(loaded, layout)
    assert [arm["arm"] for arm in arms] == ["before", "after", "before@2"]
    assert [cell["baseline"] for cell in cells] == ["before", "before"]


def all_names(path: Path) -> phase.Names:
    return phase.Names(driver_module.scenarios(path), [])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--phase", "p3"], "--phase 'p3': no such phase; did you mean 'p[12]'?"),
        (["--phase", "p1,p1"], "--phase 'p1': is named twice"),
        (["--phase", "p1", "--iters", "5"], "--iters: does not go with --phase"),
        (["--phase", "p1", "--allocators", "system"], "--allocators: does not go with --phase"),
        (["--phase", "p1", "--scenario", "vm"], "--scenario: does not go with --phase"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(
    argv: list[str], said: str, phases: Path, compare: Callable[..., Any], layout: Layout
) -> None:
    outcome = compare(*argv)
    assert outcome.status == 2
    assert re.fullmatch(rf"run.sh: {said}.*\n", outcome.err)
    assert list(layout.results.iterdir()) == []


def test_a_bad_file_is_one_line_and_nothing_is_written(
    phases: Path, compare: Callable[..., Any], layout: Layout
) -> None:
    good = (phases / "p2.toml").read_text()
    (phases / "p2.toml").write_text(good.replace("total.whale.hit", "total.whale.hits", 1))
    outcome = compare("--phase", "p1,p2")
    assert outcome.status == 2
    assert re.fullmatch(
        r"run.sh: \S+p2.toml:18: no such metric 'total.whale.hits';"
        r" did you mean 'total.whale.hit'\?\n",
        outcome.err,
    )
    assert list(layout.results.iterdir()) == []


def test_settings_from_outside_are_refused(
    phases: Path, compare: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAKMEM_WARM_POOL", "3")
    outcome = compare("--phase", "p1")
    assert outcome.status == 2
    assert "HAKMEM_WARM_POOL is set in the environment" in outcome.err


def test_every_phase_file_is_sound(driver: Path, layout: Layout) -> None:
    """Builds every variant that the files name."""
    loaded = phase.choose(["all"], layout)
    assert [one.id for one in loaded] == list(phase.files(layout))
    for one in loaded:
        judged = {claim["comparison"] for claim in one.content["claim"]}
        assert judged <= set(one.params)
