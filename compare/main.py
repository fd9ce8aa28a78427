"""From the command line to the exit status: makes a new run or opens an old one, then runs it.

Everything that can be wrong is found before the first byte is written.
"""

import os
import resource
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from compare import driver, perf, plan, preload, storage
from compare.allocators import (
    Allocator,
    choose,
    find_library,
    load_table,
    preload_path,
    sha256_of,
)
from compare.cli import Options, parse
from compare.errors import UsageError
from compare.interrupt import Interrupt
from compare.layout import Layout
from compare.machine import allocator_environment, facts
from compare.plan import Json
from compare.progress import Display
from compare.record import record
from compare.runner import failures, run_plan
from compare.text import one_line
from compare.trial import BASE_ENVIRONMENT, Bench

_MAX_PLAN_SEED = 1 << 32
_LONGEST_MESSAGE = 10_000  # characters
_LONGEST_NAME = 60  # characters of the scenarios' names in a folder's name


def main(argv: Sequence[str], layout: Layout | None = None) -> int:
    """Does what `argv` says; returns the exit status (0, 1, 2 or 130; a recorded program's)."""
    layout = layout or Layout.of_checkout()
    try:
        options = parse(argv)
        if options.check_args:
            return 0
        if options.record is not None:
            return record(options.record, options.program, layout)
        if options.list:
            print(_listing(layout))
            return 0
        if options.resume is not None:
            folder = Path(os.path.realpath(options.resume))
            run = storage.load_run(folder)
            _check_unchanged(run, folder, layout)
        else:
            run = _new_run(options, argv, layout)
            folder = _folder(options, layout)
            storage.check_new(folder)
            storage.create(folder, run)
        return _execute(run, folder, layout)
    except UsageError as error:
        print(f"run.sh: {one_line(str(error), _LONGEST_MESSAGE)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before the first trial
        print("run.sh: interrupted before the first trial", file=sys.stderr)
        return 130


def _listing(layout: Layout) -> str:
    """All scenarios and allocators, a line each."""
    table = load_table()
    lines = ["scenarios:"]
    for scenario in driver.scenarios(layout.driver).values():
        lines.append(f"  {scenario.name:14}{scenario.summary}")
    lines += ["", "allocators (* in the default set):"]
    for known in table.known.values():
        star = "*" if known.name in table.default else " "
        lib = find_library(known, layout.root)
        if not known.candidates:
            where = "part of the C library"
        elif lib is not None:
            where = preload_path(lib, layout.root)
        else:
            where = f"not found: {known.remedy}"
        lines.append(f"{star} {known.name:14}{known.title}: {where}")
    return "\n".join(lines)


def _new_run(options: Options, argv: Sequence[str], layout: Layout) -> Json:
    """run.json of a new run, with everything checked that the options ask for."""
    known = driver.scenarios(layout.driver)
    scenarios = driver.choose(options.scenarios, known, options.trace is not None)
    trace = None if options.trace is None else _trace(options.trace, layout)
    asked = options.scenario_parameters()
    cells = [
        {
            "scenario": scenario.name,
            "params": driver.parameters(scenario, options.iters, asked, trace),
        }
        for scenario in scenarios
    ]
    if options.out is not None:  # a quick refusal; checked again when it is made
        storage.check_new(_folder(options, layout))
    chosen = choose(options.allocators, options.paths, load_table(), layout.root)
    environment = allocator_environment(os.environ)
    for allocator in chosen:
        _check_in_effect(allocator, environment, layout)
    perf_path = perf.find()
    arms = plan.arms_of(chosen, _baseline(options.baseline, chosen), layout.root)
    return plan.run_json(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        argv=argv,
        seed=(
            secrets.randbelow(_MAX_PLAN_SEED) if options.plan_seed is None else options.plan_seed
        ),
        baseline=arms[-1]["twin_of"],
        arms=arms,
        cells=cells,
        trials=options.trials,
        counters=perf.off() if options.counters == "none" else perf.probe(perf_path),
        timeout_s=options.timeout_s,
        facts=facts(layout, perf_path),
        environment=environment,
    )


def _trace(name: str, layout: Layout) -> driver.Trace:
    """The trace of --trace; named as libraries are, so that results do not tell where we are."""
    file = Path(os.path.realpath(name))
    return driver.read_trace(layout.build / "hkl-trace", file, preload_path(file, layout.root))


def _baseline(asked: str | None, chosen: Sequence[Allocator]) -> str:
    names = [allocator.name for allocator in chosen]
    if asked is None:
        return "hakmem" if "hakmem" in names else names[0]
    if asked not in names:
        raise UsageError(f"--baseline '{asked}': must be one of this run: {', '.join(names)}")
    return asked


def _check_in_effect(allocator: Allocator, environment: dict[str, str], layout: Layout) -> None:
    lib = None if allocator.lib is None else preload_path(allocator.lib, layout.root)
    problem = preload.problem(layout.driver, layout.root, lib, {**BASE_ENVIRONMENT, **environment})
    if problem:
        raise UsageError(f"{allocator.option}: not in effect: {problem}")


def _folder(options: Options, layout: Layout) -> Path:
    """Absolute path of the new run's folder."""
    if options.out is not None:
        return Path(os.path.realpath(options.out))
    names = "+".join(options.scenarios)
    if len(names) > _LONGEST_NAME:
        names = f"{len(options.scenarios)}-scenarios"
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{names}"
    folder = layout.results / stem
    number = 2
    while folder.exists():  # two runs in one second
        folder = layout.results / f"{stem}-{number}"
        number += 1
    return folder


def _check_unchanged(run: Json, folder: Path, layout: Layout) -> None:
    """Refuses to mix results of different binaries in one run."""
    option = f"--resume {folder}"
    files = [(arm["title"], arm["lib"], arm["sha256"]) for arm in run["arms"] if arm["lib"]]
    files.append(("the driver", str(layout.driver), run["tools"].get("driver_sha256")))
    traces = {
        cell["params"]["trace"]: cell["params"]
        for cell in run["cells"]
        if "trace" in cell["params"]
    }
    files += [("the trace", path, params["trace_sha256"]) for path, params in traces.items()]
    for title, path, recorded in files:
        try:
            now = sha256_of(layout.root / path)
        except OSError as error:
            raise UsageError(f"{option}: {title}: {path}: {error.strerror}") from error
        if now != recorded:
            raise UsageError(
                f"{option}: {title} ({path}) has changed since the run began;"
                " start a new run, or bring the old file back"
            )
    if run["counters"]["mode"] == "perf" and perf.find() is None:
        raise UsageError(f"{option}: this run counts with perf, which is not here any more")


def _execute(run: Json, folder: Path, layout: Layout) -> int:
    """Runs what is left of the plan; says how it went. Returns the exit status."""
    # A crash under test is a result; its core file would only be litter.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    perf_path = perf.find() if run["counters"]["mode"] == "perf" else None
    with storage.Trials(folder) as trials, Interrupt() as interrupt:
        storage.point_latest(layout.results, folder)
        with Display(len(run["plan"]), len(trials.done)) as display:
            for note in run["counters"]["notes"]:
                display.say(f"note: {note}")
            try:
                finished = run_plan(
                    run, trials, Bench(layout, folder, perf_path, interrupt), display
                )
            except OSError as error:
                raise UsageError(
                    f"{folder}: {error.strerror or error}; go on with ./run.sh --resume {folder}"
                ) from error
        failed = failures(trials)
        done = len(trials.done)
    total = len(run["plan"])
    if not finished:
        print(
            f"interrupted: {done} of {total} trials are kept; go on with:"
            f" ./run.sh --resume {folder}",
            file=sys.stderr,
        )
        return 130
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    print(folder)
    return 1 if failed else 0
