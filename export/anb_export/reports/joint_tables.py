"""How good the catalogs of joint spaces are, each figure beside its ceiling, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anb_export.reports.markdown import percent, table
from anb_onnx.catalog.catalog import Artifact, Catalog


def joint_tables(folders: Sequence[Path]) -> str:
    """Return Markdown: for each catalog ranks beside those of one run, and the noise of seeds.

    Parameters
    ----------
    folders : sequence of Path
        Of catalogs that `anb_export.artifacts.joint_spaces` made.

    Raises
    ------
    ArtifactError
        If a manifest is missing or damaged.
    """
    return "\n\n".join(_section(Catalog.read(folder)) for folder in folders)


def _section(catalog: Catalog) -> str:
    size = sum(file.stat().st_size for file in catalog.folder.iterdir() if file.is_file())
    parts = [
        f"### {catalog.benchmark}\n\n{len(catalog.artifacts)} targets, {size / 1e6:.1f} MB with "
        "golden vectors."
    ]
    learned = [artifact for artifact in catalog.artifacts if not artifact.card.exact]
    header = [
        *("target", "unit", "tau", "one run", "tau to a run", "run to run"),
        *("median error", "in 90 % interval", "kB"),
    ]
    parts.append(table(header, [_ranked(artifact) for artifact in learned], left=2))
    noisy = [artifact for artifact in learned if artifact.card.seed_noise is not None]
    if noisy:
        header = ["noise of", "rank", "two runs", "1 run", "2 runs", "all runs"]
        parts.append(table(header, [_noise(artifact) for artifact in noisy]))
    exact = [artifact for artifact in catalog.artifacts if artifact.card.exact]
    if exact:
        header = ["exact", "unit", "kB"]
        rows = [[a.target.name, a.target.unit, _kilobytes(a)] for a in exact]
        parts.append(table(header, rows, left=2))
    return "\n\n".join(parts)


def _ranked(artifact: Artifact) -> list[str]:
    card = artifact.card
    test = card.quality["test"]
    ranks = ("tau_rest", "tau_rest_of_run", "tau_run", "tau_run_of_run")
    return [
        artifact.target.name,
        artifact.target.unit,
        *(f"{test[key]:.3f}" for key in ranks),
        percent(test["median_relative_error"]),
        percent(card["coverage"]["test"]["intervals"]["0.9"]),
        _kilobytes(artifact),
    ]


def _noise(artifact: Artifact) -> list[str]:
    card = artifact.card
    noise = card["seed_noise_quality"]["test"]
    inside = [
        " / ".join(f"{share:.2f}" for share in of_n.values())
        for _, of_n in sorted(card["seed_coverage"]["test"].items(), key=lambda item: int(item[0]))
    ]
    ranks = [f"{noise[key]:.2f}" for key in ("spearman_pair", "spearman_pair_of_pair")]
    return [artifact.target.name, *ranks, *inside]


def _kilobytes(artifact: Artifact) -> str:
    assert artifact.card.bytes is not None
    return f"{artifact.card.bytes / 1e3:,.0f}"
