"""Notes below a table: what the numbers in it do not say of themselves."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TextIO

from anb_onnx.catalog.notes import note_of
from anb_onnx.surrogate import Surrogate
from anb_onnx.views.figures import percent


def write_notes(stream: TextIO, surrogates: Sequence[Surrogate], level: float) -> None:
    """Write what the columns are, and the notes of targets, below a table that people read."""
    if any(s.calibration is not None and not s.metadata.get("exact") for s in surrogates):
        text = (
            f"lower to upper: where {percent(level)} of new measurements lie. std: how far the "
            "members differ, no error bar."
        )
        stream.write(f"\n{textwrap.fill(text, 80)}\n")
    for surrogate in surrogates:
        note = note_of(surrogate.target.name, surrogate.metadata)
        if note is not None:
            stream.write(f"\n{textwrap.fill(f'{surrogate.target.name}: {note}.', 80)}\n")
