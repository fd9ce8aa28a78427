"""Entry point of `python -m compare`."""

import sys

from compare.main import main

sys.exit(main(sys.argv[1:]))
