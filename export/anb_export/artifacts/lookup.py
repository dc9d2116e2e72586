"""A tabular benchmark as an artifact: one table with an entry for every architecture.

Where everything is measured nothing is learned. The measurements, rounded to float32 as every
prediction is, become the entries of one term of all blocks, in steps of a power of two. Where a
step divides all of them they are stored without a further error, and the card says ``exact``. A
column whose values differ in size by more than int32 spans is rounded once more; the card then says
that it is not exact, and by how much. There is no calibration: how far another measurement of the
same architecture would lie from this one is not known.
"""

from __future__ import annotations

import math
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import Dataset, DatasetError
from anb_export.data.metrics import evaluate
from anb_onnx.catalog.card import Card
from anb_onnx.encoding.encoding import codes_to_symbols, indices_to_codes
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

#: Name of the recipe in cards.
RECIPE = "table of all architectures"

#: Largest entry: also its negative is an int32.
_MOST = 2**31 - 1


def whole_table(dataset: Dataset, target: str) -> TableEnsemble:
    """Return the measurements of every architecture of a space as one table of one member.

    Parameters
    ----------
    dataset : Dataset
        Each architecture of its space in one record.
    target : str

    Raises
    ------
    DatasetError
        If an architecture is in no record, or in two, or has no value; one is named.
    ArtifactError
        If the space has more architectures than a table takes.
    """
    space = dataset.space
    terms = Terms.of_order(space, space.n_blocks)
    order = _order(dataset, target, terms)
    values = dataset.values[target][order].astype(np.float32)
    step = step_of(values)
    entries = np.rint(values.astype(np.float64) / step).astype(np.int32)
    return TableEnsemble(space, entries[:, None], step, 0.0, Link(), terms)


def step_of(values: NDArray[np.float32]) -> float:
    """Return the largest power of two of which all values are multiples, if int32 spans them.

    Otherwise the smallest for which they fit in int32, and are rounded.
    """
    present = np.abs(values[values != 0].astype(np.float64))
    if not len(present):
        return 1.0
    mantissa, exponent = np.frexp(present)
    whole = (mantissa * 2**24).astype(np.int64)  # exact: float32 has 24 bits
    trailing = np.log2(whole & -whole).astype(np.int64)  # powers of two, so exact as well
    finest = int((exponent - 24 + trailing).min())
    coarsest = math.frexp(float(present.max()) / _MOST)[1]
    return math.ldexp(1.0, max(finest, coarsest))


def card_of(dataset: Dataset, target: str, ensemble: TableEnsemble) -> Card:
    """Return the card of a whole table: its entry of the manifest without the file's facts."""
    spec, origin = dataset.target(target), dataset.origin
    measured = dataset.values[target]
    mean, _, _ = ensemble.predict(codes_to_symbols(dataset.codes, dataset.space))
    exact = bool(np.array_equal(mean, measured.astype(np.float32)))
    predicted = mean.astype(np.float64)
    largest = float(np.abs(predicted - measured).max())
    return Card(
        benchmark=origin.benchmark,
        form="tables",
        metric=spec.metric,
        device=spec.device,
        unit=spec.unit,
        direction=spec.direction,
        members=1,
        seeds=[],
        exact=exact,
        link=ensemble.link.to_dict(),
        # Of all of them: no part was kept apart, as nothing is predicted.
        quality={"all": evaluate(measured, predicted)},
        versions={p: version(p) for p in ("anb-onnx-export", "numpy", "onnx")},
        target_std=float(np.std(measured)),
        recipe=RECIPE,
        dataset={
            "name": origin.name,
            "license": origin.license,
            "sha256": dataset.sha256,
            "n_records": len(dataset),
            "n_used": len(dataset),
            "n_dropped": 0,
        },
        license=origin.license,
        others={"rounding": {"step": ensemble.scale, "largest": largest}},
    )


def _order(dataset: Dataset, target: str, terms: Terms) -> NDArray[np.int64]:
    """Return the record of every architecture, in the order of their indices."""
    space = dataset.space
    symbols = codes_to_symbols(dataset.codes, space).astype(np.int64)
    places = np.ravel_multi_index(tuple(symbols.T), terms.shapes[0])
    present, order = np.unique(places, return_index=True)
    if len(present) != space.size:
        gaps = np.flatnonzero(present != np.arange(len(present)))
        first = int(gaps[0]) if len(gaps) else len(present)
        msg = (
            f"{space.size - len(present):,} of the {space.size:,} architectures of "
            f"{space.name!r} are in no record, such as {_shown(first, space)}: a table of all "
            "architectures needs every one; without them train on pairs of blocks (--terms pairs)"
        )
        raise DatasetError(msg)
    if len(dataset) != space.size:
        msg = f"{len(dataset):,} records of {space.size:,} architectures: some stand in two"
        raise DatasetError(msg)
    if np.isnan(dataset.values[target]).any():
        row = int(np.flatnonzero(np.isnan(dataset.values[target]))[0])
        msg = f"record {dataset.names[row]} has no value for {target!r}"
        raise DatasetError(msg)
    return np.asarray(order, dtype=np.int64)


def _shown(index: int, space: SearchSpace) -> str:
    codes = indices_to_codes(np.array([index]), space)[0]
    pairs = zip(space.genes, codes.tolist(), strict=True)
    values = ", ".join(f"{gene.name}={gene.choices[code]}" for gene, code in pairs)
    return f"index {index} ({values:.200})"
