"""What a run ran on: the machine, the tools, the checkout, the environment that allocators read."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compare.allocators import sha256_of
from compare.errors import UsageError
from compare.layout import Layout
from compare.text import not_plain
from compare.tools import output_of

# Variables that steer an allocator; they reach every arm's process.
_PREFIXES = ("HAKMEM_", "MALLOC_", "MIMALLOC_", "JEMALLOC_", "TCMALLOC_", "SCUDO_", "TBB_MALLOC_")
_NAMES = ("GLIBC_TUNABLES",)


def allocator_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of `environment` that steers allocators. Raises UsageError on what cannot be put
    into a report."""
    chosen = {
        name: value
        for name, value in sorted(environment.items())
        if name.startswith(_PREFIXES) or name in _NAMES
    }
    for name, value in chosen.items():
        if not_plain(name + value):
            raise UsageError(f"{name}='{value}': must be UTF-8 without control characters")
    return chosen


def check_pin(cpus: Sequence[int] | None) -> None:
    """Raises UsageError unless this process may run on all of `cpus`."""
    usable = os.sched_getaffinity(0)
    for cpu in cpus or ():
        if cpu not in usable:
            raise UsageError(
                f"--pin {cpu}: must be of this process's CPUs: {','.join(map(str, sorted(usable)))}"
            )


def facts(layout: Layout, perf: str | None) -> dict[str, Any]:
    """run.json's `machine`, `tools` and `git`; None where something cannot be known."""
    return {
        "machine": _machine(),
        "tools": _tools(layout, perf),
        "git": _git(layout.root),
    }


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _field(path: str, key: str, end: str = "$", separator: str = r"[:=]") -> str | None:
    match = re.search(rf"^{key}\s*{separator}\s*(.*?){end}", _read(path) or "", re.MULTILINE)
    return match[1] if match else None


def _chosen(path: str) -> str | None:
    """The choice in brackets, as in 'always [madvise] never'."""
    match = re.search(r"\[(\w+)\]", _read(path) or "")
    return match[1] if match else None


def _machine() -> dict[str, Any]:
    memory = _field("/proc/meminfo", "MemTotal", " kB")
    aslr = _read("/proc/sys/kernel/randomize_va_space")
    flags = _field("/proc/cpuinfo", "flags")
    load = _read("/proc/loadavg")
    smt = _read("/sys/devices/system/cpu/smt/active")
    cpus = sorted(os.sched_getaffinity(0))
    return {
        "cpu": _field("/proc/cpuinfo", "model name"),
        "arch": platform.machine(),
        "cores": len(cpus),
        "cpus": ",".join(map(str, cpus)),
        "memory_kib": int(memory) if memory else None,
        "kernel": platform.release(),
        "os": (_field("/etc/os-release", "PRETTY_NAME") or "").strip('"') or None,
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "turbo": _turbo(),
        "smt": None if smt is None else smt == "1",
        "thp": _chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        "aslr": int(aslr) if aslr else None,
        "virtual": output_of("systemd-detect-virt") or (_hypervisor(flags) if flags else None),
        "steal_ticks": _steal_ticks(),
        "load1": float(load.split()[0]) if load else None,
    }


def _turbo() -> bool | None:
    """Whether the processor may run above its nominal frequency."""
    no_turbo = _read("/sys/devices/system/cpu/intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == "0"
    boost = _read("/sys/devices/system/cpu/cpufreq/boost")
    return None if boost is None else boost == "1"


def _steal_ticks() -> int | None:
    """Time that the machine's host has taken so far from all CPUs, in ticks of 1/USER_HZ s."""
    fields = (_field("/proc/stat", "cpu", "$", separator=r"\s") or "").split()
    return int(fields[7]) if len(fields) > 7 else None


def _hypervisor(flags: str) -> str:
    """Without systemd: whether the processor says that it is a guest's."""
    return "yes" if "hypervisor" in flags.split() else "none"


def _first_line(*command: str) -> str | None:
    text = output_of(*command)
    return text.splitlines()[0] if text else None


def _tools(layout: Layout, perf: str | None) -> dict[str, str | None]:
    return {
        "cc": _first_line(os.environ.get("CC", "gcc"), "--version"),
        "perf": _first_line(perf, "--version") if perf else None,
        "valgrind": _first_line("valgrind", "--version"),
        "hyperfine": _first_line("hyperfine", "--version"),
        "python": platform.python_version(),
        "benchmark": output_of("dpkg-query", "-W", "-f", "${Version}", "libbenchmark-dev")
        or output_of("rpm", "-q", "--qf", "%{VERSION}", "google-benchmark-devel"),
        "driver_sha256": sha256_of(layout.driver),
    }


def _git(root: Path) -> dict[str, Any]:
    commit = output_of("git", "-C", str(root), "rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None}
    return {
        "commit": commit,
        "dirty": output_of("git", "-C", str(root), "status", "--porcelain") is not None,
    }
