"""Kernels for any terms, members and spaces: the bits of `TableEnsemble.predict`, in both forms."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anb_onnx.encoding.encoding import codes_to_indices, codes_to_symbols
from anb_onnx.engines.base import Outputs
from anb_onnx.engines.native import engine as engine_module
from anb_onnx.engines.native import spec as spec_module
from anb_onnx.engines.native.engine import NativeEngine
from anb_onnx.engines.native.kernels import assembly
from anb_onnx.engines.native.layout import kernel_table, layouts, padded
from anb_onnx.engines.native.spec import MOST_WORK, Slots, Spec, work
from anb_onnx.errors import ArchitectureError
from anb_onnx.links import POWERS, Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms, all_pairs

#: Limits of work with which all kernels loop, and all are written out.
FORMS = {"looped": -1.0, "written out": 1e6}


def space_of(*sizes: Sequence[int], name: str = "made for tests") -> SearchSpace:
    blocks = [
        Block(f"b{b}", tuple(Gene(f"b{b}g{g}", tuple(range(n))) for g, n in enumerate(genes)))
        for b, genes in enumerate(sizes)
    ]
    return SearchSpace(name, tuple(blocks))


def ensemble_of(
    terms: Terms, n_members: int, link: Link | None = None, seed: int = 0
) -> TableEnsemble:
    """Random tables whose sums, scaled and shifted, lie from 0.3 to 1.7."""
    rng = np.random.default_rng(seed)
    entries = rng.integers(-(2**16), 2**16, (terms.n_entries, n_members), dtype=np.int32)
    scale = 0.7 / (len(terms) * 2**16)
    return TableEnsemble(terms.space, entries, scale, 1.01, link or Link("-1"), terms)


def codes_of(space: SearchSpace, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, size, n) for size in space.gene_sizes]
    return np.stack(columns, axis=1).astype(np.uint8)


def bits(outputs: Outputs | tuple[Any, ...]) -> list[bytes]:
    return [array.tobytes() for array in outputs if array is not None]


@contextmanager
def limit(most: float) -> Iterator[None]:
    with mock.patch.object(spec_module, "MOST_WORK", most):
        yield


def check(ensemble: TableEnsemble, codes: np.ndarray, threads: int = 1) -> None:
    """Compare the engine with the reference, from codes and, where there are such, indices."""
    space = ensemble.space
    expected = bits(ensemble.predict(codes_to_symbols(codes, space)))
    native = NativeEngine(ensemble, threads=threads)
    assert bits(native.predict(codes, members=True)) == expected
    assert bits(native.predict(codes)) == expected[:2]
    if space.size <= 2**63:
        indices = codes_to_indices(codes, space)
        assert bits(native.predict_indices(indices, members=True)) == expected
    out = Outputs.empty(len(codes), ensemble.n_members, members=True)
    native.bind(codes, out)()
    assert bits(out) == expected


SIZES = st.lists(st.sampled_from([1, 2, 3, 5, 9]), min_size=1, max_size=4)


@st.composite
def term_sets(draw: st.DrawFn) -> Terms:
    blocks = draw(st.lists(SIZES, min_size=1, max_size=6))
    if draw(st.booleans()):
        blocks[draw(st.integers(0, len(blocks) - 1))] = [20, 15]  # 300 symbols
    if draw(st.booleans()):  # one shape of all blocks: codes are read as words
        blocks = [[*block[:1]] for block in blocks]
    space = space_of(*blocks)
    numbers = st.integers(0, space.n_blocks - 1)
    term = st.sets(numbers, min_size=1).map(lambda found: tuple(sorted(found)))
    small = term.filter(lambda found: prod(space.block_sizes[b] for b in found) <= 20_000)
    return Terms(space, tuple(draw(st.lists(small, min_size=1, max_size=12, unique=True))))


@st.composite
def links(draw: st.DrawFn, space: SearchSpace) -> Link:
    hinge = st.tuples(st.floats(-2, 2), st.floats(-0.9, 2)).filter(lambda found: found[1] > -1)
    hinges = st.lists(hinge, max_size=3).map(tuple)
    regime = None
    if draw(st.booleans()):
        gene = draw(st.sampled_from(space.genes))
        codes = draw(st.sets(st.integers(0, len(gene) - 1), min_size=1).map(sorted))
        regime = Regime(gene.name, tuple(codes), draw(hinges.filter(bool)))
    offset = draw(st.none() | st.just(80.0))
    return Link(draw(st.sampled_from(POWERS)), offset, draw(hinges), regime)


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=25)
def test_bits_of_any_terms_members_and_links(form: str, data: st.DataObject) -> None:
    terms = data.draw(term_sets())
    n_members = data.draw(st.sampled_from([1, 2, 3, 4, 5, 8, 9, 16, 20]))
    n_rows = data.draw(st.sampled_from([1, 7, 8, 9, 16, 63, 64, 65, 128, 137]))
    ensemble = ensemble_of(terms, n_members, data.draw(links(terms.space)))
    with limit(FORMS[form]):
        check(ensemble, codes_of(terms.space, n_rows))


NASBENCH = space_of(*[(5,)] * 6)
FBNET = space_of(*[(9,)] * 22)
LARGE = space_of((20, 15), (4,), (3, 3))
MANY_GENES = space_of((2,) * 20, (1, 3, 2), (2,) * 16 + (1,) * 10, (7,), (1,) * 30)
CASES: dict[str, tuple[SearchSpace, tuple[tuple[int, ...], ...]]] = {
    "singles": (NASBENCH, tuple((b,) for b in range(6))),
    "pairs": (NASBENCH, all_pairs(NASBENCH).blocks),
    "one term of all blocks": (NASBENCH, (tuple(range(6)),)),
    "triples, singles and pairs, out of order": (NASBENCH, ((3, 4, 5), (1,), (0, 2), (0, 1, 5))),
    "22 blocks, neighbours": (FBNET, tuple((b, b + 1) for b in range(21))),
    "22 blocks, all pairs": (FBNET, all_pairs(FBNET).blocks),
    "one block": (space_of((7,)), ((0,),)),
    "one block of one symbol": (space_of((1,)), ((0,),)),
    "terms without a choice": (space_of((1,), (1, 1), (3,)), ((0, 1), (1,), (0, 1, 2))),
    "300 symbols": (LARGE, ((1,), (0, 1), (0, 2))),
    "blocks in no term": (FBNET, ((3,), (5, 9))),
    "more genes than are written out": (MANY_GENES, ((1, 3), (3,), (1,))),
    "64 blocks, of which 32 have one choice": (
        space_of(*[(1,), (2,)] * 32),
        (tuple(range(30)), tuple(range(34, 64))),
    ),
    "blocks of many sizes": (
        space_of(*[(n,) for n in range(2, 16)]),
        all_pairs(space_of(*[(n,) for n in range(2, 16)])).blocks,
    ),
}


@pytest.mark.parametrize("m", [1, 3, 8, 20, 64])
@pytest.mark.parametrize("name", CASES)
def test_bits_in_whatever_form_is_chosen(name: str, m: int) -> None:
    space, blocks = CASES[name]
    check(ensemble_of(Terms(space, blocks), m, Link("-1/4", 9.0)), codes_of(space, 75))


@pytest.mark.parametrize("m", [129, 1024])
def test_bits_of_many_members(m: int) -> None:
    regime = Regime("b0g0", (1, 3), ((1.0, -0.5),))
    link = Link("-1", None, ((0.9, 0.5),), regime)
    check(ensemble_of(Terms(NASBENCH, ((0, 1), (2,), (5,))), m, link), codes_of(NASBENCH, 75))


def test_bits_of_4096_terms() -> None:
    space = space_of(*[(2,)] * 64)
    triples = ((a, b, c) for a in range(64) for b in range(a + 1, 64) for c in range(b + 1, 64))
    blocks = tuple(term for _, term in zip(range(4096), triples, strict=False))
    check(ensemble_of(Terms(space, blocks[::-1]), 3), codes_of(space, 75))


@pytest.mark.parametrize("form", FORMS)
def test_threads_and_parts_change_no_bit(form: str) -> None:
    space, blocks = CASES["22 blocks, neighbours"]
    with limit(FORMS[form]):
        check(ensemble_of(Terms(space, blocks), 3), codes_of(space, 70_003), threads=3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("m", [1, 8, 20])
def test_the_sign_of_zero_is_kept(form: str, m: int) -> None:
    terms = Terms(NASBENCH, ((0, 1), (2,)))
    entries = np.zeros((terms.n_entries, m), np.int32)
    ensemble = TableEnsemble(NASBENCH, entries, -1.0, -0.0, Link(), terms)
    codes = codes_of(NASBENCH, 20)
    with limit(FORMS[form]):
        mean = NativeEngine(ensemble, threads=1).predict(codes).mean
    assert np.signbit(mean).all()
    check(ensemble, codes)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["22 blocks, neighbours", "300 symbols", "one block"])
def test_each_code_and_index_out_of_range_is_refused(name: str, form: str) -> None:
    space, blocks = CASES[name]
    with limit(FORMS[form]):
        native = NativeEngine(ensemble_of(Terms(space, blocks), 3), threads=1)
        for gene, size in enumerate(space.gene_sizes):
            for row, code in ((0, size), (63, 255), (64, 128), (69, size)):
                codes = codes_of(space, 70)
                codes[row, gene] = code
                with pytest.raises(ArchitectureError, match=f"row {row}, .*code {code} is out"):
                    native.predict(codes)
        indices = np.zeros(70, np.int64)
        if space.size >= 2**63:
            indices[65] = -1
        else:
            indices[65] = space.size
        with pytest.raises(ArchitectureError, match="row 65: index"):
            native.predict_indices(indices)


def test_each_of_many_genes_is_checked() -> None:
    space, blocks = CASES["more genes than are written out"]
    native = NativeEngine(ensemble_of(Terms(space, blocks), 2), threads=1)
    codes = codes_of(space, 70)
    for gene, size in enumerate(space.gene_sizes):
        for row in (0, 66):
            before, codes[row, gene] = codes[row, gene], size
            with pytest.raises(ArchitectureError, match=f"row {row}, gene"):
                native.predict(codes)
            codes[row, gene] = before
    native.predict(codes)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reserves no memory on Linux only")
def test_tables_of_more_than_4_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With memory that is there where it is written to only: zeros, and some entries."""
    space = space_of((256,), (256,), (256,), (2, 2))
    terms = Terms(space, ((3,), (0, 1, 2), (0,)))
    m, n = 100, terms.n_entries
    assert 4 * n * m > 2**32
    size = 4 * n * padded(m)
    no_reserve = 0x4000  # MAP_NORESERVE, which Python knows from 3.12 on
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve
    table = np.frombuffer(mmap.mmap(-1, size, flags=flags), np.int32).reshape(n, padded(m))
    monkeypatch.setattr(engine_module, "kernel_table", lambda ensemble: table)
    entries = np.broadcast_to(np.zeros((1, m), np.int32), (n, m))
    ensemble = TableEnsemble(space, entries, 1.0, 0.0, Link(), terms)
    assert Spec.of("codes", ensemble).terms is None
    codes = codes_of(space, 50)
    codes[0], codes[1] = [255, 255, 255, 1, 1], [0, 0, 0, 0, 0]
    a, b, c = codes[:, :3].astype(np.int64).T
    numbers = 4 + (a * 256 + b) * 256 + c
    values = np.arange(50 * m, dtype=np.int32).reshape(50, m)
    table[numbers, :m] = values
    found = NativeEngine(ensemble, threads=1).predict(codes, members=True)
    np.testing.assert_array_equal(found.members, values)


def test_a_looping_kernel_is_as_long_for_few_as_for_many() -> None:
    """So that its time to compile does not depend on terms and members."""
    few = Spec("codes", ((9,),) * 22, 16, ("reciprocal",))
    many = Spec("codes", ((9,),) * 22, 1024, ("reciprocal",))
    assert len(assembly(few).splitlines()) == len(assembly(many).splitlines())
    ensembles = [
        ensemble_of(Terms(FBNET, blocks), 64, Link("-1"))
        for blocks in (all_pairs(FBNET).blocks, ((1, 2, 3), (0,), *((b, 21) for b in range(21))))
    ]
    specs = {Spec.of("codes", ensemble) for ensemble in ensembles}
    assert len(specs) == 1  # one kernel serves both


def test_what_takes_long_to_write_out_loops() -> None:
    for space, blocks in CASES.values():
        for m in (1, 8, 20, 64):
            spec = Spec.of("codes", ensemble_of(Terms(space, blocks), m))
            assert spec.terms in (None, blocks)
            if spec.terms is not None:
                assert work(len(blocks), m, spec.steps) <= MOST_WORK
                assert sum(map(len, spec.sizes)) <= 64
    assert Spec.of("codes", ensemble_of(all_pairs(FBNET), 8)).terms is None
    assert Spec.of("codes", ensemble_of(all_pairs(NASBENCH), 8)).terms is not None


@pytest.mark.parametrize("name", CASES)
def test_entries_lie_where_kernels_look_for_them(name: str) -> None:
    space, blocks = CASES[name]
    ensemble = ensemble_of(Terms(space, blocks), 2)
    table, sizes = kernel_table(ensemble), space.block_sizes
    symbols = codes_to_symbols(codes_of(space, 30), space).astype(np.int64)
    total = np.zeros((30, 2), np.int64)
    for layout in layouts(sizes, blocks):
        number = np.full(30, layout.first)
        for block, stride in layout.strides.items():
            number += symbols[:, block] * stride
        total += table[number, :2]
    np.testing.assert_array_equal(total, ensemble.totals(symbols))


@given(data=st.data())
def test_every_stride_of_every_block_has_a_slot(data: st.DataObject) -> None:
    terms = data.draw(term_sets())
    sizes = terms.space.block_sizes
    slots = Slots.of(sizes, terms.blocks, 0, 32)
    for layout in layouts(sizes, terms.blocks):
        for item in layout.strides.items():
            assert slots.factors[slots.number[item]][item[0]] == 32 * item[1]
    assert slots.factors[slots.number[0, 1]][0] == 32
    most = max(len({stride for b, stride in slots.number if b == block}) for block in range(8))
    assert len(slots.factors) == most


def test_blocks_of_instructions_have_names() -> None:
    for form in FORMS.values():
        with limit(form):
            text = assembly(Spec.of("codes", ensemble_of(all_pairs(NASBENCH), 8)))
        names = ["rows.loop", "symbols.loop", "symbols.refuse", "group.loop", "members.store"]
        names += ["lookup.loop", "link.loop", "std.loop"] if form < 0 else []
        assert [name for name in names if f"\n{name}:" not in text] == []
