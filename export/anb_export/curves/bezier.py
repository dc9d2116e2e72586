"""Bezier curves with free control points, and a network that predicts them: EA-HAS-Bench's head.

EA-HAS-Bench (Dou et al., ICLR 2023) predicts a learning curve as a quintic Bezier curve in the
plane of epoch and accuracy. Its repository (microsoft/EA-HAS-Bench, BSC/bezier_vis.py and
BSC/models/bezier_nn_hpo.py) defines what is here: the curve begins at the first epoch and ends at
the last, x0 and x5; ten numbers are free, in the order y0, y5, x1..x4, y1..y4. Of a measured curve
y0 and y5 are its ends, and the inner control points are least squares at parameters that grow with
the length along the curve. The network is a multilayer perceptron that minimises the squared error
of these ten numbers; y0 and y5 go through a sigmoid times the largest value, the others are linear.
The value at an epoch is where the curve meets that abscissa.

Differences, all stated: epochs and values are scaled to 0 to 1 first, so that all ten numbers weigh
alike; the abscissa is met by bisection, which finds the crossing if there is one and one of them if
there are several (the original takes the first, and the curve's middle where it finds none).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.curves.bases import CurveError, Floats
from anb_onnx.parallel.extras import need

#: Degree of the curves, and the numbers that are free.
DEGREE, N_FREE = 5, 10

#: Halvings of the parameter: 2**-40 of the curve is far below what float32 tells apart.
HALVINGS = 40

_BINOMIALS = tuple(float(comb(DEGREE, k)) for k in range(DEGREE + 1))


def fit_bezier(curves: Floats) -> Floats:
    """Return the ten numbers of each curve: float64 [n, 10].

    Parameters
    ----------
    curves : ndarray of float64, shape (n, T)
        From 0 to 1, at epochs that are equally far apart; T is more than 5.
    """
    if curves.shape[1] <= DEGREE:
        msg = f"a quintic curve needs more than {DEGREE} epochs, found {curves.shape[1]}"
        raise CurveError(msg)
    x = np.linspace(0.0, 1.0, curves.shape[1])
    found = np.empty((len(curves), N_FREE))
    for row, y in enumerate(curves):
        steps = np.hypot(np.diff(x), np.diff(y))
        s = np.concatenate([[0.0], np.cumsum(steps / steps.sum())])
        points = np.linalg.lstsq(_polynomials(s), np.stack([x, y], axis=1), rcond=None)[0]
        found[row] = [y[0], y[-1], *points[1:-1, 0], *points[1:-1, 1]]
    return found


def bezier_curves(numbers: Floats, n_epochs: int) -> Floats:
    """Return the curves of ten numbers [n, 10] at equally distant epochs: float64 [n, T]."""
    y0, y5 = numbers[:, :1], numbers[:, 1:2]
    x = np.concatenate([np.zeros_like(y0), numbers[:, 2:6], np.ones_like(y0)], axis=1)
    y = np.concatenate([y0, numbers[:, 6:], y5], axis=1)
    at = np.linspace(0.0, 1.0, n_epochs)
    low = np.zeros((len(numbers), n_epochs))
    step = 1.0
    for _ in range(HALVINGS):
        step /= 2
        low = low + step * (_value(x, low + step) <= at)
    found = _value(y, low)
    # The ends are told, whatever abscissae of inner points do next to them.
    found[:, 0], found[:, -1] = numbers[:, 0], numbers[:, 1]
    return np.asarray(found)


def _polynomials(s: Floats) -> Floats:
    return np.stack([b * s**k * (1 - s) ** (DEGREE - k) for k, b in enumerate(_BINOMIALS)], axis=-1)


def _value(points: Floats, s: Floats) -> Floats:
    """Return the coordinate of control points [n, 6] at parameters [n, T] (de Casteljau)."""
    parts = [points[:, k, None] for k in range(DEGREE + 1)]
    while len(parts) > 1:
        parts = [(1 - s) * a + s * b for a, b in itertools.pairwise(parts)]
    return np.asarray(parts[0])


@dataclass(frozen=True, eq=False)
class BezierHead:
    """A trained network from features to the ten numbers.

    Attributes
    ----------
    weights, biases : tuple of ndarray of float32
        Of its linear layers, [inputs, outputs] and [outputs]; ReLU between them.
    mean, size : ndarray of float32, shape (d,)
        What features are centred and divided by.
    top : float
        Largest value of a curve, in the target's unit; 0 is the least.
    n_epochs : int
        Knots of the curve, T.
    """

    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]
    mean: NDArray[np.float32]
    size: NDArray[np.float32]
    top: float
    n_epochs: int

    def numbers(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return float32 [n, 10]: y0, y5, x1..x4, y1..y4, epochs and values from 0 to 1.

        Parameters
        ----------
        features : ndarray, shape (n, d)
        """
        x = (features.astype(np.float32) - self.mean) / self.size
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = np.maximum(x, 0) if k else x
            x = x @ weight + bias
        with np.errstate(over="ignore"):  # then it is 0, as it should be
            ends = 1.0 / (1.0 + np.exp(-x[:, :2]))
        return np.concatenate([ends, x[:, 2:]], axis=1).astype(np.float32)

    def curves(self, features: NDArray[Any]) -> Floats:
        """Return float64 [n, T]: the curves in the target's unit."""
        return self.top * bezier_curves(self.numbers(features).astype(np.float64), self.n_epochs)


def fit_head(
    features: Floats,
    curves: Floats,
    top: float,
    *,
    layers: tuple[int, ...] = (128, 64, 64),
    epochs: int = 600,
    dropout: float = 0.1,
    rate: float = 2e-3,
    batch: int = 128,
    seed: int = 0,
) -> BezierHead:
    """Train the network as EA-HAS-Bench does: Adam on the squared error of the ten numbers.

    Parameters
    ----------
    features : ndarray of float64, shape (n, d)
    curves : ndarray of float64, shape (n, T)
        From 0 to `top`, at epochs that are equally far apart.
    top : float
    layers, epochs, dropout, rate, batch
        Of the network; the original searches among such for each data set.
    seed : int
        Same seed, same weights (on one machine).

    Raises
    ------
    ExtraError
        If PyTorch is not installed.
    """
    torch = need("torch", extra="integrations", what="training a Bezier head")
    labels = fit_bezier(curves / top)
    mean, size = features.mean(axis=0), features.std(axis=0)
    size = np.where(size > 0, size, 1.0)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sizes = (features.shape[1], *layers, N_FREE)
        linear = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
        parts: list[Any] = []
        for k, layer in enumerate(linear):
            parts += [torch.nn.ReLU()] if k else []
            parts += [torch.nn.Dropout(dropout)] if 0 < k == len(linear) - 1 else []
            parts.append(layer)
        net = torch.nn.Sequential(*parts)
        x = torch.tensor((features - mean) / size, dtype=torch.float32)
        y = torch.tensor(labels, dtype=torch.float32)
        optimizer = torch.optim.Adam(net.parameters(), lr=rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
        net.train()
        for _ in range(epochs):
            for rows in torch.randperm(len(x), generator=generator).split(batch):
                optimizer.zero_grad()
                found = net(x[rows])
                found = torch.cat([torch.sigmoid(found[:, :2]), found[:, 2:]], dim=1)
                ((found - y[rows]) ** 2).mean().backward()
                optimizer.step()
            schedule.step()
    return BezierHead(
        tuple(layer.weight.detach().numpy().T.copy() for layer in linear),
        tuple(layer.bias.detach().numpy().copy() for layer in linear),
        mean.astype(np.float32),
        size.astype(np.float32),
        float(top),
        curves.shape[1],
    )
