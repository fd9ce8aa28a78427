"""summary.py, noise.py and style.py on synthetic runs: figures recomputed by hand, verdicts,
gaps."""

import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest

import analysis.summary
from analysis import steady
from analysis.load import load
from analysis.style import allocator_style, arm_styles
from analysis.summary import ArmSummary, Summary, summarise, to_frame
from tests.analysis.synthetic import Plan, write


def summary_of(folder: Path, plan: Plan) -> Summary:
    return summarise(load(write(folder, plan)))


def arm(summary: Summary, name: str, cell: int = 0) -> ArmSummary:
    return next(a for a in summary.cells[cell].arms if a.arm.arm == name)


def records(folder: Path, name: str, purpose: str = "time") -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "trials.jsonl").read_text().splitlines())
    found = [r for r in lines if r["arm"] == name and r["purpose"] == purpose]
    return sorted(found, key=lambda r: int(r["block"]))


def process_medians(folder: Path, name: str) -> list[float]:
    return [statistics.median(r["timeline_ns"][10:]) / 1000 for r in records(folder, name)]


def test_figures_equal_those_by_hand(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, Plan())
    mimalloc, hakmem = arm(summary, "mimalloc"), arm(summary, "hakmem")
    mine, base = process_medians(tmp_path, "mimalloc"), process_medians(tmp_path, "hakmem")
    assert mimalloc.steady is not None and mimalloc.to_baseline is not None
    assert mimalloc.steady.value == pytest.approx(statistics.median(mine))
    ratios = [a / b for a, b in zip(mine, base)]
    assert mimalloc.to_baseline.ratio.value == pytest.approx(statistics.median(ratios))
    cold = mimalloc.windows["cold"]
    by_hand = [r["windows"]["cold"]["ns_per_op"] for r in records(tmp_path, "mimalloc")]
    assert cold is not None and cold.value == pytest.approx(statistics.median(by_hand))
    assert mimalloc.faults == {"minflt": 2.0, "majflt": 0.0}
    assert mimalloc.syscalls["mmap"].value == 12
    assert mimalloc.rss["peak_kib"] == 4096
    assert mimalloc.maps == {"start": 20, "steady": 25, "end": 26, "after": 22}
    assert mimalloc.states[steady.FLAT] == 15
    assert summary.cells[0].best is hakmem
    assert mimalloc.to_best == mimalloc.to_baseline
    assert summary.comparisons == 1 and mimalloc.p_holm == mimalloc.to_baseline.p


def test_counting_trials_give_no_times(tmp_path: Path) -> None:
    write(tmp_path, Plan())
    before = summarise(load(tmp_path))
    path = tmp_path / "trials.jsonl"
    lines = []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record["purpose"] == "count":
            record["timeline_ns"] = [10 * t for t in record["timeline_ns"]]
        lines.append(json.dumps(record))
    path.write_text("\n".join(lines) + "\n")
    after = summarise(load(tmp_path))
    assert arm(before, "mimalloc").steady == arm(after, "mimalloc").steady


def test_verdicts_on_planted_differences(tmp_path: Path) -> None:
    levels = {"hakmem": 100.0, "slow": 110.0, "fast": 90.0, "same": 100.0}
    summary = summary_of(tmp_path, Plan(levels=levels))
    verdicts = {a.arm.arm: a.verdict for a in summary.cells[0].arms}
    assert verdicts == {
        "hakmem": "baseline",
        "slow": "slower",
        "fast": "faster",
        "same": "no difference shown",
    }
    assert 0 < summary.cells[0].floor < summary.cells[0].detectable
    assert summary.comparisons == 3


def test_planted_five_percent_is_found_in_a_quiet_run(tmp_path: Path) -> None:
    assert arm(summary_of(tmp_path, Plan(process_sigma=0.01)), "mimalloc").verdict == "slower"


def test_without_a_twin_nothing_is_claimed(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, Plan(levels={"hakmem": 100.0, "slow": 200.0}, twin=False))
    assert math.isnan(summary.cells[0].floor)
    assert arm(summary, "slow").verdict == "no difference shown"


def test_few_blocks_are_marked_and_claim_nothing(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, Plan(levels={"hakmem": 100.0, "slow": 200.0}, blocks=4))
    slow = arm(summary, "slow")
    assert slow.few and slow.steady is not None and slow.steady.lo < slow.steady.hi
    assert slow.verdict == "no difference shown"


def test_one_block_has_values_and_no_intervals(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, Plan(blocks=1))
    mimalloc = arm(summary, "mimalloc")
    assert mimalloc.steady is not None and math.isnan(mimalloc.steady.lo)
    assert mimalloc.to_baseline is not None and math.isnan(mimalloc.to_baseline.lo)
    assert summary.comparisons == 0 and mimalloc.verdict == "no difference shown"


def test_crashes_leave_the_others_alone(tmp_path: Path) -> None:
    levels = {"hakmem": 100.0, "mimalloc": 105.0, "dead": 1.0, "ill": 100.0}
    summary = summary_of(tmp_path, Plan(levels=levels, fails={"dead": 15, "ill": 3}))
    dead, ill = arm(summary, "dead"), arm(summary, "ill")
    assert dead.failures == ("crash 15/15 (killed by SIGSEGV)",)
    assert dead.steady is None and dead.to_baseline is None and dead.verdict == ""
    assert ill.failures == ("crash 3/15 (killed by SIGSEGV)",)
    assert ill.to_baseline is not None and ill.to_baseline.n == 12
    assert summary.cells[0].best is not dead
    assert arm(summary, "mimalloc").to_baseline is not None


def test_baseline_that_crashes_leaves_times_without_verdicts(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, Plan(fails={"hakmem": 15}))
    mimalloc = arm(summary, "mimalloc")
    assert mimalloc.steady is not None and mimalloc.verdict == ""
    assert math.isnan(summary.cells[0].floor)


def test_no_steady_window(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, Plan(iters=1, warmup=0))
    hakmem = arm(summary, "hakmem")
    assert hakmem.steady is None and hakmem.windows["cold"] is not None
    assert summary.cells[0].best is None


def test_long_timelines_give_the_same_figures(tmp_path: Path) -> None:
    inline = summary_of(tmp_path / "a", Plan(blocks=5))
    in_files = summary_of(tmp_path / "b", Plan(blocks=5, long_timelines=True))
    assert arm(inline, "mimalloc").steady == arm(in_files, "mimalloc").steady


def test_the_same_run_gives_the_same_figures(tmp_path: Path) -> None:
    one = summary_of(tmp_path, Plan())
    again = summarise(load(tmp_path))
    assert arm(one, "mimalloc") == arm(again, "mimalloc")


def test_unsupported_system_calls_keep_their_reason(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, Plan(unsupported="no tracepoints"))
    calls = arm(summary, "hakmem").syscalls
    assert math.isnan(calls["mmap"].value) and calls["mmap"].reason == "no tracepoints"


def test_perf_counts_are_medians_and_unsupported_is_not_zero(tmp_path: Path) -> None:
    perf = arm(summary_of(tmp_path, Plan(blocks=3)), "hakmem").perf
    assert perf["page-faults"].value == 200
    assert math.isnan(perf["instructions"].value)
    assert perf["instructions"].reason == "no hardware counters"


def test_disturbed_blocks_are_marked_and_kept(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, Plan(steal={4: 20}))
    assert list(summary.cells[0].disturbed) == [4]
    assert "stolen" in summary.cells[0].disturbed[4]
    assert arm(summary, "hakmem").ok == 15


def test_involuntary_switches_far_above_the_usual_are_marked(tmp_path: Path) -> None:
    write(tmp_path, Plan())
    path = tmp_path / "trials.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    next(r for r in lines if r["block"] == 7)["windows"]["steady"]["nivcsw"] = 50
    path.write_text("".join(json.dumps(r) + "\n" for r in lines))
    disturbed = summarise(load(tmp_path)).cells[0].disturbed
    assert list(disturbed) == [7] and "50 involuntary switches" in disturbed[7]


def test_csv_has_a_row_for_each_cell_and_arm(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, Plan(scenarios=("vm", "json")))
    frame = to_frame(summary)
    assert list(frame["scenario"]) == ["vm"] * 3 + ["json"] * 3
    assert list(frame["arm"][:3]) == ["hakmem", "mimalloc", "hakmem-twin"]
    assert list(frame["twin_of"].dropna().unique()) == ["hakmem"]
    row = frame.iloc[1]
    mimalloc = arm(summary, "mimalloc")
    assert mimalloc.steady is not None and mimalloc.to_baseline is not None
    assert row["steady_ns_per_op_hi"] == mimalloc.steady.hi
    assert row["ratio_to_baseline_lo"] == mimalloc.to_baseline.ratio.lo
    assert row["floor"] == math.exp(summary.cells[0].floor)
    assert row["trials_ok"] == 15 and row["steady_flat"] == 15
    assert row["size"] == 2 << 20


def test_csv_columns_are_the_documented_ones(tmp_path: Path) -> None:
    documented: list[str] = []
    for line in (analysis.summary.__doc__ or "").splitlines():
        if line.startswith("    "):
            for name in line.strip().split("  ")[0].split():
                stem = name.rstrip("*")
                documented += [stem, f"{stem}_lo", f"{stem}_hi"] if name.endswith("*") else [stem]
    assert list(to_frame(summary_of(tmp_path, Plan(blocks=2))).columns) == documented


def test_allocators_have_fixed_and_distinct_styles() -> None:
    known = ("hakmem system mimalloc jemalloc tcmalloc tbb scudo snmalloc rpmalloc").split()
    assert len({allocator_style(name).colour for name in known}) == len(known)
    assert len({allocator_style(name).marker for name in known}) == len(known)
    assert allocator_style("mine") == allocator_style("mine")
    assert allocator_style("mine").colour not in {allocator_style(n).colour for n in known}


def test_arms_of_one_allocator_share_its_colour_and_differ_in_line(tmp_path: Path) -> None:
    run = load(write(tmp_path, Plan(blocks=1)))
    styles = arm_styles(run.arms)
    assert styles["hakmem"].colour == styles["hakmem-twin"].colour
    assert styles["hakmem"].line != styles["hakmem-twin"].line
