"""The table-form ONNX file: the bits of `TableEnsemble.predict`, whatever way it is run."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations, islice

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from anb_export.graphs.table_form import build_table_model

from anb_onnx.links import POWERS, Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import MAX_TERMS, Terms, all_pairs
from anb_onnx.writing.table_form import TableModel

from .pair_models import all_codes, space_of, symbols_of

SMALL = space_of((2, 3), (4,), (2, 2, 2), (3,))
CARD = {"metric": "accuracy", "unit": "%", "members": 8}
LEVELS = (
    ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
)


def ensemble_of(space: SearchSpace, n_members: int, link: Link, seed: int = 0) -> TableEnsemble:
    """Random entries; on the link's scale everything lies between 0.5 and 1.5."""
    n_entries, n_pairs = all_pairs(space).offsets[-1], len(all_pairs(space).blocks)
    rng = np.random.default_rng(seed)
    entries = rng.integers(-(2**24), 2**24, (n_entries, n_members), dtype=np.int32)
    return TableEnsemble(space, entries, 0.49 / n_pairs * 2.0**-24, 1.0 - 2.0**-40, link)


def run(
    content: bytes,
    codes: np.ndarray,
    *,
    level: ort.GraphOptimizationLevel = LEVELS[2],
    threads: int = 1,
    batch: int | None = None,
) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    size = batch or max(len(codes), 1)
    parts = [
        session.run(["mean", "std", "members"], {"architectures": codes[k : k + size]})
        for k in range(0, max(len(codes), 1), size)
    ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def assert_same_bits(found: list[np.ndarray], ensemble: TableEnsemble, codes: np.ndarray) -> None:
    wanted = ensemble.predict(symbols_of(codes, ensemble.space))
    for one, other in zip(found, wanted, strict=True):
        assert (one.dtype, one.shape) == (np.dtype(np.float32), other.shape)
        np.testing.assert_array_equal(one.view(np.int32), other.view(np.int32))


@pytest.mark.parametrize("n_members", [1, 3, 8])
@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("offset", [None, 80.0])
def test_every_link(n_members: int, power: str, offset: float | None) -> None:
    ensemble = ensemble_of(SMALL, n_members, Link(power, offset), seed=n_members)
    codes = all_codes(SMALL)
    found = run(build_table_model(ensemble, CARD).content, codes)
    assert_same_bits(found, ensemble, codes)
    assert np.isfinite(found[0]).all()
    assert len(np.unique(found[0])) > 100
    assert (found[1] > 0).any() == (n_members > 1)


def bent(plain: TableEnsemble, codes: np.ndarray, n: int) -> TableEnsemble:
    """The ensemble with n hinges; every knot is exactly the value of some member somewhere."""
    symbols = symbols_of(codes, plain.space)
    u = plain.totals(symbols).astype(np.float64) * plain.scale + plain.shift
    link = plain.link
    for k in range(n):
        y = np.sort(link.inverse(u).ravel())
        knot = float(y[(5 * k + 2) * len(y) // (5 * n + 2)])
        assert (y == knot).any()
        change = (-0.7, 0.9, -0.25, 1.7)[k % 4]
        link = replace(link, hinges=(*link.hinges, (knot, change)))
    return replace(plain, link=link)


@pytest.mark.parametrize("n_members", [1, 8])
@pytest.mark.parametrize("n_hinges", [0, 1, 4, 12])
@pytest.mark.parametrize("link", [Link(), Link("-1", 80.0), Link("-1/4")], ids=lambda k: k.name)
def test_hinges(link: Link, n_hinges: int, n_members: int) -> None:
    codes = all_codes(SMALL)
    plain = ensemble_of(SMALL, n_members, link, seed=n_hinges)
    ensemble = bent(plain, codes, n_hinges)
    content = build_table_model(ensemble, CARD).content
    for level in LEVELS:
        found = run(content, codes, level=level)
        assert_same_bits(found, ensemble, codes)
        assert all(np.isfinite(array).all() for array in found)
    without = run(build_table_model(plain, CARD).content, codes)
    assert (found[2] != without[2]).any() == bool(n_hinges)
    if n_members == 1:
        np.testing.assert_array_equal(found[0].argmax(), without[0].argmax())


@pytest.mark.parametrize("n_members", [1, 8])
@pytest.mark.parametrize(("gene", "codes"), [("g0 1", (1, 2)), ("g2 1", (0,)), ("g3 0", (2,))])
def test_regimes(gene: str, codes: tuple[int, ...], n_members: int) -> None:
    from onnx.reference import ReferenceEvaluator

    every = all_codes(SMALL)
    ensemble = bent(ensemble_of(SMALL, n_members, Link("-1/2")), every, 4)
    *hinges, low, high = ensemble.link.hinges
    regime = Regime(gene, codes, (low, high))
    link = replace(ensemble.link, hinges=tuple(hinges), regime=regime)
    ensemble = replace(ensemble, link=link)
    content = build_table_model(ensemble, CARD).content
    for level in LEVELS:
        for batch in (1, 7, len(every)):
            assert_same_bits(run(content, every, level=level, batch=batch), ensemble, every)
    none = run(content, every[:0])
    assert [array.shape for array in none] == [(0,), (0,), (0, n_members)]
    proto = onnx.load_from_string(content)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", 10)]
    assert [node.op_type for node in proto.graph.node].count("Where") == 2
    onnx.checker.check_model(proto, full_check=True)
    outputs = ReferenceEvaluator(proto).run(["mean", "std", "members"], {"architectures": every})
    assert_same_bits(outputs, ensemble, every)


def test_hinges_use_standard_operators_of_an_old_opset_only() -> None:
    from onnx.reference import ReferenceEvaluator

    codes = all_codes(SMALL)
    ensemble = bent(ensemble_of(SMALL, 3, Link("-1", 80.0)), codes, 12)
    proto = onnx.load_from_string(build_table_model(ensemble, CARD).content)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", 10)]
    assert {node.domain for node in proto.graph.node} == {""}
    found = [node.op_type for node in proto.graph.node]
    assert set(found) == {
        *("Transpose", "Cast", "MatMul", "Gather", "Slice"),
        *("Mul", "Add", "Sub", "Div", "Sqrt", "Max"),
    }
    assert found.count("Max") == 12
    onnx.checker.check_model(proto, full_check=True)
    evaluator = ReferenceEvaluator(proto)
    outputs = evaluator.run(["mean", "std", "members"], {"architectures": codes})
    assert_same_bits(outputs, ensemble, codes)


@pytest.fixture(scope="module")
def ensemble() -> TableEnsemble:
    return ensemble_of(MNASNET, 8, Link("-1", 80.0))


@pytest.fixture(scope="module")
def model(ensemble: TableEnsemble) -> TableModel:
    return build_table_model(ensemble, CARD)


CODES = sample(4097, seed=9, space=MNASNET)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("level", LEVELS)
def test_any_way_of_running(
    model: TableModel,
    ensemble: TableEnsemble,
    level: ort.GraphOptimizationLevel,
    threads: int,
) -> None:
    for batch in (1, 7, 512, 4097):
        codes = CODES[: 64 if batch == 1 else 1000 if batch == 7 else 4097]
        found = run(model.content, codes, level=level, threads=threads, batch=batch)
        assert_same_bits(found, ensemble, codes)
    empty = run(model.content, CODES[:0], level=level, threads=threads)
    assert [o.shape for o in empty] == [(0,), (0,), (0, 8)]


@pytest.mark.parametrize("blocks", [((3,), (2,)), ((2,),) * 8, ((256,), (3,), (16, 16))])
def test_other_spaces(blocks: tuple[tuple[int, ...], ...]) -> None:
    space = space_of(*blocks)
    ensemble = ensemble_of(space, 2, Link("-1/2"))
    codes = sample(2000, seed=1, space=space)
    codes[0] = space.cardinalities - 1
    assert_same_bits(run(build_table_model(ensemble, CARD).content, codes), ensemble, codes)


def test_reference_evaluator_of_onnx(model: TableModel, ensemble: TableEnsemble) -> None:
    """The standard's own implementation of the operators, in NumPy."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load_from_string(model.content))
    found = evaluator.run(["mean", "std", "members"], {"architectures": CODES[:300]})
    assert_same_bits(found, ensemble, CODES[:300])


def test_standard_operators_of_an_old_opset_only(model: TableModel) -> None:
    proto = onnx.load_from_string(model.content)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", 10)]
    assert proto.ir_version == 5
    assert {node.domain for node in proto.graph.node} == {""}
    assert {node.op_type for node in proto.graph.node} == {
        *("Transpose", "Cast", "MatMul", "Gather", "Slice"),
        *("Mul", "Add", "Sub", "Div", "Sqrt"),
    }
    # One Gather per pair, one per block for its symbols, one per member for its column.
    assert sum(node.op_type == "Gather" for node in proto.graph.node) == 21 + 7 + 8
    onnx.checker.check_model(proto, full_check=True)


def test_tables_lie_where_the_manifest_says(model: TableModel, ensemble: TableEnsemble) -> None:
    facts = model.card["tables"]
    assert facts.keys() == {"offset", "entries", "members", "scale", "shift"}
    count = facts["entries"] * facts["members"]
    read = np.frombuffer(model.content, "<i4", count=count, offset=facts["offset"])
    np.testing.assert_array_equal(read.reshape(-1, facts["members"]), ensemble.entries)
    through = json.loads(json.dumps(facts))
    assert (through["scale"], through["shift"]) == (ensemble.scale, ensemble.shift)
    # A reader that has file and manifest only gets the same predictions.
    again = TableEnsemble(
        MNASNET,
        read.reshape(-1, facts["members"]),
        through["scale"],
        through["shift"],
        ensemble.link,
    )
    assert_same_bits(list(again.predict(symbols_of(CODES, MNASNET))), ensemble, CODES)


def test_size_metadata_and_bytes(model: TableModel, ensemble: TableEnsemble) -> None:
    assert len(model.content) < 1_200_000
    proto = onnx.load_from_string(model.content)
    metadata = {p.key: p.value for p in proto.metadata_props}
    assert metadata["anb_onnx.schema"] == "2"
    card = json.loads(metadata["anb_onnx.card"])
    assert SearchSpace.from_dict(card.pop("search_space")) == MNASNET
    assert card.pop("terms") == all_pairs(MNASNET).to_list()
    assert card == CARD
    again = build_table_model(ensemble_of(MNASNET, 8, Link("-1", 80.0)), dict(CARD))
    assert again.content == model.content
    assert build_table_model(ensemble, {**CARD, "unit": "ms"}).content != model.content


def test_a_single_entry_matters(ensemble: TableEnsemble, model: TableModel) -> None:
    """That the comparisons above can fail: one step in one entry shows."""
    entries = ensemble.entries.copy()
    symbols = symbols_of(CODES[:1], MNASNET)[0]
    place = all_pairs(MNASNET).offsets[20] + symbols[5] * 36 + symbols[6]
    entries[place, 3] += 2**18
    changed = TableEnsemble(MNASNET, entries, ensemble.scale, ensemble.shift, ensemble.link)
    found = run(build_table_model(changed, CARD).content, CODES[:1])
    before = run(model.content, CODES[:1])
    assert found[2][0, 3] != before[2][0, 3]
    np.testing.assert_array_equal(np.delete(found[2], 3), np.delete(before[2], 3))


def test_extreme_sums_do_not_wrap() -> None:
    """Entries whose sum reaches the ends of int32."""
    space = space_of((2,), (2,), (2,))
    entries = np.zeros((12, 1), dtype=np.int32)
    entries[[3, 7, 11], 0] = [2**30, 2**30 - 1, 0]
    entries[[0, 4, 8], 0] = [-(2**30), -(2**30), 0]
    ensemble = TableEnsemble(space, entries, 1.0, 0.0, Link())
    mean, _, _ = run(build_table_model(ensemble, CARD).content, all_codes(space))
    assert (mean.max(), mean.min()) == (np.float32(2**31 - 1), -(2.0**31))


def test_blocks_of_many_symbols_are_computed_in_integers() -> None:
    space = space_of((257 // 2, 3), (2,))
    assert space.block_sizes == (384, 2)
    entries = np.arange(384 * 2, dtype=np.int32)[:, None]
    ensemble = TableEnsemble(space, entries, 1.0, 0.0, Link())
    codes = all_codes(space)
    mean, _, _ = run(build_table_model(ensemble, CARD).content, codes)
    assert mean.tolist() == list(range(384 * 2))


def test_as_many_terms_as_there_may_be_are_written_and_read_again() -> None:
    """Their graph has more operators than one of all pairs of as many blocks."""
    blocks = tuple(Block(f"b{k}", (Gene(f"g{k}", (0, 1)),)) for k in range(64))
    space = SearchSpace("many", blocks)
    terms = Terms(space, tuple(islice(combinations(range(64), 10), MAX_TERMS)))
    entries = np.arange(terms.n_entries, dtype=np.int32)[:, None] % 7
    ensemble = TableEnsemble(space, entries, 0.5, 0.0, Link(), terms)
    model = build_table_model(ensemble, {"benchmark": "x", "metric": "m"})
    assert len(onnx.load_from_string(model.content).graph.node) > 50_000
    found = TableEnsemble.from_artifact(
        model.content, {**model.card, "link": Link().to_dict()}, space, "file"
    )
    np.testing.assert_array_equal(found.entries, entries)
