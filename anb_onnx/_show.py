"""Values in error messages: short, and safe whatever the value is."""

from __future__ import annotations

import reprlib

import numpy as np

_REPR = reprlib.Repr()
_REPR.maxother = _REPR.maxstring = _REPR.maxlong = 60


def show(value: object) -> str:
    """Return a short repr that never raises, with the type where the repr does not tell it."""
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {[*value.shape]}"
    try:
        text = _REPR.repr(value).replace("\n", " ")
    except Exception:  # a broken __repr__, or an integer too long to print, must not hide the error
        return f"a value of type {kind}"
    if isinstance(value, (bool, int, float, str, bytes, list, tuple, dict, set, type(None))):
        return text
    return text if kind in text else f"{text} ({kind})"


#: Most characters of a name: of a target, unit, gene, choice or file.
MAX_NAME = 255


def is_name(value: object) -> bool:
    """Say whether a value is a string that may be shown as it is, on a terminal too.

    Not empty, not longer than `MAX_NAME`, without control characters, line breaks, characters that
    change the direction of the text, and half surrogate pairs.
    """
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()
