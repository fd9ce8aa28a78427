"""Entry point of `python -m compare`."""

import signal
import sys

from compare.main import main

# run.sh starts us in the background, where SIGINT is ignored; SIGTERM ends a run as SIGINT does.
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler)
sys.exit(main(sys.argv[1:]))
