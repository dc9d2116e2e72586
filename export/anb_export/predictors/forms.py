"""The forms of artifacts that a predictor can have, and which one it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import version
from typing import Any, TypeAlias

import numpy as np

from anb_export.graphs.kernel_form import build_kernels
from anb_export.graphs.network_form import build_networks
from anb_export.graphs.normal_form import build_normals
from anb_export.graphs.tree64 import REQUIRES, build_tree64, build_trees, tree64_facts
from anb_export.predictors.answers import answers, enumerated
from anb_export.predictors.contract import MOST_ENUMERATED, Predictor, PredictorError
from anb_onnx._io.show import show
from anb_onnx.catalog.card import Card
from anb_onnx.links import Link
from anb_onnx.spaces.architecture import sample
from anb_onnx.surrogate import Surrogate
from anb_onnx.tables import TableEnsemble

#: Random architectures on which an artifact is compared with its predictor.
_CHECKED_ROWS = 512

#: Largest difference to the predictor, in standard deviations of its predictions: libraries add
#: trees in float32, which the artifact adds exactly.
TOLERANCE = 1e-3

#: Tables, or an ONNX file of another form.
Made: TypeAlias = TableEnsemble | bytes
_Make: TypeAlias = Callable[[Predictor, dict[str, Any]], Made | None]


def _tables(predictor: Predictor, card: dict[str, Any]) -> Made | None:
    """Return the predictor's own tables, or one of all its answers where its space is small."""
    found = predictor.tables()
    if found is None and predictor.space.size <= MOST_ENUMERATED:
        found, card["rounding"] = enumerated(predictor)
    return found


def _trees(form: str, predictor: Predictor, card: dict[str, Any]) -> Made | None:
    forests = predictor.forests()
    if forests is None:
        return _normals(predictor, card) if form == "trees" else None
    stated = _stated(card, form, len(forests), ("onnx",))
    build = build_trees
    if form == "tree64":
        build = build_tree64
        stated |= {"requires": REQUIRES, "arithmetic": tree64_facts(forests)}
    return build(forests, stated, space=predictor.space, encoder=predictor.features())


def _normals(predictor: Predictor, card: dict[str, Any]) -> Made | None:
    normals = predictor.normals()
    if normals is None:
        return None
    stated = _stated(card, "trees", 2, ("onnx",))
    return build_normals(normals, stated, space=predictor.space, encoder=predictor.features())


def _kernel(predictor: Predictor, card: dict[str, Any]) -> Made | None:
    kernels = predictor.kernels()
    if kernels is None:
        return None
    stated = _stated(card, "kernel", len(kernels), ("onnx", "skl2onnx"))
    return build_kernels(kernels, stated, space=predictor.space, encoder=predictor.features())


def _network(predictor: Predictor, card: dict[str, Any]) -> Made | None:
    network = predictor.network()
    if network is None:
        return None
    estimators = network if isinstance(network, (list, tuple)) else [network]
    space = predictor.space
    members = answers(predictor, sample(1, seed=0, space=space)).shape[1]
    stated = _stated(card, "network", members, ("onnx", "skl2onnx", "scikit-learn"))
    return build_networks(
        estimators, stated, space=space, n_members=members, encoder=predictor.features()
    )


#: What makes each form, in the order in which a predictor gets the first that it has.
_MAKERS: Mapping[str, _Make] = {
    "tables": _tables,
    "trees": partial(_trees, "trees"),
    "tree64": partial(_trees, "tree64"),
    "kernel": _kernel,
    "network": _network,
}


def make(predictor: Predictor, card: dict[str, Any], form: str | None) -> Made:
    """Return the tables of a predictor, or the ONNX file of another form.

    Parameters
    ----------
    predictor : Predictor
    card : dict
        What the card says of all but the form. An enumeration adds its ``rounding``.
    form : str or None
        Its name, or None for the first that the predictor has.

    Raises
    ------
    PredictorError
        If the predictor has no such form, or none at all; or, for tables of a small space, an
        answer cannot be written.
    AnbError
        If what the predictor is made of cannot be written in the form.
    """
    if form is not None and form not in _MAKERS:
        msg = f"unknown form {show(form)}; forms of predictors: {', '.join(_MAKERS)}"
        raise PredictorError(msg)
    for name in _MAKERS if form is None else (form,):
        found = _MAKERS[name](predictor, card)
        if found is not None:
            return found
    space = predictor.space
    large = (
        f"the space {space.name!r} has {space.size:,} architectures, and at most "
        f"{MOST_ENUMERATED:,} are enumerated as tables"
    )
    if form is None:
        msg = f"the predictor has neither tables, forests, kernels nor a network, and {large}"
    else:
        why = f": {large}" if form == "tables" else ""
        msg = f"the predictor has no form {form!r}{why}; leave it out for one that it has"
    raise PredictorError(msg)


def check_answers(surrogate: Surrogate, predictor: Predictor) -> None:
    """Compare an artifact with its predictor, on random architectures.

    Raises
    ------
    PredictorError
        If a member, mean or std differs by more than float32 and `TOLERANCE` let it.
    """
    codes = sample(_CHECKED_ROWS, seed=0, space=predictor.space)
    wanted = answers(predictor, codes)
    found = surrogate.query_codes(codes, members=True)
    if found.members is None or found.members.shape != wanted.shape:
        msg = f"the artifact has {surrogate.n_members} members, the predictor {wanted.shape[1]}"
        raise PredictorError(msg)
    mean = wanted.mean(axis=1)
    pairs = ((found.members, wanted), (found.mean, mean), (found.std, wanted.std(axis=1)))
    off = float(np.max([np.abs(a - b).max() for a, b in pairs]))
    # Constant predictions have no spread, and float32 tells none apart that are this close.
    allowed = TOLERANCE * float(mean.std()) + 2.0**-22 * float(np.abs(wanted).max())
    if not off <= allowed:
        msg = (
            f"the artifact answers up to {off:.3g} {surrogate.target.unit} off the predictor, "
            f"allowed are {allowed:.3g}: what it is made of is not what it predicts with"
        )
        raise PredictorError(msg)


def _stated(card: Mapping[str, Any], form: str, members: int, packages: tuple[str, ...]) -> Card:
    """Return the card of a form without tables."""
    added = {"form": form, "members": members, "link": Link().to_dict()}
    versions = {**card["versions"], **{name: version_of(name) for name in packages}}
    source = "the card of the predictor"
    return Card.from_dict({**card, **added, "versions": versions}, source, listed=False)


@cache
def version_of(distribution: str) -> str:
    """Return the version of an installed distribution; looked up once, as it takes a while."""
    return version(distribution)
