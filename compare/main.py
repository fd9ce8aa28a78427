"""From the command line to the exit status: makes a new run or opens an old one, then runs it.

Everything that can be wrong is found before the first byte is written.
"""

import copy
import itertools
import os
import re
import resource
import secrets
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from compare import (
    callgrind,
    driver,
    micro,
    perf,
    phase,
    phase_plan,
    plan,
    preload,
    profile,
    program,
    purposes,
    resume,
    storage,
)
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
from compare.machine import allocator_environment, check_pin, facts
from compare.output import complain, put
from compare.plan import Json
from compare.progress import Display
from compare.record import record
from compare.runner import failures, run_plan
from compare.significance import blocks_needed
from compare.trial import BASE_ENVIRONMENT, Bench

_MAX_PLAN_SEED = 1 << 32
_LONGEST_NAME = 60  # characters of the scenarios' names in a folder's name


class Unfinished(Exception):
    """A signal ended the run; what was measured is kept."""


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
            put(_listing(layout))
            return 0
        if options.resume is not None:
            folder = Path(os.path.realpath(options.resume))
            runs = resume.load(folder, layout)
        else:
            if options.out is not None:  # a quick refusal; checked again when it is made
                storage.check_new(Path(os.path.realpath(options.out)))
            if options.phases is not None:
                runs = _phase_runs(options, argv, layout)
            else:
                runs = {Path(): _new_run(options, argv, layout)}
            folder = _new_folder(options, runs, layout)
        status = max(_execute(run, folder / part, folder, layout) for part, run in runs.items())
        put(str(folder))
        return status
    except Unfinished:
        return 130
    except UsageError as error:
        complain(f"run.sh: {error}")
        return 2
    except KeyboardInterrupt:  # before the first trial
        complain("run.sh: interrupted before the first trial")
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
    lines += ["", "phases:"]
    for name, path in phase.files(layout).items():
        title = re.search(r'^title = "(.*)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
        lines.append(f"  {name:20}{title[1] if title else ''}")
    lines += ["", "programs:"]
    for entry in program.load_table().values():
        here = "" if program.find(entry) else f" (not installed: package {entry.package})"
        lines.append(f"  {entry.name:14}{entry.title}{here}")
    return "\n".join(lines)


def _new_run(options: Options, argv: Sequence[str], layout: Layout) -> Json:
    """run.json of a new run, with everything checked that the options ask for."""
    present = driver.scenarios(layout.driver)
    scenarios = driver.choose(options.scenarios, present, options.trace is not None)
    trace = None if options.trace is None else _trace(options.trace, layout)
    cells: list[Json] = [
        {
            "scenario": scenario.name,
            "params": driver.parameters(
                scenario,
                options.iters or driver.default_iters(scenario, options.quick),
                asked,
                trace,
            ),
        }
        for scenario in scenarios
        for asked in options.scenario_parameters()
    ]
    if options.micro is not None:
        cells = micro.cells(options.micro, options.size, options.gbench_flags, layout)
    programs: list[program.Known] = []
    if options.programs is not None:
        programs = program.choose(options.programs, program.load_table())
    check_pin(options.pin)
    chosen = choose(options.allocators, options.paths, load_table(), layout.root)
    environment = allocator_environment(os.environ)
    for allocator in chosen:
        _check_in_effect(allocator, environment, layout)
    perf_path = perf.find()
    baseline = _baseline(options.baseline, chosen)
    arms = plan.arms_of(chosen, baseline, layout.root)
    notes = _limit_floor(chosen, scenarios, cells, arms)
    for entry in programs:
        cell, said = _program_cell(entry, arms, environment, layout)
        cells.append(cell)
        notes += said
    if not scenarios and all(cell.get("arms") == [] for cell in cells):
        raise UsageError(f"--programs: nothing can be run here: {'; '.join(notes)}")
    uncounted = options.counters == "none" or not scenarios
    counters = (
        perf.off()
        if uncounted
        else perf.probe(perf_path, simulated=options.counters == "callgrind")
    )
    extra: dict[str, list[str]] = {}
    if scenarios:
        extra = purposes.available(options.extra, arms, counters, environment, layout)
    run = plan.run_json(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        argv=argv,
        seed=(
            secrets.randbelow(_MAX_PLAN_SEED) if options.plan_seed is None else options.plan_seed
        ),
        baseline=baseline,
        arms=arms,
        cells=cells,
        trials=(
            max(options.trials, blocks_needed(len(cells) * (len(arms) - 2)))
            if options.quick
            else options.trials
        ),
        counters=counters,
        extra=extra,
        timeout_s=options.timeout_s,
        facts=facts(layout, perf_path),
        environment=environment,
        pin=options.pin,
        notes=notes,
    )
    if options.micro is not None:
        run["tools"][layout.micro.name] = sha256_of(layout.micro)
    if "latency" in options.extra:
        run["tools"][layout.latency.name] = sha256_of(layout.latency)
    return run


def _phase_runs(options: Options, argv: Sequence[str], layout: Layout) -> dict[Path, Json]:
    """run.json of each phase asked for, by its folder below the run's; everything is checked."""
    phase_plan.check_environment(allocator_environment(os.environ))
    check_pin(options.pin)
    chosen = phase.choose(options.phases or (), layout)
    perf_path = perf.find()
    seed = secrets.randbelow(_MAX_PLAN_SEED) if options.plan_seed is None else options.plan_seed
    probed = perf.probe(perf_path, simulated=True)
    circumstances = facts(layout, perf_path)
    runs = {}
    for one in chosen:
        counters = copy.deepcopy(probed)
        arms, cells = phase_plan.arms_and_cells(one, layout)
        wanted = {purpose for cell in cells for purpose in cell["purposes"]}
        runs[Path() if len(chosen) == 1 else Path(one.id)] = plan.run_json(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            argv=argv,
            seed=seed,
            baseline=cells[0]["baseline"],
            arms=arms,
            cells=cells,
            trials=options.trials,
            counters=counters,
            extra=purposes.available(wanted, arms, counters, {}, layout),
            timeout_s=options.timeout_s,
            facts=circumstances,
            environment={},
            pin=options.pin,
            notes=[],
            phase=one.content,
        )
    return runs


def _limit_floor(
    chosen: Sequence[Allocator],
    scenarios: Sequence[driver.Scenario],
    cells: Sequence[Json],
    arms: Sequence[Json],
) -> list[str]:
    """Takes the floor out of the cells that it cannot serve; says which."""
    floors = {allocator.name for allocator in chosen if allocator.floor}
    if not floors:
        return []
    unfit = [scenario.name for scenario in scenarios if not scenario.floor_ok]
    if len(unfit) == len(scenarios):
        raise UsageError(
            "--allocators floor: serves only scenarios that free the newest block first, none of"
            " this run; leave it out"
        )
    for cell in cells:
        if cell["scenario"] in unfit:
            cell["arms"] = [arm["arm"] for arm in arms if arm["allocator"] not in floors]
    if not unfit:
        return []
    return [f"floor is left out of {', '.join(unfit)}: it cannot serve blocks that outlive others"]


def _program_cell(
    known: program.Known, arms: Sequence[Json], environment: dict[str, str], layout: Layout
) -> tuple[Json, list[str]]:
    """The cell of a whole program, and what has to be said about it: what is left out and why."""
    cell = program.cell(known, layout, {**BASE_ENVIRONMENT, **environment})
    baseline = next(arm["twin_of"] for arm in arms if arm["twin_of"])
    notes = []
    labels = []
    for arm in arms if cell["program"]["skipped"] is None else ():
        if arm["floor"]:
            continue
        problem = program.not_in_effect(known, arm["lib"], layout)
        if problem is None:
            labels.append(arm["arm"])
        elif arm["arm"] == baseline:
            cell["program"]["skipped"] = f"{baseline} is not in effect: {problem}"
        elif arm["twin_of"] is None:
            notes.append(f"{known.name}: {arm['arm']} is left out, not in effect: {problem}")
    if cell["program"]["skipped"] is not None:
        labels = []
        notes = [f"{known.name} is skipped: {cell['program']['skipped']}"]
    cell["arms"] = labels
    return cell, notes


def _trace(name: str, layout: Layout) -> driver.Trace:
    """The trace of --trace; named as libraries are, so that results do not tell where we are."""
    file = Path(os.path.realpath(name))
    return driver.read_trace(layout.build / "hkl-trace", file, preload_path(file, layout.root))


def _baseline(asked: str | None, chosen: Sequence[Allocator]) -> str:
    names = [allocator.name for allocator in chosen if not allocator.floor]
    if not names:
        raise UsageError("--allocators floor: shows what others cost; name one more")
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


def _new_folder(options: Options, runs: Mapping[Path, Json], layout: Layout) -> Path:
    """Makes the new run's folder, which no other run has; its absolute path."""
    if options.out is not None:
        folder = Path(os.path.realpath(options.out))
        storage.create(folder, runs)
        return folder
    names = "+".join(
        [
            *options.scenarios,
            *(["micro", *options.micro] if options.micro is not None else []),
            *(["programs"] if options.programs is not None else []),
            *([f"phase-{name}" for name in options.phases or ()]),
        ]
    )
    if len(names) > _LONGEST_NAME:
        names = f"{names.count('+') + 1}-scenarios"
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{names}"
    for number in itertools.count(1):  # there may be more than one run in a second
        folder = layout.results / (stem if number == 1 else f"{stem}-{number}")
        try:
            storage.create(folder, runs)
            break
        except storage.Taken:
            pass
    return folder


def _resume_command(folder: Path) -> str:
    """The command that goes on with a run, fit to be pasted into a shell."""
    return shlex.join(["./run.sh", "--resume", str(folder)])


def _execute(run: Json, folder: Path, whole: Path, layout: Layout) -> int:
    """Runs what is left of the plan in `folder`, a part of the run in `whole`; says how it went.

    Returns the exit status. Raises Unfinished when a signal ended it.
    """
    # A crash under test is a result; its core file would only be litter.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    profiled = any(entry["purpose"] == profile.PURPOSE for entry in run["plan"])
    perf_path = perf.find() if run["counters"]["mode"] == "perf" or profiled else None
    with storage.Trials(folder) as trials, Interrupt() as interrupt:
        unknown = trials.done.keys() - {entry["trial"] for entry in run["plan"]}
        if unknown:
            raise UsageError(f"--resume {whole}: trial {min(unknown)} is not in the plan")
        with Display(len(run["plan"]), len(trials.done)) as display:
            try:
                storage.point_latest(layout.results, whole)
            except OSError as error:
                display.say(f"note: results/latest: {error.strerror}")
            if "phase" in run:
                display.say(f"phase {run['phase']['id']}: {run['phase']['title']}")
            for note in [*run["counters"]["notes"], *run.get("notes", [])]:
                display.say(f"note: {note}")
            try:
                bench = Bench(layout, folder, perf_path, interrupt, callgrind.find())
                finished = run_plan(run, trials, bench, display)
            except OSError as error:
                raise UsageError(
                    f"{folder}: {error.strerror or error}; go on with {_resume_command(whole)}"
                ) from error
        failed = failures(trials)
        done = len(trials.done)
    total = len(run["plan"])
    if not finished:
        complain(
            f"interrupted: {done} of {total} trials are kept; go on with:"
            f" {_resume_command(whole)}",
        )
        raise Unfinished
    for line in failed:
        complain(f"failed: {line}")
    return 1 if failed else 0
