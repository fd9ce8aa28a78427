"""Phase files, compare/phases/*.toml: read, and held against what there is.

Every name in a file must be one that the lab has: keys those of results/schema/phase.schema.json,
scenarios those of the driver, settings and counters those that the allocator prints, variants those
of allocator/variants.mk. Anything else is one line with file, line and the nearest valid name.
docs/phases.md explains the format.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compare import driver, metric
from compare.allocators import preload_path
from compare.errors import UsageError
from compare.layout import Layout
from compare.schema import phase_error
from compare.text import last_line, did_you_mean, one_line
from compare.tools import output_of, run

Json = dict[str, Any]

SIDES = ("before", "after")
_VARIANT = re.compile(r"^VARIANT_([A-Za-z0-9_-]+)", re.MULTILINE)
_PARAMETERS = ("size", "threads", "warmup", "seed", "slots", "batch", "limit")
# The kinds whose metric is compared between the two sides, and those that look at one side.
BETWEEN = ("ratio", "equivalence")


@dataclass(frozen=True)
class Phase:
    """A phase file: its text's content as phase.schema.json has it, and every scenario's parameters
    with the defaults filled in, by comparison."""

    content: Json
    params: Mapping[str, Mapping[str, int | str]]

    @property
    def id(self) -> str:
        """As in --phase."""
        return str(self.content["id"])

    def purposes(self, comparison: str) -> list[str]:
        """Purposes beside times that the claims on a comparison need."""
        wanted = [
            purpose
            for text in _metrics(self.content, comparison)
            for purpose in metric.purposes(text)
        ]
        return [purpose for purpose in dict.fromkeys(wanted) if purpose != metric.TIME]


@dataclass(frozen=True)
class Names:
    """What a phase file may name, beside keys."""

    scenarios: Mapping[str, driver.Scenario]
    variants: Sequence[str]


class _File:
    """The text of a phase file, to say where something is."""

    def __init__(self, path: Path, root: Path) -> None:
        self.text = path.read_text(encoding="utf-8")
        self._name = path.relative_to(root) if path.is_relative_to(root) else path
        self._lines = self.text.splitlines()

    def wrong(self, place: Sequence[str | int], word: str, message: str) -> UsageError:
        """The error `message` about `word`, which is in the table at `place`, such as
        ('claim', 2)."""
        return UsageError(f"{self._name}:{self._line(place, word)}: {message}")

    def _line(self, place: Sequence[str | int], word: str) -> int:
        """Line, from 1, of the first `word` in that table; else where the table begins."""
        begin = 0
        if len(place) > 1 and isinstance(place[1], int):
            headers = [
                number
                for number, line in enumerate(self._lines)
                if re.match(rf"\s*\[\[\s*{place[0]}\s*\]\]", line)
            ]
            begin = headers[place[1]] if place[1] < len(headers) else 0
        for number in range(begin, len(self._lines)):
            if number > begin and re.match(r"\s*\[\[", self._lines[number]):
                break
            if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", self._lines[number]):
                return number + 1
        return begin + 1


def files(layout: Layout) -> dict[str, Path]:
    """Phase file by id, in the order of their ids."""
    found = {path.stem: path for path in (layout.phases).glob("*.toml")}
    return dict(sorted(found.items(), key=lambda item: _in_order(item[0])))


def _in_order(name: str) -> list[tuple[int, int, str]]:
    """Numbers by their value, before words: 6-3 < 6.11 < 11 < warm-pool."""
    parts = re.split(r"[.-]", name)
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts]


def choose(names: Sequence[str], layout: Layout) -> list[Phase]:
    """The phases of --phase, checked. Raises UsageError."""
    known = files(layout)
    if not known:
        raise UsageError(f"--phase: there are no phase files in {layout.phases}")
    for i, name in enumerate(names):
        if name != "all" and name not in known:
            raise UsageError(
                f"--phase '{name}': no such phase"
                + did_you_mean(name, [*known, "all"], "--list shows all")
            )
        if name in names[:i]:
            raise UsageError(f"--phase '{name}': is named twice")
    here = Names(driver.scenarios(layout.driver), variants(layout))
    chosen = known if "all" in names else {name: known[name] for name in names}
    return [load(path, here, layout) for path in chosen.values()]


def variants(layout: Layout) -> list[str]:
    """The build variants of the allocator."""
    return _VARIANT.findall((layout.root / "allocator/variants.mk").read_text(encoding="utf-8"))


def library(variant: str | None, layout: Layout) -> Path:
    """Where the allocator's library of a variant is, or is to be."""
    folder = layout.build / "variants" / variant if variant else layout.build
    return folder / "libhakmem.so"


def build(variant: str, layout: Layout) -> None:
    """Brings a variant up to date. Raises UsageError when make fails."""
    name = str(library(variant, layout).relative_to(layout.root))
    done = run(["make", "-s", f"VARIANT={variant}", name], cwd=layout.root)
    if done.returncode != 0:
        raise UsageError(f"make VARIANT={variant} {name}: {last_line(done.stderr)}")


def asked(variable: str, lib: Path, layout: Layout) -> str:
    """What the allocator prints at exit when `variable` is 1."""
    path = preload_path(lib, layout.root)
    said = output_of(
        *("sh", "-c", f'cd "$1" && {variable}=1 LD_PRELOAD="$2" /bin/true 2>&1', "sh"),
        *(str(layout.root), path),
    )
    if not said:
        raise UsageError(f"{path}: prints nothing with {variable}=1; build it again with 'make'")
    return said


def settings(lib: Path, layout: Layout) -> list[str]:
    """The environment variables that the allocator reads."""
    names = re.findall(r"^setting (\w+)=", asked("HAKMEM_SETTINGS", lib, layout), re.MULTILINE)
    return [*names, "HAKMEM_SETTINGS"]


def counters(lib: Path, layout: Layout) -> list[str]:
    """The names of the allocator's counters."""
    return re.findall(r"^([a-z_.]+) \d+$", asked("HAKMEM_STATS", lib, layout), re.MULTILINE)


def load(path: Path, names: Names, layout: Layout) -> Phase:
    """Reads and checks a phase file. Raises UsageError."""
    try:
        file = _File(path, layout.root)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {one_line(str(error))}") from error
    try:
        content = tomllib.loads(file.text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{path.name}:{line[1]}" if line else path.name
        raise UsageError(f"{where}: not TOML: {one_line(str(error))}") from error
    _check_shape(file, content)
    if content["id"] != path.stem:
        raise file.wrong((), "id", f"id '{content['id']}': must be the file's name, '{path.stem}'")
    for section in ("comparison", "claim"):
        _check_ids(file, section, content[section])
    params = {}
    own: dict[str, list[str]] = {}
    for index, comparison in enumerate(content["comparison"]):
        place = ("comparison", index)
        for side in SIDES:
            if side not in comparison and side not in content:
                raise file.wrong(place, "id", f"the key '{side}' is missing, here and at the top")
            comparison.setdefault(side, content.get(side))
        params[comparison["id"]] = _params(file, place, comparison, names)
        own[comparison["id"]] = _check_sides(file, place, comparison, names, layout)
        if "exercised" in comparison:
            _check_metric(file, place, comparison["exercised"], own[comparison["id"]])
    for index, claim in enumerate(content["claim"]):
        _check_claim(file, index, claim, own)
    return Phase(content, params)


def _check_shape(file: _File, content: Json) -> None:
    """Keys and types, as the schema has them."""
    error = phase_error(content)
    if error is None:
        return
    place = list(error.absolute_path)
    names = [part for part in place if isinstance(part, str)]
    last = names[-1] if names and place[-1] == names[-1] else "id"
    if error.validator == "additionalProperties":
        allowed = list(error.schema["properties"])
        key = next(key for key in error.instance if key not in allowed)
        raise file.wrong(place, key, f"'{key}': no such key{did_you_mean(key, allowed)}")
    if error.validator == "enum":
        value, allowed = error.instance, error.validator_value
        raise file.wrong(
            place, str(value), f"no such {last} '{value}'{did_you_mean(str(value), allowed)}"
        )
    if error.validator == "required":
        key = next(key for key in error.validator_value if key not in error.instance)
        raise file.wrong(place, last, f"the key '{key}' is missing")
    message = one_line(error.message)
    if error.validator == "pattern" and last == "bound":
        message = f"bound '{error.instance}': must be one of <= >= < > = and a number"
    raise file.wrong(place, last, message if last in message else f"{last}: {message}")


def _check_ids(file: _File, section: str, entries: Sequence[Json]) -> None:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        if entry["id"] in seen:
            raise file.wrong((section, index), "id", f"{section} '{entry['id']}': is there twice")
        seen.add(entry["id"])


def _params(
    file: _File, place: Sequence[str | int], comparison: Json, names: Names
) -> dict[str, int | str]:
    """All parameters of the comparison's scenario."""
    scenario = _known(file, place, "scenario", comparison["scenario"], names.scenarios)
    given = comparison.get("params", {})
    wanted = {name: given.get(name) for name in _PARAMETERS}
    if names.scenarios[scenario].takes_trace:
        raise file.wrong(place, scenario, f"scenario '{scenario}': needs a recording")
    try:
        iters = given.get("iters") or driver.default_iters(names.scenarios[scenario], quick=False)
        return driver.parameters(names.scenarios[scenario], iters, wanted, None)
    except UsageError as error:
        message = str(error).removeprefix("--")
        raise file.wrong(place, message.split()[0], message) from None


def _check_sides(
    file: _File, place: Sequence[str | int], comparison: Json, names: Names, layout: Layout
) -> list[str]:
    """Variants (built here) and settings of both sides; returns the counters that both have."""
    common: list[str] | None = None
    for side in SIDES:
        variant = comparison[side].get("variant")
        if variant is not None:
            _known(file, place, "variant", variant, names.variants)
            build(variant, layout)
        lib = library(variant, layout)
        variables = settings(lib, layout)
        for name in comparison[side].get("env", {}):
            _known(file, place, "setting", name, variables)
        mine = counters(lib, layout)
        common = mine if common is None else [name for name in common if name in mine]
    if comparison["before"] == comparison["after"] and not comparison["id"].startswith("a-a"):
        message = "before and after are the same; an A/A comparison's id begins with 'a-a'"
        raise file.wrong(place, "after", message)
    return common or []


def _check_claim(
    file: _File, index: int, claim: Json, counters_of: Mapping[str, Sequence[str]]
) -> None:
    place = ("claim", index)
    kind = claim["kind"]
    _known(file, place, "comparison", claim["comparison"], counters_of)
    decides = {"equivalence": "margin", "no-crash": None}.get(kind, "bound")
    for key in ("bound", "margin"):
        if key == decides and key not in claim and "not_here" not in claim:
            raise file.wrong(place, "kind", f"kind '{kind}': the key '{key}' is missing")
        if key != decides and key in claim:
            raise file.wrong(place, key, f"kind '{kind}': has no '{key}'")
    if kind in BETWEEN and "arm" in claim:
        raise file.wrong(place, "arm", f"kind '{kind}': compares both sides; leave 'arm' out")
    if kind != "count" and claim.get("bound", "").startswith("="):
        raise file.wrong(place, "bound", f"kind '{kind}': '=' is for counts only")
    if kind == "no-crash":
        if "metric" in claim:
            raise file.wrong(place, "metric", "kind 'no-crash': has no 'metric'")
    elif "metric" not in claim and "not_here" in claim:
        return
    elif "metric" not in claim:
        raise file.wrong(place, "kind", f"kind '{kind}': the key 'metric' is missing")
    else:
        _check_metric(file, place, claim["metric"], counters_of[claim["comparison"]])


def _check_metric(
    file: _File, place: Sequence[str | int], text: str, counter_names: Sequence[str]
) -> None:
    valid = metric.known(counter_names)
    try:
        if len(metric.purposes(text)) > 1:
            raise file.wrong(
                place, text, f"metric '{text}': of quantities from different processes"
            )
        for name in metric.quantities(text):
            if not name.startswith("profile."):
                _known(file, place, "metric", name, valid)
    except metric.MetricError as error:
        raise file.wrong(place, error.word, f"metric {error}") from None


def _known(
    file: _File, place: Sequence[str | int], what: str, name: str, valid: Iterable[str]
) -> str:
    """`name`, which must be one of `valid`. Raises UsageError with the nearest of them."""
    valid = list(valid)
    if name not in valid:
        raise file.wrong(place, name, f"no such {what} '{name}'{did_you_mean(name, valid)}")
    return name


def _metrics(content: Json, comparison: str) -> list[str]:
    """The metrics that are taken of a comparison."""
    found = [
        entry["exercised"]
        for entry in content["comparison"]
        if entry["id"] == comparison and "exercised" in entry
    ]
    return found + [
        claim["metric"]
        for claim in content["claim"]
        if claim["comparison"] == comparison and "metric" in claim
    ]
