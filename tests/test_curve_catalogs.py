"""Catalogs of curves: the same bits in Python, in the ONNX file, and by hand from the manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

import anb_onnx
from anb_onnx.spaces.architecture import sample
from anb_onnx.vector_answers import Curve

FOLDER = Path(__file__).resolve().parents[1] / "spaces" / "anb_onnx_spaces" / "artifacts"
CATALOGS = ("digits", "taskset")
if not all((FOLDER / name).is_dir() for name in CATALOGS):  # as in the source distribution
    pytest.skip("needs the catalogs in spaces, part of the repository", allow_module_level=True)


def manifest(catalog: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / catalog / "manifest.json").read_text())
    return found


CURVES = [
    (catalog, target)
    for catalog in CATALOGS
    for target, entry in manifest(catalog)["targets"].items()
    if "curve" in entry
]


def load(catalog: str, target: str) -> anb_onnx.Surrogate:
    return anb_onnx.load(target, benchmark=catalog, path=FOLDER, engine="numpy")


def by_hand(
    catalog: str, entry: dict[str, Any], codes: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients [K][N, M] and curves [N, M, T], float64: as docs/reference/format.md."""
    blocks = manifest(catalog)["search_space"]["blocks"]
    sizes = [len(block["genes"][0]["choices"]) for block in blocks]  # one gene each
    tables, curve = entry["tables"], entry["curve"]
    content = (FOLDER / catalog / entry["file"]).read_bytes()
    k, m = tables["outputs"], tables["members"]
    stored = np.frombuffer(content, "<i4", tables["entries"] * k * m, tables["offset"])
    entries = stored.reshape(tables["entries"], k, m)
    totals, start = np.zeros((len(codes), k, m), dtype=np.int32), 0
    for term in entry["terms"]:
        shape = [sizes[block] for block in term]
        place = np.ravel_multi_index(tuple(codes[:, term].T.astype(int)), shape)
        totals += entries[start + place]
        start += int(np.prod(shape))
    scale, shift = (np.array(tables[key])[None, :, None] for key in ("scale", "shift"))
    c = totals.astype(np.float64) * scale + shift
    z = np.broadcast_to(np.array(curve["offset"]), (len(codes), m, len(curve["at"])))
    basis = np.array(curve["basis"])
    for j in range(curve["coefficients"]):
        z = z + c[:, j, :, None] * basis[:, j]
    assert curve["gate"] is None
    low, high = curve["range"]
    y = np.minimum(np.maximum(z, low), high)
    for step in entry["link"]["inverse"]:
        assert step in ("square", "reflect")
        y = y * y if step == "square" else entry["link"]["offset"] - y
    return c, y


@pytest.mark.parametrize(("catalog", "target"), CURVES)
def test_python_the_file_and_a_reader_by_hand_give_the_same_bits(catalog: str, target: str) -> None:
    surrogate = load(catalog, target)
    entry = manifest(catalog)["targets"][target]
    codes = sample(300, seed=7, space=surrogate.space)
    session = onnxruntime.InferenceSession(str(FOLDER / catalog / entry["file"]))
    names = [output.name for output in session.get_outputs()]
    file = dict(zip(names, session.run(None, {"architectures": codes}), strict=True))
    answer = surrogate.query(codes, members=True)
    assert isinstance(answer, Curve)
    values = answer.until()
    found: dict[str, Any] = {
        "mean": answer.mean,
        "std": answer.std,
        "members": answer.members,
        "curve_mean": values.mean,
        "curve_std": values.std,
        "curve_members": values.members,
    }
    for name, value in found.items():
        assert value is not None
        assert np.array_equal(file[name], value), name
    assert values.members is not None
    c, y = by_hand(catalog, entry, codes)
    assert np.array_equal(file["output_members"], c.transpose(0, 2, 1).astype(np.float32))
    assert np.array_equal(values.members, y.astype(np.float32))
    total = y[:, 0]
    for m in range(1, y.shape[1]):
        total = total + y[:, m]
    assert np.array_equal(values.mean, (total / y.shape[1]).astype(np.float32))


def test_curves_stay_within_what_was_measured() -> None:
    for catalog, target in CURVES:
        surrogate = load(catalog, target)
        curve = surrogate.query(sample(500, seed=1, space=surrogate.space))
        assert isinstance(curve, Curve)
        values = curve.until()
        assert values.mean.min() >= 0.0
        if surrogate.target.unit == "%":
            assert values.mean.max() <= 100.0
        if surrogate.target.unit == "nats":  # no worse than before training
            assert values.mean.max() <= 2.4


def test_time_grows_in_proportion_to_the_epoch() -> None:
    surrogate = load("digits", "train_time")
    curve = surrogate.query(sample(200, seed=2, space=surrogate.space))
    assert isinstance(curve, Curve)
    third = curve.at(9).mean.astype(np.float64)
    assert np.allclose(third * 3, curve.mean, rtol=1e-6)
    assert np.array_equal(curve.epochs, np.arange(1.0, 28.0))


def test_a_curve_has_intervals_at_every_epoch() -> None:
    surrogate = load("digits", "val_accuracy")
    codes = sample(50, seed=3, space=surrogate.space)
    curve = surrogate.query(codes)
    assert isinstance(curve, Curve)
    for epoch in (1, 5.5, 27):
        low, high = curve.at(epoch).interval(0.9)
        assert (low < curve.at(epoch).mean).all()
        assert (high > curve.at(epoch).mean).all()


@pytest.mark.parametrize("catalog", CATALOGS)
def test_cards_state_what_was_done_to_the_targets(catalog: str) -> None:
    for entry in manifest(catalog)["targets"].values():
        assert "count as" in entry["transformation"]
        assert entry["split"]["by"] == "configuration"
        assert {"out_of_fold", "test"} <= entry["quality"].keys()
        coverage = entry["coverage"]["test"]["intervals"]
        # TaskSet's test settings are 200: a share has a standard deviation of .035.
        assert 0.35 < coverage["0.5"] < 0.65
        assert 0.85 < coverage["0.9"] < 0.97
