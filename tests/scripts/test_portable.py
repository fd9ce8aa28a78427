"""What only one kind of processor has is in one file."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "allocator/src/debug/cycles.h"
# A processor's way to stop after each instruction; elsewhere the test does without.
STEPPING = ROOT / "tests/allocator/test_signals.c"

# Names of processors, headers and functions of theirs, and instructions; a barrier for the compiler
# is an empty string.
PARTICULAR = re.compile(
    r"__(x86_64|i386|amd64|aarch64|arm|riscv|powerpc)\w*"
    r"|<(x86|imm|xmm|emm|arm_)\w*\.h>|cpuid|_mm\d*_\w+|__rdtscp?\b|__builtin_(ia32|aarch64|arm)_\w+"
    r'|\basm\b|__asm(__)?\b(?!\s*(volatile)?\s*\(\s*"")'
)


def particular(path: Path) -> list[str]:
    return [match[0] for match in PARTICULAR.finditer(path.read_text())]


def test_instructions_of_one_processor_are_in_one_file() -> None:
    sources = [
        path
        for folder in ("allocator", "harness", "scenarios", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".c", ".h", ".cc")
    ]
    assert len(sources) > 100
    assert {path for path in sources if particular(path)} == {HOME, STEPPING}
    assert {"__x86_64__", "__rdtsc", "__aarch64__", "__asm__"} <= set(particular(HOME))
