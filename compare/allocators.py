"""Finds the allocators: those of allocators.toml by name, and any library by --allocator NAME=PATH.

Says where each library is, whether it is one for this machine, its version and its SHA-256. Whether
it really serves malloc in the driver is preload.py's question.
"""

import glob
import hashlib
import os
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from compare.errors import UsageError
from compare.text import did_you_mean
from compare.tools import output_of

TABLE = Path(__file__).with_name("allocators.toml")
_ELF_IDENTITY = 20  # bytes of an ELF header up to and including e_machine
_ET_DYN = 3
_VERSIONS = ("package", "libc", "hakmem")
# In a process of its own: no library under test is loaded into this one.
_ASK_HAK_VERSION = """
import ctypes, sys
version = ctypes.CDLL(sys.argv[1]).hak_version
version.restype = ctypes.c_char_p
print(version().decode())
"""


@dataclass(frozen=True)
class Known:
    """An entry of allocators.toml."""

    name: str
    title: str
    candidates: tuple[str, ...]
    version: str
    remedy: str
    floor: bool = False


@dataclass(frozen=True)
class Allocator:
    """An allocator that was found. `lib` is None for the C library's own malloc."""

    name: str
    title: str  # name and short version, for people
    lib: Path | None
    version: str
    sha256: str | None
    option: str  # how the user asked for it: the beginning of messages about it
    floor: bool = False  # does next to nothing: shows what a scenario costs by itself


@dataclass(frozen=True)
class Table:
    """allocators.toml."""

    known: Mapping[str, Known]
    default: tuple[str, ...]


def load_table(path: Path = TABLE) -> Table:
    """Reads allocators.toml. Raises UsageError when it is not what it should be."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        known = {
            name: Known(
                name=name,
                title=entry["title"],
                candidates=tuple(entry["candidates"]),
                version=entry["version"],
                remedy=entry["remedy"],
                floor=entry.get("floor", False),
            )
            for name, entry in data["allocator"].items()
        }
        default = tuple(data["default"])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path.name}: {error}") from error
    except KeyError as error:
        raise UsageError(f"{path.name}: the key {error} is missing") from error
    for entry in known.values():
        if entry.version not in _VERSIONS:
            raise UsageError(
                f"{path.name}: {entry.name}: version '{entry.version}':"
                f" must be one of {', '.join(_VERSIONS)}"
            )
    for name in default:
        if name not in known:
            raise UsageError(f"{path.name}: default: '{name}' has no entry")
    return Table(known, default)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def elf_problem(path: Path) -> str | None:
    """Why `path` is not an ELF shared object for this machine, or None when it is one."""
    if not path.exists():
        return "no such file"
    if not path.is_file():
        return "not a file"
    try:
        with path.open("rb") as file:
            header = file.read(_ELF_IDENTITY)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    with open("/proc/self/exe", "rb") as file:
        mine = file.read(_ELF_IDENTITY)
    if len(header) < _ELF_IDENTITY or header[:4] != b"\x7fELF":
        return "not an ELF shared object"
    # Bytes 4 and 5: word size and byte order; the last two: the processor.
    if header[4:6] != mine[4:6] or header[18:20] != mine[18:20]:
        return "an ELF file for another machine"
    byte_order = "little" if header[5] == 1 else "big"
    if int.from_bytes(header[16:18], byte_order) != _ET_DYN:  # type: ignore[arg-type]
        return "an ELF file, but not a shared object"
    return None


def find_library(known: Known, root: Path) -> Path | None:
    """The first candidate that is a library for this machine; None when there is none."""
    for pattern in known.candidates:
        for name in sorted(glob.glob(os.path.join(glob.escape(str(root)), pattern))):
            if elf_problem(Path(name)) is None:
                return Path(name)
    return None


def _package_version(lib: Path) -> str | None:
    """Version of the package that owns the file (dpkg, then rpm)."""
    real = os.path.realpath(lib)
    for path in dict.fromkeys((real, real.removeprefix("/usr"))):
        owner = output_of("dpkg-query", "-S", path)
        if owner:
            package = owner.splitlines()[0].rsplit(": ", 1)[0].split(", ")[0]
            version = output_of("dpkg-query", "-W", "-f", "${Version}", package)
            if version:
                return version
    return output_of("rpm", "-qf", "--qf", "%{VERSION}-%{RELEASE}", real)


def _file_version(lib: Path, sha256: str) -> str:
    """Version in the file's name, else the beginning of its SHA-256."""
    match = re.search(r"\.so\.([0-9.]+)$|-([0-9][0-9.]*)\.so$", os.path.realpath(lib))
    return (match[1] or match[2]) if match else f"sha256 {sha256[:12]}"


def _version_of(kind: str, lib: Path | None, sha256: str | None, root: Path) -> str:
    if kind == "libc" or lib is None or sha256 is None:
        return str(os.confstr("CS_GNU_LIBC_VERSION"))
    if kind == "hakmem":
        own = output_of(sys.executable, "-c", _ASK_HAK_VERSION, str(lib))
        commit = output_of("git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*")
        return "+".join(part for part in (own, commit) if part) or f"sha256 {sha256[:12]}"
    return _package_version(lib) or _file_version(lib, sha256)


def title_of(title: str, version: str) -> str:
    """'mimalloc 2.0.9' of 'mimalloc' and '1:2.0.9+ds-2': without what only packagers tell apart."""
    if re.fullmatch(r"sha256 .*|[0-9a-f]{7,}(-dirty)?", version):  # of a file, of a commit
        return title
    if version.startswith("glibc "):
        return version
    if re.fullmatch(r"[0-9.]+\+[0-9a-f]{7,}(-dirty)?", version):  # hakmem's, with its commit
        return f"{title} {version}"
    short = re.match(r"(?:[0-9]+:)?([0-9][0-9.]*)", version)
    return f"{title} {short[1] if short else version}"


def locate(name: str, table: Table, root: Path) -> Allocator:
    """The allocator of that name in the table. Raises UsageError when unknown or not installed."""
    option = f"--allocators {name}"
    known = table.known.get(name)
    if known is None:
        raise UsageError(
            f"--allocators '{name}': no such allocator"
            + did_you_mean(name, table.known, "--list shows all")
        )
    if not known.candidates:
        version = _version_of(known.version, None, None, root)
        return Allocator(name, title_of(known.title, version), None, version, None, option)
    lib = find_library(known, root)
    if lib is None:
        raise UsageError(
            f"{option}: {known.title} is not here: {known.remedy},"
            " or choose others with --allocators"
        )
    allocator = found(name, known.title, lib, known.version, option, root)
    return replace(allocator, floor=known.floor)


def from_path(text: str, table: Table, root: Path) -> Allocator:
    """The allocator of `--allocator NAME=PATH`. Raises UsageError on anything wrong with it."""
    option = f"--allocator {text}"
    name, equals, path = text.partition("=")
    if not equals or not path or not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise UsageError(
            f"--allocator '{text}': must be NAME=PATH, NAME of letters, digits, '_', '.' and '-'"
        )
    if name in table.known:
        raise UsageError(f"{option}: the lab has a '{name}' already; choose another name")
    lib = Path(os.path.abspath(path))
    problem = elf_problem(lib)
    if problem:
        raise UsageError(f"{option}: {problem}; must be a shared object for this machine")
    return found(name, name, lib, "package", option, root)


def preload_path(lib: Path, root: Path) -> str:
    """`lib` as LD_PRELOAD gets it in a process whose working folder is `root`.

    Relative below `root`, so that results do not depend on where the checkout is; always with a
    slash, without which the loader would search its own folders.
    """
    if not lib.is_relative_to(root):
        return str(lib)
    relative = str(lib.relative_to(root))
    return relative if "/" in relative else f"./{relative}"


def not_preloadable(path: str) -> bool:
    """Whether the dynamic loader would take `path` in LD_PRELOAD for something else."""
    return re.search(r"[\s:$]", path) is not None


def found(name: str, title: str, lib: Path, kind: str, option: str, root: Path) -> Allocator:
    """The allocator in `lib`, whose version is of that kind. Raises UsageError."""
    if not_preloadable(preload_path(lib, root)):
        raise UsageError(
            f"{option}: the dynamic loader cannot preload a path with a space, ':' or '$';"
            " copy or link the library elsewhere"
        )
    try:
        sha256 = sha256_of(lib)
    except OSError as error:
        raise UsageError(f"{option}: cannot be read: {error.strerror}") from error
    version = _version_of(kind, lib, sha256, root)
    return Allocator(name, title_of(title, version), lib, version, sha256, option)


def choose(
    names: Sequence[str] | None, paths: Sequence[str], table: Table, root: Path
) -> list[Allocator]:
    """The allocators of a run: `names` (None: the default set), then those of NAME=PATH `paths`."""
    chosen = [locate(name, table, root) for name in (table.default if names is None else names)]
    chosen += [from_path(text, table, root) for text in paths]
    for i, allocator in enumerate(chosen):
        if allocator.name in (other.name for other in chosen[:i]):
            raise UsageError(f"{allocator.option}: '{allocator.name}' is named twice")
    return chosen
