"""The table form, as the runtime writes it (`anb_onnx.writing.table_form`), and checked here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anb_export.graphs.graph import check_model
from anb_onnx.tables import TableEnsemble
from anb_onnx.writing import table_form
from anb_onnx.writing.table_form import TableModel


def build_table_model(ensemble: TableEnsemble, card: Mapping[str, Any]) -> TableModel:
    """Return the ONNX file of an ensemble, once ONNX's own checker takes it.

    Parameters
    ----------
    ensemble : TableEnsemble
    card : mapping
        The target's entry of the manifest, without what concerns the file; becomes metadata.

    Raises
    ------
    AnbError
        If the graph is refused.
    """
    model = table_form.build_table_model(ensemble, card)
    check_model(model.content)
    return model
