"""Ten or twenty measurements of this machine's CPU to a target like any other, and how good it is.

    python examples/measure/run.py --out my-cpu

suggests what to measure, measures it, makes a surrogate of it, saves that, loads it again, tries it
on fresh architectures that nothing was fitted to, and writes `report.json`, `report.md` and
`measured.png`. Whatever was measured stays in the folder: the same command goes on after Ctrl-C.

The fresh ones are measured in the same rounds as those suggested, so that a machine that becomes
slower in between is not taken for an error of the surrogate, which sees the suggested ones only.
With `--apart` they are measured afterwards, as they would be in the life of a user.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from figures import Fresh, line_through, mape, plot, spearman
from latency import Codes, MeasureError, Times, processor, summary
from measure import add_arguments, end, measure_to, settings_of
from report import markdown
from tables import read_architectures, write_architectures, write_measured, write_text

import anb_onnx
from anb_onnx import MNASNET, Surrogate

_LEVEL = 0.9


def suggested(folder: Path, n: int, seed: int) -> Codes:
    """Return the architectures to measure; those in the folder, if they are there already."""
    path = folder / "to_measure.csv"
    if not path.exists():
        write_architectures(path, anb_onnx.suggest(n, space=MNASNET, seed=seed))
    return _of_size(path, n)


def fresh_ones(folder: Path, n: int, used: Codes, seed: int) -> Codes:
    """Return random architectures that are not among those used."""
    path = folder / "fresh.csv"
    if not path.exists():
        drawn = anb_onnx.sample(n + len(used), seed=seed + 1, space=MNASNET)
        known = {row.tobytes() for row in used}
        distinct = {row.tobytes(): row for row in drawn if row.tobytes() not in known}
        write_architectures(path, np.array([*distinct.values()][:n]))
    return _of_size(path, n)


def _of_size(path: Path, n: int) -> Codes:
    codes = read_architectures(path)
    if len(codes) != n:
        msg = f"{path} has {len(codes)} architectures, not {n}; remove it or give another --out"
        raise MeasureError(msg)
    return codes


def measured(
    folder: Path, used: Codes, fresh: Codes, args: argparse.Namespace
) -> tuple[Times, Times]:
    """Measure both lists, and return their times [n, rounds, runs] in ms."""
    files = folder / "measured.csv", folder / "fresh_measured.csv"
    if args.apart:
        return measure_to(files[0], used, args), measure_to(files[1], fresh, args)
    times = measure_to(folder / "all_measured.csv", np.concatenate([used, fresh]), args)
    parts = times[: len(used)], times[len(used) :]
    for path, codes, part in zip(files, (used, fresh), parts, strict=True):
        write_measured(path, codes, *summary(part, args.statistic))
    return parts


def adapted(
    folder: Path, codes: Codes, times: Times, args: argparse.Namespace
) -> tuple[Surrogate, float]:
    """Make a surrogate, save it, and return the one that was loaded again, and the seconds."""
    value, std, repeats = summary(times, args.statistic)
    start = time.perf_counter()
    made = anb_onnx.adapt(
        codes,
        value,
        std=std,
        repeats=np.full(len(codes), repeats),
        metric="latency",
        unit="ms",
        device=args.device,
        space=MNASNET,
        seed=args.seed,
    )
    seconds = time.perf_counter() - start
    made.save(folder / "artifact")
    loaded = anb_onnx.load("latency", device=args.device, path=folder / "artifact")
    some = anb_onnx.sample(1000, seed=0, space=MNASNET)
    if not np.array_equal(made.query(some).mean, loaded.query(some).mean):
        raise RuntimeError("what was saved predicts something else than what was made")
    return loaded, seconds


def rivals(used: Codes, value: Times, codes: Codes, measured: Times) -> dict[str, float]:
    """Return how well simpler ways do: multiply-adds, and the device that is most alike.

    Both see the same measurements as the surrogate: the line is fitted to them, and the device is
    chosen by them, for the correlation of logarithms.
    """
    macs = anb_onnx.load("macs")
    counts = [macs.query(rows).mean.astype(np.float64) for rows in (used, codes)]
    slope, shift = line_through(counts[0], value)
    found = {
        "macs_spearman": spearman(counts[1], measured),
        "macs_line_mape_percent": mape(slope * counts[1] + shift, measured),
    }
    best = -np.inf
    for target in anb_onnx.targets(benchmark="accel-nasbench"):
        if target.device is None:
            continue
        device = anb_onnx.load(target.name)
        cost = [device.query(rows).mean.astype(np.float64) for rows in (used, codes)]
        if target.direction == "max":
            cost = [1 / c for c in cost]
        alike = float(np.corrcoef(np.log(cost[0]), np.log(value))[0, 1])
        if alike > best:
            best, name = alike, target.name
            figure = spearman(cost[1], measured)
    return {**found, f"{name}_spearman": figure}


def repeatability(times: Times, statistic: str) -> dict[str, float]:
    """Return how well the odd rounds predict the even ones: no surrogate can do much better."""
    halves = [summary(times[:, first::2], statistic)[0] for first in (0, 1)]
    return {"spearman": spearman(*halves), "mape_percent": mape(*halves)}


def verified(
    folder: Path,
    surrogate: Surrogate,
    used: tuple[Codes, Times],
    fresh: tuple[Codes, Times],
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Draw the picture, and return the figures of the fresh architectures."""
    value, _, _ = summary(used[1], args.statistic)
    truth, _, _ = summary(fresh[1], args.statistic)
    found = surrogate.query(fresh[0])
    lower, upper = found.interval(_LEVEL)
    mean, low, high = (np.asarray(a, dtype=np.float64) for a in (found.mean, lower, upper))
    figures = Fresh(mean, low, high, truth)
    mean_used = surrogate.query(used[0]).mean.astype(np.float64)
    title = f"{args.device}: made from {len(value)} measurements"
    plot(folder / "measured.png", figures, (mean_used, value), title)
    return {
        "surrogate": figures.figures(),
        "rivals": rivals(used[0], value, fresh[0], truth),
        "repeatability": repeatability(fresh[1], args.statistic),
        "fastest_ms": float(truth.min()),
        "slowest_ms": float(truth.max()),
    }


def conditions(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures are of: this machine, and how it was measured."""
    return {
        "device": args.device,
        "processor": processor(),
        "system": platform.platform(),
        "onnxruntime": onnxruntime.__version__,
        "suggested": args.n,
        "fresh": args.fresh,
        "rounds": args.rounds,
        "statistic": args.statistic,
        "apart": args.apart,
        **asdict(settings_of(args)),
    }


def work(args: argparse.Namespace) -> None:
    """Do all steps; those whose files are there are not done again."""
    if args.n < 3 or args.fresh < 2:
        msg = f"--n {args.n} --fresh {args.fresh}: at least 3 to learn from, and 2 to try it on"
        raise MeasureError(msg)
    folder: Path = args.out
    folder.mkdir(parents=True, exist_ok=True)
    used = suggested(folder, args.n, args.seed)
    fresh = fresh_ones(folder, args.fresh, used, args.seed)
    times, fresh_times = measured(folder, used, fresh, args)
    surrogate, seconds = adapted(folder, used, times, args)
    report = {
        "conditions": conditions(args),
        "adapt_seconds": seconds,
        **verified(folder, surrogate, (used, times), (fresh, fresh_times), args),
    }
    write_text(folder / "report.json", json.dumps(report, indent=2) + "\n")
    text = markdown(report)
    write_text(folder / "report.md", text)
    print(text, end="")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="run.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--n", type=int, default=20, help="to suggest and learn from (default: 20)")
    parser.add_argument("--fresh", type=int, default=30, help="to try it on (default: 30)")
    parser.add_argument("--device", default="my-cpu", help="its name (default: my-cpu)")
    parser.add_argument(
        "--apart",
        action="store_true",
        help="measure the fresh ones after the others, not among them",
    )
    add_arguments(parser)
    args = parser.parse_args(argv)
    return end("run.py", lambda: work(args))


if __name__ == "__main__":
    sys.exit(main())
