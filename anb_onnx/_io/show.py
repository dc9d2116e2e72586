"""Values and texts in messages: short, and safe whatever they are."""

from __future__ import annotations

import reprlib
import unicodedata

import numpy as np

_REPR = reprlib.Repr()
#: Characters of a message; one that names what is allowed may be long.
_LONGEST = 4000

_REPR.maxother = _REPR.maxstring = _REPR.maxlong = 60


#: Most characters of a name: of a target, unit, gene, choice or file.
MAX_NAME = 255


def is_name(value: object) -> bool:
    """Say whether a value is a string that may be shown as it is, on a terminal too.

    Not empty, not longer than `MAX_NAME`, without control characters, line breaks, characters that
    change the direction of the text, and half surrogate pairs.
    """
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()


def printable(text: str, *, keep: str = "") -> str:
    """Return a text that does nothing but stand there, wherever it came from.

    Control characters (terminals obey them), characters that turn the direction of a text or
    cannot be seen, and what is no character become escapes; those in `keep` do not.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep or unicodedata.category(c) == "Zs" else _escape(c)
        for c in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def one_line(text: str) -> str:
    """Return a message as one line that is safe to print; of a very long one, both ends."""
    text = printable(" ".join(text.split()))
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"


def show(value: object) -> str:
    """Return a short repr that never raises, with the type where the repr does not tell it."""
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {[*value.shape]}"
    try:
        text = printable(_REPR.repr(value).replace("\n", " "))
    except Exception:  # a broken __repr__, or an integer too long to print, must not hide the error
        return f"a value of type {kind}"
    if isinstance(value, (bool, int, float, str, bytes, list, tuple, dict, set, type(None))):
        return text
    return text if kind in text else f"{text} ({kind})"
