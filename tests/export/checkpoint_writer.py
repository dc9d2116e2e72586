"""Writes small checkpoints in the layout in which the reference publishes its models.

It needs NumPy and the libraries of the models only, so that it also runs in an environment of the
reference's age: ``python checkpoint_writer.py FOLDER`` writes what `data/README.md` describes.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

#: Number of choices of each of the 28 genes.
SIZES = np.array([2 if gene % 2 else 4 if gene == 22 else 3 for gene in range(28)])


def rows(n: int, seed: int) -> Any:
    """Random codes, float64 [n, 28], as the reference trains on."""
    return (np.random.default_rng(seed).random((n, 28)) * SIZES).astype(np.float64) // 1


def labels(x: Any, target: str) -> Any:
    """Made-up measurements of a size that suits the target."""
    size = x @ (1 + np.arange(28) % 5) / 40 + 0.3 * (x[:, 0] == 2) * x[:, 5]
    noise = np.random.default_rng(len(x)).normal(0, 0.05, len(x))
    return 60 + 5 * size + noise if target == "accuracy" else 2000 / (1 + size) + 20 * noise


def fit(
    model: str, target: str, seed: int, *, n: int = 160, rounds: int = 14, depth: int = 3
) -> Any:
    """Fit an estimator of a reference family ("xgb", "lgb_accel", ...) as the reference calls it.

    The boosters stop early, with a best round before the last.
    """
    x = rows(n, seed)
    y = labels(x, target)
    held = rows(40, seed + 1000)
    # Half as spread as what is learned: the best round is half way.
    held_labels = (labels(held, target) + y.mean()) / 2
    family = model.replace("_accel", "")
    if family == "xgb":
        import xgboost as xgb

        return xgb.train(
            {"max_depth": depth, "learning_rate": 0.5, "nthread": 1, "seed": seed}
            | {"objective": "reg:squarederror", "eval_metric": "rmse"}
            | {"base_score": float(y.mean())},
            xgb.DMatrix(x, label=y),
            num_boost_round=rounds,
            early_stopping_rounds=2,
            verbose_eval=False,
            evals=[(xgb.DMatrix(held, label=held_labels), "val")],
        )
    if family == "lgb":
        import lightgbm as lgb

        valid = lgb.Dataset(held, label=held_labels)
        return lgb.train(
            {"objective": "regression", "metric": "rmse", "num_leaves": 4, "seed": seed}
            | {"num_threads": 1, "verbose": -1, "early_stopping_round": 3, "learning_rate": 0.3},
            lgb.Dataset(x, label=y),
            num_boost_round=rounds,
            valid_sets=[valid],
        )
    if family == "sklearn_forest":
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(4, max_depth=3, max_features=0.5, random_state=seed).fit(x, y)
    from sklearn.svm import SVR, NuSVR

    return {"svr": SVR, "svr_nu": NuSVR}[family](C=10.0).fit(x[:24], y[:24])


def predict(model: str, estimator: Any, x: Any) -> Any:
    """Predict as the reference does."""
    if model.startswith("xgb"):
        import xgboost as xgb

        return estimator.predict(xgb.DMatrix(x))
    return estimator.predict(x)


def write_member(
    root: Path,
    estimator: Any,
    model: str,
    device: str | None = None,
    metric: str | None = None,
    *,
    seed: int,
    protocol: int = 4,
) -> Path:
    """Write the folder of a member; return it."""
    parts = [model] if device is None else [model, device, str(metric)]
    folder = root.joinpath(*parts, f"20230401-12000{seed % 10}-{seed}")
    folder.mkdir(parents=True)
    with (folder / "surrogate_model.model").open("wb") as file:
        pickle.dump(estimator, file, protocol=protocol)
    config = {"model": model, "device": device, "metric": metric, "param:max_depth": 3}
    (folder / "model_config.json").write_text(json.dumps(config))
    (folder / "data_config.json").write_text(json.dumps({"seed": seed}))
    return folder


def main(root: Path) -> None:
    """Write one ensemble of two xgboost members, and one member of each other family."""
    x = rows(30, 77)
    expected: dict[str, Any] = {"codes": x.astype(int).tolist(), "predictions": {}}
    wanted = [
        ("xgb", None, None, 1),
        ("xgb", None, None, 2),
        ("lgb_accel", "tpuv2", "throughput", 1),
        ("sklearn_forest", None, None, 1),
        ("svr", None, None, 1),
        ("svr_nu_accel", "zcu102", "latency", 1),
    ]
    for model, device, metric, seed in wanted:
        target = "accuracy" if device is None else f"{metric}_{device}"
        estimator = fit(model, target, seed, depth=2)  # small files
        folder = write_member(root, estimator, model, device, metric, seed=seed)
        name = folder.relative_to(root).as_posix()
        expected["predictions"][name] = [float(y) for y in predict(model, estimator, x)]
    versions = {}
    for package in ("xgboost", "lightgbm", "sklearn", "numpy"):
        versions[package] = __import__(package).__version__
    expected["versions"] = {**versions, "python": sys.version.split()[0]}
    (root / "expected.json").write_text(json.dumps(expected, separators=(",", ":")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
