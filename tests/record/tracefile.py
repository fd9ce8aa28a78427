"""An independent reading and writing of docs/trace-format.md, to hold the C code against."""

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = 72
MALLOC, CALLOC, ALIGNED, REALLOC, FREE, THREAD = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class Item:
    """One tag of the body; `age` is how many blocks ago the block was given that is taken."""

    op: int
    value: int
    size: int = 0


@dataclass(frozen=True)
class Sums:
    """The header's numbers."""

    threads: int
    calls: int
    blocks: int
    live: int
    bytes: int
    peak: int


def number(value: int) -> bytes:
    """7 bits a byte, the lowest first."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def encode(item: Item) -> bytes:
    """The bytes of one item."""
    inside = min(item.value, 31)
    out = bytes([inside << 3 | item.op])
    if inside == 31:
        out += number(item.value - 31)
    return out + (number(item.size) if item.op in (ALIGNED, REALLOC) else b"")


def body_of(items: Iterable[Item]) -> bytes:
    """The bytes of all items."""
    return b"".join(encode(item) for item in items)


def decode(body: bytes) -> list[Item]:
    """The items of a body that is right."""
    items, at = [], 0

    def read() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = body[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(body):
        tag = body[at]
        at += 1
        op, value = tag & 7, tag >> 3
        if value == 31:
            value += read()
        items.append(Item(op, value, read() if op in (ALIGNED, REALLOC) else 0))
    return items


def items_of(file: Path) -> list[Item]:
    """The items of a trace that the C code has written."""
    return decode(file.read_bytes()[HEADER:])


def account(items: Sequence[Item]) -> Sums:
    """Counts what the header must say."""
    thread, threads, calls, total, now, peak = 0, set(), 0, 0, 0, 0
    sizes: list[int] = []
    live: dict[int, int] = {}
    for item in items:
        if item.op == THREAD:
            thread = item.value
            continue
        threads.add(thread)
        calls += 1
        if item.op in (REALLOC, FREE) and item.value:
            now -= live.pop(len(sizes) - item.value)
        if item.op != FREE:
            size = item.size if item.op in (ALIGNED, REALLOC) else item.value
            live[len(sizes)] = size
            sizes.append(size)
            total += size
            now += size
        peak = max(peak, now)
    return Sums(len(threads), calls, len(sizes), len(live), total, peak)


def file_of(body: bytes, sums: Sums, **changes: int) -> bytes:
    """A whole file, its checksums right whatever `changes` to the sums or `version` are asked."""
    version = changes.pop("version", 1)
    length = changes.pop("length", len(body))
    said = replace(sums, **changes)
    header = b"HKLTRACE" + struct.pack(
        "<IIQQQQQQI",
        version,
        said.threads,
        said.calls,
        said.blocks,
        said.live,
        said.bytes,
        said.peak,
        length,
        zlib.crc32(body),
    )
    return header + struct.pack("<I", zlib.crc32(header)) + body


def trace(items: Sequence[Item], **changes: int) -> bytes:
    """The file of `items`."""
    return file_of(body_of(items), account(items), **changes)
