"""The NumPy engine: `predict` of the tables itself. Slow per row, but nothing to load first."""

from __future__ import annotations

from typing import Protocol, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.encoding import codes_to_symbols, indices_to_codes
from anb_onnx.engines.base import (
    Codes,
    Outputs,
    as_outputs,
    check_out,
    check_shape,
    is_array,
    refuse_input,
    resolve_threads,
    span,
)
from anb_onnx.errors import EngineError
from anb_onnx.parallel.pool import WorkerPool
from anb_onnx.spaces.matrix import in_range, refuse_codes
from anb_onnx.spaces.space import SearchSpace

#: Rows at a time, so that memory stays bounded and intermediates in the cache.
_CHUNK_ROWS = 4096

#: Numbers at a time of artifacts of many outputs and members, which are computed side by side.
_CHUNK_VALUES = 2**17


class _Tables(Protocol):
    """What predicts from symbols: a `TableEnsemble`, or a `VectorEnsemble`."""

    @property
    def space(self) -> SearchSpace: ...
    @property
    def n_members(self) -> int: ...
    def predict(
        self, symbols: NDArray[np.integer]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]: ...


class ReferenceEngine:
    """Engine that evaluates the tables with NumPy.

    Parameters
    ----------
    ensemble : TableEnsemble or VectorEnsemble
    threads : int or None
        Most threads per call; None for all CPUs this process may use. If not given, it is the
        calling thread: of tables there is a faster engine.
    width : int
        How many numbers there are of an architecture while it is predicted: outputs x members.
    """

    name = "numpy"
    checks_bounds = True

    def __init__(
        self, ensemble: _Tables, *, threads: SupportsIndex | None = 1, width: int = 1
    ) -> None:
        self._ensemble = ensemble
        self._threads = resolve_threads(threads)
        self._rows = max(min(_CHUNK_ROWS, _CHUNK_VALUES // width), 1)
        self._pool = WorkerPool(self._threads)
        self._closed = False

    @property
    def threads(self) -> int:
        """Most threads that one call uses."""
        return self._threads

    @property
    def n_genes(self) -> int:
        """Number of codes per architecture."""
        return self._ensemble.space.n_genes

    @property
    def n_members(self) -> int:
        """Number of ensemble members M."""
        return self._ensemble.n_members

    def predict(
        self, codes: Codes, *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for codes, checking them; see `Engine.predict`."""
        if self._closed:
            msg = "the numpy engine is closed; load the surrogate again"
            raise EngineError(msg)
        space = self._ensemble.space
        codes = check_shape(codes, space.n_genes)
        n = len(codes)
        if out is None:
            out = Outputs.empty(n, self.n_members, members=members)
        else:
            out = as_outputs(out)
            check_out(out, n, self.n_members, span(codes))
        outputs, size = out, self._rows

        def work(start: int) -> None:
            rows = outputs.rows(start, start + size)
            # A copy, since what is checked must be what is looked up, whoever writes meanwhile.
            chunk = codes[start : start + size].copy()
            if not in_range(chunk, space):
                refuse_codes(chunk, space, first_row=start)
            symbols = codes_to_symbols(chunk, space)
            rows.mean[...], rows.std[...], found = self._ensemble.predict(symbols)
            if rows.members is not None:
                rows.members[...] = found

        self._pool.run(work, range(0, n, size), -(-n // size))
        return out

    def predict_indices(
        self, indices: NDArray[np.int64], *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for indices, int64 [N], checking them."""
        if not is_array(indices):
            refuse_input("indices", "an int64 array [N]", indices)
        codes = indices_to_codes(indices, self._ensemble.space)
        return self.predict(codes, members=members, out=out)

    def close(self) -> None:
        """Release the threads; another `predict` is an `EngineError`."""
        self._closed = True
        self._pool.close()
