"""--programs: whole programs under hyperfine, their output checked, what is missing said."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analysis.cli import main as analyse
from compare import program

ROOT = Path(__file__).resolve().parents[2]
Compare = Callable[..., Any]
Read = Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]

pytestmark = pytest.mark.skipif(shutil.which("hyperfine") is None, reason="no hyperfine here")


def made_up(folder: Path, **entries: str) -> Path:
    """A table of programs: name -> command of a shell."""
    lines = []
    for name, text in entries.items():
        binary = text if text.startswith("/") else "/bin/sh"
        command = json.dumps(["sh", "-c", text])
        lines += [f"[program.{name}]", f'title = "{name} it is"', 'package = "pack"']
        lines += [f'binaries = ["{binary}"]', 'version = ["-c", "echo 1.2.3"]']
        lines += [f"command = {command}", 'prepare = ["sh", "-c", "echo ready > prepared"]']
    path = folder / "programs.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts made-up programs in place of the real ones."""

    def put(**entries: str) -> None:
        path = made_up(tmp_path, **entries)
        real = program.load_table
        monkeypatch.setattr(program, "load_table", lambda: real(path))

    return put


def test_programs_are_timed_and_reported(
    compare: Compare, read_run: Read, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    outcome = compare(
        *("--programs", "perl", "--trials", "2", "--allocators", "hakmem,system,mimalloc"),
        *("--out", str(out)),
    )
    assert outcome.status == 0, outcome.err
    run, trials = read_run(out)
    jsonschema.validate(run, json.loads((ROOT / "results/schema/run.schema.json").read_text()))
    schema = json.loads((ROOT / "results/schema/trial.schema.json").read_text())
    assert len(trials) == 2 * 4
    for trial in trials:
        jsonschema.validate(trial, schema)
        assert (trial["status"], trial["purpose"]) == ("ok", "program")
        measured = trial["program"]
        assert measured["ns"] > 0 and measured["peak_kib"] > 2000
        assert measured["output_sha256"] == run["cells"][0]["program"]["output_sha256"]
        kept = json.loads((out / measured["hyperfine"]).read_text())
        assert round(kept["results"][0]["times"][0] * 1e9) == measured["ns"]
    assert analyse([str(out)]) == 0
    text = capsys.readouterr().out
    assert "perl: Perl: " in text and "ms/run" in text and "baseline" in text
    assert "ms per run" in (out / "report.md").read_text()
    assert (out / "plots/time_per_operation.png").exists()


@pytest.mark.slow
def test_every_program_runs_under_hakmem(compare: Compare, read_run: Read, tmp_path: Path) -> None:
    out = tmp_path / "run"
    outcome = compare("--programs", "--trials", "1", "--allocators", "hakmem", "--out", str(out))
    assert outcome.status == 0, outcome.err
    run, trials = read_run(out)
    skipped = [c["scenario"] for c in run["cells"] if c["program"]["skipped"]]
    assert len(run["cells"]) == len(program.load_table())
    for name in skipped:
        assert f"{name} is skipped: " in outcome.err
    assert {t["scenario"] for t in trials} == {
        c["scenario"] for c in run["cells"] if c["scenario"] not in skipped
    }


def test_what_is_missing_is_a_note_and_a_row(
    compare: Compare,
    read_run: Read,
    tmp_path: Path,
    table: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    table(fine="cat prepared", gone="/nowhere/gone", ill="echo no good >&2; exit 3")
    out = tmp_path / "run"
    outcome = compare("--programs", "--trials", "1", "--allocators", "system", "--out", str(out))
    assert outcome.status == 0
    assert "gone is skipped: /nowhere/gone is not installed (package pack)" in outcome.err
    assert "ill is skipped: does not run here: no good" in outcome.err
    run, trials = read_run(out)
    assert {t["scenario"] for t in trials} == {"fine"}
    assert run["cells"][0]["program"]["version"] == "1.2.3"
    assert analyse([str(out)]) == 0
    text = capsys.readouterr().out
    assert "skipped: /nowhere/gone is not installed" in text
    assert "gone it is" in (out / "report.html").read_text()


def test_other_output_than_without_the_allocator_is_an_error(
    compare: Compare, read_run: Read, tmp_path: Path, table: Callable[..., None]
) -> None:
    table(told='case "$LD_PRELOAD" in *libc.so*) echo one ;; *) echo another ;; esac')
    out = tmp_path / "run"
    arms = ("--allocators", "system,hakmem", "--trials", "1", "--out", str(out))
    assert compare("--programs", *arms).status == 1
    for trial in read_run(out)[1]:
        if trial["allocator"] == "system":
            assert trial["status"] == "ok"
        else:
            assert trial["status"] == "error" and "output differs" in trial["error"]


def test_a_program_that_dies_is_a_crash(
    compare: Compare, read_run: Read, tmp_path: Path, table: Callable[..., None]
) -> None:
    table(dies='case "$LD_PRELOAD" in *libc.so*) ;; *) kill -SEGV $$ ;; esac')
    out = tmp_path / "run"
    arms = ("--allocators", "system,hakmem", "--trials", "1", "--out", str(out))
    assert compare("--programs", *arms).status == 1
    ends = {t["arm"]: (t["status"], t["error"]) for t in read_run(out)[1]}
    assert ends["hakmem"] == ("crash", "killed by SIGSEGV")
    assert ends["system"] == ("ok", None)


def test_an_allocator_that_is_not_in_effect_is_left_out(
    compare: Compare, tmp_path: Path, table: Callable[..., None]
) -> None:
    static = tmp_path / "static"
    source = tmp_path / "static.c"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-static", source, "-o", static], check=True)
    table(still=str(static))
    out = tmp_path / "run"
    outcome = compare("--programs", "--trials", "1", "--allocators", "hakmem", "--out", str(out))
    assert outcome.status == 2
    assert "--programs: nothing can be run here: still is skipped: hakmem is not" in outcome.err
    assert not out.exists()


def test_peak_memory_is_the_programs_own(tmp_path: Path) -> None:
    """The peak of a small program is small, though a large process started it."""
    child = [str(ROOT / "build/hkl-child"), str(tmp_path), "-", "/bin/true"]
    fat = bytearray(200 << 20)
    assert subprocess.run(child).returncode == 0
    status, peak_kib = map(int, (tmp_path / "usage").read_text().split())
    assert status == 0 and 0 < peak_kib < 10_000 and len(fat)


def test_hkl_child_ends_as_its_program(tmp_path: Path) -> None:
    child = [str(ROOT / "build/hkl-child"), str(tmp_path), "-"]
    assert subprocess.run([*child, "sh", "-c", "echo said; exit 7"]).returncode == 7
    assert (tmp_path / "out").read_text() == "said\n"
    assert subprocess.run([*child, "sh", "-c", "kill -ABRT $$"]).returncode == -6
    assert subprocess.run([*child, "/nowhere"], stderr=subprocess.DEVNULL).returncode == 126
    assert "/nowhere" in (tmp_path / "err").read_text()
    assert subprocess.run(child[:2], stderr=subprocess.DEVNULL).returncode == 2
