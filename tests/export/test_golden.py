"""Golden vectors, read back from their bytes by the layout that describes them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import oracle
import pytest

from anb_onnx.links import Link
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs
from anb_onnx.writing.golden import golden_codes, golden_vectors

from .pair_models import space_of, symbols_of

CARDINALITIES = [len(codes) for codes in oracle.GENES.values()]


@pytest.fixture(scope="module")
def ensembles() -> dict[str, TableEnsemble]:
    rng = np.random.default_rng(0)
    found = {}
    for name, members, link in (("accuracy", 8, Link("-1", 80.0)), ("macs", 1, Link())):
        shape = (all_pairs(MNASNET).offsets[-1], members)
        entries = rng.integers(-(2**20), 2**20, shape, dtype=np.int32)
        found[name] = TableEnsemble(MNASNET, entries, 1e-3 * 2.0**-24, 0.05, link)
    return found


def test_architectures() -> None:
    codes = golden_codes(MNASNET)
    assert (codes.dtype, codes.shape) == (np.dtype(np.uint8), (4096, 28))
    rows = {tuple(row) for row in codes.tolist()}
    assert len(rows) == 4096
    assert all(0 <= c < n for row in rows for c, n in zip(row, CARDINALITIES, strict=True))
    low, high = (0,) * 28, tuple(n - 1 for n in CARDINALITIES)
    assert {low, high, tuple(oracle.B0_CODES)} <= rows
    for gene, n in enumerate(CARDINALITIES):
        for base in (low, high, tuple(oracle.B0_CODES)):
            # All one-gene changes of B0; of the corners, the change to the other end.
            changes = range(n) if base == tuple(oracle.B0_CODES) else (0, n - 1)
            assert {(*base[:gene], c, *base[gene + 1 :]) for c in changes} <= rows
    # Random ones: every choice of every gene many times.
    for gene, n in enumerate(CARDINALITIES):
        assert np.bincount(codes[:, gene], minlength=n).min() > 4096 / n * 0.8
    np.testing.assert_array_equal(codes, golden_codes(MNASNET))


def read(content: bytes, entry: dict[str, Any]) -> dict[tuple[str | None, str], np.ndarray]:
    dtypes = {"uint8": "u1", "float32": "<f4"}
    arrays, end = {}, 0
    for facts in entry["arrays"]:
        assert facts["offset"] == end
        dtype = np.dtype(dtypes[facts["dtype"]])
        count = int(np.prod(facts["shape"]))
        found = np.frombuffer(content, dtype, count=count, offset=facts["offset"])
        arrays[facts["target"], facts["name"]] = found.reshape(facts["shape"])
        end += count * dtype.itemsize
    assert end == len(content)
    return arrays


def test_layout_and_bits(ensembles: dict[str, TableEnsemble]) -> None:
    content, entry = golden_vectors(ensembles, MNASNET)
    entry = json.loads(json.dumps(entry))
    assert (entry["n"], entry["byte_order"]) == (4096, "little")
    arrays = read(content, entry)
    assert list(arrays) == [
        (None, "architectures"),
        *((target, name) for target in ensembles for name in ("mean", "std", "members")),
    ]
    codes = arrays[None, "architectures"]
    np.testing.assert_array_equal(codes, golden_codes(MNASNET))
    for target, ensemble in ensembles.items():
        outputs = ensemble.predict(symbols_of(codes, MNASNET))
        for name, wanted in zip(("mean", "std", "members"), outputs, strict=True):
            found = arrays[target, name]
            assert found.shape == wanted.shape
            np.testing.assert_array_equal(found.view(np.int32), wanted.view(np.int32))
    assert golden_vectors(ensembles, MNASNET)[0] == content


def test_small_spaces_have_fewer() -> None:
    space = space_of((3, 2), (2,), (5,))
    codes = golden_codes(space)
    assert len(np.unique(codes, axis=0)) == len(codes) == space.size == 60
    entries = np.arange(all_pairs(space).offsets[-1], dtype=np.int32)[:, None]
    ensemble = TableEnsemble(space, entries, 0.5, 0.0, Link())
    content, entry = golden_vectors({"params": ensemble}, space)
    assert entry["n"] == 60
    arrays = read(content, entry)
    wanted, _, _ = ensemble.predict(symbols_of(codes, space))
    np.testing.assert_array_equal(arrays["params", "mean"], wanted)
