"""What the tests of examples/measure share: its modules, which are no package, and extremes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from anb_onnx import MNASNET, Architecture

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "measure"


def example(name: str) -> ModuleType:
    """Import a module of the example as its commands do: from its own folder."""
    pytest.importorskip(
        "onnx", reason="the example builds its graphs with onnx, as anb-export does"
    )
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(name)


def extreme(expansion: int, kernel: int, layers: int, se: bool) -> Architecture:
    """Return the architecture whose seven blocks are all alike."""
    values = {"e": expansion, "k": kernel, "l": layers, "se": se}
    return Architecture(
        {name: values[name.partition("_")[2]] for name in MNASNET.gene_names}, space=MNASNET
    )


SMALLEST = extreme(1, 3, 1, False)
LARGEST = extreme(6, 5, 3, True)
