"""perf's control protocol, with a perf played by the test and with the real one."""

import json
import os
import shutil
import subprocess
import threading

import pytest

ACK = b"ack\n\0"


class PlayedPerf:
    """The other side of the control pipes: answers each command, remembers them."""

    def __init__(self, answer):
        self.control_read, self.control_write = os.pipe()
        self.ack_read, self.ack_write = os.pipe()
        self.answer = answer
        self.commands = b""

    def play(self):
        while line := os.read(self.control_read, 64):
            self.commands += line
            if self.answer is None:
                continue
            for byte in self.answer:  # in pieces: the reader must not count on one read
                os.write(self.ack_write, bytes([byte]))

    def run(self, driver, *args):
        thread = threading.Thread(target=self.play)
        thread.start()
        fds = [self.control_write, self.ack_read]
        control = ["--perf-control", f"{self.control_write},{self.ack_read}"]
        try:
            return driver.run("--scenario", "json", *args, *control, pass_fds=fds)
        finally:
            os.close(self.control_write)
            thread.join()
            for fd in (self.control_read, self.ack_read, self.ack_write):
                os.close(fd)


def test_one_enable_one_disable(driver):
    perf = PlayedPerf(ACK)
    done = perf.run(driver, "--iters", 20, "--warmup", 5)
    assert done.returncode == 0, done.stderr
    assert perf.commands == b"enable\ndisable\n"
    driver.validator.validate(json.loads(done.stdout))


def test_no_steady_window_no_command(driver):
    perf = PlayedPerf(ACK)
    assert perf.run(driver, "--iters", 1, "--warmup", 0).returncode == 0
    assert perf.commands == b""


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"nack\n", "something else"),
        pytest.param(None, "did not acknowledge 'enable'", marks=pytest.mark.slow),
    ],
)
def test_wrong_or_no_answer_is_a_failure(driver, answer, says):
    done = PlayedPerf(answer).run(driver, "--iters", 3)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def run_with_ends(driver, control_write, ack_read):
    control = ["--perf-control", f"{control_write},{ack_read}"]
    args = ["--scenario", "json", "--iters", 3, *control]
    done = driver.run(*args, pass_fds=[control_write, ack_read])
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_dead_perf_is_a_failure(driver):
    control_read, control_write = os.pipe()
    ack_read, ack_write = os.pipe()
    os.close(ack_write)
    assert "closed its acknowledge pipe" in run_with_ends(driver, control_write, ack_read)
    os.close(control_read)
    assert "cannot send 'enable'" in run_with_ends(driver, control_write, ack_read)
    os.close(control_write)
    os.close(ack_read)


def perf_works():
    if not shutil.which("perf"):
        return False
    probe = ["perf", "stat", "-x,", "-e", "page-faults", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stderr.split(",")[0].isdigit()


@pytest.mark.skipif(not perf_works(), reason="perf cannot count page faults here")
def test_real_perf_counts_the_steady_window(driver, tmp_path):
    counts = tmp_path / "counts"
    control_read, control_write = os.pipe()
    ack_read, ack_write = os.pipe()
    fds = [control_read, control_write, ack_read, ack_write]
    perf = ["perf", "stat", "-x,", "-o", str(counts), "-e", "page-faults"]
    perf += ["-D", "-1", "--control", f"fd:{control_read},{ack_write}", "--"]
    # Blocks that the C library maps anew each time: a known number of faults in every window.
    command = ["env", "-u", "LD_PRELOAD", "MALLOC_MMAP_THRESHOLD_=65536", str(driver.path)]
    command += ["--scenario", "mir", "--warmup", "30", "--iters", "10"]
    command += ["--perf-control", f"{control_write},{ack_read}"]
    done = subprocess.run(
        [*perf, *command], pass_fds=fds, capture_output=True, text=True, timeout=60, check=False
    )
    for fd in fds:
        os.close(fd)
    assert done.returncode == 0, done.stderr
    windows = json.loads(done.stdout)["windows"]
    lines = [line for line in counts.read_text().splitlines() if "page-faults" in line]
    counted = int(lines[0].split(",")[0])
    faults = windows["steady"]["minflt"] + windows["steady"]["majflt"]
    assert windows["steady"]["minflt"] >= 6400
    assert faults <= counted <= faults + 50  # a few for the border itself
