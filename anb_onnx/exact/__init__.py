"""What is proven of a surrogate over its whole space: optima, fronts, ranks, distributions.

>>> from anb_onnx import exact
>>> exact.optimum("accuracy").solutions[0].architecture.index
104483310874
"""

from typing import TYPE_CHECKING

from anb_onnx.parallel.shelter import import_sheltered

if TYPE_CHECKING:
    from anb_onnx.exact.answers import enumerate, optimum, pareto
    from anb_onnx.exact.objectives import WeightedProduct, WeightedSum
    from anb_onnx.exact.ranks import distribution, rank
    from anb_onnx.exact.results import Certificate, Enumeration, Front, Optimum, Rank, Solution

_MODULE_OF = {
    "enumerate": "answers",
    "optimum": "answers",
    "pareto": "answers",
    "distribution": "ranks",
    "rank": "ranks",
    "WeightedProduct": "objectives",
    "WeightedSum": "objectives",
    "Certificate": "results",
    "Enumeration": "results",
    "Front": "results",
    "Optimum": "results",
    "Rank": "results",
    "Solution": "results",
}

__all__ = [
    "Certificate",
    "Enumeration",
    "Front",
    "Optimum",
    "Rank",
    "Solution",
    "WeightedProduct",
    "WeightedSum",
    "distribution",
    "enumerate",
    "optimum",
    "pareto",
    "rank",
]

# Hidden from type checkers, which would else take any misspelt name for an attribute.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a name when it is first used: the kernels need numba, which takes a while."""
        if name not in _MODULE_OF:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = getattr(import_sheltered(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value
