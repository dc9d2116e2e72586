"""The ways to predict a new device that the study compares, under their names in its tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

import anb_onnx
from anb_onnx.few_shot import adapting
from anb_onnx.surrogate import Surrogate
from benchmarks.few_shot import baselines
from benchmarks.few_shot.measured import Device, Measured
from benchmarks.few_shot.scores import Guess
from benchmarks.few_shot.tasks import Question

Rows = NDArray[np.int64]

#: Level of the intervals of which the coverage is counted.
LEVEL = 0.9

#: Names of the methods: ours with and without the known devices, and what stands beside it.
OURS, ALONE = "adapt", "adapt, no sources"
MACS, COUNTS, ALL_COUNTS, SINGLE = "MACs", "counts", "counts, whole pool", "best source"


@cache
def source(space: str, device: str) -> Surrogate:
    """Return the surrogate of a known device, opened once a process."""
    if space == "mnasnet":
        return anb_onnx.load(device)
    return anb_onnx.load("latency", device=device, benchmark=space)


class _Unknown:
    """A forecast that was not made."""

    def to_dict(self) -> dict[str, float]:
        return {}


def _no_forecasts() -> AbstractContextManager[object]:
    """Leave out what `adapt` says of further measurements.

    It takes most of the time, is drawn after the members and changes no prediction.
    """
    return patch.object(adapting, "forecasts", lambda *_: (_Unknown(), _Unknown()))


def adapted(
    measured: Measured, device: Device, samples: Rows, sources: Sequence[Surrogate], seed: int
) -> Guess:
    """Predict by `anb_onnx.adapt` from the samples and the surrogates of known devices."""
    with (
        _no_forecasts(),
        anb_onnx.adapt(
            measured.codes[samples],
            device.values[samples],
            metric=device.metric,
            unit=device.unit,
            device=device.device,
            direction=device.direction,
            space=measured.space,
            sources=list(sources),
            seed=seed,
        ) as surrogate,
    ):
        found = surrogate.query(measured.codes)
    lower, upper = (end.astype(np.float64) for end in found.interval(LEVEL))
    mean = found.mean.astype(np.float64)
    if device.direction == "max":
        return Guess(1 / mean, 1 / upper, 1 / lower)
    return Guess(mean, lower, upper)


#: Designs by pool, sources and seed: a design of fewer is the beginning of one of more.
_DESIGNS: dict[tuple[bytes, tuple[str, ...], int], Rows] = {}
#: Most candidates that a design looks at: as many as `anb_onnx.suggest` draws by itself.
_MOST_CANDIDATES = 2000


def designed(
    measured: Measured, candidates: Rows, n: int, sources: Sequence[Surrogate], seed: int
) -> Rows:
    """Return n of the candidate rows, in the order that `anb_onnx.suggest` asks for.

    Of more than 2,000 candidates it is given so many, drawn by the seed.
    """
    names = tuple(source.target.name for source in sources)
    key = candidates.tobytes(), names, seed
    known = _DESIGNS.get(key)
    if known is not None and len(known) >= n:
        return known[:n]
    if len(candidates) > _MOST_CANDIDATES:
        drawn = np.random.default_rng([15, seed]).permutation(len(candidates))
        candidates = candidates[drawn[:_MOST_CANDIDATES]]
    codes = measured.codes[candidates]
    chosen = anb_onnx.suggest(
        n, space=measured.space, sources=list(sources), seed=seed, candidates=codes
    )
    row_of = {code.tobytes(): row for code, row in zip(codes, candidates, strict=True)}
    rows = np.array([row_of[code.tobytes()] for code in chosen], dtype=np.int64)
    if len(_DESIGNS) > 200:  # those of devices that are done
        _DESIGNS.clear()
    _DESIGNS[key] = rows
    return rows


def predictions(
    question: Question,
    measured: Measured,
    samples: Rows,
    pool: Rows,
    sources: Sequence[Surrogate],
    seed: int,
    names: Sequence[str],
) -> dict[str, Guess]:
    """Return what each method predicts from the samples, by its name."""
    device = measured.devices[question.device]
    times = device.times
    ways: dict[str, Callable[[], Guess]] = {
        OURS: lambda: adapted(measured, device, samples, sources, seed),
        ALONE: lambda: adapted(measured, device, samples, (), seed),
        MACS: lambda: baselines.macs_alone(measured, times, samples),
        COUNTS: lambda: baselines.on_counts(measured, times, samples),
        ALL_COUNTS: lambda: baselines.on_counts(measured, times, pool),
        SINGLE: lambda: baselines.single_source(measured, times, samples, question.sources)[0],
    }
    return {name: ways[name]() for name in names}
