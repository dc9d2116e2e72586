"""Curves: the arithmetic of docs/reference/format.md, in every engine, batch and file output."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_cases import (
    at_any,
    at_knot,
    crossing_of,
    curve_form,
    curves,
    ensembles,
    facts_of,
    outputs_of,
    summary,
    surrogate_of,
    tables,
)

import anb_onnx
from anb_onnx import NASBENCH201, Link, exact
from anb_onnx.curves import MAX_COEFFICIENTS, MAX_KNOTS, CurveForm
from anb_onnx.encoding.encoding import codes_to_indices, codes_to_symbols
from anb_onnx.errors import (
    AnbError,
    ArtifactError,
    EngineError,
    ExactError,
    FidelityError,
)
from anb_onnx.loading import from_vector
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms
from anb_onnx.vector_answers import Curve
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.vector_form import build_vector_model

CODES = anb_onnx.sample(40, seed=3, space=NASBENCH201)
SIZES = NASBENCH201.gene_sizes
BOTH = ("auto", "numpy", "onnxruntime")


def reference(vector: VectorEnsemble) -> tuple[dict[str, Any], list[list[list[float]]]]:
    """Return the card of an ensemble, and c[N][K][M] of `CODES`, computed by Python alone."""
    card = build_vector_model(vector, facts_of(vector)).card
    entries = vector.entries.tolist()
    return card, [outputs_of(entries, card, codes, SIZES) for codes in CODES.tolist()]


def as_columns(found: list[tuple[float, float, list[float]]]) -> list[list[Any]]:
    return [list(column) for column in zip(*found, strict=True)]


@settings(max_examples=25, deadline=None)
@given(ensembles(), st.data())
def test_values_are_those_of_the_format(vector: VectorEnsemble, data: st.DataObject) -> None:
    form = vector.curve
    assert form is not None
    card, outputs = reference(vector)
    curve, link = card["curve"], card["link"]
    symbols = codes_to_symbols(CODES, NASBENCH201)
    # At every knot, and at any other place: of each architecture another one.
    for i in range(len(form.at)):
        found = vector.predict_knots(symbols, np.array([i]))
        wanted = [summary(at_knot(curve, link, c, i)) for c in outputs]
        assert [array[..., 0].tolist() for array in found] == as_columns(wanted)
    places = st.floats(form.at[0], form.at[-1]) | st.sampled_from(form.at)
    some = data.draw(st.lists(places, min_size=len(CODES), max_size=len(CODES)))
    found = vector.predict_at(symbols, np.array(some))
    wanted = [summary(at_any(curve, link, c, t)) for c, t in zip(outputs, some, strict=True)]
    assert [array.tolist() for array in found] == as_columns(wanted)
    full = [summary(at_knot(curve, link, c, len(form.at) - 1)) for c in outputs]
    assert [array.tolist() for array in vector.predict(symbols)] == as_columns(full)


@settings(max_examples=25, deadline=None)
@given(ensembles(), st.floats(-8, 8), st.sampled_from(["max", "min"]))
def test_crossings_are_those_of_the_format(
    vector: VectorEnsemble, level: float, direction: str
) -> None:
    card, outputs = reference(vector)
    with from_vector(vector, facts_of(vector, direction=direction)) as surrogate:
        found = surrogate.query(CODES).crossing(level)  # type: ignore[attr-defined]
    curve, link = card["curve"], card["link"]
    wanted = [crossing_of(curve, link, c, level, direction) for c in outputs]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, wanted)


@settings(max_examples=12, deadline=None)
@given(ensembles())
def test_the_graph_and_every_engine_give_the_same_bits(vector: VectorEnsemble) -> None:
    facts = facts_of(vector)
    symbols = codes_to_symbols(CODES, NASBENCH201)
    # As anybody runs it: onnxruntime of itself may give -0.0 for 0.0, which are equal here.
    session = onnxruntime.InferenceSession(build_vector_model(vector, facts).content)
    names = [output.name for output in session.get_outputs()]
    found = session.run(None, {"architectures": CODES})
    graph = {name: array.tolist() for name, array in zip(names, found, strict=True)}
    wanted = vector.predict(symbols)
    for name, array in zip(("mean", "std", "members"), wanted, strict=True):
        assert graph[name] == array.tolist()
    knots = vector.predict_knots(symbols, np.arange(len(vector.curve.at)))  # type: ignore[union-attr]
    for name, array in zip(("curve_mean", "curve_std", "curve_members"), knots, strict=True):
        assert graph[name] == array.tolist()
    outputs = [output.predict(symbols) for output in vector.outputs]
    for i, name in enumerate(("output_means", "output_stds")):
        assert graph[name] == np.stack([output[i] for output in outputs], axis=1).tolist()
    assert graph["output_members"] == np.stack([o[2] for o in outputs], axis=2).tolist()
    for engine in BOTH:
        with from_vector(vector, facts, engine=engine) as surrogate:
            found = surrogate.query_codes(CODES, members=True)
            assert [a.tobytes() for a in found] == [a.tobytes() for a in wanted]  # type: ignore[union-attr]


@pytest.mark.parametrize("engine", BOTH)
def test_bits_depend_on_no_batch(engine: str) -> None:
    with surrogate_of(curves(), engine) as surrogate:
        whole = surrogate.query(CODES, members=True)
        assert isinstance(whole, Curve)
        at, until = whole.at(4.5), whole.until(9)
        crossing = whole.crossing(99.0)
        for row, codes in enumerate(CODES):
            one = surrogate.query(codes[None], members=True)
            assert isinstance(one, Curve)
            assert one.mean.tolist() == whole.mean[row : row + 1].tolist()
            assert one.at(4.5).members.tolist() == at.members[row : row + 1].tolist()  # type: ignore[union-attr, index]
            assert one.until(9).std.tolist() == until.std[row : row + 1].tolist()
        single = surrogate.query(_index(0))
        assert isinstance(single, Curve)
        assert single.mean == whole.mean[0]
        assert single.at(4.5).mean == at.mean[0]
        assert single.until(9).mean.tolist() == until.mean[0].tolist()
        np.testing.assert_array_equal(single.crossing(99.0), crossing[0])
        assert np.ndim(single.crossing(99.0)) == 0


def test_large_batches_are_cut() -> None:
    """Of many members and knots, blocks are few rows; their bits are those of the whole."""
    at = tuple(float(t) for t in range(300))
    form = CurveForm(at=at, basis=tuple((t / 300,) for t in at), offset=(0.5,) * 300)
    vector = VectorEnsemble((tables(4, members=40),), ("c",), form)
    with surrogate_of(vector) as surrogate:
        found = surrogate.query(CODES, members=True)
        assert isinstance(found, Curve)
        values = found.until()
    assert values.members is not None
    assert values.members.shape == (40, 40, 300)
    wanted = vector.predict_knots(codes_to_symbols(CODES, NASBENCH201), np.arange(300))
    assert values.mean.tobytes() == wanted[0].tobytes()
    assert values.members.tobytes() == wanted[2].tobytes()


def test_answers() -> None:
    with surrogate_of(curves()) as surrogate:
        found = surrogate.query(CODES)
        assert isinstance(found, Curve)
        assert found.epochs.tolist() == [1.0, 3.0, 9.0, 27.0]
        found.epochs[0] = 5.0  # a copy
        assert found.epochs[0] == 1.0
        values = found.until(9.5)
        assert values.epochs.tolist() == [1.0, 3.0, 9.0]
        assert values.mean.shape == values.std.shape == (len(CODES), 3)
        assert values.members is None
        for i, epoch in enumerate(values.epochs):
            at = found.at(epoch)
            assert at.mean.tolist() == values.mean[:, i].tolist()
            assert at.members is None
        assert found.at(27).mean.tolist() == found.mean.tolist()
        assert found.until().mean[:, -1].tolist() == found.mean.tolist()
        some = np.linspace(1, 27, len(CODES))
        each = found.at(some)
        assert each.mean.tolist() == [found.at(t).mean[i] for i, t in enumerate(some.tolist())]
        assert each.mean.tolist() == surrogate.query(CODES, fidelity=some).mean.tolist()
        assert (
            found.outputs["c0"].mean.tolist() == surrogate.outputs["c0"].query(CODES).mean.tolist()
        )
        none = surrogate.query(CODES[:0])
        assert isinstance(none, Curve)
        assert none.at(3).mean.shape == (0,)
        assert none.until().mean.shape == (0, 4)
        assert none.crossing(50).shape == (0,)


def test_answers_are_of_the_architectures_that_were_asked() -> None:
    """Whoever overwrites the codes afterwards: a curve is computed when it is asked for."""
    with surrogate_of(curves()) as surrogate:
        codes = CODES.copy()
        found = surrogate.query(codes)
        codes[:] = 0
        assert isinstance(found, Curve)
        assert found.at(27).mean.tolist() == found.mean.tolist()


def test_intervals() -> None:
    with surrogate_of(curves()) as surrogate:
        found = surrogate.query(CODES)
        assert isinstance(found, Curve)
        for epoch, noise in ((1.0, 1.0), (3.0, 0.75), (6.0, 0.625), (27.0, 0.25)):
            at = found.at(epoch)
            spread = 1.5 * at.std.astype(np.float64)
            wanted = np.sqrt(spread * spread + noise * noise)
            assert at.predictive_std.tolist() == wanted.astype(np.float32).tolist()
            lower, upper = at.interval(0.9)
            half = 1.7 * wanted
            mean = at.mean.astype(np.float64)
            assert lower.tolist() == (mean - half).astype(np.float32).tolist()
            assert upper.tolist() == (mean + half).astype(np.float32).tolist()
            # One architecture has the same, as scalars.
            one = surrogate.query(_index(0), fidelity=epoch)
            assert one.interval(0.9) == (lower[0], upper[0])
            assert np.ndim(one.predictive_std) == 0
        # Of an epoch for each architecture, the noise is that of each.
        some = np.array([1.0, 3.0] * 20)
        assert found.at(some).predictive_std[1] == found.at(3.0).predictive_std[1]
    with surrogate_of(curves(noise=None)) as surrogate:
        found = surrogate.query(CODES)
        assert isinstance(found, Curve)
        assert found.at(27.0).calibration is not None
        assert found.at(9.0).calibration is None


def _index(row: int) -> int:
    return int(codes_to_indices(CODES[row : row + 1], NASBENCH201)[0])


def test_views() -> None:
    pandas = pytest.importorskip("pandas")
    with surrogate_of(curves()) as surrogate:
        found = surrogate.query(CODES, members=True)
        assert isinstance(found, Curve)
        columns = ["mean", "std", "predictive_std", "lower", "upper", "member_0", "member_1"]
        for some in (found, found.at(5)):
            frame = some.to_pandas()
            assert isinstance(frame, pandas.DataFrame)
            assert list(frame) == columns
        assert found.outputs.to_pandas().shape == (len(CODES), 4 * 7)
        assert repr(found).startswith("Curve(val_accuracy: 40 architectures")
        assert repr(surrogate.query(7)).endswith("at epoch 27)")
        assert repr(found).endswith(" %, at epoch 27, 2 members)")
        assert "lie from lower to upper; at epoch 27, the last; at, until" in found._repr_html_()
        assert "epoch" not in found.at(5)._repr_html_()
        assert "4 outputs: c0, c1, gate, noise)" in repr(surrogate)
        assert "<table" in surrogate._repr_html_()


def test_they_are_pickled_and_closed() -> None:
    surrogate = surrogate_of(curves())
    found = surrogate.query(CODES)
    again = pickle.loads(pickle.dumps(found))
    assert again.at(5).mean.tolist() == found.at(5).mean.tolist()  # type: ignore[attr-defined]
    output = surrogate.outputs["c1"]
    surrogate.close()
    for call in (
        lambda: surrogate.query(CODES),
        lambda: found.at(5),  # type: ignore[attr-defined]
        lambda: found.until(),  # type: ignore[attr-defined]
        lambda: found.crossing(1.0),  # type: ignore[attr-defined]
        lambda: output.query(CODES),
        lambda: surrogate.outputs["c0"].query(CODES),  # opened now
    ):
        with pytest.raises(EngineError, match="closed"):
            call()
    assert again.until().mean.shape == (40, 4)


def test_the_engines_of_a_curve() -> None:
    with surrogate_of(curves(), "onnxruntime") as surrogate:
        assert surrogate.engine == "onnxruntime"
        assert surrogate.outputs["c0"].engine == "onnxruntime"
        assert surrogate.ensemble is None
    with pytest.raises(EngineError, match="form"), surrogate_of(curves()) as surrogate:
        surrogate.bind(CODES, anb_onnx.Outputs.empty(len(CODES), 2, members=False))


def test_exact_search_is_of_outputs() -> None:
    with surrogate_of(curves()) as surrogate:
        with pytest.raises(ExactError, match=r"'val_accuracy' is a curve.*c0, c1, gate, noise"):
            exact.optimum(surrogate)
        found = exact.optimum(surrogate.outputs["c1"]).solutions[0]
        every = np.arange(NASBENCH201.size)
        assert found.value == surrogate.outputs["c1"].query(every).mean.max()


@pytest.mark.parametrize("level", [math.nan, math.inf, True, "5", None, 1j, 10**400, [5.0]])
def test_levels_that_are_none(level: Any) -> None:
    with (
        surrogate_of(curves()) as surrogate,
        pytest.raises(FidelityError, match="a level must be a finite number in %, not"),
    ):
        surrogate.query(CODES).crossing(level)  # type: ignore[attr-defined]


# ----------------------------------------------------------------------------- what is refused

_HUGE = 3.4e38


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"at": ()}, "key 'at' must be 1 to 4096"),
        ({"at": (1.0, 3.0, 2.0, 27.0)}, "key 'at' must be 1 to 4096 finite, increasing"),
        ({"at": (1.0, 3.0, 3.0, 27.0)}, "increasing"),
        ({"at": (1.0, 3.0, 9.0, math.inf)}, "finite"),
        ({"at": (1.0, 3.0, 9.0, math.nan)}, "finite"),
        ({"at": (1, 3, 9, 27)}, "key 'at'"),
        ({"at": [1.0, 3.0, 9.0, 27.0]}, "key 'at'"),
        ({"at": tuple(map(float, range(MAX_KNOTS + 1)))}, "key 'at'"),
        ({"offset": (1.0, 2.0, 3.0)}, "key 'offset' must be 4 finite numbers"),
        ({"offset": (1.0, 2.0, 3.0, -0.0)}, "key 'offset' must be 4 finite numbers other than -0"),
        ({"rest": (1.0, 2.0, 3.0, -0.0)}, "key 'rest'"),
        ({"rest": None}, "key 'rest'"),
        ({"gate": None}, "key 'rest' must be null, as there is no gate"),
        ({"gate": 1}, "key 'gate' must be null or an output behind the 2"),
        ({"gate": True}, "key 'gate'"),
        ({"gate": 2.0}, "key 'gate'"),
        ({"gate": 4}, "it needs 5 outputs, coefficients and gate, found 4"),
        ({"gate": 10**30}, "it needs"),
        ({"range": (8.0, 0.25)}, "key 'range' must be null or two"),
        ({"range": (0.25,)}, "key 'range'"),
        ({"range": (0.0, 8.0)}, r"link 1/\(100-y\) needs a range above 0"),
        ({"range": None}, "needs a range above 0, found None"),
        ({"range": (-0.0, 8.0), "link": Link()}, "key 'range'.*-0.0"),
        ({"range": (1e-45, 8.0)}, "a value could be"),
        ({"range": (-_HUGE, _HUGE), "link": Link()}, "a value could be"),
        ({"link": None}, "key 'link' must be a Link"),
        ({"basis": ((0.0, 0.5),) * 3}, "key 'basis' must be 4 rows"),
        ({"basis": ((0.0,), (0.0,), (0.0,), (0.0, 1.0))}, "as many in each"),
        ({"basis": ((),) * 4}, "key 'basis'"),
        ({"basis": ((0.0,) * (MAX_COEFFICIENTS + 1),) * 4}, "key 'basis'"),
        ({"basis": ((0.0, math.nan),) * 4}, "key 'basis'"),
        ({"basis": ((_HUGE, _HUGE),) * 4}, "a value could be"),
        ({"offset": (1.0, 2.0, 3.0, _HUGE)}, "a value could be"),
        ({"noise": (1.0, 1.0, 1.0, -1.0)}, "key 'noise' must be null or 4"),
        ({"noise": (1.0,)}, "key 'noise'"),
        ({"noise": (0.0, 0.0, 0.0, 3.4e38)}, "intervals beyond"),
        ({"fidelity": ""}, "key 'fidelity' must be a name"),
        ({"fidelity": "seeds"}, "key 'fidelity' must not be 'seeds'"),
        ({"unit": "a\nb"}, "key 'unit' must be a name"),
    ],
)
def test_forms_that_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtifactError, match=message) as caught:
        surrogate_of(curves(**changes))
    assert str(caught.value).isprintable()


def test_a_coefficient_outside_the_domain_of_its_link() -> None:
    bad = tables(0, link=Link("1/2"))  # sums of both signs
    form = CurveForm(at=(1.0,), basis=((1.0,),), offset=(0.0,))
    with pytest.raises(ArtifactError, match="the tables of output 0 leave the domain of its link"):
        surrogate_of(VectorEnsemble((bad,), ("c",), form))


def test_negative_zeros_make_no_difference() -> None:
    """Of a gate of -0.0, and of sums of -0.0: engines may take either for the larger."""
    zero = np.zeros((5, 1), np.int32)
    terms = Terms(NASBENCH201, ((0,),))
    outputs = [
        TableEnsemble(NASBENCH201, zero, -1.0, shift, Link(), terms) for shift in (-0.0, -0.0)
    ]
    form = CurveForm(
        at=(1.0, 2.0),
        basis=((1.0,), (-1.0,)),
        offset=(0.0, 0.0),
        gate=1,
        rest=(0.0, 0.0),
        range=(0.0, 1.0),
    )
    vector = VectorEnsemble(tuple(outputs), ("c", "g"), form)
    found = []
    for engine in BOTH:
        with surrogate_of(vector, engine) as surrogate:
            curve = surrogate.query(CODES[:2], members=True)
            assert isinstance(curve, Curve)
            found.append((curve.mean.tobytes(), curve.until().mean.tobytes()))
    assert len(set(found)) == 1
    assert found[0][0] == bytes(8)


def test_spaces_of_any_kind(tmp_path: Path) -> None:
    """Of blocks of more symbols than a byte holds, and indices of more than 64 bits."""
    blocks = [Block(f"b{i}", (Gene(f"g{i}", tuple("abcdefghi")),)) for i in range(22)]
    blocks.append(Block("big", (Gene("x", tuple(range(100))), Gene("y", ("p", "q", "r")))))
    space = SearchSpace("wide", tuple(blocks))
    terms = Terms(space, tuple((block,) for block in range(23)))
    outputs = tuple(
        TableEnsemble(
            space,
            np.random.default_rng(k).integers(0, 99, (terms.n_entries, 3)).astype(np.int32),
            2.0**-8,
            0.0,
            Link(),
            terms,
        )
        for k in range(3)
    )
    vector = VectorEnsemble(outputs, ("a", "b", "c"), curve_form(link=Link(), range=None))
    codes = anb_onnx.sample(30, seed=0, space=space)
    with surrogate_of(vector) as surrogate:
        wanted = surrogate.query(codes).at(5).mean.tolist()  # type: ignore[attr-defined]
        surrogate.save(tmp_path / "wide")
    with anb_onnx.load("val_accuracy", path=tmp_path / "wide", engine="onnxruntime") as loaded:
        assert loaded.query(codes).at(5).mean.tolist() == wanted  # type: ignore[attr-defined]


def test_errors_are_ours() -> None:
    assert issubclass(FidelityError, AnbError)
    with surrogate_of(curves()) as surrogate:
        found = surrogate.query(CODES)
        assert isinstance(found, Curve)
        with pytest.raises(FidelityError, match="from 1 to 27 epochs, not 28"):
            found.at(28)
        with pytest.raises(FidelityError, match=r"from 1 to 27 epochs, not 0\.5"):
            found.until(0.5)
        with pytest.raises(FidelityError, match=r"row 3 must be .* not nan"):
            found.at(np.array([1.0] * 3 + [math.nan] + [1.0] * 36))
