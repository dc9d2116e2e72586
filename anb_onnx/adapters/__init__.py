"""Problems and search spaces as other tools take them: each tool an extra, imported when used.

>>> from anb_onnx import adapters
>>> problem = adapters.pymoo_problem(["accuracy", "throughput_a100"])  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from anb_onnx.parallel.shelter import import_sheltered

if TYPE_CHECKING:
    from anb_onnx.adapters.carps import carps_objective, carps_task
    from anb_onnx.adapters.configspace import to_configspace, to_configurations
    from anb_onnx.adapters.gymnasium import gymnasium_env
    from anb_onnx.adapters.ioh import ioh_problem
    from anb_onnx.adapters.nevergrad import (
        NevergradLoss,
        nevergrad_batch,
        nevergrad_loss,
        nevergrad_parametrization,
    )
    from anb_onnx.adapters.optuna import (
        optuna_batch,
        optuna_constraints,
        optuna_distributions,
        optuna_objective,
        optuna_study,
        optuna_suggest,
    )
    from anb_onnx.adapters.pymoo import pymoo_operators, pymoo_problem
    from anb_onnx.adapters.syne_tune import syne_tune_blackbox

_MODULE_OF = {
    "carps_objective": "carps",
    "carps_task": "carps",
    "syne_tune_blackbox": "syne_tune",
    "to_configspace": "configspace",
    "to_configurations": "configspace",
    "gymnasium_env": "gymnasium",
    "ioh_problem": "ioh",
    "NevergradLoss": "nevergrad",
    "nevergrad_batch": "nevergrad",
    "nevergrad_loss": "nevergrad",
    "nevergrad_parametrization": "nevergrad",
    "optuna_batch": "optuna",
    "optuna_constraints": "optuna",
    "optuna_distributions": "optuna",
    "optuna_objective": "optuna",
    "optuna_study": "optuna",
    "optuna_suggest": "optuna",
    "pymoo_operators": "pymoo",
    "pymoo_problem": "pymoo",
}

__all__ = [
    "NevergradLoss",
    "carps_objective",
    "carps_task",
    "gymnasium_env",
    "ioh_problem",
    "nevergrad_batch",
    "nevergrad_loss",
    "nevergrad_parametrization",
    "optuna_batch",
    "optuna_constraints",
    "optuna_distributions",
    "optuna_objective",
    "optuna_study",
    "optuna_suggest",
    "pymoo_operators",
    "pymoo_problem",
    "syne_tune_blackbox",
    "to_configspace",
    "to_configurations",
]

# Hidden from type checkers, which would else take any misspelt name for an attribute.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a name when it is first used: nobody needs the tools of all others."""
        if name not in _MODULE_OF:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = getattr(import_sheltered(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
