"""A small data set of the published format, with made-up measurements."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

CHOICES = {"e": (1, 4, 6), "k": (3, 5), "l": (1, 2, 3), "se": (True, False)}
DEVICES = {
    "latency": ("zcu102", "vck190"),
    "throughput": ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190"),
}

HYPERPARAMETERS: dict[str, Any] = {
    "num_rounds": 300,
    "early_stopping_rounds": 5,
    "booster": "gbtree",
    "max_depth": 3,
    "min_child_weight": 2,
    "colsample_bytree": 0.9,
    "colsample_bylevel": 0.9,
    "lambda": 1.0,
    "alpha": 0.1,
    "learning_rate": 0.3,
    "bananas_enc": False,
}


def choices(block: int, gene: str) -> tuple[Any, ...]:
    return (1, 2, 3, 4) if (block, gene) == (5, "l") else CHOICES[gene]


def record(number: int) -> dict[str, Any]:
    """One record; equal numbers give equal records."""
    rng = np.random.default_rng([7, number])
    architecture = {}
    size = 0.0
    for block in range(7):
        for gene in CHOICES:
            options = choices(block, gene)
            code = int(rng.integers(len(options)))
            architecture[f"block{block}_{gene}"] = options[code]
            size += (block + 1) * code * (0.2 if gene == "se" else 1.0)
    noise = rng.normal()
    platforms: dict[str, Any] = {}
    for metric, devices in DEVICES.items():
        for device in devices:
            platforms[f"{metric}_{device}"] = {
                f"{metric}_mean": 2.0 + size / 10 if metric == "latency" else 5000 / (20 + size),
                f"{metric}_std": 0.5 if device in ("a100", "tpuv2") else None,
            }
    if number % 10 == 3:
        platforms["throughput_tpuv2"] = {"throughput_mean": None, "throughput_std": None}
    return {
        "architecture": architecture,
        "metrics": {
            "val_top1": 60 + size / 20 + noise / 10,
            "val_top5": 80.0,
            "train_time": 1000 + 10 * size,
        },
        "model_info": {"macs": 300 + size, "params": 2 + size / 50},
        "platform_perf": platforms,
    }


def records(n: int) -> dict[str, bytes]:
    """Content of n records by file name."""
    return {f"result_{i}.json": json.dumps(record(i)).encode() for i in range(n)}


def write_folder(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def write_tar(path: Path, contents: dict[str, bytes], prefix: str = "./data/") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_split(folder: Path, parts: dict[str, list[int]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, numbers in parts.items():
        paths = [f"../somewhere/else/result_{number}.json" for number in numbers]
        (folder / f"{part}_paths.json").write_text(json.dumps(paths))
    return folder


def write_study(root: Path, n: int = 120) -> Path:
    """Write records, split and hyper-parameters as they are published; return the tar's path."""
    path = write_tar(root / "anb_dataset_jsons.tar.gz", records(n))
    bounds = (0, n * 7 // 10, n * 17 // 20, n)
    parts = {
        part: list(range(bounds[k], bounds[k + 1]))
        for k, part in enumerate(("train", "val", "test"))
    }
    write_split(root / "default_split", parts)
    found = dict.fromkeys(("accuracy", "throughput_tpuv2"), HYPERPARAMETERS)
    (root / "upstream_hyperparameters.json").write_text(json.dumps({"xgb": found}))
    return path
