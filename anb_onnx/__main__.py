"""The command `python -m anb_onnx`, which is `anb-onnx`."""
# PYTHON_ARGCOMPLETE_OK: so argcomplete completes it, where that was told to complete every program.

from __future__ import annotations

import sys

from anb_onnx._start import main

if __name__ == "__main__":
    sys.exit(main("python -m anb_onnx"))
