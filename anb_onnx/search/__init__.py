"""Searches over codes: optimizers, operators, and the history of what they evaluated.

>>> from anb_onnx import search
>>> from anb_onnx import NASBENCH201, sample
>>> search.mutate(sample(3, seed=0, space=NASBENCH201), rng=0, space=NASBENCH201).shape
(3, 6)
"""

from typing import TYPE_CHECKING

from anb_onnx.parallel.shelter import import_sheltered

if TYPE_CHECKING:
    from anb_onnx.search.operators import crossover, mutate, neighbours

_MODULE_OF = {
    "crossover": "operators",
    "mutate": "operators",
    "neighbours": "operators",
}

__all__ = [
    "crossover",
    "mutate",
    "neighbours",
]

# Hidden from type checkers, which would else take any misspelt name for an attribute.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a name when it is first used."""
        if name not in _MODULE_OF:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = getattr(import_sheltered(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value
