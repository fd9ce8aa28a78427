"""scripts/publish in a house of its own, with a synthetic run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.analysis.synthetic import Plan, write

ROOT = Path(__file__).resolve().parents[2]
README = """before
<!-- published: run -->
STALE
<!-- end -->
<!-- published: output vm -->
<!-- end -->
<!-- published: times -->
<!-- end -->
<!-- published: plot warmup -->
<!-- end -->
after
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    root = tmp_path / "house"
    for name in ("analysis", "compare", "scripts", "results/schema"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "REPORT_TEMPLATE.md", root)
    (root / "README.md").write_text(README)
    return root


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    write(folder, Plan(blocks=6))
    change_run(folder, dirty=False, machine={"cpu": "a CPU", "cores": 2, "kernel": "6.1-x"})
    return folder


def change_run(folder: Path, dirty: bool, machine: dict[str, object]) -> None:
    run = json.loads((folder / "run.json").read_text())
    run["git"]["dirty"] = dirty
    run["machine"].update(machine, virtual=None, os="Debian")
    (folder / "run.json").write_text(json.dumps(run))


def publish(house: Path, folder: Path, *page: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(house / "scripts/publish"), str(folder), "small", *page]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_run_is_kept_and_quoted(house: Path, run_folder: Path) -> None:
    (house / "results/reference/small").mkdir(parents=True)
    (house / "results/reference/small/old").touch()
    done = publish(house, run_folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    kept = {path.name for path in (house / "results/reference/small").iterdir()}
    assert kept == {"run.json", "trials.jsonl", "summary.csv", "report.md", "plots"}
    assert {path.name for path in (house / "results/reference").iterdir()} == {"small", "trend"}
    assert not list((house / "results/reference").glob("**/*.html"))
    assert "| 01234567 |" in (house / "results/reference/trend/trend.md").read_text()
    text = (house / "README.md").read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "STALE" not in text
    assert "on a CPU (2 cores), Linux 6.1, Debian" in text
    assert "```\nvm: iters 100" in text and "noise floor (A/A')" in text
    assert "| `vm` | **" in text
    assert "](results/reference/small/plots/warmup.png)" in text


def test_a_page_in_docs_is_quoted_in_instead(house: Path, run_folder: Path) -> None:
    page = house / "docs/page.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text("<!-- published: run -->\nSTALE\n<!-- end -->\n")
    done = publish(house, run_folder, "docs/page.md")
    assert (done.returncode, done.stderr) == (0, "")
    assert "](../results/reference/small/report.md)" in page.read_text()
    assert "STALE" not in page.read_text()
    assert (house / "README.md").read_text() == README
    for other in ("docs/none.md", "../page.md", "run.sh"):
        done = publish(house, run_folder, other)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, other


def test_a_run_of_phases_is_kept_whole_and_quoted(
    house: Path, run_folder: Path, tmp_path: Path
) -> None:
    group = tmp_path / "group"
    shutil.copytree(run_folder, group / "7")
    sides = {"hakmem": "before", "mimalloc": "after"}
    for name in ("run.json", "trials.jsonl"):
        text = (group / "7" / name).read_text()
        for arm, side in sides.items():
            for key in ("arm", "twin_of", "baseline"):
                text = text.replace(f'"{key}": "{arm}"', f'"{key}": "{side}"')
        (group / "7" / name).write_text(text)
    run = json.loads((group / "7" / "run.json").read_text())
    run["cells"][0]["comparison"] = "c"
    run["phase"] = {
        "id": "7",
        "title": "A phase",
        "change": "something",
        "comparison": [{"id": "c", "scenario": "vm", "before": {}, "after": {}}],
        "claim": [{"id": "it", "comparison": "c", "says": "so", "source": "me", "kind": "count"}],
    }
    run["phase"]["claim"][0]["not_here"] = "of another machine"
    (group / "7" / "run.json").write_text(json.dumps(run))
    (group / "runs.json").write_text('{"runs": ["7"]}')
    marks = "<!-- published: phases -->\n<!-- end -->\n"
    (house / "README.md").write_text(README + marks)
    done = publish(house, group)
    assert (done.returncode, done.stderr) == (0, "")
    text = (house / "README.md").read_text()
    assert "STALE" in text  # what other runs fill in stays
    assert "| phase | not measurable here |" in text
    assert "| [7](results/reference/small/7/report.md) | 1 |" in text
    kept = {path.name for path in (house / "results/reference/small").iterdir()}
    assert kept == {"7", "index.md", "runs.json", "verdicts.csv"}


@pytest.mark.parametrize("fault", ["dirty", "unfinished", "path", "block", "nothing"])
def test_what_cannot_be_published_changes_nothing(
    house: Path, run_folder: Path, fault: str
) -> None:
    readme = README
    if fault == "dirty":
        change_run(run_folder, dirty=True, machine={})
    elif fault == "unfinished":
        lines = (run_folder / "trials.jsonl").read_text().splitlines(keepends=True)
        (run_folder / "trials.jsonl").write_text("".join(lines[:-1]))
    elif fault == "path":
        change_run(run_folder, dirty=False, machine={"cpu": str(house / "build")})
    elif fault == "block":
        readme += "<!-- published: output nosuch -->\n<!-- end -->\n"
        (house / "README.md").write_text(readme)
    else:
        shutil.rmtree(run_folder)
    done = publish(house, run_folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert (house / "README.md").read_text() == readme
    assert not (house / "results/reference/small").exists()
