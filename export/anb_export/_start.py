"""Where `anb-export` begins; see `anb_onnx._start`."""

from __future__ import annotations

from anb_onnx._start import start


def main() -> int:
    """Run `anb-export`; return its exit code, 130 after Ctrl-C at any time."""
    return start("anb_export.cli")
