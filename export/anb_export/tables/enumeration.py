"""All architectures of a small space, in the order of the table of all its blocks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from anb_onnx.encoding.encoding import codes_to_symbols, indices_to_codes
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.terms import Terms


@lru_cache(maxsize=8)
def all_codes(space: SearchSpace) -> tuple[NDArray[np.uint8], Terms]:
    """Return every architecture, in the order of the entries of the term of all blocks.

    Parameters
    ----------
    space : SearchSpace
        Small enough that all its codes fit into memory.

    Returns
    -------
    codes : ndarray of uint8, shape (size, n_genes)
        Not writeable, as all who ask share it.
    terms : Terms
        One term of all blocks.
    """
    terms = Terms.of_order(space, space.n_blocks)
    codes = indices_to_codes(np.arange(space.size), space)
    symbols = codes_to_symbols(codes, space).astype(np.int64)
    codes = codes[np.ravel_multi_index(tuple(symbols.T), terms.shapes[0]).argsort()]
    codes.flags.writeable = False
    return codes, terms
