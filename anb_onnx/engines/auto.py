"""The automatic engine: NumPy while little is asked, the native engine as soon as it pays.

Importing and compiling the native engine takes about as long as NumPy takes for three hundred
thousand architectures of a bundled target. So a one-off query never waits for a compiler, a big
batch gets the native engine at once, and a loop of small queries gets it when as much work has been
done without it as it costs: at worst twice what would have been best, as in every ski-rental
problem. All engines give the same bits, so nobody can tell but by the clock.

Work is counted, not timed: what an architecture costs NumPy follows from the terms and members of
its artifact, and both sides of the comparison take longer on a slower or busier machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.encoding import indices_to_codes
from anb_onnx.engines.base import Codes, Engine, Outputs, check_shape, plain, resolve_threads
from anb_onnx.engines.numpy_engine import ReferenceEngine
from anb_onnx.errors import EngineError
from anb_onnx.parallel.shelter import sheltered
from anb_onnx.tables import TableEnsemble

#: What NumPy looks up while the native engine is imported and compiled: entries of up to 8 members;
#: and what a call of NumPy's costs besides. `python -m benchmarks.cold_start` measures both. Their
#: precision matters little: to be wrong by a factor of two costs half as much again, at most.
_NATIVE_LOOKUPS = 14_000_000
_CALL_LOOKUPS = 18_500


class _Spent:
    """Lookups of NumPy for all surrogates of this process: they share the compiler."""

    lookups = 0


class AutoEngine:
    """Engine that chooses among NumPy, native and onnxruntime.

    Parameters
    ----------
    ensemble : TableEnsemble
    open_onnxruntime : callable
        Opens the onnxruntime engine of the same artifact. It takes the native engine's place where
        that cannot be loaded.
    threads : int or None
        As for the other engines.
    """

    checks_bounds = True

    def __init__(
        self,
        ensemble: TableEnsemble,
        open_onnxruntime: Callable[[], Engine],
        threads: SupportsIndex | None = None,
    ) -> None:
        self._ensemble = ensemble
        self._open_onnxruntime = open_onnxruntime
        self._threads = resolve_threads(threads)
        self._reference = ReferenceEngine(ensemble)
        self._fast: Engine | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """Name of the engine that answers a small query now."""
        return self._reference.name if self._fast is None else self._fast.name

    @property
    def n_genes(self) -> int:
        """Number of codes per architecture."""
        return self._reference.n_genes

    @property
    def n_members(self) -> int:
        """Number of ensemble members M."""
        return self._reference.n_members

    @property
    def threads(self) -> int:
        """Most threads that one call uses."""
        return self._threads

    def predict(
        self, codes: Codes, *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for codes, checking them; see `Engine.predict`."""
        codes = check_shape(codes, self.n_genes)
        fast = self._fast or self._load_if_worth(len(codes))
        if fast is None:
            out = self._reference.predict(codes, members=members, out=out)
            _Spent.lookups += self._lookups(len(codes))
            return out
        return fast.predict(codes, members=members, out=out)

    def predict_indices(
        self, indices: NDArray[np.int64], *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for indices, int64 [N], checking them."""
        indices = plain(indices)
        fast = self._fast or self._load_if_worth(len(indices))
        if fast is not None and fast.predict_indices is not None:
            return fast.predict_indices(indices, members=members, out=out)
        codes = indices_to_codes(indices, self._ensemble.space)
        return self.predict(codes, members=members, out=out)

    def close(self) -> None:
        """Release threads and memory; another `predict` is an `EngineError`."""
        self._closed = True
        self._reference.close()
        fast, self._fast = self._fast, None
        if fast is not None:
            fast.close()

    def _lookups(self, n_rows: int) -> int:
        """Return what it costs NumPy to answer a query."""
        per_row = len(self._ensemble.terms) * -(-self.n_members // 8)
        return _CALL_LOOKUPS + n_rows * per_row

    def _load_if_worth(self, n_rows: int) -> Engine | None:
        """Load the fast engine if that pays for `n_rows` more, and return it."""
        if self._closed:
            _refuse_closed()
        if _Spent.lookups + self._lookups(n_rows) < _NATIVE_LOOKUPS:
            return None
        fast = sheltered(self._load)  # an import that Ctrl-C cuts in half may not work again
        self._fast = fast
        # Looked at after the engine was put in place: either this finds that `close` was called
        # meanwhile, or `close` finds the engine.
        if self._closed:
            self._fast = None
            fast.close()
            _refuse_closed()
        return fast

    def _load(self) -> Engine:
        try:
            from anb_onnx.engines.native.engine import NativeEngine

            fast = NativeEngine(self._ensemble, threads=self._threads)
            fast.predict(np.zeros((1, self.n_genes), np.uint8))  # compiles, or fails to
        except (ImportError, OSError, EngineError):
            # No llvmlite for this Python, or no executable memory for this process.
            return self._open_onnxruntime()
        return fast


def _refuse_closed() -> NoReturn:
    msg = "the surrogate is closed; load it again"
    raise EngineError(msg)
