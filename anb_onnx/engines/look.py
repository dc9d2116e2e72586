"""What `anb_onnx.engines.assembly` shows."""

from __future__ import annotations

from anb_onnx._io.show import show
from anb_onnx.errors import EngineError
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.tables import TableEnsemble


def kernel_assembly(ensemble: TableEnsemble | None, source: str, *, machine: bool) -> str:
    """Return the kernel of an ensemble in LLVM's assembly, or that of this machine.

    Raises
    ------
    EngineError
        As `anb_onnx.engines.assembly`.
    """
    if ensemble is None:
        msg = "the native engine runs artifacts in table form; this one is not"
        raise EngineError(msg)
    if source not in ("codes", "indices"):
        msg = f"a kernel reads 'codes' or 'indices', not {show(source)}"
        raise EngineError(msg)
    try:
        kernels = import_sheltered("anb_onnx.engines.native.kernels")
    except (ImportError, OSError) as error:  # llvmlite raises either without its library
        msg = f"the native engine needs llvmlite ({error}); mend it with: pip install llvmlite"
        raise EngineError(msg) from error
    text: str = kernels.assembly(kernels.Spec.of(source, ensemble))
    if machine:
        text = import_sheltered("anb_onnx.engines.native.llvm").machine_assembly(text)
    return text
