"""Other programs run by compare/tools.py."""

import pytest

from compare.tools import output_of, run


def test_a_program_has_nothing_to_read_and_may_print_anything() -> None:
    done = run(["sh", "-c", "cat; printf 'a\\377'; echo b >&2; exit 3"])
    assert (done.returncode, done.stdout, done.stderr) == (3, "a\ufffd", "b\n")


def test_one_that_is_absent_or_does_not_end_is_an_os_error() -> None:
    with pytest.raises(OSError, match="^sleep: no end within 0.05 s$"):
        run(["/bin/sleep", "100"], limit_s=0.05)
    with pytest.raises(FileNotFoundError):
        run(["/nowhere/such"])


def test_output_is_none_unless_there_is_some_and_all_went_well() -> None:
    assert output_of("echo", " said ") == "said"
    assert [output_of("sh", "-c", text) for text in ("true", "echo no; exit 1")] == [None, None]
    assert output_of("/nowhere/such") is None
