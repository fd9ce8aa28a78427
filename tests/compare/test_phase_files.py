"""Phase files: what is wrong in one is said with file, line and the nearest valid name."""

import re
from pathlib import Path

import pytest

from compare import driver as driver_module
from compare import metric, phase
from compare.errors import UsageError
from compare.layout import Layout

GOOD = """\
id = "x"
title = "A phase"
change = "something"

[[comparison]]
id = "one"
scenario = "tiny_hot"
params = { iters = 5, size = 32 }
before.env = { HAKMEM_WARM_POOL = "0" }
after = {}
exercised = "total.refill.warm"

[[comparison]]
id = "two"
scenario = "random_mixed"
before.env = { HAKMEM_WARM_POOL = "0" }
after = {}

[[claim]]
id = "faster"
comparison = "one"
says = "it is faster"
source = "somebody"
kind = "ratio"
metric = "time"
claimed = 0.5
bound = "<= 0.75"

[[claim]]
id = "same"
comparison = "two"
says = "it makes no difference"
source = "somebody"
kind = "equivalence"
metric = "throughput"
margin = 0.05
"""


@pytest.fixture
def names(driver: Path) -> phase.Names:
    return phase.Names(driver_module.scenarios(driver), ["timing", "guess"])


def load(text: str, folder: Path, names: phase.Names, layout: Layout) -> phase.Phase:
    path = folder / "x.toml"
    path.write_text(text)
    return phase.load(path, names, layout)


def test_defaults_are_filled_in(tmp_path: Path, names: phase.Names, layout: Layout) -> None:
    loaded = load(GOOD, tmp_path, names, layout)
    assert loaded.params["one"]["size"] == 32
    assert loaded.params["one"]["warmup"] == names.scenarios["tiny_hot"].defaults["warmup"]
    assert loaded.params["two"]["iters"] == names.scenarios["random_mixed"].defaults["iters"]


def test_sides_at_the_top_hold_where_a_comparison_has_none(
    tmp_path: Path, names: phase.Names, layout: Layout
) -> None:
    side = 'before.env = { HAKMEM_WARM_POOL = "0" }\n'
    text = GOOD.replace(side, "").replace("\n[[comp", f"\n{side}\n[[comp", 1)
    loaded = load(text, tmp_path, names, layout)
    sides = [comparison["before"] for comparison in loaded.content["comparison"]]
    assert sides == [{"env": {"HAKMEM_WARM_POOL": "0"}}] * 2


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("change =", "chnge =", "'chnge': no such key; did you mean 'change'?"),
        ("exercised =", "exercized =", "'exercized': no such key; did you mean 'exercised'?"),
        ("margin =", "margn =", "'margn': no such key; did you mean 'margin'?"),
        ("iters = 5", "iter = 5", "'iter': no such key; did you mean 'iters'?"),
        ('"tiny_hot"', '"tiny_hto"', "no such scenario 'tiny_hto'; did you mean 'tiny_hot'?"),
        (
            "HAKMEM_WARM_POOL",
            "HAKMEM_WARMPOOL",
            "no such setting 'HAKMEM_WARMPOOL'; did you mean 'HAKMEM_WARM_POOL'?",
        ),
        ("after = {}", 'after.variant = "timin"', "no such variant 'timin'; did you mean 'timing'"),
        (
            '"total.refill.warm"',
            '"total.refil.warm"',
            "no such metric 'total.refil.warm'; did you mean 'total.refill.warm'?",
        ),
        ('"time"', '"tme"', "no such metric 'tme'; did you mean 'time'?"),
        ('"ratio"', '"ration"', "no such kind 'ration'; did you mean 'ratio'?"),
        (
            'comparison = "two"',
            'comparison = "too"',
            "no such comparison 'too'; did you mean 'two'?",
        ),
        ('id = "same"', 'id = "faster"', "claim 'faster': is there twice"),
        ('id = "x"', 'id = "y"', "id 'y': must be the file's name, 'x'"),
        (
            '"<= 0.75"',
            '"about 0.75"',
            "bound 'about 0.75': must be one of <= >= < > = and a number",
        ),
        ('"<= 0.75"', '"= 0.75"', "kind 'ratio': '=' is for counts only"),
        ("margin = 0.05", "", "kind 'equivalence': the key 'margin' is missing"),
        ('says = "it is faster"\n', "", "the key 'says' is missing"),
        ("size = 32", "size = 99999999", "size 99999999: must be from 1 to 65536 bytes"),
        ('metric = "time"', 'metric = "time / syscalls.mmap"', "from different processes"),
        ('metric = "time"', 'metric = "open(1)"', "only names, numbers"),
        ("title =", "title", "not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    good: str,
    bad: str,
    said: str,
    tmp_path: Path,
    names: phase.Names,
    layout: Layout,
) -> None:
    # A key that is missing is looked for at the table's own id.
    place = good
    if said.endswith("is missing"):
        place = 'id = "faster"' if "says" in said else 'kind = "equivalence"'
    line = GOOD[: GOOD.index(place)].count("\n") + 1
    with pytest.raises(UsageError) as error:
        load(GOOD.replace(good, bad, 1), tmp_path, names, layout)
    message = str(error.value)
    assert "\n" not in message
    assert said in message
    assert f"x.toml:{line}:" in message


def test_equal_sides_must_be_meant(tmp_path: Path, names: phase.Names, layout: Layout) -> None:
    text = GOOD.replace('before.env = { HAKMEM_WARM_POOL = "0" }', "before = {}")
    with pytest.raises(UsageError, match="before and after are the same"):
        load(text, tmp_path, names, layout)
    meant = text.replace('"one"', '"a-a-one"').replace('"two"', '"a-a-two"')
    assert load(meant, tmp_path, names, layout).id == "x"


def test_every_row_of_the_ledger_has_its_file(layout: Layout) -> None:
    ledger = "6-2.4 6-3 6.11 6.11.1 6.11.2 per-class-registry 9 9-1 9-1-projections 11 12".split()
    ledger += "warm-pool b-2c lazy-zeroing 6.12 6.13".split()
    assert set(phase.files(layout)) == set(ledger)


def test_phases_come_in_the_order_of_their_numbers(layout: Layout) -> None:
    found = list(phase.files(layout))
    assert found[:4] == ["6-2.4", "6-3", "6.11", "6.11.1"]
    assert found.index("9-1") < found.index("11") < found.index("warm-pool")


def test_a_metric_is_arithmetic_over_quantities() -> None:
    values = {"total.whale.hit": 9, "total.whale.miss": 1}
    text = "100 * total.whale.hit / (total.whale.hit + total.whale.miss)"
    assert metric.evaluate(text, values.__getitem__) == 90
    assert metric.quantities(text) == list(values)
    assert metric.purposes("callgrind.instructions") == ["callgrind"]
    for text in ("1 + 1", "__import__('os')", "time if time else 1", "time **2", "", "[time]"):
        with pytest.raises(metric.MetricError):
            metric.quantities(text)


def test_list_names_all_phases(compare, layout: Layout) -> None:  # type: ignore[no-untyped-def]
    listed = compare("--list").out
    for name in phase.files(layout):
        assert re.search(rf"^  {re.escape(name)} +\S", listed, re.MULTILINE)
