"""Ensembles of several outputs for tests; docs/reference/format.md in loops as their reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from anb_onnx import NASBENCH201, Link, Terms
from anb_onnx.calibration import Calibration
from anb_onnx.curves import CurveForm
from anb_onnx.loading import from_vector
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.vector_surrogate import VectorSurrogate
from anb_onnx.vectors import VectorEnsemble

CALIBRATION = Calibration(1.5, 0.25, 0, None, (0.0, 0.9), (0.0, 1.7))

#: What an artifact says of its data, without which there is no calibration.
DATA: dict[str, Any] = {
    "quality": {"test": {"n": 10, "mae": 0.25}},
    "dataset": {"name": "invented", "license": "CC0-1.0", "sha256": "0" * 64},
    "license": "CC0-1.0",
}


def facts_of(vector: VectorEnsemble, **changes: Any) -> dict[str, Any]:
    """Return a card for an ensemble: accuracies in percent, the more the better."""
    curve = vector.curve is not None
    return {
        "metric": "val_accuracy" if curve else vector.names[0],
        "device": None,
        "unit": "%",
        "direction": "max",
        "exact": False,
        "versions": {"numpy": "2.0"},
        "calibration": CALIBRATION.to_dict(),
        "outputs": [{"unit": "%", "direction": "max"} for _ in vector.names],
        **DATA,
        **changes,
    }


def tables(seed: int, *, members: int = 2, scale: float = 1.0, **more: Any) -> TableEnsemble:
    """Return tables over single edges and one pair of NASBENCH201, with values of a few units."""
    terms = Terms(NASBENCH201, (*((edge,) for edge in range(6)), (0, 5)))
    entries = np.random.default_rng(seed).integers(-(2**16), 2**16, (terms.n_entries, members))
    shift = more.pop("shift", 0.0)
    link = more.pop("link", Link())
    return TableEnsemble(
        NASBENCH201, entries.astype(np.int32), 2.0**-17 * scale, shift, link, terms
    )


def metrics(n: int = 3, members: int = 2) -> VectorEnsemble:
    """Return several metrics, none of which is like the others: other scales, shifts and links."""
    links = (Link(), Link("-1", 100.0), Link("1/4"), Link("1", None, ((90.0, 0.5),)))
    outputs = tuple(
        tables(k, members=members, scale=1.0 + k / 8, shift=8.0 + k, link=links[k % 4])
        for k in range(n)
    )
    return VectorEnsemble(outputs, tuple(f"m{k}" for k in range(n)))


def curve_form(**changes: Any) -> CurveForm:
    """Return a form with all that there may be: two coefficients, a gate, a range and a link."""
    known: dict[str, Any] = {
        "at": (1.0, 3.0, 9.0, 27.0),
        "basis": ((0.0, 0.5), (0.25, 0.75), (0.5, 1.0), (1.0, 1.0)),
        "offset": (1.0, 2.0, 3.0, 3.5),
        "gate": 2,
        "rest": (0.5, 0.625, 0.75, 0.875),
        "range": (0.25, 8.0),
        "link": Link("-1", 100.0),
        "noise": (1.0, 0.75, 0.5, 0.25),
    }
    return CurveForm(**{**known, **changes})


def curves(members: int = 2, **changes: Any) -> VectorEnsemble:
    """Return an ensemble of two coefficients, a gate and an output that no curve uses."""
    outputs = (
        tables(10, members=members),
        tables(11, members=members),
        tables(12, members=members, shift=0.5),
        tables(13, members=members, scale=0.25, shift=0.5),
    )
    return VectorEnsemble(outputs, ("c0", "c1", "gate", "noise"), curve_form(**changes))


def surrogate_of(vector: VectorEnsemble, engine: str = "auto", **changes: Any) -> VectorSurrogate:
    found = from_vector(vector, facts_of(vector, **changes), engine=engine)
    assert isinstance(found, VectorSurrogate)
    return found


def noisy(vector: VectorEnsemble, engine: str = "auto", **changes: Any) -> VectorSurrogate:
    """Return a surrogate whose last output predicts the noise between seeds."""
    seeds = Calibration(1.5, 0.125, 0, None, (0.0, 0.9), (0.0, 1.6))
    noise = {"output": vector.names[-1], "calibration": seeds.to_dict()}
    return surrogate_of(vector, engine, seed_noise=noise, **changes)


# ------------------------------------------------------------------------------- the reference


def invert(link: Mapping[str, Any], y: float) -> float:
    """Apply the steps of a link without a regime to one number."""
    hinges = iter(link.get("hinges", ()))
    for step in link["inverse"]:
        if step == "square":
            y = y * y
        elif step == "sqrt":
            y = math.sqrt(y)
        elif step == "reciprocal":
            y = 1.0 / y
        elif step == "reflect":
            y = link["offset"] - y
        else:
            assert step == "hinge"
            knot, change = next(hinges)
            y = y + max(y - knot, 0.0) * change
    return y


def outputs_of(
    entries: Sequence[Sequence[int]], card: Mapping[str, Any], codes: Sequence[int], sizes: Any
) -> list[list[float]]:
    """Return c[K][M] of one architecture, in a space of which each block is one gene."""
    stated = card["tables"]
    n_outputs, members = stated["outputs"], stated["members"]
    total = [0] * (n_outputs * members)
    p = 0
    for term in card["terms"]:
        i, n = 0, 1
        for block in term:
            i, n = i * sizes[block] + codes[block], n * sizes[block]
        total = [a + b for a, b in zip(total, entries[p + i], strict=True)]
        p += n
    return [
        [
            invert(
                card["outputs"][k]["link"],
                float(total[k * members + m]) * stated["scale"][k] + stated["shift"][k],
            )
            for m in range(members)
        ]
        for k in range(n_outputs)
    ]


def at_knot(curve: Mapping[str, Any], link: Mapping[str, Any], c: Any, i: int) -> list[float]:
    """Return y[M] of one architecture at a knot."""
    found = []
    for m in range(len(c[0])):
        z = curve["offset"][i]
        for j in range(curve["coefficients"]):
            z = z + c[j][m] * curve["basis"][i][j]
        if curve["gate"] is not None:
            g = min(max(c[curve["gate"]["output"]][m], 0.0), 1.0)
            rest = curve["gate"]["rest"][i]
            z = rest + g * (z - rest)
        if curve["range"] is not None:
            z = min(max(z, curve["range"][0]), curve["range"][1])
        found.append(invert(link, z))
    return found


def at_any(curve: Mapping[str, Any], link: Mapping[str, Any], c: Any, t: float) -> list[float]:
    """Return y[M] of one architecture at a fidelity."""
    at = curve["at"]
    i = max(k for k in range(len(at)) if at[k] <= t)
    y = at_knot(curve, link, c, i)
    if at[i] < t:
        w = (t - at[i]) / (at[i + 1] - at[i])
        following = at_knot(curve, link, c, i + 1)
        y = [a + w * (b - a) for a, b in zip(y, following, strict=True)]
    return y


def mean_of(y: Sequence[float]) -> float:
    """Return the mean, not rounded to float32."""
    total = y[0]
    for value in y[1:]:
        total = total + value
    return total / len(y)


def summary(y: Sequence[float]) -> tuple[float, float, list[float]]:
    """Return mean, std and members as float32 numbers."""
    mean, total = mean_of(y), 0.0
    for value in y:
        total = total + (value - mean) * (value - mean)
    std = math.sqrt(total / len(y))
    return float(np.float32(mean)), float(np.float32(std)), [float(np.float32(v)) for v in y]


def crossing_of(
    curve: Mapping[str, Any], link: Mapping[str, Any], c: Any, level: float, direction: str
) -> float:
    """Return where the mean reaches a level first."""
    at = curve["at"]
    a = [mean_of(at_knot(curve, link, c, i)) for i in range(len(at))]
    for i, value in enumerate(a):
        if value >= level if direction == "max" else value <= level:
            if i == 0:
                return float(at[0])
            share = (level - a[i - 1]) / (value - a[i - 1])
            return float(at[i - 1] + (at[i] - at[i - 1]) * share)
    return math.nan


# ------------------------------------------------------------------------------ of any shape

_SMALL = st.floats(-4.0, 4.0, allow_subnormal=False).map(lambda v: v + 0.0)  # no -0.0


@st.composite
def forms(draw: st.DrawFn, n_outputs: int) -> CurveForm:
    """Draw how a curve may be made of some of the outputs."""
    knots = draw(st.integers(1, 6))
    at = sorted(draw(st.sets(st.floats(-100.0, 1000.0, width=32), min_size=knots, max_size=knots)))
    gate = draw(st.none() | st.integers(1, n_outputs - 1)) if n_outputs > 1 else None
    j = draw(st.integers(1, n_outputs if gate is None else gate))

    def row(count: int) -> tuple[float, ...]:
        return tuple(draw(st.lists(_SMALL, min_size=count, max_size=count)))

    hinges = ((1.5, 0.25), (2.0, -0.5))
    link = draw(st.sampled_from([Link(), Link("-1/2", 3.0), Link("2"), Link("1", None, hinges)]))
    bounded = not link.is_identity or draw(st.booleans())
    return CurveForm(
        at=tuple(float(t) for t in at),
        basis=tuple(row(j) for _ in range(knots)),
        offset=row(knots),
        link=link,
        gate=gate,
        rest=None if gate is None else row(knots),
        range=(0.125, 6.0) if bounded else None,
    )


@st.composite
def ensembles(draw: st.DrawFn, space: SearchSpace = NASBENCH201) -> VectorEnsemble:
    """Draw an ensemble that predicts a curve."""
    n_outputs, members = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    outputs = tuple(
        tables(draw(st.integers(0, 99)), members=members, shift=draw(_SMALL))
        for _ in range(n_outputs)
    )
    names = tuple(f"c{k}" for k in range(n_outputs))
    return VectorEnsemble(outputs, names, draw(forms(n_outputs)))
