"""The scripts around the build: bootstrap, find-python, make install, and the sum of tests/run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(
    *command: str | Path, env: dict[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
    )


def tools(folder: Path, **fakes: str) -> dict[str, str]:
    """An environment with nothing on PATH but a shell's needs, and stand-ins (shell text)."""
    folder.mkdir()
    for name in ("bash", "env", "id", "dirname", "mktemp", "rm", "tail", "cat"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    for name, text in fakes.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/bash\n{text}\n")
        program.chmod(0o755)
    return {"PATH": str(folder)}


def test_bootstrap_is_silent_when_nothing_is_missing() -> None:
    done = run(ROOT / "scripts/bootstrap", "test")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_bootstrap_refuses_an_unknown_set() -> None:
    done = run(ROOT / "scripts/bootstrap", "nonsense")
    assert done.returncode == 2
    assert done.stderr == "bootstrap: 'nonsense' is not one of run, test, lint\n"


def test_bootstrap_names_what_it_cannot_install(tmp_path: Path) -> None:
    done = run(ROOT / "scripts/bootstrap", env=tools(tmp_path / "bin"))
    assert done.returncode == 2
    assert "no apt-get" in done.stderr
    assert "hyperfine" in done.stderr and "libjemalloc2" in done.stderr
    assert "libcmocka-dev" not in done.stderr


def test_bootstrap_shows_the_log_of_a_failed_installation(tmp_path: Path) -> None:
    env = tools(
        tmp_path / "bin",
        apt_get='[[ "$*" != *install* ]] || { echo "E: the mirror is on fire"; exit 100; }',
        sudo='[ "$1" != -n ] || shift; exec "$@"',
    )
    done = run(ROOT / "scripts/bootstrap", env=env)
    assert done.returncode == 2
    assert "E: the mirror is on fire" in done.stderr
    assert "could not install" in done.stderr.splitlines()[-1]


def test_bootstrap_asks_apt_for_exactly_what_is_missing(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    env = tools(
        tmp_path / "bin",
        apt_get=f'echo "$@" >> {asked}; echo chatter',
        sudo='[ "$1" != -n ] || shift; exec "$@"',
        gcc="",
        make="",
        hyperfine="",
        dpkg_query="printf '%s\\n' 'ii  libbenchmark-dev' 'rc  libjemalloc2'",
    )
    done = run(ROOT / "scripts/bootstrap", env=env)
    assert (done.returncode, done.stdout) == (0, "")
    update, install = asked.read_text().splitlines()
    assert update.endswith(" update")
    packages = install.partition("--no-install-recommends ")[2].split()
    assert {"g++", "git", "libjemalloc2", "linux-perf"} <= set(packages)
    assert not {"gcc", "make", "hyperfine", "libbenchmark-dev"} & set(packages)
    assert done.stderr == f"bootstrap: installing {' '.join(packages)}\n"


def test_bootstrap_can_be_told_to_trust_the_system(tmp_path: Path) -> None:
    env = tools(tmp_path / "bin") | {"HKL_SKIP_BOOTSTRAP": "1"}
    assert run(ROOT / "scripts/bootstrap", env=env).returncode == 0


def test_find_python_prints_one_that_has_the_modules() -> None:
    done = run(ROOT / "scripts/find-python", "pytest")
    assert done.returncode == 0
    python = done.stdout.strip()
    assert run(python, "-c", "import pandas, scipy, matplotlib, rich, pytest").returncode == 0


def test_find_python_says_what_it_did_not_find() -> None:
    done = run(ROOT / "scripts/find-python", "no_such_module")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no_such_module" in done.stderr and done.stderr.count("\n") == 1


def test_find_python_passes_over_one_without_the_modules(tmp_path: Path) -> None:
    env = tools(tmp_path / "bin", python3="exit 1")
    done = run(ROOT / "scripts/find-python", env=env)
    assert done.stdout != f"{tmp_path}/bin/python3\n"


def test_what_install_lays_down_can_be_built_against(tmp_path: Path) -> None:
    """A program finds header and library by pkg-config alone, and runs with the allocator."""
    prefix = tmp_path / "usr"
    done = run("make", "-s", "install", f"PREFIX={prefix}")
    assert done.returncode == 0, done.stderr
    env = dict(os.environ, PKG_CONFIG_PATH=str(prefix / "lib/pkgconfig"))
    flags = run("pkg-config", "--cflags", "--libs", "hakmem", env=env).stdout.split()
    source = tmp_path / "program.c"
    source.write_text(
        "#include <hakmem.h>\n#include <stdio.h>\n"
        "int main(void) { hak_free(hak_malloc(9)); return puts(hak_version()) < 0; }\n"
    )
    built = run("gcc", source, "-o", tmp_path / "program", *flags)
    assert built.returncode == 0, built.stderr
    ran = run(tmp_path / "program", env={"LD_LIBRARY_PATH": str(prefix / "lib")})
    version = run("pkg-config", "--modversion", "hakmem", env=env).stdout
    assert (ran.returncode, ran.stdout) == (0, version)
    static = run(
        "gcc", source, f"-I{prefix}/include", prefix / "lib/libhakmem.a", "-o", tmp_path / "s"
    )
    assert static.returncode == 0, static.stderr
    assert run(tmp_path / "s").stdout == version


def test_install_stages_in_destdir(tmp_path: Path) -> None:
    done = run("make", "-s", "install", "PREFIX=/opt/hakmem", f"DESTDIR={tmp_path}")
    assert done.returncode == 0, done.stderr
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {
        f"opt/hakmem/{name}"
        for name in (
            "include/hakmem.h",
            "lib/libhakmem.so",
            "lib/libhakmem.a",
            "lib/pkgconfig/hakmem.pc",
        )
    }
    text = (tmp_path / "opt/hakmem/lib/pkgconfig/hakmem.pc").read_text()
    assert "prefix=/opt/hakmem\n" in text and str(tmp_path) not in text


# ---- tests/run: a house of its own, with programs that talk like cmocka ----


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for folder in ("tests/a", "build/tests/a", "scripts"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("tests/run", "scripts/find-python"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
        (tmp_path / name).chmod(0o755)
    (tmp_path / "tests/a/test_python.py").write_text("def test_one():\n    pass\n")
    return tmp_path


def add_program(house: Path, name: str, text: str | None) -> None:
    (house / f"tests/a/{name}.c").touch()
    if text is not None:
        program = house / f"build/tests/a/{name}"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)


def run_tests(house: Path) -> tuple[int, str, str]:
    done = run(sys.executable, house / "tests/run", cwd=house)
    return done.returncode, done.stdout.splitlines()[-1], done.stdout


def test_the_sum_counts_programs_and_pytest(house: Path) -> None:
    add_program(house, "test_good", "echo 1..2; echo ok 1 - one; echo noise; echo ok 2 - two")
    assert run_tests(house)[:2] == (0, "3 passed, 0 failed")


def test_the_sum_counts_failures_and_shows_them(house: Path) -> None:
    text = "echo 1..2; echo seed 5; echo not ok 1 - one; echo '# 1 != 2'; echo ok 2 - two; exit 1"
    add_program(house, "test_bad", text)
    (house / "tests/a/test_python.py").write_text("def test_one():\n    assert 'here' == 'there'\n")
    status, last, output = run_tests(house)
    assert (status, last) == (1, "1 passed, 2 failed")
    assert "1 != 2" in output and "seed 5" in output and "'here' == 'there'" in output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo 1..3; echo ok 1 - one; kill -ABRT $$", "died of SIGABRT after 1 of 3"),
        ("echo 1..3; echo ok 1 - one", "exit status 0 after 1 of 3"),
        ("echo 1..1; echo ok 1 - one; exit 7", "exit status 7"),
        ("true", "exit status 0 after 0 of 0"),
        (None, "was not built"),
    ],
)
def test_a_program_that_does_not_end_well_has_failed(
    house: Path, text: str | None, words: str
) -> None:
    add_program(house, "test_crash", text)
    status, last, output = run_tests(house)
    assert status == 1
    assert ", 1 failed" in last
    assert words in output


def test_skipped_tests_are_told(house: Path) -> None:
    add_program(house, "test_skip", "echo 1..2; echo not ok 1 '# SKIP one'; echo ok 2 - two")
    assert run_tests(house)[:2] == (0, "2 passed, 0 failed, 1 skipped")


def test_what_passed_tests_counted_is_summed_up(house: Path) -> None:
    (house / "tests/a/test_python.py").write_text(
        "def test_one(record_property):\n    record_property('forks', 40)\n"
        "def test_two(record_property):\n    record_property('forks', 2)\n"
        "def test_three(record_property):\n    record_property('forks', 5)\n    assert False\n"
    )
    status, last, output = run_tests(house)
    assert (status, last) == (1, "2 passed, 1 failed")
    assert output.splitlines()[-2] == "counted: 42 forks"
