"""Catalogs of FCNet and HPOBench: what they say of runs that they have not seen."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from anb_export.artifacts.joint_spaces import counted_size, of_few_runs, of_seeds
from anb_export.artifacts.space_catalogs import write
from anb_export.cli import main
from anb_export.data.dataset import DatasetError, Origin
from anb_export.data.joint_runs import (
    FCNET_DATA,
    HPOBENCH_DATA,
    JointRuns,
    read_fcnet,
    read_hpobench_mlp,
)
from anb_export.data.npz_files import dataset_of
from anb_export.data.run_figures import noise_figures, rank_figures
from anb_export.data.targets import TargetSpec
from anb_export.tables.enumeration import all_codes
from anb_export.training.seed_noise import seed_coverage
from measured_data import need_data

import anb_onnx
from anb_onnx.calibration import Calibration
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.spaces.space import Block, Gene, SearchSpace

FOLDER = Path(__file__).resolve().parents[2] / "spaces" / "anb_onnx_spaces" / "artifacts"
FILES = {"fcnet": "fcnet_hpolib.npz", "hpobench_mlp": "hpobench_mlp.npz"}

#: A noisy target of each, and one without noise of its own.
NOISY = [("fcnet", "val_loss_naval_propulsion"), ("hpobench_mlp", "val_acc_segment")]
TIMES = [("fcnet", "train_time_slice_localization"), ("hpobench_mlp", "train_time_kc1")]


@cache
def runs_of(benchmark: str) -> JointRuns:
    folder = need_data(f"seeds/{FILES[benchmark]}") / "seeds"
    return (read_fcnet if benchmark == "fcnet" else read_hpobench_mlp)(folder)


def test_splits_are_partitions_of_all_configurations() -> None:
    for name, (test, val) in {"fcnet": (10_000, 6_000), "hpobench_mlp": (6_000, 4_000)}.items():
        joint = runs_of(name)
        assert (len(joint.test), len(joint.val)) == (test, val)
        whole = np.concatenate([joint.test, joint.val, joint.learn])
        np.testing.assert_array_equal(np.sort(whole), np.arange(joint.dataset.space.size))


def test_codes_mean_what_the_space_says() -> None:
    """Larger batches take less time, and the size is that of the widths."""
    joint = runs_of("fcnet")
    codes = joint.dataset.codes
    batch = joint.dataset.space.gene_names.index("batch_size")
    for name in FCNET_DATA:
        times = np.median(joint.runs[f"train_time_{name}"], axis=1)
        typical = [np.median(times[codes[:, batch] == code]) for code in range(4)]
        assert typical == sorted(typical, reverse=True)
    mlp = runs_of("hpobench_mlp")
    for name in HPOBENCH_DATA:
        assert mlp.runs[f"val_acc_{name}"].max() <= 1


def test_the_catalogs_hold_all_targets() -> None:
    for name in FILES:
        joint, catalog = runs_of(name), find_benchmark(name, FOLDER)
        assert [t.name for t in catalog.targets] == sorted(joint.dataset.origin.targets)
        for artifact in catalog.artifacts:
            assert artifact.card.dataset is not None
            assert artifact.card.dataset["sha256"] == joint.dataset.sha256
            assert artifact.card.bytes is not None
            assert artifact.card.bytes < 1_050_000


def test_sizes_are_exact_for_all_62208() -> None:
    joint = runs_of("fcnet")
    for name in FCNET_DATA:
        target = f"model_size_{name}"
        with anb_onnx.load(target, benchmark="fcnet", path=FOLDER, engine="numpy") as surrogate:
            found = surrogate.query_codes(joint.dataset.codes)
            assert surrogate.metadata["exact"] is True
        np.testing.assert_array_equal(found.mean, joint.dataset.values[target])
        assert not found.std.any()


def test_a_size_that_the_widths_do_not_tell_is_refused() -> None:
    joint = runs_of("fcnet")
    target = "model_size_protein_structure"
    values = joint.dataset.values[target]
    values[12] += 1
    try:
        with pytest.raises(anb_onnx.AnbError, match="of another size than their widths say"):
            counted_size(joint, target)
    finally:
        values[12] -= 1


@pytest.mark.parametrize(("benchmark", "target"), [*NOISY, *TIMES])
def test_configurations_that_took_no_part_are_ranked_as_the_card_says(
    benchmark: str, target: str
) -> None:
    joint = runs_of(benchmark)
    with anb_onnx.load(target, benchmark=benchmark, path=FOLDER, engine="numpy") as surrogate:
        stated = surrogate.metadata["quality"]["test"]
        mean = surrogate.query_codes(joint.dataset.codes[joint.test]).mean
    found = rank_figures(joint.runs[target][joint.test], mean.astype(np.float64))
    assert found == pytest.approx(stated, abs=1e-12)
    # Better than a run of the configuration itself would tell.
    assert found["tau_rest"] > found["tau_rest_of_run"]
    assert found["tau_run"] > found["tau_run_of_run"]


@pytest.mark.parametrize(("benchmark", "target"), NOISY)
def test_intervals_of_means_of_runs_hold_what_they_say(benchmark: str, target: str) -> None:
    joint = runs_of(benchmark)
    codes, runs = joint.dataset.codes[joint.test], joint.runs[target][joint.test]
    with anb_onnx.load(target, benchmark=benchmark, path=FOLDER, engine="numpy") as surrogate:
        card = surrogate.metadata
        found = surrogate.query_codes(codes)
        noise = surrogate.outputs[f"{target}_noise"].query_codes(codes).mean.astype(np.float64)
        for n, shares in card["seed_coverage"]["test"].items():
            means = np.stack(
                [
                    runs[:, k : k + int(n)].mean(axis=1)
                    for k in range(0, runs.shape[1] - int(n) + 1, int(n))
                ],
                axis=1,
            )
            asked = surrogate.query(codes, fidelity={"seeds": int(n)})
            for level, share in shares.items():
                lower, upper = asked.interval(float(level))
                inside = (means >= lower[:, None]) & (means <= upper[:, None])
                assert inside.mean() == pytest.approx(share, abs=1e-3)
                assert share == pytest.approx(float(level), abs=0.1)
    calibration = Calibration.from_dict(card["seed_noise"]["calibration"])
    mean, std = found.mean.astype(np.float64), found.std.astype(np.float64)
    assert seed_coverage(calibration, runs, mean, std, noise) == card["seed_coverage"]["test"]
    figures = noise_figures(runs, noise)
    assert figures == pytest.approx(card["seed_noise_quality"]["test"], abs=1e-12)
    assert figures["spearman_pair"] > figures["spearman_pair_of_pair"]


def test_six_thousand_runs_rank_losses(tmp_path: Path) -> None:
    """Of one data set, on validation rows; `python -m benchmarks.joint_spaces` has all."""
    joint = runs_of("fcnet")
    target = "val_loss_protein_structure"
    ensemble = of_few_runs(joint, target, 6000)
    codes = joint.dataset.codes[joint.val]
    mean, _, _ = ensemble.predict(codes_to_symbols(codes, ensemble.space))
    figures = rank_figures(joint.runs[target][joint.val], mean.astype(np.float64))
    assert figures["tau_rest"] > 0.89


def test_pair_tables_reach_what_one_run_says_of_times() -> None:
    joint = runs_of("fcnet")
    target = "train_time_naval_propulsion"
    ensemble = of_few_runs(joint, target, 3000)
    assert ensemble.terms.n_entries == 501
    codes = joint.dataset.codes[joint.val]
    mean, _, _ = ensemble.predict(codes_to_symbols(codes, ensemble.space))
    figures = rank_figures(joint.runs[target][joint.val], mean.astype(np.float64))
    assert figures["tau_rest"] > figures["tau_rest_of_run"] > 0.94


def test_the_page_shows_what_the_command_prints(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- cards:begin -->\nold\n<!-- cards:end -->\n")
    command = ["spaces", "--table", str(page), "--out", str(FOLDER)]
    assert main([*command, "--space", "fcnet", "--space", "hpobench_mlp"]) == 0
    section = page.read_text()
    assert "| val_loss_slice_localization " in section
    docs = FOLDER.parents[2] / "docs" / "joint-spaces.md"
    assert section.strip() in docs.read_text()


def test_joint_spaces_have_a_page_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["spaces", "--table", str(tmp_path / "page.md"), "--out", str(FOLDER)]
    assert main([*command, "--space", "fcnet", "--space", "ofa"]) == 2
    assert "name those of one page with --space" in capsys.readouterr().err


def test_runs_that_are_missing_or_in_another_order_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, file in FILES.items():
        command = ["spaces", "--data", str(tmp_path), "--out", str(tmp_path), "--space", name]
        assert main(command) == 2
        assert f"{file} is missing; --data names the folder" in capsys.readouterr().err
    stored = dict(np.load(need_data("seeds/hpobench_mlp.npz") / "seeds/hpobench_mlp.npz"))
    stored["genes"] = stored["genes"][::-1]
    np.savez(tmp_path / "hpobench_mlp.npz", **stored)
    with pytest.raises(DatasetError, match="array 'genes' must be alpha, batch_size"):
        read_hpobench_mlp(tmp_path)


def test_a_target_with_its_noise_is_made_written_and_read_again(tmp_path: Path) -> None:
    """Of a space of its own, without the published runs."""
    space = SearchSpace(
        "joint",
        (
            Block("rate", (Gene("rate", tuple(10.0**-k for k in range(10)), ordered=True),)),
            Block("width", (Gene("width", tuple(range(8, 18))),)),
            Block("kind", (Gene("kind", ("a", "b", "c", "d", "e", "f")),)),
        ),
    )
    codes, _ = all_codes(space)
    rng = np.random.default_rng(0)
    truth = np.exp(0.5 * codes[:, 0] - 0.1 * codes[:, 1] + np.sin(codes[:, 2]))
    between = 0.02 + 0.2 * (codes[:, 0] / 9.0)
    runs = truth[:, None] * np.exp(between[:, None] * rng.standard_normal((space.size, 4)))
    spec = TargetSpec("val_loss_own", "val_loss_own", None, "mse", "min")
    origin = Origin("own", "own", "MIT", space, {spec.name: spec})
    dataset = replace(
        dataset_of(origin, codes.copy(), {spec.name: runs.mean(axis=1)}),
        stds={spec.name: runs.std(axis=1, ddof=1)},
    )
    test, val, learn = np.split(rng.permutation(space.size), [90, 300])
    joint = JointRuns(dataset, {spec.name: runs}, test, val, learn)
    made = of_seeds(joint, spec.name)
    write(tmp_path / "own", made, dataset, lambda made: None)
    with anb_onnx.load(spec.name, path=tmp_path / "own", engine="numpy") as surrogate:
        assert surrogate.metadata["form"] == "vector"
        found = surrogate.query_codes(codes[test])
        noise = surrogate.outputs["val_loss_own_noise"].query_codes(codes[test]).mean
        shares = surrogate.metadata["seed_coverage"]["test"]
    figures = rank_figures(runs[test], found.mean.astype(np.float64))
    assert figures["tau_rest"] > 0.93
    assert np.corrcoef(np.log(noise), np.log(between * truth)[test])[0, 1] > 0.9
    assert all(0.75 < inside["0.9"] <= 1 for inside in shares.values())
