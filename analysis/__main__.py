"""Makes `python -m analysis RUN_FOLDER` work, and with --gate or --trend those commands; everything
else is in cli.py, gate_cli.py and trend_cli.py."""

import sys

from analysis import cli, gate_cli, trend_cli
from compare.output import settle

_COMMANDS = {"--gate": gate_cli.main, "--trend": trend_cli.main}


def main(argv: list[str]) -> int:
    """The exit status of the command that `argv` asks for."""
    command = next((run for option, run in _COMMANDS.items() if option in argv), cli.main)
    return command(argv)


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    finally:
        settle()
    sys.exit(status)
