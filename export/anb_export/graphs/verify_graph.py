"""Compares an ONNX file with the ensemble it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.training.members_folder import Training
from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample

#: Largest accepted difference to xgboost's own prediction, in standard deviations of the target.
#: xgboost adds thousands of leaves in float32, so its own error is up to 1e-4 and more; a larger
#: difference means that its model was read wrongly.
XGBOOST_TOLERANCE = 1e-3

#: Rows of one call; large calls are slower, as their intermediate results leave the cache.
_ROWS = 4096


class VerifyError(AnbError):
    """An ONNX file cannot be compared with the members given."""


@dataclass(frozen=True)
class Difference:
    """Largest absolute differences of an ONNX file's outputs, in standard deviations of the target.

    Attributes
    ----------
    members : tuple of float
        Of each member.
    mean, std : float
        Of the ensemble's mean and population standard deviation.
    """

    members: tuple[float, ...]
    mean: float
    std: float

    @property
    def largest(self) -> float:
        """The largest of all; NaN if any output is NaN."""
        return float(np.max([*self.members, self.mean, self.std]))


@dataclass(frozen=True)
class Verification:
    """Outcome of `verify`, in standard deviations of the target.

    Attributes
    ----------
    n : int
        Number of random architectures compared.
    seed : int
        Their seed.
    exact : Difference
        To the float64 sums of the leaves.
    xgboost : tuple of float
        Of each member to xgboost's own float32 prediction.
    """

    n: int
    seed: int
    exact: Difference
    xgboost: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome for the manifest, with three digits."""
        return {
            "n": self.n,
            "seed": self.seed,
            "exact": {
                "members": [_short(value) for value in self.exact.members],
                "mean": _short(self.exact.mean),
                "std": _short(self.exact.std),
            },
            "xgboost": {"members": [_short(value) for value in self.xgboost]},
            "versions": {package: version(package) for package in ("onnxruntime", "xgboost")},
        }


def verify(model: bytes, training: Training, *, n: int, seed: int) -> Verification:
    """Compare an ONNX model with the members it was made from, on random architectures.

    Parameters
    ----------
    model : bytes
        The ONNX file.
    training : Training
    n : int
        Number of architectures, at least 1.
    seed : int
        Their seed.

    Raises
    ------
    AnbError
        If onnxruntime cannot run the model, it has another number of members, or a member's file
        is damaged.
    """
    if n < 1:
        msg = f"n must be at least 1, found {n}"
        raise VerifyError(msg)
    if training.family != "xgb":
        msg = f"{training.folder} holds members of the family {training.family}, not of xgboost"
        raise VerifyError(msg)
    codes = sample(n, seed=seed, space=training.space)
    outputs = run_model(model, codes)
    exact = _difference(outputs, exact_members(training, codes), training.target_std)
    own = _xgboost_members(training, codes)
    gap = np.abs(outputs["members"].astype(np.float64) - own).max(axis=0) / training.target_std
    return Verification(n, seed, exact, tuple(map(float, gap)))


def compare(
    model: bytes, codes: NDArray[np.uint8], exact: NDArray[np.float64], scale: float
) -> Difference:
    """Compare a model's outputs with the members' exact predictions.

    Parameters
    ----------
    model : bytes
        The ONNX file.
    codes : ndarray of uint8, shape (n, n_genes)
    exact : ndarray of float64, shape (n, n_members)
        In the target's unit.
    scale : float
        Unit of the result: the target's standard deviation.
    """
    return _difference(run_model(model, codes), exact, scale)


def exact_members(training: Training, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return each member's float64 sum of leaves, in the target's unit: [n, n_members]."""
    columns = [forest.predict_exact(codes) for forest in training.forests()]
    return training.transform.inverse(np.stack(columns, axis=1), codes, training.space)


def run_model(model: bytes, codes: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Run a model with one thread: float32 ``mean`` [n], ``std`` [n], ``members`` [n, n_members].

    Raises
    ------
    VerifyError
        If onnxruntime refuses the model.
    EngineError
        If the model's card asks for a newer onnxruntime than is installed: some older ones do not
        refuse it, but compute it wrongly.
    """
    from anb_onnx.engines.onnxruntime_engine import _check_required
    from anb_onnx.engines.ort import onnxruntime as ort
    from anb_onnx.onnx_files.messages import read_metadata

    _check_required(read_metadata(model), "the model")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    names = ["mean", "std", "members"]
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        parts = [
            session.run(names, {session.get_inputs()[0].name: codes[start : start + _ROWS]})
            for start in range(0, len(codes), _ROWS)
        ]
    except Exception as error:  # onnxruntime raises several unrelated types
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        msg = f"onnxruntime {ort.__version__} cannot run the model: {reason}"
        raise VerifyError(msg) from error
    return {
        name: np.concatenate(column)
        for name, column in zip(names, zip(*parts, strict=True), strict=True)
    }


def _difference(
    outputs: dict[str, NDArray[np.float32]], exact: NDArray[np.float64], scale: float
) -> Difference:
    if outputs["members"].shape != exact.shape:
        found = outputs["members"].shape[1]
        msg = f"the model has {found} members, the training {exact.shape[1]}"
        raise VerifyError(msg)
    wanted = {"members": exact, "mean": exact.mean(axis=1), "std": exact.std(axis=1)}
    worst = {
        name: np.abs(outputs[name].astype(np.float64) - value).max(axis=0) / scale
        for name, value in wanted.items()
    }
    members = tuple(map(float, worst["members"]))
    return Difference(members, float(worst["mean"]), float(worst["std"]))


def _xgboost_members(training: Training, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    import xgboost as xgb

    columns = []
    rows = codes.astype(np.float32)
    for content in training.contents():
        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(content))
        # Without iteration_range, inplace_predict would stop at the best iteration.
        label = booster.inplace_predict(rows, iteration_range=(0, booster.num_boosted_rounds()))
        columns.append(label.astype(np.float64))
    return training.transform.inverse(np.stack(columns, axis=1), codes, training.space)


def _short(value: float) -> float:
    return float(f"{value:.3g}")
