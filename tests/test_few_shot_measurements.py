"""Measurements: what is accepted in which form, what is refused and how, what is made of it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx._io.show import show
from anb_onnx.encoding.encoding import codes_to_indices
from anb_onnx.errors import AnbError, ArchitectureError, MeasurementError
from anb_onnx.few_shot.measurements import Measurements, measurements
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.nasbench201 import NASBENCH201, to_arch_string

CODES = sample(4, seed=5, space=MNASNET)
VALUES = [10.5, 12.25, 30.0, 11.0]
ARCHITECTURES = [Architecture.from_codes(row, space=MNASNET) for row in CODES]
CELLS = [Architecture.from_index(i, space=NASBENCH201) for i in (7, 500, 9_000, 15_000)]
LATENCY: dict[str, Any] = {"metric": "latency", "unit": "ms"}


def measured(architectures: Any = CODES, values: Any = VALUES, **changes: Any) -> Measurements:
    return measurements(architectures, values, **{**LATENCY, **changes})


FORMS: dict[str, Any] = {
    "codes": CODES,
    "indices": codes_to_indices(CODES, MNASNET),
    "architectures": ARCHITECTURES,
    "mappings": [dict(a) for a in ARCHITECTURES],
    "pandas": pd.DataFrame([dict(a) for a in ARCHITECTURES]),
    "polars": pl.DataFrame([dict(a) for a in ARCHITECTURES]),
    "pyarrow": pa.Table.from_pylist([dict(a) for a in ARCHITECTURES]),
}


@pytest.mark.parametrize("form", FORMS)
def test_architectures_in_every_form(form: str) -> None:
    found = measured(FORMS[form])
    assert found.space is MNASNET
    np.testing.assert_array_equal(found.codes, CODES)
    assert found.rows == ((0,), (1,), (2,), (3,))


@pytest.mark.parametrize("series", [list, tuple, np.array, pd.Series, pl.Series, pa.array])
def test_columns_and_strings_of_every_library(series: Any) -> None:
    strings = [to_arch_string(cell) for cell in CELLS]
    found = measured(series(strings), series(VALUES), std=series([0.5, 0.25, 0.0, 1.0]))
    assert found.space is NASBENCH201
    assert found.codes.tolist() == [list(cell.codes) for cell in CELLS]
    assert found.values.tolist() == VALUES
    assert found.errors.tolist() == [0.5, 0.25, 0.0, 1.0]


def test_the_space_is_that_of_the_architectures() -> None:
    assert measured(CELLS).space is NASBENCH201
    assert measured(np.array([7, 500, 9_000, 15_000])).space is MNASNET
    assert measured(np.array([7, 500, 9_000, 15_000]), space=NASBENCH201).space is NASBENCH201


def test_target_and_kind() -> None:
    phone = measured(device="my-phone")
    assert (phone.target.name, phone.target.direction, phone.rate) == (
        "latency_my-phone",
        "min",
        False,
    )
    rate = measured(metric="throughput", unit="images/s")
    assert (rate.target.name, rate.target.direction, rate.rate) == ("throughput", "max", True)
    assert not measured(metric="energy", unit="mJ").rate
    assert measured(metric="memory", unit="MB", direction="min").target.direction == "min"
    assert measured(metric="speed", unit="tokens/s", direction="max").rate


@pytest.mark.parametrize(
    ("metric", "unit", "direction", "words"),
    [
        ("latency", "images/s", None, "unit of time.*is metric 'throughput' meant"),
        ("latency", "mJ", None, "unit of time: s, ms.*is metric 'energy' meant"),
        ("latency", "msec", None, "did you mean 'ms'"),
        ("latency", "MS", None, "did you mean 'ms'"),
        ("latency", "", None, "unit must be a text"),
        ("latency", None, None, "unit must be a text"),
        ("latency", "m\ns", None, "unit must be a text"),
        ("throughput", "ms", None, "a rate: images/s, fps.*ends in '/s'.*'latency' meant"),
        ("energy", "s", None, "a unit of energy: J, mJ"),
        ("latency", "ms", "max", "direction 'max' contradicts metric 'latency', of which less"),
        ("throughput", "fps", "min", "direction 'min' contradicts.*of which more"),
        ("latency", "ms", "up", "direction must be 'max' or 'min'"),
        ("memory", "MB", None, "metric 'memory' it is not known what is better"),
        ("latancy", "ms", None, "did you mean 'latency'"),
        ("memory", "MB", "max", "needs a rate"),
        ("bandwidth", "MB/s", "min", "cannot be of a rate"),
        (3, "ms", None, "metric must be a text"),
    ],
)
def test_units_that_do_not_fit(metric: Any, unit: Any, direction: Any, words: str) -> None:
    with pytest.raises(MeasurementError, match=words):
        measured(metric=metric, unit=unit, direction=direction)


@pytest.mark.parametrize("device", ["", "a\tb", 7, "x" * 250], ids=["empty", "tab", "7", "long"])
def test_devices_that_are_no_names(device: Any) -> None:
    with pytest.raises(MeasurementError, match="device"):
        measured(device=device)


@pytest.mark.parametrize(
    "value",
    [
        *(0.0, -1.0, math.nan, math.inf, -math.inf, 1e-40, 1e40, 10**400),
        *(None, "12", b"1", True, np.bool_(True), 1j, [1.0], np.array([1.0]), pd.NA),
    ],
    ids=show,
)
def test_values_that_are_none(value: Any) -> None:
    with pytest.raises(MeasurementError, match=r"values.*number"):
        measured(values=[10.5, 12.25, value, 11.0])


def test_the_first_wrong_row_is_named_with_what_is_allowed() -> None:
    with pytest.raises(MeasurementError, match=r"row 1, values: -2\.5 is not allowed; .*> 0"):
        measured(values=[10.5, -2.5, math.nan, 11.0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"values": [1.5, 2.5, 3.5]}, "values has 3 rows, but there are 4 architectures"),
        ({"values": 3.0}, "values must be a list, an array"),
        ({"values": "1234"}, "values must be a list"),
        ({"values": {1.0, 2.0, 3.0, 4.0}}, "values must be a list"),
        ({"values": None}, "values must be a list"),
        ({"values": np.ones((4, 2))}, "values must be a list"),
        ({"values": np.float64(3)}, "values must be a list"),
        ({"values": np.ma.masked_less(np.array(VALUES), 11)}, "masked"),
        ({"values": pd.DataFrame({"v": VALUES})}, "give one column of it"),
        ({"std": [1.0, -0.5, 0.0, 0.0]}, r"row 1, std: -0\.5 .*number >= 0"),
        ({"std": [1.0, math.nan, 0.0, 0.0]}, "row 1, std: nan"),
        ({"std": -1.0}, "row 0, std: -1.0"),
        ({"std": [1.0]}, "std has 1 rows"),
        ({"repeats": [1, 2, 0, 3]}, "row 2, repeats: 0 .*whole numbers from 1"),
        ({"repeats": [1, 2, 1.5, 3]}, "row 2, repeats: 1.5"),
        ({"repeats": True}, "repeats must be"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_columns_that_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(MeasurementError, match=words):
        measured(**changes)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_architectures(n: int) -> None:
    with pytest.raises(MeasurementError, match=rf"{n} distinct .* at least 3 are needed.*suggest"):
        measured(np.repeat(CODES[:n], 2, axis=0), [5.0] * 2 * n)


def test_architectures_that_are_none() -> None:
    bad = CODES.copy()
    bad[2, 0] = 99
    with pytest.raises(ArchitectureError, match="row 2"):
        measured(bad)
    with pytest.raises(ArchitectureError, match=r"row 1: .*not 'MobileNet'"):
        measured([to_arch_string(CELLS[0]), "MobileNet"], [1.0, 2.0])
    with pytest.raises(ArchitectureError, match=r"row 0.*'mnasnet'"):
        measured([to_arch_string(cell) for cell in CELLS], space=MNASNET)
    with pytest.raises(ArchitectureError, match="no column"):
        measured(pd.DataFrame({"number": [1, 2, 3, 4]}))


def test_repeats_make_a_smaller_error() -> None:
    assert measured(std=2.0, repeats=[1, 4, 16, 100]).errors.tolist() == [2.0, 1.0, 0.5, 0.2]
    assert measured(std=2.0).errors.tolist() == [2.0] * 4
    assert measured(repeats=9).errors.tolist() == [0.0] * 4


def test_rows_of_one_architecture_are_combined() -> None:
    codes = CODES[[0, 1, 0, 2, 0]]
    found = measured(codes, [10.0, 20.5, 13.0, 30.5, 13.0], repeats=[2, 1, 1, 1, 1])
    assert found.rows == ((0, 2, 4), (1,), (3,))
    np.testing.assert_array_equal(found.codes, CODES[:3])
    assert found.values.tolist() == [11.5, 20.5, 30.5]
    # Sum of weighted squares 2 * 1.5^2 + 2 * 1.5^2 = 9, of three rows that weigh 4.
    assert found.errors.tolist() == [math.sqrt(9 / (2 * 4)), 0.0, 0.0]
    assert found.notes == (
        "3 rows are of 1 architecture: their means are taken",
        "rows of 1 architecture differ: their spread counts as noise",
    )


def test_rows_that_contradict_each_other() -> None:
    with pytest.raises(
        MeasurementError, match=r"row 1 and row 3 are .* 12 and 25 differ by more .* 2;"
    ):
        measured(CODES[[0, 1, 2, 1]], [10.0, 12.0, 30.0, 25.0])
    assert len(measured(CODES[[0, 1, 2, 1]], [10.0, 12.0, 30.0, 24.0])) == 3


def test_whole_numbers_with_ties_are_rounded_ones() -> None:
    found = measured(values=[10, 12, 12, 30])
    assert found.resolution == 1.0
    assert found.errors.tolist() == [1 / math.sqrt(12)] * 4
    assert any("steps of 1 ms" in note for note in found.notes)
    # A stated error that is larger stays.
    assert measured(values=[10, 12, 12, 30], std=3.0).errors.tolist() == [3.0] * 4
    assert measured(values=[10.1, 12.0, 12.0, 30.2]).resolution == 0.1
    assert measured(values=[0.01, 0.012, 0.012, 0.03], unit="s").resolution == 0.001
    assert measured(values=[10, 12, 13, 30]).resolution == 0.0
    third = [10 / 3, 12.0, 12.0, 30.0]
    assert (measured(values=third).resolution, measured(values=third).notes) == (0.0, ())


def test_values_that_are_all_equal_tell_nothing() -> None:
    assert "do not tell how latency varies" in measured(values=[7.5] * 4).notes[-1]
    # One architecture twice is no tie.
    assert measured(CODES[[0, 0, 1, 2]], [7.0, 7.0, 8.0, 9.0]).resolution == 0.0


NUMBERS = st.floats(1.0, 1.999) | st.integers(1, 1).map(float)


@given(st.lists(st.tuples(st.integers(0, 5), NUMBERS, st.integers(1, 9)), min_size=1, max_size=20))
def test_any_rows_are_combined_exactly_and_in_any_order(
    rows: list[tuple[int, float, int]],
) -> None:
    rows = [(0, 1.5, 1), (1, 1.25, 2), (2, 1.125, 1), *rows]
    codes = sample(6, seed=1, space=NASBENCH201)
    assert len({row.tobytes() for row in codes}) == 6

    def found(order: list[tuple[int, float, int]]) -> Measurements:
        which, values, repeats = zip(*order, strict=True)
        return measured(codes[list(which)], values, repeats=repeats, space=NASBENCH201)

    one, other = found(rows), found(rows[::-1])
    assert len(one) == len({which for which, _, _ in rows})
    assert sorted(row for group in one.rows for row in group) == list(range(len(rows)))
    facts = {
        key.tobytes(): (value, error)
        for key, value, error in zip(one.codes, one.values, one.errors, strict=True)
    }
    for key, value, error in zip(other.codes, other.values, other.errors, strict=True):
        assert facts[key.tobytes()] == (value, error)
    for key, group in zip(one.codes, one.rows, strict=True):
        weight = sum(rows[row][2] for row in group)
        mean = sum(Fraction(rows[row][1]) * rows[row][2] for row in group) / weight
        value, error = facts[key.tobytes()]
        assert value == pytest.approx(float(mean), rel=1e-15)
        same = len({rows[row][1] for row in group}) == 1
        assert (error == 0.0) == (same and one.resolution == 0.0)


JUNK = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.lists(st.floats(), max_size=5)
)


@given(JUNK | st.lists(JUNK, max_size=5), JUNK | st.lists(JUNK, max_size=5), JUNK)
def test_whatever_comes_in_is_read_or_refused_with_our_errors(
    values: Any, std: Any, repeats: Any
) -> None:
    try:
        found = measured(CODES, values, std=std, repeats=repeats)
    except AnbError:
        return
    assert (found.values > 0).all()
    assert (found.errors >= 0).all()
    assert np.isfinite(found.errors).all()
