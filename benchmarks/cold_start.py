"""Cold start: `python -m benchmarks.cold_start`.

How long a process takes that asks one question, and the two figures by which `engines/auto.py`
decides when the native engine pays, both in entries that NumPy looks up meanwhile: what it takes
to import and compile, and a call of NumPy's by itself. Files are in the page cache and bytecode is
compiled; the first process is not counted.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from anb_onnx.catalog.benchmarks import find_benchmark
from benchmarks.formats import seconds
from benchmarks.measure import spread
from benchmarks.process import run_snippet, seconds_of
from benchmarks.settings import QUICK, Settings
from benchmarks.subject import Subject

_CLOCK = "import json, sys, time\nbegan = time.perf_counter()\n"

_NATIVE = """import json, sys, time
import anb_onnx
surrogate = anb_onnx.load(path=sys.argv[1], engine="numpy")
codes = anb_onnx.sample(100_000, seed=0, space=surrogate.space)
surrogate.query(codes[:5000])
began = time.perf_counter()
surrogate.query(codes)
rate = len(codes) / (time.perf_counter() - began)
began = time.perf_counter()
for k in range(100):
    surrogate.query(codes[k : k + 1])
call = (time.perf_counter() - began) / 100
terms = len(surrogate.metadata["terms"])
began = time.perf_counter()
anb_onnx.load(path=sys.argv[1], engine="native", threads=1).query(codes[:1])
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "rate": rate, "lookups": seconds * rate * terms,
                  "call": call * rate * terms}))
"""

_FIRST_QUERY = (
    _CLOCK
    + """import anb_onnx
imported = time.perf_counter()
surrogate = anb_onnx.load(path=sys.argv[1], engine=sys.argv[2])
loaded = time.perf_counter()
surrogate.query(anb_onnx.efficientnet_b0())
answered = time.perf_counter()
print(json.dumps({"import": imported - began, "load": loaded - imported,
                  "query": answered - loaded}))
"""
)

_XGBOOST = (
    _CLOCK
    + """import numpy, xgboost
imported = time.perf_counter()
members = []
for path in sys.argv[1:]:
    members.append(xgboost.Booster({"nthread": 1}))
    members[-1].load_model(path)
loaded = time.perf_counter()
x = numpy.zeros((1, 28), numpy.float32)
for member in members:
    member.inplace_predict(x)
answered = time.perf_counter()
print(json.dumps({"import": imported - began, "load": loaded - imported,
                  "query": answered - loaded}))
"""
)


def native_cost(settings: Settings, artifact: Path) -> dict[str, Any]:
    """Return what it costs to load, import, compile and first use native, and NumPy's rate.

    Returns
    -------
    dict
        Seconds, NumPy's rows per second, and entries that NumPy looks up at this rate in these
        seconds, and in the time of a call with one row.
    """
    runs = [run_snippet(_NATIVE, artifact) for _ in range(settings.processes)]
    return {
        "native_seconds": spread([r["seconds"] for r in runs]),
        "numpy_rate": spread([r["rate"] for r in runs]),
        "native_lookups": spread([r["lookups"] for r in runs]),
        "call_lookups": spread([r["call"] for r in runs]),
    }


def processes(settings: Settings, target: str, subject: Subject | None = None) -> dict[str, Any]:
    """Return the time of whole processes, in seconds."""
    python = sys.executable
    # The console script beside this interpreter, as a user starts it.
    script = Path(python).with_name("anb-onnx")
    command = [str(script)] if script.is_file() else [shutil.which("anb-onnx") or "anb-onnx"]
    commands: dict[str, list[str]] = {
        "python -c pass": [python, "-c", "pass"],
        "python -c 'import numpy'": [python, "-c", "import numpy"],
        "python -c 'import anb_onnx'": [python, "-c", "import anb_onnx"],
        "anb-onnx query efficientnet-b0, one target":
            [*command, "query", "efficientnet-b0", "--target", target],
        "anb-onnx query efficientnet-b0, all targets": [*command, "query", "efficientnet-b0"],
    }  # fmt: skip
    measures: dict[str, Callable[[], float]] = {
        name: partial(seconds_of, argv) for name, argv in commands.items()
    }
    if subject is not None:
        files = [str(path) for path in subject.training.files]
        measures[f"python: xgboost, load {len(files)} members, predict one"] = lambda: seconds_of(
            [python, "-c", _XGBOOST, *files]
        )
    return _rounds(measures, settings)


def steps(settings: Settings, artifact: Path, subject: Subject | None = None) -> dict[str, Any]:
    """Return the seconds of import, load and first query inside a fresh process."""
    snippets: dict[str, tuple[str, list[str]]] = {
        engine: (_FIRST_QUERY, [str(artifact), engine])
        for engine in ("auto", "native", "onnxruntime")
    }
    if subject is not None:
        snippets["xgboost"] = (_XGBOOST, [str(path) for path in subject.training.files])
    found: dict[str, Any] = {}
    for name, (code, arguments) in snippets.items():
        try:
            runs = [run_snippet(code, *arguments) for _ in range(settings.processes)]
        except RuntimeError as error:
            found[name] = {"not_run": str(error)}
            continue
        found[name] = {key: spread([run[key] for run in runs]) for key in runs[0]}
    return found


def _rounds(measures: Mapping[str, Callable[[], float]], settings: Settings) -> dict[str, Any]:
    """Run each once for warmth, then round by round."""
    found: dict[str, Any] = {}
    times: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(settings.processes + 1):
        for name, run in measures.items():
            if name in found:
                continue
            try:
                took = run()
            except (RuntimeError, OSError) as error:
                found[name] = {"not_run": str(error)}
                continue
            if number:
                times[name].append(took)
    return {name: found.get(name) or spread(times[name]) for name in measures}


if __name__ == "__main__":
    chosen = QUICK if "--quick" in sys.argv else Settings()
    bundled = find_benchmark().find("accuracy")
    cost = native_cost(chosen, bundled.path)
    print("native: load, import, compile, first query:", seconds(cost["native_seconds"]))
    print(f"numpy: {cost['numpy_rate']['median'] / 1e6:.2f} million rows/s")
    for what, key in (("native", "native_lookups"), ("a call of numpy", "call_lookups")):
        lookups = cost[key]
        print(
            f"{what} costs as much as {lookups['median']:,.0f} lookups of numpy "
            f"({lookups['min']:,.0f} to {lookups['max']:,.0f})"
        )
    for what, took in processes(chosen, bundled.target.name).items():
        print(f"{what}: {took.get('not_run') or seconds(took)}")
