"""The regression gate on runs whose truth is known, and its command line."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis import gate, gate_cli
from tests.analysis.synthetic import Plan, edit_records, edit_run, write

LEVELS = {"hakmem": 100.0, "system": 150.0, "mimalloc": 105.0}
# 1 % between processes, as on a quiet machine.
QUIET = Plan(levels=LEVELS, scenarios=("vm", "json"), process_sigma=0.01, iters=30)


def planted(plan: Plan, factor: float, *arms: str) -> Plan:
    """The same run made again, with some allocators taking `factor` times as long."""
    levels = {arm: ns * (factor if arm in arms else 1) for arm, ns in plan.levels.items()}
    return replace(plan, levels=levels, seed=plan.seed + 1000)


def judge(base: Path, new: Path, bound: float = gate.DEFAULT_BOUND) -> dict[tuple[str, ...], str]:
    """(scenario, allocator, metric) -> verdict."""
    found = gate.compare(gate.side(str(base)), gate.side(str(new)), bound, [])
    return {(row.cell.scenario, row.new_arm, row.metric): row.verdict for row in found.rows}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("gate") / "base", QUIET)


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_slowdown_of_5_percent_is_found(tmp_path: Path, seed: int) -> None:
    plan = replace(QUIET, seed=seed)
    one = write(tmp_path / "base", plan)
    found = judge(one, write(tmp_path / "new", planted(plan, 1.05, "hakmem")))
    assert [name for name, verdict in found.items() if verdict == gate.WORSE] == [
        ("vm", "hakmem", "time"),
        ("json", "hakmem", "time"),
    ]


@pytest.mark.parametrize("factor", [1.0, 1.001])
@pytest.mark.parametrize("seed", range(4))
def test_equal_runs_and_a_planted_thousandth_pass(tmp_path: Path, seed: int, factor: float) -> None:
    """Even when every change beyond the noise is asked for."""
    plan = replace(QUIET, seed=seed, process_sigma=0.02)
    one = write(tmp_path / "base", plan)
    found = judge(one, write(tmp_path / "new", planted(plan, factor, "hakmem")), bound=0.0)
    judged = {verdict for (_, arm, _), verdict in found.items() if arm == "hakmem"}
    assert judged == {gate.UNCHANGED}


def test_a_gain_is_told_and_passes(base: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new", planted(QUIET, 0.9, "hakmem"))
    assert judge(base, new)[("vm", "hakmem", "time")] == gate.BETTER
    assert gate_cli.main(["--gate", str(base), str(new)]) == 0


def test_a_change_within_the_bound_passes(base: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new", planted(QUIET, 1.05, "hakmem"))
    assert judge(base, new, 0.10)[("vm", "hakmem", "time")] == gate.UNCHANGED
    assert judge(base, new, 0.01)[("vm", "hakmem", "time")] == gate.WORSE


def test_what_the_machine_does_to_all_is_no_regression(base: Path, tmp_path: Path) -> None:
    """The allocators that are the same in both runs tell."""
    new = write(tmp_path / "drifted", planted(QUIET, 1.08, *LEVELS))
    assert judge(base, new)[("vm", "hakmem", "time")] == gate.UNCHANGED
    more = write(tmp_path / "worse", planted(planted(QUIET, 1.08, *LEVELS), 1.2, "hakmem"))
    assert judge(base, more)[("vm", "hakmem", "time")] == gate.WORSE


def test_the_same_binary_elsewhere_is_not_judged(base: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new", planted(QUIET, 1.5, "mimalloc"))
    assert judge(base, new)[("vm", "mimalloc", "time")] == gate.CONTROL
    edit_run(new, lambda meta: meta["arms"][2].update(sha256="cd" * 32))
    assert judge(base, new)[("vm", "mimalloc", "time")] == gate.WORSE


def test_two_allocators_of_one_run_are_paired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A drift that would hide any change in two runs cancels out in the blocks of one."""
    plan = replace(QUIET, levels={"hakmem": 100.0, "slow": 105.0, "same": 100.0})
    run = write(tmp_path / "run", plan)

    def drift(record: dict[str, Any]) -> None:
        times = record["timeline_ns"]
        record["timeline_ns"] = [int(ns * (1 + record["block"] / 5)) for ns in times]

    edit_records(run, drift)
    assert gate_cli.main(["--gate", f"{run}:hakmem", f"{run}:slow"]) == gate_cli.CLOSED
    out = capsys.readouterr().out
    assert "Paired block by block" in out and "* vm, slow against hakmem, time: worse +" in out
    assert gate_cli.main(["--gate", f"{run}:hakmem", f"{run}:same"]) == 0
    assert "passed, none of 4 rows" in capsys.readouterr().out


def test_allocators_of_two_runs_can_be_named(base: Path, tmp_path: Path) -> None:
    """The machine's drift is told by those that are in both."""
    new = write(tmp_path / "new", planted(QUIET, 1.08, *LEVELS))
    found = judge(Path(f"{base}:hakmem"), Path(f"{new}:hakmem"))
    assert found[("vm", "hakmem", "time")] == gate.UNCHANGED
    assert found[("vm", "system", "time")] == gate.CONTROL
    found = judge(Path(f"{base}:mimalloc"), Path(f"{new}:system"))
    assert found[("vm", "system", "time")] == gate.WORSE
    assert ("vm", "mimalloc", "time") not in found
    assert found[("vm", "hakmem", "time")] == gate.CONTROL


def test_more_memory_is_worse(base: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new", planted(QUIET, 1.0))

    def grow(record: dict[str, Any]) -> None:
        if record["allocator"] == "hakmem":
            record["rss"]["peak_kib"] = 4600

    edit_records(new, grow)
    found = judge(base, new)
    assert found[("vm", "hakmem", "peak memory")] == gate.WORSE
    assert found[("vm", "hakmem", "time")] == gate.UNCHANGED


def test_failures_close_the_gate(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = write(tmp_path / "new", replace(planted(QUIET, 1.0), fails={"hakmem": 2}))
    assert gate_cli.main(["--gate", str(base), str(new)]) == gate_cli.CLOSED
    assert "vm, hakmem, time: 2 of 15 processes fail (killed by SIGSEGV)" in (
        capsys.readouterr().out
    )
    assert judge(new, base)[("vm", "hakmem", "time")] != gate.FAILS


def test_the_summary_is_printed_and_written(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = write(tmp_path / "new", planted(QUIET, 1.2, "hakmem"))
    assert gate_cli.main(["--gate", str(base), str(new), "--bound", "5"]) == gate_cli.CLOSED
    out = capsys.readouterr().out
    assert out == (new / "gate.md").read_text()
    assert out.startswith("# Regression gate: 2 of 4 rows got worse\n")
    assert re.search(r"^\* vm, hakmem, time: worse \+\d\d\.\d % .*, beyond 5\.0 %$", out, re.M)
    assert "Not paired" in out and "bound of 5 %" in out
    assert gate_cli.main(["--gate", str(base), str(new), "--out", str(tmp_path / "x.md")]) == 3
    assert (tmp_path / "x.md").read_text().startswith("# Regression gate")


# ---- What is refused ----


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line with which the gate refuses."""
    assert gate_cli.main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and said.err.startswith("run.sh: -")
    return said.err


def test_other_machines_are_refused_unless_told_to(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = write(tmp_path / "new", planted(QUIET, 1.0))
    edit_run(new, lambda meta: meta["machine"].update(cpu="another CPU", load1=3.0))
    said = refused(capsys, "--gate", base, new)
    assert "the machines differ (cpu: a CPU / another CPU); --force machine" in said
    assert not (new / "gate.md").exists()
    assert refused(capsys, "--gate", base, new, "--force", "params") == said
    assert gate_cli.main(["--gate", str(base), str(new), "--force", "machine"]) == 0
    assert "compared all the same (--force machine)" in capsys.readouterr().out


def test_other_parameters_are_refused_unless_told_to(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = write(tmp_path / "new", replace(planted(QUIET, 1.0), iters=40))
    said = refused(capsys, "--gate", base, new)
    assert "vm: parameters differ (iters 30 / 40); --force params" in said
    assert gate_cli.main(["--gate", str(base), str(new), "--force", "params,machine"]) == 0
    assert "parameters differ" in capsys.readouterr().out


def test_another_schema_is_refused(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = write(tmp_path / "new", planted(QUIET, 1.0))
    edit_run(new, lambda meta: meta.update(schema="hkl-run-0"))
    assert "schema is 'hkl-run-0'" in refused(capsys, "--gate", base, new, "--force", "machine")


def test_scenarios_of_one_run_only_are_named(base: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new", replace(planted(QUIET, 1.0), scenarios=("vm", "mir")))
    found = gate.compare(gate.side(str(base)), gate.side(str(new)), 0.03, [])
    assert found.notes == ["json: in base only, not compared", "mir: in new only, not compared"]
    assert {row.cell.scenario for row in found.rows} == {"vm"}


def test_bad_options_are_one_line(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "FOLDER:ALLOCATOR" in refused(capsys, "--gate", base, base)
    assert "'nobody' is not one of" in refused(capsys, "--gate", f"{base}:nobody", base)
    assert "no such folder" in refused(capsys, "--gate", base, tmp_path / "nowhere")
    assert "1 runs given, it takes two" in refused(capsys, "--gate", base)
    assert "per cent" in refused(capsys, "--gate", base, base, "--bound", "-1")
    assert "machine or params" in refused(capsys, "--gate", base, base, "--force", "all")
    other = write(tmp_path / "other", replace(QUIET, scenarios=("mir",)))
    assert "no scenario is in both" in refused(capsys, "--gate", base, other)
