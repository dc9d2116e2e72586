"""Tables of trained members, whose folder says what their labels are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anb_export.tables.compile import compile_tables
from anb_export.tables.project import project_tables
from anb_export.training.compact import default_terms, terms_of_genes
from anb_export.training.members_folder import Training
from anb_export.training.recipe import Standardised
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms


def compile_training(training: Training, *, terms: Terms | None = None) -> TableEnsemble:
    """Compile trained members into tables; see `anb_export.tables.compile.compile_tables`.

    The terms are, unless given, those whose blocks the members' recipe let meet.

    Raises
    ------
    AnbError
        If a member is damaged, trained on a transform tables cannot carry, or cannot be compiled.
    """
    terms = terms_of(training) if terms is None else terms
    return _of_training(training, compile_tables, "compiled", terms=terms)


def terms_of(training: Training) -> Terms:
    """Return the terms whose blocks may meet in the members' trees, as their recipe says."""
    constraints = training.document["recipe"].get("params", {}).get("interaction_constraints")
    if constraints is None:
        return default_terms(training.space)
    return terms_of_genes(constraints, training.space)


def project_training(training: Training, *, terms: Terms | None = None) -> TableEnsemble:
    """Project trained members; see `anb_export.tables.project.project_tables`.

    Raises
    ------
    AnbError
        If a member is damaged, trained on a transform tables cannot carry, or cannot be projected.
    """
    return _of_training(training, project_tables, "projected", terms=terms)


def _of_training(
    training: Training,
    make: Callable[..., TableEnsemble],
    done: str,
    *,
    terms: Terms | None,
) -> TableEnsemble:
    transform = training.transform
    labels: dict[str, Any]
    if isinstance(transform, Standardised):
        labels = {"link": transform.link, "mean": transform.mean, "std": transform.std}
    elif isinstance(transform, Link) and transform.is_identity:
        mean, std = float(training.document["target_mean"]), training.target_std
        labels = {"link": transform, "mean": mean, "std": std, "labels_standardised": False}
    else:
        msg = f"{training.folder}: members trained on {transform} cannot be {done}"
        raise AnbError(msg)
    return make(training.forests(), **labels, space=training.space, terms=terms)
