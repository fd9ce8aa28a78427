"""The allocator's tests under the address, undefined behaviour and thread sanitizers: all of them,
with a twentieth of the random operations that 'make asan ubsan tsan' and 'make nightly' do."""

import os
import re
import subprocess

import pytest

from tests.allocator.runs import ROOT, Count

FEWER = 20


@pytest.mark.timeout(1000)
def test_the_allocators_tests_are_clean(record_property: Count) -> None:
    env = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    # Two at a time; what each says stays together.
    command = ["make", "-s", "-k", "-j2", "-Otarget", "tsan", "asan", "ubsan", f"FEWER={FEWER}"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert sorted(re.findall(r"^(\w+): nothing found$", done.stdout, re.M)) == [
        *("asan", "tsan", "ubsan")
    ]
    passed = [int(n) for n in re.findall(r"^(\d+) passed, 0 failed$", done.stdout, re.M)]
    assert len(passed) == 3 and min(passed) > 80
    operations = [int(n) for n in re.findall(r"^operations (\d+) digest", done.stdout, re.M)]
    assert sorted(operations) == [32_000, 32_000, 100_000, 100_000]
    record_property("operations", sum(operations))
