"""Measurements of one's own, of a small space: made up, and complete."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np

from anb_onnx.spaces.space import Block, Gene, SearchSpace

CHOICES = 4
GENES = ("a", "b", "c", "d")


def write_data(folder: Path, seed: int = 0) -> Path:
    """Write measurements of all 256 architectures of a small space; return their description."""
    blocks = [Block(name, (Gene(name, tuple(range(CHOICES))),)) for name in GENES]
    space = SearchSpace("small", tuple(blocks))
    rng = np.random.default_rng(seed)
    effects = rng.uniform(1, 5, (len(GENES), CHOICES))
    lines = [",".join((*GENES, "latency_phone", "energy_phone"))]
    for codes in product(range(CHOICES), repeat=len(GENES)):
        time = sum(effects[k, code] for k, code in enumerate(codes)) + rng.normal() / 20
        lines.append(",".join(map(str, (*codes, time, 2 * time + codes[0] * codes[1]))))
    (folder / "measured.csv").write_text("\n".join(lines) + "\n")
    unit = {"device": "phone", "direction": "min"}
    targets = {
        "latency_phone": {**unit, "unit": "ms"},
        "energy_phone": {**unit, "unit": "mJ"},
    }
    document = {
        **{"benchmark": "small", "name": "made up", "license": "CC0-1.0"},
        **{"space": space.to_dict()},
        **{"table": "measured.csv", "targets": targets},
    }
    path = folder / "data.json"
    path.write_text(json.dumps(document))
    return path
