"""From an artifact of any space to predictions: every spelling gives the same bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import anb_onnx
from anb_onnx import Architecture, Surrogate
from anb_onnx.cli.main import main
from anb_onnx.encoding.encoding import codes_to_indices, from_table

ROOT = Path(__file__).parent / "conformance"
ARTIFACTS = sorted(ROOT.glob("*/*.onnx"))


@pytest.fixture(params=ARTIFACTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def open_all(path: Path) -> list[Surrogate]:
    return [anb_onnx.load(path=path, engine=engine, threads=1) for engine in ("numpy", "auto")]


def test_every_spelling_gives_the_same_bits(path: Path) -> None:
    for surrogate in open_all(path):
        space = surrogate.space
        codes = anb_onnx.sample(40, seed=2, space=space)
        codes[0], codes[1] = 0, np.array(space.gene_sizes) - 1
        wanted = surrogate.query_codes(codes).mean
        architectures = [Architecture.from_codes(row, space=space) for row in codes]
        indices = codes_to_indices(codes, space)
        assert indices.tolist() == [a.index for a in architectures]
        assert indices.dtype == (np.int64 if space.size <= 2**63 else object)
        values = [a.to_values() for a in architectures]
        again = from_table(pd.DataFrame(values), space)
        for batch in (indices, indices.astype(object), architectures, values, again):
            np.testing.assert_array_equal(surrogate.query(batch).mean, wanted)
        assert surrogate.query(architectures[3]).mean == wanted[3]
        near = anb_onnx.mutate(architectures[0], seed=1)
        assert near in anb_onnx.neighbours(architectures[0])
        assert surrogate.query(near).mean == surrogate.query([near]).mean[0]
        surrogate.close()


def test_long_arrays_of_indices_are_refused_and_answered_as_short_ones(path: Path) -> None:
    n = 70_000  # more than the block in which arrays are encoded
    for surrogate in open_all(path):
        size = min(surrogate.space.size, 2**63)
        indices = np.random.default_rng(0).integers(0, size, n)
        indices[-1] = size - 1
        found = surrogate.query(indices).mean
        np.testing.assert_array_equal(found[-50:], surrogate.query(indices[-50:]).mean)
        np.testing.assert_array_equal(found[:50], surrogate.query(indices.astype(object)[:50]).mean)
        wrong = indices.astype(object)
        wrong[n - 2] = surrogate.space.size
        with pytest.raises(anb_onnx.ArchitectureError, match=f"row {n - 2}: index "):
            surrogate.query(wrong)
        surrogate.close()


def test_architectures_of_another_space_are_refused(path: Path) -> None:
    with anb_onnx.load(path=path, engine="numpy") as surrogate:
        for batch in (anb_onnx.efficientnet_b0(), [anb_onnx.efficientnet_b0()]):
            with pytest.raises(anb_onnx.ArchitectureError, match="'mnasnet', which is not the sp"):
                surrogate.query(batch)


def test_the_command_line_draws_and_answers(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "drawn.csv"
    draw: list[Any] = ["sample", "12", "--seed", "3", "--format", "csv", "--model", str(path)]
    assert main([*draw, "--out", str(file)]) == 0
    assert main(["query", "--file", str(file), "--model", str(path), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    with anb_onnx.load(path=path, engine="numpy") as surrogate:
        codes = anb_onnx.sample(12, seed=3, space=surrogate.space)
        wanted = surrogate.query(codes).mean
        indices = codes_to_indices(codes, surrogate.space).tolist()
    assert [answer["index"] for answer in answers] == indices
    found = [np.float32(next(iter(a["predictions"].values()))["mean"]) for a in answers]
    assert found == wanted.tolist()
