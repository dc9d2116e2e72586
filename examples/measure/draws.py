"""How much depends on which architectures were measured: many draws of a few of one big file.

    anb-onnx sample 120 --seed 77 --format csv --out many.csv
    python examples/measure/measure.py --architectures many.csv --out many_measured.csv
    python examples/measure/draws.py --measured many_measured.csv

Each draw takes some of the file at random, makes a surrogate of them, and tries it on all others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from figures import Fresh
from latency import Codes, MeasureError, Times
from measure import end
from numpy.typing import NDArray
from tables import read_measured

import anb_onnx
from anb_onnx import MNASNET

_SHOWN = ("spearman", "mape_percent", "coverage_percent", "interval_width_percent")


def draw(
    rows: NDArray[np.int64], codes: Codes, value: Times, std: Times, repeats: int, seed: int
) -> dict[str, float]:
    """Make a surrogate of some rows, and return its figures on the others."""
    used = np.zeros(len(codes), dtype=bool)
    used[rows] = True
    surrogate = anb_onnx.adapt(
        codes[used],
        value[used],
        std=std[used],
        repeats=np.full(len(rows), repeats),
        metric="latency",
        unit="ms",
        space=MNASNET,
        seed=seed,
    )
    found = surrogate.query(codes[~used])
    arrays = (np.asarray(a, np.float64) for a in (found.mean, *found.interval(0.9)))
    mean, lower, upper = arrays
    return Fresh(mean, lower, upper, value[~used]).figures()


def work(path: Path, sizes: Sequence[int], draws: int) -> None:
    """Print a line of means and standard deviations for each number of measurements."""
    codes, value, std, repeats = read_measured(path)
    if not 3 <= min(sizes) <= max(sizes) <= len(codes) - 10 or draws < 2:
        msg = f"{path} has {len(codes)} architectures: --sizes from 3 to {len(codes) - 10}, "
        raise MeasureError(msg + "for ten to be left over, and 2 draws at least")
    print("| measured | Spearman | mean relative error | inside 90 % interval | its width |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for size in sizes:
        rng = np.random.default_rng(size)
        found = []
        for seed in range(draws):
            rows = rng.choice(len(codes), size, replace=False)
            figures = draw(rows, codes, value, std, repeats, seed)
            found.append([figures[name] for name in _SHOWN])
        mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
        cells = [f"{mean[0]:.3f} ± {spread[0]:.3f}"]
        cells += [f"{m:.1f} ± {s:.1f} %" for m, s in zip(mean[1:], spread[1:], strict=True)]
        print(f"| {size} | " + " | ".join(cells) + " |")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="draws.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--measured", type=Path, required=True, metavar="FILE.csv")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 50])
    parser.add_argument("--draws", type=int, default=30, help="default: 30")
    args = parser.parse_args(argv)
    return end("draws.py", lambda: work(args.measured, args.sizes, args.draws))


if __name__ == "__main__":
    sys.exit(main())
