"""Multilayer perceptrons of scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.predictors.contract import Predictor, Sample
from anb_export.predictors.features import Floats, folds, rest, scale_of
from anb_export.predictors.intervals import from_residuals
from anb_export.training.block_sums import one_thread
from anb_onnx.spaces.space import SearchSpace

#: Members: each without a fold of its own.
N_MEMBERS = 3

#: Rows up to which all of them make a step (L-BFGS); above, some at a time (Adam).
_WHOLE_ROWS = 1000


class Networks(Predictor):
    """Members that are networks.

    Attributes
    ----------
    estimator : sklearn.pipeline.Pipeline
        Of float32 codes: a column for each choice, then one network that holds all members.
    """

    def __init__(self, estimator: Any, sample: Sample) -> None:
        self.space = sample.space
        self.estimator = estimator

    def members(self, codes: NDArray[np.uint8]) -> Floats:
        """Return float64 [N, M]."""
        with one_thread():
            found = self.estimator.predict(codes.astype(np.float32))
        return np.asarray(found, dtype=np.float64).reshape(len(codes), -1)

    def network(self) -> object:
        """Return the estimator."""
        return self.estimator


def fit_small(sample: Sample, seed: int) -> Predictor:
    """Fit two layers of 32."""
    return _fit(sample, seed, (32, 32))


def fit_large(sample: Sample, seed: int) -> Predictor:
    """Fit four layers of 128."""
    return _fit(sample, seed, (128, 128, 128, 128))


def _fit(sample: Sample, seed: int, layers: tuple[int, ...]) -> Predictor:
    """Fit the members, each without a fold of its own."""
    y = sample.values
    mean, scale = scale_of(y)
    z = ((y - mean) / scale).astype(np.float32)
    columns = _columns(sample.space, sample.codes)
    x = columns.transform(sample.codes.astype(np.float32))
    nets, rows, predicted = [], [], []
    with one_thread():
        for number, held in enumerate(folds(sample, seed, 5)[:N_MEMBERS]):
            kept = rest(len(y), held)
            net = _network(x[kept], z[kept], layers, seed + number)
            nets.append(net)
            rows.append(held)
            predicted.append(mean + scale * net.predict(x[held]).astype(np.float64))
    found = Networks(_pipeline(columns, _joined(nets, mean, scale)), sample)
    found.calibration = from_residuals(y[np.concatenate(rows)], np.concatenate(predicted))
    return found


def _columns(space: SearchSpace, codes: NDArray[np.uint8]) -> Any:
    """Return scikit-learn's encoder with a column for each choice of each gene."""
    from sklearn.preprocessing import OneHotEncoder

    choices = [np.arange(size, dtype=np.float32) for size in space.gene_sizes]
    encoder = OneHotEncoder(categories=choices, sparse_output=False, dtype=np.float32)
    return encoder.fit(codes.astype(np.float32))


def _network(x: Any, z: Any, layers: tuple[int, ...], seed: int) -> Any:
    from sklearn.neural_network import MLPRegressor

    n = len(z)
    if n <= _WHOLE_ROWS:
        options: dict[str, Any] = {"solver": "lbfgs", "alpha": 1.0, "max_iter": 100}
    else:
        options = {
            "solver": "adam",
            "alpha": 1e-3,
            "batch_size": 128,
            "learning_rate_init": 3e-3,
            "max_iter": 20,
            "tol": 0.0,
        }
    net = MLPRegressor(hidden_layer_sizes=layers, random_state=seed % 2**32, **options)
    with warnings.catch_warnings():
        # That it has not converged: the number of steps is what keeps it from learning noise.
        warnings.simplefilter("ignore")
        return net.fit(x, z)


def _joined(nets: Sequence[Any], mean: float, scale: float) -> Any:
    """Return one network with an output for each, in the unit of the values."""
    from scipy.linalg import block_diag
    from sklearn.base import clone

    joined = clone(nets[0])
    last = nets[0].n_layers_ - 2
    layers = list(zip(*(net.coefs_ for net in nets), strict=True))
    joined.coefs_ = [np.concatenate(layers[0], axis=1), *(block_diag(*w) for w in layers[1:])]
    joined.intercepts_ = [
        np.concatenate(parts) for parts in zip(*(net.intercepts_ for net in nets), strict=True)
    ]
    joined.coefs_[last] = joined.coefs_[last] * scale
    joined.intercepts_[last] = joined.intercepts_[last] * scale + mean
    joined.coefs_ = [w.astype(np.float32) for w in joined.coefs_]
    joined.intercepts_ = [b.astype(np.float32) for b in joined.intercepts_]
    joined.hidden_layer_sizes = tuple(len(nets) * size for size in nets[0].hidden_layer_sizes)
    joined.n_outputs_, joined.n_layers_ = len(nets), nets[0].n_layers_
    joined.out_activation_ = nets[0].out_activation_
    joined.n_features_in_ = nets[0].n_features_in_
    return joined


def _pipeline(columns: Any, net: Any) -> Any:
    from sklearn.pipeline import Pipeline

    return Pipeline([("columns", columns), ("network", net)])
