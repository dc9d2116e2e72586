"""Sizes and speeds of the surrogates of FCNet and HPOBench, and what 6,000 runs alone tell.

    python -m benchmarks.joint_spaces                      # bytes, and answers a second
    python -m benchmarks.joint_spaces --data FOLDER        # recipes and sizes, on validation rows
    python -m benchmarks.joint_spaces --data FOLDER --test # the recipe from 6,000 runs, test rows

FOLDER holds `fcnet_hpolib.npz` and `hpobench_mlp.npz` (docs/spaces.md). With it, surrogates are
made from one run each of 6,000 configurations, become artifacts, and are asked through the runtime.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import anb_onnx
from anb_onnx.engines.base import Outputs
from anb_onnx.loading import from_tables
from anb_onnx.tables import TableEnsemble
from benchmarks import measure

#: The target whose time is one in the table of speeds, of the Accel-NASBench space.
YARDSTICK = "accuracy"

#: Runs that surrogates learn from, of as many configurations.
N_RUNS = 6_000

_BENCHMARKS = ("fcnet", "hpobench_mlp")
_ROWS, _ROUNDS = 65_536, 7


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table; return 0."""
    parser = argparse.ArgumentParser(
        description="surrogates of joint spaces: sizes and speeds", allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="of the measured runs")
    parser.add_argument("--test", action="store_true", help="test rows instead of validation rows")
    parser.add_argument("--runs", type=int, default=N_RUNS, metavar="N", help="default: 6000")
    parser.add_argument("--benchmark", choices=_BENCHMARKS, action="append")
    args = parser.parse_args(argv)
    names = args.benchmark or list(_BENCHMARKS)
    if args.data is None:
        for row in speeds(names):
            print("  ".join(row), flush=True)
        return 0
    for name in names:
        few_runs(args.data, name, args.runs, "test" if args.test else "val")
    return 0


def speeds(names: Sequence[str]) -> list[list[str]]:
    """Return rows: target, bytes, and answers of one thread beside those of `YARDSTICK`."""
    asked: list[tuple[str | None, str]] = [(None, YARDSTICK)]
    for name in names:
        first: dict[str, str] = {}
        for found in anb_onnx.targets(name):  # one of each metric: the others are alike
            first.setdefault("_".join(found.name.split("_")[:2]), found.name)
        asked += [(name, target) for target in first.values()]
    calls: dict[str, measure.Call] = {}
    facts: dict[str, tuple[str, int, int]] = {}
    opened = []
    for benchmark, target in asked:
        for engine in ("native", "numpy"):
            surrogate = anb_onnx.load(target, benchmark=benchmark, engine=engine, threads=1)
            opened.append(surrogate)
            codes = anb_onnx.sample(_ROWS, seed=1, space=surrogate.space)
            out = Outputs.empty(_ROWS, surrogate.n_members, members=False)
            key = f"{target} {engine}"
            calls[key] = _asking(surrogate, codes, out)
            size = int(surrogate.metadata["bytes"])
            facts[key] = (target, size, len(surrogate.metadata["terms"]))
    timed = measure.interleave(calls, rounds=_ROUNDS, seconds=0.02)
    rows = [["target", "engine", "bytes", "terms", "M answers/s", "of the yardstick"]]
    for key, timings in timed.items():
        target, size, terms = facts[key]
        engine = key.rpartition(" ")[2]
        own = measure.spread([timing.cpu for timing in timings])
        base = [timing.cpu for timing in timed[f"{YARDSTICK} {engine}"]]
        ratio = measure.spread([b / t.cpu for b, t in zip(base, timings, strict=True)])
        shown = f"{ratio['median']:.2f} x ({ratio['min']:.2f} to {ratio['max']:.2f})"
        rate = f"{_ROWS / own['median'] / 1e6:.1f}"
        rows.append([target, engine, f"{size:,}", str(terms), rate, shown])
    for surrogate in opened:
        surrogate.close()
    return rows


def _asking(surrogate: anb_onnx.Surrogate, codes: Any, out: Outputs) -> measure.Call:
    return lambda: surrogate.query_codes(codes, out=out)


def few_runs(data: Path, benchmark: str, n: int, part: str) -> None:
    """Print how what is made of `n` runs ranks configurations that it has not seen.

    Parameters
    ----------
    data : Path
        Folder of the runs.
    benchmark : str
    n : int
    part : {"val", "test"}
    """
    from anb_export.artifacts.joint_spaces import of_few_runs
    from anb_export.data.joint_runs import read_fcnet, read_hpobench_mlp
    from anb_export.data.run_figures import rank_figures

    joint = (read_fcnet if benchmark == "fcnet" else read_hpobench_mlp)(data)
    rows = joint.test if part == "test" else joint.val
    print(f"{benchmark}: {n} runs, {len(rows)} {part} rows, tau beside that of one run")
    reached: dict[str, list[tuple[float, float]]] = {}
    for target in joint.dataset.origin.targets:
        if joint.dataset.target(target).exact:
            continue
        ensemble = of_few_runs(joint, target, n)
        spec = joint.dataset.target(target)
        answers, size = _asked(ensemble, target, joint.dataset.codes[rows], spec)
        figures = rank_figures(joint.runs[target][rows], answers)
        metric = "_".join(target.split("_")[:2])
        found = (figures["tau_rest"], figures["tau_rest_of_run"])
        reached.setdefault(metric, []).append(found)
        print(
            f"{target:40} {found[0]:.4f} {found[1]:.4f}  to a run {figures['tau_run']:.4f} "
            f"{figures['tau_run_of_run']:.4f}  {size:,} bytes",
            flush=True,
        )
    for metric, taus in reached.items():
        mean = np.mean(taus, axis=0)
        print(f"{metric + ', mean':40} {mean[0]:.4f} {mean[1]:.4f}")


def _asked(
    ensemble: TableEnsemble, target: str, codes: Any, spec: Any
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], int]:
    """Return what the artifact answers, by onnxruntime from its file's graph, and its bytes."""
    card = {
        "metric": target,
        "device": None,
        "unit": spec.unit,
        "direction": spec.direction,
        "exact": False,
        "quality": {},
        "versions": {},
    }
    with from_tables(ensemble, card, engine="onnxruntime") as surrogate:
        mean = surrogate.query_codes(codes).mean.astype(np.float64)
        return mean, len(surrogate._read_model())


if __name__ == "__main__":
    sys.exit(main())
