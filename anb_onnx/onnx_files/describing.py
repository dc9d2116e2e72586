"""What an ONNX file says in words to whoever opens it without this package, as Netron does.

The words follow from the card and the space alone, so that equal artifacts stay equal bytes. They
are for people: programs read the card, which says the same in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from anb_onnx.spaces.space import SearchSpace

#: Where the documentation begins. Bytes of artifacts depend on it, so it follows from the name of
#: the distribution, and not from where its repository lies.
DOCUMENTATION = "https://pypi.org/project/anb-onnx/"

#: Most characters of the list of genes; a longer one is left to the card.
MAX_GENES_TEXT = 8000

#: What a number needs to be told with, by benchmark and metric.
_NOTES = {
    ("accel-nasbench", "accuracy"): (
        "Accuracies are those of the short training scheme of the data set, well below published "
        "ones of full trainings: EfficientNet-B0 reaches 66 % with it, not 77 %."
    ),
}


@dataclass(frozen=True)
class Descriptions:
    """The texts of one file.

    Attributes
    ----------
    model, graph, input : str
    outputs : mapping of str to str
        By name: ``mean``, ``std`` and ``members``.
    """

    model: str
    graph: str
    input: str
    outputs: Mapping[str, str]


def describe(card: Mapping[str, Any], space: SearchSpace, n_members: int) -> Descriptions:
    """Return the texts that ``doc_string`` of a model, its graph, input and outputs hold.

    Parameters
    ----------
    card : mapping
        The card in the file. Keys that are missing are passed over.
    space : SearchSpace
    n_members : int
    """
    return Descriptions(
        model="\n".join([_predicts(card, space), *_facts(card, n_members)]),
        graph=(
            f"architectures uint8 [N, {space.n_genes}] -> mean float32 [N], std float32 [N], "
            f"members float32 [N, {n_members}], for any number N of architectures."
        ),
        input=_genes(space),
        outputs=_outputs(card, n_members),
    )


def _unit(card: Mapping[str, Any]) -> str:
    return f" in {card['unit']}" if "unit" in card else ""


def _predicts(card: Mapping[str, Any], space: SearchSpace) -> str:
    what = card.get("metric", "a target")
    device = "" if card.get("device") is None else f" on {card['device']}"
    better = {"max": " (higher is better)", "min": " (lower is better)"}.get(
        card.get("direction", ""), ""
    )
    benchmark = f", benchmark {card['benchmark']}" if "benchmark" in card else ""
    return (
        f"Predicts {what}{device}{_unit(card)}{better} of architectures of the search space "
        f"{space.name}{benchmark}."
    )


def _facts(card: Mapping[str, Any], n_members: int) -> list[str]:
    """Return a sentence for each thing that the card knows."""
    found = []
    if card.get("exact"):
        found.append("Its values are exact: counted or looked up, not estimated.")
    else:
        plural = "s" if n_members > 1 else ""
        found.append(f"An ensemble of {n_members} member{plural}{_quality(card)}.")
    note = _NOTES.get((card.get("benchmark", ""), card.get("metric", "")))
    if note is not None:
        found.append(note)
    data = card.get("dataset")
    if data is not None:
        used = f"{data['n_used']} measurements of " if "n_used" in data else ""
        found.append(f"Source: {used}{data['name']} (licence: {data['license']}).")
    if card.get("license") is not None:
        found.append(f"Licence of this file: {card['license']}.")
    found.append(
        f"Model card: the JSON under anb_onnx.card in the metadata. Documentation: {DOCUMENTATION}"
    )
    return found


def _quality(card: Mapping[str, Any]) -> str:
    """Return how good it is on rows that it was not trained on, if the card says it."""
    for part, words in (
        ("test", "that it was not trained on"),
        ("leave_one_out", "each predicted from all others"),
    ):
        figures = card.get("quality", {}).get(part)
        if figures and "rmse" in figures and "spearman" in figures:
            unit = card.get("unit", "")
            return (
                f"; on {figures['n']} architectures {words}: root mean square error "
                f"{figures['rmse']:.3g} {unit}, Spearman {figures['spearman']:.3f}"
            )
    return ""


def _genes(space: SearchSpace) -> str:
    """Return how a row is read: genes and choices, those that are alike in one."""
    parts = []
    for choices, alike in groupby(space.genes, key=lambda gene: (gene.kind, gene.choices)):
        names = [gene.name for gene in alike]
        name = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names)} genes)"
        parts.append(f"{name}: {', '.join(map(str, choices[1]))}")
    listed = "; ".join(parts)
    if len(listed) > MAX_GENES_TEXT:
        listed = "as search_space in the model card has them"
    return (
        "One architecture a row. Each column is a gene and holds the place of its value among its "
        f"choices, from 0. Genes in order, with their choices: {listed}."
    )


def _outputs(card: Mapping[str, Any], n_members: int) -> dict[str, str]:
    unit = _unit(card)
    if n_members == 1:
        spread = "0: there is one member."
    else:
        calibrated = (
            "the calibration in the model card makes predictive_std and intervals of it"
            if card.get("calibration") is not None
            else "the model card has no calibration"
        )
        spread = (
            f"How far the members disagree{unit}: their population standard deviation (ddof=0). It "
            f"is not an error bar; {calibrated}."
        )
    return {
        "mean": f"The prediction{unit}: the mean of the members, in float64, rounded once.",
        "std": spread,
        "members": f"The prediction{unit} of each member.",
        **_more_outputs(card),
    }


def _more_outputs(card: Mapping[str, Any]) -> dict[str, str]:
    """Return what is told of the outputs that only the vector form has."""
    if card.get("form") != "vector":
        return {}
    listed = ", ".join(f"{o['name']} [{o['unit']}]" for o in card.get("outputs", ()))
    found = {
        "output_means": f"Means of the members for each of the outputs {listed}.",
        "output_stds": "Population standard deviations of the members for each of the outputs.",
        "output_members": "The prediction of each member for each of the outputs.",
    }
    curve = card.get("curve")
    if curve is not None:
        epoch, knots = curve["fidelity"]["name"], curve["at"]
        at = f"at {len(knots)} values of {epoch}, from {knots[0]:g} to {knots[-1]:g} (key curve.at)"
        found["curve_mean"] = f"The curve{_unit(card)}, mean of the members, {at}."
        found["curve_std"] = "How far the members disagree there: population standard deviation."
        found["curve_members"] = "The curve of each member there."
    return found
