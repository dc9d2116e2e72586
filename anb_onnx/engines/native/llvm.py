"""From LLVM assembly to a function that ctypes can call, in this process.

The lookup kernels are short and fully specified (every vector and every rounding is written
down), so they need none of LLVM's optimisation passes. Compiling one takes well under 0.1 s:
there is nothing to cache on disk, and numba, whose import alone takes longer, is not needed.
llvmlite, the binding to LLVM that numba is built on, is all that is used of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Sequence
from typing import Any

import llvmlite.binding as llvm

from anb_onnx.errors import EngineError
from anb_onnx.parallel.shelter import sheltered

# Held while LLVM is at work, and by whoever forks: a child whose parent was compiling at that
# moment would find llvmlite's own lock taken, by a thread that it does not have.
_at_work = threading.RLock()
_unused: list[Any] = []


def _let_go() -> None:
    with contextlib.suppress(RuntimeError):  # a signal handler raised before it was taken
        _at_work.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_at_work.acquire, after_in_parent=_let_go, after_in_child=_let_go)


class Compiled:
    """Machine code of one module; its memory lives as long as this object.

    Parameters
    ----------
    assembly : str
        A module in LLVM assembly.

    Raises
    ------
    EngineError
        If this process may not make memory executable, or LLVM cannot compile for this machine.
    """

    def __init__(self, assembly: str) -> None:
        # Out of reach of Ctrl-C, which would leave llvmlite's lock taken or a module half built.
        self._engine: Any = sheltered(lambda: _compile(assembly))

    def function(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """Return a function of the module; a call releases the GIL.

        Parameters
        ----------
        name : str
            Its name in the assembly.
        result, arguments : ctypes types
            Its signature.
        """
        address = self._engine.get_function_address(name)
        function: Any = ctypes.CFUNCTYPE(result, *arguments)(address)
        function.owner = self  # the code must outlive every reference to the function
        return function

    def __del__(self, unused: list[Any] = _unused) -> None:
        # On any thread at any time, also while another is in LLVM: the next to compile frees it.
        # And when Python ends, after the names of this module are gone: so the list is a default.
        if "_engine" in self.__dict__:
            unused.append(self._engine)


def _compile(assembly: str) -> Any:
    with _at_work:
        while _unused:
            _unused.pop().close()
        try:
            llvm.check_jit_execution()
            engine = llvm.create_mcjit_compiler(_parse(assembly), _target_machine())
            engine.finalize_object()
        except (OSError, RuntimeError) as error:
            msg = f"the native engine cannot compile here: {error}; use engine='onnxruntime'"
            raise EngineError(msg) from error
        return engine


def machine_assembly(assembly: str) -> str:
    """Return what a module becomes on this machine, for people and tests."""
    with _at_work:
        return str(_target_machine().emit_assembly(_parse(assembly)))


def process_triple() -> str:
    """Return LLVM's name for the kind of machine that this process runs on."""
    return str(llvm.get_process_triple())


def _parse(assembly: str) -> Any:
    _initialize()
    module = llvm.parse_assembly(assembly)
    module.verify()
    return module


def _initialize() -> None:
    # Both may be called any number of times; numba, where it is loaded, has done so too.
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _target_machine() -> Any:
    """Return a new description of this machine: LLVM's compilers take ownership of theirs."""
    _initialize()
    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # unknown on some systems; the processor's name still says much
        features = ""
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=features,
        opt=3,
        reloc="static" if llvm.get_process_triple().startswith("x86") else "default",
        codemodel="jitdefault",
    )
