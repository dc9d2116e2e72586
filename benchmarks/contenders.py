"""Everything that can evaluate the ensemble: this package's engines and their rivals.

A contender goes all the way from uint8 codes [N, 28] to mean and std [N]. Its outputs are compared
with the exact sums of the leaves before its time counts; one that cannot be installed, opened or
believed is listed as not run, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import anb_onnx
from anb_onnx.engines.base import Outputs
from benchmarks import rivals
from benchmarks.settings import Settings
from benchmarks.subject import Answer, Codes, Subject, draw

#: Largest accepted difference to the exact sums of leaves, in standard deviations of the target:
#: float32 sums of thousands of leaves are some 1e-4 off.
TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Contender:
    """One way to evaluate the ensemble, opened and ready.

    Attributes
    ----------
    name : str
    threads : int
    predict : callable
        From a batch, as `prepare` makes it of codes, to mean and std.
    ours : bool
        Whether it belongs to this package.
    n_members : int
        Members it evaluates: where it is not all of them, its time is scaled up.
    share : float
        `n_members` over the number of all members.
    error : float
        Largest difference to the exact sums of leaves, in standard deviations of the target.
    note : str
        What a reader should know.
    """

    name: str
    threads: int
    predict: rivals.Predict
    ours: bool
    n_members: int
    share: float
    error: float
    note: str = ""

    @property
    def prepare(self) -> Callable[[Codes], Any]:
        """What makes of codes the batch it is asked with; that does not count as its time."""
        return _prepare(self.predict)

    @property
    def key(self) -> str:
        """Name with the number of threads, unique."""
        return f"{self.name}, {self.threads} thread{'s' if self.threads > 1 else ''}"


@dataclass(frozen=True)
class NotRun:
    """A contender that could not be measured, and why."""

    name: str
    reason: str


def open_contenders(
    subject: Subject, settings: Settings, work: Path
) -> tuple[list[Contender], list[NotRun]]:
    """Open all contenders and check their outputs."""
    codes = draw(settings.check_rows, seed=1)
    exact: dict[int, Answer] = {}
    ready: list[Contender] = []
    failed: list[NotRun] = []
    for name, threads, ours, n_members, note, open_it in _candidates(subject, settings, work):
        label = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
        print(f"  opening {label}", flush=True)
        try:
            predict = open_it()
            answer = predict(_prepare(predict)(codes))
        except ImportError as error:
            failed.append(NotRun(label, f"cannot be imported: {error}"))
            continue
        except Exception as error:  # whatever a rival raises, the others go on
            failed.append(NotRun(label, f"{type(error).__name__}: {error}"[:300]))
            continue
        if n_members not in exact:
            exact[n_members] = subject.exact(codes, n_members)
        off = subject.error(answer, exact[n_members])
        if not off <= TOLERANCE:
            failed.append(NotRun(label, f"its outputs are {off:.2g} standard deviations off"))
            continue
        share = n_members / subject.n_members
        ready.append(Contender(name, threads, predict, ours, n_members, share, off, note))
    return ready, failed


_Candidate = tuple[str, int, bool, int, str, Callable[[], rivals.Predict]]


def _candidates(subject: Subject, settings: Settings, work: Path) -> Iterator[_Candidate]:
    every = subject.n_members

    def engine(name: str, threads: int) -> Callable[[], rivals.Predict]:
        return lambda: _surrogate(subject, name, threads)

    for threads in (1, 2):
        yield "native", threads, True, every, "", engine("native", threads)
    for threads in (1, 2):
        yield (
            "onnxruntime, table form", threads, True, every, "", engine("onnxruntime", threads)
        )  # fmt: skip
    yield "numpy", 1, True, every, "", engine("numpy", 1)
    for threads in (1, 2):
        yield (
            "xgboost inplace_predict", threads, False, every, "",
            lambda threads=threads: rivals.xgboost_inplace(subject, threads),  # type: ignore[misc]
        )  # fmt: skip
    yield (
        "xgboost DMatrix", 1, False, every, "one new DMatrix per batch",
        lambda: rivals.xgboost_dmatrix(subject, 1),
    )  # fmt: skip
    yield (
        "onnxruntime, tree form", 1, False, every, "TreeEnsembleRegressor from onnxmltools",
        lambda: rivals.onnxruntime_trees(subject, 1),
    )  # fmt: skip
    yield "daal4py", 1, False, every, "oneDAL", lambda: rivals.daal(subject, 1)
    count = min(settings.compiled_members, every)
    scaled = "" if count == every else f", {count} of {every} members, its time scaled up"
    yield (
        "tl2cgen", 1, False, count, f"treelite to C, gcc -O1, quantize{scaled}",
        lambda: rivals.tl2cgen_compiled(subject, 1, count, work),
    )  # fmt: skip
    yield "treelite GTIL", 1, False, every, "interpreter", lambda: rivals.gtil(subject, 1)
    yield (
        "reference's path", 1, False, every,
        "stand-in: ConfigSpace objects, encoded and made a DMatrix for each member",
        lambda: rivals.ReferencePath(subject),
    )  # fmt: skip


def _prepare(predict: rivals.Predict) -> Callable[[Codes], Any]:
    own: Callable[[Codes], Any] = getattr(predict, "prepare", lambda codes: codes)
    return own


def _surrogate(subject: Subject, engine: str, threads: int) -> rivals.Predict:
    surrogate = anb_onnx.load(path=subject.artifact, engine=engine, threads=threads)
    kept: dict[int, Outputs] = {}

    def predict(codes: Codes) -> Answer:
        # Into the same arrays every time, as an inner loop would.
        n = len(codes)
        if n not in kept:
            kept[n] = Outputs.empty(n, surrogate.n_members, members=False)
        found: Any = surrogate.query_codes(codes, out=kept[n])
        return found.mean, found.std

    predict(np.zeros((1, surrogate.space.n_genes), np.uint8))  # compiles
    return predict
