"""Every error that `anb_onnx.exact` documents, by its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_artifact import write_catalog

import anb_onnx
from anb_onnx import Surrogate, exact
from anb_onnx.errors import (
    AnbError,
    ArchitectureError,
    ExactError,
    InfeasibleError,
    TargetError,
)

CONFORMANCE = Path(__file__).resolve().parent / "conformance"

_FORM = "a constraint is (target, '<=' or '>=', finite number), as in ('latency_zcu102', '<=', 5.0)"


def refused(kind: type[AnbError], words: str) -> Any:
    return pytest.raises(kind, match=re.escape(words))


@pytest.fixture(scope="module")
def of_trees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surrogate]:
    folder = write_catalog(tmp_path_factory.mktemp("small"))
    with anb_onnx.load("accuracy", path=folder, engine="onnxruntime") as surrogate:
        yield surrogate


@pytest.mark.parametrize(
    "constraint",
    [
        "latency_zcu102<=5",
        ("latency_zcu102", "<=", "5"),
        ("latency_zcu102", "<", 5.0),
        ("latency_zcu102", ["<="], 5.0),
        ("latency_zcu102", np.array(["<=", ">="]), 5.0),
        ("latency_zcu102", "<=", float("nan")),
        ("latency_zcu102", "<=", float("inf")),
        ("latency_zcu102", "<=", True),
        ("latency_zcu102", "<=", 5 + 0j),
        ("latency_zcu102", "<=", np.complex128(5)),
        ("latency_zcu102", "<=", 10**400),
        ("latency_zcu102", "<="),
    ],
    ids=repr,
)
def test_what_is_no_constraint(constraint: Any) -> None:
    for ask in (
        lambda: exact.optimum("accuracy", [constraint]),
        lambda: exact.enumerate("accuracy", 68.0, [constraint]),
        lambda: exact.pareto(["accuracy", "params"], [constraint]),
    ):
        with refused(ExactError, _FORM):
            ask()


@pytest.mark.parametrize("constraints", [None, 5, "latency", ("latency_zcu102", "<=", 5.0)])
def test_what_are_no_constraints(constraints: Any) -> None:
    with refused(ExactError, _FORM):
        exact.optimum("accuracy", constraints)


def test_any_real_number_is_a_bound() -> None:
    wanted = exact.optimum("accuracy", [("latency_zcu102", "<=", 5.0)]).bound
    fives: list[Any] = [5, np.float32(5), np.int64(5), Fraction(5)]
    for five in fives:
        assert exact.optimum("accuracy", [("latency_zcu102", "<=", five)]).bound == wanted
    # Compared as it is, not rounded to float32: the optimum's own value, and less by 2^-50 of it.
    codes = exact.optimum("accuracy", [("latency_zcu102", "<=", 5.0)]).solutions[0].architecture
    with anb_onnx.load("latency_zcu102", engine="numpy") as surrogate:
        value = float(surrogate.query(codes).mean)
    assert exact.optimum("accuracy", [("latency_zcu102", "<=", value)]).bound == wanted
    below = value * (1 - 2.0**-50)
    assert exact.optimum("accuracy", [("latency_zcu102", "<=", below)]).bound < wanted


@pytest.mark.parametrize("k", [0, -1, 100_001, True, 1.0, "1", None])
def test_what_is_no_k(k: Any) -> None:
    with refused(ExactError, f"k must be an integer from 1 to 100000, not {k!r}"):
        exact.optimum("accuracy", k=k)


@pytest.mark.parametrize("direction", ["up", "MAX", ["max"], 1])
def test_what_is_no_direction(direction: Any) -> None:
    with refused(ExactError, f"direction must be 'max', 'min' or None, not {direction!r}"):
        exact.optimum("accuracy", direction=direction)
    with refused(ExactError, "direction must be"):
        exact.enumerate("accuracy", 68.0, direction=direction)


@pytest.mark.parametrize("value", ["68", None, True, float("nan"), float("-inf"), 68j, 10**400])
def test_what_is_no_value(value: Any) -> None:
    with refused(ExactError, "better_than must be a finite number, not "):
        exact.enumerate("accuracy", value)


@pytest.mark.parametrize("limit", [0, -5, 2.0, True, None])
def test_what_is_no_limit(limit: Any) -> None:
    with refused(ExactError, f"limit must be a positive integer, not {limit!r}"):
        exact.enumerate("accuracy", 68.0, limit=limit)


def test_more_than_the_limit() -> None:
    words = "more than 561 architectures are at least that good; give a better value, more"
    with refused(ExactError, words):
        exact.enumerate("accuracy", 68.2, limit=561)
    assert len(exact.enumerate("accuracy", 68.2, limit=562).values) == 562
    assert len(exact.enumerate("accuracy", 1e300).values) == 0


@pytest.mark.parametrize(
    ("genes", "words"),
    [
        ({"block0_k": 7}, "gene 'block0_k': 7 is not allowed; choose from 3, 5"),
        ({"block0_k": [3, 7]}, "gene 'block0_k': 7 is not allowed; choose from 3, 5"),
        ({"block0_k": []}, "gene 'block0_k': an empty list is not allowed; choose from 3, 5"),
        ({"block0_se": 2}, "gene 'block0_se': 2 is not allowed"),
        ({"kernel": 3}, "there is no gene 'kernel'; the genes are block0_e, block0_k,"),
        ({0: 3}, "there is no gene 0; the genes are block0_e, block0_k,"),
        ([("block0_k", 3)], "genes must be a mapping from names to a value or a list of values"),
    ],
)
def test_genes_that_there_are_not(genes: Any, words: str) -> None:
    for ask in (
        lambda: exact.optimum("accuracy", genes=genes),
        lambda: exact.enumerate("accuracy", 68.0, genes=genes),
        lambda: exact.pareto(["accuracy", "params"], genes=genes),
    ):
        with refused(ArchitectureError, words):
            ask()


def test_targets_that_are_none() -> None:
    with refused(TargetError, "unknown target 'speed'; valid targets of benchmark"):
        exact.optimum("speed")
    with refused(TargetError, "unknown target 'speed'; valid targets of benchmark"):
        exact.optimum("accuracy", [("speed", ">=", 1.0)])
    with refused(TargetError, "a target is a name or a surrogate, not 7"):
        exact.optimum(7)  # type: ignore[arg-type]
    with refused(TargetError, "target 'accuracy' is given twice"):
        exact.pareto(["accuracy", "accuracy"])


@pytest.mark.parametrize("targets", ["accuracy", b"accuracy", [], ["accuracy"], {"accuracy": 1}])
def test_what_a_front_is_not_of(targets: Any) -> None:
    with refused(TargetError, "a front is of two"):
        exact.pareto(targets)


def test_targets_of_other_spaces() -> None:
    with anb_onnx.load("energy", benchmark="one-block", path=CONFORMANCE) as other:
        words = "targets 'accuracy' (mnasnet) and 'energy' (alone) have different search spaces"
        with refused(TargetError, words):
            exact.optimum("accuracy", [(other, "<=", 1.0)])
        with refused(TargetError, words):
            exact.pareto(["accuracy", other])


def test_an_artifact_without_tables(of_trees: Surrogate) -> None:
    words = "target 'accuracy' is an artifact of form 'trees'; only sums of tables can be searched"
    with refused(ExactError, words):
        exact.optimum(of_trees)
    with refused(ExactError, words):
        exact.optimum("latency_zcu102", [(of_trees, ">=", 60.0)])


def test_a_surrogate_is_itself_where_another_has_its_name() -> None:
    """Two artifacts of one target: the second was once taken for the first."""
    with (
        anb_onnx.load("accuracy", benchmark="nasbench201-table", path=CONFORMANCE) as table,
        anb_onnx.load("accuracy", benchmark="nasbench201-pairs", path=CONFORMANCE) as pairs,
    ):
        assert table.space == pairs.space
        axes = np.indices(table.space.gene_sizes).reshape(table.space.n_genes, -1)
        codes = np.ascontiguousarray(axes.T.astype(np.uint8))
        values, others = table.query_codes(codes).mean, pairs.query_codes(codes).mean
        least = float(np.quantile(others, 0.9, method="nearest"))
        found = exact.optimum(table, [(pairs, ">=", least)], direction="min")
        best = found.solutions[0].architecture
        assert float(pairs.query(best).mean) >= least
        assert found.bound == values[others >= least].min()


def test_what_no_architecture_fulfils() -> None:
    fastest = exact.optimum("latency_zcu102").bound
    assert fastest > 1.2
    with refused(
        InfeasibleError,
        f"no architecture has latency_zcu102 <= 1.2 ms: the nearest has {fastest:.9g} ms",
    ):
        exact.optimum("accuracy", [("latency_zcu102", "<=", 1.2)])
    # The nearest is near enough: as the message states it.
    nearest = float(f"{fastest:.9g}")
    assert np.float32(nearest) == np.float32(fastest)
    at = exact.optimum("accuracy", [("latency_zcu102", "<=", fastest)])
    assert len(at.solutions) == 1
    assert issubclass(InfeasibleError, ExactError)


def test_the_first_constraint_that_those_before_leave_unfulfilled() -> None:
    most = exact.optimum("accuracy", [("latency_zcu102", "<=", 5.0)]).bound
    constraints = [("latency_zcu102", "<=", 5.0), ("accuracy", ">=", 66.0), ("params", "<=", 4.0)]
    words = (
        "no architecture has accuracy >= 66.0 % among those with latency_zcu102 <= 5.0 ms: the "
        f"nearest has {most:.9g} %"
    )
    for ask in (
        lambda: exact.optimum("macs", constraints),
        lambda: exact.pareto(["macs", "throughput_a100"], constraints),
    ):
        with refused(InfeasibleError, words):
            ask()
    assert len(exact.enumerate("macs", 1e6, constraints).codes) == 0


def test_a_bound_is_stated_in_full() -> None:
    with refused(InfeasibleError, "no architecture has latency_zcu102 <= 0.123456789 ms: "):
        exact.optimum("accuracy", [("latency_zcu102", "<=", 0.123456789)])
