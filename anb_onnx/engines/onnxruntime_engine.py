"""The onnxruntime engine: runs the artifact's graph as any other ONNX user would."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, SupportsIndex

from anb_onnx.engines.base import (
    Codes,
    Outputs,
    as_outputs,
    check_out,
    check_shape,
    resolve_threads,
    span,
)
from anb_onnx.engines.ort import call, onnxruntime
from anb_onnx.errors import ArtifactError, EngineError
from anb_onnx.onnx_files.messages import read_metadata
from anb_onnx.onnx_files.operators import check_operators
from anb_onnx.parallel.pool import WorkerPool
from anb_onnx.spaces.matrix import in_range, refuse_codes
from anb_onnx.spaces.space import SearchSpace

# Rows per call of the session. Intermediates of 4,096 rows stay in cache and make each call worth
# its overhead: 3.9, 5.9, 6.8 and 5.1 million rows/s at 512, 2,048, 4,096 and 16,384 rows.
CHUNK_ROWS = 4096

# Numbers of each intermediate of such a call, of graphs that compute curves.
_CHUNK_VALUES = 2**19

_INPUT = "architectures"
_DTYPES = {"mean": "tensor(float)", "std": "tensor(float)", "members": "tensor(float)"}
# What files of the vector form compute besides.
_MORE = {
    *("output_means", "output_stds", "output_members"),
    *("curve_mean", "curve_std", "curve_members"),
}
_LOG_FATAL = 4

# It takes x + 0 for x, which is wrong of -0.0: the sum of a shift of 0 and a total of 0 that a
# negative scale has turned.
_NO_OPTIMIZERS = ["NoopElimination"]


@dataclass(frozen=True)
class _Process:
    """What belongs to one process and must not be used in a fork of it."""

    pid: int
    session: Any


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
    space : SearchSpace, optional
        Codes are checked against it; without it they have to be in range.

    Raises
    ------
    ArtifactError
        Where onnxruntime cannot read the model, or its inputs and outputs are not those of an
        anb_onnx artifact.
    EngineError
        Where `threads` is no positive integer, or the file's card requires a newer onnxruntime.
    """

    name = "onnxruntime"
    predict_indices = None

    def __init__(
        self,
        model: bytes,
        *,
        source: str = "model",
        threads: SupportsIndex | None = None,
        space: SearchSpace | None = None,
    ) -> None:
        self._model = model
        self._source = source
        self._space = space
        self._threads = resolve_threads(threads)
        self._pool = WorkerPool(self._threads)
        self._left_behind: list[_Process] = []
        # First, as an onnxruntime that is too old may open the file and compute wrongly.
        self._metadata = read_metadata(model, source)
        _check_required(self._metadata, source)
        check_operators(model, source)
        self._process: _Process | None = self._open()
        session = self._process.session
        self._n_genes, self._n_members = _check_interface(session, source)
        self._rows = _rows_of(session)

    @property
    def checks_bounds(self) -> bool:
        """Whether codes are checked: where a search space was given."""
        return self._space is not None

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
        session = self._here().session
        codes = check_shape(codes, self._n_genes)
        n, space = len(codes), self._space
        if out is None:
            out = Outputs.empty(n, self._n_members, members=members)
        else:
            out = as_outputs(out)
            check_out(out, n, self._n_members, span(codes))
        names = ["mean", "std"] if out.members is None else ["mean", "std", "members"]
        outputs, size = out, self._rows

        # A thread that runs `work` holds on to the session and to all arrays.
        def work(start: int) -> None:
            stop = min(start + size, n)
            # A copy, since what is checked must be what is looked up, whoever writes meanwhile.
            chunk = codes[start:stop].copy()
            if space is not None and not in_range(chunk, space):
                refuse_codes(chunk, space, first_row=start)
            rows = outputs.rows(start, stop)
            for target, result in zip(
                rows, _run(session, names, chunk, self._source), strict=False
            ):
                if target is not None:
                    target[...] = result

        self._pool.run(work, range(0, n, size), -(-n // size))
        return out

    def close(self) -> None:
        """Release the session and its threads; calls on their way finish first."""
        self._process = None
        self._pool.close()

    def _open(self) -> _Process:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _LOG_FATAL
        try:
            session = call(
                lambda: onnxruntime.InferenceSession(
                    self._model,
                    options,
                    providers=["CPUExecutionProvider"],
                    disabled_optimizers=_NO_OPTIMIZERS,
                )
            )
        except EngineError:
            raise
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            msg = (
                f"{self._source} cannot be opened by onnxruntime {onnxruntime.__version__}: "
                f"{_one_line(error)}"
            )
            raise ArtifactError(msg) from error
        return _Process(os.getpid(), session)

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


def _run(session: Any, names: list[str], chunk: Codes, source: str) -> list[Any]:
    """Run a session on one chunk of rows; refuse what it answers where that cannot be right."""
    try:
        results = call(lambda: session.run(names, {_INPUT: chunk}))
    except EngineError:
        raise
    except Exception as error:  # onnxruntime's exceptions share no base class but this
        msg = f"{source} cannot be run by onnxruntime {onnxruntime.__version__}: {_one_line(error)}"
        raise ArtifactError(msg) from error
    for name, result in zip(names, results, strict=True):
        # NumPy would spread one row over all rows of the chunk.
        if len(result) != len(chunk):
            msg = (
                f"{source} is not an anb_onnx artifact: for {len(chunk)} architectures its output "
                f"{name!r} has {len(result)} rows"
            )
            raise ArtifactError(msg)
    return list(results)


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
    elif set(outputs) - _MORE != set(_DTYPES):
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


def _rows_of(session: Any) -> int:
    """Return how many rows to run at once: fewer of a graph that computes much of each.

    Of graphs with further outputs, onnxruntime computes all of them, whichever are asked for.
    """
    widths = [1]
    for output in session.get_outputs():
        if output.name in _MORE:
            sizes = [size for size in output.shape[1:] if isinstance(size, int)]
            widths.append(math.prod(sizes))
    return max(min(CHUNK_ROWS, _CHUNK_VALUES // max(widths)), 1)


def _is_matrix(shape: list[Any]) -> bool:
    """Whether rows are free and the number of columns is fixed."""
    return len(shape) == 2 and not isinstance(shape[0], int) and isinstance(shape[1], int)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
