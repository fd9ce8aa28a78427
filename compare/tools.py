"""Asks other programs one thing: their version, a package's version, the state of git."""

import subprocess

_LIMIT_S = 20


def output_of(*command: str) -> str | None:
    """What `command` prints on stdout, stripped; None when absent, failing or silent."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
