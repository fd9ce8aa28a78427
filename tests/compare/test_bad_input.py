"""Bad input: exit status 2, one line that says what would be right, nothing written."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compare.layout import Layout

OK = ("--scenario", "vm", "--allocators", "system")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "--scenario: missing"),
        (("--scenario", "wm"), "--scenario 'wm': no such scenario; did you mean 'vm'?"),
        (("--scenario", "vm,,mir"), "--scenario 'vm,,mir': must be names"),
        (("--scenario", "vm,vm"), "--scenario 'vm': is named twice"),
        (("--scenario",), "--scenario: expected one argument"),
        ((*OK, "--iter", "5"), "--iter: no such option; did you mean '--iters'?"),
        ((*OK, "--itres=5"), "--itres: no such option; did you mean '--iters'?"),
        ((*OK, "stray"), "'stray': no option takes it"),
        ((*OK, "--iters", "0"), "--iters '0': must be a whole number from 1 to"),
        ((*OK, "--iters", "-3"), "--iters '-3': must be a whole number"),
        ((*OK, "--iters", "ten\nlines"), "--iters 'ten lines': must be a whole number"),
        ((*OK, "--iters", "9" * 5000), "must be a whole number"),
        ((*OK, "--iters", "٣"), "--iters '٣': must be a whole number"),
        ((*OK, "--warmup", "1e3"), "--warmup '1e3': must be a whole number from 0"),
        ((*OK, "--trials", "0"), "--trials '0': must be a whole number from 1"),
        ((*OK, "--trials", "3", "--quick"), "--trials 3: does not go with --quick"),
        ((*OK, "--size", "2T"), "--size '2T': must be bytes"),
        ((*OK, "--size", "2G"), "--size 2147483648: must be from 1 to 1073741824 bytes"),
        (("--scenario", "evict", "--size", "4K"), "--size 4096: scenario evict has sizes of its"),
        ((*OK, "--slots", "7"), "--slots 7: scenario vm has no slots"),
        (("--scenario", "larson", "--threads", "1,2,"), "--threads '': must be a whole number"),
        (("--scenario", "larson", "--threads", "1,2,1"), "--threads '1,2,1': holds a value twice"),
        ((*OK, "--threads", "1,2"), "--threads 2: must be from 1 to 1 for scenario vm"),
        ((*OK, "--size", "16..1000"), "--size '16..1000': must be FIRST..LAST with LAST reached"),
        ((*OK, "--size", "64..16"), "--size '64..16': must be FIRST..LAST"),
        ((*OK, "--size", "0..16"), "--size '0..16': must be FIRST..LAST"),
        ((*OK, "--size", "1..2..4"), "--size '1..2..4': must be bytes"),
        ((*OK, "--size", "1..100000000G"), "must be"),
        ((*OK, "--size", ",".join(map(str, range(1, 40)))), "must be at most 32 values"),
        ((*OK, "--limit", "150"), "--limit 150: scenario vm sets no limit; leave it out"),
        ((*OK, "--limit", "9"), "--limit '9': must be a whole number from 10 to"),
        ((*OK, "--threads", "2"), "--threads 2: must be from 1 to 1 for scenario vm"),
        ((*OK, "--seed", "-1"), "--seed '-1': must be a whole number"),
        ((*OK, "--plan-seed", "x"), "--plan-seed 'x': must be a whole number"),
        ((*OK, "--timeout", "0"), "--timeout '0': must be seconds, more than 0"),
        ((*OK, "--timeout", "nan"), "--timeout 'nan': must be seconds"),
        (
            (*OK, "--counters", "pref"),
            "--counters 'pref': must be perf, callgrind or none; did you mean 'perf'",
        ),
        ((*OK, "--pin", "1-0"), "--pin '1-0': must be numbers of CPUs such as 0, 1-3"),
        ((*OK, "--pin", "0,"), "--pin '0,': must be numbers of CPUs"),
        ((*OK, "--pin", "x"), "--pin 'x': must be numbers of CPUs"),
        ((*OK, "--pin", "9999"), "--pin 9999: must be of this process's CPUs"),
        (("--programs", "pyton3"), "--programs 'pyton3': no such program; did you mean 'python3'?"),
        (("--programs", "gcc,gcc"), "--programs 'gcc': is named twice"),
        (("--programs", "gcc,,git"), "--programs 'gcc,,git': must be names"),
        (("--resume", "/etc", "--programs"), "--programs: does not go with --resume"),
        (("--resume", "/etc", "--profile"), "--profile: does not go with --resume"),
        (
            ("--scenario", "random_mixed", "--allocators", "system,floor"),
            "--allocators floor: serves only scenarios that free the newest block first",
        ),
        (("--scenario", "vm", "--allocators", "floor"), "--allocators floor: shows what others"),
        ((*OK[:2], "--allocators", "system,floor", "--baseline", "floor"), "must be one of this"),
        ((*OK, "--baseline", "hakmem"), "--baseline 'hakmem': must be one of this run: system"),
        (
            ("--scenario", "vm", "--allocators", "mimaloc"),
            "--allocators 'mimaloc': no such allocator; did you mean 'mimalloc'?",
        ),
        (("--scenario", "vm", "--allocators", "system,system"), "'system' is named twice"),
        ((*OK, "--allocator", "x"), "--allocator 'x': must be NAME=PATH"),
        ((*OK, "--allocator", "a b=/x"), "--allocator 'a b=/x': must be NAME=PATH"),
        ((*OK, "--allocator", "x="), "--allocator 'x=': must be NAME=PATH"),
        ((*OK, "--allocator", "jemalloc=/x"), "the lab has a 'jemalloc' already"),
        ((*OK, "--allocator", "x=/nowhere.so"), "--allocator x=/nowhere.so: no such file"),
        ((*OK, "--allocator", "x=/tmp"), "--allocator x=/tmp: not a file"),
        ((*OK, "--allocator", "x=/etc/passwd"), "x=/etc/passwd: not an ELF shared object"),
        ((*OK, "--out", ""), "--out '': must not be empty"),
        ((*OK, "--out", "/etc/passwd"), "--out /etc/passwd: must not exist"),
        ((*OK, "--out", "/etc"), "--out /etc: must not exist, or be an empty folder"),
        ((*OK, "--out", "/etc/passwd/x"), "--out /etc/passwd/x:"),
        (("--resume", "/etc"), "--resume /etc: must be the folder of a run"),
        (("--resume", "/etc", "--iters", "3"), "--iters: does not go with --resume"),
        (("--resume", "/etc", "--quick"), "--quick: does not go with --resume"),
    ],
)
def test_is_refused_in_one_line(
    compare: Callable[..., Any], layout: Layout, argv: tuple[str, ...], says: str
) -> None:
    outcome = compare(*argv)
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("run.sh: ")
    assert says in outcome.err
    assert list(layout.results.iterdir()) == []


def test_library_without_malloc_is_not_an_allocator(
    compare: Callable[..., Any], layout: Layout, libs: dict[str, Path]
) -> None:
    outcome = compare(*OK, "--allocator", f"mine={libs['no_malloc']}")
    assert outcome.status == 2
    assert f"--allocator mine={libs['no_malloc']}: not in effect: does not export" in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(layout.results.iterdir()) == []


def test_library_for_another_machine_is_refused(
    compare: Callable[..., Any], libs: dict[str, Path], tmp_path: Path
) -> None:
    image = bytearray(libs["sound"].read_bytes())
    image[18:20] = b"\xf3\x00"  # e_machine: RISC-V
    other = tmp_path / "other.so"
    other.write_bytes(image)
    outcome = compare(*OK, "--allocator", f"x={other}")
    assert (outcome.status, "for another machine" in outcome.err) == (2, True)


def test_library_that_cannot_be_preloaded_is_refused(
    compare: Callable[..., Any], libs: dict[str, Path], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.so"
    cut.write_bytes(libs["sound"].read_bytes()[:100])
    spaced = tmp_path / "with space.so"
    spaced.write_bytes(libs["sound"].read_bytes())
    assert "not in effect: " in compare(*OK, "--allocator", f"x={cut}").err
    assert "cannot preload a path with a space" in compare(*OK, "--allocator", f"x={spaced}").err


def test_folder_with_files_is_left_alone(compare: Callable[..., Any], tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").write_text("keep")
    assert compare(*OK, "--out", str(taken)).status == 2
    assert [path.name for path in taken.iterdir()] == ["mine"]


def test_missing_driver_names_the_remedy(tmp_path: Path, layout: Layout) -> None:
    from compare.errors import UsageError
    from compare.driver import scenarios

    with pytest.raises(UsageError, match="not built; run 'make'"):
        scenarios(tmp_path / "hkl-driver")


def test_option_text_never_meets_a_shell(
    compare: Callable[..., Any], layout: Layout, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    for option in ("--scenario", "--allocators", "--baseline", "--allocator", "--resume"):
        compare(*OK, option, f"x;touch${{IFS}}{mark}")
        compare(*OK, option, f"x$(touch {mark})")
    assert not mark.exists()


def test_run_sh_refuses_before_it_builds(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    make = tmp_path / "make"
    make.write_text("#!/bin/sh\necho built >&2\nexit 1\n")
    make.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment["HKL_SKIP_BOOTSTRAP"] = "1"
    for argv, status in ((("--scenario", "vm", "--iters", "x"), 2), (("--help",), 0)):
        done = subprocess.run(
            [root / "run.sh", *argv], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert (done.returncode, "built" in done.stderr) == (status, False)
