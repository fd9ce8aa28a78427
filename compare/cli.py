"""The command line of run.sh: what may be asked, what each value must be, and the help text.

Checks what can be known from the text alone; what depends on scenarios, allocators or the disk is
checked where those are known.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from compare import callgrind, driver, micro, profile, sweep
from compare.errors import UsageError
from compare.plan import REPEATED, REPEATS
from compare.text import did_you_mean, not_plain

DEFAULT_TRIALS = 15
QUICK_TRIALS = 8
DEFAULT_TIMEOUT_S = 120.0
_MAX_TRIALS = 100_000
_MAX_TIMEOUT_S = 86_400.0
_MAX_THREADS = 4096
_COUNTERS = ("perf", "callgrind", "none")
_OF_SCENARIOS = (
    "scenario",
    "iters",
    "warmup",
    "threads",
    "slots",
    "batch",
    "limit",
    "seed",
    "trace",
)
_WITH_PHASE = ("phase", "quick", "trials", "timeout", "plan_seed", "pin", "out", "check_args")

_EPILOG = """\
examples:
  ./run.sh --scenario vm --iters 100           hakmem and its peers on one scenario
  ./run.sh --scenario all --quick              a first look at everything
  ./run.sh --scenario json,mir --allocators hakmem,mimalloc --trials 30
  ./run.sh --scenario vm --allocator mine=./libmine.so --baseline mine
  ./run.sh --scenario larson --threads 1,2,4   a sweep, with a plot of how it scales
  ./run.sh --micro --size 16..4K -- --benchmark_min_time=0.1
  ./run.sh --scenario tiny_hot --counters callgrind      exact instructions per operation
  ./run.sh --programs                          whole programs under each allocator
  ./run.sh --phase 6.11.1                      judge the claims of a phase; all: of every phase
  ./run.sh --resume results/latest             go on with an interrupted run
  ./run.sh --gate BASE NEW                     what got worse from one run's folder to the other
  ./run.sh --trend                             a metric over the commits of published runs
  ./run.sh --record my.trace -- program args   record a program's allocation calls
  ./run.sh --scenario trace --trace my.trace   replay them under each allocator

A trial is one process. Each allocator runs --trials times per scenario, in blocks of random order
in which the baseline runs twice, so that the report can tell a difference from noise. The folder of
the run is the last line on stdout. Exit status: 0 all measured; 1 some trial failed (crash, time
limit), still reported; 2 something asked for is not possible, nothing written; 130 interrupted;
--gate and --trend have a --help of their own; the gate's status is 3 when something got worse;
with --record the program's own, but 1 when it was 0 and no trace could be written.
"""


@dataclass(frozen=True)
class Options:
    """The command line. None: not given."""

    list: bool
    check_args: bool
    record: str | None
    program: tuple[str, ...]
    resume: str | None
    micro: tuple[str, ...] | None
    gbench_flags: tuple[str, ...]
    scenarios: tuple[str, ...]
    iters: int | None
    quick: bool
    warmup: int | None
    size: sweep.Values | None
    seed: int | None
    threads: sweep.Values | None
    slots: int | None
    batch: int | None
    limit: int | None
    extra: tuple[str, ...]
    trace: str | None
    trials: int
    allocators: tuple[str, ...] | None
    paths: tuple[str, ...]
    baseline: str | None
    plan_seed: int | None
    timeout_s: float
    counters: str
    programs: tuple[str, ...] | None
    phases: tuple[str, ...] | None
    pin: tuple[int, ...] | None
    out: str | None

    def scenario_parameters(self) -> Sequence[dict[str, int | None]]:
        """The parameters that have a default in each scenario, for each point of a sweep."""
        given = {
            "warmup": self.warmup,
            "seed": self.seed,
            "slots": self.slots,
            "batch": self.batch,
            "limit": self.limit,
        }
        return sweep.combinations(given, {"size": self.size, "threads": self.threads})


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,20}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(
                f"'{text}': must be a whole number from {least} to {most}"
            )
        return int(text)

    return read


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,18})([KMG]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(
            f"'{text}': must be bytes, a whole number; K, M or G after it multiplies by 1024"
        )
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def _seconds(text: str) -> float:
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) and 0 < float(text) <= _MAX_TIMEOUT_S:
        return float(text)
    raise argparse.ArgumentTypeError(
        f"'{text}': must be seconds, more than 0 and at most {_MAX_TIMEOUT_S:.0f}"
    )


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"'{text}': must be names with one comma between them")
    return names


def _word(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError(f"'{text}': must not be empty")
    if not_plain(text):
        raise argparse.ArgumentTypeError(f"'{text}': must be UTF-8 without control characters")
    return text


def _counters(text: str) -> str:
    if text not in _COUNTERS:
        raise argparse.ArgumentTypeError(
            f"'{text}': must be perf, callgrind or none{did_you_mean(text, _COUNTERS)}"
        )
    return text


def _cpus(text: str) -> tuple[int, ...]:
    """CPU numbers as taskset writes them: '0', '1-3', '0,2-3'."""
    cpus: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise argparse.ArgumentTypeError(
                f"'{text}': must be numbers of CPUs such as 0, 1-3 or 0,2-3"
            )
        cpus.update(range(first, last + 1))
    return tuple(sorted(cpus))


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong by UsageError, in our words."""

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ")
        match = re.fullmatch(r"(-\S+): ('.*)", message, re.DOTALL)
        raise UsageError(f"{match[1]} {match[2]}" if match else message)


def _parser() -> _Parser:
    parser = _Parser(
        prog="run.sh",
        usage="./run.sh --scenario NAMES [options]",
        description="Runs scenarios under memory allocators side by side; reports the difference.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    add = parser.add_argument_group("what runs").add_argument
    add("--scenario", type=_names, metavar="A,B|all", help="scenarios; --list shows them")
    add(
        "--micro",
        type=_names,
        nargs="?",
        const=(),
        metavar="A,B",
        help="micro-benchmarks of single calls by Google Benchmark (all of them), by --size;"
        " what follows -- are the library's own flags",
    )
    add(
        "--programs",
        type=_names,
        nargs="?",
        const=(),
        metavar="A,B",
        help="whole programs, timed by hyperfine (all of them); --list shows them",
    )
    add(
        "--phase",
        type=_names,
        metavar="A,B|all",
        help="phases: runs both sides of each, judges its claims; --list shows them",
    )
    add(
        "--allocators",
        type=_names,
        metavar="A,B",
        help="allocators by name (default: hakmem,system,mimalloc,jemalloc); --list shows them",
    )
    add(
        "--allocator",
        type=_word,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="one more: any shared object that exports malloc; may be repeated",
    )
    add("--baseline", type=_word, metavar="NAME", help="what the others are compared with (hakmem)")

    add = parser.add_argument_group("how much is measured").add_argument
    add(
        "--iters",
        type=_whole(1, driver.MAX_ITERS),
        metavar="N",
        help="iterations after warm-up in one process (100, or the scenario's own)",
    )
    add(
        "--warmup",
        type=_whole(0, driver.MAX_ITERS),
        metavar="N",
        help="iterations before, timed apart (the scenario's own)",
    )
    add(
        "--trials",
        type=_whole(1, _MAX_TRIALS),
        metavar="N",
        help=f"timed processes per allocator and scenario ({DEFAULT_TRIALS})",
    )
    add(
        "--memory",
        action="store_true",
        help=f"also resident memory over time, in {REPEATS} more processes per allocator",
    )
    add(
        "--latency",
        action="store_true",
        help=f"also the time of single calls, in {REPEATS} more processes per allocator",
    )
    add(
        "--quick",
        action="store_true",
        help=f"--trials {QUICK_TRIALS}, more where much is compared, and a fifth of the iterations"
        " unless --iters is given",
    )
    add(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help=f"limit of one process ({DEFAULT_TIMEOUT_S:.0f})",
    )
    add(
        "--counters",
        type=_counters,
        metavar="perf|callgrind|none",
        help="perf: events and system calls by perf stat (default); callgrind: also exact"
        " instructions and simulated cache misses, in processes of their own; none: do without",
    )
    add(
        "--profile",
        action="store_true",
        help="also a flame graph and the hot symbols, from one more process per allocator",
    )
    add("--pin", type=_cpus, metavar="CPUS", help="run the measured processes on these CPUs only")

    add = parser.add_argument_group("scenario parameters (default: each its own)").add_argument
    add(
        "--size",
        type=sweep.doubling(_size),
        metavar="BYTES",
        help="of a block; K, M, G multiply by 1024; a sweep: 64,256,4K or, doubling, 16..1K",
    )
    add(
        "--threads",
        type=sweep.of(_whole(1, _MAX_THREADS)),
        metavar="N",
        help="worker threads; a sweep: 1,2,4",
    )
    add("--slots", type=_whole(1, driver.MAX_SLOTS), metavar="N", help="blocks alive at once")
    add("--batch", type=_whole(1, driver.MAX_BATCH), metavar="N", help="operations per iteration")
    add(
        "--limit",
        type=_whole(driver.MIN_LIMIT, driver.MAX_LIMIT),
        metavar="PERCENT",
        help="memory limit, in per cent of the live bytes (scenario pressure)",
    )
    add("--seed", type=_whole(0, driver.MAX_SEED), metavar="N", help="of the scenarios' choices")

    add("--trace", type=_word, metavar="FILE", help="recording for the scenario trace")

    add = parser.add_argument_group("record a program").add_argument
    add(
        "--record",
        type=_word,
        metavar="FILE",
        help="run the program after -- once, write its allocation calls to FILE; goes alone",
    )

    add = parser.add_argument_group("the run").add_argument
    add(
        "--plan-seed",
        type=_whole(0, driver.MAX_SEED),
        metavar="N",
        help="of the order of processes (default: a new one, recorded)",
    )
    add(
        "--out",
        type=_word,
        metavar="DIR",
        help="folder for the results (results/<time>-<scenarios>); new or empty",
    )
    add("--resume", type=_word, metavar="DIR", help="finish the run in this folder; goes alone")
    add("--list", action="store_true", help="list scenarios and allocators, and end")
    add("--help", "-h", action="help", help="print this, and end")
    add("--check-args", action="store_true", help=argparse.SUPPRESS)  # run.sh: before the build
    return parser


def _check_alone(parser: _Parser, given: dict[str, Any], alone: str, why: str) -> None:
    """Raises UsageError unless the option `alone` is the only one."""
    for name, value in given.items():
        if name not in (alone, "check_args") and value != parser.get_default(name):
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option}: does not go with --{alone}, which {why}")


def _check_record(given: argparse.Namespace, program: Sequence[str], dashes: bool) -> None:
    """--record and -- with a program come together, or not at all."""
    if given.record is None and dashes:
        raise UsageError("--: only --record FILE takes a program, and --micro flags")
    if given.record is not None and not program:
        raise UsageError(f"--record '{given.record}': must be followed by -- and a program")


def _check_micro(parser: _Parser, given: dict[str, Any]) -> None:
    """What belongs to scenarios does not go with --micro."""
    for name in (*_OF_SCENARIOS, *REPEATED, "programs", "profile", "counters"):
        if given[name] != parser.get_default(name):
            raise UsageError(f"--{name}: does not go with --micro")


def _check_phase(parser: _Parser, given: dict[str, Any]) -> None:
    """A phase file decides what runs."""
    for name in given:
        if name not in _WITH_PHASE and given[name] != parser.get_default(name):
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option}: does not go with --phase, whose file decides it")


def parse(argv: Sequence[str]) -> Options:
    """Options of the command line. Raises UsageError; prints help and exits on --help."""
    parser = _parser()
    ours = list(argv)
    dashes = "--" in ours
    after: tuple[str, ...] = ()
    if dashes:
        after = tuple(ours[ours.index("--") + 1 :])
        ours = ours[: ours.index("--")]
    given, unknown = parser.parse_known_args(ours)
    if unknown:
        word = unknown[0]
        if not word.startswith("-"):
            raise UsageError(f"'{word}': no option takes it; --help shows what can be said")
        known = [option for option in parser._option_string_actions if option != "--check-args"]
        option = word.partition("=")[0]
        near = did_you_mean(option, known, "--help shows all")
        raise UsageError(f"{option}: no such option{near}")
    flags: tuple[str, ...] = after if given.micro is not None else ()
    program: tuple[str, ...] = after if given.micro is None else ()
    micro.check_flags(flags)
    _check_record(given, program, dashes and given.micro is None)
    if given.record is not None:
        _check_alone(parser, vars(given), "record", "measures nothing")
    elif given.resume is not None:
        _check_alone(parser, vars(given), "resume", "continues the run's own plan")
    elif given.phase is not None:
        _check_phase(parser, vars(given))
    elif given.micro is not None:
        _check_micro(parser, vars(given))
    elif given.scenario is None and given.programs is None and not given.list:
        raise UsageError("--scenario: missing; give names, or all; --list shows them")
    if given.quick and given.trials is not None:
        raise UsageError(f"--trials {given.trials}: does not go with --quick, which sets it")
    beside = {
        profile.PURPOSE: given.profile,
        callgrind.PURPOSE: given.counters == "callgrind",
        **{purpose: getattr(given, purpose) for purpose in REPEATED},
    }
    return Options(
        list=given.list,
        check_args=given.check_args,
        record=given.record,
        program=program,
        resume=given.resume,
        micro=given.micro,
        gbench_flags=flags,
        scenarios=given.scenario or (),
        iters=given.iters,
        quick=given.quick,
        warmup=given.warmup,
        size=given.size,
        seed=given.seed,
        threads=given.threads,
        slots=given.slots,
        batch=given.batch,
        limit=given.limit,
        extra=tuple(purpose for purpose, asked in beside.items() if asked),
        trace=given.trace,
        trials=given.trials or (QUICK_TRIALS if given.quick else DEFAULT_TRIALS),
        allocators=given.allocators,
        paths=tuple(given.allocator),
        baseline=given.baseline,
        plan_seed=given.plan_seed,
        timeout_s=given.timeout or DEFAULT_TIMEOUT_S,
        counters=given.counters or "perf",
        programs=given.programs,
        phases=given.phase,
        pin=given.pin,
        out=given.out,
    )
