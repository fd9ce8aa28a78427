"""Verdicts on claims whose truth is known: synthetic runs of a phase with both sides made up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic import TWIN, Plan, write

from analysis import cli, verdict
from analysis.load import RunError, load
from analysis.verdict import (
    CONFIRMED,
    INCONCLUSIVE,
    NOT_EXERCISED,
    NOT_MEASURABLE,
    REFUTED,
    Judged,
)

Json = dict[str, Any]
ARMS = {"hakmem": "before", "mimalloc": "after", TWIN: "before@2"}

FASTER: Json = {"kind": "ratio", "metric": "time", "claimed": 0.6, "bound": "<= 0.8"}
SAME: Json = {"kind": "equivalence", "metric": "time", "claimed": 1, "margin": 0.05}


def make(
    folder: Path,
    claims: list[Json],
    after: float = 60.0,
    *,
    seed: int = 1,
    blocks: int = 12,
    sigma: float = 0.01,
    exercised: str | None = None,
    counters: Callable[[str, int], Json] = lambda arm, block: {"whale.hit": 9, "whale.miss": 1},
    fails: dict[str, int] | None = None,
) -> Path:
    """Writes a run of a phase with one comparison: before takes 100 ns, after `after` ns.
    `counters`: what a process's allocator counted, by its arm and block."""
    plan = Plan(
        levels={"hakmem": 100.0, "mimalloc": after},
        blocks=blocks,
        process_sigma=sigma,
        seed=seed,
        unsupported="no tracefs",
        fails=fails or {},
    )
    write(folder, plan)
    run = json.loads((folder / "run.json").read_text())
    for entry in (*run["arms"], *run["plan"]):
        entry["arm"] = ARMS[entry["arm"]]
    for arm in run["arms"]:
        arm["twin_of"] = arm["twin_of"] and "before"
    run["baseline"] = "before"
    run["cells"][0] |= {"baseline": "before", "arms": list(ARMS.values()), "comparison": "c"}
    comparison: Json = {"id": "c", "scenario": "vm", "before": {}, "after": {"env": {"X": "1"}}}
    run["phase"] = {
        "id": "1",
        "title": "A phase | with *signs*",
        "change": "something",
        "comparison": [comparison | ({"exercised": exercised} if exercised else {})],
        "claim": [
            {"id": f"c{i}", "comparison": "c", "says": "it is so", "source": "a test", **claim}
            for i, claim in enumerate(claims)
        ],
    }
    (folder / "run.json").write_text(json.dumps(run))
    lines = []
    for line in (folder / "trials.jsonl").read_text().splitlines():
        trial = json.loads(line)
        trial["arm"] = ARMS[trial["arm"]]
        if trial["status"] == "ok":
            trial["stats"] = trial["stats_total"] = counters(trial["arm"], trial["block"])
        lines.append(json.dumps(trial) + "\n")
    (folder / "trials.jsonl").write_text("".join(lines))
    return folder


def judge(folder: Path, claims: list[Json], after: float = 60.0, **more: Any) -> list[Judged]:
    return verdict.judge(load(make(folder, claims, after, **more))).claims


def one(folder: Path, claim: Json, after: float = 60.0, **more: Any) -> Judged:
    return judge(folder, [claim], after, **more)[0]


def test_whole_interval_within_the_bound_is_confirmed(tmp_path: Path) -> None:
    judged = one(tmp_path, FASTER)
    assert judged.verdict == CONFIRMED
    assert judged.value is not None
    assert judged.value.lo < 0.6 < judged.value.hi < 0.8


def test_whole_interval_beyond_the_bound_is_refuted(tmp_path: Path) -> None:
    assert one(tmp_path, FASTER, 95.0).verdict == REFUTED


def test_throughput_is_the_inverse_of_time(tmp_path: Path) -> None:
    claim = {**FASTER, "metric": "throughput", "bound": ">= 1.5"}
    judged = one(tmp_path, claim)
    assert judged.verdict == CONFIRMED
    assert judged.value is not None
    assert judged.value.value == pytest.approx(1 / 0.6, rel=0.03)


def test_interval_that_straddles_the_bound_says_how_many_blocks_would_decide(
    tmp_path: Path,
) -> None:
    judged = one(tmp_path, FASTER, 82.0, sigma=0.1)
    assert judged.verdict == INCONCLUSIVE
    assert "straddles" in judged.reason
    assert judged.blocks is not None
    assert judged.blocks > 12


def test_more_blocks_decide_what_fewer_could_not(tmp_path: Path) -> None:
    few = one(tmp_path / "few", FASTER, 76.0, sigma=0.06, blocks=7)
    assert few.verdict == INCONCLUSIVE
    many = one(tmp_path / "many", FASTER, 76.0, sigma=0.06, blocks=200)
    assert many.verdict == CONFIRMED


def test_a_difference_within_the_noise_floor_is_not_confirmed(tmp_path: Path) -> None:
    def shaky(arm: str, block: int) -> Json:
        return {"n": 1000 + (60 * (-1) ** block if arm == "before@2" else -10 - block)}

    claim = {**FASTER, "metric": "total.n", "bound": "< 1"}
    judged = one(
        tmp_path, claim, counters=lambda a, b: shaky(a, b) if a != "before" else {"n": 1000}
    )
    assert judged.value is not None
    assert judged.value.hi < 1
    assert judged.verdict == INCONCLUSIVE
    assert "floor" in judged.reason


@pytest.mark.parametrize(("after", "expected"), [(70.0, CONFIRMED), (100.0, INCONCLUSIVE)])
def test_a_claim_of_no_harm_needs_room_for_the_noise(
    after: float, expected: str, tmp_path: Path
) -> None:
    """The noise floor is wider than the bound is from 1: only a clear gain is no harm."""
    judged = one(tmp_path, {**FASTER, "bound": "<= 1.02"}, after, sigma=0.05)
    assert judged.floor > 0.02
    assert judged.verdict == expected


def test_no_claim_of_a_difference_is_confirmed_of_two_equal_sides(tmp_path: Path) -> None:
    claims = [
        {**FASTER, "bound": "< 1"},
        {**FASTER, "bound": "> 1"},
        {**FASTER, "bound": "<= 0.97"},
        {**FASTER, "metric": "throughput", "bound": ">= 1.02"},
    ]
    for seed in range(20):
        found = judge(tmp_path / str(seed), claims, 100.0, seed=seed, blocks=8, sigma=0.02)
        assert CONFIRMED not in [judged.verdict for judged in found], seed


def test_too_few_blocks_decide_nothing(tmp_path: Path) -> None:
    judged = one(tmp_path, FASTER, blocks=4)
    assert judged.verdict == INCONCLUSIVE
    assert judged.blocks is not None
    assert judged.blocks >= 6


def test_claims_of_one_report_are_corrected_together(tmp_path: Path) -> None:
    alone = judge(tmp_path / "1", [FASTER], blocks=8)
    together = judge(tmp_path / "9", [FASTER] * 9, blocks=8)
    assert alone[0].verdict == CONFIRMED
    assert {judged.verdict for judged in together} == {INCONCLUSIVE}
    assert together[0].p_holm == pytest.approx(9 * alone[0].p_holm)


@pytest.mark.parametrize(
    ("after", "sigma", "expected"),
    [(100.0, 0.005, CONFIRMED), (120.0, 0.005, REFUTED), (100.0, 0.15, INCONCLUSIVE)],
)
def test_no_effect_needs_an_interval_within_the_margin(
    after: float, sigma: float, expected: str, tmp_path: Path
) -> None:
    judged = one(tmp_path, SAME, after, sigma=sigma)
    assert judged.verdict == expected
    assert (judged.blocks is not None) == (expected == INCONCLUSIVE)


def test_what_never_ran_cannot_have_helped(tmp_path: Path) -> None:
    """Twice as fast, but the mechanism's counter stayed zero."""
    hits = {"kind": "count", "metric": "total.whale.hit", "bound": "= 9"}
    more: Json = {"counters": lambda arm, block: {"whale.hit": 9, "region.hit": 0}}
    found = judge(tmp_path, [FASTER, SAME, hits], 50.0, exercised="total.region.hit", **more)
    assert [judged.verdict for judged in found] == [NOT_EXERCISED, NOT_EXERCISED, CONFIRMED]
    assert "total.region.hit in after: 0" in found[0].reason


def test_what_ran_is_judged(tmp_path: Path) -> None:
    judged = one(tmp_path, FASTER, exercised="total.whale.hit")
    assert judged.verdict == CONFIRMED


def test_a_guard_that_cannot_be_read_judges_nothing(tmp_path: Path) -> None:
    assert one(tmp_path, FASTER, exercised="total.gone").verdict == NOT_MEASURABLE


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ({**FASTER, "needs": ["instructions"]}, "no hardware counters on this machine"),
        ({**FASTER, "metric": "perf.instructions"}, "no hardware counters"),
        ({**FASTER, "metric": "total.gone"}, "no counter gone"),
        ({**FASTER, "metric": "callgrind.instructions"}, "callgrind"),
        ({**FASTER, "metric": "total.zero"}, "0 before"),
        ({"kind": "count", "metric": "syscalls.mmap", "bound": "= 1"}, "no tracefs"),
        ({"kind": "share", "metric": "total.zero / total.zero", "bound": "> 0"}, "divide"),
        ({"kind": "count", "not_here": "of another machine"}, "of another machine"),
    ],
)
def test_what_cannot_be_measured_says_why(claim: Json, why: str, tmp_path: Path) -> None:
    judged = one(tmp_path, claim, counters=lambda arm, block: {"zero": 0})
    assert judged.verdict == NOT_MEASURABLE
    assert why in judged.reason


@pytest.mark.parametrize(
    ("bound", "counted", "expected"),
    [
        ("= 90", {"hit": 9, "miss": 1}, CONFIRMED),
        ("= 90", {"hit": 8, "miss": 1}, REFUTED),
        (">= 89", {"hit": 9, "miss": 1}, CONFIRMED),
        ("< 90", {"hit": 9, "miss": 1}, REFUTED),
    ],
)
def test_counts_are_exact(bound: str, counted: Json, expected: str, tmp_path: Path) -> None:
    claim = {
        "kind": "count",
        "metric": "100 * total.hit / (total.hit + total.miss)",
        "bound": bound,
    }
    judged = one(tmp_path, claim, counters=lambda arm, block: counted, blocks=2)
    assert judged.verdict == expected
    assert judged.p is None


def test_counts_that_differ_between_processes_are_inconclusive(tmp_path: Path) -> None:
    claim = {"kind": "count", "metric": "total.n", "bound": "= 1"}
    judged = one(tmp_path, claim, counters=lambda arm, block: {"n": 1 + (block == 3)})
    assert judged.verdict == INCONCLUSIVE
    assert "11 of 12 processes" in judged.reason


def test_a_ratio_of_equal_counts_is_exact(tmp_path: Path) -> None:
    claim = {**FASTER, "metric": "total.n", "bound": "<= 0.5"}
    counters: Json = {"counters": lambda arm, block: {"n": 0 if arm == "after" else 7}}
    judged = one(tmp_path, claim, blocks=2, **counters)
    assert (judged.verdict, judged.p) == (CONFIRMED, None)
    assert judged.value is not None
    assert judged.value.value == 0


@pytest.mark.parametrize(("bound", "expected"), [(">= 0.4", CONFIRMED), ("<= 0.4", REFUTED)])
def test_shares_are_judged_by_their_interval(bound: str, expected: str, tmp_path: Path) -> None:
    claim = {"kind": "share", "metric": "total.a / total.b", "bound": bound}
    counters: Json = {"counters": lambda arm, block: {"a": 500 + block, "b": 1000}}
    judged = one(tmp_path, claim, **counters)
    assert judged.verdict == expected
    assert judged.value is not None
    assert judged.value.lo < judged.value.value < judged.value.hi


def test_a_crash_refutes_that_there_is_none(tmp_path: Path) -> None:
    claim = {"kind": "no-crash"}
    assert one(tmp_path / "sound", claim).verdict == CONFIRMED
    judged = one(tmp_path / "ill", claim, fails={"mimalloc": 2})
    assert judged.verdict == REFUTED
    assert "2 of 12 processes failed (crash: killed by SIGSEGV)" in judged.reason


def test_blocks_that_failed_on_one_side_are_left_out_of_the_pairs(tmp_path: Path) -> None:
    judged = one(tmp_path, FASTER, fails={"mimalloc": 3})
    assert judged.value is not None
    assert judged.value.n == 9
    assert judged.verdict == CONFIRMED


def test_power_is_said_before_and_after(tmp_path: Path) -> None:
    run = load(make(tmp_path, [FASTER]))
    (power,) = verdict.judge(run).power
    assert power.blocks == 12
    assert 0 < power.floor < power.in_the_end < 0.2
    assert 0 < power.foreseen < 0.3


def test_same_run_gives_same_verdicts(tmp_path: Path) -> None:
    run = load(make(tmp_path, [FASTER, SAME], 97.0))
    assert verdict.judge(run).claims == verdict.judge(run).claims


def test_report_has_every_claim_with_its_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path, [FASTER, {"kind": "count", "not_here": "of <another> machine"}])
    assert cli.main([str(folder)]) == 0
    said = capsys.readouterr().out
    assert "verdicts: 1 confirmed, 1 not measurable here (of 2 claims)" in said
    markdown = (folder / "report.md").read_text()
    assert "| whale.hit | 9 | 9 |" in markdown
    assert markdown.startswith("# Phase 1: A phase \\| with \\*signs\\*\n")
    page = (folder / "report.html").read_text()
    for text in (markdown, page):
        assert "Verdicts: 1 confirmed, 1 not measurable here (of 2 claims)" in text
        for heading in ("What changed", "Claims", "Method", "Deferred", "Next steps"):
            assert heading in text
    assert '<span class="badge good">confirmed</span>' in page
    assert "of &lt;another&gt; machine" in page


def test_index_has_the_claims_of_all_phases(tmp_path: Path) -> None:
    make(tmp_path / "1", [FASTER])
    make(tmp_path / "2", [FASTER], 95.0)
    (tmp_path / "runs.json").write_text('{"runs": ["1", "2"]}')
    assert cli.main([str(tmp_path), "--quiet"]) == 0
    page = (tmp_path / "index.html").read_text()
    assert 'href="1/report.html"' in page
    assert "<span>confirmed</span>" in page
    assert "<span>refuted</span>" in page
    rows = (tmp_path / "verdicts.csv").read_text().splitlines()
    assert len(rows) == 3
    assert ",refuted," in rows[2]


def test_a_damaged_phase_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path, [FASTER])
    run = json.loads((folder / "run.json").read_text())
    run["phase"]["claim"][0]["kind"] = "rumour"
    (folder / "run.json").write_text(json.dumps(run))
    with pytest.raises(RunError, match="phase: claim.0.kind"):
        load(folder)
    run["phase"]["claim"][0] |= {"kind": "ratio", "comparison": "d"}
    (folder / "run.json").write_text(json.dumps(run))
    with pytest.raises(RunError, match="comparison 'd' has no arm 'before'"):
        load(folder)
