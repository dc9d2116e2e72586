"""Engines: different ways to compute the same bits."""

from __future__ import annotations

from typing import Any

__all__ = ["assembly"]


def assembly(surrogate: Any, source: str = "codes", *, machine: bool = False) -> str:
    """Return the code that the native engine runs for a surrogate, for who wants to look.

    What it does is told, as pseudo-code, at the top of `anb_onnx.engines.native.kernels`. From the
    command line: ``python -m anb_onnx.engines accuracy``.

    Parameters
    ----------
    surrogate : Surrogate
        Of an artifact in table form; its own engine does not matter.
    source : {"codes", "indices"}
        What the code reads.
    machine : bool
        Whether to return the assembly of this machine's processor, instead of LLVM's.

    Returns
    -------
    str

    Raises
    ------
    EngineError
        If the artifact has no tables, `source` is neither, or there is no compiler here.
    """
    from anb_onnx.engines.look import kernel_assembly  # which loads a compiler

    return kernel_assembly(surrogate._ensemble, source, machine=machine)
