"""The record: its form, the windows and their counts, the timeline, where it is written."""

import json
import os
import struct
from pathlib import Path

import pytest

# Scenario, arguments that keep it short, operations of one iteration.
SCENARIOS = [
    ("json", [], 10),
    ("mir", [], 10),
    ("vm", [], 10),
    ("vm", ["--size", "64K", "--batch", 3], 3),
    ("tiny_hot", ["--batch", 1000], 1000),
    ("tiny_hot", ["--batch", 1000, "--slots", 64], 1000),
    ("random_mixed", ["--batch", 1000], 1000),
    ("random_mixed", ["--batch", 1000, "--size", 256, "--slots", 16], 1000),
    ("evict", ["--batch", 4, "--slots", 3], 4),
    ("evict_uniform", ["--batch", 4, "--slots", 3, "--size", "64K"], 4),
    ("evict_grow", ["--batch", 4, "--slots", 3], 4),
    ("evict_burst", ["--batch", 4, "--slots", 3], 4),
    ("realloc_grow", ["--batch", 10, "--size", "100K"], 10),
    ("large_mix", ["--batch", 1, "--slots", 3], 1),
    ("calloc_large", ["--batch", 2, "--size", "1M"], 2),
    ("pressure", ["--batch", 1000], 1000),
    ("larson", ["--batch", 500], 1000),
    ("larson", ["--batch", 500, "--threads", 1, "--slots", 10], 500),
    ("handoff", ["--batch", 600], 600),
    ("handoff", ["--batch", 600, "--threads", 2, "--size", 32], 1200),
]


def window_slices(warmup, total):
    """Which iterations belong to which window."""
    first_steady = max(1, warmup)
    return {
        "cold": slice(0, 1),
        "warmup": slice(1, first_steady),
        "steady": slice(first_steady, total),
    }


@pytest.mark.parametrize(("warmup", "iters"), [(0, 1), (0, 3), (1, 1), (1, 2), (2, 1), (10, 3)])
@pytest.mark.parametrize(("scenario", "args", "ops"), SCENARIOS)
def test_windows(driver, scenario, args, ops, warmup, iters):
    record = driver.record(scenario, iters, "--warmup", warmup, *args)
    total = warmup + iters
    assert record["scenario"] == scenario
    assert (record["params"]["iters"], record["params"]["warmup"]) == (iters, warmup)
    assert len(record["timeline_ns"]) == total
    for name, part in window_slices(warmup, total).items():
        times = record["timeline_ns"][part]
        window = record["windows"][name]
        if not times:
            assert window is None
            continue
        assert window["iters"] == len(times)
        assert window["ops"] == ops * len(times)
        assert window["ns"] == sum(times)
        assert window["ns_per_op"] == pytest.approx(window["ns"] / window["ops"], abs=0.001)
        assert all(value >= 0 for value in window.values())


def test_no_steady_window_means_no_steady_figures(driver, counting_malloc):
    record = driver.record("json", 1, "--warmup", 0, preload=counting_malloc)
    assert record["rss"]["steady_kib"] is None
    assert record["maps"]["steady"] is None
    assert record["stats"] is None
    assert record["stats_total"]["calls.malloc"] == 10
    assert record["noise"]["steal_ticks"] is None
    assert record["noise"]["migrations"] is None


def test_defaults_are_filled_in_and_can_be_given_back(driver):
    for scenario in driver.list():
        assert scenario["limits"]["max_threads"] >= scenario["defaults"]["threads"]
        if scenario["takes_trace"] or scenario["wrong_frees"]:
            continue  # the trace says what it has: tests/record; here libc would abort
        defaults = scenario["defaults"]
        assert defaults.pop("iters") > 0  # one will do here
        given = [text for key, value in defaults.items() for text in (f"--{key}", value)]
        if scenario["name"].startswith("evict"):  # their own warm-up takes long
            given[given.index("--warmup") + 1] = defaults["warmup"] = 1
        record = driver.record(scenario["name"], 1, *given)
        if not defaults["limit"]:
            del defaults["limit"]
        assert record["params"] == {"iters": 1, **defaults}


def test_list_holds_every_scenario(driver):
    names = [scenario["name"] for scenario in driver.list()]
    files = Path(__file__).resolve().parents[2].glob("scenarios/*.c")
    with_scenario = [path.stem for path in files if "\nHKL_SCENARIO(" in path.read_text()]
    assert sorted(names) == sorted(with_scenario)
    assert all(scenario["summary"] for scenario in driver.list())


def test_memory_figures(driver):
    block_kib = 64 * 1024
    record = driver.record("vm", 2, "--warmup", 1, "--size", f"{block_kib}K", "--batch", 1)
    rss = record["rss"]
    assert 0 < rss["start_kib"] < block_kib
    slack_kib = 1024  # the kernel keeps these figures per thread and sums them up late
    assert rss["peak_kib"] >= rss["start_kib"] + block_kib - slack_kib
    assert rss["peak_kib"] >= max(rss["steady_kib"], rss["end_kib"]) - slack_kib
    assert all(count > 0 for count in record["maps"].values())


def test_page_faults_fall_into_their_window(driver):
    # The C library maps and unmaps each block: every page faults anew, with or without huge pages.
    env = {"MALLOC_MMAP_THRESHOLD_": str(1 << 16)}
    record = driver.record("mir", 5, "--warmup", 2, "--batch", 4, env=env)
    for window in record["windows"].values():
        assert window["minflt"] == pytest.approx(64 * window["ops"], rel=0.1)


def test_cpu_time_of_worker_threads_counts(driver):
    record = driver.record("larson", 30, "--batch", 20000)
    steady = record["windows"]["steady"]
    assert steady["user_ns"] + steady["sys_ns"] > 0


def test_long_timeline_goes_to_the_file(driver, tmp_path):
    path = tmp_path / "times"
    args = ["--warmup", 2, "--batch", 1, "--timeline", path]
    record = driver.record("tiny_hot", 4095, *args)
    assert record["timeline_ns"] is None
    assert record["timeline_file"] == str(path)
    times = [value for (value,) in struct.iter_unpack("<Q", path.read_bytes())]
    assert len(times) == 4097
    for name, part in window_slices(2, 4097).items():
        assert record["windows"][name]["ns"] == sum(times[part])


def test_short_timeline_stays_in_the_record(driver, tmp_path):
    path = tmp_path / "times"
    args = ["--warmup", 2, "--batch", 1, "--timeline", path]
    record = driver.record("tiny_hot", 4094, *args)
    assert len(record["timeline_ns"]) == 4096
    assert record["timeline_file"] is None
    assert not path.exists()


def test_long_timeline_without_a_file_stays_in_the_record(driver):
    record = driver.record("tiny_hot", 5000, "--warmup", 0, "--batch", 1)
    assert len(record["timeline_ns"]) == 5000


def test_odd_characters_in_the_timeline_path(driver, tmp_path):
    path = tmp_path / 'a "quoted" \\ name\n\u00e9'
    record = driver.record("tiny_hot", 5000, "--warmup", 0, "--batch", 1, "--timeline", path)
    assert record["timeline_file"] == str(path)
    assert path.stat().st_size == 5000 * 8


def test_record_goes_to_the_descriptor(driver):
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as reader:
        args = ["--scenario", "json", "--iters", 2, "--record", write_end]
        done = driver.run(*args, pass_fds=[write_end])
        os.close(write_end)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        driver.validator.validate(json.loads(reader.read()))


def test_record_that_cannot_be_written_is_a_failure(driver):
    with open("/dev/full", "w", encoding="ascii") as full:
        args = ["--scenario", "json", "--iters", 2, "--record", full.fileno()]
        done = driver.run(*args, pass_fds=[full.fileno()])
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "cannot write the record" in done.stderr
