from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export.data.metrics import evaluate
from anb_export.data.targets import TargetSpec
from anb_export.graphs.graph import GraphError
from anb_export.graphs.tree_nodes import TreeFormError
from anb_export.models.formats import model_from_object
from anb_export.models.svm_form import Kernel
from anb_export.predictors.answers import enumerated
from anb_export.predictors.artifact import artifact_bytes, to_surrogate
from anb_export.predictors.contract import Fitted, Predictor, PredictorError, two_members
from anb_export.predictors.intervals import from_residuals
from anb_export.predictors.live import live_features
from anb_export.predictors.scores import facts_of_test
from anb_export.tables.encoder import encoder_of
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVR

from anb_onnx import load
from anb_onnx.catalog.facts import facts
from anb_onnx.encoding.encoding import codes_to_symbols, indices_to_codes
from anb_onnx.errors import ArtifactError, EngineError
from anb_onnx.links import Link
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.fbnet import FBNET
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.ofa import OFA
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms

from .forests import random_forest

Codes = NDArray[np.uint8]

LATENCY = TargetSpec("latency_phone", "latency", "phone", "ms", "min")
FITTED = Fitted("made-up", 40, 3, "5" * 64)
#: Blocks of two genes, whose symbols are not the indices of the space read in another order.
UNEVEN = SearchSpace(
    "uneven",
    (
        Block("first", (Gene("a", (1, 2)), Gene("b", (3, 4, 5)))),
        Block("second", (Gene("c", (True, False)),)),
        Block("third", (Gene("d", (1, 2, 3, 4, 5)), Gene("e", (1, 2)))),
    ),
)


def residuals() -> Any:
    rng = np.random.default_rng(5)
    predicted = rng.uniform(10, 20, 300)
    return from_residuals(predicted + rng.normal(0, 0.5, 300), predicted, np.full(300, 0.1))


class Of(Predictor):
    """A predictor whose members a function tells."""

    def __init__(
        self, space: SearchSpace, function: Callable[[Codes], NDArray[np.float64]], **others: Any
    ) -> None:
        self.space, self.calibration, self.fitted = space, residuals(), FITTED
        self.function = function
        for name, value in others.items():
            setattr(self, name, lambda value=value: value)

    def members(self, codes: Codes) -> NDArray[np.float64]:
        return self.function(codes)


def mixed(codes: Codes) -> NDArray[np.float64]:
    """Every place tells, and all mix: an order of entries that is wrong is seen."""
    x = codes.astype(np.float64) @ (1.7 ** np.arange(codes.shape[1]))
    return two_members(20 + np.sin(x), 0.3 + 0.1 * np.cos(x))


def all_codes(space: SearchSpace) -> Codes:
    return indices_to_codes(np.arange(space.size), space)


@pytest.mark.parametrize("space", [NASBENCH201, UNEVEN], ids=lambda space: str(space.name))
def test_a_small_space_is_enumerated(space: SearchSpace) -> None:
    predictor = Of(space, mixed)
    surrogate = to_surrogate(predictor, LATENCY)
    codes = all_codes(space)
    mean, std = predictor.predict(codes)
    found = surrogate.query(codes, members=True)
    # 2^31 steps of the largest value, and float32.
    np.testing.assert_allclose(found.mean, mean, rtol=6e-8)
    np.testing.assert_allclose(found.std, std, rtol=3e-7)
    assert found.members is not None
    np.testing.assert_allclose(found.members, predictor.members(codes), rtol=6e-8)
    assert surrogate.metadata["form"] == "tables"
    assert surrogate.metadata["terms"] == [list(range(space.n_blocks))]
    assert surrogate.calibration == predictor.calibration


@pytest.mark.parametrize(
    ("largest", "offset"), [(1e-6, 0.0), (3.0, 0.0), (1e9, -5e8), (4e37, 0.0), (1e-30, 0.0)]
)
def test_the_step_follows_the_largest_value(largest: float, offset: float) -> None:
    rng = np.random.default_rng(0)
    values = offset + largest * rng.uniform(-1, 1, (UNEVEN.size, 3))
    values[7] = largest + offset
    order = {row.tobytes(): i for i, row in enumerate(all_codes(UNEVEN))}
    ensemble, rounding = enumerated(
        Of(UNEVEN, lambda codes: values[[order[row.tobytes()] for row in codes]])
    )
    assert rounding["step"] == ensemble.scale
    assert np.log2(rounding["step"]).is_integer()
    assert rounding["largest"] <= rounding["step"] / 2 <= 2.0**-30 * np.abs(values).max()
    assert np.abs(ensemble.entries).max() > 2**29


def test_zeros_are_zeros() -> None:
    surrogate = to_surrogate(Of(UNEVEN, lambda codes: np.zeros((len(codes), 1))), LATENCY)
    assert not surrogate.query(all_codes(UNEVEN)).mean.any()


@pytest.mark.parametrize("space", [NASBENCH201, MNASNET], ids=lambda space: str(space.name))
def test_tables_stay_as_they_are(space: SearchSpace) -> None:
    """Also of a space that would be enumerated: they are smaller, and exact."""
    terms = Terms.of_order(space, 1)
    entries = np.random.default_rng(1).integers(1, 10**6, (terms.n_entries, 2), dtype=np.int32)
    ensemble = TableEnsemble(space, entries, 2.0**-10, 0.5, Link(), terms)

    def members(codes: Codes) -> NDArray[np.float64]:
        totals = ensemble.totals(codes_to_symbols(codes, space))
        return totals.astype(np.float64) * 2.0**-10 + 0.5

    surrogate = to_surrogate(Of(space, members, tables=ensemble), LATENCY)
    assert surrogate.ensemble is not None
    assert np.array_equal(surrogate.ensemble.entries, entries)
    assert surrogate.metadata["terms"] == [[k] for k in range(space.n_blocks)]


def test_the_card_tells_whence_it_is() -> None:
    card = to_surrogate(Of(UNEVEN, mixed), LATENCY).metadata
    assert card["recipe"] == "predictor made-up"
    assert (card["metric"], card["device"], card["unit"]) == ("latency", "phone", "ms")
    assert (card["direction"], card["exact"], card["members"]) == ("min", False, 2)
    assert card["seeds"] == [3]
    assert card["dataset"] == {
        "name": "40 measurements of phone",
        "license": "unstated",
        "sha256": "5" * 64,
        "n_used": 40,
    }
    assert card["quality"] == {"test": {"n": 0}}


def test_what_it_is_worth_stands_in_the_card() -> None:
    predictor = Of(UNEVEN, mixed)
    codes = all_codes(UNEVEN)
    values = predictor.predict(codes)[0] + np.random.default_rng(0).normal(0, 0.5, len(codes))
    surrogate = to_surrogate(predictor, LATENCY, facts=facts_of_test(predictor, codes, values))
    card, found = surrogate.metadata, surrogate.query(codes)
    quality = evaluate(values, found.mean)
    assert card["quality"]["test"] == pytest.approx(quality, rel=1e-6)
    lower, upper = found.interval(0.9)
    inside = float(((lower <= values) & (values <= upper)).mean())
    assert card["coverage"]["test"]["intervals"]["0.9"] == inside
    assert "the 90 % interval holds" in dict(facts(surrogate.target, card))["intervals"]


def test_what_was_not_tested_says_so() -> None:
    surrogate = to_surrogate(Of(UNEVEN, mixed), LATENCY)
    told = dict(facts(surrogate.target, surrogate.metadata))
    assert told["quality"] == "not known: no measurements were kept apart"


def test_facts_are_taken_over() -> None:
    given = {
        "dataset": {"name": "my bench", "license": "MIT"},
        "license": "MIT",
        "quality": {"test": {"n": 5, "mae": 0.25}},
        "recipe": "mine",
        "note": "as on the bench",
    }
    card = to_surrogate(Of(UNEVEN, mixed), LATENCY, facts=given).metadata
    assert {key: card[key] for key in ("license", "quality", "recipe", "note")} == {
        key: given[key] for key in ("license", "quality", "recipe", "note")
    }
    assert card["dataset"]["name"] == "my bench"
    assert card["dataset"]["sha256"] == "5" * 64


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"members": 3}, PredictorError, "'members' follows from predictor and target"),
        ({"calibration": None}, PredictorError, "'calibration' follows"),
        ({"dataset": "mine"}, PredictorError, "a mapping of name, license and sha256, not 'mine'"),
        ({"quality": {"test": {}}}, ArtifactError, "'quality' must be objects of numbers"),
        ({"license": ""}, ArtifactError, "'license' must be a non-empty string"),
    ],
)
def test_facts_that_are_none_are_refused(
    given: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        to_surrogate(Of(UNEVEN, mixed), LATENCY, facts=given)


def test_an_unknown_origin_must_be_told() -> None:
    predictor = Of(UNEVEN, mixed)
    predictor.fitted = None
    with pytest.raises(PredictorError, match="nothing says what the predictor was fitted to"):
        to_surrogate(predictor, LATENCY)
    given = {"dataset": {"sha256": "7" * 64}}
    assert to_surrogate(predictor, LATENCY, facts=given).metadata["recipe"] == "predictor"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 5e37])
def test_an_answer_that_is_no_float32_is_refused(wrong: float) -> None:
    def members(codes: Codes) -> NDArray[np.float64]:
        return np.where((codes == [1, 2, 0, 4, 1]).all(axis=1), wrong, 1.0)[:, None]

    with pytest.raises(PredictorError, match=r"member 0 answers .* of codes \[1, 2, 0, 4, 1\]"):
        to_surrogate(Of(UNEVEN, members), LATENCY)


@pytest.mark.parametrize("shape", [(120,), (120, 0), (119, 2), (120, 1025)], ids=str)
def test_members_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PredictorError, match=r"answers \[120, M\]"):
        to_surrogate(Of(UNEVEN, lambda codes: np.ones(shape)), LATENCY)


def test_a_large_space_needs_a_form() -> None:
    with pytest.raises(PredictorError, match=r"neither tables, .* 'mnasnet' has [\d,]+ arch"):
        to_surrogate(Of(MNASNET, mixed), LATENCY)
    with pytest.raises(PredictorError, match=r"no form 'tables': the space 'mnasnet' has"):
        to_surrogate(Of(MNASNET, mixed), LATENCY, form="tables")


def of_forests(space: SearchSpace) -> Of:
    forests = [random_forest(20, seed=seed, n_features=space.n_genes) for seed in (1, 2, 3)]

    def members(codes: Codes) -> NDArray[np.float64]:
        return np.stack([forest.predict_exact(codes) for forest in forests], axis=1)

    return Of(space, members, forests=forests)


def of_kernels(space: SearchSpace) -> Of:
    codes = sample(80, seed=1, space=space)
    kernels = []
    for seed in (1, 2):
        labels = mixed(codes)[:, 0] + np.random.default_rng(seed).normal(0, 0.1, 80)
        member = model_from_object(SVR(C=10, gamma=0.1).fit(codes, labels)).member
        assert isinstance(member, Kernel)
        kernels.append(member)

    def members(codes: Codes) -> NDArray[np.float64]:
        return np.stack([kernel.predict_exact(codes) for kernel in kernels], axis=1)

    return Of(space, members, kernels=kernels)


def one_hot(space: SearchSpace) -> OneHotEncoder:
    choices = [np.arange(n, dtype=np.float32) for n in space.cardinalities.tolist()]
    return OneHotEncoder(categories=choices, sparse_output=False)


def pipeline(first: Any, outputs: int, space: SearchSpace) -> Any:
    """A network fitted as far as two passes take it."""
    codes = sample(200, seed=2, space=space)
    labels = 20 + np.sin(np.outer(codes.sum(axis=1), np.arange(1, outputs + 1)))
    network = MLPRegressor(hidden_layer_sizes=(8, 8), max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = make_pipeline(first, network)
        return found.fit(codes.astype(np.float32), labels[:, 0] if outputs == 1 else labels)


def of_network(space: SearchSpace) -> Of:
    """One network of three outputs."""
    network = pipeline(StandardScaler(), 3, space)
    return Of(space, lambda codes: network.predict(codes.astype(np.float32)), network=network)


def of_networks(space: SearchSpace) -> Of:
    """Two networks of one-hot codes, one member each."""
    networks = [pipeline(one_hot(space), 1, space), pipeline(StandardScaler(), 1, space)]

    def members(codes: Codes) -> NDArray[np.float64]:
        return np.stack([n.predict(codes.astype(np.float32)) for n in networks], axis=1)

    return Of(space, members, network=networks)


#: What has each form, and how many members.
FORMS: dict[str, tuple[Callable[[SearchSpace], Of], str, int]] = {
    "trees": (of_forests, "trees", 3),
    "tree64": (of_forests, "tree64", 3),
    "kernel": (of_kernels, "kernel", 2),
    "network": (of_network, "network", 3),
    "networks": (of_networks, "network", 2),
}


@pytest.mark.parametrize("space", [MNASNET, NASBENCH201], ids=lambda space: str(space.name))
@pytest.mark.parametrize("name", FORMS)
def test_each_form_answers_as_the_predictor(name: str, space: SearchSpace, tmp_path: Path) -> None:
    of, form, members = FORMS[name]
    predictor = of(space)
    surrogate = to_surrogate(predictor, LATENCY, form=form)
    card = surrogate.metadata
    assert (card["form"], card["members"], surrogate.engine) == (form, members, "onnxruntime")
    path = surrogate.save(tmp_path / "phones")
    codes = sample(300, seed=9, space=space)
    mean, std = predictor.predict(codes)
    for asked in (surrogate, load("latency_phone", path=path.parent), load(path=path)):
        found = asked.query(codes, members=True)
        spread = mean.std()
        np.testing.assert_allclose(found.mean, mean, rtol=0, atol=1e-4 * spread)
        np.testing.assert_allclose(found.std, std, rtol=0, atol=1e-4 * spread)
        assert asked.calibration == predictor.calibration
        assert found.predictive_std is not None
        # Whatever the batch: one by one, and none at all.
        one = np.array([asked.query_codes(row[None]).mean[0] for row in codes[:50]])
        # SVMRegressor adds in float32, in an order that the batch's size tells.
        off = 1e-6 if form == "kernel" else 0.0
        np.testing.assert_allclose(one, found.mean[:50], rtol=off, atol=0)
        assert asked.query(codes[:0]).mean.shape == (0,)


@pytest.mark.parametrize("form", ["trees", "tree64", "kernel", "network"])
@pytest.mark.parametrize("space", [FBNET, OFA], ids=lambda space: str(space.name))
def test_each_form_takes_features_in_the_place_of_codes(form: str, space: SearchSpace) -> None:
    """Columns for each symbol, and for layers within a depth: look-ups of the graph."""
    encoder = encoder_of(space, lambda codes: live_features(codes, space))
    assert encoder is not None
    codes = sample(80, seed=1, space=space)
    x, y = encoder(codes), mixed(codes)[:, 0]
    given: dict[str, Any]
    if form in ("trees", "tree64"):
        forests = [random_forest(10, seed=seed, n_features=encoder.width) for seed in (1, 2)]
        one = forests[0].threshold.copy()
        # Columns are 0 or 1, and numbers of things.
        forests[0] = replace(forests[0], threshold=np.where(one > 0, np.float32(0.5), one))
        given = {"forests": forests}
    elif form == "kernel":
        kernel = model_from_object(SVR(C=10, gamma=0.02).fit(x, y)).member
        given = {"kernels": [kernel]}
    else:
        given = {"network": Ridge().fit(x, y)}

    def members(codes: Codes) -> NDArray[np.float64]:
        x = encoder(codes)
        if form == "network":
            return np.asarray(given["network"].predict(x), np.float64)[:, None]
        parts = [part.predict_exact(x.astype(np.uint8)) for part in next(iter(given.values()))]
        return np.stack(parts, axis=1)

    predictor = Of(space, members, features=encoder, **given)
    surrogate = to_surrogate(predictor, LATENCY, form=form)
    assert surrogate.metadata["form"] == form
    codes = sample(300, seed=9, space=space)
    mean, _ = predictor.predict(codes)
    assert mean.std() > 0.05
    np.testing.assert_allclose(surrogate.query(codes).mean, mean, rtol=2e-5)
    assert surrogate.query(codes[:0]).mean.shape == (0,)


@pytest.mark.parametrize("n", [1, 3])
def test_distributions_of_trees_are_two_members(n: int) -> None:
    normals = [
        (
            random_forest(15, seed=2 * k, base_score=20.0),
            random_forest(5, seed=2 * k + 1, base_score=-1.0, scale=0.2),
        )
        for k in range(n)
    ]

    def members(codes: Codes) -> NDArray[np.float64]:
        means = np.stack([mean.predict_exact(codes) for mean, _ in normals])
        logs = np.stack([log.predict_exact(codes) for _, log in normals])
        # The law of total variance.
        return two_members(
            means.mean(axis=0), np.sqrt(np.exp(2 * logs).mean(axis=0) + means.var(axis=0))
        )

    predictor = Of(MNASNET, members, normals=normals)
    surrogate = to_surrogate(predictor, LATENCY)
    assert (surrogate.metadata["form"], surrogate.n_members) == ("trees", 2)
    codes = sample(300, seed=9, space=MNASNET)
    mean, std = predictor.predict(codes)
    found = surrogate.query(codes)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(found.std, std, rtol=1e-5)
    assert surrogate.query(codes[:0]).mean.shape == (0,)
    with pytest.raises(PredictorError, match="has no form 'tree64'"):
        to_surrogate(predictor, LATENCY, form="tree64")


def test_forests_of_other_features_are_refused() -> None:
    encoder = encoder_of(FBNET, lambda codes: live_features(codes, FBNET))
    predictor = Of(FBNET, mixed, forests=[random_forest(2, n_features=22)], features=encoder)
    with pytest.raises(TreeFormError, match="member 0 has 22 features, the encoder 207 features"):
        to_surrogate(predictor, LATENCY)
    predictor = Of(FBNET, mixed, normals=[(random_forest(2),) * 2], features=encoder)
    with pytest.raises(TreeFormError, match="a forest has 28 features, the graph 207"):
        to_surrogate(predictor, LATENCY)


@pytest.mark.parametrize("name", ["trees", "kernel", "network"])
def test_a_large_space_gets_the_form_that_there_is(name: str) -> None:
    of, form, _ = FORMS[name]
    assert to_surrogate(of(MNASNET), LATENCY).metadata["form"] == form
    # A small one is enumerated.
    assert to_surrogate(of(NASBENCH201), LATENCY).metadata["form"] == "tables"


@pytest.mark.parametrize("name", ["trees", "kernel", "network"])
def test_equal_predictors_are_equal_bytes(name: str) -> None:
    of, form, _ = FORMS[name]
    first, second = (to_surrogate(of(MNASNET), LATENCY, form=form) for _ in range(2))
    assert first.sha256 == second.sha256


@pytest.mark.parametrize("name", ["tables", "trees", "kernel", "network"])
def test_what_says_something_else_than_the_members_is_refused(name: str) -> None:
    if name == "tables":
        terms = Terms.of_order(MNASNET, 1)
        predictor = Of(MNASNET, mixed)
        entries = np.ones((terms.n_entries, 2), np.int32)
        ensemble = TableEnsemble(MNASNET, entries, 1.0, 0.0, Link(), terms)
        setattr(predictor, "tables", lambda: ensemble)  # noqa: B010 - mypy knows of methods
    else:
        predictor = FORMS[name][0](MNASNET)
        right = predictor.function
        predictor.function = lambda codes: right(codes) + (codes[:, :1] == 1) * 0.5
    with pytest.raises(PredictorError, match=r"off the predictor, allowed are .* predicts with"):
        to_surrogate(predictor, LATENCY)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("kernel", "has no form 'kernel'; leave it out for one that it has"),
        ("projected", "unknown form 'projected'; forms of predictors: tables, trees, tree64,"),
    ],
)
def test_a_form_that_it_does_not_have_is_refused(form: str, message: str) -> None:
    with pytest.raises(PredictorError, match=message):
        to_surrogate(of_forests(MNASNET), LATENCY, form=form)


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        (make_pipeline(FunctionTransformer(np.log1p), MLPRegressor()), GraphError, "FunctionTrans"),
        ("network", GraphError, "skl2onnx cannot convert an estimator of type str"),
        ([], GraphError, r"0 estimator\(s\) cannot be 2 members"),
        (GaussianProcessRegressor(), ArtifactError, "uses the operator"),
    ],
    ids=["no conversion", "no estimator", "none", "operator"],
)
def test_a_network_that_cannot_be_written_is_refused(
    estimator: Any, error: type[Exception], message: str
) -> None:
    if hasattr(estimator, "fit"):
        codes = sample(20, seed=2, space=MNASNET)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(codes.astype(np.float32), mixed(codes))
    with pytest.raises(error, match=message):
        to_surrogate(Of(MNASNET, mixed, network=estimator), LATENCY)


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_engines_of_tables_do_not_run_other_forms(engine: str) -> None:
    with pytest.raises(EngineError, match="runs artifacts in table form"):
        to_surrogate(of_forests(MNASNET), LATENCY, engine=engine)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    surrogate = to_surrogate(Of(NASBENCH201, mixed), LATENCY)
    path = surrogate.save(tmp_path / "phones")
    assert artifact_bytes(load(path=path)) == path.stat().st_size
    loaded = load("latency_phone", path=path.parent)
    codes = sample(500, seed=0, space=NASBENCH201)
    before, after = surrogate.query(codes), loaded.query(codes)
    assert np.array_equal(before.mean, after.mean)
    assert np.array_equal(before.predictive_std, after.predictive_std)
    assert np.array_equal(pickle.loads(pickle.dumps(surrogate)).query(codes).mean, after.mean)
