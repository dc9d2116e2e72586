"""Arrays of numbers in pickles, put together from checked parts; part of `safe_pickle`."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_export.models._pickled_budget import ARRAY, INSTANCE, Budget, one_line, refuse
from anb_onnx._io.show import show

_NUMBER = re.compile(r"b1|[iu][1248]|f[248]")
_OBJECT = "O8"
_TEXT = re.compile(r"U[0-9]{1,4}")  # with the number of its characters
_ALLOWED = re.compile(rf"{_NUMBER.pattern}|{_OBJECT}|{_TEXT.pattern}|V[1-9][0-9]{{0,3}}")
#: Most fields of a record. A node of scikit-learn's trees has eight.
_MOST_FIELDS = 64
_FIELD = 200  # bytes of memory, at most


class NamesDtype:
    """Stands for the dtype of arrays of objects, of which only lists of names are read.

    No `np.dtype`, so that no array can be laid over bytes with it.
    """


@dataclass(frozen=True)
class TextDtype:
    """Stands for the dtype of strings of one length, whose bytes are decoded, not laid over.

    Attributes
    ----------
    size : int
        Bytes of one string: four for each character.
    codec : str
        Name of Python's codec for them.
    """

    size: int
    codec: str

    def decode(self, raw: bytes) -> tuple[str, ...]:
        """Return the strings in as many bytes as several of them take."""
        starts = range(0, len(raw), self.size) if self.size else ()
        try:
            return tuple(
                raw[start : start + self.size].decode(self.codec).rstrip("\0") for start in starts
            )
        except UnicodeDecodeError:
            refuse("the pickle is damaged: an array of strings holds something else")


class UnbuiltDtype:
    """A dtype whose state is still to come."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.memo_keys: list[int] = []

    def build(self, budget: Budget, state: Any) -> np.dtype[Any] | NamesDtype | TextDtype:
        """Return the dtype: a plain number, a record of these, that of names or of strings."""
        if not isinstance(state, tuple) or len(state) < 8:
            refuse("the pickle is damaged: wrong state of a dtype")
        _, order, subarray, names, fields, itemsize, *_ = state
        # Any of these may be an array, which must not be compared.
        if not isinstance(order, str) or order not in ("<", ">", "|", "="):
            refuse("the pickle is damaged: wrong state of a dtype")
        if subarray is not None:
            refuse("arrays of arrays are not allowed")
        if _NUMBER.fullmatch(self.code):
            number: np.dtype[Any] = np.dtype(order + self.code)
            return number
        if self.code == _OBJECT:
            return NamesDtype()
        if _TEXT.fullmatch(self.code):
            big = order == ">" or (order == "=" and sys.byteorder == "big")
            return TextDtype(4 * int(self.code[1:]), "utf-32-be" if big else "utf-32-le")
        return self.record(budget, names, fields, itemsize)

    def record(self, budget: Budget, names: Any, fields: Any, itemsize: Any) -> np.dtype[Any]:
        size = int(self.code[1:])
        if (
            type(itemsize) is not int
            or itemsize != size
            or not isinstance(names, tuple)
            or not isinstance(fields, dict)
        ):
            refuse("the pickle is damaged: wrong state of a record's dtype")
        if len(names) > _MOST_FIELDS:
            refuse(f"records of {len(names)} fields are not allowed, at most {_MOST_FIELDS}")
        budget.operate(len(names))
        budget.spend(_FIELD * (len(names) + 1))
        formats, offsets = [], []
        for name in names:
            match fields.get(name) if isinstance(name, str) else None:
                case (np.dtype() as dtype, int(offset), *_) if 0 <= offset <= size - dtype.itemsize:
                    formats.append(dtype)
                    offsets.append(offset)
                case _:
                    refuse("the pickle is damaged: wrong field of a record's dtype")
        # Fields that share bytes, or records in records, could be far more than the bytes there.
        plain = all(dtype.names is None for dtype in formats)
        if not plain or sum(dtype.itemsize for dtype in formats) > size:
            refuse("the pickle is damaged: the fields of a record are no numbers side by side")
        try:
            return np.dtype(
                {"names": names, "formats": formats, "offsets": offsets, "itemsize": size}
            )
        except (ValueError, TypeError) as error:
            refuse(f"the pickle is damaged: {one_line(error)}")


class UnbuiltArray:
    """An array whose state is still to come."""

    def __init__(self) -> None:
        self.memo_keys: list[int] = []

    def build(self, budget: Budget, state: Any) -> Any:
        """Return the array, over the bytes of the pickle; see `to_array`."""
        match state:
            case (
                int(),
                tuple() as shape,
                (np.dtype() | TextDtype()) as dtype,
                int(fortran),
                bytes(raw),
            ):
                return to_array(budget, dtype, shape, fortran=bool(fortran), raw=lambda count: raw)
            case (int(), (int(size),), NamesDtype(), int(), list(names)):
                # Charged before it is looked through: one list may be the state of many arrays.
                budget.operate(len(names))
                budget.spend_on_items(len(names))
                if size == len(names) and all(isinstance(name, str) for name in names):
                    return tuple(names)
        refuse(
            "the pickle is damaged: wrong state of an array (arrays of objects are not allowed, "
            "but for lists of names)"
        )


def make_dtype(budget: Budget, args: tuple[Any, ...]) -> UnbuiltDtype:
    """Answer the call ``numpy.dtype(code, False, True)``."""
    code = args[0] if args else None
    if not isinstance(code, str) or not _ALLOWED.fullmatch(code):
        refuse(f"arrays of {show(code)} are not allowed, only of numbers; fit on a plain array")
    budget.spend(INSTANCE)
    return UnbuiltDtype(code)


def read_scalar(budget: Budget, args: tuple[Any, ...]) -> float | int | str:
    """Answer the call ``numpy.scalar(dtype, raw)``."""
    match args:
        case (np.dtype() as dtype, bytes(raw)) if dtype.names is None:
            if len(raw) == dtype.itemsize:
                value: float | int = np.frombuffer(raw, dtype)[0].item()
                return value
        case (TextDtype() as text, bytes(raw)) if len(raw) == text.size:
            budget.spend(len(raw) + ARRAY)
            return "".join(text.decode(raw))  # of none, if it is empty
    refuse("the pickle is damaged: wrong value of a number")


def from_buffer(budget: Budget, args: tuple[Any, ...]) -> Any:
    """Answer the call by which protocol 5 stores an array."""
    match args:
        case (
            bytes() | bytearray() as raw,
            (np.dtype() | TextDtype()) as dtype,
            tuple() as shape,
            str(order),
        ):
            if order in ("C", "F"):
                if isinstance(raw, bytearray):
                    budget.spend(len(raw))  # copied
                return to_array(
                    budget, dtype, shape, fortran=order == "F", raw=lambda count: bytes(raw)
                )
    refuse("the pickle is damaged: wrong contents of an array")


def to_array(
    budget: Budget, dtype: Any, shape: Any, *, fortran: bool, raw: Callable[[int], bytes]
) -> Any:
    """Return a read-only array; ``raw(count)`` gives its bytes, which must be as many.

    Returns
    -------
    ndarray, number, str or tuple of str
        An array without axes becomes its one value, one of strings with one axis a tuple.
    """
    text = isinstance(dtype, TextDtype)
    if not isinstance(dtype, np.dtype | TextDtype) or not isinstance(shape, tuple):
        refuse("the pickle is damaged: an array without dtype or shape")
    if len(shape) > 8 or not all(type(size) is int and 0 <= size < 2**40 for size in shape):
        refuse("the pickle is damaged: wrong shape of an array")
    if text and len(shape) > 1:
        refuse("arrays of strings with several axes are not allowed")
    wanted = math.prod(shape) * (dtype.size if isinstance(dtype, TextDtype) else dtype.itemsize)
    budget.lay(min(wanted, 2**40))
    content = raw(wanted) if wanted < 2**40 else b""
    if len(content) != wanted:
        refuse(f"the pickle is damaged: an array of {wanted} bytes has {len(content)}")
    if isinstance(dtype, TextDtype):
        return _texts(budget, dtype, shape, content)
    try:
        array: NDArray[Any] = np.frombuffer(content, dtype).reshape(
            shape, order="F" if fortran else "C"
        )
    except ValueError as error:  # no bytes, but axes too long for an address
        refuse(f"the pickle is damaged: {one_line(error)}")
    # A parameter that was given as a NumPy value: what it means is the value.
    return array.item() if array.ndim == 0 and dtype.names is None else array


def _texts(budget: Budget, dtype: TextDtype, shape: tuple[int, ...], content: bytes) -> Any:
    count = math.prod(shape)
    if not dtype.size and count > 1:  # of any number, without a byte
        refuse("arrays of empty strings are not allowed")
    budget.operate(count)
    budget.spend(count * ARRAY + len(content))
    found = dtype.decode(content)
    return found if shape else "".join(found)
