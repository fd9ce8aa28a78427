"""The reader takes what is right and refuses, with the offset, whatever is not."""

import re
from pathlib import Path
from typing import Any

import pytest
from tracefile import (
    ALIGNED,
    CALLOC,
    FREE,
    HEADER,
    MALLOC,
    REALLOC,
    THREAD,
    Item,
    account,
    body_of,
    file_of,
    trace,
)

# Two threads, every call, blocks that change threads, live ones at the end.
SOUND = [
    Item(MALLOC, 0),
    Item(MALLOC, 30),
    Item(MALLOC, 31),
    Item(CALLOC, 100000),
    Item(REALLOC, 0, 12),
    Item(REALLOC, 2, 7),
    Item(THREAD, 1),
    Item(ALIGNED, 12, 8192),
    Item(ALIGNED, 0, 0),
    Item(FREE, 0),
    Item(FREE, 8),
    Item(FREE, 1),
    Item(THREAD, 0),
    Item(REALLOC, 2, 1 << 20),
    *[Item(MALLOC, size) for size in range(40)],
    Item(FREE, 45),
    Item(FREE, 39),
]


@pytest.fixture
def check(lab: Any, tmp_path: Path) -> Any:
    """Checks a file of these bytes: (exit status, offset that is named or None, the message)."""

    def call(content: bytes) -> tuple[int, int | None, str]:
        file = tmp_path / "t"
        file.write_bytes(content)
        done = lab.trace("--check", file)
        assert done.returncode in (0, 2)
        assert len(done.stderr.splitlines()) == (1 if done.returncode else 0)
        match = re.search(r": byte (\d+): ", done.stderr)
        return done.returncode, int(match[1]) if match else None, done.stderr

    return call


def test_sums_and_calls_come_back(lab: Any, tmp_path: Path) -> None:
    file = tmp_path / "t"
    content = trace(SOUND)
    file.write_bytes(content)
    sums = account(SOUND)
    assert lab.sums(file) == {
        "version": 1,
        "threads": 2,
        "calls": sums.calls,
        "blocks": sums.blocks,
        "live": sums.live,
        "bytes": sums.bytes,
        "peak_bytes": sums.peak,
        "file_bytes": len(content),
    }
    lines = [line.split("\t") for line in lab.trace("--dump", file).stdout.splitlines()]
    assert len(lines) == sums.calls
    assert lines[:12] == [
        ["0", "malloc", "0", "-", "0", "0"],
        ["0", "malloc", "1", "-", "30", "0"],
        ["0", "malloc", "2", "-", "31", "0"],
        ["0", "calloc", "3", "-", "100000", "0"],
        ["0", "realloc", "4", "-", "12", "0"],
        ["0", "realloc", "5", "3", "7", "0"],
        ["1", "aligned", "6", "-", "8192", "4096"],
        ["1", "aligned", "7", "-", "0", "1"],
        ["1", "free", "-", "-", "0", "0"],
        ["1", "free", "-", "0", "0", "0"],
        ["1", "free", "-", "7", "0", "0"],
        ["0", "realloc", "8", "6", "1048576", "0"],
    ]


def test_truncation_anywhere_is_refused_where_it_ends(check: Any) -> None:
    content = trace(SOUND)
    for length in range(len(content)):
        assert check(content[:length])[:2] == (2, length)


def test_flipped_byte_anywhere_is_refused(check: Any) -> None:
    content = trace(SOUND)
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 0x10
        status, offset, _ = check(bytes(flipped))
        assert status == 2 and offset is not None and offset < len(content)


def test_bytes_after_the_end_are_refused(check: Any) -> None:
    content = trace(SOUND)
    assert check(content + b"\0")[:2] == (2, len(content))


# Bodies whose last item is wrong, with right checksums, and what is said of it.
WRONG = [
    ([Item(MALLOC, 1), Item(FREE, 1), Item(FREE, 1)], "not live"),
    ([Item(MALLOC, 1), Item(REALLOC, 1, 5), Item(FREE, 2)], "not live"),
    ([Item(MALLOC, 1), Item(FREE, 1), Item(REALLOC, 1, 5)], "not live"),
    ([Item(MALLOC, 1), Item(FREE, 2)], "before the beginning"),
    ([Item(REALLOC, 1, 5)], "before the beginning"),
    ([Item(FREE, (1 << 62) - 1)], "before the beginning"),
    ([Item(MALLOC, 1), Item(REALLOC, 1, 0)], "0 bytes"),
    ([Item(MALLOC, (1 << 47) + 1)], "size over the limit"),
    ([Item(CALLOC, (1 << 47) + 1)], "size over the limit"),
    ([Item(REALLOC, 0, (1 << 47) + 1)], "size over the limit"),
    ([Item(ALIGNED, 4, (1 << 47) + 1)], "size over the limit"),
    ([Item(ALIGNED, 41, 1)], "alignment over the limit"),
    ([Item(MALLOC, 1), Item(THREAD, 2)], "thread out of turn"),
    ([Item(THREAD, 1)], "thread out of turn"),
    ([Item(MALLOC, 1), Item(THREAD, 0)], "same thread"),
    ([Item(MALLOC, 1), Item(0, 1)], "not a call"),
    ([Item(MALLOC, 1), Item(7, 1)], "not a call"),
]


@pytest.mark.parametrize(("items", "words"), WRONG)
def test_wrong_calls_are_refused_where_they_are(check: Any, items: list[Item], words: str) -> None:
    before = body_of(items[:-1])
    calls = max(1, sum(item.op != THREAD for item in items))
    sums = account([Item(MALLOC, 1)])
    content = file_of(body_of(items), sums, calls=calls, blocks=calls, threads=3)
    status, offset, said = check(content)
    assert (status, offset) == (2, HEADER + len(before)) and words in said


@pytest.mark.parametrize(
    "tail",
    [
        b"\xf9",  # the number that the tag announces is missing
        b"\xf9\x80",  # cut off
        b"\xf9\x80\x00",  # longer than needed
        b"\xf9" + b"\xff" * 9 + b"\x01",  # over 63 bits
        b"\x23",  # alignment without size
    ],
)
def test_wrong_numbers_are_refused(check: Any, tail: bytes) -> None:
    content = file_of(body_of(SOUND) + tail, account(SOUND))
    assert check(content)[:2] == (2, HEADER + len(body_of(SOUND)))


@pytest.mark.parametrize(
    ("field", "at"),
    [("threads", 12), ("calls", 16), ("blocks", 24), ("live", 32), ("bytes", 40), ("peak", 48)],
)
def test_header_must_agree_with_the_calls(check: Any, field: str, at: int) -> None:
    said = getattr(account(SOUND), field)
    assert check(trace(SOUND, **{field: said + 1}))[:2] == (2, at)
    assert check(trace(SOUND, **{field: 1 << 31}))[:2] == (2, at)
    assert check(trace(SOUND, **{field: said - 1}))[0] == 2


def test_other_versions_and_files_are_refused(check: Any) -> None:
    assert check(trace(SOUND, version=2))[:2] == (2, 8)
    assert check(b"#!/bin/sh\n" * 10)[:2] == (2, 0)
    assert check(trace(SOUND, length=1 << 60))[0] == 2
    assert check(trace([], threads=1))[:2] == (2, 16)


def test_driver_refuses_alike(lab: Any, tmp_path: Path) -> None:
    file = tmp_path / "t"
    content = trace(SOUND)
    file.write_bytes(content[:-1])
    done = lab.replay(file, "--iters", 1)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"hkl-driver: --trace '{file}': byte {len(content) - 1}: the file ends;"
        " the header announces 1 bytes more\n"
    )
