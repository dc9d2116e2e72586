"""The one way this package compiles with numba."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def jit(
    function: Callable[..., Any], signature: Any = None, *, error_model: str = "python"
) -> Callable[..., Any]:
    """Compile a function to run without the GIL, and cache it on disk.

    With a numba signature it is compiled now and takes these types only; without one it is
    compiled on its first call, and again for other types of arguments.

    numba keeps the compiled code in NUMBA_CACHE_DIR if that is set, else in the `__pycache__`
    beside the source, else in the user's cache directory, whichever can be written first. It
    writes a file under another name and moves it into place, so that processes may share the
    cache. Where none can be written (a read-only container without a home), every process
    compiles for itself.

    Of the division by zero, `error_model` says whether it raises ("python") or is that of IEEE 754
    ("numpy"), which alone lets a loop run in vectors.
    """
    compiled: Callable[..., Any]
    try:
        compiled = numba.njit(signature, nogil=True, cache=True, error_model=error_model)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        compiled = numba.njit(signature, nogil=True, error_model=error_model)(function)
    return compiled


def jit_source(
    source: str, module: str, signature: Any = None, *, error_model: str = "python"
) -> Callable[..., Any]:
    """Compile a function from generated source text, as `jit` does.

    Parameters
    ----------
    source : str
        One function, named ``kernel``, generated from validated numbers only.
    module : str
        ``__name__`` of the generator: the cache goes beside its file and lapses when that changes.
        The source may name ``np`` and the types ``u8``, ``u32``, ``i32``, ``i64``, ``u64``, ``f32``
        and ``f64``.
    signature : numba signature, optional
    error_model : str
        As for `jit`.
    """
    # numba tells functions apart by file, name and bytecode, which does not hold the constants;
    # a name that holds the hash of the source makes the cache right for every search space.
    name = f"kernel_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    # numba imports the module when it loads the function from the cache.
    scope: dict[str, Any] = {
        "__name__": module,
        "np": np,
        "u8": np.uint8,
        "u32": np.uint32,
        "u64": np.uint64,
        "i32": np.int32,
        "i64": np.int64,
        "f32": np.float32,
        "f64": np.float64,
    }
    file = sys.modules[module].__file__ or "<generated>"
    exec(compile(source.replace("def kernel(", f"def {name}(", 1), file, "exec"), scope)
    return jit(scope[name], signature, error_model=error_model)
