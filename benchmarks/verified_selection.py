"""What verification saves a search of the whole space: `python -m benchmarks.verified_selection`.

A device is known from a few measurements and from other devices. Of all 104,485,552,128
architectures those are selected that look best: the predicted front of accuracy and the device, and
the most accurate within limits. Some are measured, and the selection is judged before and after.

The truth is a bundled surrogate's own mean, as if it were the device: a truth of the surrogate, not
of reality, and smoother than that. In return it is exact. The predicted front and the true one are
proven of the whole space, so neither a search that stopped early nor a best that nobody knows is
in the figures.

Figures of a front: `mra`, the mean reduction of accuracy in points, is by how much a selected
architecture is worse than the best that truly costs no more; `hypervolume_loss` is the share of
the exact front's hypervolume that is missed, from a reference point on that lies a tenth of that
front's range beyond its worst. Of limits: whether what was chosen truly keeps it, and the regret in
points, to the proven optimum.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from anb_export._io.files import to_json, write_atomically
from anb_export.reports.markdown import table
from anb_export.study.selection_measures import volume
from numpy.typing import NDArray

import anb_onnx
from anb_onnx import MNASNET, Surrogate, exact, search
from anb_onnx._io.progress import Progress
from anb_onnx.errors import AnbError
from anb_onnx.search.verification import Rule

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]

DEVICES = ("latency_zcu102", "throughput_a100", "latency_vck190")
SIZES = (20, 50)
SEEDS = 2

#: Shares of random architectures that keep a limit, and how many are drawn to tell.
SHARES = (0.1, 0.25, 0.5, 0.75)
_DRAWN = 10_000

CONFIDENCE = 0.9
#: How many of the most worthwhile are measured: of a front, and for each limit.
FRONT_KS, LIMIT_KS = (5, 10, 25), (5, 10)
RULES: tuple[Rule, ...] = ("mean", "interval")


@dataclass(frozen=True)
class Outcome:
    """What a selection is worth.

    `share` is None of fronts, `k` is how many were measured. `mra` and `hypervolume_loss` are of
    fronts, `kept` and `regret` of limits; the regret of what does not keep the limit is None.
    `indices` are of what is left of the selection, `values` what is true of it: accuracy, device.
    """

    device: str
    measurements: int
    seed: int
    way: str
    k: int
    share: float | None
    limit: float | None
    mra: float | None
    hypervolume_loss: float | None
    kept: bool | None
    regret: float | None
    indices: list[int]
    values: list[list[float]]


class Truth:
    """A bundled surrogate in the place of a device, and what is proven of it.

    Parameters
    ----------
    name : str
        A device target of Accel-NASBench.
    """

    def __init__(self, name: str) -> None:
        self.accuracy = anb_onnx.load("accuracy")
        self.device = anb_onnx.load(name)
        front = self.accuracy.truth.fronts["accuracy", name]
        self.sign = 1.0 if self.device.target.direction == "min" else -1.0
        self._losses = self.losses_of(front.values)
        best, worst = self._losses.min(axis=0), self._losses.max(axis=0)
        self._reference = worst + (worst - best) / 10

    @cached_property
    def sources(self) -> list[str]:
        """All other devices: not this one by another metric, which would tell too much."""
        measured = [t for t in anb_onnx.targets() if t.device is not None]
        return [t.name for t in measured if t.device != self.device.target.device]

    @cached_property
    def limits(self) -> dict[float, float]:
        """For each share, the limit in the device's unit that as many random ones keep."""
        codes = anb_onnx.sample(_DRAWN, seed=0, space=MNASNET)
        costs = self.sign * self.measure(codes)
        found = np.quantile(costs, SHARES, method="lower")
        return {share: float(self.sign * x) for share, x in zip(SHARES, found, strict=True)}

    def measure(self, codes: Codes) -> Floats:
        """Measure architectures, without noise: float64 [n], float32 numbers."""
        return self.device.query_codes(codes).mean.astype(np.float64)

    def values(self, codes: Codes) -> Floats:
        """Return accuracy and device: float64 [n, 2]."""
        accuracy = self.accuracy.query_codes(codes).mean.astype(np.float64)
        return np.column_stack([accuracy, self.measure(codes)])

    def losses_of(self, values: NDArray[Any]) -> Floats:
        """Return accuracy and device, [n, 2], as losses: smaller is better."""
        return np.asarray(values, dtype=np.float64) * (-1.0, self.sign)

    def optimum(self, limit: float) -> float:
        """Return the best accuracy within a limit: proven, for the exact front has it."""
        kept = self._losses[:, 1] <= self.sign * limit
        return float(-self._losses[kept, 0].min())

    def mean_reduction(self, values: Floats) -> float:
        """Return how many points the best that costs no more is better, in the mean."""
        bests = [self.optimum(cost) for cost in values[:, 1]]
        return float(np.mean(bests - values[:, 0]))

    def hypervolume_loss(self, values: Floats) -> float:
        """Return the share of the exact front's hypervolume that is missed, from 0 to 1."""
        return 1.0 - self._volume(self.losses_of(values)) / self._volume(self._losses)

    def _volume(self, losses: Floats) -> float:
        reference = float(self._reference[0]), float(self._reference[1])
        return volume(losses[:, 0], losses[:, 1], reference)


class Case:
    """A device of which a few architectures were measured, and what a search then selects.

    Parameters
    ----------
    truth : Truth
    measurements : int
        How many were measured, those that `anb_onnx.suggest` says.
    seed : int
        Of these, and of what is adapted.
    """

    def __init__(self, truth: Truth, measurements: int, seed: int) -> None:
        self.truth, self.measurements, self.seed = truth, measurements, seed
        target = truth.device.target
        codes = anb_onnx.suggest(measurements, sources=truth.sources, seed=seed)
        self.adapted: Surrogate = anb_onnx.adapt(
            codes,
            truth.measure(codes),
            metric=target.metric,
            unit=target.unit,
            device="new",
            direction=target.direction,
            sources=truth.sources,
            seed=seed,
        )
        self._operator = "<=" if target.direction == "min" else ">="
        self.front = exact.pareto([truth.accuracy, self.adapted]).codes
        # What is beyond a predicted front, or just behind it, may be on the true one.
        near = [search.neighbours(row, space=MNASNET) for row in self.front]
        self.candidates = np.unique(np.concatenate([self.front, *near]), axis=0)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what each way to select is worth, of the front and then of each limit."""
        yield self._of_front("mean", 0, self.truth.values(self.front), self.front)
        problem = anb_onnx.Problem([self.truth.accuracy, self.adapted])
        yield self._verified_front(problem, "front-verified", self.front)
        for k in FRONT_KS:
            even = np.linspace(0, len(self.front) - 1, min(k, len(self.front))).round()
            yield self._verified_front(problem, "even", self.front[even.astype(np.int64)])
        for rule in RULES:
            codes = self._shortlist(problem, max(FRONT_KS), rule)
            for k in FRONT_KS:
                yield self._verified_front(problem, f"top-{rule}", codes[:k])
        for share, limit in self.truth.limits.items():
            yield from self._of_limit(share, limit)

    def _shortlist(self, problem: anb_onnx.Problem, k: int, rule: Rule) -> Codes:
        found = search.verify_top(problem, self.candidates, k, measure=self.adapted, rule=rule)
        return found.codes

    def _verify(self, problem: anb_onnx.Problem, codes: Codes) -> search.Verified:
        measured = {self.adapted.target.name: self.truth.measure(codes)}
        return search.verified(problem, codes, measured)

    def _verified_front(self, problem: anb_onnx.Problem, way: str, codes: Codes) -> Outcome:
        found = self._verify(problem, codes)
        return self._of_front(way, len(codes), found.values[found.front], codes[found.front])

    def _of_front(self, way: str, k: int, values: Floats, codes: Codes) -> Outcome:
        mra, loss = self.truth.mean_reduction(values), self.truth.hypervolume_loss(values)
        return self._outcome(way, k, codes, values, mra=mra, hypervolume_loss=loss)

    def _of_limit(self, share: float, limit: float) -> Iterator[Outcome]:
        asked = self.truth.accuracy, [(self.adapted, self._operator, limit)]
        problem = anb_onnx.Problem(*asked)
        safe = anb_onnx.Problem(*asked, confidence=CONFIDENCE)
        for way, question in (("mean", problem), ("chance", safe)):
            found = question.evaluate(self.candidates)
            kept = np.flatnonzero(found.feasible)
            best = kept[found.values[kept, 0].argmax()] if len(kept) else None
            chosen = self.candidates[[] if best is None else [best]]
            yield self._within(way, 0, share, limit, chosen)
        for rule in RULES:
            codes = self._shortlist(problem, max(LIMIT_KS), rule)
            for k in LIMIT_KS:
                best = self._verify(problem, codes[:k]).best
                chosen = codes[[] if best is None else [best]]
                yield self._within(f"top-{rule}", k, share, limit, chosen)

    def _within(self, way: str, k: int, share: float, limit: float, codes: Codes) -> Outcome:
        values, sign = self.truth.values(codes), self.truth.sign
        kept = bool((sign * values[:, 1] <= sign * limit).any())
        regret = self.truth.optimum(limit) - float(values[0, 0]) if kept else None
        return self._outcome(
            way, k, codes, values, share=share, limit=limit, kept=kept, regret=regret
        )

    def _outcome(self, way: str, k: int, codes: Codes, values: Floats, **figures: Any) -> Outcome:
        fields = ("share", "limit", "mra", "hypervolume_loss", "kept", "regret")
        return Outcome(
            self.truth.device.target.name,
            self.measurements,
            self.seed,
            way,
            k,
            **{name: figures.get(name) for name in fields},
            indices=anb_onnx.codes_to_indices(codes, MNASNET).tolist(),
            values=values.tolist(),
        )


def outcomes(
    devices: Sequence[str],
    sizes: Sequence[int],
    seeds: int,
    progress: Callable[[int, int | None], object] | None = None,
) -> Iterator[Outcome]:
    """Yield all outcomes, device by device; `progress` is told cases that are done, and all."""
    done, total = 0, len(devices) * len(sizes) * seeds
    for name in devices:
        truth = Truth(name)
        for size in sizes:
            for seed in range(seeds):
                yield from Case(truth, size, seed).outcomes()
                done += 1
                if progress is not None:
                    progress(done, total)


#: What the rows of the tables are called: the way to select, and how many were measured.
_SAID = {
    "mean": "by the mean, nothing measured",
    "chance": "by the 90 % bound, nothing measured",
    "front-verified": "all of the predicted front measured",
    "even": "{k} of it measured, evenly spaced",
    "top-mean": "`verify_top`, {k}, rule mean",
    "top-interval": "`verify_top`, {k}, rule interval",
}


def report(found: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of two tables, fronts and limits, with a pair of columns for each size."""
    sizes = sorted({x.measurements for x in found})
    cases = len({(x.device, x.seed) for x in found})
    yield f"Means over {cases} cases, devices times seeds, each of all architectures.\n"
    fronts = [x for x in found if x.share is None]
    header = [f"{name}, {n}" for n in sizes for name in ("MRA", "hypervolume loss")]
    yield table(["front", *header], list(_lines(fronts, sizes, _front_cells)))
    yield ""
    limits = [x for x in found if x.share is not None]
    header = [f"{name}, {n}" for n in sizes for name in ("limits kept", "regret")]
    yield table(["within limits", *header], list(_lines(limits, sizes, _limit_cells)))


def _lines(
    found: Sequence[Outcome], sizes: Sequence[int], cells: Callable[[list[Outcome]], list[str]]
) -> Iterator[list[str]]:
    # How many a front has differs from case to case; all of them are one row.
    ways = dict.fromkeys((x.way, 0 if x.way == "front-verified" else x.k) for x in found)
    for way, k in ways:
        of_way = [x for x in found if x.way == way and (way == "front-verified" or x.k == k)]
        of_sizes = [[x for x in of_way if x.measurements == n] for n in sizes]
        yield [_SAID[way].format(k=k), *(cell for some in of_sizes for cell in cells(some))]


def _front_cells(some: list[Outcome]) -> list[str]:
    mra = float(np.mean([x.mra for x in some if x.mra is not None]))
    losses = [x.hypervolume_loss for x in some if x.hypervolume_loss is not None]
    return [f"{mra:.2f}", f"{np.mean(losses):.1%}".replace("%", " %")]


def _limit_cells(some: list[Outcome]) -> list[str]:
    regrets = [x.regret for x in some if x.regret is not None]
    regret = f"{np.mean(regrets):.3f}" if regrets else "-"
    return [f"{sum(bool(x.kept) for x in some)} of {len(some)}", regret]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; return 0, or 2 after an error, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.verified_selection",
        description="What verification saves a search of the whole space, of proven fronts.",
    )
    names = [t.name for t in anb_onnx.targets() if t.device is not None]
    parser.add_argument("--devices", nargs="+", default=DEVICES, choices=names, metavar="TARGET")
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=SIZES, metavar="N", help="measurements: 20 50"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="default: 2")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every outcome, and settings")
    args = parser.parse_args(argv)
    if args.seeds < 1:
        parser.error(f"--seeds is at least 1, not {args.seeds}")
    try:
        with Progress("cases") as progress:
            found = list(outcomes(args.devices, args.sizes, args.seeds, progress))
        if args.json is not None:
            write_atomically(args.json, to_json(content(found)))
    except (AnbError, OSError) as error:
        print(f"benchmarks.verified_selection: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    print("\n".join(report(found)))
    return 0


def content(found: Sequence[Outcome]) -> dict[str, Any]:
    """Return what the JSON file holds."""
    return {
        "anb_onnx": anb_onnx.__version__,
        "confidence": CONFIDENCE,
        "random_architectures": _DRAWN,
        "truth": {
            name: {"sha256": (truth := Truth(name)).device.truth.sha256, "sources": truth.sources}
            for name in dict.fromkeys(x.device for x in found)
        },
        "outcomes": [asdict(x) for x in found],
    }


if __name__ == "__main__":
    sys.exit(main())
