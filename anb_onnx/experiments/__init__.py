"""Optimizers on tasks, many seeds each, in files; and what they say about the optimizers.

>>> import tempfile
>>> from pathlib import Path
>>> from anb_onnx import experiments
>>> with tempfile.TemporaryDirectory() as folder:
...     runs = Path(folder)
...     task, names = "accuracy-latency_zcu102-5ms-v1", ["random", "local-search"]
...     done = experiments.search_tasks([task], names, range(3), runs, budget=50)
...     found = experiments.compare([runs])
>>> done.made, [line.optimizer for line in found.tasks[0].lines if line.at == 50]
(6, ['local-search', 'random'])
"""

from typing import TYPE_CHECKING

from anb_onnx.parallel.shelter import import_sheltered

if TYPE_CHECKING:
    from anb_onnx.experiments.comparison import Comparison, compare
    from anb_onnx.experiments.grid import Done, search_tasks
    from anb_onnx.experiments.optimizers import OPTIMIZERS, Optimizer

_MODULE_OF = {
    "OPTIMIZERS": "optimizers",
    "Comparison": "comparison",
    "Done": "grid",
    "Optimizer": "optimizers",
    "compare": "comparison",
    "search_tasks": "grid",
}

__all__ = ["OPTIMIZERS", "Comparison", "Done", "Optimizer", "compare", "search_tasks"]

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
