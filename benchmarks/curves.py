"""Curves: architectures a second in full, at an epoch, and at all knots; against onnxruntime.

``python -m benchmarks.curves [--rows N] [--seconds S] [--threads N]`` prints a line for each way to
ask. The artifact is made up, of the size of one that was learnt: tables over all pairs of genes of
NAS-Bench-201, eight members, six coefficients, a gate, and nine knots. The rival is onnxruntime,
one thread, on the same file, which computes all knots at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime

import anb_onnx
from anb_onnx import NASBENCH201, Link
from anb_onnx.curves import CurveForm
from anb_onnx.loading import from_vector
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs
from anb_onnx.vector_answers import Curve
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.vector_form import build_vector_model
from benchmarks import measure

MEMBERS, COEFFICIENTS, KNOTS = 8, 6, 9


def ensemble() -> VectorEnsemble:
    """Return the made-up ensemble."""
    terms, rng = all_pairs(NASBENCH201), np.random.default_rng(0)
    outputs = tuple(
        TableEnsemble(
            NASBENCH201,
            rng.integers(-1000, 1000, (terms.n_entries, MEMBERS)).astype(np.int32),
            1e-4,
            0.5,
            Link(),
            terms,
        )
        for _ in range(COEFFICIENTS + 1)
    )
    at = tuple(float(3**k) for k in range(KNOTS))
    form = CurveForm(
        at=at,
        basis=tuple(tuple(row) for row in rng.normal(size=(KNOTS, COEFFICIENTS)).tolist()),
        offset=tuple(rng.normal(size=KNOTS).tolist()),
        gate=COEFFICIENTS,
        rest=(0.1,) * KNOTS,
        range=(0.0, 1.0),
    )
    return VectorEnsemble(outputs, (*(f"c{k}" for k in range(COEFFICIENTS)), "gate"), form)


FACTS: dict[str, Any] = {
    "metric": "val_accuracy",
    "device": None,
    "unit": "1",
    "direction": "max",
    "exact": False,
    "quality": {},
    "versions": {},
    "outputs": [{"unit": "1", "direction": "max"}] * (COEFFICIENTS + 1),
}


def ways(rows: int, threads: int) -> dict[str, Callable[[], Any]]:
    """Return the ways to ask, by name; each predicts `rows` architectures."""
    vector = ensemble()
    codes = anb_onnx.sample(rows, seed=0, space=NASBENCH201)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = build_vector_model(vector, FACTS).content
    session = onnxruntime.InferenceSession(model, options)
    names = ["curve_mean", "curve_std"]

    def rival() -> None:
        for start in range(0, rows, 4096):
            session.run(names, {"architectures": codes[start : start + 4096]})

    found: dict[str, Callable[[], Any]] = {"onnxruntime, all knots": rival}
    for engine in ("auto", "onnxruntime"):
        surrogate = from_vector(vector, FACTS, engine=engine, threads=threads)
        found[f"{engine}, in full"] = lambda s=surrogate: s.query_codes(codes)  # type: ignore[misc]
    curve = from_vector(vector, FACTS, threads=threads).query(codes)
    assert isinstance(curve, Curve)
    found["curve.at(epoch)"] = lambda: curve.at(100)
    found["curve.until(), all knots"] = curve.until
    found["curve.crossing(level)"] = lambda: curve.crossing(0.5)
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=15_625)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    calls = ways(args.rows, args.threads)
    counts = {name: measure.count_for(call, args.seconds) for name, call in calls.items()}
    timings: dict[str, list[measure.Timing]] = {name: [] for name in calls}
    for _ in range(args.rounds):
        for name, call in calls.items():
            timings[name].append(measure.measure(call, counts[name]))
    print(f"{'way':28} {'1000 rows/s of the clock':>26} {'1000 rows/CPU second':>24}")
    for name, found in timings.items():
        wall, cpu = (np.median([getattr(t, key) for t in found]) for key in ("wall", "cpu"))
        print(f"{name:28} {args.rows / wall / 1e3:>26.0f} {args.rows / cpu / 1e3:>24.0f}")


if __name__ == "__main__":
    main()
