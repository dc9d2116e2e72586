"""The JavaScript package as its user gets it: README, its own tests, and bits equal to Python's."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_room import ACCEL, ROOT, copy_sources, need, run
from random_texts import damaged_cases, n_cases
from random_vectors import write
from small_truth import PAIRS, truths_of, with_truth

import anb_onnx
from anb_onnx.calibration import Calibration
from anb_onnx.catalog.truth_reader import read_truth
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.links import Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.tables import TableEnsemble
from anb_onnx.vector_answers import Curve

#: Random architectures compared with Python; ANB_CROSSCHECK_ROWS=1000000 takes a minute more.
ROWS = int(os.environ.get("ANB_CROSSCHECK_ROWS", "50000"))
LEVEL = 0.9


def test_package(tmp_path: Path) -> None:
    need("node")
    need("npm")
    package = copy_sources("js", tmp_path)

    # As the README says, to the letter.
    script = re.search(r"```sh\n(.*?)```", (package / "README.md").read_text("utf-8"), re.S)
    assert script is not None
    printed = run(["bash", "-euc", script.group(1)], tmp_path)
    assert re.search(r"6\d\.\d+ ± 0\.\d+ % \{ lower: 6", printed), printed
    assert "Float32Array(3)" in printed
    assert_page_is_right(tmp_path / "examples" / "js")

    run(["npm", "test"], package)

    codes = sample(ROWS, seed=11, space=MNASNET)
    codes.tofile(tmp_path / "codes.bin")
    for target in ("accuracy", "throughput_a100"):
        assert_same_bits(package, ACCEL, target, codes)
    assert_same_bits(package, write_regime(tmp_path / "regime"), "accuracy", codes)
    assert_same_truth(package, tmp_path / PAIRS.name)
    assert_same_texts(package, tmp_path / "texts.json")
    assert_same_curves(package, tmp_path / "vectors")


def assert_same_curves(package: Path, folder: Path) -> None:
    """Compare curves over MnasNet's space, intervals and where levels are crossed."""
    surrogates = write(MNASNET, 8, folder)
    codes = sample(2000, seed=4, space=MNASNET)
    codes.tofile(folder / "codes.bin")
    for target in ("accuracy", "loss"):
        surrogate = surrogates[target]
        curve = surrogate.query(codes)
        assert isinstance(curve, Curve)
        level = float(np.median(curve.mean))
        whole = curve.until(curve.epochs[-1])
        runs = surrogate.query(codes, fidelity={"seeds": 3}).predictive_std
        for fidelity in (1.0, 12.34, float(curve.epochs[17]), float(curve.epochs[-1])):
            words = [str(folder), target, repr(fidelity), repr(level)]
            files = [str(folder / "codes.bin"), str(folder / "found.bin")]
            run(["node", "test/curves.mjs", *words, *files], package)
            there = curve.at(fidelity)
            parts = [there.mean, there.std, *there.interval(0.8), runs, whole.mean, whole.std]
            expected = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
            found = (folder / "found.bin").read_bytes()
            assert found[: len(expected)] == expected, f"{target} at {fidelity}"
            crossed = np.frombuffer(found[len(expected) :], "<f8")
            np.testing.assert_array_equal(crossed, curve.crossing(level))  # any NaN is as good


def assert_same_texts(package: Path, file: Path) -> None:
    """Compare damaged texts of architectures with what Python reads."""
    cases = damaged_cases(seed=2, n=1000)
    file.write_text(json.dumps(cases), "utf-8")
    printed = run(["node", "test/spell.mjs", str(file)], package).splitlines()
    expected = [f"{name}\t{good} valid\t{bad} invalid" for name, good, bad in n_cases(cases)]
    assert printed == expected, printed


def assert_page_is_right(package: Path) -> None:
    """Run the program of docs/how-to/javascript.md, which prints what stands below it."""
    page = (ROOT / "docs" / "how-to" / "javascript.md").read_text("utf-8")
    (program, shown) = re.findall(r"```(?:js|text)\n(.*?)```", page, re.S)
    (package / "page.mjs").write_text(program, "utf-8")
    assert run(["node", "page.mjs"], package) == shown


def assert_same_bits(package: Path, folder: Path, target: str, codes: np.ndarray) -> None:
    """Compare both engines in Node with Python on the architectures of ``codes.bin``."""
    room = package.parents[1]
    command = ["node", "test/crosscheck.mjs", target, str(LEVEL)]
    files = [str(room / "codes.bin"), str(room / target)]
    run([*command, *files], package, ANB_ONNX_ARTIFACTS=str(folder))
    expected = predict_by_python(folder, target, codes)
    for engine in ("pure", "ort-node"):
        found = (room / f"{target}-{engine}.bin").read_bytes()
        assert found == expected, f"{folder}, {target}, {engine}: bits differ from Python's"


def assert_same_truth(package: Path, folder: Path) -> None:
    """Compare ranks and shares of any values with Python's."""
    pytest.importorskip("anb_export", reason="needs the exporter: pip install -e export")
    from anb_export.artifacts.truth import pack

    with_truth(PAIRS, folder, pack(truths_of(PAIRS, bins=50, n_best=100)))
    truths = read_truth(folder)
    assert truths is not None
    rng = np.random.default_rng(3)
    for target, truth in truths.items():
        low, high = sorted((truth.worst.value, truth.optimum.value))
        assert truth.edges is not None
        drawn = rng.uniform(low - 0.1 * (high - low), high + 0.1 * (high - low), 2000)
        values = np.concatenate([drawn, truth.edges, truth.best, np.nextafter(truth.best, 0)])
        file = folder.with_suffix(".json")
        file.write_text(json.dumps(values.tolist()))
        printed = run(["node", "test/truth.mjs", str(folder), target, str(file)], package)
        answer = json.loads(printed)
        assert answer["resolution"] == truth.resolution
        ranks, least, most, shares, regrets = zip(*answer["found"], strict=True)
        assert list(map(int, ranks)) == truth.rank(values).tolist()
        bounds = truth.rank_bounds(values)
        assert [list(map(int, bound)) for bound in (least, most)] == [b.tolist() for b in bounds]
        np.testing.assert_allclose(shares, truth.quantile(values), rtol=1e-14)
        known = np.array([regret is not None for regret in regrets])
        assert known.sum() > 1000
        found = np.array(regrets, dtype=np.float64)[known]
        np.testing.assert_array_equal(found, truth.regret(values[known]))
        with pytest.raises(anb_onnx.TruthError):
            truth.regret(values[~known])


def write_regime(folder: Path) -> Path:
    """Write accuracy with a regime that it does not have, as the exporter does."""
    pytest.importorskip("anb_export", reason="needs the exporter: pip install -e export")
    from anb_export.graphs.table_form import build_table_model

    from anb_onnx.writing.manifest import write_artifact

    card, plain = read(ACCEL, "accuracy")
    regime = Regime("block5_l", (1, 3), ((60.0, 0.75), (66.0, -0.5)))
    ensemble = replace(plain, link=replace(plain.link, regime=regime))
    card |= {"benchmark": "accel-nasbench", "link": ensemble.link.to_dict()}
    model = build_table_model(ensemble, card)
    card = model.card
    write_artifact(folder / "accuracy.onnx", model.content, "accuracy", card, space=MNASNET)
    return folder


def read(folder: Path, target: str) -> tuple[dict[str, Any], TableEnsemble]:
    """Return a target's entry of the manifest, and the tables in its file."""
    card = json.loads((folder / "manifest.json").read_text("utf-8"))["targets"][target]
    facts = card["tables"]
    shape = (facts["entries"], facts["members"])
    file = (folder / card["file"]).read_bytes()
    entries = np.frombuffer(file, "<i4", count=shape[0] * shape[1], offset=facts["offset"])
    ensemble = TableEnsemble(
        MNASNET,
        entries.reshape(shape).astype(np.int32),
        facts["scale"],
        facts["shift"],
        Link.from_dict(card["link"]),
    )
    return card, ensemble


def predict_by_python(folder: Path, target: str, codes: np.ndarray) -> bytes:
    """Mean, std, predictive std and interval by the reference evaluation of the tables."""
    card, ensemble = read(folder, target)
    blocks = np.array_split(codes, max(1, len(codes) // 50_000))
    outputs = [ensemble.predict(codes_to_symbols(block, MNASNET)) for block in blocks]
    mean, std = (np.concatenate([output[k] for output in outputs]) for k in (0, 1))
    calibration = Calibration.from_dict(card["calibration"])
    bounds = calibration.interval(mean, std, LEVEL)
    arrays = (mean, std, calibration.predictive_std(mean, std), *bounds)
    return b"".join(array.astype("<f4").tobytes() for array in arrays)
