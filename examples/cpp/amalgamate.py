"""Joins the headers that need no runtime into one, standalone/anb_surrogate.hpp.

Run it after a change of one of them; a test compares.
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = (
    "anb_error.hpp",
    "anb_decimals.hpp",
    "anb_encoder.hpp",
    "anb_mnasnet.hpp",
    "anb_nasbench201.hpp",
    "anb_notation.hpp",
    "anb_spelling.hpp",
    "anb_json.hpp",
    "anb_terms.hpp",
    "anb_files.hpp",
    "anb_cards.hpp",
    "anb_outputs.hpp",
    "anb_manifest.hpp",
    "anb_protobuf.hpp",
    "anb_graph.hpp",
    "anb_onnx_file.hpp",
    "anb_arithmetic.hpp",
    "anb_curves.hpp",
    "anb_sums.hpp",
    "anb_unrolled.hpp",
    "anb_tables.hpp",
)
RESULT = HERE / "standalone" / "anb_surrogate.hpp"

HEAD = """\
// Surrogates of Accel-NASBench from their ONNX files, without an ONNX runtime: one header, C++17,
// no dependencies. Copy this file into your project, compile with -O3 -ffp-contract=off
// -fno-math-errno, and see Surrogate at its end, or examples/cpp/README.md.
//
// Made by examples/cpp/amalgamate.py from the headers beside it; change those.
//
// SPDX-License-Identifier: Apache-2.0
"""


def amalgamate() -> str:
    """Return the single header; includes of one part by another are left out."""
    own = re.compile(r'^#include "(?:' + "|".join(map(re.escape, PARTS)) + r')".*\n', re.MULTILINE)
    parts = [own.sub("", (HERE / name).read_text(encoding="utf-8")) for name in PARTS]
    return "\n".join([HEAD, *parts])


if __name__ == "__main__":
    RESULT.write_text(amalgamate(), encoding="utf-8")
