"""A new file in scenarios/ is all that a new scenario needs: docs/own-scenario.md's example."""

import json
import re
import shutil
import subprocess

from driver_support import BUILD, REPO


def example():
    """The C file of the document."""
    text = (REPO / "docs/own-scenario.md").read_text()
    (code,) = re.findall(r"```c\n(.*?)```", text, re.DOTALL)
    return code


def test_dropped_in_scenario(driver, tmp_path):
    assert driver.path.exists()
    shutil.copy2(REPO / "Makefile", tmp_path)
    for folder in ("allocator", "harness", "scenarios", "build/harness", "build/scenarios"):
        shutil.copytree(REPO / folder, tmp_path / folder)  # keeps times: nothing is built again
    parts = re.findall(r"^include (\S+)", (REPO / "Makefile").read_text(), re.MULTILINE)
    for part in (*parts, "allocator/variants.mk"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPO / part, tmp_path / part)
    (tmp_path / "scenarios/pairs.c").write_text(example())
    make = ["make", "WERROR=1", f"BUILD={BUILD.name}", f"{BUILD.name}/hkl-driver"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
    built = str(tmp_path / BUILD.name / "hkl-driver")

    listed = json.loads(subprocess.run([built, "--list"], check=True, capture_output=True).stdout)
    assert "pairs" in [scenario["name"] for scenario in listed]
    run = [built, "--scenario", "pairs", "--iters", "2", "--warmup", "1"]
    record = json.loads(subprocess.run(run, check=True, capture_output=True).stdout)
    assert record["windows"]["steady"]["ops"] == 2 * 10000
