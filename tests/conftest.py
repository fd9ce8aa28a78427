"""Which files' tests take long as a whole: left out of 'make check', which stays under a minute.

And signals are as a terminal leaves them, however the tests were started.
"""

import signal

import pytest

SLOW_FILES = {
    "test_settings.py",  # the same programs under each setting
    "test_variants.py",  # builds each variant
    "test_runs.py",  # whole runs, time-outs waited for
    "test_resume.py",
    "test_full_disks.py",  # many small runs
    "test_kills_and_races.py",
    "test_wall_clock.py",
    "test_hostile_names.py",
    "test_streams_and_locales.py",
    "test_whole_programs.py",
    "test_memory_and_latency.py",
    "test_micro.py",
    "test_phases.py",  # builds variants, whole runs
    "test_planted_slowdown.py",  # two whole runs
    "test_counts.py",  # callgrind
    "test_replay.py",
    "test_run.py",
    "test_simulation.py",  # thousands of runs
    "test_gate.py",
    "test_report.py",  # all pages and plots
    "test_recorder.py",
    "test_stress.py",
    "test_storm.py",
    "test_hardened.py",
    "test_fuzz.py",
    "test_faults.py",  # a thousand runs
    "test_aarch64.py",  # emulated
    "test_limits.py",
    "test_protocol.py",  # millions of states
    "test_self_hosting.py",  # the fast tests once more
    "test_toolchain.py",  # builds, and tests of others
    "test_sanitizers.py",
    "test_wrong_frees.py",
    "test_publish.py",
}


def pytest_configure() -> None:
    # A shell starts what it puts into the background with SIGINT ignored, and programs inherit it:
    # CPython's own tests then fail.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in SLOW_FILES:
            item.add_marker("slow")
