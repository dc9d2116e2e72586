"""Support vector regression: the checked model, and its ONNX node through skl2onnx.

The prediction is a sum over the support vectors v of ``coefficient * kernel(x, v)``, plus an
intercept. ONNX has it as SVMRegressor, which computes in float32: see `Kernel` for how close.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.errors import AnbError
from anb_onnx.spaces.space import MAX_CHOICES

#: Kernels that ONNX knows.
KERNELS = ("linear", "poly", "rbf", "sigmoid")

_ROWS = 1024
#: Largest number of any kind: SVMRegressor computes in float32.
_LARGEST = float(np.finfo(np.float32).max)
#: Of any search space.
_LARGEST_CODE = MAX_CHOICES - 1
_LARGEST_DEGREE = 100


class KernelError(AnbError):
    """A support vector machine is damaged, or of a kind that cannot be exported."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """A fitted SVR or NuSVR.

    Attributes
    ----------
    kernel : str
        One of `KERNELS`.
    gamma, coef0 : float
    degree : int
        Parameters of the kernel.
    vectors : ndarray of float64, shape (n_vectors, n_features)
        None where all targets lay in the tube of width epsilon: then the prediction is constant.
    coefficients : ndarray of float64, shape (n_vectors,)
    intercept : float
    inputs : ndarray of float64, shape (n_features, n_codes), or None
        The number that the kernel takes for each code of each feature; the code itself if None.
    """

    kernel: str
    gamma: float
    coef0: float
    degree: int
    vectors: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    intercept: float
    inputs: NDArray[np.float64] | None = None

    @property
    def n_features(self) -> int:
        """Number of features the model was trained on."""
        return int(self.vectors.shape[1])

    def predict_exact(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Compute in float64: codes uint8 [n, n_features] to float64 [n]."""
        parts = [
            self._predict(self._numbers(codes[start : start + _ROWS]))
            for start in range(0, len(codes), _ROWS)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _numbers(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        if self.inputs is None:
            return codes.astype(np.float64)
        return self.inputs[np.arange(self.n_features), codes]

    def _predict(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        product = x @ self.vectors.T
        if self.kernel == "rbf":
            # Numbers and vectors are integers here, so that the distance comes out exactly.
            squares = (x**2).sum(axis=1)[:, None] + (self.vectors**2).sum(axis=1)
            # Others may round to below zero, where a large gamma overflows.
            k = np.exp(-self.gamma * np.maximum(squares - 2 * product, 0))
        elif self.kernel == "poly":
            k = (self.gamma * product + self.coef0) ** self.degree
        elif self.kernel == "sigmoid":
            k = np.tanh(self.gamma * product + self.coef0)
        else:
            k = product
        found: NDArray[np.float64] = k @ self.coefficients + self.intercept
        return found


def kernel_from_state(state: Mapping[str, Any]) -> Kernel:
    """Check the attributes of a pickled SVR or NuSVR of scikit-learn.

    Raises
    ------
    KernelError
        If the estimator is not fitted or damaged, its kernel is none of `KERNELS`, or numbers are
        so large that a prediction may be beyond float32.
    """
    # A pickle may hold anything, an array for one: types first, values then.
    kernel = state.get("kernel")
    if not isinstance(kernel, str) or kernel not in KERNELS:
        allowed = ", ".join(KERNELS)
        _refuse(f"kernel {show(kernel)} is not supported; supported: {allowed}")
    if "support_vectors_" not in state:
        _refuse("the support vector machine is not fitted; fit it first")
    if state.get("_sparse", False) is not False:
        _refuse("fitted on sparse rows, which is not supported; fit on a dense array")
    # The public names carry the sign of a classifier's classes; these are what libsvm computes.
    vectors = _array(state, "support_vectors_", 2)
    coefficients = _array(state, "_dual_coef_", 2)
    intercept = _array(state, "_intercept_", 1)
    if coefficients.shape != (1, len(vectors)) or intercept.shape != (1,) or not vectors.shape[1]:
        _refuse(
            f"the support vector machine is damaged: {len(vectors)} vectors, coefficients of shape "
            f"{list(coefficients.shape)}"
        )
    if (vectors < 0).any() or (vectors > 255).any():
        _refuse(
            "'support_vectors_' must be codes, from 0 to 255; fit on the codes themselves, neither "
            "scaled nor shifted"
        )
    gamma, degree = _number(state, "_gamma"), _number(state, "degree")
    if gamma < 0:
        _refuse(f"'_gamma' must not be negative, found {gamma}")
    if not degree.is_integer() or not 0 <= degree <= _LARGEST_DEGREE:
        _refuse(f"'degree' must be an integer from 0 to {_LARGEST_DEGREE}, found {degree:g}")
    found = Kernel(
        kernel=kernel,
        gamma=gamma,
        coef0=_number(state, "coef0"),
        degree=int(degree),
        vectors=vectors,
        coefficients=coefficients[0],
        intercept=float(intercept[0]),
    )
    _check_size(found)
    return found


def on_inputs(kernel: Kernel, inputs: Sequence[NDArray[np.float64]]) -> Kernel:
    """Return the model that takes codes, of one that was trained on numbers that stand for them.

    Parameters
    ----------
    kernel : Kernel
    inputs : sequence of ndarray of float64, shape (n_codes,)
        For each feature, the number of each code.

    Raises
    ------
    KernelError
        If a prediction may be beyond float32.
    """
    table = np.zeros((len(inputs), max(map(len, inputs))))
    for row, numbers in zip(table, inputs, strict=True):
        row[: len(numbers)] = numbers
    found = replace(kernel, inputs=table)
    _check_size(found)
    return found


def _check_size(kernel: Kernel) -> None:
    """Refuse a model that may leave float32 on its way, of which infinities would come."""
    largest = 1.0  # the value of a kernel, at most
    numbers = _LARGEST_CODE if kernel.inputs is None else float(np.abs(kernel.inputs).max())
    product = numbers * float(kernel.vectors.sum(axis=1).max(initial=0.0))
    if kernel.kernel == "linear":
        largest = product
    elif kernel.kernel == "poly":
        try:
            largest = (kernel.gamma * product + abs(kernel.coef0)) ** kernel.degree
        except OverflowError:
            largest = math.inf
    # In Python's numbers, which overflow without a warning.
    total = sum(map(abs, kernel.coefficients.tolist())) * largest + abs(kernel.intercept)
    if not max(largest, total) <= _LARGEST:
        _refuse(
            f"predictions may be beyond float32 ({_LARGEST:.2e}), in which the artifact computes; "
            "fit with a smaller gamma, coef0 or degree, on a target of a smaller unit"
        )


def svm_attributes(kernel: Kernel) -> dict[str, Any]:
    """Return the attributes of the SVMRegressor (ai.onnx.ml 1) that skl2onnx makes of a model."""
    from onnx import helper
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.svm import SVR

    vectors, coefficients = kernel.vectors, kernel.coefficients
    if not len(vectors):  # which the operator does not know: one that counts nothing
        vectors, coefficients = np.zeros((1, kernel.n_features)), np.zeros(1)
    # A fresh estimator with the checked numbers; skl2onnx looks at nothing else.
    estimator = SVR(kernel=kernel.kernel, degree=kernel.degree, coef0=kernel.coef0)
    estimator.support_vectors_ = vectors
    estimator.support_ = np.arange(len(vectors))
    estimator.dual_coef_ = estimator._dual_coef_ = coefficients[None, :]
    estimator.intercept_ = estimator._intercept_ = np.array([kernel.intercept])
    estimator._gamma = kernel.gamma
    estimator._sparse = False
    estimator.n_features_in_ = kernel.n_features
    estimator.shape_fit_ = vectors.shape
    model = convert_sklearn(
        estimator,
        initial_types=[("x", FloatTensorType([None, kernel.n_features]))],
        target_opset={"": 10, "ai.onnx.ml": 1},
    )
    nodes = [node for node in model.graph.node if node.op_type == "SVMRegressor"]
    if len(nodes) != 1:
        found = ", ".join(node.op_type for node in model.graph.node)
        _refuse(f"expected one SVMRegressor from skl2onnx, found {found}")
    return {a.name: helper.get_attribute_value(a) for a in nodes[0].attribute}


def _array(state: Mapping[str, Any], key: str, n_axes: int) -> NDArray[np.float64]:
    found = state.get(key)
    if not isinstance(found, np.ndarray) or found.ndim != n_axes or found.dtype.kind not in "fiu":
        _refuse(f"the support vector machine is damaged: {key!r} is no array of numbers")
    array = found.astype(np.float64)
    if not np.isfinite(array).all():
        _refuse(f"the support vector machine is damaged: {key!r} is not finite")
    if (np.abs(array) > _LARGEST).any():
        _refuse(
            f"{key!r} is not finite in float32 (at most {_LARGEST:.2e}), in which the artifact "
            "computes; fit on the codes, on a target of a smaller unit"
        )
    return array


def _number(state: Mapping[str, Any], key: str) -> float:
    found = state.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        _refuse(f"{key!r} must be a finite number, found {show(found)}")
    # Before it becomes a float: an integer may be too long for one. NaN is between no numbers.
    if not -_LARGEST <= found <= _LARGEST:
        _refuse(
            f"{key!r} must be a finite number, at most {_LARGEST:.2e} in size, found {show(found)}"
        )
    return float(found)


def _refuse(message: str) -> NoReturn:
    raise KernelError(message)
