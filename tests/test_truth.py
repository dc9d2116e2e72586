"""What is proven of targets: read as it was written, right, and refused where it is none."""

from __future__ import annotations

import contextlib
import json
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_truth import (
    CONFORMANCE,
    PAIRS,
    better,
    means,
    truth_of,
    truths_of,
    with_truth,
)

import anb_onnx
from anb_onnx import ArtifactError, Truth, TruthError
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.truth import Front
from anb_onnx.catalog.truth_file import unpack
from anb_onnx.catalog.truth_reader import of_catalog, read_truth

artifacts_truth = pytest.importorskip("anb_export.artifacts.truth", reason="needs the exporter")
pack, to_bytes = artifacts_truth.pack, artifacts_truth.to_bytes

CATALOG = Catalog.read(PAIRS)
MEANS = {artifact.target.name: means(artifact) for artifact in CATALOG.artifacts}


@pytest.fixture(scope="module")
def truths() -> dict[str, Truth]:
    return truths_of(PAIRS, bins=50, n_best=100, shard_size=625)


@pytest.fixture(scope="module")
def content(truths: dict[str, Truth]) -> bytes:
    found = pack(truths)
    assert isinstance(found, bytes)
    return found


@pytest.fixture(scope="module")
def folder(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_truth(PAIRS, tmp_path_factory.mktemp("truth") / "nasbench201-pairs", content)


def same(a: Any, b: Any) -> bool:
    """Whether two values, arrays or parts of a truth are equal in every bit."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if hasattr(a, "keys"):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if hasattr(a, "__dataclass_fields__") and not isinstance(a, anb_onnx.SearchSpace):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a == b)


def test_what_was_written_is_read(folder: Path, truths: dict[str, Truth]) -> None:
    found = read_truth(folder)
    assert found is not None
    assert same(found, truths)
    for truth in found.values():
        assert truth.edges is not None
        for array in (truth.best, truth.edges, truth.optimum.codes):
            assert not array.flags.writeable
    assert pack(found) == (folder / "truth.bin").read_bytes()


@pytest.mark.parametrize("name", ["large-block", "mixed", "nasbench201-table", "one-block"])
def test_every_kind_of_benchmark(name: str, tmp_path: Path) -> None:
    source = CONFORMANCE / name
    truths = truths_of(source, bins=9, n_best=5)
    found = read_truth(with_truth(source, tmp_path / name, pack(truths)))
    assert found is not None
    assert same(found, truths)


def test_a_folder_without_it_says_how_to_get_it() -> None:
    with anb_onnx.load("accuracy", path=PAIRS) as surrogate:
        assert read_truth(PAIRS) is None
        for ask in (surrogate.quantile, surrogate.rank, surrogate.rank_bounds, surrogate.regret):
            with pytest.raises(TruthError, match=r"'accuracy' in .*anb-export truth --out .*pairs"):
                ask(1.0)


def test_a_file_of_its_own_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes((PAIRS / "accuracy.onnx").read_bytes())
    with (
        anb_onnx.load(path=tmp_path / "a.onnx") as surrogate,
        pytest.raises(TruthError, match=r"which no manifest.json lists"),
    ):
        surrogate.truth  # noqa: B018


def test_loading_does_not_read_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANB_ONNX_MAX_TRUTH_BYTES", "10")
    with anb_onnx.load("accuracy", path=folder) as surrogate:
        assert surrogate.query(np.zeros((1, 6), np.uint8)).mean.shape == (1,)
        with pytest.raises(ArtifactError, match=r"at most 10 .* .ANB_ONNX_MAX_TRUTH_BYTES"):
            surrogate.truth  # noqa: B018
        monkeypatch.delenv("ANB_ONNX_MAX_TRUTH_BYTES")
        assert surrogate.truth is surrogate.truth


def test_a_pickled_surrogate_reads_it_where_it_comes_out(folder: Path) -> None:
    with anb_onnx.load("accuracy", path=folder) as surrogate:
        before = surrogate.rank(90.0)
        other = pickle.loads(pickle.dumps(surrogate))
    with other:
        assert other.rank(90.0) == before
    with anb_onnx.load(path=folder / "accuracy.onnx") as surrogate:
        assert surrogate.rank(90.0) == before


def test_an_artifact_that_was_replaced_has_no_longer_the_truth_of_its_name(
    content: bytes, truths: dict[str, Truth], tmp_path: Path
) -> None:
    folder = with_truth(PAIRS, tmp_path / "a", content)
    with anb_onnx.load("accuracy", path=folder) as surrogate:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["targets"]["accuracy"]["sha256"] = "0" * 64
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ArtifactError, match="'accuracy' was proven of other bytes than"):
            surrogate.truth  # noqa: B018
        others = {name: replace(truth, sha256="0" * 64) for name, truth in truths.items()}
        manifest["targets"]["latency_edgegpu"]["sha256"] = "0" * 64
        manifest["truth"] |= write(folder, pack(others))
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(TruthError, match="replaced since it was loaded"):
            surrogate.truth  # noqa: B018


def write(folder: Path, content: bytes) -> dict[str, Any]:
    import hashlib

    (folder / "truth.bin").write_bytes(content)
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


# What values a user asks about: means, numbers next to them, between them and far away.
@pytest.mark.parametrize("target", list(MEANS))
@pytest.mark.parametrize("n_best", [1, 100, 15_625])
def test_quantiles_and_ranks_are_those_of_all_architectures(target: str, n_best: int) -> None:
    y = MEANS[target]
    artifact = CATALOG.find(target)
    truth = truth_of(artifact, y, bins=40, n_best=n_best)
    rng = np.random.default_rng(0)
    drawn = rng.choice(y, 300).astype(np.float64)
    asked = np.concatenate(
        [
            drawn,
            np.nextafter(drawn, np.inf),
            np.nextafter(drawn, -np.inf),
            rng.uniform(y.min() - 1, y.max() + 1, 300),
            truth.edges if truth.edges is not None else [],
            truth.best[:50],
            [-1e300, 1e300, 0.0, -0.0, 5e-324, 3.5e38],
        ]
    )
    least, most = truth.rank_bounds(asked)
    rank, share = truth.rank(asked), truth.quantile(asked)
    wanted = np.array([1 + better(truth.direction, y, v).sum() for v in asked])
    at_most = np.array([(y <= v).mean() for v in asked])
    assert (least <= wanted).all()
    assert (wanted <= most).all()
    assert (least <= rank).all()
    assert (rank <= most).all()
    assert truth.resolution is not None
    assert np.abs(share - at_most).max() <= truth.resolution
    assert (most - least).max() <= round(truth.resolution * len(y))
    exact = np.isin(asked, truth.best) | ~better(
        "min" if truth.direction == "max" else "max", asked, truth.best[-1]
    )
    assert exact.sum() > 5
    assert (least[exact] == most[exact]).all()
    np.testing.assert_array_equal(share[exact], at_most[exact])
    if n_best == len(y):
        assert truth.resolution == 0
    # One by one they are the same.
    for k in range(0, len(asked), 37):
        value = float(asked[k])
        assert truth.rank(value) == rank[k]
        assert type(truth.rank(value)) is int
        assert truth.rank_bounds(value) == (least[k], most[k])
        assert truth.quantile(value) == share[k]
        assert type(truth.quantile(value)) is float


@given(
    means=st.lists(
        st.floats(-1e3, 1e3, width=32) | st.sampled_from([0.0, -0.0, 1.0, 2.5]),
        min_size=18,
        max_size=18,
    ),
    direction=st.sampled_from(["max", "min"]),
    n_best=st.integers(1, 18),
    bins=st.integers(1, 30),
    asked=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_bounds_hold_for_any_means(
    means: list[float], direction: Any, n_best: int, bins: int, asked: list[float]
) -> None:
    (artifact,) = Catalog.read(CONFORMANCE / "one-block").artifacts
    target = replace(artifact.target, direction=direction)
    # Of both zeros a file keeps which it is; for ranks they are one number.
    y = np.array(means, dtype=np.float32) + np.float32(0)
    truth = truth_of(replace(artifact, target=target), y, bins=bins, n_best=n_best, landmarks=(3,))
    values = np.array([*asked, *means])
    wanted = np.array([1 + better(direction, y, v).sum() for v in values])
    least, most = truth.rank_bounds(values)
    assert (least <= wanted).all()
    assert (wanted <= most).all()
    assert truth.resolution is not None
    share = np.array([(y <= v).mean() for v in values])
    assert np.abs(truth.quantile(values) - share).max() <= truth.resolution + 1e-12
    (landmark,) = truth.landmarks.values()
    assert truth.rank_bounds(landmark.value) == (landmark.rank, landmark.rank)


def test_regret_is_the_difference_to_the_optimum(truths: dict[str, Truth]) -> None:
    for name, truth in truths.items():
        y = MEANS[name]
        found = truth.regret(y)
        assert found.dtype == np.float64
        assert found.min() == 0
        assert np.count_nonzero(found == 0) == truth.optimum.count
        best = y.max() if truth.direction == "max" else y.min()
        np.testing.assert_array_equal(found, np.abs(y.astype(np.float64) - float(best)))
        assert truth.regret(float(y[3])) == found[3]
        assert truth.regret(y[3]) == found[3]
        side = np.inf if truth.direction == "max" else -np.inf
        beyond = float(np.nextafter(best, np.float32(side)))
        with pytest.raises(TruthError, match="better than the best architecture has"):
            truth.regret(np.array([float(y[0]), beyond]))
        assert truth.rank(beyond) == 1


@pytest.mark.parametrize(
    "value",
    [
        *(float("nan"), float("inf"), float("-inf"), "1", None, True, 1j, [1.0, "x"], object()),
        *([[1.0], [1.0, 2.0]], np.array(["a"]), np.array([1.0, np.nan]), np.array([True])),
        *({"a": 1}, b"1", np.datetime64("2020-01-01")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_is_refused(truths: dict[str, Truth], value: Any) -> None:
    truth = truths["accuracy"]
    for ask in (truth.quantile, truth.rank, truth.rank_bounds, truth.regret):
        with pytest.raises(TruthError, match="must be a finite number") as caught:
            ask(value)
        assert len(str(caught.value)) < 300


def test_a_prediction_is_asked_for_its_mean(folder: Path) -> None:
    with anb_onnx.load("accuracy", path=folder) as surrogate:
        found = surrogate.query(np.zeros((2, 6), np.uint8))
        with pytest.raises(TruthError, match=r"give its \.mean"):
            surrogate.rank(found)  # type: ignore[call-overload]
        assert surrogate.rank(found.mean).shape == (2,)


def test_shapes_and_kinds_of_numbers(truths: dict[str, Truth]) -> None:
    truth = truths["accuracy"]
    values: list[Any] = [50, np.int64(50), np.float32(50), np.float16(50), np.array(50)]
    for value in values:
        assert truth.rank(value) == truth.rank(50.0)
    assert truth.rank(np.full((2, 3), 50)).tolist() == [[truth.rank(50.0)] * 3] * 2
    assert truth.quantile(np.zeros(0)).shape == (0,)
    least, most = truth.rank_bounds(np.full((2, 3), 50.0))
    assert least.shape == most.shape == (2, 3)


@given(
    points=st.lists(st.tuples(st.integers(-2, 12), st.integers(-2, 12)), max_size=30),
    directions=st.tuples(st.sampled_from([1, -1]), st.sampled_from([1, -1])),
)
@settings(max_examples=200, deadline=None)
def test_hypervolumes_are_areas(points: list[tuple[int, int]], directions: tuple[int, int]) -> None:
    signs = np.array(directions, dtype=np.float32)
    front = Front(
        ("a", "b"),
        np.zeros((2, 6), np.uint8),
        np.array([[12, 1], [1, 12]], np.float32) * signs,
        (0.0, 0.0),
        CATALOG.space,
    )
    cells = {(i, j) for a, b in points for i in range(a) for j in range(b)}
    values = np.array(points, dtype=np.float64).reshape(-1, 2) * signs
    assert front.hypervolume(values) == len(cells)
    assert front.hypervolume() == 12 + 12 - 1


def test_hypervolumes_of_what_is_no_point(truths: dict[str, Truth]) -> None:
    (front,) = truths["accuracy"].fronts.values()
    assert front.hypervolume() > front.hypervolume(front.values[1:]) > 0
    assert front.hypervolume(np.array([front.reference])) == 0
    y = np.stack([MEANS[name] for name in front.targets], axis=1)
    assert front.hypervolume(y) == pytest.approx(front.hypervolume(), rel=1e-12)
    for values in (np.zeros(2), np.zeros((2, 3)), [[1.0, np.nan]], "x", [[True, False]]):
        with pytest.raises(TruthError):
            front.hypervolume(values)  # type: ignore[arg-type]


def test_without_a_distribution_only_the_best_have_ranks(truths: dict[str, Truth]) -> None:
    for full in truths.values():
        truth = replace(full, edges=None, counts=None, shards=None)
        assert truth.resolution is None
        best = float(truth.best[-1])
        assert truth.rank(truth.best).tolist() == full.rank(truth.best).tolist()
        assert truth.rank_bounds(best) == full.rank_bounds(best)
        middle = (truth.worst.value + best) / 2
        for ask in (truth.rank, truth.quantile):
            with pytest.raises(TruthError, match="was never counted; known are ranks from"):
                ask(middle)
        least, most = truth.rank_bounds(middle)
        assert least == len(truth.best) + 1
        assert least <= full.rank(middle) <= most
        beyond = 1e9 if truth.direction == "min" else -1e9
        assert truth.rank(beyond) == truth.total + 1
        bare = replace(truth, best=truth.best[:0], best_to=None)
        with pytest.raises(TruthError, match="was never counted; rank_bounds"):
            bare.rank(middle)
        assert bare.rank_bounds(middle) == (1, truth.total + 1)
        assert pack({truth.target: replace(bare, fronts={})})


def test_spaces_that_no_index_of_64_bits_counts(tmp_path: Path) -> None:
    source = CONFORMANCE / "fbnet-sparse"
    catalog = Catalog.read(source)
    (artifact,) = catalog.artifacts
    size = catalog.space.size
    extreme = anb_onnx.catalog.truth.Extreme  # type: ignore[attr-defined]
    low, high = (np.full((1, 22), code, np.uint8) for code in (0, 8))
    truth = Truth(
        target=artifact.target.name,
        unit=artifact.target.unit,
        direction="min",
        space=catalog.space,
        sha256=artifact.sha256,
        optimum=extreme(1.5, low, 1, catalog.space),
        worst=extreme(20.5, high, size // 2, catalog.space),
        best=np.array([1.5, 1.75, 1.75], np.float32),
        best_to=2.0,
    )
    folder = with_truth(source, tmp_path / "a", pack({truth.target: truth}))
    with anb_onnx.load("latency_pixel2", path=folder) as surrogate:
        assert same(surrogate.truth, truth)
        assert surrogate.rank(1.8) == surrogate.rank(2.0) == 4
        assert surrogate.rank_bounds(3.0) == (4, size + 1)
        assert surrogate.rank_bounds(np.array([1.75, 3.0]))[1].tolist() == [2, size + 1]
        assert surrogate.quantile(30.0) == 1.0
        assert surrogate.rank(30.0) == size + 1
        assert surrogate.truth.worst.architectures[0].index == size - 1


def edited(content: bytes, change: Callable[[dict[str, Any], dict[Any, Any]], object]) -> bytes:
    """Return a file whose JSON and arrays were changed."""
    header, arrays = unpack(content, "test")
    arrays = {key: array.copy() for key, array in arrays.items()}
    change(header, arrays)
    for key in ("kind", "version", "arrays"):
        header.pop(key)
    found = to_bytes(header, arrays)
    assert isinstance(found, bytes)
    return found


def entry(header: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = header["targets"]["accuracy"]
    return found


PAIR = ("accuracy", "latency_edgegpu")


def bump(key: Any, place: Any, by: Any = 1) -> Callable[[Any, Any], object]:
    def change(header: Any, arrays: Any) -> None:
        arrays[key][place] += by

    return change


def put(key: Any, value: Any) -> Callable[[Any, Any], object]:
    return lambda header, arrays: arrays.update({key: value})


def state(key: str, value: Any) -> Callable[[Any, Any], object]:
    def change(header: Any, arrays: Any) -> None:
        part = entry(header)
        *way, last = key.split(".")
        for step in way:
            part = part[step]
        part[last] = value

    return change


A = "accuracy"
CONTRADICTIONS: list[tuple[Callable[[Any, Any], object], str]] = [
    (lambda h, a: h.update(search_space={"name": "other", "size": 15625}), "search_space"),
    (lambda h, a: h.update(targets={}), "key 'targets' must be"),
    (lambda h, a: h.update(targets=[]), "key 'targets' must be"),
    (lambda h, a: h["targets"].update(other={}), "target 'other' is not in"),
    (lambda h, a: h["targets"].update(accuracy=None), "proven of other bytes"),
    (state("sha256", "0" * 64), "proven of other bytes"),
    (state("optimum", None), "key 'optimum' must have count, value"),
    (state("optimum.value", "1"), "key 'optimum.value' must be a number of float32"),
    (state("optimum.value", 0.1), "key 'optimum.value' must be a number of float32"),
    (state("optimum.value", 1e39), "key 'optimum.value' must be a number of float32"),
    (state("optimum.value", 99.0), "must begin with the optimum"),
    (state("optimum.count", 0), "key 'optimum.count' must be from 1 to 15625"),
    (state("optimum.count", 2), "must begin with the optimum"),
    (state("worst.count", 10**30), "key 'worst.count' must be from"),
    (state("worst.count", True), "key 'worst.count' must be from"),
    (state("worst.value", 100.0), "is worse than its worst"),
    (state("worst.value", -1024.0), "'edges' must begin at the least mean"),
    (state("worst.count", 2000), "worst has another count"),
    (state("best_to", None), "need each other"),
    (state("best_to", 100.0), "key 'best_to' must lie between"),
    (state("best_to", -1024.0), "key 'best_to' must lie between"),
    (state("best_to", 99.0), "list of the best holds other counts"),
    (lambda h, a: a.pop((A, "best")), "need each other"),
    (lambda h, a: a.pop((A, "edges")), "need each other"),
    (lambda h, a: a.pop((A, "counts")), "need each other"),
    (lambda h, a: a.pop((A, "optimum")), "array 'optimum' is missing"),
    (lambda h, a: a.pop((A, "digests")), "need each other"),
    (lambda h, a: (a.pop((A, "edges")), a.pop((A, "counts"))), "need each other"),
    (state("shards.size", 626), "do not make up the space"),
    (state("shards.size", 0), r"key 'shards\.size' must be from 1"),
    (state("shards.bins", 0), "must state bins and a list of landmarks"),
    (state("shards.bins", True), "must state bins and a list of landmarks"),
    (state("shards.landmarks", 7), "must state bins and a list of landmarks"),
    (state("shards.landmarks", ["x"]), r"key 'shards\.landmarks' must be a number of float32"),
    (state("shards", []), "key 'shards' must have bins, landmarks, size"),
    (put((A, "digests"), np.zeros((25, 7), np.uint8)), "array 'digests' must be uint8"),
    (put((A, "optimum"), np.zeros((1, 5), np.uint8)), "array 'optimum' must be uint8"),
    (put((A, "optimum"), np.zeros((0, 6), np.uint8)), "array 'optimum' must be uint8"),
    (put((A, "optimum"), np.zeros((1, 6), np.float32)), "array 'optimum' must be uint8"),
    (put((A, "optimum"), np.full((1, 6), 5, np.uint8)), "codes that search space"),
    (put((A, "optimum"), np.zeros((2, 6), np.uint8)), "an architecture twice"),
    (put((A, "best"), np.zeros((1, 1), np.float32)), "array 'best' must be float32"),
    (bump((A, "best"), 0, np.float32(np.nan)), "not finite"),
    (bump((A, "best"), 50, np.float32(10)), "must begin with the best and go on to worse"),
    (bump((A, "edges"), 3, np.float32(np.inf)), "not finite"),
    (bump((A, "edges"), 3, np.float32(10)), "strictly increasing"),
    (bump((A, "edges"), 0, np.float32(-1)), "must begin at the least mean"),
    (bump((A, "edges"), -1, np.float32(1)), "must begin at the least mean"),
    (bump((A, "counts"), 3), "must add up to the 15625 architectures"),
    (put((A, "counts"), np.full(53, 2**62)), "must add up to the 15625|one edge more"),
    (state("landmarks", []), "key 'landmarks' must be an object"),
    (state("landmarks", {"\x1b[2J": {}}), "key 'landmarks' must be an object"),
    (state("landmarks", {"x": {}}), r"key 'landmarks\.x' must have better, codes, equal, value"),
    (state("landmarks.number 7.codes", [0] * 5), "must be the codes of an architecture"),
    (state("landmarks.number 7.codes", [5] + [0] * 5), "must be the codes of an architecture"),
    (state("landmarks.number 7.codes", [0.0] * 6), "must be the codes of an architecture"),
    (state("landmarks.number 7.better", 3), "is not what the distribution counts"),
    (state("landmarks.number 7.better", -1), "must be from 0 to"),
    (state("landmarks.number 7.equal", 0), "must be from 1 to"),
    (state("landmarks.number 7.equal", 9), "is not what the distribution counts"),
    (state("landmarks.number 7.value", None), "must be a number of float32"),
    (lambda h, a: a.pop((PAIR, "codes")), "array 'codes' is missing"),
    (lambda h, a: a.pop((PAIR, "values")), "array 'values' is missing"),
    (lambda h, a: a.update({(PAIR, "values"): a[PAIR, "values"][:-1]}), "array 'values' must be"),
    (lambda h, a: a.update({(PAIR, "values"): a[PAIR, "values"][::-1]}), "another one dominates"),
    (
        lambda h, a: a[PAIR, "values"].__setitem__((1, 1), a[PAIR, "values"][0, 1]),
        "another one dominates",
    ),
    (bump((PAIR, "values"), (0, 0), np.float32(1e6)), "not between optimum and worst"),
    (
        lambda h, a: [a.update({(PAIR, n): a[PAIR, n][1:]}) for n in ("codes", "values")],
        "does not reach the optimum of 'accuracy'",
    ),
    (
        lambda h, a: [a.update({(PAIR, n): a[PAIR, n][:-1]}) for n in ("codes", "values")],
        "does not reach the optimum of 'latency_edgegpu'",
    ),
    (put(((A, A), "codes"), np.zeros((1, 6), np.uint8)), "both must be targets, and two"),
    (put(((A, "other"), "codes"), np.zeros((1, 6), np.uint8)), "both must be targets, and two"),
    (put(("other", "best"), np.zeros(1, np.float32)), r"array \('other', 'best'\) is unknown"),
    (put((A, "other"), np.zeros(1, np.float32)), r"array \('accuracy', 'other'\) is unknown"),
]


@pytest.mark.parametrize(("change", "message"), CONTRADICTIONS, ids=range(len(CONTRADICTIONS)))
def test_what_contradicts_itself_is_refused(
    content: bytes, change: Callable[[Any, Any], object], message: str
) -> None:
    header, arrays = unpack(edited(content, change), "truth.bin")
    with pytest.raises(ArtifactError, match=message) as caught:
        of_catalog(CATALOG, header, arrays, "truth.bin")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
    assert "anb-export truth" in str(caught.value)


def test_a_count_moved_between_bins_is_seen_where_the_best_are_listed(content: bytes) -> None:
    def move(header: Any, arrays: Any) -> None:
        arrays[A, "counts"][-3] += 1
        arrays[A, "counts"][0] -= 1

    header, arrays = unpack(edited(content, move), "truth.bin")
    with pytest.raises(ArtifactError, match="list of the best holds other counts"):
        of_catalog(CATALOG, header, arrays, "truth.bin")


def header_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def with_header(header: Any, rest: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("of", 7),
        ("of", []),
        ("of", [A]),
        ("of", [A, A, A]),
        ("of", ["", A]),
        ("of", None),
        ("of", "\x1b[2J"),
        ("name", 7),
        ("name", None),
        ("name", []),
        ("dtype", "float64"),
        ("dtype", []),
        ("dtype", None),
        ("shape", []),
        ("shape", 7),
        ("shape", [2**40, 2**40]),
        ("shape", [-1]),
        ("shape", [1.0]),
        ("shape", [True]),
        ("shape", [1, 1, 1]),
        ("shape", [10**4000]),
        ("shape", [0]),
    ],
)
def test_hostile_arrays_are_refused(content: bytes, key: str, value: object) -> None:
    for which in (0, 3, -1):
        header, rest = header_of(content)
        header["arrays"][which][key] = value
        with pytest.raises(ArtifactError, match=r"^truth\.bin: ") as caught:
            unpack(with_header(header, rest), "truth.bin")
        assert len(str(caught.value)) < 600
        assert str(caught.value).isprintable()


def test_hostile_files_are_refused(content: bytes) -> None:
    header, rest = header_of(content)
    for file, message in (
        (b"", "would end at byte 8 of 0"),
        (b"\xff" * 8, "would end at byte"),
        (b"\0" * 100, "would end at byte 8 of 100"),
        (content[:8] + b"x" + content[9:], "not valid JSON"),
        (with_header([], rest), "must hold a JSON object"),
        (with_header({**header, "kind": "x"}, rest), "key 'kind' must be 'anb_onnx truth'"),
        (with_header({**header, "version": 2}, rest), "pip install --upgrade anb-onnx"),
        (with_header({**header, "version": 0}, rest), "key 'version' must be 1, not 0"),
        (with_header({**header, "version": True}, rest), "key 'version' must be 1, not True"),
        (with_header({**header, "arrays": None}, rest), "key 'arrays' must be a list"),
        (with_header({**header, "arrays": ["x"]}, rest), "malformed array 'x'"),
        (with_header({**header, "arrays": header["arrays"][:1] * 2}, rest), "stands twice"),
        (with_header({**header, "arrays": header["arrays"][:-1]}, rest), "the arrays end at byte"),
        (content + b"x", "the arrays end at byte"),
        (content[:-1], "it ends behind the file's"),
    ):
        with pytest.raises(ArtifactError, match=message):
            unpack(file, "truth.bin")


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_damage_is_an_error_or_reads(data: st.DataObject) -> None:
    content = pack(truths_of(CONFORMANCE / "one-block", bins=3, n_best=4))
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    with contextlib.suppress(ArtifactError):
        header, arrays = unpack(bytes(damaged), "truth.bin")
        of_catalog(Catalog.read(CONFORMANCE / "one-block"), header, arrays, "truth.bin")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "is damaged: sha256"),
        ({"sha256": 7}, "64 hexadecimal digits, not 7"),
        ({"bytes": 7}, "key 'bytes' must be"),
        ({"bytes": None}, "key 'bytes' must be"),
        ({"file": "../truth.bin"}, "plain file name"),
        ({"file": "missing.bin"}, "cannot be read"),
    ],
)
def test_malformed_entries_are_refused(
    content: bytes, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = with_truth(PAIRS, tmp_path / "a", content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["truth"] |= change
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=message):
        read_truth(folder)
    manifest["truth"] = [1]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="truth: must be an object"):
        read_truth(folder)
