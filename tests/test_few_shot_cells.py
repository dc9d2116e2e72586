"""The study of few measurements: cells that are kept, their figures, and the search."""

import json
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("anb_export")
pytest.importorskip("scipy")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from few_shot_devices import small_devices
from measured_data import need_data

import anb_onnx
import anb_onnx.exact
from benchmarks import few_shot_search
from benchmarks.few_shot import __main__ as program
from benchmarks.few_shot import cells, methods, report, run, scores, tasks
from benchmarks.few_shot.cells import Cell
from benchmarks.few_shot.measured import Device, Measured, read
from benchmarks.few_shot.scores import Guess
from benchmarks.few_shot.summary import lines, over_devices
from benchmarks.few_shot.tasks import Question

BASELINES = (methods.SINGLE, methods.COUNTS, methods.ALL_COUNTS, methods.MACS)


@pytest.fixture(scope="module")
def measured() -> Measured:
    return small_devices()


QUESTION = Question("nasbench201", "train", "one-out", "odd", ("slow", "fast"))


def cell(**changes: Any) -> Cell:
    return replace(Cell(QUESTION, "random", 10, 3, BASELINES), **changes)


def test_a_cell_is_kept_and_read_again(measured: Measured, tmp_path: Path) -> None:
    wanted = cell()
    assert cells.saved(wanted, tmp_path) is None
    found = cells.compute(wanted, measured, tmp_path)
    assert cells.saved(wanted, tmp_path) == found
    assert len(found["draws"]) == 3
    for draw in found["draws"]:
        assert len(set(draw["samples"])) == 10
        assert set(draw["samples"]) <= set(range(200))
        assert set(draw["scores"]) == set(BASELINES)
        assert draw["scores"][methods.COUNTS]["all"]["spearman"] > 0.9
    assert cells.saved(replace(wanted, draws=4), tmp_path) is None


def test_a_cell_of_other_code_is_not_believed(
    measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells.compute(cell(), measured, tmp_path)
    monkeypatch.setattr(cells, "stamp", lambda: "of another day")
    assert cells.saved(cell(), tmp_path) is None


def test_a_damaged_cell_is_computed_anew(measured: Measured, tmp_path: Path) -> None:
    file = cell().file(tmp_path)
    for content in (b"", b"[]", b'{"cell": {}', b"\xff"):
        file.write_bytes(content)
        assert cells.saved(cell(), tmp_path) is None


def test_samples_of_fewer_are_the_first(measured: Measured) -> None:
    few = cells.samples_of("random", measured, measured.pool, 5, (), 7)
    more = cells.samples_of("random", measured, measured.pool, 20, (), 7)
    assert few.tolist() == more[:5].tolist()
    assert few.tolist() != cells.samples_of("random", measured, measured.pool, 5, (), 8).tolist()


def test_all_that_was_not_measured_is_predicted(measured: Measured, tmp_path: Path) -> None:
    wanted = cell(question=replace(QUESTION, rest=True), methods=(methods.COUNTS,))
    found = cells.compute(wanted, measured, tmp_path)
    (line,) = lines([(wanted, found)])
    assert set(line.mean) == {"all"}
    samples = {row for draw in found["draws"] for row in draw["samples"]}
    assert max(samples) >= 200  # of all rows, not of the pool


def test_rows_that_a_device_lacks_are_left_out(measured: Measured, tmp_path: Path) -> None:
    gaps = measured.devices["fast"].values.copy()
    gaps[::3] = np.nan
    lacking = measured.devices | {"fast": replace(measured.devices["fast"], values=gaps)}
    found = cells.compute(cell(), replace(measured, devices=lacking), tmp_path)
    assert all(row % 3 for draw in found["draws"] for row in draw["samples"])


@pytest.fixture
def listed(measured: Measured, tmp_path: Path) -> list[Any]:
    wanted = [
        cell(question=replace(QUESTION, device=device, sources=("fast",)), n=n)
        for device in ("slow", "odd")
        for n in (5, 10)
    ]
    return lines((one, cells.compute(one, measured, tmp_path)) for one in wanted)


def test_figures_are_means_over_draws(
    listed: list[Any], measured: Measured, tmp_path: Path
) -> None:
    kept = json.loads(
        cell(question=replace(QUESTION, sources=("fast",))).file(tmp_path).read_text()
    )
    values = [draw["scores"][methods.COUNTS]["trimmed"]["mape"] for draw in kept["draws"]]
    (line,) = (x for x in listed if (x.device, x.method, x.n) == ("odd", methods.COUNTS, 10))
    assert line.mean["trimmed"]["mape"] == pytest.approx(np.mean(values))
    assert line.sd["trimmed"]["mape"] == pytest.approx(np.std(values, ddof=1))
    both = [x for x in listed if (x.method, x.n) == (methods.COUNTS, 10)]
    expected = np.mean([x.mean["all"]["spearman"] for x in both])
    assert over_devices(both).mean["all"]["spearman"] == pytest.approx(expected)


def test_a_page_is_filled_where_it_says_so(listed: list[Any]) -> None:
    found = dict(report.sections(listed))
    begin, end = (f"<!-- few-shot:nasbench201-train:{which} -->" for which in ("begin", "end"))
    page = report.fill(f"head\n{begin}\nold\n{end}\ntail\n", found.items())
    assert page == f"head\n{begin}\n{found['nasbench201-train']}\n{end}\ntail\n"
    assert report.fill(page, found.items()) == page
    text = found["nasbench201-train"]
    assert text.count("MACs alone") == 1
    assert text.count("best single source") == 2


def test_the_protocol_by_default() -> None:
    planned = list(run.plan(("nasbench201",), ("test", "nasflat"), draws=30))
    of_help = [one for one in planned if not one.question.rest]
    assert {one.n for one in of_help} == {5, 10, 20, 50}
    assert {one.n for one in planned if one.question.rest} == {20}
    assert len(of_help) == 6 * 4 * 2
    files = {one.file(Path()) for one in planned}
    assert len(files) == len(planned)


def test_the_command_tells_of_a_look_and_of_data_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--space", "fbnet", "--role", "test", "--data", str(tmp_path), "--processes", "1"]
    assert program.main([*argv, "--results", str(tmp_path / "results")]) == 2
    said = capsys.readouterr().err
    assert "a look at test devices" in said
    assert str(tmp_path / "seeds" / "help_fbnet.npz") in said
    argv[3] = "valid"
    program.main([*argv, "--results", str(tmp_path / "results")])
    assert "a look" not in capsys.readouterr().err


def candidates(measured: Measured) -> few_shot_search.Candidates:
    times = measured.devices["slow"].times[measured.test]
    accuracy = 50 + np.argsort(np.argsort(times)) / 5  # the slower, the better
    return few_shot_search.Candidates("test rows", measured.test, accuracy)


def test_the_most_accurate_of_those_predicted_to_be_fast(measured: Measured) -> None:
    times = measured.devices["slow"].times
    of = candidates(measured)
    guess = Guess(times, times, times * 1.3)
    limit = float(np.median(times))
    place = few_shot_search.choose(guess, limit, of, margin=False)
    fits = [k for k, row in enumerate(of.rows) if times[row] <= limit]
    assert place == max(fits, key=lambda k: times[of.rows[k]])
    careful = few_shot_search.choose(guess, limit, of, margin=True)
    slower = [k for k in fits if 1.3 * times[of.rows[k]] <= limit]
    assert careful == max(slower, key=lambda k: times[of.rows[k]])
    assert few_shot_search.choose(guess, 0.0, of, margin=False) is None


def test_what_came_of_a_constraint(measured: Measured) -> None:
    times = measured.devices["slow"].times
    of = candidates(measured)
    limit = few_shot_search.Limit("slow", float(np.median(times)))
    guesses = [Guess(times), Guess(times * 0.5), Guess(times * 100)]
    found = few_shot_search.outcome(limit, guesses, times, of, "random", margin=False)
    assert [found.kept, found.none] == pytest.approx([1 / 3, 1 / 3])
    fits = times[of.rows] <= limit.ms
    best, next_best = of.accuracy[fits].max(), of.accuracy[times[of.rows] <= 2 * limit.ms].max()
    assert found.best == best
    assert found.accuracy == pytest.approx((best + next_best) / 2)
    careful = few_shot_search.outcome(limit, guesses, times, of, "random", margin=True)
    assert "33 % (33 % none)" in few_shot_search.section([found, careful])


@pytest.fixture(scope="module")
def seeds() -> Path:
    return need_data("seeds/help_nb201.npz")


def test_a_small_run_on_real_measurements(seeds: Path, tmp_path: Path) -> None:
    found = read("nasbench201", seeds)
    question = next(q for q in tasks.questions("nasbench201", "valid") if q.device == "titanx_256")
    wanted = cell(question=question, methods=BASELINES)
    for line in lines([(wanted, cells.compute(wanted, found, tmp_path))]):
        assert line.mean["all"]["spearman"] > 0.5


def test_the_method_itself_on_small_devices(measured: Measured, tmp_path: Path) -> None:
    wanted = cell(methods=(methods.ALONE,), draws=2, n=20)
    (line,) = lines([(wanted, cells.compute(wanted, measured, tmp_path))])
    assert line.mean["all"]["spearman"] > 0.95
    assert line.mean["all"]["mape"] < 0.2
    assert 0.5 < line.mean["all"]["coverage"] <= 1


def test_what_is_left_out_changes_no_prediction(measured: Measured) -> None:
    device, samples = measured.devices["odd"], measured.pool[:10]
    guess = methods.adapted(measured, device, samples, (), 3)
    full = anb_onnx.adapt(
        measured.codes[samples], device.values[samples], metric="latency", unit="ms", device="odd",
        space=measured.space, sources=(), seed=3,
    )  # fmt: skip
    found = full.query(measured.codes)
    np.testing.assert_array_equal(guess.times, found.mean.astype(np.float64))
    np.testing.assert_array_equal(guess.upper, found.interval(0.9)[1].astype(np.float64))


def test_throughputs_are_predicted_as_times(measured: Measured) -> None:
    slow = measured.devices["slow"]
    rate = Device(1000 / slow.values, "throughput", "slow", "images/s", "max")
    guess = methods.adapted(measured, rate, measured.pool[:30], (), 0)
    assert guess.lower is not None
    assert guess.upper is not None
    assert (guess.lower < guess.upper).all()
    found = scores.score(guess, rate.times, measured.test)
    assert found["spearman"] > 0.9
    assert found["mape"] < 0.2


def test_designs_are_of_the_pool_and_begin_alike(measured: Measured) -> None:
    more = methods.designed(measured, measured.pool, 8, (), 5)
    assert len(set(more.tolist())) == 8
    assert set(more.tolist()) <= set(measured.pool.tolist())
    assert methods.designed(measured, measured.pool, 5, (), 5).tolist() == more[:5].tolist()
    methods._DESIGNS.clear()
    assert methods.designed(measured, measured.pool, 5, (), 5).tolist() == more[:5].tolist()


def test_what_is_chosen_is_the_exact_optimum(measured: Measured) -> None:
    """The search over the table is that of `anb_onnx.exact` over the surrogates."""
    everything = np.array(list(product(range(5), repeat=6)), np.uint8)
    device, samples = measured.devices["odd"], measured.pool[:20]
    guess = methods.adapted(
        replace(measured, codes=np.concatenate([measured.codes, everything])),
        device,
        samples,
        (),
        0,
    )
    phone = anb_onnx.adapt(
        measured.codes[samples], device.values[samples], metric="latency", unit="ms", device="odd",
        space=measured.space, sources=(), seed=0,
    )  # fmt: skip
    rates = 1000 / measured.devices["fast"].values[:50]  # in place of an accuracy
    other = anb_onnx.adapt(
        measured.codes[:50], rates, metric="throughput", unit="images/s",
        space=measured.space, sources=(), seed=0,
    )  # fmt: skip
    rows = np.arange(len(measured.codes), len(guess.times))
    of = few_shot_search.Candidates("all", rows, other.query(everything).mean.astype(np.float64))
    limit = float(np.quantile(guess.times[rows], 0.3))
    place = few_shot_search.choose(guess, limit, of, margin=False)
    assert place is not None
    best = anb_onnx.exact.optimum(other, [(phone, "<=", limit)])
    assert best.bound == of.accuracy[place]
