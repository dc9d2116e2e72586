"""A predictor as an artifact: what it answers, in a file that every engine and language reads.

What is small is enumerated: of a space with at most `MOST_ENUMERATED` architectures, every
predictor becomes one table of all its answers, whatever it is made of. In larger spaces its form
follows from what it is: sums over few blocks are tables, forests stay trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from anb_export.data.targets import TargetSpec
from anb_export.predictors.answers import enumerated
from anb_export.predictors.contract import Predictor, PredictorError
from anb_onnx.loading import from_tables
from anb_onnx.surrogate import Surrogate

#: Keys of a card that follow from predictor and target, or from the file.
_OWN = frozenset(
    (
        *("metric", "device", "unit", "direction", "exact", "calibration"),
        *("form", "members", "link", "terms", "tables", "file", "sha256", "bytes"),
    )
)


def to_surrogate(
    predictor: Predictor,
    target: TargetSpec,
    *,
    facts: Mapping[str, Any] | None = None,
    engine: str = "numpy",
) -> Surrogate:
    """Return the artifact of a predictor, in memory.

    Its mean is the predictor's, up to the step of its tables or the arithmetic of its graph, its
    std that of the predictor's members, and its calibration the predictor's. ``save(folder)``
    makes a file of it.

    Parameters
    ----------
    predictor : Predictor
        As `registry.fit` returns it.
    target : TargetSpec
        What it predicts.
    facts : mapping, optional
        What the card is to say besides: ``dataset`` (``name``, ``license`` and ``sha256`` of the
        measurements), ``license``, ``quality``, ``benchmark`` and what else you know. Without
        them name and licence are "unstated", and the quality says that it was tested on no rows.
    engine : {"numpy", "auto", "native", "onnxruntime"}
        What computes, as for `anb_onnx.load`. NumPy needs no preparation.

    Returns
    -------
    Surrogate

    Raises
    ------
    PredictorError
        If a prediction is not finite or beyond `LARGEST`, the predictor has no form that the space
        takes, a fact is not open to be given, or nothing says what it was fitted to.
    ArtifactError
        If a fact has a value that is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from anb_export.data.targets import TargetSpec
    >>> from anb_export.predictors.registry import fit
    >>> from anb_onnx import NASBENCH201, indices_to_codes
    >>> codes = indices_to_codes(np.arange(0, 15625, 100), NASBENCH201)
    >>> latency = TargetSpec("latency_phone", "latency", "phone", "ms", "min")
    >>> times = 5.0 + codes.sum(axis=1)
    >>> predictor = fit("ridge", codes, times, space=NASBENCH201, target=latency)
    >>> surrogate = to_surrogate(predictor, latency)
    >>> surrogate.metadata["form"], surrogate.metadata["recipe"]
    ('tables', 'predictor ridge')
    """
    card = _card(predictor, target, facts or {})
    ensemble = predictor.tables()
    if ensemble is None:
        ensemble, rounding = enumerated(predictor)
        card["rounding"] = rounding
    return from_tables(ensemble, card, engine=engine)


def artifact_bytes(surrogate: Surrogate) -> int:
    """Return the size of a surrogate's ONNX file, which need not be written for that."""
    return len(surrogate._read_model())


def _card(predictor: Predictor, target: TargetSpec, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the card says but for what form and file add."""
    taken = sorted(_OWN & facts.keys())
    if taken:
        msg = f"the fact {taken[0]!r} follows from predictor and target: leave it out"
        raise PredictorError(msg)
    known, fitted = dict(facts), predictor.fitted
    dataset = known.pop("dataset", {})
    if not isinstance(dataset, Mapping):
        msg = f"the fact 'dataset' is a mapping of name, license and sha256, not {dataset!r:.80}"
        raise PredictorError(msg)
    if fitted is not None:
        known = {"recipe": f"predictor {fitted.kind}", "seeds": [fitted.seed], **known}
        dataset = {"sha256": fitted.sha256, "n_used": fitted.n, **dataset}
    if "sha256" not in dataset:
        msg = (
            "nothing says what the predictor was fitted to: fit it by registry.fit, or give "
            "facts={'dataset': {'sha256': ..., 'name': ..., 'license': ...}}"
        )
        raise PredictorError(msg)
    return {
        "metric": target.metric,
        "device": target.device,
        "unit": target.unit,
        "direction": target.direction,
        # Whatever the target is, what is predicted of it is not counted.
        "exact": False,
        "calibration": predictor.calibration.to_dict(),
        "license": "unstated",
        "quality": {"test": {"n": 0}},
        "recipe": "predictor",
        "versions": {name: _version(name) for name in ("anb-onnx-export", "numpy")},
        "dataset": {"name": "unstated", "license": "unstated", **dataset},
        **known,
    }


@cache
def _version(distribution: str) -> str:
    return version(distribution)
