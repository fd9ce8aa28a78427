"""What --resume refuses: other files than the run began with, and plans that nobody here made."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.compare.small_runs import SMALL

Compare = Callable[..., Any]
Json = dict[str, Any]


def test_resume_refuses_another_library(
    compare: Compare, libs: dict[str, Path], tmp_path: Path
) -> None:
    lib = tmp_path / "mine.so"
    lib.write_bytes(libs["sound"].read_bytes())
    outcome = compare(
        *("--scenario", "vm", "--iters", "2", "--trials", "1", "--counters", "none"),
        *("--allocators", "system", "--allocator", f"mine={lib}"),
    )
    folder = outcome.out.strip()
    assert outcome.status == 0
    lib.write_bytes(libs["sound"].read_bytes() + b"\0")
    refused = compare("--resume", folder)
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "has changed since the run began" in refused.err
    lib.unlink()
    assert compare("--resume", folder).status == 2


def test_older_schemas_are_refused_and_left_as_they_are(compare: Compare, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert compare(*SMALL, "--trials", "2", "--out", str(out)).status == 0
    whole = {name: (out / name).read_text() for name in ("run.json", "trials.jsonl")}
    lines = whole["trials.jsonl"].splitlines(keepends=True)
    stray = json.dumps({**json.loads(lines[0]), "trial": 99}) + "\n"
    for name, content, says in (
        ("run.json", whole["run.json"].replace("hkl-run-1", "hkl-run-0"), "hkl-run-1"),
        ("run.json", "[]", "is not as its schema says"),
        ("run.json", whole["run.json"][:-20], "run.json is damaged"),
        ("trials.jsonl", "".join(lines[:-1]) + '{"trial":5}\n', "line 6 is not as its schema says"),
        ("trials.jsonl", whole["trials.jsonl"].replace("hkl-trial-1", "hkl-trial-0"), "line 1 is"),
        ("trials.jsonl", "".join(lines[:-1]) + stray, "trial 99 is not in the plan"),
    ):
        (out / name).write_text(content)
        refused = compare("--resume", str(out))
        assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert says in refused.err
        assert (out / name).read_text() == content
        (out / name).write_text(whole[name])


@pytest.mark.parametrize("name", ["../other", "/etc", "..", ".", "a/b", 7, None])
def test_list_of_runs_cannot_lead_elsewhere(compare: Compare, tmp_path: Path, name: object) -> None:
    (tmp_path / "runs.json").write_text(json.dumps({"runs": [name]}))
    refused = compare("--resume", str(tmp_path))
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "runs.json is damaged" in refused.err


@pytest.fixture
def plant(libs: dict[str, Path], tmp_path: Path) -> Path:
    """A library that leaves a mark wherever it is loaded."""
    source = tmp_path / "plant.c"
    source.write_text(
        "#include <fcntl.h>\n"
        f'__attribute__((constructor)) static void go(void) {{ open("{tmp_path}/mark", O_CREAT); }}'
    )
    subprocess.run(["gcc", "-shared", "-fPIC", source, "-o", tmp_path / "plant.so"], check=True)
    return tmp_path / "plant.so"


@pytest.fixture
def half(compare: Compare, tmp_path: Path) -> Path:
    """A run that has a trial to go."""
    out = tmp_path / "run"
    assert compare(*SMALL, "--trials", "1", "--out", str(out)).status == 0
    lines = (out / "trials.jsonl").read_bytes().splitlines(keepends=True)
    (out / "trials.jsonl").write_bytes(b"".join(lines[:-1]))
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(compare: Compare, half: Path, says: str) -> None:
    """In one line, with nothing run and nothing written."""
    before = contents(half)
    refused = compare("--resume", str(half))
    assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert says in refused.err
    assert not (half.parent / "mark").exists()
    assert contents(half) == before


def preload(run: Json, lib: Path) -> None:
    """All arms have `lib`, with its SHA-256."""
    sha256 = hashlib.sha256(lib.read_bytes()).hexdigest()
    for arm in run["arms"]:
        arm.update(lib=str(lib), sha256=sha256)


def into_the_folder(run: Json, plant: Path) -> None:
    lib = plant.rename(plant.parent / "run" / "plant.so")
    preload(run, lib)


def through_a_link(run: Json, plant: Path) -> None:
    into_the_folder(run, plant)
    (plant.parent / "way").symlink_to(plant.parent / "run")
    preload(run, plant.parent / "way" / "plant.so")


def behind_another(run: Json, plant: Path) -> None:
    """A file whose name the loader takes for two."""
    lib = Path(f"{plant.parent}/x:{plant}")
    lib.parent.mkdir(parents=True)
    lib.write_bytes(plant.read_bytes())
    preload(run, lib)


def in_the_environment(run: Json, plant: Path) -> None:
    run["environment"]["LD_PRELOAD"] = str(plant)


def in_an_arms_environment(run: Json, plant: Path) -> None:
    run["arms"][0]["env"]["LD_PRELOAD"] = str(plant)


def as_an_event(run: Json, plant: Path) -> None:
    run["counters"].update(mode="perf", events=[str(plant)])


def as_a_driver_option(run: Json, plant: Path) -> None:
    run["cells"][0]["params"]["timeline"] = str(plant.parent / "mark")


def as_a_program(run: Json, plant: Path) -> None:
    program: Json = {"title": "p", "version": None, "package": "p", "prepare": [], "skipped": None}
    program |= {"command": ["/bin/touch", str(plant.parent / "mark")], "output_sha256": None}
    run["cells"] = [{"scenario": "perl", "params": {}, "program": {**program, "environment": {}}}]
    for entry in run["plan"]:
        entry["purpose"] = "program"


def as_a_skipped_program(run: Json, plant: Path) -> None:
    as_a_program(run, plant)
    run["cells"][0]["program"]["skipped"] = "why"


def as_an_unknown_program(run: Json, plant: Path) -> None:
    as_a_program(run, plant)
    run["cells"][0]["scenario"] = "nosuch"


def as_a_flag(run: Json, plant: Path) -> None:
    flags = [f"--benchmark_out={plant.parent}/mark"]
    run["cells"][0]["micro"] = {"benchmark": "malloc_free/16", "flags": flags}


def another_driver(run: Json, _plant: Path) -> None:
    run["tools"]["driver_sha256"] = "0" * 64


def no_latency_driver(run: Json, _plant: Path) -> None:
    run["plan"][-1]["purpose"] = "latency"


def no_micro(run: Json, _plant: Path) -> None:
    run["cells"][0]["micro"] = {"benchmark": "malloc_free/16", "flags": []}


def no_arm(run: Json, _plant: Path) -> None:
    run["plan"][-1]["arm"] = "nobody"


def no_cell(run: Json, _plant: Path) -> None:
    run["plan"][-1]["cell"] = -1


def no_program(run: Json, _plant: Path) -> None:
    run["plan"][-1]["purpose"] = "program"


def no_parameters(run: Json, _plant: Path) -> None:
    del run["cells"][0]["params"]["iters"]


def no_such_cpu(run: Json, _plant: Path) -> None:
    run["pin"] = [100_000]


@pytest.mark.parametrize(
    ("forge", "says"),
    [
        (into_the_folder, "lies in the run's own folder"),
        (through_a_link, "lies in the run's own folder"),
        (behind_another, "cannot be preloaded"),
        (in_the_environment, "LD_PRELOAD is not a variable that steers allocators"),
        (in_an_arms_environment, "LD_PRELOAD is not a variable that steers allocators"),
        (as_an_event, "no run counts it"),
        (as_a_driver_option, "'timeline' was unexpected"),
        (as_a_program, "program perl is not called"),
        (as_a_skipped_program, "program perl is not called"),
        (as_an_unknown_program, "program nosuch is not called"),
        (as_a_flag, "is set by the lab; leave it out"),
        (another_driver, "the driver"),
        (no_latency_driver, "hkl-latency"),
        (no_micro, "hkl-micro"),
        (no_arm, "trial 2: no such arm or cell"),
        (no_cell, "trial 2: no such arm or cell"),
        (no_program, "trial 2: not fit for its cell"),
        (no_parameters, "trial 0: not fit for its cell"),
        (no_such_cpu, "--pin 100000"),
    ],
)
def test_a_forged_plan_runs_nothing(
    compare: Compare, half: Path, plant: Path, forge: Callable[[Json, Path], None], says: str
) -> None:
    run = json.loads((half / "run.json").read_text())
    forge(run, plant)
    (half / "run.json").write_text(json.dumps(run))
    assert_refused(compare, half, says)


def test_the_plant_would_leave_its_mark(plant: Path) -> None:
    subprocess.run(["/bin/true"], env={"LD_PRELOAD": str(plant)}, check=True)
    assert (plant.parent / "mark").exists()


@pytest.mark.parametrize("name", ["trials.jsonl", "run.json", "timelines", "memory/0.csv"])
def test_links_lead_nowhere(compare: Compare, half: Path, tmp_path: Path, name: str) -> None:
    """Else what they lead to would be cut, filled or read."""
    mine = tmp_path / "mine"
    link = half / name
    link.parent.mkdir(exist_ok=True)
    if link.exists():
        link.rename(mine)
    else:
        mine.write_text("not a trial")
    before = mine.read_bytes()
    link.symlink_to(mine)
    assert_refused(compare, half, f"{name} is a link")
    assert mine.read_bytes() == before


def test_another_users_plan_is_refused(
    compare: Compare, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = os.geteuid()
    if me == 0:  # what root owns anybody may trust
        os.chown(half / "run.json", 12345, -1)
        assert_refused(compare, half, "run.json is another user's")
        os.chown(half / "run.json", 0, -1)
    else:
        with monkeypatch.context() as patch:
            patch.setattr(os, "geteuid", lambda: me + 1)
            assert_refused(compare, half, ". is another user's")
    assert compare("--resume", str(half)).status == 0
