"""Hostile names and values: taken as they are or refused in one line, never executed."""

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main as analyse
from compare.layout import Layout
from compare.text import one_line
from tests.compare.small_runs import ROOT, SMALL, assert_complete, command, environment, run

Compare = Callable[..., Any]
HOSTILE = (
    "with space",
    "'quoted' \"twice\"",
    "; touch mark;",
    "$(touch mark)",
    "`touch mark`",
    "&& touch mark #",
    "* ? [a-z] ~ {a,b}",
    "--help",
    "%s%n\\n",
    "ünï→日本",
    "<script>alert(1)",
    "| pipes | [link](x)",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_out_takes_any_name_and_runs_none(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    outcome = compare(*SMALL, "--trials", "1", f"--out={name}")
    assert (outcome.status, outcome.out) == (0, f"{tmp_path}/here/{name}\n")
    assert [path.name for path in (tmp_path / "here").iterdir()] == [name]
    assert_complete(tmp_path / "here" / name)


def test_run_sh_takes_any_name_and_runs_none(driver: Path, tmp_path: Path) -> None:
    """Through all of it, to the reports: a folder of exactly that name, the words as text."""
    name = " ".join(HOSTILE)
    argv = [str(ROOT / "run.sh"), *SMALL, "--trials", "1", f"--out={name}"]
    done = run(argv, tmp_path, env=environment(HAKMEM_NOTE=name))
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines()[-1] == str(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert_complete(tmp_path / name)
    run_json = json.loads((tmp_path / name / "run.json").read_text())
    assert run_json["environment"]["HAKMEM_NOTE"] == name
    assert "<script>alert" not in (tmp_path / name / "report.html").read_text()
    shown = re.search(r"with `` (.*?) ``, baseline", (tmp_path / name / "report.md").read_text())
    assert shown is not None, "the command is not a code span"
    assert shlex.split(shown[1]) == ["./run.sh", *argv[1:]], "pasted, it would run something else"


@pytest.mark.parametrize("bad", ["a\nb", "a\tb", "a\x1b[2Jb", "a\x7f", "a\u2028b", b"a\xffb"])
def test_names_that_would_break_a_line_are_refused(
    driver: Path, tmp_path: Path, bad: str | bytes
) -> None:
    name = os.fsdecode(bad)
    for option in ("--out", "--resume", "--baseline", "--trace", "--record", "--allocator"):
        more = ["--", "true"] if option == "--record" else []
        begin = [*SMALL] if option in ("--out", "--baseline", "--allocator") else []
        done = run(command(*begin, f"{option}=x={name}", *more), tmp_path)
        assert (done.returncode, done.stdout) == (2, b"")
        said = done.stderr.decode()
        assert (said.count("\n"), said[:-1].isprintable()) == (1, True)
        assert said.startswith(f"run.sh: {option} 'x=")
        assert "must be UTF-8 without control characters" in said
    assert list(tmp_path.iterdir()) == []


def test_folder_reached_by_such_a_name_is_refused(compare: Compare, tmp_path: Path) -> None:
    """What a link leads to counts, not how it is called."""
    target = tmp_path / "two\nlines"
    target.mkdir()
    (tmp_path / "link").symlink_to(target)
    refused = compare(*SMALL, "--out", str(tmp_path / "link"))
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("value", ["\udcff", "a\nb", "\x1b[31m"])
def test_settings_that_no_report_could_hold_are_refused(
    compare: Compare, layout: Layout, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HAKMEM_MODE", value)
    refused = compare(*SMALL)
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert refused.err.startswith("run.sh: HAKMEM_MODE='")
    assert list(layout.results.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in HOSTILE if "/" not in name])
def test_record_takes_any_name_and_runs_none(driver: Path, tmp_path: Path, name: str) -> None:
    program = tmp_path / "bin" / name
    program.parent.mkdir()
    program.write_bytes(Path("/bin/echo").read_bytes())
    program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    done = run(command(f"--record={name}", "--", str(program), *HOSTILE), work)
    assert (done.returncode, done.stdout.decode()) == (0, " ".join(HOSTILE) + "\n")
    assert [path.name for path in work.iterdir()] == [name]
    checked = run([str(ROOT / "build/hkl-trace"), "--check", f"./{name}"], work)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "option",
    ["--scenario", "--allocators", "--programs", "--micro", "--phase", "--size", "--threads",
     "--slots", "--batch", "--seed", "--pin", "--trials", "--timeout", "--counters"],
)  # fmt: skip
def test_hostile_values_are_refused_in_one_line(
    compare: Compare, layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    option: str, name: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    begin = () if option in ("--scenario", "--programs", "--micro", "--phase") else SMALL
    for value in (name, f"../{name}", f"vm,{name}"):
        refused = compare(*begin, f"{option}={value}")
        assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert refused.err.startswith(f"run.sh: {option}")
    assert list(layout.results.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize("name", ["nosuch", "x", "../x", "qqqq"])
def test_nothing_far_fetched_is_suggested(compare: Compare, name: str) -> None:
    for option in ("--scenario", "--programs", "--phase", "--micro"):
        refused = compare(option, name)
        assert refused.status == 2
        assert "did you mean" not in refused.err
        assert f"{option} '{name}': no such" in refused.err
    assert f"--{name}" in compare(f"--{name}").err


def test_messages_cannot_steer_a_terminal() -> None:
    assert one_line("a\x1b[31m\tb\n\udcff\x9b") == "a\\x1b[31m b \\udcff\\x9b"


def test_no_shell_is_given_text() -> None:
    """Every process of ours is started with a list of words."""
    found = [
        f"{path.name}: {line.strip()}"
        for folder in ("compare", "analysis")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in path.read_text().splitlines()
        if re.search(r"shell=True|os\.system|os\.popen|getoutput|\beval\(|\bexec\(", line)
    ]
    assert found == []
    for path in sorted([*(ROOT / "harness").rglob("*.c"), *(ROOT / "scenarios").rglob("*.c")]):
        assert not re.search(r"\b(system|popen|wordexp)\s*\(", path.read_text()), path


@pytest.mark.parametrize("bad", ["a\nb", "a\x1b[2Jb", b"a\xffb"])
def test_names_of_runs_are_told_in_one_plain_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    bad: str | bytes,
) -> None:  # fmt: skip
    name = os.fsdecode(bad)
    monkeypatch.chdir(tmp_path)
    for argv in (["--gate", name, name], ["--trend", name], [name]):
        assert analyse(argv) == 2
        said = capsys.readouterr().err
        assert (said.count("\n"), said[:-1].isprintable()) == (1, True)
    assert list(tmp_path.iterdir()) == []
