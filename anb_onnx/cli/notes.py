"""Notes below a table: what the numbers in it do not say of themselves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TextIO

from anb_onnx.catalog.notes import note_of
from anb_onnx.surrogate import Surrogate


def write_notes(stream: TextIO, surrogates: Iterable[Surrogate]) -> None:
    """Write the notes of targets, each once, below a table that people read."""
    for surrogate in surrogates:
        note = note_of(surrogate.target.name, surrogate.metadata)
        if note is not None:
            stream.write(f"\n{textwrap.fill(f'{surrogate.target.name}: {note}.', 80)}\n")
