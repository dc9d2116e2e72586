"""Portable runtime for the Accel-NASBench surrogates.

>>> import anb_onnx
>>> surrogate = anb_onnx.load("accuracy")
>>> surrogate.query(anb_onnx.efficientnet_b0()).unit
'%'
"""

from importlib import import_module
from typing import TYPE_CHECKING

from anb_onnx._io.version import own_version
from anb_onnx.errors import (
    AnbError,
    ArchitectureError,
    ArtifactError,
    EnergyError,
    EngineError,
    ExtraError,
    FidelityError,
    MeasurementError,
    SearchError,
    SourceError,
    TargetError,
    TruthError,
)

if TYPE_CHECKING:
    from anb_onnx import adapters as adapters
    from anb_onnx import compat as compat
    from anb_onnx import energy as energy
    from anb_onnx import exact as exact
    from anb_onnx import experiments as experiments
    from anb_onnx import search as search
    from anb_onnx.benchmark import Benchmark
    from anb_onnx.catalog.benchmarks import benchmarks, targets
    from anb_onnx.catalog.catalog import Catalog, Target
    from anb_onnx.catalog.truth import Truth
    from anb_onnx.encoding.encoding import (
        codes_to_indices,
        codes_to_symbols,
        encode,
        from_table,
        indices_to_codes,
    )
    from anb_onnx.engines.base import Outputs
    from anb_onnx.few_shot.adapting import adapt, suggest
    from anb_onnx.fidelities import Fidelity
    from anb_onnx.links import Link
    from anb_onnx.loading import load
    from anb_onnx.prediction import Prediction, Predictions
    from anb_onnx.problems.listing import tasks
    from anb_onnx.problems.problem import Problem
    from anb_onnx.problems.task import Task
    from anb_onnx.spaces.architecture import Architecture, sample
    from anb_onnx.spaces.changing import mutate, neighbours
    from anb_onnx.spaces.fbnet import FBNET
    from anb_onnx.spaces.fcnet import FCNET
    from anb_onnx.spaces.hpobench_mlp import HPOBENCH_MLP
    from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0
    from anb_onnx.spaces.nasbench201 import NASBENCH201
    from anb_onnx.spaces.ofa import OFA
    from anb_onnx.spaces.space import Block, Gene, SearchSpace
    from anb_onnx.surrogate import Surrogate
    from anb_onnx.terms import Terms
    from anb_onnx.vector_answers import Curve, VectorPrediction
    from anb_onnx.vector_surrogate import VectorSurrogate

    __version__: str

__all__ = [
    "FBNET",
    "FCNET",
    "HPOBENCH_MLP",
    "MNASNET",
    "NASBENCH201",
    "OFA",
    "AnbError",
    "Architecture",
    "ArchitectureError",
    "ArtifactError",
    "Benchmark",
    "Block",
    "Catalog",
    "Curve",
    "EnergyError",
    "EngineError",
    "ExtraError",
    "Fidelity",
    "FidelityError",
    "Gene",
    "Link",
    "MeasurementError",
    "Outputs",
    "Prediction",
    "Predictions",
    "Problem",
    "SearchError",
    "SearchSpace",
    "SourceError",
    "Surrogate",
    "Target",
    "TargetError",
    "Task",
    "Terms",
    "Truth",
    "TruthError",
    "VectorPrediction",
    "VectorSurrogate",
    "__version__",
    "adapt",
    "benchmarks",
    "codes_to_indices",
    "codes_to_symbols",
    "efficientnet_b0",
    "encode",
    "from_table",
    "indices_to_codes",
    "load",
    "mutate",
    "neighbours",
    "sample",
    "suggest",
    "targets",
    "tasks",
]

_MODULE_OF = {
    name: module
    for module, names in {
        "spaces.architecture": ("Architecture", "sample"),
        "spaces.changing": ("mutate", "neighbours"),
        "spaces.fbnet": ("FBNET",),
        "spaces.fcnet": ("FCNET",),
        "spaces.hpobench_mlp": ("HPOBENCH_MLP",),
        "spaces.mnasnet": ("MNASNET", "efficientnet_b0"),
        "spaces.nasbench201": ("NASBENCH201",),
        "spaces.ofa": ("OFA",),
        "catalog.benchmarks": ("benchmarks", "targets"),
        "catalog.catalog": ("Catalog", "Target"),
        "catalog.truth": ("Truth",),
        "encoding.encoding": (
            "codes_to_indices",
            "codes_to_symbols",
            "encode",
            "from_table",
            "indices_to_codes",
        ),
        "spaces.space": ("Block", "Gene", "SearchSpace"),
        "prediction": ("Prediction", "Predictions"),
        "problems.listing": ("tasks",),
        "problems.problem": ("Problem",),
        "problems.task": ("Task",),
        "benchmark": ("Benchmark",),
        "engines.base": ("Outputs",),
        "fidelities": ("Fidelity",),
        "vector_answers": ("Curve", "VectorPrediction"),
        "vector_surrogate": ("VectorSurrogate",),
        "few_shot.adapting": ("adapt", "suggest"),
        "links": ("Link",),
        "loading": ("load",),
        "surrogate": ("Surrogate",),
        "terms": ("Terms",),
    }.items()
    for name in names
}

# Rooms that are used by name, as in `anb_onnx.search.random_search`.
_ROOMS = ("adapters", "compat", "energy", "exact", "experiments", "search")

# Hidden from type checkers, which would else take any misspelt name for an attribute.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used, so that importing the package is cheap."""
        if name == "__version__":
            value = own_version()
        elif name in _MODULE_OF:
            value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        elif name in _ROOMS:
            value = import_module(f"{__name__}.{name}")
        else:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_ROOMS})
