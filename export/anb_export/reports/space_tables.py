"""How good the catalogs of other spaces are, as tables for their page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anb_export.reports.markdown import number, percent, table
from anb_onnx.catalog.catalog import Artifact, Catalog


def space_tables(folders: Sequence[Path]) -> str:
    """Return Markdown: for each catalog its size, what is exact, and the quality of the rest.

    Parameters
    ----------
    folders : sequence of Path
        Of catalogs.

    Raises
    ------
    ArtifactError
        If a manifest is missing or damaged.
    """
    return "\n\n".join(_section(Catalog.read(folder)) for folder in folders)


def _section(catalog: Catalog) -> str:
    size = sum(file.stat().st_size for file in catalog.folder.iterdir() if file.is_file())
    head = (
        f"### {catalog.benchmark}\n\n{len(catalog.artifacts)} targets, {size / 1e6:.1f} MB with "
        "golden vectors."
    )
    tabled = [a for a in catalog.artifacts if "test" not in a.card.quality or a.card.exact]
    estimated = [a for a in catalog.artifacts if a not in tabled]
    parts = [head]
    if tabled:
        header = ["target", "unit", "better", "entries", "largest error"]
        parts.append(table(header, [_tabled(artifact) for artifact in tabled], left=3))
    if estimated:
        header = ["target", "unit", "Spearman", "MAE", "MAPE", "in 90 % interval", "terms"]
        parts.append(table(header, [_estimated(artifact) for artifact in estimated], left=2))
    return "\n\n".join(parts)


def _tabled(artifact: Artifact) -> list[str]:
    target, card = artifact.target, artifact.card
    rounding = card.get("rounding")
    # What float32 itself leaves is no error of the tables.
    error = "none" if card.exact or rounding is None else number(rounding["largest"], 2)
    assert card.tables is not None
    better = {"max": "higher", "min": "lower"}[target.direction]
    return [target.name, target.unit, better, number(card.tables["entries"], 5), error]


def _estimated(artifact: Artifact) -> list[str]:
    target, card = artifact.target, artifact.card
    test = card.quality["test"]
    assert card.terms is not None
    return [
        target.name,
        target.unit,
        f"{test['spearman']:.4f}",
        number(test["mae"], 3),
        percent(test["mape"]),
        percent(card["coverage"]["test"]["intervals"]["0.9"]),
        str(len(card.terms)),
    ]
