"""The Bezier head: trained, exported, and the same in onnxruntime."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnxruntime
import pytest
from anb_export.curves.bezier import BezierHead, bezier_curves, fit_head
from anb_export.curves.bezier_graph import head_to_onnx
from tools import need_tool


def small_head() -> BezierHead:
    """Return a head with random weights, its curves of all kinds."""
    rng = np.random.default_rng(0)
    sizes = (5, 16, 10)
    weights, biases = [], []
    for width, out in pairwise(sizes):
        weights.append((rng.normal(size=(width, out)) / 2).astype(np.float32))
        biases.append(rng.normal(size=out).astype(np.float32))
    mean, size = rng.normal(size=5), rng.uniform(0.5, 2.0, 5)
    return BezierHead(
        tuple(weights),
        tuple(biases),
        mean.astype(np.float32),
        size.astype(np.float32),
        0.7,
        51,
    )


def test_onnxruntime_computes_what_the_head_does() -> None:
    head = small_head()
    features = np.random.default_rng(1).normal(size=(300, 5))
    session = onnxruntime.InferenceSession(head_to_onnx(head))
    numbers, curve = session.run(None, {"features": features.astype(np.float32)})
    wanted = head.numbers(features.astype(np.float32))
    assert np.abs(numbers - wanted).max() <= 4e-6 * np.abs(wanted).max()
    # Of the numbers that the file itself gives, the curve is the same to float32's last digits.
    own = 0.7 * bezier_curves(numbers.astype(np.float64), 51)
    assert np.abs(curve - own).max() <= 1e-6 * max(1.0, np.abs(own).max())
    assert curve.dtype == np.float32
    assert session.run(["curve"], {"features": np.zeros((0, 5), np.float32)})[0].shape == (0, 51)


def test_the_head_keeps_ends_between_0_and_the_top() -> None:
    curves = small_head().curves(np.random.default_rng(2).normal(size=(100, 5)) * 50)
    assert curves[:, [0, -1]].min() >= 0.0
    assert curves[:, [0, -1]].max() <= 0.7


def test_training_learns_and_repeats() -> None:
    need_tool("torch")
    rng = np.random.default_rng(3)
    features = rng.uniform(-1, 1, (200, 2))
    s = np.linspace(0, 1, 21)
    curves = 0.4 + 0.3 * features[:, :1] * np.sqrt(s) + 0.1 * features[:, 1:] * s

    def fit() -> BezierHead:
        return fit_head(
            features, curves, 1.0, layers=(32,), epochs=80, dropout=0.0, rate=2e-2, batch=200
        )

    head = fit()
    error = np.abs(head.curves(features) - curves).mean()
    assert error < 0.5 * np.abs(curves - curves.mean(axis=0)).mean()
    again = fit()
    assert all(map(np.array_equal, head.weights, again.weights))
    with pytest.raises(ValueError, match="shape"):
        head.numbers(np.zeros((1, 3)))
