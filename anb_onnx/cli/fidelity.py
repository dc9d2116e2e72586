"""What `--fidelity` gives: the epoch of a curve, and the number of runs of different seeds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from anb_onnx._io.show import show
from anb_onnx.errors import FidelityError
from anb_onnx.fidelities import check_meaning, read_fidelities
from anb_onnx.surrogate import Surrogate


def add_fidelity(parser: argparse.ArgumentParser) -> None:
    """Add ``--fidelity``."""
    parser.add_argument(
        "--fidelity",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="of targets that are curves: epoch=10 for the value there, or only 10; of those that "
        "predict the noise between seeds: seeds=3 for the interval of a mean of three runs; may "
        "be repeated",
    )


def read_fidelity(
    texts: Sequence[str], surrogates: Sequence[Surrogate]
) -> float | dict[str, float] | None:
    """Return what `query` takes as fidelity, once it is one of every surrogate.

    Raises
    ------
    FidelityError
        If a text is no number, nor a name and a number, one is given twice, or a target has no
        such fidelity; names the option, as it is typed.
    """
    found: dict[str | None, float] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        key = name if equals else None
        try:
            number = float("" if "_" in value else value)  # which Python would leave out
            number = int(number) if number.is_integer() else number  # as it is typed, in errors
        except ValueError:
            msg = f"--fidelity {text}: {show(value)} is no number; give epoch=10 or only 10"
            raise FidelityError(msg) from None
        if key in found:
            msg = f"--fidelity {text}: {'a number' if key is None else key} is given twice"
            raise FidelityError(msg)
        found[key] = number
    if len(found) > 1 and None in found:
        msg = f"--fidelity {texts[-1]}: of several, each has a name: epoch=10"
        raise FidelityError(msg)
    if not found:
        return None
    given = found[None] if None in found else {str(name): v for name, v in found.items()}
    try:
        check_meaning(given, [surrogate.fidelities for surrogate in surrogates])
    except FidelityError as error:
        msg = f"--fidelity {texts[0]}: {error}"
        raise FidelityError(msg) from error
    for surrogate in surrogates:
        try:
            read_fidelities(given, surrogate.fidelities, None, surrogate.target.name)
        except FidelityError as error:
            takes = [s.target.name for s in surrogates if s.fidelities]
            more = "" if surrogate.fidelities else "; name those that have one with --target"
            if more and takes:
                more += f": {', '.join(takes)}"
            msg = f"--fidelity {' --fidelity '.join(texts)}: {error}{more}"
            raise FidelityError(msg) from error
    return given
