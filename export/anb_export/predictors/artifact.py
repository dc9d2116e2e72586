"""A predictor as an artifact: what it answers, in a file that every engine and language reads.

What is small is enumerated: of a space with at most `MOST_ENUMERATED` architectures, every
predictor becomes one table of all its answers, whatever it is made of. In larger spaces its form
follows from what it is: sums over few blocks are tables, forests stay trees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.data.targets import TargetSpec
from anb_export.predictors.contract import Predictor, PredictorError
from anb_onnx.encoding.encoding import codes_to_symbols, indices_to_codes
from anb_onnx.links import Link
from anb_onnx.loading import from_tables
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate
from anb_onnx.tables import MAX_MEMBERS, TableEnsemble
from anb_onnx.terms import Terms

#: Most architectures of a space that is enumerated: a table of 2^17 entries takes 512 KiB a member.
MOST_ENUMERATED = 2**17

#: Keys of a card that follow from predictor and target, or from the file.
_OWN = frozenset(
    (
        *("metric", "device", "unit", "direction", "exact", "calibration"),
        *("form", "members", "link", "terms", "tables", "file", "sha256", "bytes"),
    )
)

#: Largest entry in size: also its negative is an int32.
_MOST = 2**31 - 1

#: Largest answer in size: a table's step may be 2^95 at most, and intervals are wider.
LARGEST = 2.0**125


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


def enumerated(predictor: Predictor) -> tuple[TableEnsemble, dict[str, float]]:
    """Return what a predictor answers for every architecture of its space, as one table.

    Parameters
    ----------
    predictor : Predictor
        Of a space with at most `MOST_ENUMERATED` architectures.

    Returns
    -------
    ensemble : TableEnsemble
        One term of all blocks, with the predictor's members.
    rounding : dict of str to float
        ``step`` of the entries, a power of two, and the ``largest`` difference to the predictor.

    Raises
    ------
    PredictorError
        If the space is larger, or a prediction is not finite or beyond `LARGEST`.
    """
    space = predictor.space
    if space.size > MOST_ENUMERATED:
        msg = (
            f"the predictor has neither tables, forests, kernels nor a network, and the space "
            f"{space.name!r} has {space.size:,} architectures: at most {MOST_ENUMERATED:,} are "
            "enumerated"
        )
        raise PredictorError(msg)
    codes, terms = _all_codes(space)
    values = answers(predictor, codes)
    largest = float(np.abs(values).max())
    step = math.ldexp(1.0, math.frexp(largest / _MOST)[1]) if largest else 1.0
    # No smaller than what a table takes: of values that small the step itself is next to nothing.
    step = max(step, 2.0**-500)
    entries = np.rint(values / step)
    off = float(np.abs(entries * step - values).max())
    ensemble = TableEnsemble(space, entries.astype(np.int32), step, 0.0, Link(), terms)
    return ensemble, {"step": step, "largest": off}


def answers(predictor: Predictor, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return float64 [N, M]: what a predictor's members answer, checked.

    Parameters
    ----------
    predictor : Predictor
    codes : ndarray of uint8, shape (N, n_genes)

    Raises
    ------
    PredictorError
        If they are not N rows of 1 to 1,024 members, or one is not finite or beyond `LARGEST`.
    """
    values = np.asarray(predictor.members(codes), dtype=np.float64)
    if values.ndim != 2 or len(values) != len(codes) or not 1 <= values.shape[1] <= MAX_MEMBERS:
        msg = (
            f"a predictor answers [{len(codes)}, M] for so many architectures, of 1 to "
            f"{MAX_MEMBERS} members; found {list(values.shape)}"
        )
        raise PredictorError(msg)
    wrong = ~(np.abs(values) <= LARGEST).all(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        member = int(np.argmax(~(np.abs(values[row]) <= LARGEST)))
        msg = (
            f"the predictor's member {member} answers {values[row, member]} for the architecture "
            f"of codes {codes[row].tolist()}; artifacts hold finite numbers, at most "
            f"{LARGEST:.4g} in size"
        )
        raise PredictorError(msg)
    return values


@lru_cache(maxsize=8)
def _all_codes(space: SearchSpace) -> tuple[NDArray[np.uint8], Terms]:
    """Return every architecture, in the order of the entries of the term of all blocks."""
    terms = Terms.of_order(space, space.n_blocks)
    codes = indices_to_codes(np.arange(space.size), space)
    symbols = codes_to_symbols(codes, space).astype(np.int64)
    codes = codes[np.ravel_multi_index(tuple(symbols.T), terms.shapes[0]).argsort()]
    codes.flags.writeable = False  # shared by all who ask
    return codes, terms


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
