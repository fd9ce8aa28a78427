"""What the tests of the driver share: the driver, a malloc that counts."""

import subprocess
from pathlib import Path

import pytest
from driver_support import BUILD, REPO, Driver

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def driver():
    path = BUILD / "hkl-driver"
    if not path.exists():
        subprocess.run(["make", "build/hkl-driver"], cwd=REPO, check=True, capture_output=True)
    return Driver(path)


@pytest.fixture(scope="session")
def counting_malloc(tmp_path_factory):
    """A library to preload that counts calls and offers the counts as hak_stats_*."""
    library = tmp_path_factory.mktemp("preload") / "libcounting.so"
    source = HERE / "counting_malloc.c"
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fno-builtin"]
    subprocess.run([*command, str(source), "-o", str(library)], check=True)
    return library
