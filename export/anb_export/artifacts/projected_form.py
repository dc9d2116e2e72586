"""The projected artifact: tables that approximate an ensemble, with their fidelity on record."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np

from anb_export.artifacts.describe import describe
from anb_export.data.dataset import Dataset
from anb_export.data.metrics import evaluate
from anb_export.data.splits import Split
from anb_export.graphs.table_form import build_table_model
from anb_export.graphs.verify_graph import run_model
from anb_export.tables.fidelity import FIDELITY_SEED, N_FIDELITY, measure
from anb_export.tables.fixed_point import FRACTION_BITS
from anb_export.tables.of_training import project_training
from anb_export.training.members_folder import Training
from anb_onnx.catalog.card import Card
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.errors import AnbError
from anb_onnx.spaces.architecture import sample
from anb_onnx.tables import TableEnsemble

#: Random architectures on which the ONNX file is compared with its tables.
_CHECKED_ROWS = 4096


def build_projected(
    training: Training,
    *,
    n: int = N_FIDELITY,
    seed: int = FIDELITY_SEED,
    dataset: Dataset | None = None,
    split: Split | None = None,
) -> tuple[bytes, Card]:
    """Return the ONNX file and the card of the projection of trained members.

    Parameters
    ----------
    training : Training
    n, seed : int
        Random architectures for the fidelity, and their seed.
    dataset : Dataset, optional
    split : Split, optional
        The split of the training, for the quality of the projection itself.

    Returns
    -------
    model : bytes
    card : Card
        With ``form`` "projected", ``exact_compilation`` False and ``fidelity``. The quality of
        the members the tables stand for is under ``members_quality``; ``quality`` holds that of
        the projection, and is empty unless data set and split are given.

    Raises
    ------
    AnbError
        If the members cannot be projected, the split is not that of the training, or the file
        does not compute what the tables say.
    """
    ensemble = project_training(training)
    fidelity = measure(
        ensemble,
        training.forests(),
        training.transform,
        target_std=training.target_std,
        n=n,
        seed=seed,
    )
    card = describe(training, form="projected", versions={"onnx": version("onnx")})
    card |= {
        "link": ensemble.link.to_dict(),
        "exact_compilation": False,
        "fidelity": fidelity.to_dict(),
        "fraction_bits": FRACTION_BITS,
        "members_quality": card["quality"],
        "quality": {},
    }
    if dataset is not None and split is not None:
        card |= {"quality": _quality(ensemble, training, dataset, split)}
    built = build_table_model(ensemble, card)
    # The file must compute what was measured above, to the bit.
    codes = sample(_CHECKED_ROWS, seed=seed, space=training.space)
    wanted = ensemble.predict(codes_to_symbols(codes, training.space))
    outputs = run_model(built.content, codes)
    for name, value in zip(("mean", "std", "members"), wanted, strict=True):
        if not np.array_equal(outputs[name], value):
            msg = f"{training.target}: the ONNX file's {name} differs from its tables"
            raise AnbError(msg)
    return built.content, card | built.card


def _quality(
    ensemble: TableEnsemble, training: Training, dataset: Dataset, split: Split
) -> dict[str, dict[str, float]]:
    known = training.document["split"]["sha256"]
    if split.sha256 != known or dataset.sha256 != training.document["dataset"]["sha256"]:
        msg = (
            f"{training.folder} was trained on data {training.document['dataset']['sha256'][:12]}, "
            f"split {known[:12]}; given are {dataset.sha256[:12]} and {split.sha256[:12]}"
        )
        raise AnbError(msg)
    found = {}
    for part, rows in split.parts().items():
        kept, _ = dataset.labelled(training.target, rows)
        mean, _, _ = ensemble.predict(codes_to_symbols(dataset.codes[kept], ensemble.space))
        found[part] = evaluate(dataset.values[training.target][kept], mean.astype(np.float64))
    return found
