"""The measured set of small networks: its plan, its journal, its file, and training itself."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tools import need_tool

from anb_onnx.errors import AnbError
from benchmarks.digits_curves import describing, files, journal, measuring, training
from benchmarks.digits_curves.__main__ import main
from benchmarks.digits_curves.genes import EPOCHS, GENES, configuration, is_ordered
from benchmarks.digits_curves.journal import RECORD, Journal
from benchmarks.digits_curves.plan import LATER, REPEATED, SEEDED, SEEDS, plan
from benchmarks.digits_curves.space import DIGITS
from benchmarks.digits_curves.training import Epoch

PLAN = plan()
HEADER = {"genes": {name: list(choices) for name, choices in GENES.items()}, "epochs": EPOCHS}


def rows(count: int) -> Any:
    """Return records such as runs might leave; seeds differ, repeats take a little longer."""
    found = np.zeros(count, RECORD)
    found["run"] = np.arange(count)
    key = PLAN.codes[:count].sum(axis=1) + PLAN.seed[:count]
    rise = np.linspace(0.1, 0.9, EPOCHS)
    found["val_accuracy"] = rise + key[:, None] / 400
    found["val_loss"] = 2.5 - 2 * rise + key[:, None] / 400
    found["train_loss"] = found["val_loss"]
    pace = 0.01 + PLAN.codes[:count, 0] / 100 + PLAN.repeat[:count] / 1000
    found["seconds"] = np.arange(1, EPOCHS + 1) * pace[:, None]
    found["test_accuracy"] = 0.8
    found["reference_seconds"] = 0.1
    found["when"] = 1_790_000_000
    return found


def keep(path: Path, records: Any, header: Any = None) -> Path:
    book = Journal(path, HEADER if header is None else header)
    for record in records:
        book.add(record)
    book.close()
    return path


def test_configurations_are_distinct_and_begin_with_seed_0() -> None:
    first = PLAN.codes[(PLAN.seed == 0) & ~PLAN.repeat]
    assert len(np.unique(first, axis=0)) == len(first) == 8_000
    assert (PLAN.codes < [len(choices) for choices in GENES.values()]).all()


def test_any_prefix_of_the_plan_holds_seeds_and_repeats_in_proportion() -> None:
    for count in (1_000, 3_000, 6_000):
        share = count / len(PLAN.seed)
        assert (PLAN.seed[:count] == SEEDS - 1).sum() == pytest.approx(SEEDED * share, rel=0.35)
        late = share - LATER / 8_000
        assert PLAN.repeat[:count].sum() == pytest.approx(REPEATED * late, rel=0.35)


def test_repeats_come_later_than_what_they_repeat() -> None:
    places = {PLAN.codes[n].tobytes(): n for n in np.flatnonzero(~PLAN.repeat & (PLAN.seed == 0))}
    again = np.flatnonzero(PLAN.repeat)
    assert len(again) == REPEATED
    assert all(n - places[PLAN.codes[n].tobytes()] >= LATER for n in again)


def test_a_plan_depends_on_its_seed_alone() -> None:
    assert np.array_equal(plan().codes, PLAN.codes)
    assert not np.array_equal(plan(1).codes, PLAN.codes)


def test_a_journal_cuts_off_what_was_being_written(tmp_path: Path) -> None:
    path = keep(tmp_path / "a.journal", rows(3))
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    keep(path, rows(3)[2:])
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no journal"),
        (b"PAR1\n", "no journal"),
        (b'{"epochs": 27}\n', "begun with other genes"),
    ],
)
def test_a_journal_of_something_else_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(content)
    with pytest.raises(AnbError, match=message):
        Journal(path, HEADER)
    assert path.read_bytes() == content


def written(folder: Path, records: Any) -> Path:
    need_tool("pyarrow")
    path = folder / "a.parquet"
    files.write(path, PLAN, keep(folder / "a.journal", records))
    return path


def test_a_file_holds_what_the_journal_held(tmp_path: Path) -> None:
    records = rows(900)
    records["val_loss"][5, 20:] = np.nan
    records["train_loss"][6, 3:] = np.inf
    path = written(tmp_path, records)
    found = files.load(path, repeats=True)
    for name in (*files.CURVES, "test_accuracy", "reference_seconds"):
        assert getattr(found, name).tobytes() == records[name].tobytes()
    assert np.array_equal(found.codes, PLAN.codes[:900])
    assert np.flatnonzero(found.diverged).tolist() == [5, 6]
    assert found.about["first"] == "2026-09-21"
    table = need_tool("pyarrow.parquet").read_table(path)
    assert table["status"].to_pylist()[4:8] == ["finished", "diverged", "diverged", "finished"]
    once = files.load(path)
    assert not once.repeat.any()
    assert len(once.seed) == 900 - PLAN.repeat[:900].sum()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"val_accuracy": 1.5}, "impossible values in val_accuracy"),
        ({"seconds": 1.0}, "impossible values in seconds"),
        ({"val_loss": -1.0}, "impossible values in val_loss"),
        ({"test_accuracy": -1.0}, "impossible values in test_accuracy"),
    ],
)
def test_values_that_no_run_has_are_refused(
    tmp_path: Path, damage: dict[str, float], message: str
) -> None:
    records = rows(4)
    for name, value in damage.items():
        records[name][2] = value
    path = written(tmp_path, records)
    with pytest.raises(AnbError, match=message):
        files.load(path)


def test_a_file_of_another_space_or_kind_is_refused(tmp_path: Path) -> None:
    header = {**HEADER, "epochs": 9}
    keep(tmp_path / "a.journal", rows(2), header)
    parquet = need_tool("pyarrow.parquet")
    files.write(tmp_path / "a.parquet", PLAN, tmp_path / "a.journal")
    with pytest.raises(AnbError, match="in another space"):
        files.load(tmp_path / "a.parquet")
    table = parquet.read_table(written(tmp_path / "b", rows(2)))
    for changed, message in (
        (table.drop_columns(["width"]), "width"),
        (table.replace_schema_metadata(None), "digits_curves"),
        (table.set_column(0, "stem", [[4, 0]]), "stem|codes|cast"),
    ):
        parquet.write_table(changed, tmp_path / "c.parquet")
        with pytest.raises(AnbError, match=message):
            files.load(tmp_path / "c.parquet")
    with pytest.raises(AnbError, match="measure it again"):
        files.load(tmp_path / "nothing.parquet")


def test_figures_of_a_set(tmp_path: Path) -> None:
    found = describing.describe(files.load(written(tmp_path, rows(900)), repeats=True))
    assert (found.repeats, found.same) == (PLAN.repeat[:900].sum(), found.repeats)
    seeded = (PLAN.seed[:900] == SEEDS - 1).sum()
    assert found.seeded == seeded
    accuracy = found.ceilings["validation accuracy"]
    assert accuracy.tau == pytest.approx(1)
    # Seeds 0 to 4 add 0, 1/400, ... 4/400.
    assert accuracy.spread == pytest.approx(np.sqrt(2.5) / 400, rel=1e-4)
    assert found.repeat_corrected == pytest.approx(found.repeat_raw)
    assert 0.02 < found.repeat_raw < 0.11
    assert f"{found.runs:,} runs" in describing.markdown(found)


def test_too_few_runs_have_no_figures(tmp_path: Path) -> None:
    with pytest.raises(AnbError, match="too few runs"):
        describing.describe(files.load(written(tmp_path, rows(10)), repeats=True))


class Pretended:
    """A run that takes no time. Its second epoch of the third run brings SIGTERM, if wanted."""

    begun: int
    terminate: bool

    def __init__(self, codes: list[int], seed: int) -> None:
        type(self).begun += 1
        self.epochs: list[Epoch] = []
        self._seed = seed

    def step(self) -> Epoch:
        if self.terminate and self.begun == 5 and len(self.epochs) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        self.epochs.append(Epoch(0.5, 1.0 + self._seed, 1.0, 0.1 * (len(self.epochs) + 1)))
        return self.epochs[-1]

    def test_accuracy(self) -> float:
        return 0.5


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> type[Pretended]:
    monkeypatch.setattr(Pretended, "begun", 0, raising=False)
    monkeypatch.setattr(Pretended, "terminate", False, raising=False)
    monkeypatch.setattr(measuring, "Training", Pretended)
    monkeypatch.setattr(measuring, "header", lambda seed: HEADER)
    return Pretended


def test_sigterm_ends_measuring_after_the_run_and_it_goes_on_there(
    tmp_path: Path, pretended: type[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    need_tool("pyarrow")
    out = tmp_path / "a.parquet"
    pretended.terminate = True
    before = signal.getsignal(signal.SIGTERM)
    assert main(["measure", "--out", str(out), "--runs", "30"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert len(files.load(out).seed) == 3  # after two runs of the reference
    pretended.terminate = False
    assert main(["measure", "--out", str(out), "--runs", "30"]) == 0
    found = files.load(out, repeats=True)
    assert np.array_equal(found.seed, PLAN.seed[:30])
    assert np.array_equal(found.val_loss[:, 0], 1 + PLAN.seed[:30])
    assert "30 runs" in capsys.readouterr().out


def test_errors_of_the_command_are_one_line(
    tmp_path: Path, pretended: type[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.journal").write_text(json.dumps({"epochs": 3}) + "\n")
    assert main(["measure", "--out", str(tmp_path / "a.parquet"), "--runs", "1"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "choose another --out" in error


def test_figures_are_put_into_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, page = written(tmp_path, rows(900)), tmp_path / "page.md"
    page.write_text("# A\n\n<!-- figures:begin -->\nold\n<!-- figures:end -->\n\nB\n")
    asked = ["describe", "--measured", str(path), "--markdown", str(page)]
    assert main(asked) == 0
    once = page.read_text()
    assert once.startswith("# A\n\n<!-- figures:begin -->\n- 900 runs")
    assert once.endswith("\n<!-- figures:end -->\n\nB\n")
    assert main(asked) == 0
    assert page.read_text() == once
    page.write_text("# A\n")
    assert main(asked) == 2
    assert "has no marks" in capsys.readouterr().err


# The smallest network, in batches of 512.
QUICK = (0, 0, 0, 0, 1, 1, 1, 3, 3, 0, 1)


@pytest.fixture(scope="module")
def torch() -> Any:
    need_tool("sklearn")
    return need_tool("torch")


def test_the_parts_of_the_data_are_of_all_classes(torch: Any) -> None:
    parts = training.data()
    sizes = [len(part[1]) for part in (parts.train, parts.validation, parts.test)]
    assert sizes == [1_078, 360, 359]
    for _, labels in (parts.train, parts.validation, parts.test):
        shares = torch.bincount(labels, minlength=10) / len(labels)
        assert bool(((shares > 0.09) & (shares < 0.11)).all())
    assert float(parts.train[0].max()) == 1


def curves(run: training.Training) -> list[tuple[float, float, float]]:
    return [(e.val_accuracy, e.val_loss, e.train_loss) for e in run.epochs]


def test_runs_that_take_turns_are_as_alone(torch: Any) -> None:
    alone = training.Training(QUICK, 3)
    for _ in range(4):
        alone.step()
    one, other = training.Training(QUICK, 3), training.Training(QUICK, 4)
    for _ in range(4):
        one.step()
        other.step()
    assert curves(one) == curves(alone)
    assert curves(other) != curves(alone)
    assert [e.seconds for e in one.epochs] == sorted(e.seconds for e in one.epochs)


@pytest.mark.parametrize("stem", range(4))
@pytest.mark.parametrize("optimizer", range(2))
def test_every_kind_of_network_learns(torch: Any, stem: int, optimizer: int) -> None:
    rate = 4 if optimizer == 0 else 2
    run = training.Training((stem, 1, 2, stem % 3, 1, 0, optimizer, rate, 0, 1, 0), 0)
    for _ in range(3):
        run.step()
    assert run.epochs[-1].val_accuracy > 0.6
    assert run.epochs[-1].val_loss < run.epochs[0].val_loss
    assert run.test_accuracy() > 0.6


def test_an_output_that_is_no_number_has_no_accuracy(torch: Any) -> None:
    outputs = torch.zeros(3, 10)
    outputs[1, 2] = float("nan")
    assert np.isnan(training._accuracy(outputs, torch.zeros(3, dtype=torch.int64)))


def test_the_space_is_that_of_the_file() -> None:
    genes = [block.genes[0] for block in DIGITS.blocks]
    assert {gene.name: gene.choices for gene in genes} == GENES
    assert {gene.name for gene in genes if gene.ordered} == {
        *("depth", "width", "dropout", "learning_rate", "batch_size", "weight_decay"),
    }
    assert DIGITS.size == 290_304
    assert configuration(QUICK)["learning_rate"] == 0.015
    assert not is_ordered((False, True))


def test_the_committed_file_is_the_beginning_of_the_plan() -> None:
    need_tool("pyarrow")
    found = files.load(repeats=True)
    count = len(found.seed)
    assert count == len(PLAN.seed) == 10_250
    assert np.array_equal(found.codes, PLAN.codes[:count])
    assert np.array_equal(found.seed, PLAN.seed[:count])
    assert np.array_equal(found.repeat, PLAN.repeat[:count])


def test_the_readme_has_the_figures_of_the_file() -> None:
    need_tool("pyarrow")
    page = files.FILE.with_name("README.md").read_text()
    assert describing.markdown(describing.describe(files.load(repeats=True))) in page


def test_one_size_of_record() -> None:
    # Journals that were begun can be continued.
    assert journal.RECORD.itemsize == 4 + 4 * 4 * EPOCHS + 4 + 4 + 8
