"""The model card of a trained ensemble."""

from __future__ import annotations

from collections.abc import Mapping

from anb_export.training.members_folder import Training
from anb_onnx.catalog.card import Card


def describe(training: Training, *, form: str, versions: Mapping[str, str]) -> Card:
    """Return the model card of a trained ensemble: its manifest entry without the file's facts.

    It also names the benchmark, which stands in the manifest once.

    Parameters
    ----------
    training : Training
    form : str
        How the ensemble is written, such as ``"trees"`` or ``"tables"``.
    versions : mapping
        Packages that made the ONNX file, besides those of the training.
    """
    spec, origin, document = training.spec, training.origin, training.document
    return Card(
        benchmark=origin.benchmark,
        form=form,
        metric=spec.metric,
        device=spec.device,
        unit=spec.unit,
        direction=spec.direction,
        members=len(document["members"]),
        seeds=[member["seed"] for member in document["members"]],
        exact=False,
        link=document["recipe"]["transform"],
        recipe=document["recipe"]["name"],
        quality=document["metrics"],
        target_std=training.target_std,
        dataset={"name": origin.name, "license": origin.license, **document["dataset"]},
        versions={**document["versions"], **versions},
        license=origin.license,
        others={
            "split": {key: document["split"][key] for key in ("name", "sha256")},
            # Boosters of xgboost are what members are unless the card says otherwise.
            **({} if training.family == "xgb" else {"family": training.family}),
        },
    )
