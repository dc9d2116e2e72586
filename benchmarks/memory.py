"""Peak memory of one large query, beyond its input and output.

Each figure is of a fresh process: the highest resident size during the query (VmHWM, reset just
before; `ru_maxrss` where there is no /proc) less what was resident before it, less the outputs.
Inputs are filled, and the engine has answered a small batch, before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.process import run_snippet
from benchmarks.settings import Settings

_SNIPPET = """
import ctypes, json, resource, sys
import numpy as np
import anb_onnx
artifact, engine, kind, n = *sys.argv[1:4], int(sys.argv[4])
surrogate = anb_onnx.load(path=artifact, engine=engine, threads=2)

def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key):
            return int(line.split()[1]) * 1024

part = anb_onnx.sample(50_000, seed=0, space=surrogate.space)
if kind == "codes":
    batch = np.empty((n, part.shape[1]), np.uint8)
else:
    part = anb_onnx.encoding.encoding.codes_to_indices(part, surrogate.space)
    batch = np.empty(n, np.int64)
for start in range(0, n, len(part)):
    batch[start : start + len(part)] = part[: n - start]
surrogate.query(batch[:100_000])
try:  # what was freed must not be there already when the large query asks for it
    ctypes.CDLL(None).malloc_trim(0)
except (AttributeError, OSError):
    pass
try:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = status("VmRSS")
    answer = surrogate.query(batch)
    peak = status("VmHWM")
    how = "VmHWM"
except OSError:
    before = peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer = surrogate.query(batch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    how = "ru_maxrss"
output = answer.mean.nbytes + answer.std.nbytes
print(json.dumps({"how": how, "input": batch.nbytes, "output": output, "before": before,
                  "peak": peak, "extra": peak - before - output,
                  "maxrss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


def peaks(settings: Settings, artifact: Path) -> dict[str, Any]:
    """Return bytes per engine and kind of input, on two threads."""
    found = {}
    for engine in ("native", "onnxruntime", "numpy"):
        for kind in ("codes", "indices"):
            # NumPy is slow, and its memory does not depend on the rows.
            rows = settings.memory_rows // (10 if engine == "numpy" else 1)
            try:
                run = run_snippet(_SNIPPET, artifact, engine, kind, rows)
            except RuntimeError as error:
                run = {"not_run": str(error)}
            found[f"{engine}, {kind}"] = {"rows": rows, **run}
    return found
