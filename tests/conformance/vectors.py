"""The fixtures of several outputs: a plain vector, and curves with all there may be of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anb_onnx import Block, Gene, Link, SearchSpace, Terms
from anb_onnx.calibration import Calibration
from anb_onnx.curves import CurveForm
from anb_onnx.regimes import Regime
from anb_onnx.tables import TableEnsemble
from anb_onnx.vectors import VectorEnsemble

#: Architectures of the golden vectors: whole curves of them take space.
N_GOLDEN = 80

IDENTITY = Link()


@dataclass(frozen=True)
class Output:
    """An output of a fixture: its sums are spread evenly from `low` to `high`, before the link."""

    name: str
    low: float = 0.6
    high: float = 1.4
    link: Link = IDENTITY
    unit: str = "1"


@dataclass(frozen=True)
class Several:
    """A target of several outputs."""

    metric: str
    n_members: int
    outputs: tuple[Output, ...]
    direction: str
    curve: CurveForm | None = None
    #: The output that predicts the noise between seeds.
    noise: str | None = None

    def card(self, benchmark: str) -> dict[str, Any]:
        """Return the card; it says nothing of a data set, as there is none."""
        return {
            "benchmark": benchmark,
            "metric": self.metric,
            "device": None,
            "unit": self.outputs[0].unit,
            "direction": self.direction,
            "exact": False,
            "outputs": [self._described(output) for output in self.outputs],
            **({} if self.noise is None else {"seed_noise": self._seed_noise()}),
            "calibration": calibration(1.5, 0.01, 1).to_dict(),
            "dataset": {"name": "random numbers", "license": "Apache-2.0", "sha256": "0" * 64},
            "license": "Apache-2.0",
            "quality": {"test": {"n": 0}},
            "versions": {},
        }

    def _described(self, output: Output) -> dict[str, Any]:
        first = output == self.outputs[0] and self.curve is None
        told: dict[str, Any] = {"unit": output.unit, "direction": "min"}
        if first:
            told["direction"] = self.direction
        if output.unit == "s":
            told |= {
                "calibration": calibration(2.0, 0.125, 0).to_dict(),
                "quality": {"test": {"n": 0}},
            }
        return told

    def _seed_noise(self) -> dict[str, Any]:
        return {"output": self.noise, "calibration": calibration(1.25, 0.003, 2).to_dict()}


def calibration(spread: float, noise: float, power: int) -> Calibration:
    """Return a calibration of three levels."""
    return Calibration(spread, noise, power, None, (0.0, 0.5, 0.9), (0.0, 0.7, 1.9))


def space() -> SearchSpace:
    """Return a space of architecture and hyper-parameters."""
    return SearchSpace(
        "joint",
        (
            Block("net", (Gene("width", (16, 64, 256)), Gene("act", ("relu", "tanh")))),
            Block("rate", (Gene("rate", (1, 3, 10, 30)),)),
            Block("schedule", (Gene("cosine", (False, True)), Gene("batch", (8, 32, 128)))),
        ),
    )


def several_outputs() -> tuple[Terms, tuple[Several, ...]]:
    """Return a plain vector with all that links may have, and one of a single output."""
    regime = Regime("rate", (1, 3), ((0.9, 0.5), (1.5, -0.75)))
    loss = Output("loss", link=Link("-1/2", 3.0, ((1.25, 0.25),), regime), unit="nats")
    time = Output("time", link=Link("1/4"), unit="s")
    noise = Output("noise", -0.1, 0.12, unit="nats")
    terms = Terms(space(), ((0, 1), (2,), (1, 2)))
    return terms, (
        Several("loss", 3, (loss, time, noise), "min", noise="noise"),
        Several("size", 1, (Output("size", unit="M"),), "min"),
    )


def curves() -> tuple[Terms, tuple[Several, ...]]:
    """Return curves: with all there may be, with as little as possible, and of one knot."""
    rng = np.random.default_rng(18)
    at = (1.0, 2.0, 3.5, 8.0, 21.3, 50.0)
    shares = np.sqrt((np.array(at) - 1) / 49)
    names = [f"c{j}" for j in range(3)]
    gated = CurveForm(
        at=at,
        basis=tuple(
            map(tuple, (rng.uniform(-0.1, 0.3, (6, 3)) * (0.1 + shares[:, None])).tolist())
        ),
        offset=tuple((0.011 + 0.3 * shares).tolist()),
        link=Link("-1", 100.0, ((97.5, -0.5),)),
        gate=4,
        rest=(0.01,) * 6,
        range=(0.01, 0.75),
        noise=(3.5, 2.0, 1.25, 1.0, 0.7, 0.6),
    )
    accuracy = Several(
        "accuracy",
        4,
        (*map(Output, names), Output("noise", -2.0, 2.5), Output("trains", -2.5, 3.5)),
        "max",
        gated,
        "noise",
    )
    t = np.linspace(0, 1, 9)[:, None]
    bernstein = np.array([1, 3, 3, 1]) * t ** np.arange(4) * (1 - t) ** np.arange(3, -1, -1)
    plain = CurveForm(
        at=tuple((1 + 26 * t[:, 0] ** 2).tolist()),
        basis=tuple(map(tuple, bernstein.tolist())),
        offset=(0.0,) * 9,
        fidelity="step",
        unit="steps",
    )
    points = [Output(f"b{j}", 1.5 - 0.3 * j, 2.5 - 0.5 * j) for j in range(4)]
    loss = Several("loss", 1, tuple(points), "min", plain)
    once = CurveForm(at=(12.0,), basis=((1.0,),), offset=(0.25,), range=(0.9, 1.6))
    score = Several("score", 2, (Output("c0"),), "max", once)
    return Terms(space(), ((0,), (1, 2), (0, 2))), (accuracy, loss, score)


def random_vector(terms: Terms, target: Several, seed: int) -> VectorEnsemble:
    """Return tables of random entries; sums come close to what int32 holds."""
    most = (2**31 - 1) // len(terms)
    outputs = []
    for number, output in enumerate(target.outputs):
        rng = np.random.default_rng([seed, number, terms.n_entries])
        shape = (terms.n_entries, target.n_members)
        entries = rng.integers(-most, most, shape, dtype=np.int32, endpoint=True)
        scale = (output.high - output.low) / 2 * 2.0**-31 * (1 + 2.0**-30)
        shift = (output.high + output.low) / 2 - 2.0**-40
        outputs.append(TableEnsemble(terms.space, entries, scale, shift, output.link, terms))
    names = tuple(output.name for output in target.outputs)
    return VectorEnsemble(tuple(outputs), names, target.curve)
