import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np
import pytest

from anb_onnx.encoding.encoding import codes_to_indices, codes_to_symbols, indices_to_codes
from anb_onnx.engines.base import Outputs
from anb_onnx.engines.native import kernels as _kernels
from anb_onnx.engines.native import llvm as _llvm
from anb_onnx.engines.native.engine import NativeEngine
from anb_onnx.engines.native.kernels import assembly
from anb_onnx.engines.native.layout import kernel_table
from anb_onnx.engines.native.spec import Spec
from anb_onnx.engines.native.symbols import BLOCK_ROWS
from anb_onnx.errors import ArchitectureError, EngineError
from anb_onnx.links import POWERS, Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs

LINKS = [Link(power) for power in POWERS] + [Link("-1", 80.0), Link("1", -3.5), Link("-1/4", 9.0)]


def small_space(name: str, sizes: Sequence[Sequence[int]]) -> SearchSpace:
    blocks = []
    for b, genes in enumerate(sizes):
        choices = [Gene(f"b{b}g{g}", tuple(range(size))) for g, size in enumerate(genes)]
        blocks.append(Block(f"b{b}", tuple(choices)))
    return SearchSpace(name, tuple(blocks))


SPACES = [
    small_space("two blocks of two genes", [(2, 3), (4, 5)]),
    small_space("ten blocks", [(3, 2)] * 9 + [(2, 5)]),
    small_space("one gene per block", [(5,)] * 6),
    small_space("blocks of different lengths", [(2, 2, 2), (7,), (2, 3), (2, 2, 2, 2, 2)]),
    small_space("the largest words", [(4, 4, 4, 4), (128, 2, 1, 1), (1, 1, 2, 128)]),
    small_space("three genes per block", [(2, 3, 2), (3, 1, 4), (2, 2, 2)]),
    small_space("a gene too large for words", [(129, 1), (2, 2)]),
    small_space("symbols too large for words", [(86, 3), (2, 2)]),
    small_space("a gene of 256", [(256,), (2,)]),
    small_space("symbols of 16 bits", [(100, 7), (3, 90)]),
    small_space("2**60 members", [(8, 8)] * 10),
]


def make_ensemble(
    n_members: int, link: Link = LINKS[0], space: SearchSpace = MNASNET, seed: int = 0
) -> TableEnsemble:
    rng = np.random.default_rng(seed)
    n = all_pairs(space).offsets[-1]
    entries = rng.integers(-(2**24), 2**24, (n, n_members), dtype=np.int32)
    # Steps of odd size, so that every operation rounds; negative and positive values of u.
    return TableEnsemble(space, entries, 1.1e-9, 1 / 3, link)


def make_codes(n: int, space: SearchSpace = MNASNET, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, size, n) for size in space.gene_sizes]
    return np.stack(columns, axis=1).astype(np.uint8)


def bits(outputs: Outputs | tuple[Any, ...]) -> list[bytes]:
    return [array.tobytes() for array in outputs if array is not None]


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


@cache
def engine(n_members: int, threads: int = 1) -> NativeEngine:
    link = {8: Link("-1"), 3: Link("-1", 80.0), 1: Link()}[n_members]
    return NativeEngine(make_ensemble(n_members, link, seed=n_members), threads=threads)


def reference(native: NativeEngine, codes: np.ndarray) -> list[bytes]:
    ensemble = native._ensemble
    return bits(ensemble.predict(codes_to_symbols(codes, ensemble.space)))


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
def test_bits_of_every_link(link: Link) -> None:
    ensemble = make_ensemble(3, link)
    codes = make_codes(100)
    out = NativeEngine(ensemble, threads=1).predict(codes, members=True)
    assert bits(out) == bits(ensemble.predict(codes_to_symbols(codes, MNASNET)))


def bent(ensemble: TableEnsemble, codes: np.ndarray, n: int) -> tuple[TableEnsemble, int]:
    """The ensemble with n hinges, and how many values lie exactly at a knot.

    Each knot is a member's value, after the hinges before it, of one of the architectures.
    """
    symbols = codes_to_symbols(codes, ensemble.space)
    u = ensemble.totals(symbols).astype(np.float64) * ensemble.scale + ensemble.shift
    hinges: tuple[tuple[float, float], ...] = ()
    link, met = ensemble.link, 0
    for k in range(n):
        y = np.sort(link.inverse(u).ravel())
        knot = float(y[(7 * k + 3) * len(y) // (7 * n + 3)])
        hinges = (*hinges, (knot, (-0.7, 0.9, -0.25, 1.7)[k % 4]))
        met += int((y == knot).sum())
        link = Link(link.power, link.offset, hinges)
    return replace(ensemble, link=link), met


@pytest.mark.parametrize("n_members", [1, 3, 8])
@pytest.mark.parametrize("n_hinges", [0, 1, 4, 12])
def test_bits_of_hinges(n_hinges: int, n_members: int) -> None:
    codes = make_codes(200)
    for link in (Link("-1", 80.0), Link("-1/4"), Link()):
        # Positive everywhere: all is finite.
        plain = replace(make_ensemble(n_members, link), scale=0.7 / 21 * 2.0**-24, shift=1.01)
        ensemble, met = bent(plain, codes, n_hinges)
        assert len(ensemble.link.hinges) == n_hinges
        assert met >= n_hinges
        native = NativeEngine(ensemble, threads=1)
        out = native.predict(codes, members=True)
        assert all(np.isfinite(array).all() for array in out if array is not None)
        symbols = codes_to_symbols(codes, MNASNET)
        expected = bits(ensemble.predict(symbols))
        assert bits(out) == expected
        assert (bits(out) != bits(plain.predict(symbols))) == bool(n_hinges)
    # The tail is the same for the other inputs; once is enough.
    assert bits(native.predict_indices(codes_to_indices(codes, MNASNET), members=True)) == expected


@pytest.mark.parametrize(
    ("space", "n_members"),
    [(MNASNET, 1), (MNASNET, 8), (MNASNET, 11), *((space, 3) for space in SPACES)],
    ids=lambda value: getattr(value, "name", value),
)
def test_bits_of_regimes(space: SearchSpace, n_members: int) -> None:
    """Of the last gene of every kind of space; two genes are two kernels."""
    codes = make_codes(150, space)
    symbols = codes_to_symbols(codes, space)
    for position in (0, space.n_genes - 1) if space is MNASNET else (space.n_genes - 1,):
        gene, size = space.gene_names[position], space.gene_sizes[position]
        regime = Regime(gene, tuple(range(size // 2, size)), ((0.3, -0.5), (0.4, 1.5)))
        link = Link("1", None, ((0.2, 0.3),), regime)
        plain = make_ensemble(n_members, link, space)
        knots = np.quantile(plain.predict(symbols)[0], [0.2, 0.5]).tolist()
        hinges = tuple(
            (float(knot), change) for knot, change in zip(knots, (-0.5, 1.5), strict=True)
        )
        regime = replace(regime, hinges=hinges)
        ensemble = replace(plain, link=replace(link, regime=regime))
        native = NativeEngine(ensemble, threads=1)
        expected = bits(ensemble.predict(symbols))
        assert bits(native.predict(codes, members=True)) == expected
        if space.size < 2**63:
            indices = codes_to_indices(codes, space)
            assert bits(native.predict_indices(indices, members=True)) == expected
        again = pickle.loads(pickle.dumps(native))
        assert bits(again.predict(codes, members=True)) == expected
        without = replace(ensemble, link=replace(link, regime=None)).predict(symbols)[0]
        changed = ensemble.predict(symbols)[0] != without
        inside = regime.contains(codes, space)
        assert changed.any()
        assert not changed[~inside].any()


def test_kernels_of_different_hinges_are_told_apart() -> None:
    """Same source, sizes, members and steps: only the constants differ."""
    codes = make_codes(100)
    links = [Link("1", None, ((k / 7, change),)) for k in (1, 2) for change in (-0.5, 0.5)]
    ensembles = [make_ensemble(2, link) for link in links]
    assert len({link.inverse_steps for link in links}) == 1
    found = []
    for ensemble in ensembles:
        native = NativeEngine(ensemble, threads=2)
        found.append(bits(native.predict(codes, members=True)))
        assert found[-1] == reference(native, codes)
        again = pickle.loads(pickle.dumps(native))
        assert bits(again.predict(codes, members=True)) == found[-1]
    assert len({tuple(one) for one in found}) == 4


@pytest.mark.parametrize("n_members", [1, 2, 3, 6, 8, 11, 16])
def test_bits_of_every_number_of_members(n_members: int) -> None:
    ensemble = make_ensemble(n_members, Link("-1", 80.0))
    codes = make_codes(130)
    native = NativeEngine(ensemble, threads=1)
    out = native.predict(codes, members=True)
    assert bits(out) == reference(native, codes)
    without = native.predict(codes)
    assert without.members is None
    assert bits(without) == bits(out)[:2]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_other_spaces_from_both_inputs(space: SearchSpace) -> None:
    ensemble = make_ensemble(2, Link("-1"), space)
    native = NativeEngine(ensemble, threads=1)
    codes = make_codes(200, space)
    indices = codes_to_indices(codes, space)
    expected = reference(native, codes)
    assert bits(native.predict(codes, members=True)) == expected
    assert bits(native.predict_indices(indices, members=True)) == expected


def test_extreme_sums_and_values() -> None:
    entries = np.zeros((all_pairs(MNASNET).offsets[-1], 4), dtype=np.int32)
    entries[: 36 * 36] = np.random.default_rng(1).integers(-(2**31), 2**31, (36 * 36, 4))
    entries[:4] = [[2**31 - 1] * 4, [-(2**31)] * 4, [0] * 4, [1, -1, 2, -2]]
    codes = make_codes(500)
    codes[:4] = indices_to_codes(np.array([0, 1, 2, 3]) * 36**4 * 48, MNASNET)
    for scale, shift in [
        (2.0**-24, 0.0),
        (2.0**-500, 0.0),
        (2.0**95, 1.0),
        (0.1, -0.1 * (2**31 - 1)),
    ]:
        hinges = ((0.0, 0.5), (79.0, -0.75))
        links = (Link("-1"), Link("-1/8"), Link("-1", 80.0), Link("4"), Link("-1", 80.0, hinges))
        for link in links:
            ensemble = TableEnsemble(MNASNET, entries, scale, shift, link)
            out = NativeEngine(ensemble, threads=1).predict(codes, members=True)
            expected = ensemble.predict(codes_to_symbols(codes, MNASNET))
            for found, wanted in zip(out, expected, strict=True):
                assert found is not None
                # NaN has many bit patterns; every other value has one.
                same = (found.view(np.int32) == wanted.view(np.int32)) | (
                    np.isnan(found) & np.isnan(wanted)
                )
                assert same.all()


@pytest.mark.parametrize("m", [8, 3])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 129])
def test_batches_that_end_anywhere(n: int, m: int) -> None:
    native = engine(m)
    codes = make_codes(n)
    # Exactly as long as the batch: a kernel that reads or writes behind it would be seen below.
    arrays = [np.full(n + 40, 7, np.float32) for _ in range(2)]
    arrays.append(np.full((n + 40, m), 7, np.float32))
    out = Outputs(*(array[:n] for array in arrays))
    returned = native.predict(codes, out=out)
    assert bits(returned) == reference(native, codes)
    assert returned is out
    assert all((array[n:] == 7).all() for array in arrays)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n", [16_383, 32_768, 32_769, 100_003])
def test_neither_threads_nor_parts_change_a_bit(threads: int, n: int) -> None:
    for m in (8, 3, 1):
        native = engine(m, threads=threads)
        codes = make_codes(n)
        expected = reference(native, codes)
        assert bits(native.predict(codes, members=True)) == expected
        indices = codes_to_indices(codes, MNASNET)
        assert bits(native.predict_indices(indices, members=True)) == expected


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[::2], np.s_[1:]])
@pytest.mark.parametrize("n", [50, 70_000])
def test_views_and_read_only_arrays(view: Any, n: int) -> None:
    native = engine(8, threads=2)
    codes = make_codes(n)
    codes.flags.writeable = False
    indices = codes_to_indices(codes, MNASNET)[view]
    expected = reference(native, codes[view])
    assert bits(native.predict(codes[view], members=True)) == expected
    assert bits(native.predict_indices(indices, members=True)) == expected


def test_codes_at_any_address() -> None:
    native = engine(8)
    codes = make_codes(100)
    memory = np.empty(codes.size + 1, np.uint8)
    memory[1:] = codes.ravel()
    shifted = memory[1:].reshape(codes.shape)
    assert bits(native.predict(shifted, members=True)) == reference(native, codes)


@pytest.mark.parametrize("row", [0, 1, 63, 64, 99])
@pytest.mark.parametrize("gene", [0, 3, 5, 22, 27])
@pytest.mark.parametrize("value", ["first", 127, 128, 129, 255])
def test_every_code_out_of_range_is_refused(row: int, gene: int, value: Any) -> None:
    code = MNASNET.gene_sizes[gene] if value == "first" else value
    codes = make_codes(100)
    codes[row, gene] = code
    codes[99, 27] = 200  # a later one is not the one that is named
    code = 200 if (row, gene) == (99, 27) else code
    message = rf"row {row}, gene '{MNASNET.gene_names[gene]}': code {code} is out of range"
    with pytest.raises(ArchitectureError, match=message):
        engine(8).predict(codes)


def test_all_single_codes_are_told_apart() -> None:
    native = engine(1)
    codes = np.zeros((1, 28), np.uint8)
    run = native.bind(codes, Outputs.empty(1, 1, members=False))
    for gene, size in enumerate(MNASNET.gene_sizes):
        for code in range(256):
            codes[0, gene] = code
            if code < size:
                run()
            else:
                with pytest.raises(ArchitectureError, match=f"code {code} is out of range"):
                    run()
        codes[0, gene] = 0


@pytest.mark.parametrize("index", [-1, MNASNET.size, 2**62, -(2**63)])
def test_indices_out_of_range_are_refused(index: int) -> None:
    indices = np.arange(100)
    indices[[70, 80]] = [index, -5]
    with pytest.raises(ArchitectureError, match=f"row 70: index {index} is out of range"):
        engine(8).predict_indices(indices)
    ends = np.array([0, MNASNET.size - 1])
    expected = reference(engine(8), indices_to_codes(ends, MNASNET))
    assert bits(engine(8).predict_indices(ends, members=True)) == expected


@pytest.mark.parametrize("space", [MNASNET, *SPACES], ids=lambda space: space.name)
def test_one_index_out_of_range_is_refused_all_by_itself(space: SearchSpace) -> None:
    """No other bad row, in a block of rows that is full, is there to be noticed instead."""
    native = NativeEngine(make_ensemble(1, space=space), threads=1)
    for index in (space.size, space.size + 1, 2 * space.size - 1, 2 * space.size, -1, -space.size):
        for row in (0, 63, 70):
            indices = np.zeros(130, np.int64)
            indices[row] = index
            with pytest.raises(ArchitectureError, match=f"row {row}: index {index} is out of"):
                native.predict_indices(indices)
    indices[70] = space.size - 1
    codes = indices_to_codes(indices, space)
    assert bits(native.predict_indices(indices, members=True)) == reference(native, codes)


def test_indices_next_to_every_boundary() -> None:
    for space in (MNASNET, SPACES[-1]):
        native = NativeEngine(make_ensemble(1, space=space), threads=1)
        places = np.cumprod(np.array(space.block_sizes[::-1], dtype=object))[:-1]
        near = [k * p + d for p in places for k in (1, 2, space.size // p - 1) for d in (-1, 0, 1)]
        indices = np.array([i for i in near if 0 <= i < space.size], dtype=np.int64)
        expected = reference(native, indices_to_codes(indices, space))
        assert bits(native.predict_indices(indices, members=True)) == expected


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_bad_row_of_a_big_batch_is_named(threads: int) -> None:
    codes = make_codes(200_000)
    codes[150_001, 0] = 9
    codes[60_000, 1] = 9
    with pytest.raises(ArchitectureError, match="row 60000, gene 'block0_k'"):
        engine(8, threads=threads).predict(codes)
    codes[[150_001, 60_000]] = 0
    assert engine(8, threads=threads).predict(codes)  # goes on after an error


def test_other_spaces_refuse_bad_codes() -> None:
    for space in SPACES:
        native = NativeEngine(make_ensemble(1, space=space), threads=1)
        for gene, size in enumerate(space.gene_sizes):
            codes = make_codes(20, space)
            codes[7, gene] = min(size, 255)
            if size == 256:
                native.predict(codes)
                continue
            with pytest.raises(ArchitectureError, match="row 7"):
                native.predict(codes)


def test_bad_arrays_are_refused() -> None:
    native = engine(8)
    codes = make_codes(4)
    unfit: tuple[Any, ...] = (
        codes.astype(np.int64),
        codes[0],
        codes[:, :27],
        codes.astype(">u2"),
    )
    for bad in unfit:
        with pytest.raises(ArchitectureError, match=r"codes must be a uint8 array \[N, 28\]"):
            native.predict(bad)
    with pytest.raises(ArchitectureError, match="indices must be"):
        native.predict_indices(np.zeros(3, np.int32))


def test_bad_outputs_are_refused() -> None:
    native = engine(8)
    codes = make_codes(4)
    f32 = np.float32
    good, read_only = np.empty(4, f32), np.empty(4, f32)
    read_only.flags.writeable = False
    short, wide, strided = np.empty(3, f32), np.empty((4, 1), f32), np.empty(8, f32)[::2]
    unfit: tuple[Any, ...] = (np.empty(4), short, wide, strided)
    for bad in unfit:
        for out in (Outputs(bad, good, None), Outputs(good, bad, None)):
            with pytest.raises(EngineError, match=r"out\.(mean|std) must be"):
                native.predict(codes, out=out)
    with pytest.raises(EngineError, match="read-only"):
        native.predict(codes, out=Outputs(good, read_only, None))
    with pytest.raises(EngineError, match=r"found \[0\.0"):
        native.predict(codes, out=([0.0] * 4, good, None))  # type: ignore[arg-type]
    for members in (np.empty((4, 7), f32), np.empty((8, 4), f32).T, np.empty(32, f32)):
        with pytest.raises(EngineError, match=r"out\.members must be"):
            native.predict(codes, out=Outputs(good, good.copy(), members))
    for bad_out in ((good, good.copy()), 3, [None] * 4):
        with pytest.raises(EngineError, match="out must be Outputs"):
            native.predict(codes, out=bad_out)  # type: ignore[arg-type]


def test_bad_engines_are_refused() -> None:
    with pytest.raises(EngineError, match="threads"):
        NativeEngine(make_ensemble(1), threads=0)


def test_bound_functions_see_new_codes() -> None:
    native = engine(8)
    codes = make_codes(3)
    out = Outputs.empty(3, 8, members=True)
    run = native.bind(codes, out)
    for seed in range(5):
        codes[:] = make_codes(3, seed=seed)
        run()
        assert bits(out) == reference(native, codes)
    with pytest.raises(EngineError, match="C-contiguous"):
        native.bind(make_codes(6)[::2], out)


def test_user_threads_share_an_engine() -> None:
    native = engine(8, threads=2)
    batches = [make_codes(40_000 + 1000 * k, seed=k) for k in range(4)]
    expected = [reference(native, codes) for codes in batches]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(5):
            if bits(native.predict(batches[k], members=True)) != expected[k]:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def _digest(native: NativeEngine, n: int) -> list[bytes]:
    return [part[:64] for part in bits(native.predict(make_codes(n)))]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_other_processes(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    native = engine(8, threads=2)
    expected = _digest(native, 70_000)  # the helpers run
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = [pool.apply_async(_digest, (native, 70_000)) for _ in range(2)]
        assert all(result.get(timeout=60) == expected for result in results)
    assert _digest(native, 70_000) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_fork_inherits_the_engine_itself() -> None:
    native = engine(8, threads=2)
    expected = _digest(native, 70_000)
    child = os.fork()
    if child == 0:
        os._exit(0 if _digest(native, 70_000) == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_pickle() -> None:
    native = engine(3, threads=2)
    again = pickle.loads(pickle.dumps(native))
    assert (again.threads, again.n_members) == (2, 3)
    assert _digest(again, 10) == _digest(native, 10)


@pytest.mark.parametrize(
    ("sizes", "read"),
    [
        (((5,),) * 6, "<16 x i8>"),
        (((128,), (2,)), "<16 x i8>"),
        (((2, 3), (4, 5)), "<16 x i16>"),
        (((2, 128), (128, 2)), "<16 x i16>"),
        (((3, 2, 3, 2),) * 7, "<16 x i32>"),
        (((129,), (2,)), "i8"),
        (((129, 1), (2, 2)), "i8"),
        (((86, 3), (2, 2)), "i8"),
        (((2, 2, 2),) * 3, "i8"),
        (((2, 2), (2,)), "i8"),
    ],
)
def test_words_of_codes_are_read_16_rows_at_a_time(sizes: Any, read: str) -> None:
    """Each input once, in one go: of what is checked and used there is no second reading."""
    text = assembly(Spec("codes", sizes, 8, (), terms=((0,),)))
    found = re.findall(r"load volatile (.*?), ", text)
    assert set(found) == {read}
    assert len(found) == (len(sizes) if read != "i8" else sum(map(len, sizes)))


@pytest.mark.parametrize("written_out", [True, False])
def test_nothing_is_fused_or_reordered(written_out: bool) -> None:
    # The bits above show it for this machine; this says why for any that LLVM compiles for.
    sizes = tuple(tuple(len(gene) for gene in block.genes) for block in MNASNET.blocks)
    steps = ("square", "sqrt", "reciprocal", "reflect")
    terms = all_pairs(MNASNET).blocks if written_out else None
    text = assembly(Spec("codes", sizes, 8, steps, terms=terms))
    for flag in ("fast", "contract", "reassoc", "arcp", "afn", "nsz", "fmuladd", "llvm.fma"):
        assert f"{flag} " not in text
    assert "fmadd" not in _llvm.machine_assembly(text)


@pytest.mark.parametrize("cpu", ["x86-64", "haswell", "skylake-avx512"])
def test_bits_on_other_processors(cpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    if not llvm.get_process_triple().startswith("x86_64"):
        pytest.skip("code for older x86 processors runs on x86 only")
    if cpu != "x86-64" and not features.get("avx512dq" if "512" in cpu else "avx2"):
        pytest.skip(f"this processor does not run code for {cpu}")
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_name", lambda: cpu)
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: _NoFeatures())
    _kernels.kernel.cache_clear()
    try:
        codes = make_codes(150)
        indices = codes_to_indices(codes, MNASNET)
        for ensemble in (make_ensemble(8), make_ensemble(3, Link("-1", 80.0)), make_ensemble(70)):
            native = NativeEngine(ensemble, threads=1)
            expected = reference(native, codes)
            assert bits(native.predict(codes, members=True)) == expected
            assert bits(native.predict_indices(indices, members=True)) == expected
    finally:
        _kernels.kernel.cache_clear()


class _NoFeatures:
    def flatten(self) -> str:
        return ""


def test_tables_are_laid_out_in_cache_lines() -> None:
    for m, padded in [(1, 1), (3, 4), (5, 8), (8, 8), (9, 16)]:
        table = kernel_table(make_ensemble(m, space=SPACES[4]))
        assert table.ctypes.data % 64 == 0
        assert table.shape[1] == padded
        assert not table[:, m:].any()


def test_a_first_call_is_quick_and_needs_no_numba_and_no_disk(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
import numpy as np
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import all_pairs
from anb_onnx.links import Link
from anb_onnx.engines.native.engine import NativeEngine
def refuse(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        raise OSError(f"writes {args[0]}")
sys.addaudithook(refuse)
entries = np.zeros((all_pairs(MNASNET).offsets[-1], 8), np.int32)
native = NativeEngine(TableEnsemble(MNASNET, entries, 1.0, 2.0, Link("-1")))
assert native.predict(np.zeros((1, 28), np.uint8)).mean[0] == 0.5
assert "numba" not in sys.modules and "onnxruntime" not in sys.modules
"""
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=env, timeout=60)


def test_no_compiler_is_an_engine_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(13, "cannot allocate executable memory")

    monkeypatch.setattr(llvmlite.binding, "check_jit_execution", refuse)
    with pytest.raises(EngineError, match=r"native engine cannot compile here.*onnxruntime"):
        _llvm.Compiled("")


def test_a_row_mended_in_time_is_still_refused() -> None:
    native = engine(8)
    with pytest.raises(ArchitectureError, match="has changed since"):
        native._refuse("codes", make_codes(3), 0)
    assert BLOCK_ROWS % 16 == 0
