"""The recorder: what it notes, and that the program it records is not harmed."""

import os
import resource
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tracefile import ALIGNED, CALLOC, FREE, MALLOC, REALLOC, THREAD, Item, items_of

PAGE_BITS = os.sysconf("SC_PAGE_SIZE").bit_length() - 1
WHOLE_PAGES = (10007 + (1 << PAGE_BITS) - 1) >> PAGE_BITS << PAGE_BITS


def after_first(items: list[Item], first: Item) -> list[Item]:
    return items[items.index(first) :]


def test_every_call_of_the_family(recorded: Callable[[str], Path]) -> None:
    items = items_of(recorded("family"))
    assert after_first(items, Item(MALLOC, 10001)) == [
        Item(MALLOC, 10001),
        Item(CALLOC, 30006),
        Item(REALLOC, 2, 10003),
        Item(ALIGNED, 8, 10004),
        Item(ALIGNED, 6, 10048),
        Item(ALIGNED, 7, 10005),
        Item(ALIGNED, PAGE_BITS, 10006),
        Item(ALIGNED, PAGE_BITS, WHOLE_PAGES),
        Item(REALLOC, 0, 50040),
        Item(FREE, 1),
        Item(FREE, 8),
        Item(FREE, 7),
        Item(FREE, 6),
        Item(FREE, 5),
        Item(FREE, 4),
        Item(FREE, 3),
        Item(FREE, 2),
        Item(FREE, 0),
        Item(MALLOC, 10009),
    ]


def test_blocks_that_change_threads(lab: Any, recorded: Callable[[str], Path]) -> None:
    file = recorded("hand_over")
    assert lab.sums(file)["threads"] == 3
    thread, blocks = 0, 0
    giver, size_of = {}, {}
    handed, grown = 0, 0
    for item in items_of(file):
        if item.op == THREAD:
            thread = item.value
        elif item.op == MALLOC and 20000 <= item.value < 22000:
            giver[blocks], size_of[blocks] = thread, item.value
        elif item.op in (REALLOC, FREE) and blocks - item.value in giver:
            assert giver[blocks - item.value] != thread
            handed += 1
            grown += item.op == REALLOC
            assert item.op == FREE or item.size == 30000
        blocks += item.op not in (FREE, THREAD)
    assert sorted(size_of.values()) == list(range(20000, 22000))
    assert (handed, grown) == (2000, 1000)


def test_more_threads_than_numbers(lab: Any, tmp_path: Path) -> None:
    file = tmp_path / "t"
    done = lab.record(file, lab.exercise, "many_threads")
    assert "301 threads (replayed by 256)" in done.stderr
    assert lab.sums(file)["threads"] == 256
    assert lab.replay(file, "--iters", 2, "--warmup", 0).returncode == 0


def test_forked_child_is_not_recorded(lab: Any, tmp_path: Path) -> None:
    lab.record(tmp_path / "t", lab.exercise, "forks", status=5)
    items = items_of(tmp_path / "t")
    assert not any(item.value == 7777 for item in items)
    assert after_first(items, Item(MALLOC, 10001)) == [
        Item(MALLOC, 10001),
        Item(FREE, 1),
        Item(MALLOC, 10002),
        Item(FREE, 1),
    ]


def test_executed_program_replaces_the_one_before(lab: Any, tmp_path: Path) -> None:
    shell = f"true; exec {lab.exercise} family"
    lab.record(tmp_path / "t", "sh", "-c", shell)
    lab.record(tmp_path / "alone", lab.exercise, "family")
    assert (tmp_path / "t").read_bytes() == (tmp_path / "alone").read_bytes()


@pytest.mark.parametrize(("what", "status"), [("killed", 134), ("quick_exit", 9)])
def test_however_the_program_ends(lab: Any, tmp_path: Path, what: str, status: int) -> None:
    lab.record(tmp_path / "t", lab.exercise, what, status=status)
    assert Item(MALLOC, 10001) in items_of(tmp_path / "t")


def test_many_calls_and_closed_descriptors(recorded: Callable[[str], Path]) -> None:
    for what in ("busy", "close_all"):  # more than one window of the raw file
        counts = Counter(items_of(recorded(what)))
        assert counts[Item(MALLOC, 5000)] == 100000
        assert counts[Item(FREE, 1)] >= 100000


def test_program_keeps_its_output_status_and_environment(lab: Any, tmp_path: Path) -> None:
    program = "import os, sys; print(os.getenv('PYTHONPATH'), sys.stdin.read()); sys.exit(3)"
    done = lab.record(tmp_path / "t", "python3", "-c", program, status=3, input="said")
    assert done.stdout == "None said\n"
    assert done.stderr.startswith("recorded ")
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == ["t"]


def check_unharmed(done: subprocess.CompletedProcess[str], reason: str, folder: Path) -> None:
    assert done.stdout == "unharmed\n"
    assert len(done.stderr.splitlines()) == 1
    assert "no trace was written" in done.stderr and reason in done.stderr
    assert os.listdir(folder) == []


@pytest.mark.parametrize("limit", [10_000, 3_000_000])
def test_limit_of_file_size(lab: Any, tmp_path: Path, limit: int) -> None:
    def set_limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = lab.record(tmp_path / "t", lab.exercise, "busy", status=1, preexec_fn=set_limit)
    check_unharmed(done, "File too large", tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3M", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a file system here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk(lab: Any, small_disk: Path) -> None:
    done = lab.record(small_disk / "t", lab.exercise, "busy", status=1)
    check_unharmed(done, "No space left on device", small_disk)


def test_program_without_the_recorder(lab: Any, tmp_path: Path) -> None:
    static = tmp_path / "static"
    source = tmp_path / "static.c"
    source.write_text("int main(void) { return 0; }")
    subprocess.run(["gcc", "-static", source, "-o", static], check=True)
    done = lab.record(tmp_path / "t", static, status=1)
    assert "nothing was recorded" in done.stderr
    assert not (tmp_path / "t").exists()


def test_signal_to_us_ends_the_program(lab: Any, tmp_path: Path) -> None:
    script = "import os, signal; os.kill(os.getppid(), signal.SIGTERM); signal.pause()"
    lab.record(tmp_path / "t", "python3", "-c", script, status=128 + signal.SIGTERM)
    assert (tmp_path / "t").exists()


def test_a_file_that_is_there_is_left_alone(lab: Any, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("mine")
    done = lab.record(tmp_path / "t", "touch", tmp_path / "ran", status=2)
    assert done.stderr == (
        f"run.sh: --record '{tmp_path}/t': is there already;"
        " give another name, or delete it first\n"
    )
    done = lab.record(tmp_path / "new", "cp", tmp_path / "t", tmp_path / "new", status=1)
    assert "no trace was written: there is a file of that name now" in done.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "t": "mine",
        "new": "mine",
    }


def test_killed_recording_leaves_no_file(lab: Any, tmp_path: Path) -> None:
    script = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    lab.record(tmp_path / "t", "python3", "-c", script, status=-signal.SIGKILL)
    assert os.listdir(tmp_path) == []


BAD = [
    (["--record", "t"], "followed by -- and a program"),
    (["--record", "t", "--"], "followed by -- and a program"),
    (["--record"], "--record"),
    (["--record", "", "--", "true"], "--record ''"),
    (["--record", "t", "--iters", "5", "--", "true"], "--iters: does not go with --record"),
    (["--record", "t", "--scenario", "vm", "--", "true"], "--scenario: does not go with --record"),
    (["--scenario", "vm", "--", "true"], "only --record FILE takes a program"),
    (["--record", "t", "--", "no-such-program"], "'no-such-program': no such program"),
    (["--record", "missing/t", "--", "true"], "must be a file in a folder that is there"),
    (["--record", ".", "--", "true"], "must be a file in a folder that is there"),
]


@pytest.mark.parametrize(("argv", "words"), BAD)
def test_bad_options(
    lab: Any,
    argv: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from compare.main import main

    monkeypatch.chdir(tmp_path)
    assert lab.build.exists()
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == 1
    assert os.listdir(tmp_path) == []
