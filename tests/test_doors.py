"""One architecture in every form that Python has, and lists, arrays and tensors of them."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from tools import need_tool

import anb_onnx
import anb_onnx.loading
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


class ListOfKeys(Mapping[str, Any]):
    """A mapping whose keys are a list, as those of ConfigSpace 0.6.1."""

    def __init__(self, values: Any, keys: list[str] | None = None) -> None:
        self._values = values
        self._keys = list(values) if keys is None else keys

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> Any:
        return self._keys


def test_a_mapping_may_have_its_keys_in_a_list() -> None:
    given = ListOfKeys(dict(reversed(dict(B0).items())))
    batches: list[Any] = [given, [given], [given] * 20, [given, dict(B0), "0"]]
    for batch in batches:
        assert encode(batch, MNASNET)[0].tolist() == [*B0.codes]
    assert Architecture(given, space=MNASNET) == B0
    assert encode(ListOfKeys(LISTS), MNASNET).tolist() == [[*B0.codes]]
    wrong = ListOfKeys({**B0, "block9_e": 1})
    for batch in (wrong, [*[given] * 9, wrong]):
        with pytest.raises(ArchitectureError, match="unknown gene 'block9_e'; the 28 genes are"):
            encode(batch, MNASNET)
    with pytest.raises(ArchitectureError, match="missing gene 'block0_e'"):
        encode(ListOfKeys({n: v for n, v in B0.items() if n != "block0_e"}), MNASNET)
    twice = ListOfKeys(dict(B0), [*B0, "block0_e"])
    with pytest.raises(ArchitectureError, match=r"keys of .* that are not the genes, each once"):
        encode(twice, MNASNET)


def _means(benchmark: anb_onnx.Benchmark) -> dict[str, float]:
    return {name: float(found.mean) for name, found in benchmark.query("efficientnet-b0").items()}


def test_a_benchmark_pickles_and_copies_whatever_it_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = anb_onnx.load("params").save(tmp_path / "own").parent
    monkeypatch.chdir(tmp_path)
    params = anb_onnx.load("params")
    assert params.ensemble is not None
    facts: dict[str, Any] = {
        "metric": "latency",
        "device": "mine",
        "unit": "ms",
        "direction": "min",
    }
    facts |= {"exact": False, "quality": {}, "versions": {}}
    in_memory = anb_onnx.loading.from_tables(params.ensemble, facts)
    benchmarks = [
        anb_onnx.Benchmark(["accuracy", "params"], engine="numpy", threads=1),
        anb_onnx.Benchmark(path="own"),
        anb_onnx.Benchmark(["accuracy", anb_onnx.load(path=folder / "params.onnx")]),
        anb_onnx.Benchmark([in_memory]),
    ]
    wanted = [_means(benchmark) for benchmark in benchmarks]
    dumped = [pickle.dumps(benchmark) for benchmark in benchmarks]
    monkeypatch.chdir("/")
    for benchmark, data, means in zip(benchmarks, dumped, wanted, strict=True):
        copies = [pickle.loads(data), copy.deepcopy(benchmark), copy.copy(benchmark)]
        for again in copies:
            assert _means(again) == means
            assert list(again) == list(benchmark)
            assert again.space is benchmark.space
        copies[1].close()
        assert _means(benchmark) == means  # a deep copy has surrogates of its own
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_means, benchmarks) == wanted


def _frames(columns: dict[str, Any]) -> list[Any]:
    return [pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns)]


ROWS = [Architecture.from_codes(row, space=MNASNET).to_values() for row in CODES]
COLUMNS = {name: [row[name] for row in ROWS] for name in reversed(MNASNET.gene_names)}


def _changed(change: Any) -> dict[str, Any]:
    """Return the columns with those of booleans made something else."""
    return {
        n: [change(c) if isinstance(c, bool) else c for c in cells] for n, cells in COLUMNS.items()
    }


@pytest.mark.parametrize("change", [bool, int, float, str, lambda c: str(c).lower()])
@pytest.mark.parametrize("times", [1, 1_000])
def test_tables_of_values_in_any_type(change: Any, times: int, accuracy: Any) -> None:
    columns = {name: cells * times for name, cells in _changed(change).items()}
    wanted = accuracy.query(CODES).mean.tolist() * times
    for frame in _frames(columns):
        assert accuracy.query(frame).mean.tolist() == wanted


@pytest.mark.parametrize("kind", ["object", "category", "nullable"])
def test_pandas_columns_of_any_kind(kind: str, accuracy: Any) -> None:
    for change in (bool, int, str):
        frame = pd.DataFrame(_changed(change))
        frame = frame.convert_dtypes() if kind == "nullable" else frame.astype(kind)
        assert accuracy.query(frame).mean.tolist() == accuracy.query(CODES).mean.tolist()


def test_a_table_of_codes_is_not_taken_for_values(accuracy: Any) -> None:
    frame = pd.DataFrame(np.tile(CODES, (1_000, 1)), columns=MNASNET.gene_names)
    for table in (frame, pl.DataFrame(frame.to_dict("list"))):
        with pytest.raises(
            ArchitectureError, match="these look like codes, but cells of a table a"
        ):
            accuracy.query(table)
    assert accuracy.query(frame.to_numpy()).mean.shape == (5_000,)


def test_tables_of_indices(accuracy: Any) -> None:
    indices = anb_onnx.codes_to_indices(CODES, MNASNET).tolist()
    wanted = accuracy.query(CODES).mean.tolist()
    for cells in (indices, [*map(str, indices)]):
        for frame in _frames({"index": cells}):
            assert accuracy.query(frame).mean.tolist() == wanted
        for frame in _frames({"index": cells, "accuracy_mean": [0.0] * 5}):
            assert anb_onnx.from_table(frame, MNASNET).tolist() == CODES.tolist()
        for frame in _frames({"note": ["x"] * 5, "at": cells}):
            found = anb_onnx.from_table(frame, MNASNET, index_column="at")
            assert found.tolist() == CODES.tolist()
        for frame in _frames({"index": cells, "note": ["x"] * 5}):
            with pytest.raises(
                ArchitectureError, match="may hold row numbers: beside it stands 'n"
            ):
                anb_onnx.from_table(frame, MNASNET)
    for frame in _frames({"index": [0, 1, 2], "accuracy_mean": [0.0] * 3}):
        with pytest.raises(
            ArchitectureError, match="holds 0 to 2 in this order, as row numbers do"
        ):
            accuracy.query(frame)
        assert len(anb_onnx.from_table(frame, MNASNET, index_column="index")) == 3
    for frame in _frames({"index": [5, None]}):
        with pytest.raises(
            ArchitectureError, match=r"row [01]: column 'index': .* is not an integer"
        ):
            accuracy.query(frame)
    for frame in _frames({"index": [5, -1]}):
        with pytest.raises(ArchitectureError, match="row 1: index -1 is out of range"):
            accuracy.query(frame)
    for frame in _frames({"index": [str(9**22 - 1), "0"]}):
        assert anb_onnx.from_table(frame, FBNET).tolist() == [[8] * 22, [0] * 22]
    both = pd.DataFrame({**COLUMNS, "index": range(5)})
    assert accuracy.query(both).mean.tolist() == wanted
