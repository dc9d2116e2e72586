"""The work of many machines: scoring of big tables, and the sweep, on Dask or Ray.

Neither engine is imported before it is asked for. What runs, what is retried and what is written is
the same with both, and without any: see `backend`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from anb_onnx.scale_out.backend import Backend, Local, ScaleError
from anb_onnx.scale_out.opening import open_backend
from anb_onnx.scale_out.score import Scored, score

if TYPE_CHECKING:
    from anb_onnx.scale_out.sweeping import sweep

__all__ = ["Backend", "Local", "ScaleError", "Scored", "open_backend", "score", "sweep"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import the sweep when it is first used: it brings in numba."""
        if name != "sweep":
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        return import_module(f"{__name__}.sweeping").sweep
