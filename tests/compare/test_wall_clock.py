"""A wall clock that jumps while a run goes on."""

import subprocess
import time
from pathlib import Path

from tests.compare.small_runs import SMALL, assert_complete, command, environment, records, run


def test_clock_that_steps_changes_no_time(driver: Path, tmp_path: Path) -> None:
    """An allocator whose process sees the wall clock jump back a day at every look; ours, too."""
    source = tmp_path / "steps.c"
    source.write_text(STEPPING)
    lib = tmp_path / "steps.so"
    clock = tmp_path / "clock.so"
    gcc: list[str | Path] = [
        "gcc",
        "-shared",
        "-fPIC",
        "-O1",
        "-fno-builtin",
        "-DFAULT=(void)0",
        "-DAFTER=1",
        source,
    ]
    subprocess.run([*gcc, "-o", clock], check=True)
    subprocess.run([*gcc, Path(__file__).with_name("faulty.c"), "-o", lib], check=True)
    out = tmp_path / "run"
    argv = [*SMALL, "--trials", "2", "--allocator", f"steps={lib}", "--out", str(out)]
    began = time.monotonic()
    done = run(command(*argv), tmp_path, env=environment(LD_PRELOAD=str(clock)))
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert_complete(out)
    for trial in records(out):
        assert 0 <= trial["elapsed_s"] <= took
        for window in trial["windows"].values():
            assert window is None or 0 <= window["ns"] <= took * 1e9
        assert all(0 <= ns <= took * 1e9 for ns in trial["timeline_ns"])
    begun = [trial["started"] for trial in records(out)]
    assert begun == sorted(begun, reverse=True), "the clock did not step"


STEPPING = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long steps;
int clock_gettime(clockid_t clock, struct timespec *now) {
    const long result = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec -= 86400 * ++steps;
    return (int)result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *where) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    return where ? (*where = precise.tv_sec) : precise.tv_sec;
}
"""
