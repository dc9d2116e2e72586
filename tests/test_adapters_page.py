"""The examples of docs/adapters.md run and print what they say; tools are missed with a word."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anb_onnx import adapters

PAGE = Path(__file__).resolve().parents[1] / "docs" / "adapters.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


TOOLS = {"configspace", "pymoo", "optuna", "nevergrad", "gymnasium", "ioh"}


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_an_example_of_the_page_prints_what_it_says(number: int) -> None:
    block = BLOCKS[number]
    expected = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
    assert expected
    assert len(expected) == block.count("print(")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, f"{PAGE.name}, block {number + 1}", "exec"), {})
    assert printed.getvalue().splitlines() == expected


def test_every_tool_and_name_has_its_place() -> None:
    for tool in TOOLS:
        assert any(tool in block for block in BLOCKS), tool
    text = PAGE.read_text()
    ours = [name for name, module in adapters._MODULE_OF.items() if module in TOOLS]
    assert [name for name in ours if name[0].islower() and f"`{name}`" not in text] == []


# Each adapter, and the package and extra that it needs.
NEEDS = {
    "to_configspace()": ("ConfigSpace", "configspace"),
    "to_configurations([], None)": ("ConfigSpace", "configspace"),
    "pymoo_problem('accuracy')": ("pymoo", "pymoo"),
    "pymoo_operators()": ("pymoo", "pymoo"),
    "optuna_distributions()": ("optuna", "optuna"),
    "optuna_study('accuracy')": ("optuna", "optuna"),
    "nevergrad_parametrization()": ("nevergrad", "nevergrad"),
    "gymnasium_env('accuracy')": ("gymnasium", "gymnasium"),
    "ioh_problem('accuracy')": ("ioh", "ioh"),
}

WITHOUT = """
import sys
absent = set(sys.argv[1].split(","))
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from anb_onnx import adapters
from anb_onnx.errors import ExtraError
for name in adapters.__all__:
    getattr(adapters, name)
for call in sys.stdin.read().splitlines():
    try:
        eval(call, vars(adapters))
    except ExtraError as error:
        assert isinstance(error, ImportError)
        print(error)
    else:
        print(call, "needs nothing")
"""


def test_a_missing_tool_is_named_with_what_installs_it() -> None:
    absent = sorted({package for package, _ in NEEDS.values()})
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, ",".join(absent)],
        input="\n".join(NEEDS), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == len(NEEDS)
    for (call, (package, extra)), line in zip(NEEDS.items(), said, strict=True):
        function = call.partition("(")[0]
        start = f"anb_onnx.adapters.{function} needs {package} (No module named '{package}"
        assert line.startswith(start)
        assert line.endswith(f"pip install 'anb-onnx[{extra}]'")
