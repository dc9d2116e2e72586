"""The work of many machines: scoring of big tables, and the sweep, on Dask or Ray.

Neither engine is imported before it is asked for. What runs, what is retried and what is written is
the same with both, and without any: see `backend`.
"""

from anb_onnx.scale_out.backend import Backend, Local, ScaleError
from anb_onnx.scale_out.opening import open_backend
from anb_onnx.scale_out.score import Scored, score

__all__ = ["Backend", "Local", "ScaleError", "Scored", "open_backend", "score"]
