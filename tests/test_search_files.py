"""Files of histories: the same bits back, the same bytes again, and damage refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_spaces import BEYOND_64_BITS, spaces
from search_cases import SMALL, rugged

import anb_onnx
from anb_onnx import MNASNET, Problem, exact, sample, search
from anb_onnx._io.output import OutputError
from anb_onnx.errors import AnbError, ExtraError, SearchError, TruthError

TASKS = anb_onnx.tasks()
CATALOGS = Path(__file__).resolve().parents[1] / "spaces" / "anb_onnx_spaces" / "artifacts"
SUFFIXES = ("json", "parquet")


def same(a: search.History, b: search.History) -> None:
    """Check that two histories are the same, bit for bit."""
    for name in ("codes", "observed", "exact", "violations", "cost", "known_front", "indices"):
        one, other = getattr(a, name), getattr(b, name)
        assert (one is None) == (other is None), name
        if one is not None:
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            # Not assert_array_equal: the sign of a zero counts, too.
            assert [*map(repr, one.ravel().tolist())] == [*map(repr, other.ravel().tolist())]
    for name in ("space", "names", "units", "directions", "constraints", "problem", "optimizer"):
        assert getattr(a, name) == getattr(b, name), name
    assert a.known_optimum == b.known_optimum


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def histories(draw: st.DrawFn) -> search.History:
    """Draw a history of any shape and numbers."""
    space = draw(spaces(max_blocks=3) | st.just(BEYOND_64_BITS))
    n, m, k = draw(st.integers(0, 5)), draw(st.integers(1, 3)), draw(st.integers(0, 2))

    def numbers(columns: int, values: Any = FINITE) -> Any:
        drawn = draw(st.lists(values, min_size=n * columns, max_size=n * columns))
        return np.array(drawn, dtype=np.float64).reshape(n, columns)

    observed = numbers(m)
    return search.History(
        space=space,
        codes=sample(n, seed=draw(st.integers(0, 99)), space=space),
        observed=observed,
        exact=observed if draw(st.booleans()) else numbers(m, FINITE | st.just(float("nan"))),
        violations=numbers(k),
        cost=numbers(1)[:, 0] if draw(st.booleans()) else None,
        names=tuple(f"{draw(st.text(max_size=4))}{i}" for i in range(m)),
        units=tuple(draw(st.text(max_size=4)) for _ in range(m)),
        directions=tuple(draw(st.sampled_from(["max", "min"])) for _ in range(m)),
        constraints=tuple((f"t{i}", "<=", draw(FINITE | st.just(5.0))) for i in range(k)),
        optimizer={"name": draw(st.text(max_size=9)), "rate": draw(FINITE), "none": None},
        known_optimum=draw(st.none() | FINITE),
        known_front=np.array(draw(st.lists(st.lists(FINITE, min_size=m, max_size=m), min_size=1)))
        if m > 1 and draw(st.booleans())
        else None,
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(history=histories())
@settings(max_examples=60)
def test_any_history_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, history: search.History
) -> None:
    path = tmp_path_factory.mktemp("histories") / f"h.{suffix}"
    history.save(path)
    content = path.read_bytes()
    again = search.History.load(path)
    same(history, again)
    again.save(path)
    assert path.read_bytes() == content


SEARCHED = {
    "task": lambda: search.random_search(TASKS["accuracy-latency_zcu102-5ms-v1"], budget=60, rng=0),
    "noisy": lambda: search.random_search(TASKS["accuracy-noisy-v1"], budget=60, rng=0),
    "cost": lambda: search.random_search(TASKS["accuracy-gpu-hours-v1"], budget=60, rng=0),
    "product": lambda: search.random_search(TASKS["reward-latency_zcu102-v1"], budget=60, rng=0),
    "target": lambda: search.random_search("latency_zcu102", budget=60, rng=0),
    "other space": lambda: search.random_search(
        Problem(anb_onnx.targets(benchmark="nasbench201")[0].name, benchmark="nasbench201"),
        budget=60,
        rng=0,
    ),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", SEARCHED)
def test_a_file_finds_its_problem_again(tmp_path: Path, name: str, suffix: str) -> None:
    if name == "other space" and not CATALOGS.is_dir():
        pytest.skip("needs the catalogs in spaces, part of the repository")
    history = SEARCHED[name]()
    history.save(tmp_path / f"deep/er/h.{suffix}")
    again = search.History.load(tmp_path / f"deep/er/h.{suffix}")
    same(history, again)
    if name == "other space":
        with pytest.raises(TruthError, match=r"or history\.with_optimum\(\) has it proven"):
            _ = again.regret
        again, history = again.with_optimum(), history.with_optimum()
    np.testing.assert_array_equal(again.regret, history.regret)


def test_a_front_is_found_again(tmp_path: Path) -> None:
    history = search.random_search(TASKS["accuracy-throughput_a100-front-v1"], budget=60, rng=0)
    history.save(tmp_path / "h.json")
    again = search.History.load(tmp_path / "h.json")
    np.testing.assert_array_equal(again.hypervolume_regret(), history.hypervolume_regret())


def test_weights_and_what_was_proven_are_kept(tmp_path: Path) -> None:
    weights = exact.WeightedSum({"accuracy": 1.0, "latency_zcu102": -0.5})
    history = search.random_search(weights, budget=60, rng=0).with_optimum(63.774)
    history.save(tmp_path / "h.json")
    again = search.History.load(tmp_path / "h.json")
    same(history, again)
    np.testing.assert_array_equal(again.regret, history.regret)
    assert f"{again.with_optimum().optimum:.4f}" == "63.7740"


def test_artifacts_that_are_not_installed_are_given(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    anb_onnx.load("params").save(folder, benchmark="mine")
    other = anb_onnx.load("params", path=folder)
    history = search.random_search(Problem(other), budget=60, rng=0)
    history.save(tmp_path / "h.json")
    again = search.History.load(tmp_path / "h.json")
    with pytest.raises(TruthError, match=r"another artifact of 'params'.*History\.load\(path, obj"):
        _ = again.regret
    found = search.History.load(tmp_path / "h.json", objective=other)
    same(history, found)
    assert found.with_optimum().optimum == anb_onnx.load("params").truth.optimum.value
    with pytest.raises(TruthError, match="another artifact of 'params'"):
        again.of("params")
    with pytest.raises(TruthError, match=r"this history is of .*params.* not of .*accuracy"):
        again.of("accuracy")


def test_the_bytes_of_a_file_are_those_of_the_history(tmp_path: Path) -> None:
    history = search.random_search(rugged(SMALL, 0), budget=4, rng=0, space=SMALL)
    history.save(tmp_path / "h.json")
    document = json.loads((tmp_path / "h.json").read_text())
    assert document["format"] == "anb_onnx.search.History"
    assert document["version"] == 1
    assert document["indices"] == history.indices.tolist()
    assert document["numbers"] == {"objective_value": history.values.tolist()}
    assert document["optimizer"] == {"name": "random_search", "seed": 0}
    assert [*tmp_path.iterdir()] == [tmp_path / "h.json"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "h.json"
    search.random_search(TASKS["accuracy-latency_zcu102-5ms-v1"], budget=6, rng=0).save(path)
    return path


def changed(document: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    parts = key.split("/")
    inner = document
    for part in parts[:-1]:
        inner = inner[part]
    if value is KeyError:
        del inner[parts[-1]]
    else:
        inner[parts[-1]] = value
    return document


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "its 'format' is not 'anb_onnx.search.History'"),
        ("version", 2, "its version is 2; this release reads 1"),
        ("version", KeyError, "its version is None"),
        ("sha256", "0" * 64, "its content is not what its SHA-256 is of"),
        ("sha256", KeyError, "KeyError: 'sha256'"),
        ("indices", None, "'indices' is a list"),
        ("indices", [0] * 6, "its content is not what its SHA-256 is of"),
        ("indices", [0] * 5, "it has 5 rows, not the 6 that it states"),
        ("indices", [-1] * 6, "row 0: index -1 is out of range"),
        ("indices", [0.5] * 6, "an index is an integer, not 0.5"),
        ("numbers/accuracy_value", [1.0] * 6, "its content is not what its SHA-256 is of"),
        ("numbers/accuracy_value", [1.0] * 5, "has 5 rows of 6"),
        ("numbers/accuracy_value", ["1"] * 6, "is a list of numbers"),
        ("numbers/accuracy_value", [True] * 6, "is a list of numbers"),
        ("numbers/accuracy_value", KeyError, "the columns ['latency_zcu102<=5.0_violation']"),
        ("numbers/other", [1.0] * 6, "'other'"),
        ("numbers", [], "'numbers' an object"),
        ("n", 7, "not the 7 that"),
        ("n", 10**30, "it has 6 rows"),
        ("n", -1, "it has 6 rows"),
        ("n", True, "key 'n' is True"),
        ("names", ["a", "b"], "its objectives or constraints are none"),
        ("names", [1], "its objectives or constraints are none"),
        ("directions", ["up"], "its objectives or constraints are none"),
        ("constraints", [["latency_zcu102", "<", 5.0]], "its objectives or constraints are none"),
        ("constraints", [5], "its objectives or constraints are none"),
        ("space", {"name": "x"}, "this does not describe a search space"),
        ("space", None, "key 'space' is None"),
        ("optimizer", KeyError, "key 'optimizer' is missing"),
        ("surprise", 1, "key 'surprise' is unknown"),
        ("known_optimum", "1", "key 'known_optimum' is '1'"),
        ("known_optimum", 67.0, "its content is not what its SHA-256 is of"),
    ],
)
def test_what_is_damaged_or_edited_is_refused(
    saved: Path, tmp_path: Path, key: str, value: Any, message: str
) -> None:
    path = tmp_path / "h.json"
    path.write_text(json.dumps(changed(json.loads(saved.read_text()), key, value)))
    with pytest.raises(SearchError) as caught:
        search.History.load(path)
    assert f"{path} is no history of a search, or damaged (" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"a": NaN}', b"PAR1"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_no_history_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"h.{suffix}"
    path.write_bytes(content)
    with pytest.raises(SearchError, match="is no history of a search, or damaged"):
        search.History.load(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_flipped_or_lost_byte_is_noticed(tmp_path: Path, suffix: str) -> None:
    history = search.random_search("accuracy", budget=30, rng=0)
    path = tmp_path / f"h.{suffix}"
    history.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 150).tolist():
        for damaged in (
            whole[:place],
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
        ):
            path.write_bytes(damaged)
            try:
                again = search.History.load(path)
            except AnbError:
                continue
            # Bytes that mean nothing, as a space or Parquet's statistics.
            same(history, again)


def test_parquet_of_another_table_is_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    path = tmp_path / "h.parquet"
    parquet.write_table(pyarrow.table({"index": [1, 2]}), path)
    with pytest.raises(SearchError, match="is no history of a search, or damaged"):
        search.History.load(path)
    history = search.random_search("accuracy", budget=30, rng=0)
    history.save(path)
    table = parquet.read_table(path)
    for column in (pyarrow.array([None] * 30, pyarrow.float64()), pyarrow.array(["x"] * 30)):
        parquet.write_table(table.set_column(1, "accuracy_value", column), path)
        with pytest.raises(SearchError, match="column 'accuracy_value' is of"):
            search.History.load(path)


def test_paths_that_cannot_be_used(tmp_path: Path) -> None:
    history = search.random_search("accuracy", budget=3, rng=0)
    for name in ("h", "h.csv", "h.json.gz"):
        with pytest.raises(SearchError, match=r"is \.json or \.parquet, not that of"):
            history.save(tmp_path / name)
        with pytest.raises(SearchError, match=r"is \.json or \.parquet, not that of"):
            search.History.load(tmp_path / name)
    with pytest.raises(AnbError, match="cannot be read"):
        search.History.load(tmp_path / "missing.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        history.save(tmp_path / "folder.json")


def test_parquet_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = search.random_search("accuracy", budget=3, rng=0)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ExtraError, match=r"needs pyarrow .*pip install 'anb-onnx\[search\]'"):
        history.save(tmp_path / "h.parquet")
    history.save(tmp_path / "h.json")
    (tmp_path / "h.json").rename(tmp_path / "h.parquet")
    with pytest.raises(ExtraError, match="needs pyarrow"):
        search.History.load(tmp_path / "h.parquet")
    assert history.space == MNASNET


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_with_a_constraint_twice_is_refused(tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    problem = Problem("accuracy", [("params", "<=", 4.0)])
    one = search.random_search(problem, budget=3, rng=0)
    twice = replace(
        one,
        constraints=one.constraints * 2,
        violations=np.repeat(one.violations, 2, axis=1),
    )
    twice.save(tmp_path / f"h.{suffix}")
    with pytest.raises(SearchError, match="a constraint is there twice"):
        search.History.load(tmp_path / f"h.{suffix}")
