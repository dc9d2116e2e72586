"""Searches over codes: optimizers, operators, and the history of what they evaluated.

>>> from anb_onnx import search
>>> history = search.random_search("accuracy", budget=1_000, rng=0)
>>> f"{history.regret[-1]:.3f} %"
'1.222 %'
"""

from typing import TYPE_CHECKING

from anb_onnx.parallel.shelter import import_sheltered

if TYPE_CHECKING:
    from anb_onnx.problems.cost import Cost
    from anb_onnx.search.annealing import simulated_annealing
    from anb_onnx.search.climbing import local_search
    from anb_onnx.search.evolution import regularized_evolution
    from anb_onnx.search.history import History
    from anb_onnx.search.operators import crossover, mutate, neighbours
    from anb_onnx.search.policy_gradient import reinforce
    from anb_onnx.search.random_sampling import random_search
    from anb_onnx.search.recorder import BudgetExhausted, Recorder
    from anb_onnx.search.verification import Shortlist, Verified, verified, verify_top

_MODULE_OF = {
    "BudgetExhausted": "recorder",
    "Cost": "recorder",
    "History": "history",
    "Recorder": "recorder",
    "Shortlist": "verification",
    "Verified": "verification",
    "crossover": "operators",
    "mutate": "operators",
    "neighbours": "operators",
    "random_search": "random_sampling",
    "reinforce": "policy_gradient",
    "local_search": "climbing",
    "simulated_annealing": "annealing",
    "regularized_evolution": "evolution",
    "verified": "verification",
    "verify_top": "verification",
}

__all__ = [
    "BudgetExhausted",
    "Cost",
    "History",
    "Recorder",
    "Shortlist",
    "Verified",
    "crossover",
    "local_search",
    "mutate",
    "neighbours",
    "random_search",
    "regularized_evolution",
    "reinforce",
    "simulated_annealing",
    "verified",
    "verify_top",
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
