"""Packages that only some parts need, imported when such a part is used."""

from __future__ import annotations

from types import ModuleType

from anb_onnx.errors import ExtraError
from anb_onnx.parallel.shelter import import_sheltered


def need(module: str, *, extra: str, what: str) -> ModuleType:
    """Import a module of a package that an extra installs.

    Parameters
    ----------
    module : str
        For example "pymoo.core.problem".
    extra : str
        The extra of `anb-onnx` that installs it.
    what : str
        What needs it, for the message.

    Raises
    ------
    ExtraError
        If it cannot be imported; says how to install it.
    """
    try:
        found: ModuleType = import_sheltered(module)
    except ImportError as error:
        name = module.partition(".")[0]
        msg = f"{what} needs {name} ({error}): pip install 'anb-onnx[{extra}]'"
        raise ExtraError(msg) from error
    return found
