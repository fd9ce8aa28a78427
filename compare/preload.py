"""Proves that a preloaded library is in effect in a program: that malloc and free are its own.

The dynamic loader goes on without a library that it cannot preload, and says so on stderr only; a
library without malloc changes nothing. Both would be measured as the C library under a false name.
So the loader itself is asked, once before a run and per arm: it binds all symbols, reports the
bindings and ends before any code of program or allocator has run.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from compare.tools import run

_LIMIT_S = 60
_ASK_LOADER = {
    "LC_ALL": "C",
    "LD_TRACE_LOADED_OBJECTS": "1",
    "LD_WARN": "1",  # process relocations too, as ldd -r does
    "LD_BIND_NOW": "1",
    "LD_DEBUG": "bindings",
}
_BINDING = re.compile(r"binding file (.+) \[0\] to (.+) \[0\]: normal symbol `(malloc|free)'")


def problem(
    program: Path, root: Path, lib: str | None, environment: Mapping[str, str]
) -> str | None:
    """Why `lib` (None: the C library) would not serve malloc and free in `program`; None: it does.

    `lib` is as LD_PRELOAD gets it, with `root` as working folder.
    """
    env = {**environment, **_ASK_LOADER}
    if lib is not None:
        env["LD_PRELOAD"] = lib
    try:
        done = run([program], limit_s=_LIMIT_S, env=env, cwd=root)
    except OSError as error:
        return str(error)
    said = done.stdout + done.stderr
    refused = re.search(r"cannot be preloaded \((.*)\): ignored", said)
    if refused:
        return refused[1]
    serving = {"malloc": set[str](), "free": set[str]()}
    own = set()  # of the program itself
    for match in _BINDING.finditer(said):
        user, file, symbol = (os.path.realpath(root / match[1]), match[2], match[3])
        serving[symbol].add(os.path.realpath(root / file))
        if user == os.path.realpath(program):
            own.add(symbol)
    for symbol, files in serving.items():
        if symbol in own:
            # A program that takes malloc's address lends its own entry to others: they go through
            # it to what the program itself is bound to.
            files.discard(os.path.realpath(program))
        if not files:
            return f"the dynamic loader reports no binding of {symbol} in {program.name}"
        if lib is None:
            strangers = [name for name in files if not Path(name).name.startswith("libc.so")]
            if strangers:
                return f"{symbol} is served by {strangers[0]}: see /etc/ld.so.preload"
        elif files != {os.path.realpath(root / lib)}:
            return f"does not export {symbol}"
    return None
