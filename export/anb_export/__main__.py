"""The command `python -m anb_export`, which is `anb-export`."""
# PYTHON_ARGCOMPLETE_OK: so argcomplete completes it, where that was told to complete every program.

from __future__ import annotations

import sys

from anb_export._start import main

if __name__ == "__main__":
    sys.exit(main("python -m anb_export"))
