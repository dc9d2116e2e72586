"""The onnxruntime engine: runs the artifact's graph as any other ONNX user would."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import onnxruntime

from anb_onnx._metadata import read_metadata
from anb_onnx.engines.base import Codes, Outputs, resolve_threads
from anb_onnx.errors import ArtifactError, EngineError

# Rows per call of the session. Intermediates of 4,096 rows stay in cache and make each call worth
# its overhead: 3.9, 5.9, 6.8 and 5.1 million rows/s at 512, 2,048, 4,096 and 16,384 rows.
CHUNK_ROWS = 4096

_INPUT = "architectures"
_DTYPES = {"mean": "tensor(float)", "std": "tensor(float)", "members": "tensor(float)"}
_LOG_FATAL = 4


@dataclass(frozen=True)
class _Process:
    """What belongs to one process and must not be used in a fork of it."""

    pid: int
    session: Any
    pool: ThreadPoolExecutor | None


class OnnxRuntimeEngine:
    """Engine over one onnxruntime session.

    The session itself runs single-threaded: onnxruntime's own threads change the last bits of
    tree ensembles with the batch size. Parallelism comes from threads of our own that call the
    session on chunks of rows, so neither thread count nor batch size can change a result.

    Parameters
    ----------
    model : bytes
        The ONNX file. Kept, because a forked child has to open its own session.
    source : str
        Where the bytes come from, for error messages.
    threads : int or None
        Most threads per call; None for all CPUs this process may use.

    Raises
    ------
    ArtifactError
        Where onnxruntime cannot read the model, or its inputs and outputs are not those of an
        anb_onnx artifact.
    EngineError
        Where `threads` is no positive integer, or the file's card requires a newer onnxruntime.
    """

    name = "onnxruntime"
    checks_bounds = False
    predict_indices = None

    def __init__(
        self, model: bytes, *, source: str = "model", threads: SupportsIndex | None = None
    ) -> None:
        self._model = model
        self._source = source
        self._threads = resolve_threads(threads)
        self._left_behind: list[_Process] = []
        # First, as an onnxruntime that is too old may open the file and compute wrongly.
        _check_required(read_metadata(model), source)
        self._process: _Process | None = self._open()
        session = self._process.session
        self._n_genes, self._n_members = _check_interface(session, source)
        meta = session.get_modelmeta()
        self._metadata: dict[str, str] = dict(meta.custom_metadata_map)

    @property
    def n_genes(self) -> int:
        """Number of codes per architecture, read from the graph."""
        return self._n_genes

    @property
    def n_members(self) -> int:
        """Number of ensemble members, read from the graph."""
        return self._n_members

    @property
    def threads(self) -> int:
        """Most threads that one call uses."""
        return self._threads

    @property
    def metadata(self) -> Mapping[str, str]:
        """The file's `metadata_props`."""
        return self._metadata

    def predict(
        self, codes: Codes, *, members: bool = False, out: Outputs | None = None
    ) -> Outputs:
        """Predict for `codes` (uint8 [N, n_genes], validated); see `Engine.predict`.

        Memory beyond input and output does not grow with N.
        """
        process = self._here()
        if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != self._n_genes:
            msg = (
                f"codes must be a uint8 array [N, {self._n_genes}], "
                f"not {codes.dtype} {list(codes.shape)}"
            )
            raise EngineError(msg)
        n = len(codes)
        if out is None:
            out = Outputs.empty(n, self._n_members, members=members)
        elif len(out.mean) != n:
            msg = f"out holds {len(out.mean)} rows, the batch has {n}"
            raise EngineError(msg)
        _run_chunks(process, codes, out, min(self._threads, -(-n // CHUNK_ROWS)))
        return out

    def close(self) -> None:
        """Release the session and its threads."""
        process, self._process = self._process, None
        if process is not None and process.pool is not None and process.pid == os.getpid():
            process.pool.shutdown()

    def _open(self) -> _Process:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _LOG_FATAL
        try:
            session = onnxruntime.InferenceSession(
                self._model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            msg = (
                f"{self._source} cannot be opened by onnxruntime {onnxruntime.__version__}: "
                f"{_one_line(error)}"
            )
            raise ArtifactError(msg) from error
        # The calling thread works too, so the pool holds one thread less.
        helpers = self._threads - 1
        pool = ThreadPoolExecutor(helpers, thread_name_prefix="anb_onnx") if helpers else None
        return _Process(os.getpid(), session, pool)

    def _here(self) -> _Process:
        """State of this process, re-opened where the engine came here through a fork."""
        process = self._process
        if process is None:
            msg = f"the engine of {self._source} is closed"
            raise EngineError(msg)
        if process.pid != os.getpid():
            # The parent's session is never freed here: a thread of the parent may have held one
            # of its locks at the moment of the fork. Two threads that arrive together open two
            # sessions, of which one is dropped: no lock that could itself be lost in a fork.
            self._left_behind.append(process)
            process = self._process = self._open()
        return process


def _run_chunks(process: _Process, codes: Codes, out: Outputs, workers: int) -> None:
    """Fill `out` chunk by chunk, with `workers - 1` helpers beside the calling thread."""
    names = ["mean", "std"] if out.members is None else ["mean", "std", "members"]
    starts = iter(range(0, len(codes), CHUNK_ROWS))
    if workers <= 1 or process.pool is None:
        _work(process.session, names, codes, out, starts)
        return
    shared = _Shared(starts)
    futures = []
    # A pool that another thread's close() or the end of the interpreter shut down takes no more
    # work; the calling thread then does it all.
    with contextlib.suppress(RuntimeError):
        for _ in range(workers - 1):
            futures.append(process.pool.submit(_work, process.session, names, codes, out, shared))
    try:
        _work(process.session, names, codes, out, shared)
    finally:
        # After Ctrl-C the helpers find no further chunk; then none of them still writes into
        # `out` once the caller has it back.
        shared.stop()
        failures = [f.exception() for f in futures if not f.cancel()]
    for failure in failures:
        if failure is not None:
            raise failure


def _work(
    session: Any, names: list[str], codes: Codes, out: Outputs, starts: Iterator[int]
) -> None:
    try:
        for start in starts:
            stop = min(start + CHUNK_ROWS, len(codes))
            chunk = np.ascontiguousarray(codes[start:stop])
            results = session.run(names, {_INPUT: chunk})
            rows = out.rows(start, stop)
            rows.mean[...] = results[0]
            rows.std[...] = results[1]
            if rows.members is not None:
                rows.members[...] = results[2]
    except BaseException:
        if isinstance(starts, _Shared):
            starts.stop()  # the other threads need not finish a batch that has failed
        raise


class _Shared:
    """An iterator that several threads may draw from."""

    def __init__(self, items: Iterator[int]) -> None:
        self._items = items
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            return next(self._items)

    def stop(self) -> None:
        with self._lock:
            self._items = iter(())


def _check_required(metadata: Mapping[str, str], source: str) -> None:
    """Refuse to run a file whose card requires a newer onnxruntime."""
    try:
        required = json.loads(metadata["anb_onnx.card"])["requires"]["onnxruntime"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return  # nothing is required
    wanted = re.fullmatch(r">=([0-9]{1,4})\.([0-9]{1,4})", str(required))
    if wanted is None:
        msg = f"{source}: key 'requires' asks for onnxruntime {str(required)[:40]!r}, unknown here"
        raise ArtifactError(msg)
    installed = re.match(r"(\d+)\.(\d+)", onnxruntime.__version__)
    if installed and tuple(map(int, installed.groups())) < tuple(map(int, wanted.groups())):
        msg = (
            f"{source} needs onnxruntime {required}, installed is {onnxruntime.__version__}; "
            f"update it with: pip install --upgrade 'onnxruntime{required}'"
        )
        raise EngineError(msg)


def _check_interface(session: Any, source: str) -> tuple[int, int]:
    """Genes and members of a session's graph, whose interface must be an artifact's."""
    inputs = {i.name: i for i in session.get_inputs()}
    outputs = {o.name: o for o in session.get_outputs()}
    problem = None
    if set(inputs) != {_INPUT}:
        problem = f"inputs {sorted(inputs)}, expected ['{_INPUT}']"
    elif inputs[_INPUT].type != "tensor(uint8)" or not _is_matrix(inputs[_INPUT].shape):
        problem = (
            f"input '{_INPUT}' is {inputs[_INPUT].type} {inputs[_INPUT].shape}, "
            "expected tensor(uint8) [N, genes]"
        )
    elif set(outputs) != set(_DTYPES):
        problem = f"outputs {sorted(outputs)}, expected {sorted(_DTYPES)}"
    else:
        for name, dtype in _DTYPES.items():
            shape = outputs[name].shape
            fits = _is_matrix(shape) if name == "members" else len(shape) == 1
            if outputs[name].type != dtype or not fits:
                expected = "[N, members]" if name == "members" else "[N]"
                problem = (
                    f"output '{name}' is {outputs[name].type} {shape}, expected {dtype} {expected}"
                )
                break
    if problem is not None:
        msg = f"{source} is not an anb_onnx artifact: it has {problem}"
        raise ArtifactError(msg)
    return inputs[_INPUT].shape[1], outputs["members"].shape[1]


def _is_matrix(shape: list[Any]) -> bool:
    """Whether rows are free and the number of columns is fixed."""
    return len(shape) == 2 and not isinstance(shape[0], int) and isinstance(shape[1], int)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
