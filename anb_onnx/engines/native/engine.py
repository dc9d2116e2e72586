"""The native engine: compiled table lookups, tens of millions of architectures per second."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.encoding import refuse_indices
from anb_onnx.engines.base import (
    Codes,
    FloatArray,
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
from anb_onnx.engines.native.kernels import (
    Kernel,
    Parameters,
    Spec,
    check_size,
    inside_table,
    kernel,
    kernel_table,
)
from anb_onnx.engines.native.symbols import BLOCK_ROWS, Source
from anb_onnx.errors import ArchitectureError, EngineError
from anb_onnx.parallel.pool import WorkerPool
from anb_onnx.spaces.matrix import in_range, refuse_codes
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble

__all__ = ["NativeEngine", "NativeTargetEngine"]

#: Outputs of one target, or a plain tuple of the same three.
Out: TypeAlias = Outputs | tuple[FloatArray, FloatArray, FloatArray | None]

# A kernel, with its parameters bound, and the addresses of mean, std and members.
_Call: TypeAlias = tuple[partial[int], int, int, int | None]

# Rows per part of a batch (a fraction of a millisecond), and the fewest worth another thread.
_PART_ROWS = 32_768
_ROWS_PER_THREAD = 16_384

_UINT8, _INT64 = np.dtype(np.uint8), np.dtype(np.int64)


@dataclass(frozen=True)
class _Target:
    """One ensemble as kernels want it."""

    ensemble: TableEnsemble
    n_members: int
    name: str  # of its outputs, in errors
    regime_block: int | None
    arrays: tuple[NDArray[np.int32], NDArray[np.int32]]  # whose addresses `parameters` holds
    parameters: Parameters

    @classmethod
    def of(cls, number: int, ensemble: TableEnsemble) -> _Target:
        link, block, inside = ensemble.link, None, np.zeros(0, dtype=np.bool_)
        if link.regime is not None:
            block, inside = link.regime.symbols(ensemble.space)
        arrays = (kernel_table(ensemble), inside_table(inside, ensemble.n_members))
        offset = 0.0 if link.offset is None else link.offset
        addresses = (array.ctypes.data for array in arrays)
        parameters = Parameters(*addresses, ensemble.scale, ensemble.shift, offset)
        return cls(ensemble, ensemble.n_members, f"out[{number}]", block, arrays, parameters)

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


@dataclass(frozen=True)
class _Open:
    """All that calls need of an engine that is open.

    Calls and bound functions hold on to it while they use the addresses in it, so that closing the
    engine takes no memory from under a kernel.
    """

    targets: tuple[_Target, ...]
    pool: WorkerPool
    kernels: dict[Source, tuple[partial[int], ...]] = field(default_factory=dict)

    def kernels_for(self, source: Source) -> tuple[partial[int], ...]:
        """Return the kernel of each target, compiled before or now."""
        found = self.kernels.get(source)
        if found is None:
            found = self.kernels[source] = tuple(target.kernel(source) for target in self.targets)
        return found

    def outputs(self, out: Sequence[Out]) -> list[Outputs]:
        """Return what was given for each target, in a form that nobody else can change."""
        if len(out) != len(self.targets):
            msg = f"out has {len(out)} entries, the engine {len(self.targets)} ensembles"
            raise EngineError(msg)
        return [
            given if type(given) is Outputs else as_outputs(given, self.targets[k].name)
            for k, given in enumerate(out)
        ]

    def new_calls(self, source: Source, out: Sequence[Outputs]) -> list[_Call]:
        """Return each kernel with the addresses of outputs that were allocated for them."""
        kernels = self.kernels_for(source)
        return [
            (kernels[k], address(mean), address(std), None if m is None else address(m))
            for k, (mean, std, m) in enumerate(out)
        ]

    def calls(
        self, source: Source, n: int, read: tuple[int, int], out: Sequence[Outputs]
    ) -> list[_Call]:
        """Return each kernel with the addresses of its outputs, which are checked."""
        kernels, targets = self.kernels_for(source), self.targets
        calls = []
        for k, arrays in enumerate(out):
            target = targets[k]
            addresses = check_out(arrays, n, target.n_members, read, target.name)
            calls.append((kernels[k], *addresses))
        return calls


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
        If there is no ensemble, they are of different spaces, `threads` is no positive integer, or
        a kernel cannot be compiled on this machine, or only in minutes.
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
            check_size(ensemble)
        self._space, self._ensembles = space, ensembles
        self._threads = resolve_threads(threads)
        targets = tuple(_Target.of(k, ensemble) for k, ensemble in enumerate(ensembles))
        self._open: _Open | None = _Open(targets, WorkerPool(self._threads))
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
        if type(codes) is not np.ndarray or not (
            codes.dtype is _UINT8 and codes.ndim == 2 and codes.shape[1] == self._n_genes
        ):
            codes = check_shape(codes, self._n_genes)
        return self._predict("codes", codes, members, out)

    def predict_indices(
        self, indices: NDArray[np.int64], *, members: bool = False, out: Sequence[Out] | None = None
    ) -> list[Outputs]:
        """Predict all targets for indices, int64 [N], as `predict` does for codes."""
        indices = plain(indices)
        if not is_array(indices) or indices.dtype != _INT64 or indices.ndim != 1:
            refuse_input("indices", "an int64 array [N]", indices)
        return self._predict("indices", indices, members, out)

    def predict_symbols(
        self, symbols: NDArray[Any], *, members: bool = False, out: Sequence[Out] | None = None
    ) -> list[Outputs]:
        """Predict all targets for symbols [N, n_blocks], as `predict` does for codes.

        Their type is the space's `symbol_dtype`, as `codes_to_symbols` returns them.
        """
        symbols, dtype, n_blocks = plain(symbols), self._space.symbol_dtype, self._space.n_blocks
        if not (
            is_array(symbols)
            and symbols.dtype == dtype
            and symbols.ndim == 2
            and symbols.shape[1] == n_blocks
        ):
            refuse_input("symbols", f"an array of {dtype} [N, {n_blocks}]", symbols)
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
        codes = check_shape(codes, self._n_genes)
        if not codes.flags.c_contiguous:
            msg = "codes that are bound to a function must be C-contiguous"
            raise EngineError(msg)
        state = self._open or _closed()
        n, read, outputs = len(codes), span(codes), state.outputs(out)
        # In parts, so that Ctrl-C never waits for more than one.
        calls = [
            partial(call, read[0], *addresses, start, min(start + _PART_ROWS, n))
            for call, *addresses in state.calls("codes", n, read, outputs)
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
        self, source: Source, rows: NDArray[Any], members: bool, out: Sequence[Out] | None
    ) -> list[Outputs]:
        state = self._open or _closed()
        n, read = len(rows), span(rows)
        if out is None:
            outputs = [Outputs.empty(n, t.n_members, members=members) for t in state.targets]
            calls = state.new_calls(source, outputs)
        else:
            outputs = state.outputs(out)
            calls = state.calls(source, n, read, outputs)
        if n < 2 * _ROWS_PER_THREAD and rows.flags.c_contiguous:
            # The plain road of small batches: nothing but the kernels.
            base = read[0]
            for call, mean, std, of_members in calls:
                row = call(base, mean, std, of_members, 0, n)
                if row >= 0:
                    self._refuse(source, rows, row)
        else:
            self._predict_parts(state, source, rows, calls, outputs)
        return outputs

    def _predict_parts(
        self,
        state: _Open,
        source: Source,
        rows: NDArray[Any],
        calls: Sequence[_Call],
        out: Sequence[Outputs],
    ) -> None:
        n = len(rows)
        threads = max(1, min(self._threads, n // _ROWS_PER_THREAD))
        # Whole blocks, and at least one part for each thread.
        size = min(_PART_ROWS, -(-n // threads // BLOCK_ROWS) * BLOCK_ROWS)
        base = address(rows) if rows.flags.c_contiguous else None

        # A helper that runs `work` holds on to whatever its addresses are of.
        def work(part: int, _keep: object = (state, rows, out)) -> None:
            number, start = part // per_target, part % per_target * size
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
        per_target = len(range(0, n, size))
        try:
            state.pool.run(work, range(len(calls) * per_target), threads)
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
            elif source == "indices":
                refuse_indices(suspects, self._space, first_row=start)
            else:
                self._refuse_symbols(suspects, start)
        msg = f"row {row} or one close behind it was out of range, but has changed since"
        raise ArchitectureError(msg)

    def _refuse_symbols(self, symbols: NDArray[Any], first_row: int) -> None:
        sizes = np.array(self._space.block_sizes)
        bad = symbols >= sizes
        if bad.any():
            row, block = np.unravel_index(int(bad.argmax()), bad.shape)
            msg = (
                f"row {first_row + row}, block {self._space.blocks[block].name!r}: symbol "
                f"{symbols[row, block]} is out of range; allowed are 0 to {sizes[block] - 1}"
            )
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


def _closed() -> NoReturn:
    msg = "the native engine is closed; load the surrogate again"
    raise EngineError(msg)
