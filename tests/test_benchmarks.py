"""The benchmarks run, check what they time, and say what they could not run."""
# ruff: noqa: E402 - what may be missing is skipped, and the checkout put on the path, first

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("anb_export")
xgb = pytest.importorskip("xgboost")
pytest.importorskip("onnxmltools")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from anb_export.data.accel_nasbench import ACCEL_NASBENCH
from anb_export.training.compact import genes_of_terms
from anb_export.training.recipe import Standardised

import anb_onnx
from anb_onnx.links import Link
from benchmarks import __main__ as program
from benchmarks import (
    clients,
    contenders,
    formats,
    goals,
    languages,
    measure,
    report,
    rivals,
    sizes,
)
from benchmarks.clients import NATIVE
from benchmarks.measure import Timing
from benchmarks.settings import QUICK
from benchmarks.subject import Subject, draw, open_subject

TINY = replace(
    QUICK,
    sizes=(1, 32),
    headline_rounds=2,
    seconds=1e-4,
    slow_rows=64,
    fast_rows=2048,
    limit=0.02,
    single_calls=5,
    single_seconds=0.01,
    check_rows=50,
    bits=1000,
    memory_rows=2000,
    processes=1,
)
N_MEMBERS = 8


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small members of the compact recipe, as `anb-export train` leaves them."""
    folder = tmp_path_factory.mktemp("members")
    codes = anb_onnx.sample(400, seed=0, space=anb_onnx.MNASNET)
    labels = (codes.sum(axis=1) - 20.0) / 10 + 0.1 * codes[:, 0] * codes[:, 20]
    listed = []
    for seed in range(N_MEMBERS):
        settings = {
            "max_depth": 3,
            "seed": seed,
            "subsample": 0.7,
            "nthread": 1,
            "base_score": 0.0,
            "interaction_constraints": json.dumps(
                genes_of_terms(anb_onnx.Terms.of_order(anb_onnx.MNASNET, 2))
            ),
        }
        booster = xgb.train(settings, xgb.DMatrix(codes.astype(np.float32), labels), 12)
        content = bytes(booster.save_raw("ubj"))
        name = f"member_{seed:02}.ubj"
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        listed.append({"file": name, "sha256": digest, "seed": seed})
    transform = Standardised(Link("-1", 80.0), 0.05, 0.008).to_dict()
    document = {
        "schema": 2,
        "target": "accuracy",
        "origin": ACCEL_NASBENCH.of("accuracy"),
        "target_std": 2.0,
        "recipe": {"name": "compact", "transform": transform},
        "dataset": {"sha256": "0" * 64},
        "split": {"name": "none", "sha256": ""},
        "metrics": {},
        "versions": {},
        "members": listed,
    }
    (folder / "training.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def subject(members: Path, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return open_subject(members, None, tmp_path_factory.mktemp("artifacts"))


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for page, word in report.PAGES:
        text = f"before\n<!-- {word}:begin -->\nold\n<!-- {word}:end -->\nafter\n"
        (tmp_path / page).write_text(text)
    return tmp_path


def test_everything_runs_and_is_reported(
    members: Path, subject: Subject, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "QUICK", TINY)
    monkeypatch.setattr(sizes, "_wheel", lambda work: {"not_run": "a test"})  # needs the network
    # gcc takes long for little: that it can fail and be listed is worth more here.
    monkeypatch.setattr(rivals, "tl2cgen_compiled", _broken)
    monkeypatch.setenv("ANB_ONNX_ARTIFACTS", str(subject.artifact.parent))
    out = pages / "results"
    command = ["--quick", "--members", str(members), "--out", str(out), "--pages", str(pages)]
    assert program.main(command) == 0

    results = json.loads((out / "results.json").read_text())
    sections = ("comparison", "curve", "single", "cold_start", "memory", "bits", "limit")
    for key in (*sections, "graph_forms", "sizes"):
        assert "not_run" not in results[key], (key, results[key])
    assert "fewer than two" in results["together"]["not_run"]  # one artifact only
    ran, failed = set(results["comparison"]), {f["name"] for f in results["not_run"]}
    assert not ran & failed
    assert "tl2cgen, 1 thread" in failed
    assert {"native, 1 thread", "native, 2 threads", "numpy, 1 thread"} <= ran
    assert {"xgboost inplace_predict, 1 thread", "onnxruntime, tree form, 1 thread"} <= ran
    assert results["bits"]["targets"]["accuracy"]["different_values"] == 0
    assert results["subject"]["bundled"] is True

    markdown = (out / "results.md").read_text()
    assert "no gcc today" in markdown
    for name in (*ran, *failed):
        assert name in markdown
    for page, _ in report.PAGES:
        text = (pages / page).read_text()
        assert text.startswith("before\n")
        assert text.endswith("after\n")
        assert "old" not in text.splitlines()
        assert "native" in text
    assert {path.name for path in out.glob("*.png")} == {
        "throughput.png",
        "latency.png",
        "cold_start.png",
    }


def _broken(*given: Any) -> Any:
    msg = "no gcc today"
    raise OSError(msg)


def test_a_contender_with_wrong_outputs_is_not_timed(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = rivals.xgboost_inplace(subject, 1)

    def wrong(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, std = right(codes)
        return mean + 0.01 * subject.training.target_std, std

    def candidates(*given: Any) -> Any:
        yield "right", 1, False, N_MEMBERS, "", lambda: right
        yield "wrong", 1, False, N_MEMBERS, "", lambda: wrong
        yield "missing", 1, False, N_MEMBERS, "", lambda: __import__("no_such_library")

    monkeypatch.setattr(contenders, "_candidates", candidates)
    ready, failed = contenders.open_contenders(subject, TINY, tmp_path)
    assert [c.name for c in ready] == ["right"]
    assert ready[0].error < 1e-4
    reasons = {f.name: f.reason for f in failed}
    assert "0.01 standard deviations off" in reasons["wrong, 1 thread"]
    assert "no_such_library" in reasons["missing, 1 thread"]


def test_rivals_answer_as_the_native_engine(subject: Subject) -> None:
    codes = draw(200, seed=9)
    native = anb_onnx.load(path=subject.artifact, engine="native").query(codes)
    for answer in (
        rivals.xgboost_dmatrix(subject, 1)(codes),
        rivals.onnxruntime_trees(subject, 1)(codes),
        subject.exact(codes, N_MEMBERS),
    ):
        np.testing.assert_allclose(native.mean, answer[0], atol=2e-4)
        np.testing.assert_allclose(native.std, answer[1], atol=2e-4)


def test_the_reference_path_takes_configurations(subject: Subject) -> None:
    pytest.importorskip("ConfigSpace")
    path, codes = rivals.ReferencePath(subject), draw(20, seed=9)
    asked = path.prepare(codes)
    first = anb_onnx.Architecture.from_codes(codes[0], space=anb_onnx.MNASNET).to_values()
    assert {k: str(v) for k, v in first.items()} == dict(asked[0])
    mean, _ = path(asked)
    np.testing.assert_allclose(mean, subject.exact(codes, N_MEMBERS)[0], atol=1e-4)


def test_ratios_are_those_of_the_same_round() -> None:
    slow = [Timing(2.0, 1.0), Timing(8.0, 1.0), Timing(2.0, 1.0)]
    fast = [Timing(1.0, 1.0), Timing(4.0, 1.0), Timing(1.0, 1.0)]
    assert measure.ratios(slow, fast, (10, 10)) == {"median": 2, "min": 2, "max": 2, "n": 3}
    assert measure.ratios(slow, fast, (10, 30))["median"] == 6
    assert measure.ratios(slow, fast, (10, 10), "cpu")["max"] == 1


def test_batches_cover_the_pool_and_take_turns() -> None:
    rows = np.arange(100)
    assert [b.tolist() for b in measure.batches(rows, 3, 9)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [len(b) for b in measure.batches(rows, 60, 10)] == [60]
    assert len(measure.batches(np.arange(10_000), 1, 10_000)) <= 1024
    seen: list[int] = []
    call = measure.rotate(seen.append, [1, 2, 3])
    for _ in range(4):
        call()
    assert seen == [1, 2, 3, 1]


def test_percentiles_are_in_order() -> None:
    found = measure.percentiles(lambda: sum(range(500)), calls=300, seconds=1.0)
    assert 0 < found["min"] <= found["p50"] <= found["p90"] <= found["p99"] <= found["p99.9"] < 1
    assert found["n"] == 300


@pytest.mark.parametrize(
    ("value", "text"), [(2.5, "2.50 s"), (0.0123, "12.3 ms"), (4e-6, "4.00 µs"), (7e-7, "700 ns")]
)
def test_times_have_a_unit_that_suits_them(value: float, text: str) -> None:
    assert formats.one_time(value) == text


def test_goals_know_their_side() -> None:
    by_text = {goal.text: goal for goal in goals.GOALS}
    assert by_text["native, 1 thread"].met(20e6)
    assert not by_text["native, 1 thread"].met(19e6)
    assert by_text["anb-onnx query, a cold process"].met(0.7)
    assert not by_text["anb-onnx query, a cold process"].met(0.8)


def test_pages_without_markers_stay_as_they_are(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- x:end --> <!-- x:begin -->")
    assert not report.fill(page, "x", "block")
    assert page.read_text() == "<!-- x:end --> <!-- x:begin -->"
    assert not report.fill(tmp_path / "none.md", "x", "block")


def test_the_repository_has_the_markers() -> None:
    for page, word in (*report.PAGES, (languages.PAGE, languages.WORD)):
        text = (report.ROOT / page).read_text(encoding="utf-8")
        assert text.count(f"<!-- {word}:begin -->") == text.count(f"<!-- {word}:end -->") == 1


def _python_and_others(target: str) -> list[clients.Group]:
    """Python's own clients, one that breaks in the first round, and one that cannot be built."""

    def fails_later(room: clients.Room) -> tuple[dict[str, clients.Measure], dict[str, str]]:
        seen: list[int] = []

        def measure_it(rows: int, repeats: int) -> Timing:
            seen.append(repeats)
            if len(seen) > 1:
                room.run([sys.executable, "-c", "raise SystemExit('no | memory')"])
            return Timing(1.0, 1.0)

        return {"breaks": measure_it}, {"breaks": "1.0"}

    return [
        clients.groups(target)[0],
        clients.Group({"breaks": "break it"}, fails_later),
        clients.Group({"missing": "find it"}, _broken),
    ]


def test_languages_take_turns_and_are_reported(
    pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(languages, "groups", _python_and_others)
    page = pages / languages.PAGE
    page.write_text("before\n<!-- languages:begin -->\nold\n<!-- languages:end -->\nafter\n")
    out = pages / "results"
    command = ["--rounds", "2", "--seconds", "1e-4", "--rows", "2048", "--out", str(out)]
    assert languages.main([*command, "--write-docs", "--pages", str(pages)]) == 0

    results = json.loads((out / "languages.json").read_text())
    assert set(results["clients"]) == {NATIVE, "Python, onnxruntime"}
    assert results["clients"][NATIVE]["native"]["median"] == 1
    assert results["clients"]["Python, onnxruntime"]["rows_per_second"]["n"] == 2
    assert results["watch"]["load_average_before"] is not None
    reasons = {f["name"]: f["reason"] for f in results["not_run"]}
    assert "no | memory" in reasons["breaks"]
    assert reasons["missing"] == "OSError: no gcc today"

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text.splitlines()
    for part in (*results["clients"], *reasons, "find it", "no / memory", "2 rounds of 0.0001 s"):
        assert part in text
    assert "Load average before" in " ".join(text.split())

    # Again, without measuring: the same block, printed.
    capsys.readouterr()
    assert languages.main(["--again", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() in text
    page.write_text("no markers")
    assert (
        languages.main(["--again", "--write-docs", "--out", str(out), "--pages", str(pages)]) == 1
    )


def test_commands_of_clients_say_why_they_failed(tmp_path: Path) -> None:
    room = clients.Room("accuracy", tmp_path, tmp_path)
    command = [sys.executable, "-c", "import sys; sys.exit('first\\nwhat went wrong')"]
    with pytest.raises(RuntimeError, match="first; what went wrong"):
        room.run(command)
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        room.run(["no-such-program"])
    shown = room.run([sys.executable, "-c", "import os; print(os.environ['ANB_ONNX_ARTIFACTS'])"])
    assert shown.strip() == str(tmp_path)
