"""Notes below a table: what the numbers in it do not say of themselves."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TextIO

from anb_onnx.catalog.notes import note_of
from anb_onnx.fidelities import SEEDS, FidelityArgument, read_fidelities
from anb_onnx.surrogate import Surrogate
from anb_onnx.views.figures import percent


def write_notes(
    stream: TextIO,
    surrogates: Sequence[Surrogate],
    level: float,
    *,
    fidelity: FidelityArgument = None,
) -> None:
    """Write what the columns are, and the notes of targets, below a table that people read."""
    if any(s.calibration is not None and not s.metadata.get("exact") for s in surrogates):
        text = (
            f"lower to upper: where {percent(level)} of {_measured(surrogates[0], fidelity)} lie. "
            "std: how far the members differ, no error bar."
        )
        stream.write(f"\n{textwrap.fill(text, 80)}\n")
    for surrogate in surrogates:
        notes = [note_of(surrogate.target.name, surrogate.metadata)]
        notes.append(_full(surrogate) if fidelity is None else None)
        for note in filter(None, notes):
            stream.write(f"\n{textwrap.fill(f'{surrogate.target.name}: {note}.', 80)}\n")


def _measured(surrogate: Surrogate, fidelity: FidelityArgument) -> str:
    """Say what intervals are of: of as many runs as were asked for."""
    given = read_fidelities(fidelity, surrogate.fidelities, None, surrogate.target.name)
    if SEEDS not in given:
        return "new measurements"
    runs = given[SEEDS].item()
    return "new runs" if runs == 1 else f"means of {runs:g} new runs"


def _full(surrogate: Surrogate) -> str | None:
    """Say of a curve where on it the value is that nobody asked for another of."""
    curve = surrogate.metadata.get("curve")
    if curve is None:
        return None
    epoch = curve["fidelity"]["name"]
    return f"at {epoch} {curve['at'][-1]:g}, the last; --fidelity {epoch}=NUMBER is another one"
