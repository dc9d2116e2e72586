"""The command `python -m anb_export`, which is `anb-export`."""

from __future__ import annotations

import sys

from anb_export._start import main

if __name__ == "__main__":
    sys.exit(main("python -m anb_export"))
