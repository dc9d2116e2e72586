"""One architecture in every form that Python has, and lists, arrays and tensors of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from tools import need_tool

import anb_onnx
from anb_onnx import FBNET, MNASNET, NASBENCH201, Architecture, ArchitectureError, encode
from anb_onnx.spaces.mnasnet import efficientnet_b0, to_lists
from anb_onnx.spaces.nasbench201 import to_arch_string

B0 = efficientnet_b0()
LISTS = to_lists(B0)
ROW = np.array(B0.codes)
CODES = anb_onnx.sample(5, seed=3, space=MNASNET)

#: EfficientNet-B0: answered by scalars.
SINGLES: dict[str, Any] = {
    "Architecture": B0,
    "dict": dict(B0),
    "dict of 1 and 0": {name: int(value) for name, value in B0.items()},
    "dict of lists": LISTS,
    "four lists": [*LISTS.values()],
    "four tuples": tuple(map(tuple, LISTS.values())),
    "four arrays": [np.array(values) for values in LISTS.values()],
    "list of values": [*B0.values()],
    "tuple of values": tuple(B0.values()),
    "name": "efficientnet-b0",
    "text of an index": str(B0.index),
    "text of codes": " ".join(map(str, B0.codes)),
    "JSON": B0.to_json(),
    "string of NumPy": np.str_("EfficientNet-B0"),
    "int": B0.index,
    "int64": np.int64(B0.index),
    "uint64": np.uint64(B0.index),
    "0-D array": np.array(B0.index),
}

#: EfficientNet-B0, then the architecture with index 5: answered by arrays.
BATCHES: dict[str, Any] = {
    "texts": ["efficientnet-b0", "5"],
    "tuple of texts": (B0.to_json(), "5"),
    "ints": [B0.index, 5],
    "ints of several types": [np.uint64(B0.index), 5],
    "text and int": ["efficientnet-b0", 5],
    "dict of lists and int": [LISTS, 5],
    "Architecture and text": [B0, "5"],
    "codes and text": [[*B0.codes], "5"],
    "array of codes and int": [ROW, 5],
    "0-D arrays": [np.array(B0.index), np.array(5)],
    "values and int": [[*B0.values()], 5],
    "dict and int": [dict(B0), np.int64(5)],
    "dicts of 1 and 0": [{name: int(v) for name, v in B0.items()}, "5"],
    "array of strings": np.array(["efficientnet-b0", "5"]),
    "array of objects": np.array(["efficientnet-b0", 5], dtype=object),
    "pandas' texts": pd.Series(["efficientnet-b0", "5"]),
    "pandas' indices": pd.Series([B0.index, 5], index=["a", "b"]),
    "pandas' nullable indices": pd.Series([B0.index, 5], dtype="Int64"),
    "polars' texts": pl.Series(["efficientnet-b0", "5"]),
    "polars' indices": pl.Series([B0.index, 5]),
    "pyarrow's texts": pa.array(["efficientnet-b0", "5"]),
    "pyarrow's indices": pa.chunked_array([[B0.index], [5]]),
}


@pytest.fixture(scope="module")
def accuracy() -> Any:
    return anb_onnx.load("accuracy", engine="numpy")


class OnlyDlpack:
    """An array of a library that speaks this protocol and no other."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


class OnACard(OnlyDlpack):
    """One that lies where NumPy cannot read."""

    def __dlpack__(self, **options: Any) -> Any:
        msg = "Unsupported device in DLTensor."
        raise BufferError(msg)


@pytest.mark.parametrize("form", SINGLES)
def test_one_architecture_in_any_form_is_answered_by_scalars(form: str, accuracy: Any) -> None:
    given = SINGLES[form]
    assert encode(given, MNASNET).tolist() == [[*B0.codes]]
    benchmark = anb_onnx.Benchmark([accuracy])
    for found in (accuracy.query(given, members=True), benchmark.query(given)["accuracy"]):
        assert type(found.mean) is np.float32
        assert found.mean == accuracy.query(B0).mean


@pytest.mark.parametrize("form", BATCHES)
def test_a_batch_in_any_form_is_answered_by_arrays(form: str, accuracy: Any) -> None:
    given = BATCHES[form]
    five = Architecture.from_index(5, space=MNASNET)
    assert encode(given, MNASNET).tolist() == [[*B0.codes], [*five.codes]]
    wanted = accuracy.query([B0, five]).mean.tolist()
    assert accuracy.query(given).mean.tolist() == wanted
    assert anb_onnx.Benchmark([accuracy]).query(given)["accuracy"].mean.tolist() == wanted


@pytest.mark.parametrize("form", SINGLES)
def test_a_list_of_one_is_a_batch(form: str, accuracy: Any) -> None:
    if form.startswith("four"):
        return  # a list of lists holds rows
    assert accuracy.query([SINGLES[form]]).mean.shape == (1,)


def test_values_and_texts_of_a_space_of_strings() -> None:
    arch = Architecture.from_index(12_345, space=NASBENCH201)
    text = to_arch_string(arch)
    assert encode([*arch.values()], NASBENCH201).shape == (1, 6)
    assert encode([text] * 6, NASBENCH201).shape == (6, 6)
    assert encode([text, *["5"] * 5], NASBENCH201).shape == (6, 6)
    assert encode([[*arch.values()]] * 2, NASBENCH201).shape == (2, 6)
    with pytest.raises(ArchitectureError, match="gene 'edge_2_0': 'skip' is not allowed"):
        encode(["none", "skip", *["none"] * 4], NASBENCH201)
    assert encode(9**22 - 1, FBNET).tolist() == [[8] * 22]
    assert encode([str(9**22 - 1), 0], FBNET).tolist() == [[8] * 22, [0] * 22]


def test_a_flat_list_of_as_many_integers_as_genes_is_refused_where_it_could_be_codes() -> None:
    for items in ([*B0.codes], tuple(B0.codes), [255] * 28):
        with pytest.raises(ArchitectureError, match=r"pass \[codes\] for a batch of this row"):
            encode(items, MNASNET)
    assert encode([B0.index, *range(27)], MNASNET).shape == (28, 28)
    assert encode([0] * 27, MNASNET).shape == (27, 28)


def test_texts_of_many_blocks_are_counted_from_the_first(accuracy: Any) -> None:
    texts = np.full(2**16 + 28, "efficientnet-b0")
    assert len(set(accuracy.query(texts).mean.tolist())) == 1
    texts[-1] = "b0"
    with pytest.raises(ArchitectureError, match=f"row {len(texts) - 1}: 'b0' is no architecture"):
        accuracy.query(texts)


@pytest.mark.parametrize("kind", ["uint8", "int64", "float32"])
def test_tensors_are_the_arrays_that_they_stand_for(kind: str, accuracy: Any) -> None:
    torch = need_tool("torch")
    tensor = torch.tensor(CODES, dtype=getattr(torch, kind))
    indices = torch.tensor(anb_onnx.codes_to_indices(CODES, MNASNET))
    wanted = accuracy.query(CODES).mean.tolist()
    for given in (tensor, tensor.T.contiguous().T, list(tensor), indices, list(indices)):
        assert accuracy.query(given).mean.tolist() == wanted
    assert accuracy.query(indices[0]).mean == wanted[0]
    assert anb_onnx.codes_to_indices(tensor, MNASNET).tolist() == indices.tolist()
    assert anb_onnx.indices_to_codes(indices, MNASNET).tolist() == CODES.tolist()
    assert anb_onnx.codes_to_symbols(tensor, MNASNET).shape == (5, 7)
    with pytest.raises(ArchitectureError, match="looks like one row of codes"):
        accuracy.query(tensor[0].to(torch.uint8))


def test_a_tensor_elsewhere_is_refused_with_what_to_do(accuracy: Any) -> None:
    torch = need_tool("torch")
    for tensor, said in (
        (torch.zeros((2, 28), device="meta"), "can't convert meta device type tensor"),
        (torch.zeros((2, 28), requires_grad=True), "requires grad"),
    ):
        with pytest.raises(ArchitectureError, match=r"pass \.detach\(\)\.cpu\(\)") as error:
            accuracy.query(tensor)
        assert said in str(error.value)


def test_arrays_by_dlpack_alone(accuracy: Any) -> None:
    wanted = accuracy.query(CODES).mean.tolist()
    assert accuracy.query(OnlyDlpack(CODES)).mean.tolist() == wanted
    indices = anb_onnx.codes_to_indices(CODES, MNASNET)
    assert accuracy.query(OnlyDlpack(indices)).mean.tolist() == wanted
    with pytest.raises(ArchitectureError, match="the OnACard does not become an array of NumPy"):
        accuracy.query(OnACard(CODES))


def test_problems_and_ranks_take_what_query_takes() -> None:
    problem = anb_onnx.Problem("accuracy")
    wanted = problem([B0])
    for given in ("efficientnet-b0", B0.index, LISTS, ["efficientnet-b0"]):
        np.testing.assert_array_equal(problem(given), wanted)
    rank = anb_onnx.exact.rank("accuracy", B0)
    assert anb_onnx.exact.rank("accuracy", "efficientnet-b0") == rank
    with pytest.raises(ArchitectureError, match="one architecture is needed, as query takes it"):
        anb_onnx.exact.rank("accuracy", ["efficientnet-b0"])


@pytest.mark.parametrize("space", [MNASNET, NASBENCH201, FBNET], ids=lambda space: space.name)
def test_neighbours_and_mutants_of_what_sample_returns(space: anb_onnx.SearchSpace) -> None:
    codes = anb_onnx.sample(20, seed=1, space=space)
    near = anb_onnx.neighbours(codes, space=space)
    assert near.dtype == np.uint8
    assert near.shape == (20, sum(space.gene_sizes) - space.n_genes, space.n_genes)
    for row, found in zip(codes, near, strict=True):
        arch = Architecture.from_codes(row, space=space)
        assert found.tolist() == [[*other.codes] for other in anb_onnx.neighbours(arch)]
        np.testing.assert_array_equal(anb_onnx.neighbours(row, space=space), found)
    mutants = anb_onnx.mutate(codes, seed=2, n_genes=3, space=space)
    assert (mutants != codes).sum(axis=1).tolist() == [3] * 20
    encode(mutants, space)
    np.testing.assert_array_equal(
        mutants, anb_onnx.search.mutate(codes, rng=2, n_genes=3, space=space)
    )
    again = anb_onnx.mutate(codes.astype(int), seed=2, n_genes=3, space=space)
    np.testing.assert_array_equal(mutants, again)
    one = anb_onnx.mutate(codes[0], seed=2, space=space)
    assert one.shape == (space.n_genes,)
    assert (one != codes[0]).sum() == 1
    assert anb_onnx.neighbours(codes[:0], space=space).shape == (0, *near.shape[1:])
    assert anb_onnx.mutate(codes[:0], space=space).shape == (0, space.n_genes)


@pytest.mark.parametrize("call", [anb_onnx.neighbours, anb_onnx.mutate])
def test_neighbours_and_mutants_of_what_is_no_code_are_refused(call: Any) -> None:
    codes = CODES.copy()
    before = codes.copy()
    call(codes, space=MNASNET)
    np.testing.assert_array_equal(codes, before)
    for wrong, said in (
        ([*B0.codes], "takes an Architecture, or an array of codes [28] or [N, 28], not [0, 0"),
        ("efficientnet-b0", "not 'efficientnet-b0'; encode() makes codes of all else"),
        (CODES[:, :27], "codes have the shape [N, 28], not [5, 27]"),
        (CODES[0, :27], "codes have the shape [N, 28], not [1, 27]"),
        (np.full((2, 28), 7, np.uint8), "row 0, gene 'block0_e': code 7 is out of range"),
        (np.full(28, 7), "row 0, gene 'block0_e': code 7 is out of range"),
        (CODES[np.newaxis], "takes an Architecture, or an array of codes"),
    ):
        with pytest.raises(ArchitectureError) as error:
            call(wrong, space=MNASNET)
        assert said in str(error.value)
    with pytest.raises(ArchitectureError, match="needs to know the search space"):
        call(CODES)
    with pytest.raises(ArchitectureError, match="an Architecture knows its space"):
        call(B0, space=NASBENCH201)
    assert call(B0, space=MNASNET)
