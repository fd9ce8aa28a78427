"""Real programs under the allocator: each must say and write exactly what it does without it."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(os.environ.get("HAKMEM_TEST_LIBRARY", ROOT / "build/libhakmem.so"))
NIGHTLY = "HKL_NIGHTLY" in os.environ
LIMIT_S = 2000 if NIGHTLY else 240
REQUESTS = "500000" if NIGHTLY else "20000"  # to redis, of each kind


def environment(preloaded: bool) -> dict[str, str]:
    """A fixed environment, with the allocator or without it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    env = {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}
    for role in ("AUTHOR", "COMMITTER"):
        env[f"GIT_{role}_NAME"] = "A Tester"
        env[f"GIT_{role}_EMAIL"] = "tester@example.org"
        env[f"GIT_{role}_DATE"] = "2024-01-02T03:04:05Z"
    env["GIT_CONFIG_GLOBAL"] = env["GIT_CONFIG_SYSTEM"] = os.devnull
    if preloaded:
        env["LD_PRELOAD"] = str(LIBRARY)
    return env


def run(command: list[str], preloaded: bool, cwd: Path, text: str = "") -> str:
    """Runs a program to its end; what it printed. A word on stderr or a bad status fails."""
    done = subprocess.run(
        command,
        env=environment(preloaded),
        cwd=cwd,
        input=text,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{command[0]}: {done.stderr[-2000:]}"
    return done.stdout


def outputs(command: list[str], cwd: Path, text: str = "") -> tuple[str, str]:
    """The program's output without the allocator and with it."""
    return run(command, False, cwd, text), run(command, True, cwd, text)


def test_the_allocator_is_in_use(tmp_path: Path) -> None:
    """Without this, every other test here would pass with a library that cannot be loaded."""
    assert LIBRARY.exists(), f"{LIBRARY} is not built"
    plain, preloaded = outputs(["/bin/cat", "/proc/self/maps"], tmp_path)
    assert LIBRARY.name not in plain
    assert LIBRARY.name in preloaded


PYTHON_SCRIPT = """
import hashlib, json, subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor
def entry(i):
    return {"n": i, "text": "x" * (i % 300), "list": list(range(i % 50))}
table = {f"key {i}": entry(i) for i in range(30000)}
text = json.dumps(table, sort_keys=True)
assert json.loads(text) == table
print(len(text), hashlib.sha256(text.encode()).hexdigest())
numbers = [(i * 7919) % 1000003 for i in range(400000)]
print(sum(sorted(numbers)[::1000]))
def work(n):
    parts = [bytes([n % 256]) * (k * 37 % 9000) for k in range(2000)]
    return hashlib.sha256(b"".join(parts)).hexdigest()
with ThreadPoolExecutor(4) as pool:
    print(list(pool.map(work, range(24))))
big = bytearray(30_000_000)
for _ in range(20):
    big.extend(b"y" * 1_000_000)
print(hashlib.sha256(big).hexdigest())
local = threading.local()
for n in range(100):
    thread = threading.Thread(target=lambda: setattr(local, "kept", ["z" * 1000] * 1000))
    thread.start()
    thread.join()
for n in range(5):
    print(subprocess.run([sys.executable, "-c", f"print({n} ** 50)"], capture_output=True).stdout)
"""


def test_python(tmp_path: Path) -> None:
    plain, preloaded = outputs(["/usr/bin/python3", "-c", PYTHON_SCRIPT], tmp_path)
    assert plain == preloaded


SQL = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount INTEGER, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO orders
SELECT i, 'customer ' || (i * 7919 % 1000), i * 31 % 5003, hex(zeroblob(i % 200)) FROM n;
CREATE INDEX by_customer ON orders (customer, amount);
SELECT customer, count(*), sum(amount), max(length(note)) FROM orders
GROUP BY customer ORDER BY 3 DESC LIMIT 50;
SELECT group_concat(amount) FROM (SELECT amount FROM orders ORDER BY note, amount, id LIMIT 5000);
DELETE FROM orders WHERE id % 3 = 0;
VACUUM;
SELECT count(*), total(amount) FROM orders;
"""


def test_sqlite(tmp_path: Path) -> None:
    plain, preloaded = outputs(["sqlite3", ":memory:"], tmp_path, SQL)
    assert plain == preloaded
    assert plain.count("\n") > 50


def test_gcc_writes_the_same_object(tmp_path: Path) -> None:
    source = ROOT / "tests/allocator/test_api.c"
    command = ["gcc", "-std=gnu11", "-O2", "-g", "-c", str(source), "-o", "out.o"]
    command += [f"-I{ROOT / 'allocator/include'}"]
    objects = []
    for preloaded in (False, True):
        run(command, preloaded, tmp_path)
        objects.append((tmp_path / "out.o").read_bytes())
    assert objects[0] == objects[1]


def test_git(tmp_path: Path) -> None:
    """Builds the same history twice, repacks it, and reads it back."""
    told = []
    for preloaded in (False, True):
        folder = tmp_path / f"repo-{preloaded}"
        folder.mkdir()

        def git(*arguments: str) -> str:
            return run(["git", *arguments], preloaded, folder)

        git("-c", "init.defaultBranch=main", "init", "-q")
        for n in range(12):
            for k in range(40):
                lines = (f"line {i} of file {k}: {i * (n + 1) * k % 1009}\n" for i in range(300))
                (folder / f"file{k}.txt").write_text("".join(lines))
            git("add", ".")
            git("commit", "-q", "-m", f"change {n}")
        git("-c", "pack.threads=2", "repack", "-a", "-d", "-f", "-q")
        told.append(
            [
                git("log", "--stat", "-p"),
                git("grep", "-n", "1008"),
                git("blame", "file7.txt"),
                git("fsck", "--full", "--no-progress"),
                git("cat-file", "--batch-all-objects", "--batch-check"),
            ]
        )
    assert told[0] == told[1]


NODE_SCRIPT = """
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { createHash } = require('crypto');
function work(seed) {
  const list = [];
  for (let i = 0; i < 60000; i++) {
    list.push({ i, text: 'x'.repeat(i % 100), n: (i * seed) % 1009 });
  }
  const text = JSON.stringify(list);
  const back = JSON.parse(text).sort((a, b) => a.n - b.n || a.i - b.i);
  const buffers = [];
  for (let i = 0; i < 300; i++) buffers.push(Buffer.alloc(i * 400, seed));
  const hash = createHash('sha256').update(JSON.stringify(back));
  return hash.update(Buffer.concat(buffers)).digest('hex');
}
if (isMainThread) {
  const results = [];
  let left = 4;
  for (let n = 0; n < 4; n++) {
    const worker = new Worker(__filename, { workerData: n + 1 });
    worker.on('message', (m) => { results[n] = m; });
    worker.on('exit', () => { if (--left === 0) console.log(work(9), results); });
  }
} else {
  parentPort.postMessage(work(workerData));
}
"""


@pytest.mark.slow
def test_node(tmp_path: Path) -> None:
    (tmp_path / "script.js").write_text(NODE_SCRIPT)
    plain, preloaded = outputs(["node", "script.js"], tmp_path)
    assert plain == preloaded
    assert "undefined" not in plain


PERL_SCRIPT = r"""
my %words;
for my $i (1 .. 200000) { $words{"w" . ($i * 7919 % 5003)} .= chr(97 + $i % 26); }
my @sorted = sort { length $words{$a} <=> length $words{$b} || $a cmp $b } keys %words;
print scalar(@sorted), " $sorted[0] $sorted[-1]\n";
my $text = join ",", map { "$_=$words{$_}" } @sorted;
my $count = () = $text =~ /a[bcd]+e/g;
print length $text, " $count\n";
$text =~ s/(\w+)=(\w+)/$2:$1/g;
print unpack("%32C*", $text), "\n";
"""


def test_perl(tmp_path: Path) -> None:
    plain, preloaded = outputs(["perl", "-e", PERL_SCRIPT], tmp_path)
    assert plain == preloaded


@contextmanager
def redis_server(folder: Path, preloaded: bool) -> Iterator[Path]:
    """A redis-server on a unix socket of its own; ended, by its id, when the block is left."""
    # Debian's package redis-tools holds the server under the name of its checker; it is told
    # apart by the name it is started with.
    program = folder / "redis-server"
    found = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    assert found is not None, "neither redis-server nor redis-check-rdb is on PATH"
    program.symlink_to(found)
    socket = folder / "redis.sock"
    command = [str(program), "--port", "0", "--unixsocket", str(socket), "--save", ""]
    command += ["--dir", str(folder), "--daemonize", "no", "--enable-debug-command", "yes"]
    with open(folder / "log", "w+") as log:
        server = subprocess.Popen(
            command,
            env=environment(preloaded),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            for _ in range(600):
                if socket.exists() or server.poll() is not None:
                    break
                time.sleep(0.1)
            log.seek(0)
            assert server.poll() is None and socket.exists(), log.read()
            yield socket
            assert server.poll() is None, "redis-server died"
            server.terminate()
            assert server.wait(timeout=60) == 0
        finally:
            server.kill()
            server.wait()


@pytest.mark.slow
def test_redis(tmp_path: Path) -> None:
    """The same load leaves the same data, after a benchmark has churned, and when reloaded."""
    load = ["CONFIG SET maxmemory 0"]
    for n in range(3000):
        value = hashlib.sha256(str(n).encode()).hexdigest() * (n % 40 + 1)
        load.append(f"SET string:{n} {value}")
        load.append(f"HSET hash:{n % 50} field{n} {value[: n % 700]}-")
        load.append(f"RPUSH list:{n % 20} {value[: n % 100]}-")
        load.append(f"ZADD zset:{n % 10} {n * 7919 % 1009} member{n}")
        load.append(f"APPEND string:{n % 100} {value[: n % 2000]}-")
        if n % 3 == 0:
            load.append(f"DEL string:{n // 2}")
    told = []
    for preloaded in (False, True):
        folder = tmp_path / f"redis-{preloaded}"
        folder.mkdir()
        with redis_server(folder, preloaded) as socket:
            client = ["redis-cli", "-s", str(socket)]
            bench = ["redis-benchmark", "-s", str(socket), "-q", "-n", REQUESTS, "-c", "8"]
            bench += ["-d", "300", "-r", "5000", "-t", "set,get,lpush,lpop,sadd,hset"]
            run(bench, preloaded, folder)
            run([*bench, "--threads", "4"], preloaded, folder)
            run([*client, "FLUSHALL"], preloaded, folder)
            run(client, preloaded, folder, "\n".join(load) + "\n")
            digests = [run([*client, "DEBUG", "DIGEST"], preloaded, folder)]
            run([*client, "DEBUG", "RELOAD"], preloaded, folder)
            digests.append(run([*client, "DEBUG", "DIGEST"], preloaded, folder))
            assert digests[0] == digests[1]
            told.append((digests[0], run([*client, "DBSIZE"], preloaded, folder)))
    assert told[0] == told[1]
    assert int(told[0][1]) > 1000
