"""Bad arguments: status 2, one line that says what is wrong, nothing written."""

import resource

import pytest

OK = ["--scenario", "vm", "--iters", "1"]

# Arguments, and what the one line must name.
BAD = [
    ([], ["--scenario"]),
    (["--scenario", "vm"], ["--iters"]),
    (["--iters", "5"], ["--scenario"]),
    (["vm"], ["'vm'"]),
    (["--list", "--iters", "5"], ["--list"]),
    (["--scenario", "vn", "--iters", "1"], ["--scenario", "'vn'", "'vm'"]),
    (["--scenario", "random", "--iters", "1"], ["'random'", "'random_mixed'"]),
    (["--scenario", "v\nm\t", "--iters", "1"], ["'v?m?'", "'vm'"]),
    (["--scenario", "jsno", "--iters", "1"], ["'jsno'", "'json'"]),
    (["--scenario", "", "--iters", "1"], ["--scenario", "''"]),
    (["--scenario", "x" * 500, "--iters", "1"], ["--scenario"]),
    (["--scenario", "vm", "--iters"], ["--iters"]),
    (["--scenario", "vm", "--iters", "0"], ["--iters", "'0'", "1"]),
    (["--scenario", "vm", "--iters", "10000001"], ["--iters", "10000000"]),
    ([*OK, "--iters", "2"], ["--iters", "twice"]),
    ([*OK, "--bogus", "1"], ["'--bogus'"]),
    ([*OK, "--warmup", "-1"], ["--warmup", "'-1'"]),
    ([*OK, "--warmup", "99999999"], ["--warmup", "'99999999'"]),
    ([*OK, "--seed", "9223372036854775808"], ["--seed", "9223372036854775807"]),
    ([*OK, "--threads", "2"], ["--threads", "'2'", "from 1 to 1"]),
    ([*OK, "--threads", "0"], ["--threads", "'0'"]),
    ([*OK, "--slots", "5"], ["--slots", "'5'"]),
    ([*OK, "--batch", "0"], ["--batch", "'0'"]),
    ([*OK, "--limit", "150"], ["--limit", "'150'", "vm"]),
    (["--scenario", "pressure", "--iters", "1", "--limit", "9"], ["--limit", "'9'", "from 10 to"]),
    ([*OK, "--batch", "1000000001"], ["--batch"]),
    ([*OK, "--size", "0"], ["--size", "'0'"]),
    ([*OK, "--size", "2G"], ["--size", "'2G'", "1073741824"]),
    ([*OK, "--size", "1T"], ["--size", "'1T'", "K, M or G"]),
    ([*OK, "--size", "K"], ["--size", "'K'"]),
    ([*OK, "--size", "1KB"], ["--size", "'1KB'"]),
    ([*OK, "--size", "17179869184G"], ["--size"]),
    (["--scenario", "evict", "--iters", "1", "--size", "4K"], ["--size", "'4K'", "evict"]),
    (["--scenario", "larson", "--iters", "1", "--threads", "65"], ["--threads", "64"]),
    (["--scenario", "random_mixed", "--iters", "1", "--slots", "0"], ["--slots", "'0'"]),
    (["--scenario", "random_mixed", "--iters", "1", "--slots", "16777217"], ["--slots"]),
    ([*OK, "--perf-control", "3"], ["--perf-control", "'3'"]),
    ([*OK, "--perf-control", "1,"], ["--perf-control", "'1,'"]),
    ([*OK, "--perf-control", "1,0,"], ["--perf-control"]),
    ([*OK, "--perf-control", "777,778"], ["--perf-control", "'777,778'"]),
    ([*OK, "--perf-control", "99999999999,0"], ["--perf-control"]),
    ([*OK, "--trace", "x"], ["--trace", "'x'", "vm"]),
    (["--scenario", "trace", "--iters", "1"], ["--trace", "missing"]),
    (["--scenario", "trace", "--iters", "1", "--trace", ""], ["--trace", "''"]),
    (["--scenario", "trace", "--iters", "1", "--trace", "/"], ["--trace", "'/'", "not a file"]),
    ([*OK, "--record", "777"], ["--record", "'777'"]),
    ([*OK, "--record", "-1"], ["--record", "'-1'"]),
    ([*OK, "--timeline", ""], ["--timeline"]),
    (
        ["--scenario", "tiny_hot", "--iters", "9999", "--timeline", "/nonexistent/times"],
        ["--timeline", "'/nonexistent/times'"],
    ),
]

# Texts that are no number for any option that wants one.
NOT_NUMBERS = ["", " ", "x", "1x", " 1", "1 ", "+1", "-1", "0x10", "1e3", "1.0", "1,0"]
NOT_NUMBERS.append("99999999999999999999999999")


def check_refused(done, *named):
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("hkl-driver: ")
    assert done.stderr.endswith("\n")
    assert len(done.stderr.splitlines()) == 1
    for text in named:
        assert text in done.stderr


@pytest.mark.parametrize(("args", "named"), BAD)
def test_bad_arguments(driver, args, named):
    check_refused(driver.run(*args), *named)


@pytest.mark.parametrize("text", NOT_NUMBERS)
@pytest.mark.parametrize(
    "option", ["iters", "warmup", "size", "seed", "threads", "slots", "batch", "limit"]
)
def test_not_a_number(driver, option, text):
    args = {
        "--scenario": "pressure" if option == "limit" else "random_mixed",
        "--iters": "1",
        f"--{option}": text,
    }
    flat = [part for pair in args.items() for part in pair]
    check_refused(driver.run(*flat), f"--{option}", f"'{text}'")


def test_a_refused_run_leaves_the_timeline_alone(driver, tmp_path):
    path = tmp_path / "times"
    path.write_text("kept")
    args = ["--scenario", "tiny_hot", "--iters", 9999, "--timeline", path, "--batch", 0]
    check_refused(driver.run(*args), "--batch")
    assert path.read_text() == "kept"


@pytest.mark.parametrize(("text", "size"), [("100", 100), ("3K", 3072), ("1M", 1 << 20)])
def test_size_suffixes(driver, text, size):
    record = driver.record("random_mixed", 1, "--batch", 10, "--size", text)
    assert record["params"]["size"] == size


def test_help(driver):
    done = driver.run("--help")
    assert done.returncode == 0
    assert "--perf-control" in done.stdout


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))


def test_failed_allocation_is_a_failed_scenario(driver):
    args = ["--scenario", "vm", "--iters", 1, "--size", "1G"]
    done = driver.run(*args, preexec_fn=limit_memory)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hkl-driver: scenario failed: malloc(1073741824) returned NULL\n"
