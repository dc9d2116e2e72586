"""JSON as strictly as its standard means it, for everything that comes from outside.

Python's own reader takes more than JSON, and loses some of it: of a key that stands twice it keeps
the last, so that two programs can read one file differently; NaN and Infinity are no JSON; 1e999
becomes infinite; half a surrogate pair becomes a string that no file can hold.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from anb_onnx._io.show import show

#: Most digits of an integer: what Python itself converts by default. More take quadratic time.
MAX_DIGITS = 4300

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_UTF8_MARK = b"\xef\xbb\xbf"  # of some editors; JSON allows a reader to pass over it


class JsonError(ValueError):
    """Text is no JSON, or not JSON that means one thing only; the message fits in one line."""


def loads(content: str | bytes) -> Any:
    """Parse one JSON document, in time linear in its length.

    Parameters
    ----------
    content : str or bytes
        Bytes are UTF-8, with or without a byte order mark.

    Returns
    -------
    dict, list, str, int, float, bool or None
        Every float is finite, every string can be written as UTF-8, no key was there twice.

    Raises
    ------
    JsonError
        If it is not valid JSON; if an object has a key twice; if a number is NaN, infinite, too
        large for a float or an integer of more than `MAX_DIGITS` digits; if a string holds half a
        surrogate pair; if it is nested too deeply to read.
    """
    text = _decode(content)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_float,
            parse_int=_int,
        )
        if _SURROGATE_ESCAPE.search(text):
            _check_surrogates(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        msg = "it is nested too deeply"
        raise JsonError(msg) from None
    except json.JSONDecodeError as error:
        raise JsonError(str(error)) from None
    return value


def to_json(value: Any) -> bytes:
    """Return JSON with sorted keys and a newline at the end; NaN and infinity are refused."""
    text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
    return f"{text}\n".encode()


def _decode(content: str | bytes) -> str:
    if isinstance(content, str):
        if not content.isascii():
            _check_surrogates(content)
        return content
    try:
        return str(content.removeprefix(_UTF8_MARK), "utf-8")
    except UnicodeDecodeError as error:
        msg = f"byte {error.object[error.start]:#04x} at {error.start} is not UTF-8"
        raise JsonError(msg) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        # `add` returns None, so this is the first key that was seen before.
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        msg = f"key {show(twice)} stands twice in one object"
        raise JsonError(msg)
    return found


def _no_number(name: str) -> NoReturn:
    msg = f"{name} is not a number of JSON"
    raise JsonError(msg)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        msg = f"the number {digits[:40]} is too large"
        raise JsonError(msg)
    return value


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        msg = f"a number has {len(digits)} digits, at most {MAX_DIGITS} are read"
        raise JsonError(msg)
    return int(digits)


def _check_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        msg = f"a string holds half a surrogate pair, {text[error.start]!a}"
        raise JsonError(msg) from None
