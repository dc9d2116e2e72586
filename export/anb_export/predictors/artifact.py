"""A predictor as an artifact: what it answers, in a file that every engine and language reads.

What is small is enumerated: of a space with at most `MOST_ENUMERATED` architectures, every
predictor becomes one table of all its answers, whatever it is made of. In larger spaces its form
follows from what it is: sums over few blocks are tables, forests stay trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anb_export.data.targets import TargetSpec
from anb_export.predictors.contract import Predictor, PredictorError
from anb_export.predictors.forms import check_answers, make, version_of
from anb_onnx.loading import from_model, from_tables
from anb_onnx.surrogate import Surrogate

#: Keys of a card that follow from predictor and target, or from the file.
_OWN = frozenset(
    (
        *("metric", "device", "unit", "direction", "exact", "calibration", "versions"),
        *("form", "members", "link", "terms", "tables", "file", "sha256", "bytes"),
        *("rounding", "requires", "arithmetic", "verification"),
    )
)


def to_surrogate(
    predictor: Predictor,
    target: TargetSpec,
    *,
    facts: Mapping[str, Any] | None = None,
    form: str | None = None,
    engine: str | None = None,
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
        measurements), ``license``, ``benchmark`` and what else you know; by `scores.facts_of_test`
        what it is worth. Without them the licences are "unstated", and the quality says that it
        was tested on no rows.
    form : {"tables", "trees", "tree64", "kernel", "network"}, optional
        If not given, the first of: tables, if it has some or its space is enumerated; trees, of
        the kind that any onnxruntime runs; kernels; a network.
    engine : {"numpy", "auto", "native", "onnxruntime"}, optional
        What computes, as for `anb_onnx.load`. If not given: NumPy for tables, which needs no
        preparation, and onnxruntime for all else.

    Returns
    -------
    Surrogate

    Raises
    ------
    PredictorError
        If a prediction is not finite or beyond `answers.LARGEST`, the predictor has no such form
        in its space, or one that says something else than its members; if a fact is not open to be
        given, or nothing says what it was fitted to.
    AnbError
        If a fact has a value that is not allowed, or the engine does not run the form.

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
    made = make(predictor, card, form)
    if isinstance(made, bytes):
        surrogate = from_model(made, engine=engine or "auto", threads=1)
    else:
        surrogate = from_tables(made, card, engine=engine or "numpy")
    if card.get("rounding") is None:  # of an enumeration, which is what it answers
        check_answers(surrogate, predictor)
    return surrogate


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
        name = f"{fitted.n} measurements of {target.device or target.metric}"
        dataset = {"name": name, "sha256": fitted.sha256, "n_used": fitted.n, **dataset}
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
        "versions": {name: version_of(name) for name in ("anb-onnx-export", "numpy")},
        "dataset": {"name": "unstated", "license": "unstated", **dataset},
        **known,
    }
