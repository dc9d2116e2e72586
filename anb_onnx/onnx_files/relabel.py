"""An ONNX file with another card: what it computes stays, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anb_onnx.errors import ArtifactError
from anb_onnx.onnx_files.building import metadata, written
from anb_onnx.onnx_files.describing import describe
from anb_onnx.onnx_files.messages import MessageError, fields
from anb_onnx.spaces.space import SearchSpace

# Numbers of fields in onnx/onnx.proto.
_DOC_STRING, _METADATA_PROPS = 6, 14


def relabelled(model: bytes, card: Mapping[str, Any], space: SearchSpace, n_members: int) -> bytes:
    """Return an ONNX file whose metadata is that of another card, and its words, too.

    Parameters
    ----------
    model : bytes
        The ONNX file.
    card : mapping
        The target's entry of the manifest without what concerns the file, and with the name of the
        ``benchmark``. It says nothing else of inputs and outputs than the card did that it
        replaces.
    space : SearchSpace
    n_members : int

    Raises
    ------
    ArtifactError
        If the bytes are no ONNX file, or the card is nothing that JSON can hold.
    """
    kept: list[tuple[int, bytes]] = []
    try:
        for number, start, stop in fields(model, 0, len(model)):
            if number not in (_DOC_STRING, _METADATA_PROPS):
                value = start if stop < 0 else model[start:stop]
                kept.append((number, written(number, value)))
    except MessageError as error:
        msg = f"the model cannot be written with another card: {error}"
        raise ArtifactError(msg) from error
    kept.append((_DOC_STRING, written(_DOC_STRING, describe(card, space, n_members).model)))
    for key, text in metadata(card, space).items():
        entry = written(1, key) + written(2, text)
        kept.append((_METADATA_PROPS, written(_METADATA_PROPS, entry)))
    # In the order of their numbers, as all files of ours.
    return b"".join(field for _, field in sorted(kept, key=lambda field: field[0]))
