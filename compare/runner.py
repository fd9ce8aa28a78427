"""Goes through a plan, one trial at a time, and keeps each record as soon as it is there."""

from collections import Counter

from compare.plan import Json
from compare.progress import Display
from compare.storage import Trials
from compare.trial import Bench, Interrupted, run_trial


def run_plan(run: Json, trials: Trials, bench: Bench, display: Display) -> bool:
    """Runs every entry of the plan that has no record yet. False when it was interrupted."""
    remaining = [entry for entry in run["plan"] if entry["trial"] not in trials.done]
    for entry in remaining:
        if bench.interrupt.pending:
            return False
        scenario = run["cells"][entry["cell"]]["scenario"]
        display.begin_trial(len(trials.done) + 1, scenario, entry["arm"])
        try:
            record = run_trial(run, entry, bench)
        except Interrupted:
            return False
        trials.append(record)
        if record["status"] != "ok":
            display.say(
                f"trial {entry['trial']}: {scenario}, {entry['arm']}:"
                f" {record['status']}: {record['error']}"
            )
    return True


def failures(trials: Trials) -> list[str]:
    """One line for each scenario and arm that has trials without a result."""
    failed = Counter(
        (record["scenario"], record["arm"], record["status"])
        for record in trials.done.values()
        if record["status"] != "ok"
    )
    return [
        f"{scenario}, {arm}: {count} x {status}"
        for (scenario, arm, status), count in sorted(failed.items())
    ]
