"""Runners that are killed, and several that want one name: nothing lost, nothing overwritten."""

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compare import main as compare_main
from compare.layout import Layout
from compare.storage import Taken, create
from tests.compare.small_runs import (
    SMALL,
    assert_complete,
    command,
    environment,
    processes_with,
    records,
    wait_until,
)

Compare = Callable[..., Any]


@pytest.mark.parametrize("counters", ["none", "perf"])
def test_killed_runner_loses_nothing_and_leaves_no_process(
    compare: Compare, libs: dict[str, Path], tmp_path: Path, counters: str
) -> None:
    """SIGKILL while a trial hangs, which would otherwise disturb whatever is measured next."""
    lib = tmp_path / "allocator.so"
    lib.write_bytes(libs["hang"].read_bytes())
    out = tmp_path / "run"
    argv = ["--scenario", "json", "--iters", "60", "--trials", "2", "--counters", counters]
    argv += ["--allocators", "system", "--allocator", f"hang={lib}", "--plan-seed", "3"]
    argv += ["--timeout", "100", "--out", str(out)]
    process = subprocess.Popen(
        command(*argv), cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL
    )
    try:
        wait_until(
            lambda: any("hkl-driver --scenario" in line for line in processes_with(str(lib))),
            "the trial that hangs never began",
        )
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: processes_with(str(lib)) == [], f"still there: {processes_with(str(lib))}")
    before = (out / "trials.jsonl").read_bytes()
    assert {trial["status"] for trial in records(out)} <= {"ok"}

    run_json = json.loads((out / "run.json").read_text())
    run_json["timeout_s"] = 1  # it will hang again
    (out / "run.json").write_text(json.dumps(run_json))
    assert compare("--resume", str(out)).status == 1
    assert (out / "trials.jsonl").read_bytes().startswith(before)
    trials = records(out)
    assert sorted(trial["trial"] for trial in trials) == list(range(len(run_json["plan"])))
    for trial in trials:
        assert trial["status"] == ("timeout" if trial["arm"] == "hang" else "ok")


def test_one_folder_goes_to_one_run(tmp_path: Path) -> None:
    """Many want the same folder at the same moment: one has it, and its plan stays."""
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        start = threading.Barrier(4)
        got: list[int] = []

        def want(number: int) -> None:
            start.wait()
            try:
                create(folder, {Path(): {"mine": number}})
                got.append(number)
            except Taken:
                pass

        threads = [threading.Thread(target=want, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        assert json.loads((folder / "run.json").read_text()) == {"mine": got[0]}
        assert sorted(path.name for path in folder.iterdir()) == ["run.json", "trials.jsonl"]


def test_folder_taken_between_check_and_use_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    create(folder, {Path(): {"first": True}})
    monkeypatch.setattr("compare.storage.check_new", lambda folder: None)
    with pytest.raises(Taken, match="must not exist, or be an empty folder"):
        create(folder, {Path(): {"second": True}})
    assert json.loads((folder / "run.json").read_text()) == {"first": True}


def test_default_names_in_the_same_second_differ(
    compare: Compare, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(compare_main.datetime):  # type: ignore[misc, name-defined]
        """A clock that stands, as one that is set back would."""

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(compare_main, "datetime", Stopped)
    folders = [compare(*SMALL, "--trials", "1").out.strip() for _ in range(3)]
    stem = f"{layout.results}/20260102T030405Z-tiny_hot"
    assert folders == [stem, f"{stem}-2", f"{stem}-3"]
    for folder in folders:
        assert_complete(Path(folder))
    assert (layout.results / "latest").resolve() == Path(folders[-1])


def test_what_is_in_the_way_of_the_link_does_not_end_the_run(
    compare: Compare, layout: Layout
) -> None:
    (layout.results / "latest").mkdir()
    (layout.results / "latest" / "mine").write_text("keep")
    outcome = compare(*SMALL, "--trials", "1")
    assert outcome.status == 0
    assert "note: results/latest: Is a directory" in outcome.err
    assert_complete(Path(outcome.out.strip()))
    assert (layout.results / "latest" / "mine").read_text() == "keep"
    assert not [path for path in layout.results.iterdir() if path.name.startswith(".")]
