"""``anb-export spaces``: what the catalogs say of the measurements that they are made from."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from anb_export.artifacts.measured_spaces import additive
from anb_export.cli import main
from anb_export.data.dataset import Dataset, DatasetError
from anb_export.data.help_spaces import fbnet_multiply_adds, read_fbnet, read_ofa
from anb_export.data.nasbench201 import IMAGES, multiply_adds, parameters, read_sources
from scipy.stats import spearmanr

import anb_onnx
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.spaces.nasbench201 import from_benchmark_index

FOLDER = Path(__file__).resolve().parents[2] / "spaces" / "anb_onnx_spaces" / "artifacts"

#: Files that a catalog is made from.
FILES = {
    "nasbench201": ("help_nb201.npz", "hwnas_nb201.npz"),
    "fbnet": ("help_fbnet.npz",),
    "ofa": ("help_ofa.npz",),
}


def answers(dataset: Dataset, target: str) -> np.ndarray:
    """What the bundled artifact says of all records."""
    with anb_onnx.load(
        target, benchmark=dataset.origin.benchmark, path=FOLDER, engine="numpy"
    ) as surrogate:
        return surrogate.query_codes(dataset.codes).mean


def test_every_value_of_nasbench201_is_reproduced(spaces_data: Path) -> None:
    """Also the rows' order: that in which the benchmark counts."""
    sources = read_sources(spaces_data)
    catalog = find_benchmark("nasbench201", FOLDER)
    assert sorted(t for s in sources for t in s.origin.targets) == sorted(
        t.name for t in catalog.targets
    )
    for dataset in sources:
        assert tuple(dataset.codes[7]) == from_benchmark_index(7).codes
        for target, measured in dataset.values.items():
            found, card = answers(dataset, target), catalog.find(target).card
            if card.exact:
                assert np.array_equal(found, measured.astype(np.float32)), target
            else:
                bound = card["rounding"]["largest"]
                assert np.abs(found.astype(np.float64) - measured).max() == bound, target
                assert bound < 1e-5
            assert card.dataset is not None
            assert card.dataset["sha256"] == dataset.sha256


def test_accuracies_are_means_over_the_seeds_that_were_trained(spaces_data: Path) -> None:
    stored = np.load(spaces_data / "hwnas_nb201.npz", allow_pickle=False)
    trained = read_sources(spaces_data)[2]
    for images, short in IMAGES.items():
        column = trained.values[f"accuracy_{short}"]
        for row in (0, 1, 2, 15_624):
            seeds = [a for a in stored[f"acc_{images}"][row].tolist() if a == a]
            assert column[row] == pytest.approx(sum(seeds) / len(seeds), rel=1e-14)


def test_no_latency_of_the_edge_tpu_is_there(spaces_data: Path) -> None:
    """A third of what it was published with is -1."""
    names = {t.name for t in anb_onnx.targets("nasbench201", path=FOLDER)}
    assert not [name for name in names if "edgetpu" in name]
    for dataset in read_sources(spaces_data):
        for target, values in dataset.values.items():
            assert (values > 0).all(), target


def test_counted_parameters_are_the_published_ones_but_for_150(spaces_data: Path) -> None:
    stored = np.load(spaces_data / "hwnas_nb201.npz", allow_pickle=False)
    for images, short in IMAGES.items():
        found = parameters(stored["codes"], short)
        published = np.rint(stored[f"params_M_{images}"] * 1e6).astype(np.int64)
        off = found - published
        assert (off != 0).sum() == 150
        # A convolution, of one kind or the other, too few or too many.
        assert set(np.abs(off).tolist()) == {0, 28_000, 243_040}


@pytest.mark.parametrize(
    ("images", "least", "most"),
    [("cifar10", 7.78305, 220.11969), ("cifar100", 7.7889, 220.12554)],
)
def test_multiply_adds_are_between_the_published_ends(
    images: str, least: float, most: float
) -> None:
    codes = anb_onnx.indices_to_codes(np.arange(15_625), space=anb_onnx.NASBENCH201)
    found = multiply_adds(codes, images) / 1e6
    assert (found.min(), found.max()) == (least, most)


def test_additive_devices_of_fbnet_are_recovered(spaces_data: Path) -> None:
    measured, counted = read_fbnet(spaces_data)
    catalog = find_benchmark("fbnet", FOLDER)
    exact = {}
    for device in ("raspi4", "pixel3", "fpga", "eyeriss"):
        target = f"latency_{device}"
        card = catalog.find(target).card
        assert card.recipe == "sum over blocks"
        assert card["terms"] == [[block] for block in range(22)]
        found, values = answers(measured, target), measured.values[target]
        exact[device] = np.array_equal(found, values.astype(np.float32))
        assert card.exact is exact[device]
        # To one place of float32.
        assert np.abs(found / values - 1).max() < 2.0**-23
    assert exact == {"raspi4": False, "pixel3": False, "fpga": True, "eyeriss": True}
    for target, values in counted.values.items():
        assert np.array_equal(answers(counted, target), values.astype(np.float32))


def test_other_devices_of_fbnet_are_not_additive(spaces_data: Path) -> None:
    measured, _ = read_fbnet(spaces_data)
    assert additive(measured, "latency_gold_6226") is None


def test_fbnet_was_measured_on_small_images(spaces_data: Path) -> None:
    """What is exactly additive follows the multiply-adds of that variant more closely."""
    measured, _ = read_fbnet(spaces_data)
    small, large = (fbnet_multiply_adds(measured.codes, v) for v in ("cifar100", "imagenet"))
    for device in ("raspi4", "pixel3", "fpga", "eyeriss"):
        values = measured.values[f"latency_{device}"]
        assert np.corrcoef(small, values)[0, 1] > np.corrcoef(large, values)[0, 1] + 0.03


@pytest.mark.parametrize(
    ("benchmark_name", "target", "least"),
    [
        ("fbnet", "latency_titan_rtx_64", 0.99),
        ("fbnet", "latency_gold_6226", 0.97),
        ("ofa", "latency_titan_rtx_64", 0.999),
        ("ofa", "latency_v100_32", 0.95),
    ],
)
def test_rows_that_took_no_part_are_ranked(
    spaces_data: Path, benchmark_name: str, target: str, least: float
) -> None:
    from anb_export.training.block_sums import folds

    read = {"fbnet": lambda: read_fbnet(spaces_data)[0], "ofa": lambda: read_ofa(spaces_data)}
    dataset = read[benchmark_name]()
    test = folds(len(dataset), 10)[0]
    found = answers(dataset, target)[test]
    rank = spearmanr(found, dataset.values[target][test]).statistic
    assert rank > least
    stated = find_benchmark(benchmark_name, FOLDER).find(target).card.quality["test"]["spearman"]
    assert stated == pytest.approx(rank, abs=1e-12)


def test_the_command_writes_nasbench201_again(
    spaces_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["spaces", "--data", str(spaces_data), "--out", str(tmp_path)]
    for _ in range(2):  # the second finds everything there
        assert main([*command, "--space", "nasbench201"]) == 0
        made = {path.name: path.read_bytes() for path in (tmp_path / "nasbench201").iterdir()}
        bundled = {path.name: path.read_bytes() for path in (FOLDER / "nasbench201").iterdir()}
        # The manifest and the cards name the versions of the libraries that made them.
        assert made.keys() == bundled.keys()
        assert made["golden.bin"] == bundled["golden.bin"]
    assert "wrote 69 artifacts" in capsys.readouterr().err


def test_the_page_shows_what_the_command_prints(tmp_path: Path) -> None:
    docs = FOLDER.parents[2] / "docs" / "spaces.md"
    page = tmp_path / "page.md"
    page.write_text("<!-- cards:begin -->\nold\n<!-- cards:end -->\n")
    assert main(["spaces", "--table", str(page), "--out", str(FOLDER)]) == 0
    section = page.read_text()
    assert "| latency_gold_6226 " in section
    assert section.count("\n| ") > 110
    assert section.strip() in docs.read_text()


def test_a_page_that_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["spaces", "--table", str(tmp_path / "none.md"), "--out", str(FOLDER)]) == 2
    assert "none.md cannot be read" in capsys.readouterr().err


def test_measurements_that_are_missing_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, files in FILES.items():
        command = ["spaces", "--data", str(tmp_path), "--out", str(tmp_path), "--space", name]
        assert main(command) == 2
        assert f"{files[0]} is missing; --data names the folder" in capsys.readouterr().err


def test_codes_in_another_order_are_refused(spaces_data: Path, tmp_path: Path) -> None:
    for name in FILES["nasbench201"]:
        shutil.copyfile(spaces_data / name, tmp_path / name)
    stored = dict(np.load(spaces_data / "help_nb201.npz", allow_pickle=False))
    stored["ops"] = stored["ops"][::-1]
    np.savez(tmp_path / "help_nb201.npz", **stored)
    with pytest.raises(DatasetError, match="array 'ops' must be none, skip_connect"):
        read_sources(tmp_path)


def test_values_that_no_gene_has_are_refused(spaces_data: Path, tmp_path: Path) -> None:
    stored = dict(np.load(spaces_data / "help_ofa.npz", allow_pickle=False))
    stored["ks"] = stored["ks"].copy()
    stored["ks"][4, 2] = 4
    np.savez(tmp_path / "help_ofa.npz", **stored)
    with pytest.raises(DatasetError, match="array 'ks', row 4, is"):
        read_ofa(tmp_path)
