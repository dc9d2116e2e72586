"""Exact tables of multiply-adds and parameters, on the published records and on made-up ones."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from anb_export.data.accel_nasbench import ACCEL_NASBENCH
from anb_export.data.dataset import Dataset
from anb_export.data.read import read_dataset
from anb_export.tables.closed_form import ClosedFormError, exact_tables

from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.terms import Terms

from .pair_models import all_codes, space_of, symbols_of
from .synthetic import records, write_folder

EXACT = ("macs", "params")


def rows_of(dataset: Dataset, rows: np.ndarray) -> Dataset:
    return replace(
        dataset,
        names=tuple(dataset.names[r] for r in rows),
        codes=dataset.codes[rows],
        values={name: column[rows] for name, column in dataset.values.items()},
        stds={name: column[rows] for name, column in dataset.stds.items()},
    )


def with_values(dataset: Dataset, target: str, values: np.ndarray) -> Dataset:
    return replace(dataset, values={**dataset.values, target: values})


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Enough records to determine all counts."""
    return read_dataset(write_folder(tmp_path_factory.mktemp("records"), records(900)))


@pytest.mark.parametrize("target", EXACT)
def test_every_published_record_to_the_last_digit(
    published: Dataset, shared_data: Path, target: str
) -> None:
    """Against the decimal digits in the archive, read by other means."""
    digits = {}
    with tarfile.open(shared_data / "anb_dataset_jsons.tar.gz") as archive:
        for member in archive:
            if member.isreg():
                stream = archive.extractfile(member)
                assert stream is not None
                record = json.load(stream, parse_float=Decimal)
                digits[Path(member.name).name] = record["model_info"][target] * 10**6
    ensemble = exact_tables(published, target)
    totals = ensemble.totals(symbols_of(published.codes, MNASNET))
    assert totals.shape == (len(digits), 1)
    assert totals[:, 0].tolist() == [digits[name] for name in published.names]
    mean, std, _ = ensemble.predict(symbols_of(published.codes, MNASNET))
    np.testing.assert_array_equal(mean, published.values[target].astype(np.float32))
    assert (std == 0).all()


@pytest.mark.parametrize("target", EXACT)
def test_half_of_the_records_predict_the_other_half(published: Dataset, target: str) -> None:
    order = np.random.default_rng(3).permutation(len(published))
    known, unknown = np.array_split(order, 2)
    totals = exact_tables(rows_of(published, known), target).totals(
        symbols_of(published.codes[unknown], MNASNET)
    )
    wanted = np.rint(published.values[target][unknown] * 1e6)
    np.testing.assert_array_equal(totals[:, 0], wanted)


def test_any_architecture_of_a_known_law(made_up: Dataset) -> None:
    """The made-up records follow a law that is written down in `synthetic`."""
    codes = sample(3000, seed=8, space=MNASNET)
    weight = np.array([(g // 4 + 1) * (0.2 if g % 4 == 3 else 1.0) for g in range(28)])
    size = codes.astype(float) @ weight
    for target, law in (("macs", 300 + size), ("params", 2 + size / 50)):
        totals = exact_tables(made_up, target).totals(symbols_of(codes, MNASNET))
        np.testing.assert_array_equal(totals[:, 0], np.rint(law * 1e6))


def test_too_few_records_to_determine_all_counts() -> None:
    """Records that a sum reproduces, but not only one: no guess about the rest is made."""
    space = space_of((3,), (3,), (2,))
    codes = all_codes(space)
    values = np.array([[5.0, 1.0, 2.0][a] + [0.0, 7.0, 3.0][b] + c for a, b, c in codes])
    whole = Dataset(
        replace(ACCEL_NASBENCH, space=space),
        names=tuple(f"result_{k}.json" for k in range(len(codes))),
        codes=codes,
        values={"macs": values},
        stds={},
        sha256="",
    )
    exact_tables(whole, "macs")
    # Every choice occurs, but blocks 0 and 1 always change together.
    together = rows_of(replace(whole, stds={}), np.flatnonzero(codes[:, 0] == codes[:, 1]))
    with pytest.raises(ClosedFormError, match="6 records leave 2 of 6 differences between choices"):
        exact_tables(together, "macs")
    unseen = rows_of(whole, np.flatnonzero(codes[:, 1] != 2))
    with pytest.raises(ClosedFormError, match="a choice of block1 occurs in no record"):
        exact_tables(unseen, "macs")
    large = with_values(whole, "macs", values * 200)
    with pytest.raises(ClosedFormError, match="macs can exceed 2147 million"):
        exact_tables(large, "macs")


def test_any_terms_that_hold_what_counts() -> None:
    space = space_of((3,), (3,), (2,), (2,))
    codes = all_codes(space)
    # Block 3 counts nothing, and neither does block 0 but for what all have in common.
    values = np.array([5.0 + [0.0, 7.0, 3.0][b] + c for _, b, c, _ in codes])
    whole = Dataset(
        replace(ACCEL_NASBENCH, space=space),
        names=tuple(f"result_{k}.json" for k in range(len(codes))),
        codes=codes,
        values={"macs": values},
        stds={},
        sha256="",
    )
    for blocks in (((0,), (1,), (2,), (3,)), ((2,), (1,)), ((1, 2, 3),), ((0, 1), (1, 2))):
        terms = Terms(space, blocks)
        totals = exact_tables(whole, "macs", terms).totals(symbols_of(codes, space))
        np.testing.assert_array_equal(totals[:, 0], values * 1e6)
    with pytest.raises(ClosedFormError, match="macs depends on block1, which no term holds"):
        exact_tables(whole, "macs", Terms(space, ((0, 2), (3,))))


def test_broken_data(made_up: Dataset) -> None:
    macs = made_up.values["macs"]

    def broken(row: int, value: float) -> Dataset:
        changed = macs.copy()
        changed[row] = value
        return with_values(made_up, "macs", changed)

    with pytest.raises(ClosedFormError, match="not a sum of one integer per block"):
        exact_tables(broken(17, macs[17] + 1e-6), "macs")
    with pytest.raises(ClosedFormError, match=r"macs of result_17\.json is .*nan.* not a count"):
        exact_tables(broken(17, np.nan), "macs")
    with pytest.raises(ClosedFormError, match=r"macs of result_17\.json is .* not a count in mill"):
        exact_tables(broken(17, macs[17] + 3e-7), "macs")
    interacting = macs + 1e-6 * made_up.codes[:, 0] * made_up.codes[:, 4]
    with pytest.raises(ClosedFormError, match=r"macs of result_\d+\.json is \d+, the sum .* \d+:"):
        exact_tables(with_values(made_up, "macs", interacting), "macs")


def test_measured_targets_are_refused(made_up: Dataset) -> None:
    with pytest.raises(ClosedFormError, match=r"'accuracy' is measured, not counted; .* macs, par"):
        exact_tables(made_up, "accuracy")
    with pytest.raises(AnbError, match="unknown target 'flops'"):
        exact_tables(made_up, "flops")
