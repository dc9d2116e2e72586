"""The JavaScript package as its user gets it: README, its own tests, and bits equal to Python's."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
from node_room import ARTIFACTS, copy_sources, need, run

from anb_onnx.architecture import sample
from anb_onnx.calibration import Calibration
from anb_onnx.encoding import codes_to_symbols
from anb_onnx.links import Link
from anb_onnx.space import MNASNET
from anb_onnx.tables import TableEnsemble

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

    run(["npm", "test"], package)

    for target in ("accuracy", "throughput_a100"):
        codes = sample(ROWS, seed=11)
        codes.tofile(tmp_path / "codes.bin")
        command = ["node", "test/crosscheck.mjs", target, str(LEVEL)]
        run([*command, str(tmp_path / "codes.bin"), str(tmp_path / target)], package)
        expected = predict_by_python(target, codes)
        for engine in ("pure", "ort-node"):
            found = (tmp_path / f"{target}-{engine}.bin").read_bytes()
            assert found == expected, f"{target}, {engine}: bits differ from Python's"


def predict_by_python(target: str, codes: np.ndarray) -> bytes:
    """Mean, std, predictive std and interval by the reference evaluation of the tables."""
    card = json.loads((ARTIFACTS / "manifest.json").read_text("utf-8"))["targets"][target]
    facts = card["tables"]
    shape = (facts["entries"], facts["members"])
    file = (ARTIFACTS / card["file"]).read_bytes()
    entries = np.frombuffer(file, "<i4", count=shape[0] * shape[1], offset=facts["offset"])
    ensemble = TableEnsemble(
        MNASNET,
        entries.reshape(shape).astype(np.int32),
        facts["scale"],
        facts["shift"],
        Link.from_dict(card["link"]),
    )
    blocks = np.array_split(codes, max(1, len(codes) // 50_000))
    outputs = [ensemble.predict(codes_to_symbols(block)) for block in blocks]
    mean, std = (np.concatenate([output[k] for output in outputs]) for k in (0, 1))
    calibration = Calibration.from_dict(card["calibration"])
    bounds = calibration.interval(mean, std, LEVEL)
    arrays = (mean, std, calibration.predictive_std(mean, std), *bounds)
    return b"".join(array.astype("<f4").tobytes() for array in arrays)
