"""A study: which fits there are, that it goes on after whatever ends it, and the rows it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from anb_export.cli import main
from anb_export.data.splits import read_split
from anb_export.predictors import registry
from anb_export.predictors.contract import Kind, Predictor, Sample
from anb_export.study import running
from anb_export.study.plan import Fit, parse_seeds, plan
from anb_export.study.protocol import StudyError, protocol_of
from anb_export.study.rows import COLUMNS, JOURNAL, open_journal, read_fits, rows_in
from anb_export.study.running import Where, run_fit
from scipy import stats

from anb_onnx.errors import AnbError, TargetError

from .small_data import write_data

TIMES = ("fit_seconds", "predict_seconds", "query_seconds")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("measured"))


def asked(data: Path, out: Path, **more: object) -> list[str]:
    """Return the arguments of a small study."""
    options = {
        **{"dataset": data, "out": out, "predictors": "lookup,ridge", "sizes": "20,40"},
        **{"seeds": "3,40:2", "jobs": 1, **more},
    }
    return ["study", *(part for name, value in options.items() for part in _option(name, value))]


def _option(name: str, value: object) -> tuple[str, ...]:
    flag = f"--{name.replace('_', '-')}"
    return (flag,) if value is True else (flag, str(value))


def timeless(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a study without what differs from run to run."""
    rows: list[dict[str, Any]] = read_fits(folder).drop_columns(list(TIMES)).to_pylist()
    return rows


@pytest.fixture(scope="module")
def studied(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished study."""
    out = tmp_path_factory.mktemp("studied")
    assert main(asked(data, out)) == 0
    return out


def test_a_row_a_fit_in_order(studied: Path) -> None:
    table = read_fits(studied)
    assert dict(zip(table.column_names, map(str, table.schema.types), strict=True)) == COLUMNS
    keys = [
        (row["target"], row["predictor"], row["size"], row["seed"]) for row in table.to_pylist()
    ]
    seeds = {20: range(3), 40: range(2)}
    targets, kinds = ("energy_phone", "latency_phone"), ("lookup", "ridge")
    cells = product(targets, kinds, seeds)
    assert keys == [(*cell, seed) for cell in cells for seed in seeds[cell[2]]]
    assert set(table["space"].to_pylist()) == {"small"}
    assert set(table["form"].to_pylist()) == {"tables"}
    assert table["error"].null_count == len(table)
    assert min(table["artifact_bytes"].to_pylist()) > 500
    for name in TIMES:
        assert min(table[name].to_pylist()) >= 0


def test_figures_are_of_the_artifact_on_rows_it_was_not_fitted_to(
    studied: Path, data: Path
) -> None:
    protocol, target = protocol_of(None, data), "latency_phone"
    train, test = protocol.rows(target, 40, 1)
    dataset = protocol.dataset
    predictor = registry.fit(
        "ridge",
        dataset.codes[train],
        dataset.values[target][train],
        space=dataset.space,
        target=dataset.target(target),
        seed=1,
    )
    predicted = predictor.predict(dataset.codes[test])[0]
    measured = dataset.values[target][test]
    [row] = [
        row
        for row in timeless(studied)
        if (row["target"], row["predictor"], row["size"], row["seed"]) == (target, "ridge", 40, 1)
    ]
    assert row["n_test"] == len(test) == 25
    assert row["tau"] == pytest.approx(stats.kendalltau(measured, predicted).statistic)
    error = np.abs(predicted - measured).mean()
    assert row["mae"] == pytest.approx(error, rel=1e-3)
    assert row["mae_relative"] == pytest.approx(error / measured.mean(), rel=1e-3)
    assert row["tau"] > 0.9  # the times are sums, but for noise
    assert 0 <= row["coverage_50"] <= row["coverage_90"] <= 1
    assert row["dataset_sha256"] == dataset.sha256


def test_run_again_it_fits_nothing_and_writes_the_same(studied: Path, data: Path) -> None:
    before = {name: (studied / name).read_bytes() for name in (JOURNAL, "fits.parquet")}
    assert main(asked(data, studied)) == 0
    assert {name: (studied / name).read_bytes() for name in before} == before


def test_rows_do_not_depend_on_processes(studied: Path, data: Path, tmp_path: Path) -> None:
    assert main(asked(data, tmp_path, jobs=2)) == 0
    assert timeless(tmp_path) == timeless(studied)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "anb_export", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def lines_until(process: subprocess.Popen[str], words: str) -> Iterator[str]:
    """Yield lines of standard error up to one that holds some words."""
    assert process.stderr is not None
    for line in process.stderr:
        yield line
        if words in line:
            return
    pytest.fail(f"never said {words!r}")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGTERM, 2), (signal.SIGKILL, 1)])
def test_it_goes_on_where_it_was_ended(
    number: signal.Signals, jobs: int, studied: Path, data: Path, tmp_path: Path
) -> None:
    arguments = asked(data, tmp_path, seeds=500, jobs=jobs, progress=True)
    with start(*arguments) as process:
        list(lines_until(process, ", 1 %"))
        process.send_signal(number)
        process.communicate()
    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    had = rows_in(tmp_path)
    assert len(had) >= 40
    if number == signal.SIGTERM:
        assert len(read_fits(tmp_path)) == len(had)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"space": "small", "tar')  # as a full disk leaves it
    assert main(asked(data, tmp_path)) == 0
    assert rows_in(tmp_path)[: len(had)] == had
    wanted = timeless(studied)
    assert [row for row in timeless(tmp_path) if row in wanted] == wanted


def test_only_one_study_at_a_time(
    studied: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fcntl", reason="no locks of files here")
    with open_journal(studied):
        assert main(asked(data, studied)) == 2
    assert f"another study runs in {studied}" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fits.parquet").mkdir()
    assert main(asked(data, tmp_path)) == 2
    assert "fits.parquet (it is a folder)" in capsys.readouterr().err
    assert rows_in(tmp_path) == []


def test_rows_of_other_data_and_older_kinds_are_made_again(
    studied: Path, data: Path, tmp_path: Path
) -> None:
    rows = rows_in(studied)
    other = write_data(tmp_path, seed=1)
    protocol = protocol_of(None, other)
    assert len(running.done(rows, protocol_of(None, data))) == len(rows)
    assert running.done(rows, protocol) == {}
    for row in rows:
        row["versions"] = json.dumps({**json.loads(row["versions"]), "predictor": 0})
    assert running.done(rows, protocol_of(None, data)) == {}


def test_a_folder_holds_studies_of_several_spaces(
    studied: Path, data: Path, tmp_path: Path
) -> None:
    document = json.loads(write_data(tmp_path, seed=1).read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**document, "benchmark": "other"}))
    out = tmp_path / "out"
    out.mkdir()
    (out / JOURNAL).write_bytes((studied / JOURNAL).read_bytes())
    assert main(asked(other, out, predictors="ridge", seeds="1")) == 0
    rows = timeless(out)
    assert [row["space"] for row in rows] == ["other"] * 4 + ["small"] * 20
    assert rows[4:] == timeless(studied)


def test_what_a_predictor_refuses_is_a_row(data: Path) -> None:
    row = run_fit(running.Work(Where(None, str(data)), Fit("latency_phone", "svr", 5, 0)))
    assert set(row) == set(COLUMNS)
    assert "takes 10 to" in row["error"]
    assert row["n_test"] == 25
    assert (row["tau"], row["form"], row["fit_seconds"]) == (None, None, None)


def test_a_fault_ends_the_study_and_names_the_fit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Kind.load

    def faulty(sample: Sample, seed: int) -> Predictor:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(Kind, "load", lambda kind: faulty if kind.name == "ridge" else load(kind))
    assert main(asked(data, tmp_path)) == 2
    said = capsys.readouterr().err
    assert "ridge of latency_phone, size 20, seed 0: ZeroDivisionError: a fault" in said
    assert len(read_fits(tmp_path)) == len(rows_in(tmp_path)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": "0"}, "--seeds '0'"),
        ({"seeds": "3-1"}, "25,3036:5 are 25 seeds"),
        ({"seeds": "5:3"}, "expected how many (50), or which (5-9)"),
        ({"seeds": "3,40:2,20:1"}, "--seeds '3,40:2,20:1'"),
        ({"sizes": "20,300"}, "--sizes 300: of 'latency_phone' there are 2 to 231 rows"),
        ({"sizes": "1"}, "--sizes 1: of 'latency_phone' there are 2 to 231 rows"),
        ({"targets": "latency"}, "unknown target 'latency' of small; valid targets: latency_phone"),
        ({"predictors": "ridges"}, "unknown predictor 'ridges'; known are lookup, linear"),
        ({"predictors": "few-shot"}, "'small' has none that are bundled"),
        ({"predictors": "gp-live"}, "no part of an architecture of 'small' is known"),
        ({"space": "darts"}, "unknown space 'darts'; known are nasbench201, fbnet, ofa"),
        (
            {"space": "ofa"},
            "data.json: ofa is read from a folder of .npz files (--data DIR), not a file",
        ),
        ({"space": "accel-nasbench"}, "is of benchmark 'small'"),
        ({"split": "nowhere"}, "no split file nowhere/train_paths.json"),
    ],
    ids=str,
)
def test_errors_say_what_is_allowed(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    message: str,
) -> None:
    assert main(asked(data, tmp_path / "new", **change)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_what_is_missing_is_said(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    for argv, message in (
        (["study"], "--out is missing"),
        (["study", "--out", "new"], "--dataset PATH"),
        (["study", "--out", "new", "--data", "seeds"], "--space nasbench201, fbnet or ofa"),
    ):
        assert main(argv) == 2
        assert message in capsys.readouterr().err


def test_a_dry_run_counts_and_leaves_nothing(
    studied: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(data, tmp_path / "new", dry_run=True)) == 0
    assert not (tmp_path / "new").exists()
    assert capsys.readouterr().out.splitlines() == [
        "lookup                10 fits, 0 of them done",
        "ridge                 10 fits, 0 of them done",
        "in all                20 fits, 0 of them done",
    ]
    assert main(asked(data, studied, dry_run=True, seeds="5")) == 0
    assert capsys.readouterr().out.endswith("40 fits, 20 of them done\n")


def test_kinds_that_are_not_for_a_space_are_left_out_and_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = asked(data, tmp_path / "new", dry_run=True)
    argv.remove("--predictors")
    argv.remove("lookup,ridge")
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert "left out few-shot: it learns from other devices" in err
    assert "\nridge" in out
    assert "few-shot" not in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{}\n", "line 1 is no row of a study: it must have the keys space"),
        (b"[1\n", "line 1 is no row of a study"),
        (b"\xff\n", "line 1 is no row of a study"),
    ],
)
def test_a_journal_of_something_else_is_refused(tmp_path: Path, line: bytes, message: str) -> None:
    (tmp_path / JOURNAL).write_bytes(line)
    with pytest.raises(StudyError, match=message):
        open_journal(tmp_path).__enter__()
    assert (tmp_path / JOURNAL).read_bytes() == line


def test_a_row_of_a_wrong_kind_is_refused(studied: Path, tmp_path: Path) -> None:
    row = rows_in(studied)[0]
    for name, value in (("size", "20"), ("seed", None), ("tau", 1), ("size", True)):
        (tmp_path / JOURNAL).write_text(json.dumps({**row, name: value}) + "\n")
        with pytest.raises(StudyError, match=f"line 1: {name} must be a"):
            rows_in(tmp_path)


def test_files_of_fits_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="anb-export study --out"):
        read_fits(tmp_path)
    (tmp_path / "fits.parquet").write_bytes(b"PAR1")
    with pytest.raises(StudyError, match="cannot read"):
        read_fits(tmp_path)
    table = pyarrow.table({"tau": [0.5]})
    pyarrow.parquet.write_table(table, tmp_path / "fits.parquet")
    with pytest.raises(StudyError, match="its columns must be space, target"):
        read_fits(tmp_path / "fits.parquet")


def test_an_interrupted_study_has_a_bit_of_everything(data: Path) -> None:
    protocol = protocol_of(None, data)
    kinds = [Kind("many", "", ""), Kind("few", "", "", least=10, most=30)]
    fits = plan(protocol, ("latency_phone",), kinds, (5, 20, 40), parse_seeds("4"))
    assert len(set(fits)) == len(fits) == 16
    assert [(fit.predictor, fit.size, fit.seed) for fit in fits[:4]] == [
        *[("many", 5, 0), ("many", 20, 0), ("few", 20, 0), ("many", 40, 0)],
    ]
    assert {fit.seed for fit in fits[4:8]} == {1}
    assert {fit.seed for fit in fits[8:]} == {2, 3}


def test_usual_sizes_are_those_there_are_rows_for(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = asked(data, tmp_path / "new", dry_run=True, predictors="ridge", seeds="1")
    at = argv.index("--sizes")
    assert main(argv[:at] + argv[at + 2 :]) == 0
    # 11, 25, 55 and 124 of 231 rows, for two targets.
    assert capsys.readouterr().out.startswith("ridge                  8 fits")


def test_what_cannot_be_ranked_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_data(tmp_path)
    document = json.loads(data.read_text())
    document["targets"] = {"same": {"unit": "ms", "direction": "min"}}
    data.write_text(json.dumps(document))
    lines = (tmp_path / "measured.csv").read_text().splitlines()
    cut = [line.rsplit(",", 2)[0] for line in lines]
    (tmp_path / "measured.csv").write_text(
        "\n".join(f"{line},{'same' if not number else 1}" for number, line in enumerate(cut)) + "\n"
    )
    assert main(asked(data, tmp_path / "new")) == 2
    assert "'same' of small: the 25 test rows have one value" in capsys.readouterr().err


class TestProtocol:
    def test_smaller_sizes_begin_larger_ones_of_the_same_seed(self, data: Path) -> None:
        protocol = protocol_of(None, data, "random:1")
        large, test = protocol.rows("latency_phone", 200, 3)
        small, same = protocol.rows("energy_phone", 30, 3)
        assert np.array_equal(large[:30], small)
        assert np.array_equal(test, same)
        assert len(np.unique(np.concatenate([large, test]))) == 225
        assert not np.array_equal(protocol.rows("latency_phone", 30, 4)[0], small)

    def test_unknown_targets_and_sizes(self, data: Path) -> None:
        protocol = protocol_of(None, data)
        with pytest.raises(TargetError, match="valid targets: latency_phone, energy_phone"):
            protocol.rows("latency", 10, 0)
        with pytest.raises(StudyError, match="a size is from 2 to 231"):
            protocol.rows("latency_phone", 232, 0)

    def test_folds_of_nasbench201(self, shared_data: Path) -> None:
        protocol = protocol_of("nasbench201", shared_data / "seeds")
        parts = [protocol.rows(protocol.targets[0], 15000, seed) for seed in range(25)]
        assert np.array_equal(
            np.sort(np.concatenate([test for _, test in parts])), np.arange(15625)
        )
        order = np.random.default_rng(20210).permutation(15625)
        for seed, (train, test) in enumerate(parts):
            assert np.array_equal(test, order[seed * 625 : (seed + 1) * 625])
            assert len(np.union1d(train, test)) == 15625
        again, test = protocol.rows(protocol.targets[0], 15000, 25)
        assert np.array_equal(test, parts[0][1])
        assert not np.array_equal(again, parts[0][0])

    @pytest.mark.parametrize(
        ("space", "target", "missing"),
        [
            ("nasbench201", "cifar100_latency_pixel3", {"pixel3"}),
            ("nasbench201", "latency_1080ti_32", {"1080ti_1", "1080ti_32", "1080ti_256"}),
            ("nasbench201", "imagenet16_arithmetic_intensity", set()),
            ("nasbench201", "cifar100_energy_edgegpu", set()),
            ("fbnet", "latency_pixel3", {"pixel3"}),
            ("ofa", "latency_titan_rtx_64", set()),
            ("ofa", "latency_v100_1", {"v100_1", "v100_32", "v100_64"}),
        ],
    )
    def test_no_source_is_of_the_own_device(
        self, space: str, target: str, missing: set[str], shared_data: Path
    ) -> None:
        protocol = protocol_of(space, shared_data / "seeds")
        bundled = {name.removeprefix("latency_") for name in protocol.devices}
        found = {surrogate.target.device for surrogate in protocol.sources(target)}
        assert len(bundled) == 9
        assert found == bundled - missing

    def test_accel_nasbench(self, study: Path, tmp_path: Path) -> None:
        protocol = protocol_of("accel-nasbench", study / "anb_dataset_jsons.tar.gz")
        assert len(protocol.targets) == 8
        devices = {surrogate.target.device for surrogate in protocol.sources("latency_zcu102")}
        assert devices == {"a100", "3090", "tpuv2", "tpuv3", "vck190"}
        train, test = protocol.rows("throughput_tpuv2", protocol.largest("throughput_tpuv2"), 0)
        split = read_split(protocol.dataset, study / "default_split")
        values = protocol.dataset.values["throughput_tpuv2"]
        measured = {part: rows[~np.isnan(values[rows])] for part, rows in split.parts().items()}
        assert np.array_equal(np.sort(test), np.sort(measured["test"]))
        assert np.array_equal(
            np.sort(train), np.sort(np.concatenate([measured["train"], measured["val"]]))
        )

        argv = asked(study / "anb_dataset_jsons.tar.gz", tmp_path, predictors="ridge,few-shot")
        assert main([*argv, "--targets", "throughput_tpuv2", "--sizes", "20", "--seeds", "1"]) == 0
        rows = timeless(tmp_path)
        assert [(row["space"], row["predictor"]) for row in rows] == [
            ("accel-nasbench", "few-shot"),
            ("accel-nasbench", "ridge"),
        ]
        assert {row["n_test"] for row in rows} == {len(test)}
        assert {row["error"] for row in rows} == {None}

    def test_refusals(self, shared_data: Path) -> None:
        with pytest.raises(StudyError, match="is cut into folds; leave the option out"):
            protocol_of("ofa", shared_data / "seeds", "random:1")
        with pytest.raises(AnbError, match="nowhere"):
            protocol_of("fbnet", "nowhere")
