"""What a phase file may measure: arithmetic (+ - * / and parentheses) over the quantities of one
process, such as `total.whale.hit / (total.whale.hit + total.whale.miss)`.

The one place that knows the quantities' names. compare/ checks phase files against it and plans the
processes that a metric needs; analysis/ gives it the values that were recorded. No side effects.

    time              ns per operation, of each steady iteration
    throughput        operations per second, of each steady iteration
    cold_time         ns per operation of the first iteration
    kernel_share      the kernel's part of the CPU time of the steady window, 0 to 1
    faults            page faults in the steady window
    rss_start rss_steady rss_end rss_peak rss_after     resident memory, KiB
    steady.COUNTER total.COUNTER    the allocator's own counter, steady window or all iterations
    syscalls.NAME     system calls in the steady window, seen by the kernel
    perf.EVENT        perf's count in the steady window ('_' for '-')
    callgrind.instructions .l1_misses .ll_misses        per operation
    profile.SYMBOL    share of the samples in functions whose name begins so ('profile.kernel': in
                      the kernel), what they call not included
"""

import ast
import operator
from collections.abc import Callable, Iterable
from typing import Any

TIME, COUNT, CALLGRIND, PROFILE = "time", "count", "callgrind", "profile"

PLAIN = (
    "time",
    "throughput",
    "cold_time",
    "kernel_share",
    "faults",
    "rss_start",
    "rss_steady",
    "rss_end",
    "rss_peak",
    "rss_after",
)
# Of the steady iterations: what is resampled within a process, too.
PER_ITERATION = ("time", "throughput")
# First word -> purpose of the processes that yield it.
GROUPS = {
    "steady": TIME,
    "total": TIME,
    "syscalls": COUNT,
    "perf": TIME,
    "callgrind": CALLGRIND,
    "profile": PROFILE,
}
_CALLGRIND = ("instructions", "l1_misses", "ll_misses")
_SYSCALLS = ("mmap", "munmap", "madvise", "mremap", "brk")
_EVENTS = ("cycles", "instructions", "context_switches", "cpu_migrations")
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class MetricError(ValueError):
    """Not a metric. `word` is the part that is wrong."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word


def quantities(text: str) -> list[str]:
    """The quantities that the metric `text` is made of. Raises MetricError when it is none."""
    found: list[str] = []

    def keep(name: str) -> float:
        found.append(name)
        return 1.0

    _walk(_tree(text), text, keep)
    if not found:
        raise MetricError(text, f"'{text}': measures nothing")
    return list(dict.fromkeys(found))


def evaluate(text: str, value_of: Callable[[str], Any]) -> Any:
    """The metric's value, given that of each quantity (numbers, or arrays of one shape)."""
    return _walk(_tree(text), text, value_of)


def purposes(text: str) -> list[str]:
    """Purposes of the processes that the metric needs."""
    return list(dict.fromkeys(purpose_of(name) for name in quantities(text)))


def purpose_of(quantity: str) -> str:
    """Purpose of the processes that yield a quantity."""
    return GROUPS.get(quantity.partition(".")[0], TIME)


def known(counters: Iterable[str]) -> list[str]:
    """Every name that a metric may hold, `counters` being those of the allocator; any symbol may
    follow 'profile.'."""
    return [
        *PLAIN,
        *(f"{window}.{name}" for name in counters for window in ("steady", "total")),
        *(f"syscalls.{name}" for name in _SYSCALLS),
        *(f"perf.{name}" for name in _EVENTS),
        *(f"callgrind.{name}" for name in _CALLGRIND),
        "profile.kernel",
    ]


def _tree(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        raise MetricError(text, f"'{text}': not an arithmetic expression") from None


def _walk(node: ast.expr, text: str, value_of: Callable[[str], Any]) -> Any:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left = _walk(node.left, text, value_of)
        return _OPERATORS[type(node.op)](left, _walk(node.right, text, value_of))
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    if isinstance(node, (ast.Attribute, ast.Name)):
        return value_of(ast.unparse(node))
    raise MetricError(text, f"'{ast.unparse(node)}': only names, numbers, + - * / and ( )")
