"""The code that the native engine runs, for who wants to look."""

from __future__ import annotations

import subprocess
import sys

import pytest

import anb_onnx
from anb_onnx.engines import assembly
from anb_onnx.engines.__main__ import main
from anb_onnx.errors import EngineError


@pytest.mark.parametrize("source", ["codes", "indices"])
def test_assembly_of_a_surrogate_is_that_of_its_kernel(source: str) -> None:
    with anb_onnx.load("accuracy", engine="onnxruntime") as surrogate:
        text = assembly(surrogate, source)
        assert '"lookup"(' in text
        assert "\ngroup.loop:" in text
        machine = assembly(surrogate, source, machine=True)
    assert "lookup:" in machine
    assert machine != text


def test_what_has_no_kernel_is_refused() -> None:
    with anb_onnx.load("accuracy") as surrogate:
        with pytest.raises(EngineError, match="reads 'codes' or 'indices', not 'symbols'"):
            assembly(surrogate, "symbols")
        surrogate._ensemble = None
        with pytest.raises(EngineError, match="table form"):
            assembly(surrogate)


@pytest.mark.parametrize("options", [[], ["--llvm"], ["--source", "indices"], ["--machine"]])
def test_the_command_prints_it(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["params", *options]) == 0
    with anb_onnx.load("params") as surrogate:
        source = "indices" if "indices" in options else "codes"
        expected = assembly(surrogate, source, machine="--machine" in options)
    assert capsys.readouterr().out == expected


def test_the_command_names_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense"]) == 2
    assert "accuracy" in capsys.readouterr().err  # the valid ones are listed
    with pytest.raises(SystemExit, match="2"):
        main(["accuracy", "--llvm", "--machine"])
    assert "not allowed with" in capsys.readouterr().err


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "anb_onnx.engines", "accuracy", "--benchmark=accel-nasbench"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "group.loop:" in done.stdout
    assert done.stderr == ""


def test_without_the_compiler_it_says_so() -> None:
    code = (
        "import sys; sys.modules['llvmlite'] = None\n"
        "import anb_onnx\nfrom anb_onnx.engines import assembly\n"
        "try:\n    assembly(anb_onnx.load('accuracy'))\n"
        "except anb_onnx.EngineError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install llvmlite" in done.stdout
