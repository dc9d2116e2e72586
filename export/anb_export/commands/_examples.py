"""The examples in the help of `anb-export`: tests run those that take seconds, parse the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anb_onnx._io.help_text import Example

#: The commands, in groups, as `anb-export --help` lists them.
GROUPS: Mapping[str, Sequence[str]] = {
    "everything in one go": ("fetch-data", "build", "report", "compare"),
    "step by step": (
        "split",
        "train",
        "info",
        "compile",
        "project",
        "convert",
        "verify",
        "evaluate",
    ),
    "models of others": ("fetch-models", "import"),
    "proofs, and other spaces": ("truth", "spaces", "upgrade"),
    "studies, and what they compare": ("tune", "hpo", "families", "study", "fit"),
    "this shell": ("completion",),
}

_DATA = "--dataset anb_dataset_jsons.tar.gz"

EXAMPLES: Mapping[str, Sequence[Example]] = {
    "fetch-data": (Example("anb-export fetch-data", "the measurements; prints where they lie"),),
    "build": (
        Example(f"anb-export build {_DATA}", "all twelve targets, into artifacts/accel-nasbench"),
        Example(
            "anb-export build --dataset my-nas/dataset.json --out artifacts/my-nas",
            "data of your own (docs/your-benchmark.md)",
        ),
    ),
    "report": (Example(f"anb-export report {_DATA} --comparison comparison.json", "model cards"),),
    "compare": (
        Example(f"anb-export compare {_DATA} --out comparison.json", "beside the reference"),
    ),
    "split": (Example(f"anb-export split {_DATA} --seed 1 --out split1", "a split of your own"),),
    "train": (
        Example(
            f"anb-export train {_DATA} --target accuracy --members 2 --out accuracy",
            "as the reference does, two members",
        ),
        Example(
            f"anb-export train {_DATA} --target accuracy --recipe compact --members 2 --out tables",
            "for exact tables",
        ),
    ),
    "info": (
        Example("anb-export info accuracy", "what a folder of members holds"),
        Example("anb-export info anb_dataset_jsons.tar.gz", "what a data set holds"),
    ),
    "compile": (
        Example("anb-export compile tables --out tables/accuracy.onnx", "integer tables, exactly"),
    ),
    "project": (
        Example(
            "anb-export project accuracy --out projected/accuracy.onnx",
            "tables of any members, and how near they come",
        ),
    ),
    "convert": (
        Example("anb-export convert accuracy --out trees/accuracy.onnx", "the trees themselves"),
    ),
    "verify": (
        Example("anb-export verify trees/accuracy.onnx accuracy", "against the sum of the leaves"),
    ),
    "evaluate": (
        Example(f"anb-export evaluate trees/accuracy.onnx {_DATA}", "by the reference's metrics"),
    ),
    "fetch-models": (Example("anb-export fetch-models", "the published ensembles"),),
    "import": (
        Example("anb-export import saved_models --out imported", "checkpoints of the reference"),
        Example(
            "anb-export import booster.json --target accuracy --out imported", "a model of your own"
        ),
    ),
    "truth": (
        Example("anb-export truth --out artifacts/my-nas", "optima, fronts and distributions"),
    ),
    "spaces": (
        Example("anb-export spaces --data seeds --space ofa", "the catalog of one other space"),
    ),
    "upgrade": (Example("anb-export upgrade old --out new", "a folder of schema 1"),),
    "tune": (
        Example(
            f"anb-export tune {_DATA} --target accuracy --trials 16 --out recipes.json",
            "a recipe for exact tables",
        ),
    ),
    "hpo": (
        Example(
            f"anb-export hpo {_DATA} --target accuracy --family lgb --out searched.json",
            "hyper-parameters of LightGBM",
        ),
    ),
    "families": (
        Example(f"anb-export families {_DATA} --family xgb --target accuracy", "one of the table"),
    ),
    "study": (
        Example(
            "anb-export study --space nasbench201 --data seeds --out study",
            "every kind, on the five sets of the paper",
        ),
        Example(
            f"anb-export study {_DATA} --sizes 50,200 --seeds 5 --out study",
            "on the eight devices of Accel-NASBench",
        ),
    ),
    "fit": (
        Example(
            f"anb-export fit {_DATA} --target accuracy --predictor gp --size 50 --out few",
            "a Gaussian process of 50 measurements, and what it is worth on the test rows",
        ),
        Example(
            f"anb-export fit {_DATA} --target accuracy --predictor ridge --all --out all",
            "ridge regression of all of them",
        ),
    ),
    "completion": (
        Example('eval "$(anb-export completion bash)"', "for this shell; in ~/.bashrc for all"),
    ),
}
