"""Flame graphs: folded stacks in, one SVG and the hot symbols out.

After Brendan Gregg, "The flame graph" (Communications of the ACM 59(6), 2016): a box for each
function, as wide as the share of samples in which it was on the stack, callers below callees, boxes
of one caller side by side in alphabetical order. The full name is the box's title (a tooltip).
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

WIDTH = 1200
ROW = 17
MARGIN = 10
HEAD = 44
# Narrower boxes cannot be seen.
LEAST_PIXELS = 0.4
CHARACTER_PIXELS = 6.6
KERNEL = "_[k]"


@dataclass
class Box:
    """A function as called by its chain of callers: samples with it on the stack, and callees."""

    samples: int = 0
    callees: dict[str, "Box"] = field(default_factory=dict)


def parse(text: str) -> Counter[str]:
    """Folded stacks, 'outer;inner COUNT' a line. Raises ValueError on anything else."""
    stacks: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, number = line.rpartition(" ")
        if not stack:
            raise ValueError(f"not a folded stack: {line[:80]!r}")
        stacks[stack] += int(number)
    return stacks


def hot_symbols(stacks: Counter[str]) -> list[tuple[str, float, float]]:
    """(symbol, own share, share with callees) of each symbol, the hottest by itself first."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack, samples in stacks.items():
        frames = stack.split(";")
        own[frames[-1]] += samples
        for frame in set(frames):
            whole[frame] += samples
    total = max(stacks.total(), 1)
    return [(name, count / total, whole[name] / total) for name, count in own.most_common()]


def kernel_share(stacks: Counter[str]) -> float:
    """The part of the samples that were taken in the kernel."""
    total = max(stacks.total(), 1)
    return sum(n for stack, n in stacks.items() if stack.endswith(KERNEL)) / total


def svg(stacks: Counter[str], title: str) -> str:
    """The flame graph as an SVG document that needs nothing else."""
    root = Box()
    for stack, samples in stacks.items():
        root.samples += samples
        box = root
        for frame in stack.split(";"):
            box = box.callees.setdefault(frame, Box())
            box.samples += samples
    scale = (WIDTH - 2 * MARGIN) / max(root.samples, 1)
    depth = _depth(root, scale)
    height = HEAD + (depth + 1) * ROW + MARGIN
    shapes: list[str] = []
    _draw(root, "all", MARGIN, height - MARGIN - ROW, scale, root.samples, shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, sans-serif">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="{MARGIN}" y="20" font-size="14" font-weight="bold">{escape(title)}</text>\n'
        f'<text x="{MARGIN}" y="36" font-size="11" fill="#555555">{root.samples:,} samples; '
        "width: share of CPU time; callers below; blue: kernel</text>\n"
        f"{''.join(shapes)}</svg>\n"
    )


def _depth(box: Box, scale: float) -> int:
    """Rows above `box` that have anything to see."""
    seen = [b for b in box.callees.values() if b.samples * scale >= LEAST_PIXELS]
    return 1 + max(_depth(b, scale) for b in seen) if seen else 0


def _draw(
    box: Box, name: str, x: float, y: int, scale: float, total: int, shapes: list[str]
) -> None:
    width = box.samples * scale
    share = 100 * box.samples / max(total, 1)
    letters = int((width - 4) / CHARACTER_PIXELS)
    text = ""
    if letters >= 3:
        shown = name if len(name) <= letters else name[: letters - 1] + "\u2026"
        text = f'<text x="{x + 3:.1f}" y="{y + 12}" font-size="11">{escape(shown)}</text>'
    shapes.append(
        f"<g><title>{escape(name)}: {box.samples:,} samples, {share:.1f} %</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.1):.1f}" height="{ROW - 1}" '
        f'rx="2" fill="{_colour(name)}"/>{text}</g>\n'
    )
    for callee, inner in sorted(box.callees.items()):
        if inner.samples * scale >= LEAST_PIXELS:
            _draw(inner, callee, x, y - ROW, scale, total, shapes)
        x += inner.samples * scale


def _colour(name: str) -> str:
    """Warm for user mode, blue for the kernel; a shade of its own for each name."""
    shade = zlib.crc32(name.encode()) % 60
    if name.endswith(KERNEL):
        return f"rgb({110 + shade},{160 + shade},{225})"
    return f"rgb({245 - shade // 4},{140 + shade},{70 + shade // 2})"
