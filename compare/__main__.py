"""Entry point of `python -m compare`."""

import io
import signal
import sys

from compare.main import main
from compare.output import settle

# run.sh starts us in the background, where SIGINT is ignored; SIGTERM ends a run as SIGINT does.
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler)
if isinstance(sys.stdout, io.TextIOWrapper):  # a path goes out as the bytes it is, in any locale
    sys.stdout.reconfigure(
        encoding=sys.getfilesystemencoding(), errors=sys.getfilesystemencodeerrors()
    )
try:
    status = main(sys.argv[1:])
finally:
    settle()
sys.exit(status)
