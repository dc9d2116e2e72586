"""Writes a small benchmark to try `anb-export` with: a search space, a table and what they are.

    python measure.py my-nas

The measurements are made up. In their place stand yours: one row an architecture, one column a
gene, one column for each quantity that was measured.
"""

import csv
import json
import random
import sys
from pathlib import Path

from anb_onnx import Block, Gene, SearchSpace, sample

OPERATIONS = ("conv", "mbconv", "attention", "skip")
WIDTHS = (16, 32, 64)


def space() -> SearchSpace:
    """Return the space: four stages, each with an operation and a width."""
    blocks = []
    for number in range(4):
        operation = Gene(f"stage{number}_op", OPERATIONS)
        width = Gene(f"stage{number}_width", WIDTHS)
        blocks.append(Block(f"stage{number}", (operation, width)))
    return SearchSpace("four-stages", tuple(blocks))


def measure(architecture: dict[str, str | int], noise: random.Random) -> tuple[float, float]:
    """Make up a latency in ms, and an accuracy in %."""
    cost = {"conv": 1.0, "mbconv": 0.6, "attention": 1.4, "skip": 0.1}
    gain = {"conv": 1.0, "mbconv": 1.1, "attention": 1.5, "skip": 0.0}
    latency, capacity, before = 2.0, 0.0, 3
    for number in range(4):
        operation = str(architecture[f"stage{number}_op"])
        width = int(architecture[f"stage{number}_width"])
        latency += cost[operation] * width * before / 500  # what pairs of stages are for
        capacity += gain[operation] * width**0.5
        before = width
    accuracy = 95 - 60 / (1 + capacity / 8)
    return latency * noise.gauss(1, 0.03), accuracy + noise.gauss(0, 0.5)


def main(folder: Path) -> None:
    """Write ``space.json``, ``measurements.csv`` and ``dataset.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    four_stages, noise = space(), random.Random(0)
    (folder / "space.json").write_text(four_stages.to_json())
    with (folder / "measurements.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*four_stages.gene_names, "latency_phone", "accuracy"])
        seen = set()
        for codes in sample(320, seed=1, space=four_stages):
            if codes.tobytes() in seen:
                continue  # each architecture once
            seen.add(codes.tobytes())
            values = [
                gene.choices[code] for gene, code in zip(four_stages.genes, codes, strict=True)
            ]
            architecture = dict(zip(four_stages.gene_names, values, strict=True))
            latency, accuracy = measure(architecture, noise)
            table.writerow([*values, f"{latency:.3f}", f"{accuracy:.2f}"])
    description = {
        "benchmark": "four-stages",
        "name": "Made-up measurements",
        "license": "CC0-1.0",
        "space": "space.json",
        "table": "measurements.csv",
        "targets": {
            "latency_phone": {"device": "phone", "unit": "ms", "direction": "min"},
            "accuracy": {"unit": "%", "direction": "max"},
        },
    }
    (folder / "dataset.json").write_text(json.dumps(description, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
