"""Arrays of numbers in pickles, put together from checked parts; part of `safe_pickle`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_onnx._show import show
from anb_onnx.errors import AnbError

_NUMBER = re.compile(r"b1|[iu][1248]|f[248]")
_OBJECT = "O8"
_ALLOWED = re.compile(rf"{_NUMBER.pattern}|{_OBJECT}|V[1-9][0-9]{{0,3}}")


class PickleError(AnbError):
    """A pickle is damaged, or asks for something that is not allowed."""


def refuse(message: str) -> NoReturn:
    """Raise a `PickleError`."""
    raise PickleError(message)


class NamesDtype:
    """Stands for the dtype of arrays of objects, of which only lists of names are read.

    No `np.dtype`, so that no array can be laid over bytes with it.
    """


class UnbuiltDtype:
    """A dtype whose state is still to come."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.memo_keys: list[int] = []

    def build(self, state: Any) -> np.dtype[Any] | NamesDtype:
        """Return the dtype: a plain number, a record of plain numbers, or that of names."""
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
        size = int(self.code[1:])
        if (
            type(itemsize) is not int
            or itemsize != size
            or not isinstance(names, tuple)
            or not isinstance(fields, dict)
        ):
            refuse("the pickle is damaged: wrong state of a record's dtype")
        formats, offsets = [], []
        for name in names:
            match fields.get(name) if isinstance(name, str) else None:
                case (np.dtype() as dtype, int(offset), *_) if 0 <= offset <= size - dtype.itemsize:
                    formats.append(dtype)
                    offsets.append(offset)
                case _:
                    refuse("the pickle is damaged: wrong field of a record's dtype")
        try:
            return np.dtype(
                {"names": names, "formats": formats, "offsets": offsets, "itemsize": size}
            )
        except (ValueError, TypeError) as error:
            refuse(f"the pickle is damaged: {str(error)[:100]}")


class UnbuiltArray:
    """An array whose state is still to come."""

    def __init__(self) -> None:
        self.memo_keys: list[int] = []

    def build(self, state: Any) -> NDArray[Any] | tuple[str, ...]:
        """Return the array, over the bytes of the pickle; of a 1-D array of strings these."""
        match state:
            case (int(), tuple() as shape, np.dtype() as dtype, int(fortran), bytes(raw)):
                return to_array(dtype, shape, fortran=bool(fortran), raw=lambda count: raw)
            case (int(), (int(size),), NamesDtype(), int(), list(names)):
                if size == len(names) and all(isinstance(name, str) for name in names):
                    return tuple(names)
        refuse(
            "the pickle is damaged: wrong state of an array (arrays of objects are not allowed, "
            "but for lists of names)"
        )


def make_dtype(args: tuple[Any, ...]) -> UnbuiltDtype:
    """Answer the call ``numpy.dtype(code, False, True)``."""
    code = args[0] if args else None
    if not isinstance(code, str) or not _ALLOWED.fullmatch(code):
        refuse(f"arrays of {show(code)} are not allowed, only of numbers; fit on a plain array")
    return UnbuiltDtype(code)


def read_scalar(args: tuple[Any, ...]) -> float | int:
    """Answer the call ``numpy.scalar(dtype, raw)``."""
    match args:
        case (np.dtype() as dtype, bytes(raw)) if dtype.names is None:
            if len(raw) == dtype.itemsize:
                value: float | int = np.frombuffer(raw, dtype)[0].item()
                return value
    refuse("the pickle is damaged: wrong value of a number")


def from_buffer(args: tuple[Any, ...]) -> NDArray[Any]:
    """Answer the call by which protocol 5 stores an array."""
    match args:
        case (bytes() | bytearray() as raw, np.dtype() as dtype, tuple() as shape, str(order)):
            if order in ("C", "F"):
                return to_array(dtype, shape, fortran=order == "F", raw=lambda count: bytes(raw))
    refuse("the pickle is damaged: wrong contents of an array")


def to_array(dtype: Any, shape: Any, *, fortran: bool, raw: Callable[[int], bytes]) -> NDArray[Any]:
    """Return a read-only array; ``raw(count)`` gives its bytes, which must be as many."""
    if not isinstance(dtype, np.dtype) or not isinstance(shape, tuple) or len(shape) > 8:
        refuse("the pickle is damaged: an array without dtype or shape")
    if not all(type(size) is int and 0 <= size < 2**40 for size in shape):
        refuse("the pickle is damaged: wrong shape of an array")
    wanted = math.prod(shape) * dtype.itemsize
    content = raw(wanted) if wanted < 2**40 else b""
    if len(content) != wanted:
        refuse(f"the pickle is damaged: an array of {wanted} bytes has {len(content)}")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
