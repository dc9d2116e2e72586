"""The first steps of a graph: architectures as the numbers that its members take."""

from __future__ import annotations

from onnx import TensorProto, numpy_helper

from anb_export.graphs.graph import GraphBuilder
from anb_export.tables.encoder import Encoder
from anb_onnx.onnx_files.steps import INPUT
from anb_onnx.writing.table_form import TABLES, add_sum_of_terms, add_symbols


def add_features(builder: GraphBuilder, encoder: Encoder | None, dtype: int) -> str:
    """Append the features of the input's architectures; return the name of [N, d].

    Parameters
    ----------
    builder : GraphBuilder
    encoder : Encoder or None
        None for the codes themselves. At most one in a graph.
    dtype : int
        ONNX's number of the data type of the result.
    """
    if encoder is None:
        return builder.cast(INPUT, dtype)
    builder.constants.append(numpy_helper.from_array(encoder.entries, TABLES))
    symbols = add_symbols(builder, encoder.terms.space)
    found = add_sum_of_terms(builder, encoder.terms, symbols)
    return found if dtype == TensorProto.FLOAT else builder.cast(found, dtype)
