"""The native engine: compiled table lookups, tens of millions of architectures per second."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding import check_codes, indices_to_codes
from anb_onnx.engines._kernels import (
    Kernel,
    Parameters,
    Spec,
    inside_table,
    kernel,
    kernel_table,
)
from anb_onnx.engines._pool import WorkerPool
from anb_onnx.engines._symbols import BLOCK_ROWS, Source
from anb_onnx.engines.base import Codes, FloatArray, Outputs, resolve_threads
from anb_onnx.errors import ArchitectureError, EngineError
from anb_onnx.space import SearchSpace
from anb_onnx.tables import TableEnsemble

__all__ = ["NativeEngine", "NativeTargetEngine"]

#: Outputs of one target, or a plain tuple of the same three.
Out: TypeAlias = Outputs | tuple[FloatArray, FloatArray, FloatArray | None]

# A kernel, with its parameters bound, and the addresses of mean, std and members.
_Call: TypeAlias = tuple[partial[int], int, int, int | None]

# Rows per part of a batch (a fraction of a millisecond), and the fewest worth another thread.
_PART_ROWS = 32_768
_ROWS_PER_THREAD = 16_384

_UINT8, _INT64, _FLOAT32 = np.dtype(np.uint8), np.dtype(np.int64), np.dtype(np.float32)
_from_buffer: Any = (ctypes.c_char * 0).from_buffer


@dataclass(frozen=True)
class _Target:
    """One ensemble as kernels want it."""

    ensemble: TableEnsemble
    regime_block: int | None
    arrays: tuple[NDArray[np.int32], NDArray[np.int32]]  # whose addresses `parameters` holds
    parameters: Parameters

    @classmethod
    def of(cls, ensemble: TableEnsemble) -> _Target:
        link, block, inside = ensemble.link, None, np.zeros(0, dtype=np.bool_)
        if link.regime is not None:
            block, inside = link.regime.symbols(ensemble.space)
        arrays = (kernel_table(ensemble), inside_table(inside, ensemble.n_members))
        offset = 0.0 if link.offset is None else link.offset
        addresses = (array.ctypes.data for array in arrays)
        parameters = Parameters(*addresses, ensemble.scale, ensemble.shift, offset)
        return cls(ensemble, block, arrays, parameters)

    def kernel(self, source: Source) -> partial[int]:
        """Return the kernel for a kind of input, with its first argument bound."""
        space, link = self.ensemble.space, self.ensemble.link
        sizes = tuple(tuple(len(gene) for gene in block.genes) for block in space.blocks)
        spec = Spec(
            source,
            sizes,
            self.ensemble.n_members,
            link.inverse_steps,
            link.bends,
            self.regime_block,
        )
        compiled: Kernel = kernel(spec)
        return partial(compiled, ctypes.addressof(self.parameters))


class NativeEngine:
    """Engine over the tables of one or several ensembles of one search space.

    It gives the bits of `TableEnsemble.predict`, whatever the input, threads and batch. Every
    code, index and symbol is checked, always. Kernels are compiled when first used, which takes
    about 0.1 s for each kind of input and each link and number of members; nothing is written to
    disk. Calls release the GIL, any number of threads may call an engine at once, and it may be
    used after a fork, pickled, and sent to another process.

    The targets are computed one after the other. Encoding takes a fraction of the time of the
    lookups, so that reading a batch once for each target is faster than holding the tables of all
    targets in the cache at once.

    Parameters
    ----------
    ensembles : sequence of TableEnsemble
        At least one; all of the same search space. Numbers of members and links may differ.
    threads : int or None
        Most threads per call; None for all CPUs this process may use. Small batches run on the
        calling thread.

    Raises
    ------
    EngineError
        If there is no ensemble, they are of different spaces, `threads` is no positive integer,
        or a kernel cannot be compiled on this machine.
    """

    name = "native"

    def __init__(
        self, ensembles: Sequence[TableEnsemble], *, threads: SupportsIndex | None = None
    ) -> None:
        ensembles = tuple(ensembles)
        if not ensembles:
            msg = "the native engine needs at least one ensemble"
            raise EngineError(msg)
        space = ensembles[0].space
        for ensemble in ensembles:
            if ensemble.space != space:
                msg = (
                    "an engine's ensembles are of one search space, not of "
                    f"{space.name!r} and {ensemble.space.name!r}"
                )
                raise EngineError(msg)
        self._space, self._ensembles = space, ensembles
        self._threads = resolve_threads(threads)
        self._targets = tuple(map(_Target.of, ensembles))
        self._pool = WorkerPool(self._threads)
        self._kernels: dict[Source, tuple[partial[int], ...]] = {}
        self._n_genes = space.n_genes

    @property
    def space(self) -> SearchSpace:
        """The search space of all ensembles."""
        return self._space

    @property
    def n_genes(self) -> int:
        """Number of codes per architecture."""
        return self._n_genes

    @property
    def n_members(self) -> tuple[int, ...]:
        """Number of members of each ensemble."""
        return tuple(ensemble.n_members for ensemble in self._ensembles)

    @property
    def threads(self) -> int:
        """Most threads that one call uses."""
        return self._threads

    def predict(
        self, codes: Codes, *, members: bool = False, out: Sequence[Out] | None = None
    ) -> list[Outputs]:
        """Predict all targets for codes.

        Parameters
        ----------
        codes : uint8 array [N, n_genes]
            N may be 0. Fastest where C-contiguous.
        members : bool
            Whether to return the predictions of each member too.
        out : sequence of Outputs or of tuples (mean, std, members or None), optional
            For each ensemble the arrays to write into: float32 [N], [N] and, where its members
            are wanted, [N, M]; C-contiguous, writeable, not overlapping. Replaces `members`.

        Returns
        -------
        list of Outputs
            For each ensemble; `out` where that was given.

        Raises
        ------
        ArchitectureError
            If a code is out of range; the message names the first offending row, gene and code.
            Arrays given as `out` may then have been written to.
        EngineError
            If `codes` or `out` are not such arrays, or the engine is closed.
        """
        if (codes.dtype is not _UINT8 and codes.dtype != _UINT8) or (
            codes.ndim != 2 or codes.shape[1] != self._n_genes
        ):
            _refuse_input("codes", f"uint8 [N, {self._n_genes}]", codes)
        return self._predict("codes", codes, members, out)

    def predict_indices(
        self, indices: NDArray[np.int64], *, members: bool = False, out: Sequence[Out] | None = None
    ) -> list[Outputs]:
        """Predict all targets for indices, int64 [N], as `predict` does for codes."""
        if indices.dtype != _INT64 or indices.ndim != 1:
            _refuse_input("indices", "int64 [N]", indices)
        return self._predict("indices", indices, members, out)

    def predict_symbols(
        self, symbols: NDArray[Any], *, members: bool = False, out: Sequence[Out] | None = None
    ) -> list[Outputs]:
        """Predict all targets for symbols [N, n_blocks], as `predict` does for codes.

        Their type is the space's `symbol_dtype`, as `codes_to_symbols` returns them.
        """
        dtype, n_blocks = self._space.symbol_dtype, self._space.n_blocks
        if symbols.dtype != dtype or symbols.ndim != 2 or symbols.shape[1] != n_blocks:
            _refuse_input("symbols", f"{dtype} [N, {n_blocks}]", symbols)
        return self._predict("symbols", symbols, members, out)

    def bind(self, codes: Codes, out: Sequence[Out]) -> Callable[[], None]:
        """Return a function that predicts whatever stands in `codes`, into `out`.

        For inner loops over small batches: arrays are checked here, once, and a call does nothing
        but run the kernels on the calling thread. It raises as `predict` does.

        Parameters
        ----------
        codes : uint8 array [N, n_genes]
            C-contiguous. To be overwritten between calls.
        out : sequence of Outputs or of tuples (mean, std, members or None)
            As for `predict`.
        """
        if codes.dtype != _UINT8 or codes.ndim != 2 or codes.shape[1] != self._n_genes:
            _refuse_input("codes", f"uint8 [N, {self._n_genes}]", codes)
        if not codes.flags.c_contiguous:
            msg = "codes that are bound to a function must be C-contiguous"
            raise EngineError(msg)
        n, source = len(codes), _address(codes)
        out = tuple(out)
        calls = [
            partial(call, source, *addresses, 0, n)
            for call, *addresses in self._calls(self._kernels_for("codes"), n, out)
        ]

        def run() -> None:
            for call in calls:
                row = call()
                if row >= 0:
                    self._refuse("codes", codes, row)

        # The addresses are good as long as the arrays live.
        run.arrays = (codes, out, self._targets)  # type: ignore[attr-defined]
        return run

    def close(self) -> None:
        """Release threads and memory; another `predict` is an `EngineError`."""
        self._pool.close()
        self._kernels.clear()
        self._targets = ()

    def _predict(
        self, source: Source, rows: NDArray[Any], members: bool, out: Sequence[Out] | None
    ) -> list[Outputs]:
        kernels = self._kernels.get(source) or self._kernels_for(source)
        n = len(rows)
        if out is None:
            out = [Outputs.empty(n, e.n_members, members=members) for e in self._ensembles]
        calls = self._calls(kernels, n, out)
        if n < 2 * _ROWS_PER_THREAD and rows.flags.c_contiguous:
            # The plain road of small batches: nothing but the kernels.
            base = _address(rows)
            for call, mean, std, of_members in calls:
                row = call(base, mean, std, of_members, 0, n)
                if row >= 0:
                    self._refuse(source, rows, row)
        else:
            self._predict_parts(source, rows, calls)
        return [given if type(given) is Outputs else Outputs(*given) for given in out]

    def _predict_parts(
        self,
        source: Source,
        rows: NDArray[Any],
        calls: Sequence[_Call],
    ) -> None:
        n = len(rows)
        threads = max(1, min(self._threads, n // _ROWS_PER_THREAD))
        # Whole blocks, and at least one part for each thread.
        size = min(_PART_ROWS, -(-n // threads // BLOCK_ROWS) * BLOCK_ROWS)
        base = _address(rows) if rows.flags.c_contiguous else None

        def work(part: tuple[int, int]) -> None:
            number, start = part
            stop = min(start + size, n)
            call, *addresses = calls[number]
            here = base
            if here is None:
                copied = np.ascontiguousarray(rows[start:stop])
                # Where row 0 would be.
                here = copied.ctypes.data - start * (copied.nbytes // len(copied))
            row = call(here, *addresses, start, stop)
            if row >= 0:
                raise _BadRow(row)

        # One target after the other, so that the table of one stays in the cache.
        parts = ((number, start) for number in range(len(calls)) for start in range(0, n, size))
        try:
            self._pool.run(work, parts, threads)
        except _BadRow as error:
            self._refuse(source, rows, error.row)

    def _kernels_for(self, source: Source) -> tuple[partial[int], ...]:
        if self._pool.closed:
            msg = "the native engine is closed"
            raise EngineError(msg)
        kernels = tuple(target.kernel(source) for target in self._targets)
        self._kernels[source] = kernels
        return kernels

    def _calls(self, kernels: tuple[partial[int], ...], n: int, out: Sequence[Out]) -> list[_Call]:
        """Return each kernel with the addresses of its outputs, which are checked."""
        if len(out) != len(kernels):
            msg = f"out has {len(out)} entries, the engine {len(kernels)} ensembles"
            raise EngineError(msg)
        calls = []
        for number, (mean, std, members) in enumerate(out):
            shape = (n,)
            calls.append(
                (
                    kernels[number],
                    _out_address(mean, shape, number, "mean"),
                    _out_address(std, shape, number, "std"),
                    None
                    if members is None
                    else _out_address(
                        members, (n, self._ensembles[number].n_members), number, "members"
                    ),
                )
            )
        return calls

    def _refuse(self, source: Source, rows: NDArray[Any], row: int) -> NoReturn:
        """Raise the error of the first bad row, which is in the block of `row` or before it."""
        suspects = rows[: row + BLOCK_ROWS]
        if source == "codes":
            check_codes(suspects, self._space)
        elif source == "indices":
            indices_to_codes(suspects, self._space)
        else:
            sizes = np.array(self._space.block_sizes)
            bad = suspects >= sizes
            if bad.any():
                first, block = np.unravel_index(int(bad.argmax()), bad.shape)
                msg = (
                    f"row {first}, block {self._space.blocks[block].name!r}: symbol "
                    f"{suspects[first, block]} is out of range; allowed are 0 to "
                    f"{sizes[block] - 1}"
                )
                raise ArchitectureError(msg)
        msg = f"row {row} or one close behind it was out of range, but has changed since"
        raise ArchitectureError(msg)

    def __getstate__(self) -> dict[str, Any]:
        return {"ensembles": self._ensembles, "threads": self._threads}

    def __setstate__(self, state: dict[str, Any]) -> None:
        NativeEngine.__init__(self, state["ensembles"], threads=state["threads"])

    def __repr__(self) -> str:
        return (
            f"NativeEngine({len(self._ensembles)} ensembles of {self._space.name!r}, "
            f"threads={self._threads})"
        )


class NativeTargetEngine:
    """A `NativeEngine` over one ensemble, in the form of the `Engine` protocol.

    Parameters
    ----------
    ensemble : TableEnsemble
        The surrogate's tables.
    threads : int or None
        As for `NativeEngine`.
    """

    name = "native"
    checks_bounds = True

    def __init__(self, ensemble: TableEnsemble, *, threads: SupportsIndex | None = None) -> None:
        self.targets = NativeEngine((ensemble,), threads=threads)
        self._n_members = ensemble.n_members

    @property
    def n_genes(self) -> int:
        """Number of codes per architecture."""
        return self.targets.n_genes

    @property
    def n_members(self) -> int:
        """Number of ensemble members M."""
        return self._n_members

    @property
    def threads(self) -> int:
        """Most threads that one call uses."""
        return self.targets.threads

    def predict(
        self, codes: Codes, *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for codes; see `NativeEngine.predict`."""
        given = None if out is None else (out,)
        return self.targets.predict(codes, members=members, out=given)[0]

    def predict_indices(
        self, indices: NDArray[np.int64], *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for indices; see `NativeEngine.predict_indices`."""
        given = None if out is None else (out,)
        return self.targets.predict_indices(indices, members=members, out=given)[0]

    def bind(self, codes: Codes, out: Outputs) -> Callable[[], None]:
        """Return a function that predicts `codes` into `out`; see `NativeEngine.bind`."""
        return self.targets.bind(codes, (out,))

    def close(self) -> None:
        """Release threads and memory; another `predict` is an `EngineError`."""
        self.targets.close()


class _BadRow(Exception):
    """A kernel found a row out of range."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def _address(array: NDArray[Any]) -> int:
    """Return where a C-contiguous array begins."""
    try:
        return ctypes.addressof(_from_buffer(array))  # a fifth of the time of the other way
    except TypeError:  # read-only
        return int(array.ctypes.data)


def _out_address(array: NDArray[Any], shape: tuple[int, ...], number: int, name: str) -> int:
    """Return where an array begins; refuse anything but float32 of a shape, fit to write to."""
    try:
        if (array.dtype is _FLOAT32 or array.dtype == _FLOAT32) and array.shape == shape:
            return ctypes.addressof(_from_buffer(array))
    except (AttributeError, TypeError):  # no array; read-only or not C-contiguous
        pass
    found = type(array).__name__
    if isinstance(array, np.ndarray):
        flags = array.flags
        found = f"{array.dtype} {list(array.shape)}"
        found += "" if flags.c_contiguous else ", not C-contiguous"
        found += "" if flags.writeable else ", read-only"
    msg = (
        f"out[{number}].{name} must be a writeable, C-contiguous float32 array {list(shape)}, "
        f"found {found}"
    )
    raise EngineError(msg)


def _refuse_input(what: str, wanted: str, found: NDArray[Any]) -> NoReturn:
    msg = f"{what} must be an array of {wanted}, not {found.dtype} {list(found.shape)}"
    raise EngineError(msg)
