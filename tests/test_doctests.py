"""The examples in the docstrings run, and every public name has one."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module
from pathlib import Path

import pytest
from tools import need_tool

import anb_onnx

ROOT = Path(__file__).resolve().parents[1]


def modules_with_examples(package: Path) -> list[str]:
    """Names of the modules below a folder whose source holds an example."""
    return [
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(package.rglob("*.py"))
        if ">>> " in path.read_text()
    ]


RUNTIME = modules_with_examples(ROOT / "anb_onnx")
#: Modules whose examples need what the environment of the oldest versions lacks.
TOOLS = {"anb_onnx.adapters.carps": "carps", "anb_onnx.adapters.syne_tune": "syne_tune"}
EXPORTER = modules_with_examples(ROOT / "export" / "anb_export")


@pytest.mark.parametrize("name", RUNTIME + EXPORTER)
def test_the_examples_of_a_module_run(name: str) -> None:
    if name in EXPORTER:
        pytest.importorskip("anb_export", reason="the exporter is not installed")
    if name in TOOLS:
        need_tool(TOOLS[name])
    failed, attempted = doctest.testmod(import_module(name), verbose=False)
    assert attempted > 0  # none hides where doctest does not look
    assert failed == 0


PUBLIC = [
    name
    for name in anb_onnx.__all__
    if inspect.isfunction(value := getattr(anb_onnx, name))
    or (inspect.isclass(value) and not issubclass(value, Exception))
]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_an_example(name: str) -> None:
    value = getattr(anb_onnx, name)
    found = doctest.DocTestFinder().find(value, name, module=inspect.getmodule(value))
    assert any(test.examples for test in found)
