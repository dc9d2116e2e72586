"""The Python interface of the Accel-NASBench repository, over this package's surrogates.

A script written for that repository runs after changing its two import lines::

    import anb_onnx.compat as anb
    from anb_onnx.compat import EfficientNetSS as ss

and its searches (`anb_eval`) with these::

    from anb_onnx.compat import Configuration, Controller, cs_json
    from anb_onnx.compat import actions_indices_to_config, configuration_to_searchable

Neither xgboost nor ConfigSpace nor torch is needed. Where the original is plainly mistaken this
package differs, and the docstrings say so; new code is better written against `anb_onnx.load` and
`anb_onnx.search`.
"""

from anb_onnx.compat import cs_json
from anb_onnx.compat.configuration_space import (
    CategoricalHyperparameter,
    ConfigurationSpace,
    OrdinalHyperparameter,
)
from anb_onnx.compat.configurations import Configuration, EfficientNetSS
from anb_onnx.compat.controllers import Controller
from anb_onnx.compat.designs import (
    CustomSearchable,
    actions_indices_to_config,
    configuration_to_searchable,
    pareto_frontier,
)
from anb_onnx.compat.ensembles import ANBEnsemble, Ensemble, Member

__all__ = [
    "ANBEnsemble",
    "CategoricalHyperparameter",
    "Configuration",
    "ConfigurationSpace",
    "Controller",
    "CustomSearchable",
    "EfficientNetSS",
    "Ensemble",
    "Member",
    "OrdinalHyperparameter",
    "actions_indices_to_config",
    "configuration_to_searchable",
    "cs_json",
    "pareto_frontier",
]
