"""Cards, plots and overview, checked against the boosters themselves."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import xgboost as xgb
from anb_export.cli import main
from anb_export.reports.report import write_report
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import kendalltau
from sklearn.metrics import mean_absolute_error, r2_score

import anb_onnx
from anb_onnx.errors import AnbError

from .report_room import MEASURED, OFFSET, Room, cells, make_room


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def cards(room: Room) -> Path:
    out = room.root / "docs" / "cards"
    write_report(room.dataset, room.split, room.sources, out)
    return out


def measured_rows(room: Room, target: str) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    rows = room.split.test[~np.isnan(room.dataset.values[target][room.split.test])]
    return room.dataset.codes[rows], room.dataset.values[target][rows]


def by_boosters(room: Room, recipe: str, target: str) -> NDArray[np.float64]:
    """Predict the test rows by xgboost, with the inverse links written out."""
    codes, _ = measured_rows(room, target)
    folder = room.root / "work" / recipe / target
    transform = json.loads((folder / "training.json").read_text())["recipe"]["transform"]
    members = []
    for path in sorted(folder.glob("member_*.ubj")):
        booster = xgb.Booster(model_file=path)
        u = booster.predict(xgb.DMatrix(codes.astype(np.float32))).astype(np.float64)
        if recipe == "compact":
            reciprocal = 1 / (u * transform["std"] + transform["mean"])
            u = OFFSET - reciprocal if target == "accuracy" else reciprocal
        members.append(u)
    return np.asarray(np.mean(members, axis=0))


@pytest.mark.parametrize("target", MEASURED)
@pytest.mark.parametrize(
    ("recipe", "row"), [("compact", "**test**"), ("upstream", "upstream: **test**")]
)
def test_quality_is_that_of_the_boosters(
    room: Room, cards: Path, target: str, recipe: str, row: str
) -> None:
    _, measured = measured_rows(room, target)
    predicted = by_boosters(room, recipe, target)
    expected = [
        kendalltau(measured, predicted).statistic,
        r2_score(measured, predicted),
        mean_absolute_error(measured, predicted),
    ]
    stored = json.loads((room.root / "comparison.json").read_text())["targets"][target][recipe]
    test = stored["quality"]["test"]
    assert [test[key] for key in ("kendall_tau", "r2", "mae")] == pytest.approx(expected, rel=2e-4)
    assert stored["members"] == {"compact": 8, "upstream": 6}[recipe] == len(stored["rounds"])

    found = cells((cards / f"{target}.md").read_text(), row)
    assert found[1] == str(len(measured))
    shown = [float(found[k].replace(",", "")) for k in (2, 4, 5)]
    assert shown == pytest.approx(expected, rel=2e-4, abs=1e-4)
    overview = cells((cards / "README.md").read_text(), f"[{target}]({target}.md)")
    place = 0 if recipe == "compact" else 1
    shown = [float(re.findall(r"[\d.]+", cell)[place]) for cell in overview[3:6]]
    assert shown == pytest.approx(expected, rel=2e-4, abs=1e-4)


def test_coverage_and_worst_rows(room: Room, cards: Path) -> None:
    page = (cards / "accuracy.md").read_text()
    codes, measured = measured_rows(room, "accuracy")
    path = room.root / "artifacts" / "accuracy.onnx"
    card = json.loads((path.parent / "manifest.json").read_text())["targets"]["accuracy"]
    calibration = card["calibration"]
    with anb_onnx.load(path=path) as surrogate:
        p = surrogate.query(codes)
    mean, std = p.mean.astype(float), p.std.astype(float)
    t = mean if calibration["offset"] is None else calibration["offset"] - mean
    noise = calibration["noise"] * t ** calibration["noise_power"]
    scale = np.sqrt((calibration["spread"] * std) ** 2 + noise**2)
    residual = measured - mean
    levels, quantiles = calibration["levels"], calibration["quantiles"]
    for level in (0.5, 0.8, 0.9, 0.95):
        place = int(np.argmin(np.abs(np.array(calibration["levels"]) - level)))
        inside = np.mean(np.abs(residual) <= calibration["quantiles"][place] * scale)
        error = 100 * (level * (1 - level) / len(measured)) ** 0.5
        found = cells(page, f"{100 * level:g} % interval")
        assert found[5:] == [f"{100 * inside:.1f} %", f"{error:.1f}"]
    of_all = (cards / "README.md").read_text().split("## Measurements inside")[1]
    assert cells(of_all, "accuracy")[2:] == [
        f"{shown}" if abs(inside - level) <= 0.03 else f"**{shown}**"
        for level in (0.5, 0.8, 0.9, 0.95)
        for inside in [np.mean(np.abs(residual) <= np.interp(level, levels, quantiles) * scale)]
        for shown in [f"{100 * inside:.1f} %"]
    ]
    assert re.search(r"Within 3 points of nominal: \d+ of \d+; the others are bold", of_all)
    for k in (1, 2, 3):
        inside = np.mean(np.abs(residual) <= k * std)
        assert cells(page, f"± {k} std")[5] == f"{100 * inside:.1f} %"

    relative = residual / scale
    order = np.argsort(-np.abs(relative))
    listed = re.findall(r"^\| `(result_\d+\.json)`.* ([+-][\d.]+) \|$", page, re.MULTILINE)
    names = [room.dataset.names[row] for row in room.split.test[order[:10]]]
    assert [name for name, _ in listed] == names
    assert [float(v) for _, v in listed] == pytest.approx(relative[order[:10]], abs=0.006)
    assert "block0_e" not in page  # the architecture as its index, not the record


def test_what_a_card_says(room: Room, cards: Path) -> None:
    page = (cards / "throughput_tpuv2.md").read_text()
    card = json.loads((room.root / "artifacts" / "manifest.json").read_text())["targets"]
    card = card["throughput_tpuv2"]
    missing = np.isnan(room.dataset.values["throughput_tpuv2"][room.split.pool]).sum()
    for text in (
        "inference throughput on Google TPU v2",
        "images/s; more is better",
        "g(y) = 1/y",
        f"{card['bytes']:,} bytes",
        card["sha256"],
        room.dataset.sha256,
        room.split.sha256,
        f"Learned from {card['dataset']['n_used']:,} training and validation records;",
        "Apache-2.0",
        f"; {missing} more have no measurement",
        "arXiv:2404.08005",
        "anb-export build --dataset anb_dataset_jsons.tar.gz --target throughput_tpuv2",
    ):
        assert text in page
    assert str(room.root) not in page
    with anb_onnx.load(path=room.root / "artifacts" / "throughput_tpuv2.onnx") as surrogate:
        b0 = surrogate.query(anb_onnx.efficientnet_b0())
    shown = [float(v) for v in re.findall(r"[\d.]+", cells(page, "EfficientNet-B0")[1])]
    assert shown[:2] == pytest.approx([b0.mean, b0.std], rel=1e-3)
    exact = (cards / "macs.md").read_text()
    assert "one integer count per block" in exact
    assert "## Calibration" not in exact
    assert not (cards / "macs.png").exists()
    assert cells((cards / "README.md").read_text(), "[macs](macs.md)")[3] == "exact"


def test_plots(cards: Path) -> None:
    for target in MEASURED:
        content = (cards / f"{target}.png").read_bytes()
        image = Image.open(io.BytesIO(content))
        assert image.size == (1000, 450)
        assert len(content) < 80_000
        assert not image.info.keys() - {"dpi"}
        assert not re.search(rb"tEXt|iTXt|zTXt|tIME", content)
        shades = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)
        for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
            assert np.abs(shades.astype(int) - colour).sum(axis=1).min() < 24


def test_same_bytes_again(room: Room, cards: Path, tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        write_report(room.dataset, room.split, room.sources, tmp_path)
    names = sorted(path.name for path in cards.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (cards / name).read_bytes(), name


def test_readme_receives_the_overview(room: Room, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("top\n<!-- cards:begin -->\n<!-- cards:end -->\nbottom\n")
    out = tmp_path / "docs" / "cards"
    table = write_report(room.dataset, room.split, room.sources, out, readme=readme)
    assert "[accuracy](accuracy.md)" in table
    text = readme.read_text()
    assert "[accuracy](docs/cards/accuracy.md)" in text
    assert text.startswith("top\n<!-- cards:begin -->\n| target")
    assert text.endswith("<!-- cards:end -->\nbottom\n")


def _another_split(manifest: dict[str, Any], comparison: dict[str, Any]) -> None:
    manifest["targets"]["accuracy"]["split"]["sha256"] = "0" * 64


def _other_quality(manifest: dict[str, Any], comparison: dict[str, Any]) -> None:
    manifest["targets"]["accuracy"]["quality"]["test"]["r2"] += 1e-6


def _tree_form(manifest: dict[str, Any], comparison: dict[str, Any]) -> None:
    manifest["targets"]["accuracy"]["form"] = "trees"


def _other_seeds(manifest: dict[str, Any], comparison: dict[str, Any]) -> None:
    manifest["targets"]["accuracy"]["seeds"][0] = 99


def _no_calibration(manifest: dict[str, Any], comparison: dict[str, Any]) -> None:
    del manifest["targets"]["accuracy"]["calibration"]


def _other_members(manifest: dict[str, Any], comparison: dict[str, Any]) -> None:
    comparison["targets"]["accuracy"]["compact"]["quality"]["test"]["mae"] *= 1.01


def _other_data(manifest: dict[str, Any], comparison: dict[str, Any]) -> None:
    comparison["dataset"]["sha256"] = "0" * 64


def _no_schema(manifest: dict[str, Any], comparison: dict[str, Any]) -> None:
    del comparison["schema"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_another_split, "is from another split"),
        # Edits of the manifest alone are refused as soon as the artifact is loaded.
        (_other_quality, r"key 'quality.test.r2' is .*, but .* in the card inside"),
        (_tree_form, "in the form 'trees'"),
        (_other_seeds, r"key 'seeds\[0\]' is 99, but .* in the card inside"),
        (_no_calibration, "key 'calibration' is absent, but .* in the card inside"),
        (_other_members, "it is of other members; run `anb-export compare` again"),
        (_other_data, "is about another dataset"),
        (_no_schema, "is no comparison of schema 1"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    room: Room, tmp_path: Path, damage: Callable[..., None], message: str
) -> None:
    artifacts, file = tmp_path / "artifacts", tmp_path / "comparison.json"
    shutil.copytree(room.root / "artifacts", artifacts)
    manifest = json.loads((artifacts / "manifest.json").read_text())
    comparison = json.loads((room.root / "comparison.json").read_text())
    damage(manifest, comparison)
    (artifacts / "manifest.json").write_text(json.dumps(manifest))
    file.write_text(json.dumps(comparison))
    sources = replace(room.sources, artifacts=artifacts, comparison=file)
    with pytest.raises(AnbError, match=message):
        write_report(room.dataset, room.split, sources, tmp_path / "cards")
    assert not (tmp_path / "cards").exists()


def test_the_commands(
    room: Room, cards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--dataset", str(room.sources.dataset), "--work", str(room.sources.work)]
    out = tmp_path / "comparison.json"
    options = ["--recipes", str(room.root / "recipes.json"), "--jobs", "1", "--out", str(out)]
    options += ["--artifacts", str(room.sources.artifacts), "--target", "accuracy"]
    assert main(["compare", *data, *options, "--target", "throughput_tpuv2"]) == 0
    assert cells(capsys.readouterr().out, "accuracy")[1] == "%"
    assert out.read_bytes() == (room.root / "comparison.json").read_bytes()
    options = ["--artifacts", str(room.sources.artifacts), "--comparison", str(out)]
    options += ["--out", str(tmp_path / "cards"), "--readme", str(tmp_path / "none.md")]
    assert main(["report", *data, *options]) == 0
    assert "[macs](macs.md)" in capsys.readouterr().out
    made, before = tmp_path / "cards" / "accuracy.md", cards / "accuracy.md"
    assert made.read_bytes() == before.read_bytes()
    options[3] = str(tmp_path / "missing.json")
    assert main(["report", *data, *options]) == 2
    assert "no comparison at" in capsys.readouterr().err
