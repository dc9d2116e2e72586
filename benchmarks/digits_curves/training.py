"""Trains one configuration, epoch by epoch.

The data are scikit-learn's digits, 1,797 pictures of 8 x 8 pixels in 10 classes, in a fixed split:
sorted by class (stable), of each five in turn the first, third and fifth are for training, the
second for validation and the fourth for test: 1,078, 360 and 359 pictures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from anb_onnx.parallel.extras import need
from benchmarks.digits_curves.genes import EPOCHS, configuration

_WHAT = "training on the digits"
#: Momentum of `sgd`.
MOMENTUM = 0.9


@dataclass(frozen=True)
class Epoch:
    """What is measured after an epoch.

    Attributes
    ----------
    val_accuracy : float
        Share of validation pictures that are classified right; NaN if an output is not finite.
    val_loss, train_loss : float
        Mean cross-entropy in nats: of the validation pictures afterwards, and of the training
        pictures as they were met, with dropout. NaN or infinite in runs that diverge.
    seconds : float
        CPU seconds of the process, for training from the start of the run to here: shuffling,
        steps, nothing of evaluation or of making the network.
    """

    val_accuracy: float
    val_loss: float
    train_loss: float
    seconds: float


@dataclass(frozen=True)
class Data:
    """The three parts, as tensors of torch; pixels between 0 and 1."""

    train: tuple[Any, Any]
    validation: tuple[Any, Any]
    test: tuple[Any, Any]


@cache
def data() -> Data:
    """Read the digits and split them."""
    torch = need("torch", extra="integrations", what=_WHAT)
    digits = need("sklearn.datasets", extra="bench", what=_WHAT).load_digits()
    order = np.argsort(digits.target, kind="stable")
    turn = np.arange(len(order)) % 5

    def part(which: Any) -> tuple[Any, Any]:
        rows = order[which]
        pixels = torch.tensor(digits.data[rows] / 16, dtype=torch.float32)
        return pixels, torch.tensor(digits.target[rows], dtype=torch.int64)

    return Data(part(turn % 2 == 0), part(turn == 1), part(turn == 3))


class Training:
    """A run that can be continued epoch by epoch.

    Parameters
    ----------
    codes : sequence of int, 11
        The configuration.
    seed : int
        The same codes and seed give the same curves on the same machine with the same versions.

    Raises
    ------
    ExtraError
        If torch or scikit-learn is missing.
    """

    def __init__(self, codes: Sequence[int], seed: int) -> None:
        self._torch = torch = need("torch", extra="integrations", what=_WHAT)
        torch.set_num_threads(1)
        self._data = data()
        self._chosen = chosen = configuration(codes)
        # Each run draws numbers of its own: with common ones, configurations share their luck.
        entropy = np.random.SeedSequence([seed, *(int(code) for code in codes)])
        torch.manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))
        self._state = torch.get_rng_state()
        self._net = self._network()
        rate, decay = chosen["learning_rate"], chosen["weight_decay"]
        weights = self._net.parameters()
        self._optimizer = (
            torch.optim.SGD(weights, lr=rate, momentum=MOMENTUM, weight_decay=decay, fused=True)
            if chosen["optimizer"] == "sgd"
            else torch.optim.Adam(weights, lr=rate, weight_decay=decay, fused=True)
        )
        self._state = torch.get_rng_state()
        self._seconds = 0.0
        self.epochs: list[Epoch] = []

    def _network(self) -> Any:
        nn, chosen = self._torch.nn, self._chosen
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}[str(chosen["activation"])]
        norm, layers, features = chosen["batch_norm"], [], 64
        if chosen["stem"] != "none":
            kernel, channels = (int(number) for number in str(chosen["stem"])[4:].split("x"))
            layers += [
                nn.Unflatten(1, (1, 8, 8)),
                nn.Conv2d(1, channels, kernel, padding=kernel // 2, stride=2),
                *([nn.BatchNorm2d(channels)] if norm else []),
                activation(),
                nn.Flatten(),
            ]
            features = 16 * channels
        for _ in range(int(chosen["depth"])):
            width = int(chosen["width"])
            layers += [
                nn.Linear(features, width),
                *([nn.BatchNorm1d(width)] if norm else []),
                activation(),
                *([nn.Dropout(chosen["dropout"])] if chosen["dropout"] else []),
            ]
            features = width
        return nn.Sequential(*layers, nn.Linear(features, 10))

    def step(self) -> Epoch:
        """Train one epoch and return what was measured; a run ends after 27."""
        with _flushed(self._torch):
            return self._step()

    def _step(self) -> Epoch:
        torch, net, optimizer = self._torch, self._net, self._optimizer
        loss_of = torch.nn.functional.cross_entropy
        pixels, labels = self._data.train
        net.train()
        # Runs may take turns, as in successive halving: each goes on with numbers of its own.
        torch.set_rng_state(self._state)
        start = time.process_time()
        if self._chosen["schedule"] == "cosine":
            rate = float(self._chosen["learning_rate"])
            turned = math.cos(math.pi * len(self.epochs) / EPOCHS)
            optimizer.param_groups[0]["lr"] = rate * (1 + turned) / 2
        order = torch.randperm(len(labels))
        size = int(self._chosen["batch_size"])
        total = torch.zeros(())
        batches = zip(pixels[order].split(size), labels[order].split(size), strict=True)
        for some, their in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(net(some), their)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(their)
        self._seconds += time.process_time() - start
        self._state = torch.get_rng_state()
        outputs, truth = self._outputs(self._data.validation)
        epoch = Epoch(
            val_accuracy=_accuracy(outputs, truth),
            val_loss=float(loss_of(outputs, truth)),
            train_loss=float(total) / len(labels),
            seconds=self._seconds,
        )
        self.epochs.append(epoch)
        return epoch

    def test_accuracy(self) -> float:
        """Return the share of test pictures that are classified right now."""
        with _flushed(self._torch):
            return _accuracy(*self._outputs(self._data.test))

    def _outputs(self, part: tuple[Any, Any]) -> tuple[Any, Any]:
        self._net.eval()
        with self._torch.no_grad():
            return self._net(part[0]), part[1]


@contextmanager
def _flushed(torch: Any) -> Iterator[None]:
    """Take numbers below 1e-38 for 0: they take tens of times as long, and in some runs only.

    It is a mode of the thread's processor, so that whoever computes next must find it as it was.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _accuracy(outputs: Any, truth: Any) -> float:
    if not bool(outputs.isfinite().all()):
        return math.nan  # the largest of outputs that are no numbers says nothing
    return float((outputs.argmax(1) == truth).double().mean())
