"""What a device runs of an architecture: all of it, or what a compiler leaves.

Frameworks that execute a network operation by operation run dead operations, too: those whose
result nothing uses. Compiled runtimes remove them. A *view* of a space maps the symbols of an
architecture to those of the one that is run; `adapt` weighs the views of a space by their evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.space import SearchSpace

Symbols = NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """One reading of architectures: its name, and the symbols [N, n_blocks] that count."""

    name: str
    of: Callable[[Symbols], Symbols]


#: Every operation runs.
AS_BUILT = View("as built", lambda symbols: symbols)


def views_of(space: SearchSpace) -> tuple[View, ...]:
    """Return the views of a search space; the first takes it as it is built."""
    if space == NASBENCH201:
        return (AS_BUILT, View("compiled", compiled_nasbench201))
    return (AS_BUILT,)


# The edges of a NAS-Bench-201 cell: column, node it leaves, node it enters.
_INTO = {1: ((0, 0),), 2: ((1, 0), (2, 1)), 3: ((3, 0), (4, 1), (5, 2))}
_NONE = 0


def compiled_nasbench201(symbols: Symbols) -> Symbols:
    """Return NAS-Bench-201 cells with ``none`` in place of what TensorFlow Lite does not run.

    An operation runs if a way of operations other than ``none`` leads from it to the output. It
    need not be reachable from the input: a convolution of zeros is computed. One exception was
    found in the latencies of the Pixel 3 (a device of HELP's training split), and its reason is not
    known: of a node that nothing uses, a sole operation into it runs all the same, unless there are
    two such nodes.

    Examples
    --------
    >>> import numpy as np
    >>> cell = np.array([[3, 2, 2, 1, 0, 0]])  # only the skip connection reaches the output
    >>> compiled_nasbench201(cell).tolist()
    [[0, 0, 0, 1, 0, 0]]
    """
    on = symbols != _NONE
    runs = np.zeros(on.shape, dtype=bool)
    needed = np.zeros((len(on), 4), dtype=bool)
    needed[:, 3] = True
    for node in (3, 2, 1):
        for edge, start in _INTO[node]:
            runs[:, edge] = needed[:, node] & on[:, edge]
            needed[:, start] |= runs[:, edge]
    used_1, used_2 = on[:, 2] | on[:, 4], on[:, 5]
    sole_1 = ~used_1 & on[:, 0]
    sole_2 = ~used_2 & (on[:, 1] ^ on[:, 2])
    for edge in (1, 2):
        runs[:, edge] |= on[:, edge] & sole_2 & ~sole_1
    runs[:, 0] |= (sole_1 & ~sole_2) | (on[:, 0] & runs[:, 2])
    return np.where(runs, symbols, _NONE)
