"""Live structure: what of an architecture takes part in its function, as features.

An architecture may hold parts that change nothing: in a cell of NAS-Bench-201, operations that no
path joins to the output, or that only zeros reach; in Once-for-all, layers beyond a unit's depth.
Some devices run them, compilers remove them. A *view* reads symbols as one of these would:

============  ==================================================================================
as built      every operation
to output     those from which a path of operations leads to the output (NAS-Bench-201)
live          those on a path from input to output: zeros are not computed on, either
compiled      what TensorFlow Lite was found to run (`anb_onnx.few_shot.effective`)
depth         layers within the depth of their unit (Once-for-all)
============  ==================================================================================

`live_features` is the encoder for models that learn from features: for each view one column for
each symbol of each block, whether it is there, and one for each choice of each kind of gene, how
often it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from anb_export.predictors.groups import kinds_of_choices
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.few_shot.effective import AS_BUILT, Symbols, View, compiled_nasbench201
from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.ofa import LAYERS, OFA, UNITS
from anb_onnx.spaces.space import SearchSpace

#: Symbol of a block that is not there.
ABSENT = -1

_NONE = 0
# The ways from input to output of a cell of NAS-Bench-201, as edges.
_PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))


def views_of(space: SearchSpace) -> tuple[View, ...]:
    """Return the views of a space, the first of which is as it is built.

    A view maps int64 [N, n_blocks] to the same; `ABSENT` stands for a block that is not there.
    """
    if space == NASBENCH201:
        return (
            AS_BUILT,
            View("to output", to_output_nasbench201),
            View("live", live_nasbench201),
            View("compiled", compiled_nasbench201),
        )
    if space == OFA:
        return (AS_BUILT, View("depth", within_depth_ofa))
    return (AS_BUILT,)


def live_nasbench201(symbols: Symbols) -> Symbols:
    """Return NAS-Bench-201 cells with ``none`` for operations on no path from input to output.

    Parameters
    ----------
    symbols : ndarray of int64, shape (N, 6)

    Examples
    --------
    >>> import numpy as np
    >>> cell = np.array([[0, 2, 3, 1, 4, 3]])  # nothing flows into node 1
    >>> live_nasbench201(cell).tolist()
    [[0, 2, 0, 1, 0, 3]]
    """
    return _on_paths(symbols, _PATHS)


def to_output_nasbench201(symbols: Symbols) -> Symbols:
    """Return NAS-Bench-201 cells with ``none`` for operations that lead to no output.

    Parameters
    ----------
    symbols : ndarray of int64, shape (N, 6)

    Examples
    --------
    >>> import numpy as np
    >>> cell = np.array([[0, 2, 3, 1, 4, 0]])  # node 2 leads nowhere
    >>> to_output_nasbench201(cell).tolist()
    [[0, 0, 0, 1, 4, 0]]
    """
    # The rest of each way from any of its operations on.
    tails = {path[first:] for path in _PATHS for first in range(len(path))}
    return _on_paths(symbols, sorted(tails))


def _on_paths(symbols: Symbols, paths: Sequence[tuple[int, ...]]) -> Symbols:
    on = symbols != _NONE
    live = np.zeros(on.shape, dtype=bool)
    for path in paths:
        whole = on[:, path].all(axis=1)
        for edge in path:
            live[:, edge] |= whole
    return np.where(live, symbols, _NONE)


def within_depth_ofa(symbols: Symbols) -> Symbols:
    """Return architectures of Once-for-all with `ABSENT` for layers beyond their unit's depth."""
    found = symbols.copy()
    for unit in range(UNITS):
        depth = symbols[:, 1 + unit] + 2  # the depths are 2, 3 and 4
        for layer in range(2, LAYERS):
            block = 1 + UNITS + unit * LAYERS + layer
            found[:, block] = np.where(layer < depth, symbols[:, block], ABSENT)
    return found


def one_hot(symbols: Symbols, sizes: tuple[int, ...]) -> NDArray[np.float32]:
    """Return float32 [N, sum of sizes]: a column for each symbol of each block; 0 where absent."""
    columns = [symbols[:, [b]] == np.arange(size) for b, size in enumerate(sizes)]
    return np.concatenate(columns, axis=1).astype(np.float32)


def live_features(codes: NDArray[np.uint8], space: SearchSpace) -> NDArray[np.float32]:
    """Return the features of architectures by all views of their space.

    Parameters
    ----------
    codes : ndarray of uint8, shape (N, n_genes)
    space : SearchSpace

    Returns
    -------
    ndarray of float32, shape (N, n_views * (symbols of all blocks + choices of all kinds of genes))
        In the order of `live_names`.

    Examples
    --------
    >>> import numpy as np
    >>> cell = np.array([[0, 2, 3, 1, 4, 3]], dtype=np.uint8)
    >>> features = live_features(cell, NASBENCH201)
    >>> names = live_names(NASBENCH201)
    >>> features.shape == (1, len(names))
    True
    >>> dict(zip(names, features[0].tolist()))["live: nor_conv_3x3 (number)"]
    1.0
    """
    symbols = codes_to_symbols(codes, space).astype(np.int64)
    kinds = kinds_of_choices(space)[1].astype(np.float32)
    found = []
    for view in views_of(space):
        columns = one_hot(view.of(symbols), space.block_sizes)
        found += [columns, columns @ kinds]
    return np.concatenate(found, axis=1)


@cache
def live_names(space: SearchSpace) -> tuple[str, ...]:
    """Return the names of the columns of `live_features`."""
    blocks = [
        f"{block.name}={','.join(map(str, values))}"
        for block in space.blocks
        for values in product(*[gene.choices for gene in block.genes])
    ]
    kinds = kinds_of_choices(space)[0]
    return tuple(
        f"{view.name}: {name}"
        for view in views_of(space)
        for name in [*blocks, *(f"{kind} (number)" for kind in kinds)]
    )
