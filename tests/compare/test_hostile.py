"""The lab under attack: full disks, kills, races, hostile names, no terminal, strange locales.

Nothing is lost, nothing overwritten, nothing executed; what cannot be is said in one line.
"""

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analysis.__main__ import main as analyse
from compare import main as compare_main
from compare.layout import Layout
from compare.storage import Taken, Trials, create
from compare.text import one_line

ROOT = Path(__file__).resolve().parents[2]
Compare = Callable[..., Any]
SMALL = (
    *("--scenario", "tiny_hot", "--iters", "5", "--warmup", "1", "--batch", "100"),
    *("--counters", "none", "--allocators", "system,hakmem"),
)
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


def records(folder: Path) -> list[dict[str, Any]]:
    """The trials of a run, each as the schema says."""
    schema = json.loads((ROOT / "results/schema/trial.schema.json").read_text())
    lines = (folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in lines)
    trials = [json.loads(line) for line in lines]
    for trial in trials:
        jsonschema.validate(trial, schema)
    return trials


def assert_complete(folder: Path) -> None:
    """Each trial of the plan is there once, and went well."""
    planned = [entry["trial"] for entry in json.loads((folder / "run.json").read_text())["plan"]]
    assert sorted(trial["trial"] for trial in records(folder)) == planned
    assert {trial["status"] for trial in records(folder)} == {"ok"}


def command(*argv: str) -> list[str]:
    return [sys.executable, "-P", "-m", "compare", *argv]


def environment(**changes: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "HKL_SKIP_BOOTSTRAP": "1", **changes}


def run(argv: list[str], cwd: Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    more = {"env": environment(), "stdin": subprocess.DEVNULL, **more}
    return subprocess.run(
        argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, **more
    )


# --- a disk that fills


def limited_files(size: int) -> Callable[[], None]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_file_that_cannot_grow_ends_the_run_and_is_gone_on_with(
    driver: Path, compare: Compare, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    argv = command(*SMALL, "--trials", "8", "--out", str(out))
    done = run(argv, tmp_path, preexec_fn=limited_files(40_000))
    assert done.returncode == 2
    last = done.stderr.decode().splitlines()[-1]
    assert last == f"run.sh: {out}: File too large; go on with ./run.sh --resume {out}"
    before = (out / "trials.jsonl").read_bytes()
    assert 0 < len(records(out)) < 24
    assert compare("--resume", str(out)).status == 0
    assert (out / "trials.jsonl").read_bytes().startswith(before)
    assert_complete(out)


def test_no_room_for_the_plan_leaves_nothing(driver: Path, tmp_path: Path) -> None:
    argv = command(*SMALL, "--out", str(tmp_path / "new" / "run"))
    done = run(argv, tmp_path, preexec_fn=limited_files(500))
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        f"run.sh: --out {tmp_path}/new/run: File too large"
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of the size given, or gives it that size."""
    folder = tmp_path / "disk"
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder.mkdir()

    def mount(options: str) -> Path:
        how = ["-o", f"remount,{options}"] if folder.is_mount() else ["-t", "tmpfs", "-o", options]
        done = subprocess.run(["mount", *how, "tmpfs", folder], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"mounting a small disk is not allowed here: {done.stderr.strip()}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_not_held_against_the_allocator(
    compare: Compare, small_disk: Callable[[str], Path]
) -> None:
    """The driver's long timeline does not fit: no record says that the allocator failed."""
    out = small_disk("size=60k") / "run"
    argv = [*SMALL, "--trials", "1", "--iters", "9000", "--out", str(out)]
    full = compare(*argv)
    assert full.status == 2
    assert full.err.splitlines()[-1].endswith(
        f"No space left on device; go on with" f" ./run.sh --resume {out}"
    )
    assert records(out) == []
    small_disk("size=10M")
    assert compare("--resume", str(out)).status == 0
    assert_complete(out)


def test_a_disk_that_nothing_can_be_written_to(
    compare: Compare, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("size=10M")
    out = disk / "run"
    assert compare(*SMALL, "--trials", "1", "--out", str(out)).status == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    small_disk("ro")
    for argv in ((*SMALL, "--out", str(disk / "other")), ("--resume", str(out))):
        refused = compare(*argv)
        assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert list(disk.iterdir()) == [out]


def test_record_that_cannot_be_written_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes half a line, then nothing, when it is made durable."""

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    with Trials(tmp_path) as trials:
        trials.append({"trial": 0})
        before = (tmp_path / "trials.jsonl").read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                trials.append({"trial": 1})
        assert (tmp_path / "trials.jsonl").read_bytes() == before
        assert list(trials.done) == [0]
        trials.append({"trial": 1})
    assert (tmp_path / "trials.jsonl").read_bytes() == before + b'{"trial":1}\n'


# --- a killed runner


def processes_with(text: str) -> list[str]:
    """Command lines of the processes that have `text` in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and text.encode() in (entry / "environ").read_bytes():
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if line:
                    found.append(line)
        except OSError:
            continue
    return found


def wait_until(true: Callable[[], bool], what: str) -> None:
    for _ in range(1500):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError(what)


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


# --- two runs at once


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


# --- clocks


def test_clock_that_steps_changes_no_time(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An allocator whose process sees the wall clock jump back a day at every look; ours, too."""
    source = tmp_path / "steps.c"
    source.write_text(STEPPING)
    lib = tmp_path / "steps.so"
    clock = tmp_path / "clock.so"
    gcc: list[str | Path] = [
        "gcc",
        "-shared",
        "-fPIC",
        "-O1",
        "-fno-builtin",
        "-DFAULT=(void)0",
        "-DAFTER=1",
        source,
    ]
    subprocess.run([*gcc, "-o", clock], check=True)
    subprocess.run([*gcc, Path(__file__).with_name("faulty.c"), "-o", lib], check=True)
    out = tmp_path / "run"
    argv = [*SMALL, "--trials", "2", "--allocator", f"steps={lib}", "--out", str(out)]
    began = time.monotonic()
    done = run(command(*argv), tmp_path, env=environment(LD_PRELOAD=str(clock)))
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert_complete(out)
    for trial in records(out):
        assert 0 <= trial["elapsed_s"] <= took
        for window in trial["windows"].values():
            assert window is None or 0 <= window["ns"] <= took * 1e9
        assert all(0 <= ns <= took * 1e9 for ns in trial["timeline_ns"])
    begun = [trial["started"] for trial in records(out)]
    assert begun == sorted(begun, reverse=True), "the clock did not step"


STEPPING = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long steps;
int clock_gettime(clockid_t clock, struct timespec *now) {
    const long result = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec -= 86400 * ++steps;
    return (int)result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *where) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    return where ? (*where = precise.tv_sec) : precise.tv_sec;
}
"""


# --- names


@pytest.mark.parametrize("name", HOSTILE)
def test_out_takes_any_name_and_runs_none(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    outcome = compare(*SMALL, "--trials", "1", f"--out={name}")
    assert (outcome.status, outcome.out) == (0, f"{tmp_path}/work/{name}\n")
    assert [path.name for path in (tmp_path / "work").iterdir()] == [name]
    assert_complete(tmp_path / "work" / name)


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


# --- where nobody is


@pytest.mark.parametrize(
    "changes",
    [
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "nonsense"},
    ],
)
def test_any_locale_will_do(driver: Path, tmp_path: Path, changes: dict[str, str]) -> None:
    out = tmp_path / "ünï→日本"
    argv = [str(ROOT / "run.sh"), *SMALL, "--trials", "1", "--out", str(out)]
    done = run(argv, tmp_path, env=environment(**changes))
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr.decode()
    assert done.stdout.splitlines()[-1] == os.fsencode(out)
    assert_complete(out)
    assert (out / "report.html").exists()


@pytest.mark.parametrize(
    ("through", "closed"),
    [("run.sh", (2,)), ("run.sh", (0, 1, 2))]
    + [("compare", closed) for closed in ((0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2))],
)
def test_closed_descriptors_get_nothing_of_ours(
    driver: Path, tmp_path: Path, closed: tuple[int, ...], through: str
) -> None:
    out = tmp_path / "run"
    argv = [*SMALL, "--trials", "1", "--out", str(out)]
    line = [str(ROOT / "run.sh"), *argv] if through == "run.sh" else command(*argv)

    def close() -> None:
        for fd in closed:
            os.close(fd)

    done = run(line, tmp_path, preexec_fn=close)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert_complete(out)


@pytest.mark.parametrize(
    ("through", "argv"),
    [("run.sh", ["--list"]), ("run.sh", ["run"]), ("compare", ["--list"])]
    + [("compare", ["--help"]), ("compare", ["run"])],
)
def test_reader_that_goes_away_costs_nothing(
    driver: Path, tmp_path: Path, through: str, argv: list[str]
) -> None:
    """As with '| head -1': no traceback, and the run is whole."""
    out = tmp_path / "run"
    if argv == ["run"]:
        argv = [*SMALL, "--trials", "1", "--out", str(out)]
    line = [str(ROOT / "run.sh"), *argv] if through == "run.sh" else command(*argv)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        line, cwd=tmp_path, env=environment(), stdout=writer, stderr=subprocess.PIPE, timeout=120
    )
    os.close(writer)
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr
    if "--out" in argv:
        assert_complete(out)
        assert (out / "report.html").exists() == (through == "run.sh")


@pytest.mark.parametrize("where", ["nobody", "/dev/full"])
def test_progress_that_nobody_can_read_does_not_end_a_run(
    driver: Path, tmp_path: Path, where: str
) -> None:
    out = tmp_path / "run"
    if where == "nobody":
        reader, stderr = os.pipe()
        os.close(reader)
    else:
        stderr = os.open(where, os.O_WRONLY)
    done = subprocess.run(
        command(*SMALL, "--trials", "1", "--out", str(out)),
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=stderr, timeout=120,
    )  # fmt: skip
    os.close(stderr)
    assert (done.returncode, done.stdout.decode()) == (0, f"{out}\n")
    assert_complete(out)


def test_full_stdout_is_one_line_and_status_2(driver: Path, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command("--list"), cwd=tmp_path, env=environment(), stdout=full,
            stderr=subprocess.PIPE, timeout=120,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == b"run.sh: stdout: cannot be written: No space left on device\n"


@pytest.fixture
def two_runs(compare: Compare, tmp_path: Path) -> list[str]:
    names = [str(tmp_path / name) for name in ("base", "new")]
    for name in names:
        assert compare(*SMALL, "--trials", "2", "--out", name).status == 0
    return names


def test_gate_and_analysis_tell_their_status_to_nobody(two_runs: list[str], tmp_path: Path) -> None:
    """A reader that is gone changes neither status nor file; a full disk is one line."""
    python = [sys.executable, "-P", "-m", "analysis"]
    gate = ["--gate", *two_runs]
    told = run([*python, *gate], tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    for argv, stdout, status in (
        (gate, writer, told.returncode),
        (gate, os.open("/dev/full", os.O_WRONLY), 2),
        ([two_runs[0]], os.open("/dev/full", os.O_WRONLY), 2),
    ):
        done = subprocess.run(
            [*python, *argv], cwd=tmp_path, env=environment(), stdout=stdout,
            stderr=subprocess.PIPE, timeout=120,
        )  # fmt: skip
        os.close(stdout)
        assert (done.returncode, done.stderr.count(b"\n")) == (status, int(status == 2))
        assert b"Traceback" not in done.stderr
    assert (Path(two_runs[1]) / "gate.md").read_bytes() == told.stdout
    assert (Path(two_runs[0]) / "report.html").exists()


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
