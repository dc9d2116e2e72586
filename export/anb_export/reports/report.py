"""Writes the model cards, their plots and the overview of a folder of artifacts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anb_export._io.files import write_atomically
from anb_export.data.accel_nasbench import TARGETS
from anb_export.data.dataset import Dataset
from anb_export.data.splits import Split
from anb_export.reports.card_figures import coverage_of_all, overview
from anb_export.reports.cards import write_card
from anb_export.reports.compare_recipes import PUBLISHED_SPLIT, comparison_table, read_comparison
from anb_export.reports.evaluate_artifact import Evaluation, ReportError, evaluate_artifact
from anb_export.reports.markdown import BEGIN, END, paragraph, replace_section
from anb_export.reports.plots import plot
from anb_onnx.catalog.catalog import Artifact, Catalog


@dataclass(frozen=True)
class Sources:
    """What a report is made of.

    Attributes
    ----------
    dataset : Path
    artifacts : Path
        Folder that `anb-export build` wrote.
    work : Path
        Its working folder.
    comparison : Path
        What `anb-export compare` wrote for the artifacts' split.
    comparison_random : Path or None
        The same for another split.
    """

    dataset: Path
    artifacts: Path
    work: Path
    comparison: Path
    comparison_random: Path | None = None


def write_report(
    dataset: Dataset,
    split: Split,
    sources: Sources,
    out: Path,
    *,
    readme: Path | None = None,
) -> str:
    """Write ``<target>.md`` and ``<target>.png`` for each target, and ``README.md``.

    The same artifacts, data and comparisons give the same bytes.

    Parameters
    ----------
    dataset : Dataset
    split : Split
        That of the artifacts.
    sources : Sources
    out : Path
        Folder of the cards.
    readme : Path, optional
        A page that receives the overview between `markdown.BEGIN` and `markdown.END`, if it
        exists and has these lines.

    Returns
    -------
    str
        The overview, in Markdown.

    Raises
    ------
    AnbError
        If artifacts, data, split, members and comparison do not belong together.
    """
    comparison = read_comparison(sources.comparison, dataset, split.sha256)
    random = sources.comparison_random and read_comparison(sources.comparison_random, dataset)
    artifacts = {a.target.name: a for a in Catalog.read(sources.artifacts).artifacts}
    evaluations = [
        _evaluate(artifacts[name], dataset, split, sources.work, comparison)
        for name in TARGETS
        if name in artifacts
    ]
    if not evaluations:
        msg = f"{sources.artifacts} holds no artifact of this data set; run `anb-export build`"
        raise ReportError(msg)
    for evaluation in evaluations:
        name = evaluation.spec.name
        if evaluation.calibration is not None:
            write_atomically(out / f"{name}.png", plot(evaluation))
        card = write_card(evaluation, _commands(sources, split, name))
        write_atomically(out / f"{name}.md", card.encode())
    table = overview(evaluations)
    page = _page(table, coverage_of_all(evaluations), comparison, random or None)
    write_atomically(out / "README.md", page.encode())
    if readme is not None and readme.is_file():
        link = Path(os.path.relpath(out, readme.parent)).as_posix() + "/"
        text = readme.read_text(encoding="utf-8")
        changed = replace_section(text, overview(evaluations, link), str(readme))
        if changed != text:
            write_atomically(readme, changed.encode())
    return table


def _evaluate(
    artifact: Artifact, dataset: Dataset, split: Split, work: Path, comparison: Mapping[str, Any]
) -> Evaluation:
    compared = comparison["targets"].get(artifact.target.name)
    try:
        return evaluate_artifact(artifact, dataset, split, work=work, compared=compared)
    except KeyError as error:
        msg = f"the manifest's entry of {artifact.path} has no {error}; run `anb-export build`"
        raise ReportError(msg) from error


def _commands(sources: Sources, split: Split, target: str) -> list[str]:
    """Return how the artifact and its card are made again; without anyone's folders."""
    data = f"--dataset {sources.dataset.name}"
    if split.name != PUBLISHED_SPLIT:
        data += f" --split {split.name}"
    return [
        f"anb-export build {data} --target {target}",
        f"anb-export compare {data} --out {sources.comparison.name}",
        f"anb-export report {data} --comparison {sources.comparison.name}",
    ]


def _page(
    table: str, coverage: str, comparison: Mapping[str, Any], random: Mapping[str, Any] | None
) -> str:
    sections = [
        "# Model cards",
        "One card per target: what it predicts, how well, how sure it is, and what it was made "
        "from.\n`anb-export report` writes this folder.",
        f"{BEGIN}\n{table}\n{END}",
        *(["## Measurements inside the predictive intervals", coverage] if coverage else []),
        *_compared("Beside the recipe of Accel-NASBench", comparison),
    ]
    if random is not None:
        sections += _compared("The same on another split", random)
        sections.append(
            paragraph(
                "The compact recipes were chosen on the training and validation rows of the "
                "published split, so most of these test rows took part in that choice; the "
                "members have not seen them."
            )
        )
    return "\n\n".join(sections) + "\n"


def _compared(title: str, document: Mapping[str, Any]) -> Sequence[str]:
    split, n = document["split"], document["dataset"]["n_records"]
    rows = ", ".join(f"{split[part]:,} {part}" for part in ("train", "val", "test"))
    return [
        f"## {title}",
        paragraph(
            f"Split `{split['name']}` of {n:,} records ({rows}); both recipes in one run, "
            "evaluated on the test rows by the exact sums of their leaves."
        ),
        comparison_table(document),
    ]
