"""The synthetic study, with hyper-parameters of every family, small enough to fit in no time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .synthetic import HYPERPARAMETERS, write_study

SVM: dict[str, Any] = {
    "C": 2.0,
    "coef0": 0.1,
    "degree": 1,
    "gamma": "auto",
    "kernel": "rbf",
    "shrinking": False,
    "tol": 0.001,
}

FAMILIES: dict[str, dict[str, Any]] = {
    "xgb": {**HYPERPARAMETERS, "num_rounds": 40},
    "lgb": {
        "num_rounds": 40,
        "early_stopping_rounds": 5,
        "max_depth": 4,
        "num_leaves": 8,
        "max_bin": 100,
        "feature_fraction": 0.8,
        "min_child_weight": 0.1,
        "lambda_l1": 0.01,
        "lambda_l2": 0.1,
        "boosting_type": "gbdt",
        "learning_rate": 0.2,
        "bananas_enc": False,
    },
    "sklearn_forest": {
        "n_estimators": 7,
        "min_samples_split": 3,
        "min_samples_leaf": 1,
        "max_features": 0.7,
        "bootstrap": True,
    },
    "svr": {**SVM, "epsilon": 0.03},
    "svr_nu": {**SVM, "nu": 0.5},
}


def write_family_study(root: Path) -> Path:
    """Write the study; return the data set's path."""
    path = write_study(root)
    targets = ("accuracy", "throughput_tpuv2", "latency_zcu102")
    document = {family: dict.fromkeys(targets, found) for family, found in FAMILIES.items()}
    (root / "upstream_hyperparameters.json").write_text(json.dumps(document))
    return path
