"""The slab protocol's model holds in every interleaving, each part of it is needed, and what it
names is in the code."""

import re
import subprocess

import pytest

from tests.allocator.runs import ROOT, Count

MODEL = ROOT / "allocator/src/superslab/protocol.pml"


def check(*defines: str) -> tuple[int, str]:
    command = [str(ROOT / "scripts/check-protocol"), *defines]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    print(done.stdout, done.stderr)
    return done.returncode, done.stdout


@pytest.mark.parametrize("bounds", [("-DHEAPS=2", "-DOPS=3"), ("-DHEAPS=3", "-DOPS=1")])
def test_the_protocol_holds_in_every_interleaving(
    bounds: tuple[str, ...], record_property: Count
) -> None:
    status, output = check(*bounds)
    assert status == 0
    found = re.search(r"holds in all (\d+) states", output)
    # fewer would mean that the model no longer does what it did
    assert found and int(found[1]) > 1_000_000
    record_property("states", int(found[1]))


@pytest.mark.parametrize(
    ("without", "assertion"),
    [
        ("-DNO_TURN", "owner==_pid"),  # two heaps own the slab
        ("-DNO_GENERATION", "my_cls==cls"),  # listed among another class's slabs
        ("-DNO_SECOND_LOOK", "in_superslab"),  # nobody's, and never found again
    ],
)
def test_the_checker_finds_what_goes_wrong_without_a_part(without: str, assertion: str) -> None:
    status, output = check(without)
    assert status == 1
    assert assertion in output.splitlines()[0]


def test_every_function_that_the_model_names_is_in_the_code() -> None:
    folders = (ROOT / "allocator/src/superslab", ROOT / "allocator/src/front")
    code = "".join(path.read_text() for folder in folders for path in folder.glob("*.c"))
    model = MODEL.read_text()
    named = set(re.findall(r"^inline (hkm_\w+)", model, re.M)) | {
        "hkm_pool_claim", "hkm_warm_slab", "hkm_slab_give", "hkm_warm_give", "retire_owned",
        "first_with_free", "insert", "remove_slab", "put_slab", "retire_unlinked",
    }  # fmt: skip
    assert len(named) > 15
    for name in named:
        assert name in model
        assert re.search(rf"^(?!.*;$)\S.*\b{name}\(", code, re.M), name
