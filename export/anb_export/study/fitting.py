"""A predictor fitted to rows of a protocol's data."""

from __future__ import annotations

from anb_export.predictors.contract import Predictor
from anb_export.predictors.registry import fit, kind_of
from anb_export.study.protocol import Protocol, Rows


def fitted_to(
    rows: Rows, protocol: Protocol, *, predictor: str, target: str, seed: int
) -> Predictor:
    """Fit a kind of predictor, with the protocol's source devices if it learns from such.

    Parameters
    ----------
    rows : ndarray of int64
        Of the target's data set; all have a value.
    protocol : Protocol
    predictor : str
        Name of the kind.
    target : str
    seed : int

    Raises
    ------
    PredictorError
        If there is no such kind, or it cannot be fitted to this.
    TargetError
        If there is no such target.
    """
    kind, dataset = kind_of(predictor), protocol.of(target)
    return fit(
        kind.name,
        dataset.codes[rows],
        dataset.values[target][rows],
        space=dataset.space,
        target=dataset.target(target),
        sources=protocol.sources(target) if kind.from_sources else (),
        seed=seed,
    )
