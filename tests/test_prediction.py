"""What predictions say of themselves: in a line, in a notebook, as tables of other packages."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from typing import Any

import numpy as np
import pyarrow
import pytest
from tools import need_tool

import anb_onnx
from anb_onnx import Benchmark, Prediction, Predictions, efficientnet_b0, sample
from anb_onnx.calibration import EXACT, Calibration, LevelError
from anb_onnx.errors import ExtraError
from anb_onnx.views.figures import short, within

CALIBRATION = Calibration(2.0, 3.0, 0, None, (0.0, 0.5, 0.95), (0.0, 0.7, 2.0))
COLUMNS = ["mean", "std", "predictive_std", "lower", "upper"]


def made(
    mean: Any,
    std: Any = 0.0,
    *,
    members: Any = None,
    calibration: Calibration | None = None,
    unit: str = "ms",
) -> Prediction[Any]:
    several = None if members is None else np.array(members, np.float32)
    return Prediction(np.float32(mean), np.float32(std), several, unit, "speed", calibration)


@pytest.mark.parametrize(
    ("prediction", "text"),
    [
        (
            made(66.02722, 2.0, calibration=CALIBRATION, unit="%"),
            "66.0 %, 90 % interval 56.7 to 75.3",
        ),
        (made(415.14502, calibration=EXACT, unit="M"), "415.14502 M, exact"),
        (made(12.3456, 0.0123), "12.346 ms, members' std 0.0123, no calibration"),
        (made(12.3456), "12.346 ms, no calibration"),
        (made(np.nan, np.nan), "nan ms, members' std nan, no calibration"),
        (made(3.0, 1.0, members=[2.0, 4.0], calibration=EXACT), "3.0 ms, exact, 2 members"),
        (made([3.0, 1.25], [0, 0]), "2 architectures, 1.25 to 3 ms"),
        (made([3.0], [0]), "1 architecture, 3 to 3 ms"),
        (made([], []), "0 architectures"),
    ],
)
def test_a_prediction_says_what_to_believe(prediction: Prediction[Any], text: str) -> None:
    assert repr(prediction) == f"Prediction(speed: {text})"


def test_an_interval_is_at_the_largest_level_there_is() -> None:
    few = Calibration(0.0, 1.0, 0, None, (0.0, 0.5), (0.0, 0.7))
    assert "50 % interval 9.30 to 10.70" in repr(made(10, calibration=few))
    assert "50 % of new measurements" in made(10, calibration=few)._repr_html_()


def test_digits_are_those_that_count() -> None:
    assert within(0.00123, 0.00120, 0.00126) == ("0.001230", "0.001200", "0.001260")
    assert within(2212.4, 1155.8, 3269.0) == ("2212", "1156", "3269")
    assert within(5.0, 5.0, 5.0) == ("5", "5", "5")
    assert within(1e30, 0.9e30, 1.1e30) == ("1e+30", "9e+29", "1.1e+30")
    assert (short(-0.0), short(3e-7), short(-12345678.0)) == ("-0", "3e-07", "-12346000")


def test_what_is_exact_has_no_error() -> None:
    with anb_onnx.load("macs") as surrogate:
        one = surrogate.query(efficientnet_b0())
        many = surrogate.query(sample(7, seed=0, space=surrogate.space))
    assert one.interval(0.9) == (one.mean, one.mean)
    assert float(one.predictive_std) == 0.0
    assert not many.predictive_std.any()
    assert all(np.array_equal(bound, many.mean) for bound in many.interval(0.5))


def test_bundled_predictions_print_their_interval() -> None:
    with anb_onnx.load("accuracy") as surrogate:
        found = surrogate.query(efficientnet_b0())
        lower, upper = found.interval(0.9)
    assert repr(found) == (
        f"Prediction(accuracy: {found.mean:.2f} %, 90 % interval {lower:.2f} to {upper:.2f})"
    )
    assert "+-" not in repr(found)


@pytest.fixture(scope="module")
def batch() -> Predictions:
    with Benchmark(["accuracy", "macs"]) as benchmark:
        return benchmark.query(sample(12, seed=3, space=benchmark.space), members=True)


def test_one_target_as_tables(batch: Predictions) -> None:
    pandas, polars = need_tool("pandas"), need_tool("polars")
    found = batch["accuracy"]
    lower, upper = found.interval(0.5)
    assert found.members is not None
    wanted = [found.mean, found.std, found.predictive_std, lower, upper, *found.members.T]
    names = [*COLUMNS, *(f"member_{i}" for i in range(8))]
    frame = found.to_pandas(0.5)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.attrs == {"units": {"accuracy": "%"}, "levels": {"accuracy": 0.5}}
    table, other = found.to_arrow(0.5), found.to_polars(0.5)
    assert isinstance(other, polars.DataFrame)
    metadata = {key: json.loads(text) for key, text in table.schema.metadata.items()}
    assert metadata == {
        b"anb_onnx.units": {"accuracy": "%"},
        b"anb_onnx.levels": {"accuracy": 0.5},
    }
    assert list(frame) == table.column_names == other.columns == names
    for name, values in zip(names, wanted, strict=True):
        columns = [frame[name].to_numpy(), table[name].to_numpy(), other[name].to_numpy()]
        for column in columns:
            assert column.dtype == np.float32
            assert np.array_equal(column, values)


def test_all_targets_as_one_table(batch: Predictions) -> None:
    need_tool("pandas")
    need_tool("polars")
    table = batch.to_arrow()
    members = [f"accuracy_member_{i}" for i in range(8)]
    assert table.column_names == [
        *(f"accuracy_{name}" for name in COLUMNS),
        *members,
        *(f"macs_{name}" for name in COLUMNS),
        "macs_member_0",
    ]
    assert table.num_rows == 12
    assert table["macs_lower"].equals(table["macs_mean"])
    units = json.loads(table.schema.metadata[b"anb_onnx.units"])
    assert units == {"accuracy": "%", "macs": "M"}
    assert batch.to_pandas().attrs == {
        "units": {"accuracy": "%", "macs": "M"},
        "levels": {"accuracy": 0.9, "macs": 0.9},
    }
    unknown = Predictions(speed=made([1], [0])).to_pandas(0.5)
    assert unknown.attrs == {"units": {"speed": "ms"}, "levels": {"speed": None}}
    assert (
        batch.to_polars()
        .to_arrow()
        .cast(table.schema.remove_metadata())
        .equals(table.replace_schema_metadata())
    )


def test_one_architecture_is_one_row() -> None:
    need_tool("pandas")
    one = made(5, members=[4, 6], calibration=EXACT)
    assert one.to_pandas().shape == (1, 7)
    assert one.to_arrow().to_pylist()[0]["member_1"] == 6
    assert Predictions(speed=one).to_pandas().shape == (1, 7)


def test_what_is_not_known_is_missing() -> None:
    need_tool("pandas")
    need_tool("polars")
    unknown = made([5, 6], [1, 2])
    frame = unknown.to_pandas()
    assert frame[COLUMNS[2:]].isna().all(axis=None)
    assert not frame[COLUMNS[:2]].isna().any(axis=None)
    assert [unknown.to_arrow()[name].null_count for name in COLUMNS] == [0, 0, 2, 2, 2]
    assert unknown.to_polars().null_count().row(0) == (0, 0, 2, 2, 2)
    assert unknown.to_arrow().schema.field("lower").type == pyarrow.float32()


def test_no_rows_and_no_targets() -> None:
    need_tool("pandas")
    assert made([], []).to_arrow().num_rows == 0
    assert Predictions().to_pandas().shape == (0, 0)
    assert repr(Predictions()) == "Predictions of 0 targets:"
    for html in (made([], [])._repr_html_(), Predictions()._repr_html_()):
        assert html.startswith("<div>")


@pytest.mark.parametrize("level", [0, 1.5, "0.9", None, float("nan")])
@pytest.mark.parametrize("calibration", [None, CALIBRATION, EXACT], ids=["none", "some", "exact"])
def test_a_level_that_is_none(level: Any, calibration: Calibration | None) -> None:
    prediction = made([1], [0], calibration=calibration)
    for of in (prediction, Predictions(speed=prediction)):
        with pytest.raises(LevelError, match="level must be above 0 and at most"):
            of.to_arrow(level)


@pytest.mark.parametrize(
    ("method", "module", "extra"),
    [
        ("to_pandas", "pandas", "pandas"),
        ("to_polars", "polars", "polars"),
        ("to_arrow", "pyarrow", "parquet"),
    ],
)
def test_a_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, method: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for of in (made(1), Predictions(speed=made(1))):
        with pytest.raises(
            ExtraError, match=rf"{method} needs .*pip install 'anb-onnx\[{extra}\]'"
        ):
            getattr(of, method)()


def test_predictions_are_a_dict_that_pickles(batch: Predictions) -> None:
    again = pickle.loads(pickle.dumps(batch))
    for other in (again, copy.deepcopy(batch)):
        assert type(other) is Predictions
        assert list(other) == ["accuracy", "macs"]
        assert np.array_equal(other["accuracy"].mean, batch["accuracy"].mean)
    assert repr(again) == repr(batch)


def test_predictions_line_up() -> None:
    found = Predictions(fast=made(1.5, calibration=EXACT), slower=made([1, 2], [0, 0], unit="s"))
    assert repr(found).splitlines() == [
        "Predictions of 2 targets:",
        "  fast    1.5 ms                     exact",
        "  slower  2 architectures, 1 to 2 s",
    ]


def test_notebooks_are_shown_a_bounded_table() -> None:
    many = Prediction(
        np.arange(100_000, dtype=np.float32), np.ones(100_000, np.float32), None, "ms", "a<b>&\"'"
    )
    all_of_them = Predictions({f"target{i}": many for i in range(300)})
    for html in (many._repr_html_(), all_of_them._repr_html_()):
        assert len(html) < 30_000
        assert "the first 10 of 100,000 architectures" in html
    assert "<b>" not in many._repr_html_()
    assert "a&lt;b&gt;" in many._repr_html_()
    assert "the first 16 of 300 targets" in all_of_them._repr_html_()


def test_a_notebook_is_told_what_to_believe() -> None:
    one = made(66.02722, 2.0, calibration=CALIBRATION, unit="%")
    assert "90 % interval 56.7 to 75.3" in Predictions(speed=one)._repr_html_()
    assert "90 % of new measurements lie from lower to upper" in one._repr_html_()
    assert "exact" in made(1, calibration=EXACT)._repr_html_()
    assert "there is no calibration" in made(1)._repr_html_()
