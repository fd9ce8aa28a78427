"""A new file in scenarios/ is all that a new scenario needs."""

import json
import shutil
import subprocess

from conftest import BUILD, REPO

SCENARIO = """
#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/scenario.h"

static void *setup(const struct hkl_params *params) { (void)params; return hkl_map(1); }
static uint64_t iterate(void *state) { (void)state; hkl_release(hkl_allocate(7)); return 1; }
static void teardown(void *state) { hkl_unmap(state, 1); }

HKL_SCENARIO(dropped_in) = {
    .name = "dropped_in", .summary = "a test's own",
    .defaults = {.threads = 1, .batch = 1}, .warmup = 3, .max_threads = 1,
    .setup = setup, .iterate = iterate, .teardown = teardown,
};
"""


def test_dropped_in_scenario(driver, tmp_path):
    assert driver.path.exists()
    shutil.copy2(REPO / "Makefile", tmp_path)
    for folder in ("harness", "scenarios", "build/harness", "build/scenarios"):
        shutil.copytree(REPO / folder, tmp_path / folder)  # keeps times: nothing is built again
    for part in ("allocator/build.mk", "tests/build.mk", "scripts/install.mk"):
        (tmp_path / part).parent.mkdir()
        shutil.copy2(REPO / part, tmp_path / part)
    (tmp_path / "scenarios/dropped_in.c").write_text(SCENARIO)
    make = ["make", "WERROR=1", f"BUILD={BUILD.name}", f"{BUILD.name}/hkl-driver"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
    built = str(tmp_path / BUILD.name / "hkl-driver")

    listed = json.loads(subprocess.run([built, "--list"], check=True, capture_output=True).stdout)
    assert "dropped_in" in [scenario["name"] for scenario in listed]
    run = [built, "--scenario", "dropped_in", "--iters", "2"]
    record = json.loads(subprocess.run(run, check=True, capture_output=True).stdout)
    assert record["windows"]["steady"]["ops"] == 2
