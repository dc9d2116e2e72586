"""The one place that imports onnxruntime.

From version 1.32 on, onnxruntime reports its use over the network unless it is told not to before
it is imported: it keeps a thread for that, without which the child of a plain `os.fork` waits for
ever when it ends, and files in the user's cache folder. Who wants these reports sets
ORT_DISABLE_TELEMETRY=0, or imports onnxruntime first.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
