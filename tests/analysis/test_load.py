"""load.py: what is a run, what is not, and that every refusal is one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.load import RunError, load
from tests.analysis.synthetic import Plan, write

SMALL = Plan(blocks=2, iters=5, warmup=2)


def change(folder: Path, line: int, **fields: Any) -> None:
    """Overwrites fields of one record."""
    path = folder / "trials.jsonl"
    lines = path.read_text().splitlines()
    lines[line] = json.dumps({**json.loads(lines[line]), **fields})
    path.write_text("\n".join(lines) + "\n")


def change_meta(folder: Path, **fields: Any) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def refused(folder: Path) -> str:
    with pytest.raises(RunError) as caught:
        load(folder)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message


def test_frame_holds_the_times_per_operation_of_the_steady_window(tmp_path: Path) -> None:
    run = load(write(tmp_path, SMALL))
    assert len(run.trials) == 2 * 3 + 2
    record = json.loads((tmp_path / "trials.jsonl").read_text().splitlines()[0])
    row = run.trials.iloc[0]
    expected = np.array(record["timeline_ns"][2:]) / 1000
    np.testing.assert_allclose(row["steady"], expected)
    assert len(row["times"]) == 7
    assert row["cold_ns_per_op"] == record["windows"]["cold"]["ns_per_op"]
    assert run.baseline.arm == "hakmem"
    twin = run.twin(run.cells[0])
    assert twin is not None and twin.twin_of == "hakmem"
    assert run.cells[0].params["size"] == 2 << 20


def test_steady_window_without_warmup_leaves_the_cold_iteration_out(tmp_path: Path) -> None:
    run = load(write(tmp_path, Plan(blocks=2, iters=5, warmup=0)))
    assert {len(times) for times in run.trials["steady"]} == {4}


def test_one_iteration_has_no_steady_window(tmp_path: Path) -> None:
    run = load(write(tmp_path, Plan(blocks=2, iters=1, warmup=0)))
    assert {len(times) for times in run.trials["steady"]} == {0}


def test_timelines_in_files_are_the_same_as_in_the_record(tmp_path: Path) -> None:
    inline = load(write(tmp_path / "a", SMALL))
    in_files = load(write(tmp_path / "b", Plan(blocks=2, iters=5, warmup=2, long_timelines=True)))
    for one, other in zip(inline.trials["steady"], in_files.trials["steady"]):
        np.testing.assert_array_equal(one, other)


def test_torn_last_line_is_ignored(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    path = tmp_path / "trials.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert len(load(tmp_path).trials) == 7


def test_torn_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    path = tmp_path / "trials.jsonl"
    lines = path.read_text().splitlines()
    lines[3] = lines[3][:50]
    path.write_text("\n".join(lines) + "\n")
    assert "line 4: not JSON" in refused(tmp_path)


def test_no_such_folder(tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "nowhere")


def test_folder_that_is_no_run(tmp_path: Path) -> None:
    assert "run.json" in refused(tmp_path)


def test_run_without_trials(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    (tmp_path / "trials.jsonl").unlink()
    assert "no trials" in refused(tmp_path)
    (tmp_path / "trials.jsonl").write_text("")
    assert "no trial succeeded" in refused(tmp_path)


def test_wrong_schema_versions(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    change(tmp_path, 2, schema="hkl-trial-2")
    assert "line 3: schema is 'hkl-trial-2'" in refused(tmp_path)
    change_meta(tmp_path, schema="hkl-run-9")
    assert "schema is 'hkl-run-9'" in refused(tmp_path)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"status": "fine"}, "status"),
        ({"timeline_ns": [1, -2]}, "timeline_ns"),
        ({"timeline_ns": [1.5, 2.5]}, "timeline_ns"),
        ({"timeline_ns": [1, 2, 3]}, "3 iterations in the timeline, 2 + 5"),
        ({"timeline_ns": None, "timeline_file": "timelines/none"}, "No such file"),
        ({"timeline_ns": None, "timeline_file": "../../etc/passwd"}, "outside the run's folder"),
        ({"arm": "mine"}, "not in the plan"),
        ({"trial": 999}, "not in the plan"),
    ],
)
def test_bad_records(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    write(tmp_path, SMALL)
    change(tmp_path, 1, **fields)
    assert message in refused(tmp_path)


def test_trial_recorded_twice(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    path = tmp_path / "trials.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
    assert "recorded twice" in refused(tmp_path)


def test_unknown_baseline(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    change_meta(tmp_path, baseline="nobody")
    assert "baseline 'nobody'" in refused(tmp_path)


def test_nothing_but_crashes_says_the_first_error(tmp_path: Path) -> None:
    write(tmp_path, Plan(blocks=2, fails={"hakmem": 2, "mimalloc": 2, "hakmem-twin": 2}))
    # The twin is not in `levels`, so its failures are set by hand.
    for number, line in enumerate((tmp_path / "trials.jsonl").read_text().splitlines()):
        if json.loads(line)["purpose"] == "time":
            change(tmp_path, number, status="crash", error="killed by SIGSEGV", windows=None)
    assert "first error: killed by SIGSEGV" in refused(tmp_path)


def test_a_timeline_with_lists_in_it_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, SMALL)
    change(folder, 1, timeline_ns=[1, [2, 3], 4])
    assert "line 2: timeline_ns: not a list of nanoseconds" in refused(folder)


def test_a_timeline_without_parameters_is_refused(tmp_path: Path) -> None:
    change(write(tmp_path, SMALL), 2, params=None)
    assert refused(tmp_path).endswith(": a timeline, but no parameters")
