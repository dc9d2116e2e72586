"""Searches over the digits' space at a budget of seconds, and the comparison of their rankings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools import need_tool

import anb_onnx
from anb_onnx import Link, SearchSpace, Surrogate, Terms
from anb_onnx.curves import CurveForm
from anb_onnx.errors import AnbError
from anb_onnx.loading import from_vector
from anb_onnx.tables import TableEnsemble
from anb_onnx.vectors import VectorEnsemble
from benchmarks.digits_curves import comparing, evaluators
from benchmarks.digits_curves.agreement import agree, tau
from benchmarks.digits_curves.comparing import Side
from benchmarks.digits_curves.evaluators import Forest, Nearest, Predicted, Real
from benchmarks.digits_curves.files import CURVES, FILE, DigitsCurves
from benchmarks.digits_curves.genes import EPOCHS, GENES
from benchmarks.digits_curves.searches import RUNGS, SEARCHES, Course, search
from benchmarks.digits_curves.space import DIGITS
from benchmarks.digits_curves.training import Epoch


class Known:
    """Curves by formula: good at a middle learning rate, wider is better and slower."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[int, ...], int]] = []

    def __call__(self, codes: tuple[int, ...], epochs: int) -> tuple[Sequence[float], list[float]]:
        self.asked.append((codes, epochs))
        rate, width = codes[list(GENES).index("learning_rate")], codes[2]
        best = 0.9 - 0.1 * abs(rate - 3) + 0.03 * width
        at = np.arange(1, epochs + 1)
        return (best * (1 - np.exp(-at / 4))).tolist(), (0.01 * (1 + width) * at).tolist()


@pytest.fixture(scope="module", autouse=True)
def optuna() -> Any:
    return need_tool("optuna")


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_spends_its_seconds_and_no_more(name: str) -> None:
    run = Known()
    course = search(name, run, budget=6.0, seed=3)
    assert (np.diff(course.seconds) > 0).all()
    assert 6.0 - 0.04 <= course.seconds[-1] <= 6.0
    assert len(course.seconds) == len(course.accuracy)
    # What a run is asked goes on where it was, along the rungs.
    steps = (*RUNGS, EPOCHS)
    assert run.asked[0][1] == 1
    for (before, at), (codes, epochs) in zip(run.asked, run.asked[1:], strict=False):
        on = at != EPOCHS and epochs == steps[steps.index(at) + 1]
        assert (codes == before) if on and epochs > 1 else epochs == 1
    assert course.runs == sum(epochs == 1 for _, epochs in run.asked)
    again = search(name, Known(), budget=6.0, seed=3)
    assert again.accuracy.tolist() == course.accuracy.tolist()


def test_halving_begins_more_runs_and_hyperband_some_more() -> None:
    began = {name: search(name, Known(), budget=12.0, seed=0).runs for name in SEARCHES}
    assert began["successive halving"] > 3 * began["random"]
    assert began["random"] < began["Hyperband"] < began["successive halving"]


def test_tpe_finds_what_is_good() -> None:
    found = {name: search(name, Known(), budget=15.0, seed=1) for name in ("random", "TPE")}
    late = {name: course.accuracy[EPOCHS - 1 :: EPOCHS][-10:] for name, course in found.items()}
    assert late["TPE"].mean() > late["random"].mean() + 0.05


def test_a_run_that_diverges_counts_as_0_and_ends() -> None:
    def run(codes: tuple[int, ...], epochs: int) -> tuple[list[float], list[float]]:
        return [float("nan")] * epochs, [0.1 * at for at in range(1, epochs + 1)]

    course = search("successive halving", run, budget=5.0, seed=0)
    assert course.accuracy.max() == 0
    assert course.best([5.0]).tolist() == [0.0]


def test_what_ends_after_the_budget_is_not_counted() -> None:
    def run(codes: tuple[int, ...], epochs: int) -> tuple[list[float], list[float]]:
        return [0.5] * (epochs - 1) + [0.9], [1.0 * at for at in range(1, epochs + 1)]

    course = search("random", run, budget=26.5, seed=0)
    assert course.seconds[-1] == 26
    # The 0.9 of the last epoch would come at 27 seconds, those of the rungs came in time.
    assert course.runs == 1


def test_the_best_until_some_seconds() -> None:
    course = Course(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.7, 0.6]), 1)
    assert course.best([0.5, 1.0, 1.9, 2.0, 9.0]).tolist() == [0.0, 0.5, 0.5, 0.7, 0.7]


@pytest.mark.parametrize(
    ("name", "budget", "message"), [("Hyper", 1.0, "there are random"), ("random", 0.0, "above 0")]
)
def test_what_a_search_cannot_be_asked(name: str, budget: float, message: str) -> None:
    with pytest.raises(AnbError, match=message):
        search(name, Known(), budget=budget, seed=0)


class Pretended:
    made: list[tuple[tuple[int, ...], int]]

    def __init__(self, codes: tuple[int, ...], seed: int) -> None:
        self.made.append((codes, seed))
        self.epochs: list[Epoch] = []

    def step(self) -> None:
        at = len(self.epochs) + 1
        self.epochs.append(Epoch(at / 100, 1.0, 1.0, at / 10))


def test_real_runs_go_on_and_each_has_a_seed_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pretended, "made", [], raising=False)
    monkeypatch.setattr(evaluators, "Training", Pretended)
    real = Real(2)
    a, b = (0,) * 11, (1,) * 11
    assert real(a, 1) == ([0.01], [0.1])
    assert real(a, 3) == ([0.01, 0.02, 0.03], [0.1, 0.2, 0.3])
    real(b, 1)
    real(b, 1)  # the same again is another run
    assert [codes for codes, _ in Pretended.made] == [a, b, b]
    seeds = [seed for _, seed in Pretended.made]
    assert len(set(seeds)) == 3
    assert min(seeds) > 4


def measured() -> DigitsCurves:
    codes = np.array([[0] * 11, [0, 2, 3, 0, 0, 0, 0, 6, 3, 0, 0], [0] * 11], np.uint8)
    curve = np.linspace(0.1, 0.9, EPOCHS, dtype=np.float32)
    curves = {name: np.stack([curve, curve / 2, curve / 3]) for name in CURVES}
    plain = np.zeros(3, np.float32)
    return DigitsCurves(
        codes=codes, seed=np.array([0, 0, 1], np.uint8), repeat=np.zeros(3, bool), **curves,
        test_accuracy=plain, reference_seconds=plain, when=np.zeros(3, "datetime64[s]"), about={},
    )  # fmt: skip


def test_the_nearest_measured_run_answers() -> None:
    rows = measured()
    run = Nearest(rows)
    for row in range(2):
        accuracy, seconds = run(tuple(rows.codes[row].tolist()), 9)
        assert accuracy == rows.val_accuracy[row, :9].tolist()
        assert seconds == rows.seconds[row, :9].tolist()
    near = (1, 2, 2, 0, 0, 0, 0, 5, 3, 0, 0)
    assert run(near, 1)[0] == rows.val_accuracy[1, :1].tolist()


def test_a_forest_of_measured_runs_answers() -> None:
    need_tool("sklearn")
    rows = measured()
    # As often as leaves hold: all trees know both configurations.
    run = Forest(rows.take(np.repeat([0, 1], 4)))
    for row in range(2):
        accuracy, seconds = run(tuple(rows.codes[row].tolist()), 9)
        assert accuracy == pytest.approx(rows.val_accuracy[row, :9].tolist())
        assert seconds == pytest.approx(rows.seconds[row, :9].tolist())


def curves_of(
    unit: str,
    *,
    knots: tuple[float, ...],
    low: float,
    metric: str,
    space: SearchSpace = DIGITS,
) -> Surrogate:
    """A surrogate whose value grows with the epoch, faster with each gene's code."""
    terms = Terms(space, tuple((block,) for block in range(len(GENES))))
    # A code counts as many quarters as it is, of the stem ten times that.
    rows = [
        np.arange(len(gene.choices), dtype=np.int32) * (10 if gene.name == "stem" else 1)
        for block in space.blocks
        for gene in block.genes
    ]
    entries = np.concatenate(rows)[:, None]
    slope = TableEnsemble(space, entries, 0.25, 1.0, Link(), terms)
    form = CurveForm(at=knots, basis=tuple((at / 27,) for at in knots), offset=(low,) * len(knots))
    facts: dict[str, Any] = {"metric": metric, "device": None, "unit": unit, "direction": "max"}
    facts |= {"exact": False, "quality": {}, "versions": {}}
    facts["outputs"] = [{"unit": unit, "direction": "max"}]
    return from_vector(VectorEnsemble((slope,), ("slope",), form), facts)


EVERY = tuple(float(at) for at in range(1, EPOCHS + 1))


def test_surrogates_of_curves_answer() -> None:
    accuracy = curves_of("%", knots=EVERY, low=50.0, metric="val_accuracy")
    time = curves_of("s", knots=(1.0, 27.0), low=0.0, metric="train_time")
    run = Predicted(accuracy, time)
    codes = (0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0)  # slope 1 + 0.25 * 4
    values, seconds = run(codes, 3)
    assert values == pytest.approx([0.5 + 2 * at / 2700 for at in (1, 2, 3)])
    assert seconds == pytest.approx([2 * at / 27 for at in (1, 2, 3)])
    assert run(codes, EPOCHS)[1][-1] == pytest.approx(2.0)
    whole = Predicted(accuracy, time.outputs["slope"])
    assert whole(codes, 9)[1][-1] == pytest.approx(2.0 * 9 / 27)


def test_the_genes_of_surrogates_may_stand_in_another_order() -> None:
    turned = SearchSpace("digits", DIGITS.blocks[::-1])
    runs = [
        Predicted(
            curves_of("1", knots=EVERY, low=0.0, metric="val_accuracy", space=space),
            curves_of("s", knots=EVERY, low=0.0, metric="train_time", space=space),
        )
        for space in (DIGITS, turned)
    ]
    codes = (3, 2, 1, 0, 0, 0, 0, 6, 1, 0, 1)
    assert runs[0](codes, 9) == runs[1](codes, 9)


def test_surrogates_of_something_else_are_refused() -> None:
    good = curves_of("1", knots=EVERY, low=0.1, metric="val_accuracy")
    time = curves_of("s", knots=EVERY, low=0.1, metric="train_time")
    with pytest.raises(AnbError, match="no curve over 27 epochs"):
        Predicted(curves_of("1", knots=(1.0, 9.0), low=0.1, metric="val_accuracy"), time)
    with pytest.raises(AnbError, match="where '%' or '1' and 's' are needed"):
        Predicted(good, good)
    other = anb_onnx.load("accuracy")
    with pytest.raises(AnbError, match="do not know the digits"):
        Predicted(other, time)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=8))
def test_tau_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    scipy_stats = need_tool("scipy.stats")
    first, second = zip(*pairs, strict=True)
    wanted = scipy_stats.kendalltau(first, second).statistic
    assert tau(first, second) == pytest.approx(wanted, nan_ok=True)


def test_agreement_of_rankings() -> None:
    order = np.array([[1.0, 2.0, 3.0, 4.0]] * 4)
    same = agree(order, order)
    assert (same.tau, same.low, same.high, same.ceiling) == (1, 1, 1, 1)
    assert same.chance == pytest.approx(1 / 24)
    other = agree(order[:, ::-1], order)
    assert (other.tau, other.chance) == (-1, 1)
    torn = np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
    assert agree(order, torn).ceiling == -1
    constant = agree(np.ones((2, 3)), np.ones((2, 3)))
    assert np.isnan([constant.tau, constant.low, constant.chance, constant.ceiling]).all()
    with pytest.raises(AnbError, match="the same 2 to 8"):
        agree(order, order[:, :3])


def side(made: list[int], **changed: Any) -> Side:
    def make(seed: int) -> Known:
        made.append(seed)
        return Known()

    return Side(**{"name": "known", "seeds": 2, "make": make, "stamp": {"a": 1}, **changed})


def test_searches_are_kept_and_done_again_only_for_another_stamp(tmp_path: Path) -> None:
    made: list[int] = []
    first = comparing.courses(side(made), tmp_path, budget=0.5, compute=True)
    assert made == [0] * len(SEARCHES) + [1] * len(SEARCHES)
    again = comparing.courses(side(made), tmp_path, budget=0.5, compute=True)
    assert len(made) == 2 * len(SEARCHES)
    assert again["BOHB"][1].accuracy.tolist() == first["BOHB"][1].accuracy.tolist()
    other = side(made, stamp={"a": 2})
    assert not comparing.courses(other, tmp_path, budget=0.5, compute=False)["BOHB"]
    (tmp_path / "known" / "BOHB-1.json").unlink()
    partly = comparing.courses(side(made), tmp_path, budget=0.5, compute=False)
    assert {len(of) for of in partly.values()} == {1}


def test_seconds_at_another_pace(tmp_path: Path) -> None:
    notes = iter([{"reference_seconds": 0.1 * n} for n in range(1, 7)])
    one = side([], seeds=1, note=lambda: next(notes))
    found = comparing.courses(one, tmp_path, budget=0.5, compute=True)
    assert comparing.reference(one, tmp_path) == pytest.approx(0.35)
    slower = comparing.at_pace(found, 0.5)
    assert slower["TPE"][0].best([0.2]) == found["TPE"][0].best([0.4])


def test_a_comparison_and_its_tables() -> None:
    def of(offset: float) -> dict[str, list[Course]]:
        return {
            name: [
                Course(np.array([1.0, 2.0]), np.array([0.5, 0.6 + n / 50 + offset + s / 500]), n)
                for s in range(3)
            ]
            for n, name in enumerate(SEARCHES)
        }

    found = comparing.compare({"real": of(0.0), "model": of(0.1)}, [1.0, 2.0])
    at_1, at_2, over_all = found.agreements["model"]
    assert np.isnan(at_1.tau)
    assert [at_2.tau, over_all.tau] == pytest.approx([1, 1])
    assert found.best["model"]["TPE"][1] == pytest.approx(0.722)
    text = comparing.markdown(found)
    assert "| TPE | 50.00 ± 0.00 | 62.20 ± 0.12 | 1 |" in text
    again = comparing.Found.from_document(json.loads(json.dumps(found.document())))
    assert again.seeds == {"real": 3, "model": 3}
    assert comparing.markdown(again) == text


def test_the_page_has_the_tables_of_the_comparison() -> None:
    kept = FILE.with_name("comparison.json").read_text()
    tables = comparing.markdown(comparing.Found.from_document(json.loads(kept)))
    page = Path(__file__).resolve().parents[1] / "docs" / "digits-curves.md"
    assert tables.strip() in page.read_text()


def test_a_digest_sees_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = comparing.digest(tmp_path)
    (tmp_path / "a").write_text("2")
    second = comparing.digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, comparing.digest(tmp_path)}) == 3
