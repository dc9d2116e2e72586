"""The NumPy engine: `TableEnsemble.predict` itself. Slow per row, but nothing to load first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding import check_codes, codes_to_symbols, indices_to_codes
from anb_onnx.engines.base import Codes, Outputs
from anb_onnx.tables import TableEnsemble

#: Rows at a time, so that memory stays bounded and intermediates in the cache.
_CHUNK_ROWS = 4096


class ReferenceEngine:
    """Engine that evaluates the tables with NumPy on the calling thread.

    Parameters
    ----------
    ensemble : TableEnsemble
    """

    name = "numpy"
    checks_bounds = True
    threads = 1

    def __init__(self, ensemble: TableEnsemble) -> None:
        self._ensemble = ensemble

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
        space = self._ensemble.space
        check_codes(codes, space)
        if out is None:
            out = Outputs.empty(len(codes), self.n_members, members=members)
        for start in range(0, len(codes), _CHUNK_ROWS):
            rows = out.rows(start, start + _CHUNK_ROWS)
            symbols = codes_to_symbols(codes[start : start + _CHUNK_ROWS], space)
            rows.mean[...], rows.std[...], found = self._ensemble.predict(symbols)
            if rows.members is not None:
                rows.members[...] = found
        return out

    def predict_indices(
        self, indices: NDArray[np.int64], *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for indices, int64 [N], checking them."""
        codes = indices_to_codes(indices, self._ensemble.space)
        return self.predict(codes, members=members, out=out)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
