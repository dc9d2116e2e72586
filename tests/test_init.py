import subprocess
import sys
from importlib.metadata import version

import pytest

import anb_onnx


def test_every_public_name_is_there() -> None:
    for name in anb_onnx.__all__:
        assert getattr(anb_onnx, name) is not None
        assert name in dir(anb_onnx)


@pytest.mark.parametrize("room", ["adapters", "compat", "exact", "experiments", "search"])
def test_rooms_are_there_without_an_import_of_their_own(room: str) -> None:
    script = f"import anb_onnx; print(anb_onnx.{room}.__name__, {room!r} in dir(anb_onnx))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [f"anb_onnx.{room}", "True"]


def test_version_is_the_installed_one() -> None:
    assert anb_onnx.__version__ == version("anb-onnx")


def test_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="laod"):
        anb_onnx.laod  # type: ignore[attr-defined] # noqa: B018


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import anb_onnx", {"numba", "onnxruntime", "numpy"}),
        ("import anb_onnx; anb_onnx.targets", {"numba", "onnxruntime"}),
        ("import anb_onnx; anb_onnx.load", {"numba", "onnxruntime"}),
        ("import anb_onnx.cli.main", {"numba", "onnxruntime"}),
        ("import anb_onnx.compat", {"numba", "onnxruntime"}),
        ("import anb_onnx; anb_onnx.Problem; anb_onnx.tasks()", {"numba", "onnxruntime"}),
        ("import anb_onnx; anb_onnx.search; anb_onnx.adapters", {"numba", "pymoo", "optuna"}),
        ("import anb_onnx; anb_onnx.experiments", {"numba", "pymoo", "scipy", "matplotlib"}),
        ("import anb_onnx.cli.main", {"distributed", "dask", "ray", "pyarrow"}),
        (
            "from anb_onnx import search; [getattr(search, name) for name in search.__all__]",
            {"numba", "onnxruntime", "pyarrow", "matplotlib", "moocore", "pymoo", "scipy"},
        ),
        ("import anb_onnx.scale_out", {"distributed", "dask", "ray", "pyarrow", "numba"}),
    ],
)
def test_importing_brings_in_nothing_heavy(code: str, absent: set[str]) -> None:
    script = f"{code}\nimport sys\nprint(*sorted({absent!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
