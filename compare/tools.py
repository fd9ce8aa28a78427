"""Runs other programs to their end: what they print is the answer, or why there is none."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_LIMIT_S = 20


def run(
    command: Sequence[str | Path],
    *,
    limit_s: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """What became of `command`, with nothing to read and its output as text. Raises OSError when it
    cannot be run, or takes longer than `limit_s`."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
            env=env,
            cwd=cwd,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{Path(command[0]).name}: no end within {limit_s:g} s") from error


def output_of(*command: str) -> str | None:
    """What `command` prints on stdout, stripped; None when absent, failing or silent."""
    try:
        done = run(command, limit_s=_LIMIT_S)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
