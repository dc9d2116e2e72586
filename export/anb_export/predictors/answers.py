"""What predictors answer: checked, and all of it as one table where a space is small."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from anb_export.predictors.contract import MOST_ENUMERATED, Predictor, PredictorError
from anb_export.tables.enumeration import all_codes
from anb_onnx.links import Link
from anb_onnx.tables import MAX_MEMBERS, TableEnsemble

#: Largest answer in size: a table's step may be 2^95 at most, and intervals are wider.
LARGEST = 2.0**125

#: Largest entry in size: also its negative is an int32.
_MOST = 2**31 - 1


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
        msg = f"{space.name!r} has {space.size:,} architectures, more than {MOST_ENUMERATED:,}"
        raise PredictorError(msg)
    codes, terms = all_codes(space)
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
