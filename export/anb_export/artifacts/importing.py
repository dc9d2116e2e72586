"""Makes artifacts of models that were trained elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from anb_export._io.files import sha256
from anb_export.artifacts.forms import (
    FORMS,
    IMPORTED_FORMS,
    KERNEL_FAMILIES,
    Members,
    choose,
)
from anb_export.artifacts.predictions import Predictions, agreement, refuse_disagreement
from anb_export.data.dataset import Dataset, Origin
from anb_export.data.metrics import evaluate
from anb_export.data.splits import Split
from anb_export.graphs.verify_graph import run_model
from anb_export.models.checkpoints import CheckpointEnsemble
from anb_export.models.forest import Forest
from anb_export.models.formats import (
    FAMILIES,
    FormatError,
    Model,
    check_features,
    model_from_bytes,
)
from anb_export.models.model_files import read_content
from anb_export.models.svm_form import Kernel
from anb_export.models.trained_on import Inputs, is_ambiguous, rewritten, settle, value_inputs
from anb_onnx.catalog.card import Card
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.space import SearchSpace


class ImportingError(AnbError):
    """Models cannot be made into the artifact that is asked for."""


@dataclass(frozen=True, eq=False)
class Source:
    """A model, and where it comes from.

    Attributes
    ----------
    name : str
        Its file, as the artifact's card shall call it.
    sha256 : str
        Of the file.
    seed : int or None
    model : Model
    trained_on : str
        What it was trained on, and rewritten from if that is not "codes"; see `trained_on.settle`.
    """

    name: str
    sha256: str
    seed: int | None
    model: Model
    trained_on: str = "codes"


def read_sources(
    ensemble: CheckpointEnsemble, space: SearchSpace, *, best_iteration: bool = False
) -> tuple[Source, ...]:
    """Read the members of a reference ensemble.

    Parameters
    ----------
    ensemble : CheckpointEnsemble
    space : SearchSpace
        Whose codes they take.
    best_iteration : bool
        Cut xgboost's models off after their best round. Otherwise a model predicts as the
        reference does with it: with all rounds of xgboost. LightGBM's end with their best one in
        either case, if they recorded one.

    Raises
    ------
    AnbError
        If a file is damaged, refused, or of another family than its configuration says, or a
        model of xgboost has no best round to be cut off after.
    """
    found = []
    for member in ensemble.members:
        source = read_source(
            member.path, space, name=member.name, seed=member.seed, best=best_iteration
        )
        if source.model.family != member.family:
            _refuse(
                f"{member.path} holds a model of family {source.model.family!r}, "
                f"model_config.json says {member.family!r}"
            )
        found.append(source)
    return tuple(found)


def read_source(
    path: Path,
    space: SearchSpace,
    *,
    name: str | None = None,
    seed: int | None = None,
    best: bool = False,
) -> Source:
    """Read one model file and check that its features are the genes; see `read_sources`."""
    content = read_content(path)
    try:
        model = model_from_bytes(content)
        check_features(model, space)
        # Forests and support vector machines have no rounds; LightGBM's models are cut already.
        if best and model.family == "xgb":
            if model.best is None:
                _refuse(
                    "the model has no best iteration: it was trained without early stopping; "
                    "leave out --best-iteration"
                )
            model = model.at_best_iteration()
    except AnbError as error:
        msg = f"{path}: {error}"
        raise FormatError(msg) from error
    return Source(name or path.name, sha256(content), seed, model)


def unused_best(sources: Sequence[Source]) -> str | None:
    """Say which members predict with rounds after the best one they recorded, if any do."""
    found = [
        f"{source.model.best.n_trees} of {source.model.member.n_trees}"
        for source in sources
        if source.model.best is not None and isinstance(source.model.member, Forest)
        if source.model.best.n_trees < source.model.member.n_trees
    ]
    if not found:
        return None
    return (
        f"early stopping recorded a best iteration for {len(found)} of {len(sources)} members, "
        f"after {', '.join(found)} trees; all trees are used, as the reference does, but "
        "XGBRegressor.predict does not; --best-iteration cuts the rest off"
    )


def translated(card: Mapping[str, Any]) -> str | None:
    """Say which members were trained on other numbers than codes, if any were."""
    scales = [source["trained_on"] for source in card["sources"]]
    found = sorted({*scales} - {"codes"})
    if not found:
        return None
    n = len(scales) - scales.count("codes")
    return (
        f"{n} of {len(scales)} members were trained on {' and '.join(found)}; rewritten for codes"
    )


def import_models(
    target: str,
    sources: Sequence[Source],
    *,
    origin: Origin,
    form: str | None = None,
    dataset: Dataset | None = None,
    split: Split | None = None,
    trained_on: str | None = None,
    check: Predictions | None = None,
) -> tuple[bytes, Card]:
    """Make one artifact of an ensemble.

    Parameters
    ----------
    target : str
        Name of the target that the models predict, in its unit.
    sources : sequence of Source
        The members, in order; all of one family.
    origin : Origin
        Of which benchmark the target is, and of which space the architectures.
    form : str, optional
        One of `forms.IMPORTED_FORMS`, the first if not given. Support vector machines take none.
    dataset : Dataset, optional
    split : Split, optional
        For the quality on the test rows, and the unit of a projection's differences, if both are
        given.
    trained_on : str, optional
        "codes" or "values" of the genes, if somebody says which; see `trained_on`.
    check : Predictions, optional
        What the models themselves predict; of several, their mean.

    Returns
    -------
    model : bytes
        The ONNX file.
    card : Card
        Its entry of the manifest, without what concerns the file.

    Raises
    ------
    AnbError
        If the target is unknown, the families differ, the form does not fit the models, one was
        not trained on codes, or the graph does not predict what they predict or what `check` says.
    """
    space = origin.space
    settled = [_settled(source, trained_on, check, space) for source in sources]
    model, card = _convert(target, settled, form, dataset, split, origin)
    if check is not None:
        ambiguous = trained_on is None and any(is_ambiguous(s.model, space) for s in sources)
        card |= {"check": _check(model, card, settled, check, space, ambiguous=ambiguous)}
    return model, card


def _convert(
    target: str,
    sources: Sequence[Source],
    form: str | None,
    dataset: Dataset | None,
    split: Split | None,
    origin: Origin,
) -> tuple[bytes, Card]:
    """Make the artifact of models that take codes; see `import_models`."""
    spec = origin.target(target)
    families = {source.model.family for source in sources}
    if len(families) != 1:
        _refuse(f"an ensemble has members of one family, found {sorted(families)}")
    family = next(name for name in FAMILIES if name in families)
    form = choose(form, IMPORTED_FORMS, kernels=family in KERNEL_FAMILIES)
    members = Members(
        [source.model.member for source in sources],
        origin.space,
        measured_std=_target_std(target, dataset, split),
    )
    card = Card(
        benchmark=origin.benchmark,
        form=form,
        metric=spec.metric,
        device=spec.device,
        unit=spec.unit,
        direction=spec.direction,
        members=len(sources),
        exact=False,
        link=Link().to_dict(),
        recipe="imported",
        quality=_quality(target, members.members, dataset, split),
        versions={package: version(package) for package in ("anb-onnx-export", "onnx")},
        dataset=_dataset(dataset),
        others={
            "family": family,
            "sources": [_describe(source) for source in sources],
            # Without data this stands for the target's: the unit of comparisons.
            "prediction_std": members.spread,
        },
    )
    return FORMS[form](members, card)


def _dataset(dataset: Dataset | None) -> dict[str, str] | None:
    if dataset is None:
        return None
    return {
        "name": dataset.origin.name,
        "license": dataset.origin.license,
        "sha256": dataset.sha256,
    }


def _settled(
    source: Source, trained_on: str | None, check: Predictions | None, space: SearchSpace
) -> Source:
    try:
        model, found = settle(source.model, trained_on, checked=check is not None, space=space)
    except AnbError as error:
        msg = f"{source.name}: {error}"
        raise ImportingError(msg) from error
    return replace(source, model=model, trained_on=found)


def _check(
    model: bytes,
    card: Card,
    sources: Sequence[Source],
    check: Predictions,
    space: SearchSpace,
    *,
    ambiguous: bool,
) -> dict[str, Any]:
    """Compare an artifact with given predictions; return what its card says of that."""
    scale = card["prediction_std"]
    # A projection is not the models by design, and its card says how far it is off: there, these
    # are compared. Elsewhere it is what the file predicts.
    projected = card.form == "projected"
    mean = _mean(sources, check) if projected else run_model(model, check.codes)["mean"]
    found = agreement(check, mean, scale)

    def agrees(changed: Sequence[Source]) -> bool:
        return not agreement(check, _mean(changed, check), scale).apart

    if found.apart:
        hints = (hint for hint, changed in _otherwise(sources, space) if agrees(changed))
        refuse_disagreement(check, mean, found, next(hints, _UNKNOWN))
    if ambiguous and agrees(_on(sources, value_inputs(space), space)):
        _refuse(
            "the models may have been trained on the genes' codes or on their values, and the "
            f"{found.n} rows of {check.name} fit both: give more rows, or --trained-on"
        )
    return {"file": check.name, "n": found.n, "largest": float(f"{found.largest:.3g}")}


_UNKNOWN = (
    "is it of these models, in the target's unit, with the same number of rounds, and were they "
    "trained on the genes' codes?"
)


def _otherwise(
    sources: Sequence[Source], space: SearchSpace
) -> Iterator[tuple[str, Sequence[Source]]]:
    """Yield what the models may be instead, and them."""
    if any(source.model.best is not None for source in sources):
        yield (
            "all rows agree with --best-iteration",
            [
                s if s.model.best is None else replace(s, model=s.model.at_best_iteration())
                for s in sources
            ],
        )
    if any(source.trained_on != "codes" for source in sources):
        return
    yield "all rows agree with --trained-on values", _on(sources, value_inputs(space), space)
    reversed_se = tuple(
        np.arange(len(gene), dtype=np.float64)[:: -1 if gene.kind == "bool" else 1]
        for gene in space.genes
    )
    yield (
        "all rows agree if the training had False as 0 and True as 1, where the code of True is 0: "
        "retrain on the codes (anb_onnx.encode)",
        _on(sources, reversed_se, space),
    )


def _on(sources: Sequence[Source], inputs: Inputs, space: SearchSpace) -> Sequence[Source]:
    return [replace(s, model=rewritten(s.model, inputs, space)) for s in sources]


def _mean(sources: Sequence[Source], check: Predictions) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.mean(
        [source.model.member.predict_exact(check.codes) for source in sources], axis=0
    )
    return found


def _quality(
    target: str,
    members: Sequence[Forest | Kernel],
    dataset: Dataset | None,
    split: Split | None,
) -> dict[str, dict[str, float]]:
    if dataset is None or split is None:
        return {}
    rows, _ = dataset.labelled(target, split.test)
    mean = np.mean([member.predict_exact(dataset.codes[rows]) for member in members], axis=0)
    return {"test": evaluate(dataset.values[target][rows], mean)}


def _target_std(target: str, dataset: Dataset | None, split: Split | None) -> float | None:
    """Return the standard deviation of what was measured, over the rows that trainings take."""
    if dataset is None or split is None:
        return None
    rows, _ = dataset.labelled(target, split.pool)
    # One that is 0 is no unit.
    return float(np.std(dataset.values[target][rows])) or None


def _describe(source: Source) -> dict[str, Any]:
    member = source.model.member
    size = (
        {"trees": member.n_trees}
        if isinstance(member, Forest)
        else {"support_vectors": len(member.vectors)}
    )
    # Cards are UTF-8. Names of files need not be: other bytes are written as \xff.
    name = os.fsencode(source.name).decode("utf-8", "backslashreplace")
    facts = {"file": name, "sha256": source.sha256, "seed": source.seed, **size}
    return {**facts, "trained_on": source.trained_on}


def _refuse(message: str) -> NoReturn:
    raise ImportingError(message)
