"""Where `anb-export` begins; see `anb_onnx._start`."""
# PYTHON_ARGCOMPLETE_OK: so argcomplete completes it, where that was told to complete every program.

from __future__ import annotations

from anb_onnx._start import start


def main(program: str = "anb-export") -> int:
    """Run `anb-export`, as it was typed; return its exit code, 130 after Ctrl-C at any time."""
    return start("anb_export.cli", program)
