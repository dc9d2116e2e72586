"""What every engine offers: predictions for validated codes, whatever computes them."""

from __future__ import annotations

import ctypes
import operator
import os
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, Protocol, SupportsIndex

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.errors import ArchitectureError, EngineError

Codes = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


class Outputs(NamedTuple):
    """The arrays an engine fills, one row per architecture.

    Attributes
    ----------
    mean, std : float32 array [N]
        Mean and population standard deviation (ddof=0) over the members.
    members : float32 array [N, M] or None
        Prediction of each member, None where it was not asked for.

    Examples
    --------
    >>> out = Outputs.empty(1_000, n_members=8, members=True)
    >>> out.members.shape, out.rows(10, 20).mean.shape
    ((1000, 8), (10,))
    """

    mean: FloatArray
    std: FloatArray
    members: FloatArray | None

    @classmethod
    def empty(cls, n: int, n_members: int, *, members: bool) -> Outputs:
        """Allocate the outputs of `n` architectures, `members` too where asked."""
        return cls(
            mean=np.empty(n, np.float32),
            std=np.empty(n, np.float32),
            members=np.empty((n, n_members), np.float32) if members else None,
        )

    def rows(self, start: int, stop: int) -> Outputs:
        """Return views of rows `start` to `stop` of each array."""
        return Outputs(
            self.mean[start:stop],
            self.std[start:stop],
            None if self.members is None else self.members[start:stop],
        )


class Engine(Protocol):
    """Predicts one target for batches of codes.

    An engine may be called by several threads at once and after a fork, and gives the same bits
    whatever its thread count and however a batch is cut.
    """

    @property
    def checks_bounds(self) -> bool:
        """Whether `predict` itself refuses codes that are out of range."""

    @property
    def predict_indices(self) -> Callable[..., Outputs] | None:
        """Predicts for indices, int64 [N], as `predict` for codes; None where it cannot."""

    @property
    def name(self) -> str:
        """Name by which `load(engine=...)` knows this engine."""

    @property
    def n_genes(self) -> int:
        """Number of codes per architecture."""

    @property
    def n_members(self) -> int:
        """Number of ensemble members M."""

    @property
    def threads(self) -> int:
        """Most threads that one call uses."""

    def predict(
        self, codes: Codes, *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for a batch.

        Parameters
        ----------
        codes : uint8 array [N, n_genes]
            N may be 0. Validated against the search space, unless the engine checks bounds.
        members : bool
            Whether to return the prediction of each member too.
        out : Outputs, optional
            Arrays to write into, as `check_out` takes them (`out.members` decides about members
            then). Where the call raises, some rows of them may have been written.

        Raises
        ------
        ArchitectureError
            If `codes` is no such array, or out of range where the engine checks that.
        EngineError
            If `out` does not fit, or the engine is closed, also where that happens meanwhile.
        """

    def close(self) -> None:
        """Release threads and memory; another `predict` is an `EngineError`.

        Calls that are on their way finish, or end with that error; what they use lives until then.
        """


_UINT8, _FLOAT32 = np.dtype(np.uint8), np.dtype(np.float32)


def is_array(value: object) -> bool:
    """Whether a value is an array of NumPy's of which every element counts: none that is masked."""
    if type(value) is np.ndarray:
        return True
    return isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray)


def plain(value: object) -> Any:
    """Return an array that `is_array` takes without its class, else the value itself.

    A subclass answers for its shape, length and items as it likes; kernels work on addresses.
    """
    if type(value) is np.ndarray or not is_array(value):
        return value
    return np.asarray(value)


def check_shape(codes: Codes, n_genes: int) -> Codes:
    """Return an array uint8 [N, n_genes], whatever its values, as a plain one; refuse all else.

    Raises
    ------
    ArchitectureError
    """
    codes = plain(codes)
    if not (
        is_array(codes) and codes.dtype == _UINT8 and codes.ndim == 2 and codes.shape[1] == n_genes
    ):
        refuse_input("codes", f"a uint8 array [N, {n_genes}]", codes)
    return codes


def refuse_input(name: str, wanted: str, found: object) -> NoReturn:
    """Raise the error for an input that is not the array an engine takes."""
    masked = ", masked" if isinstance(found, np.ma.MaskedArray) else ""
    msg = f"{name} must be {wanted}, not {show(found)}{masked}"
    raise ArchitectureError(msg)


def as_outputs(out: Any, name: str = "out") -> Outputs:
    """Return whatever holds mean, std and members (or None) as `Outputs`.

    What is checked must be what is written: a list may change meanwhile, and an iterator gives its
    arrays once, and then nobody else keeps them.

    Raises
    ------
    EngineError
        If these are not three things.
    """
    if type(out) is Outputs:
        return out
    try:
        mean, std, members = out
    except (TypeError, ValueError):
        msg = f"{name} must be Outputs(mean, std, members), not {show(out)}"
        raise EngineError(msg) from None
    return Outputs(mean, std, members)


_from_buffer: Any = (ctypes.c_char * 0).from_buffer
_addressof, _ndarray = ctypes.addressof, np.ndarray


def address(array: npt.NDArray[Any]) -> int:
    """Return where a plain C-contiguous array begins."""
    try:
        return _addressof(_from_buffer(array))  # a fifth of the time of the other way
    except TypeError:  # read-only
        return int(array.ctypes.data)


def span(array: npt.NDArray[Any]) -> tuple[int, int]:
    """Return the address of a plain array's first byte, and that behind its last."""
    if array.flags.c_contiguous:
        low = address(array)
        return low, low + array.nbytes
    low = high = int(array.ctypes.data)
    for size, stride in zip(array.shape, array.strides, strict=True):
        low += min(0, (size - 1) * stride)
        high += max(0, (size - 1) * stride)
    return low, high + array.itemsize


def check_out(
    out: Outputs, n: int, n_members: int, rows: tuple[int, int], name: str = "out"
) -> tuple[int, int, int | None]:
    """Refuse arrays that cannot take the outputs of `n` architectures; return where they begin.

    They are float32 [N], [N] and, unless None, [N, M], C-contiguous, writeable, and share memory
    neither with each other nor with the `span` of the input's rows: what is written for one row
    would else be read as another.

    Raises
    ------
    EngineError
        Naming the array, as part of `name`, what it should be and what it is.
    """
    mean, std, members = out
    low, high = rows
    shape = (n,)
    a = _address_to_fill(mean, shape, name, "mean")
    b = _address_to_fill(std, shape, name, "std")
    size = 4 * n
    if -size < a - b < size:
        _refuse_overlap(f"{name}.mean", f"{name}.std")
    if a < high and low < a + size:
        _refuse_overlap(f"{name}.mean", "the input")
    if b < high and low < b + size:
        _refuse_overlap(f"{name}.std", "the input")
    if members is None:
        return a, b, None
    c = _address_to_fill(members, (n, n_members), name, "members")
    end = c + size * n_members
    for address, stop, other in (
        (a, a + size, f"{name}.mean"),
        (b, b + size, f"{name}.std"),
        (low, high, "the input"),
    ):
        if c < stop and address < end:
            _refuse_overlap(other, f"{name}.members")
    return a, b, c


def _address_to_fill(array: Any, shape: tuple[int, ...], name: str, part: str) -> int:
    """Return where an array begins; refuse anything but float32 of a shape, fit to write to."""
    try:
        if type(array) is not _ndarray:
            array = plain(array)
        # First what nearly always is the case, and quick to see.
        if (
            (type(array) is _ndarray and array.dtype is _FLOAT32)
            or (is_array(array) and array.dtype == _FLOAT32)
        ) and array.shape == shape:
            return _addressof(_from_buffer(array))
    except (TypeError, BufferError, ValueError):  # read-only or not C-contiguous
        pass
    found = show(array)
    if isinstance(array, np.ndarray):
        flags = array.flags
        found = f"{array.dtype} {list(array.shape)}"
        found += ", masked" if isinstance(array, np.ma.MaskedArray) else ""
        found += "" if flags.c_contiguous else ", not C-contiguous"
        found += "" if flags.writeable else ", read-only"
    msg = (
        f"{name}.{part} must be a writeable, C-contiguous float32 array {list(shape)}, "
        f"found {found}"
    )
    raise EngineError(msg)


def _refuse_overlap(first: str, second: str) -> NoReturn:
    msg = f"{first} and {second} share memory; give an array of its own to each"
    raise EngineError(msg)


def resolve_threads(threads: SupportsIndex | None) -> int:
    """Thread count for `threads`: itself, or for None the number of CPUs this process may use.

    Raises
    ------
    EngineError
        Where `threads` is no positive integer.
    """
    if threads is None:
        # A container or taskset often grants fewer CPUs than the machine has.
        if hasattr(os, "sched_getaffinity"):
            return max(1, len(os.sched_getaffinity(0)))
        return os.cpu_count() or 1
    try:
        count = 0 if isinstance(threads, bool) else operator.index(threads)
    except TypeError:
        count = 0
    if count < 1:
        msg = f"threads must be a positive integer, or None for all CPUs, not {show(threads)}"
        raise EngineError(msg)
    return count
