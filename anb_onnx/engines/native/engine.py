"""The native engine: compiled table lookups, tens of millions of architectures per second."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx.engines.base import (
    Codes,
    Outputs,
    address,
    as_outputs,
    check_out,
    check_shape,
    is_array,
    plain,
    refuse_input,
    resolve_threads,
    span,
)
from anb_onnx.engines.native.kernels import Kernel, Parameters, kernel
from anb_onnx.engines.native.layout import inside_table, kernel_table, layouts
from anb_onnx.engines.native.looped import term_table
from anb_onnx.engines.native.spec import Spec
from anb_onnx.engines.native.symbols import BLOCK_ROWS, Source, gene_table
from anb_onnx.errors import ArchitectureError, EngineError
from anb_onnx.parallel.pool import WorkerPool
from anb_onnx.spaces.indices import refuse_indices
from anb_onnx.spaces.matrix import in_range, refuse_codes
from anb_onnx.tables import TableEnsemble

__all__ = ["NativeEngine"]

# A kernel, with its parameters bound, and the addresses of mean, std and members.
_Call: TypeAlias = tuple[partial[int], int, int, int | None]

# Rows per part of a batch (a fraction of a millisecond), and the fewest worth another thread.
_PART_ROWS = 32_768
_ROWS_PER_THREAD = 16_384

_UINT8, _INT64 = np.dtype(np.uint8), np.dtype(np.int64)


@dataclass(frozen=True)
class _Open:
    """All that calls need of an engine that is open.

    Calls and bound functions hold on to it while they use the addresses in it, so that closing the
    engine takes no memory from under a kernel.
    """

    ensemble: TableEnsemble
    pool: WorkerPool
    arrays: tuple[NDArray[np.int32], ...]  # whose addresses `parameters` holds
    parameters: Parameters
    kernels: dict[Source, partial[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, ensemble: TableEnsemble, threads: int) -> _Open:
        """Lay out an ensemble's tables."""
        space, link = ensemble.space, ensemble.link
        inside = np.zeros(0, dtype=np.bool_)
        if link.regime is not None:
            _, inside = link.regime.symbols(space)
        spec = Spec.of("codes", ensemble)
        arrays = (
            kernel_table(ensemble),
            inside_table(inside, ensemble.n_members),
            term_table(layouts(space.block_sizes, ensemble.terms.blocks)),
            gene_table(spec.sizes),
        )
        offset = 0.0 if link.offset is None else link.offset
        addresses = (array.ctypes.data for array in arrays)
        numbers = (len(ensemble.terms), ensemble.scale, ensemble.shift, offset)
        return cls(ensemble, WorkerPool(threads), arrays, Parameters(*addresses, *numbers))

    def kernel_for(self, source: Source) -> partial[int]:
        """Return the kernel for a kind of input, compiled before or now, its parameters bound."""
        found = self.kernels.get(source)
        if found is None:
            compiled: Kernel = kernel(Spec.of(source, self.ensemble))
            found = partial(compiled, ctypes.addressof(self.parameters))
            self.kernels[source] = found
        return found

    def new_call(self, source: Source, out: Outputs) -> _Call:
        """Return the kernel with the addresses of outputs that were allocated for it."""
        mean, std, members = out
        where = None if members is None else address(members)
        return self.kernel_for(source), address(mean), address(std), where

    def call(self, source: Source, n: int, read: tuple[int, int], out: Outputs) -> _Call:
        """Return the kernel with the addresses of its outputs, which are checked."""
        return self.kernel_for(source), *check_out(out, n, self.ensemble.n_members, read)


class NativeEngine:
    """Engine over the tables of an ensemble, with kernels compiled for it.

    It gives the bits of `TableEnsemble.predict`, whatever the input, threads and batch. Every
    code and index is checked, always. Kernels are compiled when first used, which takes about
    0.1 s for each kind of input and each link and number of members, and 0.3 s at most; nothing is
    written to disk. Calls release the GIL, any number of threads may call an engine at once, and it
    may be used after a fork, pickled, and sent to another process.

    Parameters
    ----------
    ensemble : TableEnsemble
    threads : int or None
        Most threads per call; None for all CPUs this process may use. Small batches run on the
        calling thread.

    Raises
    ------
    EngineError
        If `threads` is no positive integer; from the first call, if a kernel cannot be compiled on
        this machine.
    """

    name = "native"
    checks_bounds = True

    def __init__(self, ensemble: TableEnsemble, *, threads: SupportsIndex | None = None) -> None:
        self._ensemble, self._space = ensemble, ensemble.space
        self._threads = resolve_threads(threads)
        self._open: _Open | None = _Open.of(ensemble, self._threads)
        self._n_genes, self._n_members = ensemble.space.n_genes, ensemble.n_members

    @property
    def n_genes(self) -> int:
        """Number of codes per architecture."""
        return self._n_genes

    @property
    def n_members(self) -> int:
        """Number of ensemble members M."""
        return self._n_members

    @property
    def threads(self) -> int:
        """Most threads that one call uses."""
        return self._threads

    def predict(
        self, codes: Codes, *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for codes, checking them; see `Engine.predict`. Fastest where C-contiguous."""
        if type(codes) is not np.ndarray or not (
            codes.dtype is _UINT8 and codes.ndim == 2 and codes.shape[1] == self._n_genes
        ):
            codes = check_shape(codes, self._n_genes)
        return self._predict("codes", codes, members, out)

    def predict_indices(
        self, indices: NDArray[np.int64], *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for indices, int64 [N], as `predict` does for codes."""
        indices = plain(indices)
        if not is_array(indices) or indices.dtype != _INT64 or indices.ndim != 1:
            refuse_input("indices", "an int64 array [N]", indices)
        return self._predict("indices", indices, members, out)

    def bind(self, codes: Codes, out: Outputs) -> Callable[[], None]:
        """Return a function that predicts whatever stands in `codes`, into `out`.

        For inner loops over small batches: arrays are checked here, once, and a call does nothing
        but run the kernel on the calling thread. It raises as `predict` does.

        Parameters
        ----------
        codes : uint8 array [N, n_genes]
            C-contiguous. To be overwritten between calls.
        out : Outputs
            As for `predict`.
        """
        codes = check_shape(codes, self._n_genes)
        if not codes.flags.c_contiguous:
            msg = "codes that are bound to a function must be C-contiguous"
            raise EngineError(msg)
        state = self._open or _closed()
        n, read, outputs = len(codes), span(codes), as_outputs(out)
        function, *addresses = state.call("codes", n, read, outputs)
        # In parts, so that Ctrl-C never waits for more than one.
        calls = [
            partial(function, read[0], *addresses, start, min(start + _PART_ROWS, n))
            for start in range(0, n, _PART_ROWS)
        ]
        pool = state.pool

        def run() -> None:
            if pool.closed:
                _closed()
            for call in calls:
                row = call()
                if row >= 0:
                    self._refuse("codes", codes, row)

        # The addresses are good as long as these live.
        run.keep = (codes, outputs, state)  # type: ignore[attr-defined]
        return run

    def close(self) -> None:
        """Release threads and memory; another `predict` is an `EngineError`.

        Calls that are on their way finish, and keep what they use until then; functions that
        `bind` returned keep theirs, but compute no more.
        """
        state, self._open = self._open, None
        if state is not None:
            state.pool.close()

    def _predict(
        self, source: Source, rows: NDArray[Any], members: bool, out: Outputs | None
    ) -> Outputs:
        state = self._open or _closed()
        n, read = len(rows), span(rows)
        if out is None:
            out = Outputs.empty(n, self._n_members, members=members)
            call = state.new_call(source, out)
        else:
            if type(out) is not Outputs:
                out = as_outputs(out)
            call = state.call(source, n, read, out)
        if n < 2 * _ROWS_PER_THREAD and rows.flags.c_contiguous:
            # The plain road of small batches: nothing but the kernel.
            function, mean, std, of_members = call
            row = function(read[0], mean, std, of_members, 0, n)
            if row >= 0:
                self._refuse(source, rows, row)
        else:
            self._predict_parts(state, source, rows, call, out)
        return out

    def _predict_parts(
        self, state: _Open, source: Source, rows: NDArray[Any], call: _Call, out: Outputs
    ) -> None:
        n = len(rows)
        threads = max(1, min(self._threads, n // _ROWS_PER_THREAD))
        # Whole blocks, and at least one part for each thread.
        size = min(_PART_ROWS, -(-n // threads // BLOCK_ROWS) * BLOCK_ROWS)
        base = address(rows) if rows.flags.c_contiguous else None
        function, *addresses = call

        # A helper that runs `work` holds on to whatever its addresses are of.
        def work(start: int, _keep: object = (state, rows, out)) -> None:
            stop = min(start + size, n)
            here = base
            if here is None:
                copied = np.ascontiguousarray(rows[start:stop])
                # Where row 0 would be.
                here = copied.ctypes.data - start * (copied.nbytes // len(copied))
            row = function(here, *addresses, start, stop)
            if row >= 0:
                raise _BadRow(row)

        try:
            state.pool.run(work, range(0, n, size), threads)
        except _BadRow as error:
            self._refuse(source, rows, error.row)

    def _refuse(self, source: Source, rows: NDArray[Any], row: int) -> NoReturn:
        """Raise the error of the first bad row, which is in the block of `row` or before it."""
        for start in range(0, min(row + BLOCK_ROWS, len(rows)), _PART_ROWS):
            # A copy, since what is checked and what is reported must be the same.
            suspects = rows[start : min(start + _PART_ROWS, row + BLOCK_ROWS)].copy()
            if source == "codes":
                if not in_range(suspects, self._space):
                    refuse_codes(suspects, self._space, first_row=start)
            else:
                refuse_indices(suspects, self._space, first_row=start)
        msg = f"row {row} or one close behind it was out of range, but has changed since"
        raise ArchitectureError(msg)

    def __getstate__(self) -> dict[str, Any]:
        return {"ensemble": self._ensemble, "threads": self._threads}

    def __setstate__(self, state: dict[str, Any]) -> None:
        NativeEngine.__init__(self, state["ensemble"], threads=state["threads"])

    def __repr__(self) -> str:
        return f"NativeEngine({self._space.name!r}, threads={self._threads})"


class _BadRow(Exception):
    """A kernel found a row out of range."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def _closed() -> NoReturn:
    msg = "the native engine is closed; load the surrogate again"
    raise EngineError(msg)
