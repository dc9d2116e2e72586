"""A surrogate as a file of a folder of artifacts, beside others or alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anb_onnx._io.show import show
from anb_onnx.catalog.card import BENCHMARK, VECTOR, is_file_name
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.manifest import MANIFEST, OUTSIDE, card_from_metadata
from anb_onnx.errors import ArtifactError
from anb_onnx.onnx_files.graph import find_tables
from anb_onnx.onnx_files.messages import read_metadata
from anb_onnx.onnx_files.relabel import relabelled
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.terms import Terms
from anb_onnx.writing.golden import write_golden
from anb_onnx.writing.manifest import write_artifact
from anb_onnx.writing.table_form import build_table_model


def save(
    model: bytes,
    tables: Mapping[str, Any] | None,
    ensemble: TableEnsemble | None,
    entry: Mapping[str, Any],
    space: SearchSpace,
    name: str,
    folder: Path,
    benchmark: str | None,
) -> Path:
    """Write an artifact into a folder; see `Surrogate.save`.

    Parameters
    ----------
    model : bytes
        The ONNX file; copied where it is of the benchmark that the folder holds.
    tables : mapping or None
        Where its tables lie, if `entry` does not say it.
    ensemble : TableEnsemble or None
        Its tables, if it has some.
    entry : mapping
        The card, as it stands in the file or in the manifest that listed it.
    space : SearchSpace
    name : str
        Of the target.
    folder : Path
    benchmark : str or None

    Raises
    ------
    ArtifactError, OutputError
        As from `Surrogate.save`.
    """
    file = f"{name}.onnx"
    if not is_file_name(file):
        msg = (
            f"target {show(name)} makes no name of a file; it is made of metric and device, which "
            'must not hold any of / \\ : * ? " < > |, nor begin with a dot or a space'
        )
        raise ArtifactError(msg)
    card = card_from_metadata(read_metadata(model, file), file)
    del card["search_space"]
    own = card.get("benchmark")
    benchmark = _benchmark(folder, benchmark, own)
    tables = entry.get("tables") if tables is None else tables
    if card.get("terms") is not None and tables is None:
        msg = (
            f"{file} was loaded without a {MANIFEST} beside it, which says where its tables lie; "
            "copy that one, too, and load it again"
        )
        raise ArtifactError(msg)
    if benchmark != own:
        card["benchmark"] = benchmark
        if ensemble is None or card["form"] == VECTOR:
            model = relabelled(model, card, space, card["members"])
            if tables is not None:  # what is told before them has another length
                terms = Terms.from_list(card["terms"], space, file)
                tables = {**tables, "offset": find_tables(model, terms, file)[0]}
        else:
            written = build_table_model(ensemble, card)
            model, tables = written.content, written.card["tables"]
    # What was found out of the file after it was written holds of the copy, too.
    later = {key: entry[key] for key in OUTSIDE & entry.keys() if key == "verification"}
    listed = {**card, **later, **({} if tables is None else {"tables": dict(tables)})}
    write_artifact(folder / file, model, name, listed, space=space)
    write_golden(folder)
    return folder / file


def _benchmark(folder: Path, given: str | None, own: str | None) -> str:
    """Return the name of the benchmark that a folder holds, or shall hold."""
    if given is None and os.path.lexists(folder / MANIFEST):
        return Catalog.read(folder).benchmark
    name = folder.absolute().name if given is None and own is None else given or own
    if isinstance(name, str) and BENCHMARK.fullmatch(name):
        return name
    what = "benchmark is" if given is not None else "the folder is called"
    msg = (
        f"{what} {show(name)}; a benchmark is called by 1 to 64 of the characters a-z, 0-9, '.', "
        "'_' and '-', a letter or digit first: give one, as in benchmark='my-phone'"
    )
    raise ArtifactError(msg)
