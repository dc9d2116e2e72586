"""What proofs of the whole space take, beside two solvers: `python -m benchmarks.exact`.

Every question is asked by the public functions of `anb_onnx.exact`, after one question of the kind
that compiles the kernels. Time is that of the clock and of the processors; the rivals' is of the
processors. They get the same linear sums as tables, and know nothing of float32 means: toulbar2,
and HiGHS as a mixed integer program, each where it is installed. `--quick`: one or two of each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from anb_export.reports.markdown import table

import anb_onnx
from anb_onnx import exact
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.tables import TableEnsemble
from benchmarks import solvers
from benchmarks.formats import one_time
from benchmarks.measure import measure
from benchmarks.process import seconds_of

#: Shares of all architectures that fulfil a bound, by a sample.
LEVELS = (0.01, 0.1, 0.3, 0.6, 0.9)

_SAMPLE = 200_000

_COLD = """from anb_onnx import exact
print(exact.optimum("accuracy", [("latency_zcu102", "<=", 5.0)]).bound)
"""

Row = list[str]


def optima(names: Sequence[str]) -> Iterator[Row]:
    """Yield the time and the nodes of every target's optimum, and the rivals' times."""
    for name in names:
        found, took = _timed(lambda name=name: exact.optimum(name))  # type: ignore[misc]
        ensemble = _ensemble(name)
        sign = _sign(ensemble, found.direction)
        yield [
            name,
            found.direction,
            f"{found.bound:,.5g} {found.unit}",
            *took,
            f"{found.nodes:,}",
            *(_rival(solver, ensemble, sign) for solver in solvers.SOLVERS.values()),
        ]


def bounded(names: Sequence[str], levels: Sequence[float]) -> Iterator[Row]:
    """Yield the most accurate under bounds of another target that shares of all fulfil."""
    codes = anb_onnx.sample(_SAMPLE, seed=0, space=find_benchmark().space)
    accuracy = _ensemble("accuracy")
    for name in names:
        with anb_onnx.load(name) as surrogate:
            values = surrogate.query_codes(codes).mean
            smaller = surrogate.target.direction == "min"
            unit = surrogate.target.unit
        for level in levels:
            value = float(f"{np.quantile(values, level if smaller else 1 - level):.4g}")
            limit = (name, "<=" if smaller else ">=", value)
            found, took = _timed(lambda limit=limit: exact.optimum("accuracy", [limit]))  # type: ignore[misc]
            other = _ensemble(name)
            rival = "not linear"
            if other.link.is_identity:
                end = int((value - other.shift) * other.n_members / other.scale)
                rival = _rival(solvers.toulbar2, accuracy, -1, (other, end))
            yield [
                f"{name} {limit[1]} {value:g} {unit}",
                f"{level:.0%}",
                f"{found.bound:.4f} %",
                *took,
                f"{found.nodes:,}",
                f"{found.certificate.leaves:,}",
                rival,
            ]


def fronts(names: Sequence[str]) -> Iterator[Row]:
    """Yield what the front of accuracy and each other target takes."""
    for name in names:
        found, took = _timed(lambda name=name: exact.pareto(["accuracy", name]))  # type: ignore[misc]
        yield [
            name,
            f"{len(found.codes):,}",
            *took,
            f"{found.nodes:,}",
            f"{found.certificate.leaves:,}",
        ]


def _timed(call: Callable[[], Any]) -> tuple[Any, Row]:
    """Return the answer, and the seconds of the clock and of processors, of a call."""
    found: list[Any] = []
    timing = measure(lambda: found.append(call()), 1)
    return found[0], [one_time(timing.wall), one_time(timing.cpu)]


def _rival(
    solver: Callable[..., Any],
    ensemble: TableEnsemble,
    sign: int,
    bound: tuple[TableEnsemble, int] | None = None,
) -> str:
    tables = solvers.sums(ensemble, sign)
    side = None if bound is None else (solvers.sums(bound[0], 1), bound[1])
    try:
        _, took = _timed(lambda: solver(tables, side))
    except ImportError:
        return "not installed"
    return took[1]


def _ensemble(name: str) -> TableEnsemble:
    with anb_onnx.load(name, engine="numpy") as surrogate:
        assert surrogate._ensemble is not None  # all that are bundled have tables
        return surrogate._ensemble


def _sign(ensemble: TableEnsemble, direction: str) -> int:
    """Return what makes the best sum the least."""
    rises = (ensemble.scale > 0) == ensemble.link.increasing
    return -1 if rises == (direction == "max") else 1


def main(*, quick: bool = False) -> None:
    """Print all tables."""
    names = [target.name for target in find_benchmark().targets]
    others = [name for name in names if name != "accuracy"]
    devices = [name for name in others if name.startswith(("latency", "throughput"))]
    levels: Sequence[float] = LEVELS
    if quick:
        names, others, devices, levels = names[:2], others[:1], devices[:1], LEVELS[2:3]
    # Compiles what the questions below use, and reads the artifacts.
    exact.optimum("accuracy", [("params", "<=", 5.0)])
    exact.pareto(["params", "macs"], genes={f"block{b}_e": 1 for b in range(7)})
    clock = ["clock", "processors"]
    rivals = list(solvers.SOLVERS)
    print("Optima of all architectures, and of the same sums by other solvers:\n")
    print(table(["target", "best", "value", *clock, "nodes", *rivals], list(optima(names))))
    print("\nThe most accurate under a bound that a share of all architectures fulfils:\n")
    head = ["bound", "share", "accuracy", *clock, "nodes", "evaluated", "toulbar2"]
    print(table(head, list(bounded(devices, levels))))
    print("\nFronts of accuracy and another target:\n")
    print(table(["target", "points", *clock, "nodes", "evaluated"], list(fronts(others))))
    before = os.times()
    cold = seconds_of([sys.executable, "-c", _COLD])
    after = os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    print(
        f"\nA fresh process that asks one question under a bound: {one_time(cold)} of the clock, "
        f"{one_time(spent)} of the processors"
    )


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
