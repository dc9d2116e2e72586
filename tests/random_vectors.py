"""Artifacts of several outputs with random tables over larger spaces, for the clients' tests.

Those of `tests/conformance` are of 144 architectures. Here there are spaces whose lookups have code
of their own, and as many members, knots and outputs as learnt curves have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from anb_onnx import Link, SearchSpace
from anb_onnx.calibration import Calibration
from anb_onnx.curves import CurveForm
from anb_onnx.loading import from_vector
from anb_onnx.regimes import Regime
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, Gene
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms, all_pairs
from anb_onnx.vector_surrogate import VectorSurrogate
from anb_onnx.vectors import VectorEnsemble

SMALL = SearchSpace(
    "small",
    (
        Block("a", (Gene("a_k", (3, 5, 7)), Gene("a_se", (False, True)))),
        Block("b", tuple(Gene(f"b_{i}", tuple(range(5))) for i in range(3))),
        Block("c", (Gene("c_l", ("deep", "", "wide")),)),
    ),
)

CALIBRATION = Calibration(1.5, 0.0125, 1, None, (0.0, 0.5, 0.9), (0.0, 0.7, 1.9))


def _output(
    terms: Terms, members: int, seed: int, ends: tuple[float, float], link: Link
) -> TableEnsemble:
    """An output whose sums lie between two numbers, before its link."""
    rng = np.random.default_rng(seed)
    entries = rng.integers(-(2**24), 2**24, (terms.n_entries, members), dtype=np.int32)
    scale = (ends[1] - ends[0]) / (2 * 2**24 * len(terms))
    return TableEnsemble(terms.space, entries, scale, sum(ends) / 2, link, terms)


def _curve(link: Link, seed: int) -> CurveForm:
    """A curve of three coefficients and a gate, at 51 knots that do not lie evenly."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, 51)
    at = 1 + 198.7 * t**1.7
    basis = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1)
    return CurveForm(
        at=tuple(at.tolist()),
        basis=tuple(map(tuple, basis.tolist())),
        offset=tuple((0.01 * rng.standard_normal(51)).tolist()),
        link=link,
        gate=3,
        rest=tuple(np.full(51, 0.02).tolist()),
        range=(0.015, 0.95),
        noise=tuple(np.linspace(0.05, 0.0125, 51).tolist()),
    )


def card_of(metric: str, vector: VectorEnsemble, direction: str) -> dict[str, Any]:
    """A card with a calibration, and of one with an output "noise" that between seeds."""
    card: dict[str, Any] = {
        "metric": metric,
        "device": None,
        "unit": "u",
        "direction": direction,
        "exact": False,
        "outputs": [{"unit": "u", "direction": direction} for _ in vector.names],
        "calibration": CALIBRATION.to_dict(),
        "dataset": {"name": "random numbers", "license": "Apache-2.0", "sha256": "0" * 64},
        "license": "Apache-2.0",
        "quality": {"test": {"n": 0}},
        "versions": {},
    }
    if "noise" in vector.names:
        card["seed_noise"] = {"output": "noise", "calibration": CALIBRATION.to_dict()}
    return card


def surrogates(space: SearchSpace, members: int) -> dict[str, VectorSurrogate]:
    """A rising curve, a falling one, and a plain vector with a regime."""
    terms = all_pairs(space) if space is MNASNET else Terms(space, ((0, 1), (2,), (0, 2)))
    gene = space.genes[1]
    regime = Regime(gene.name, (1,), ((0.55, 0.5), (0.6, -0.75)))
    plain, bent = Link(), Link("1/2", 2.0, ((0.5, 0.25),), regime)
    ends = [(0.1, 0.3), (0.2, 0.6), (0.5, 1.0), (-0.5, 1.75), (-0.05, 0.2)]
    found = {}
    for metric, direction, link in (
        ("accuracy", "max", plain),
        ("loss", "min", Link("-1/2", None, ((3.0, 0.25),))),
    ):
        outputs = [_output(terms, members, k, ends[k], plain) for k in range(5)]
        names = ("c0", "c1", "c2", "gate", "noise")
        vector = VectorEnsemble(tuple(outputs), names, _curve(link, 7))
        found[metric] = _open(metric, vector, direction)
    links = (bent, plain, Link("1/4"))
    outputs = [_output(terms, members, 9 + k, (0.9, 1.1), link) for k, link in enumerate(links)]
    vector = VectorEnsemble(tuple(outputs), ("time", "noise", "size"))
    found["time"] = _open("time", vector, "min")
    return found


def _open(metric: str, vector: VectorEnsemble, direction: str) -> VectorSurrogate:
    surrogate = from_vector(vector, {**card_of(metric, vector, direction), "benchmark": "vectors"})
    assert isinstance(surrogate, VectorSurrogate)
    return surrogate


def write(space: SearchSpace, members: int, folder: Path) -> dict[str, VectorSurrogate]:
    """Write them all into a folder, and return them."""
    found = surrogates(space, members)
    for surrogate in found.values():
        surrogate.save(folder, benchmark="vectors")
    return found
