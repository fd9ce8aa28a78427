"""Makes `python -m analysis RUN_FOLDER` work; everything else is in cli.py."""

import sys

from analysis.cli import main

sys.exit(main())
