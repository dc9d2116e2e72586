"""The command `python -m anb_onnx`, which is `anb-onnx`."""

from __future__ import annotations

import sys

from anb_onnx._start import main

if __name__ == "__main__":
    sys.exit(main("python -m anb_onnx"))
