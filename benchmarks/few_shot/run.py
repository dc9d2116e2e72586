"""Computes the cells of the study in two processes, and says how far it is."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

from anb_onnx._io.progress import Progress
from benchmarks.few_shot import cells, methods
from benchmarks.few_shot.cells import Cell
from benchmarks.few_shot.measured import Measured, read
from benchmarks.few_shot.tasks import Question, questions

#: Numbers of samples, for HELP's devices and for NASFLAT's tasks.
SIZES = (5, 10, 20, 50)
NASFLAT_SIZES = (20,)
#: Those with which the method is also tried without sources.
ALONE_SIZES = (10, 20)

#: What is computed of each design. MACs rank alike whatever the samples are.
METHODS: dict[str, tuple[str, ...]] = {
    "random": (
        *(methods.OURS, methods.ALONE, methods.SINGLE),
        *(methods.COUNTS, methods.ALL_COUNTS, methods.MACS),
    ),
    "designed": (methods.OURS, methods.SINGLE, methods.COUNTS),
}

#: Libraries that start threads of their own in each process, and how each is told not to.
_SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def plan(
    spaces: Sequence[str],
    roles: Sequence[str],
    *,
    draws: int,
    sizes: Sequence[int] = (),
    designs: Sequence[str] = cells.DESIGNS,
    only: Sequence[str] = (),
) -> Iterator[Cell]:
    """Yield the cells of some spaces and roles.

    `sizes` are those of the protocol, and `only` all of `METHODS`, if not given.
    """
    for space in spaces:
        for role in roles:
            for question in questions(space, role):
                for n in sizes or (NASFLAT_SIZES if question.rest else SIZES):
                    for design in designs:
                        chosen = tuple(
                            method
                            for method in METHODS[design]
                            if (not only or method in only)
                            and (method != methods.ALONE or n in ALONE_SIZES)
                        )
                        # Designs of one large pool hardly differ.
                        fewer = question.rest and design == "designed"
                        yield Cell(question, design, n, -(-draws // 3) if fewer else draws, chosen)


def run(wanted: Sequence[Cell], data: Path, folder: Path, *, processes: int = 2) -> None:
    """Compute the cells that are not in the folder yet, each into a file of its own.

    Raises
    ------
    AnbError
        If the data cannot be read or a file cannot be written.
    """
    missing = [cell for cell in wanted if cells.saved(cell, folder) is None]
    done = len(wanted) - len(missing)
    with Progress("cells", show=True) as progress:
        progress(done, len(wanted))
        if processes == 1:
            for cell in sorted(missing, key=lambda cell: -cell.n):
                done += _compute([cell], data, folder)
                progress(done, len(wanted))
            return
        for name in _SINGLE:
            os.environ.setdefault(name, "1")
        # Spawned: a fork would inherit the threads of this process, but not their state.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            # All cells of a question in one process, the most samples first: designs are shared.
            by_question: dict[Question, list[Cell]] = {}
            for cell in sorted(missing, key=lambda cell: -cell.n):
                by_question.setdefault(cell.question, []).append(cell)
            waiting = [pool.submit(_compute, group, data, folder) for group in by_question.values()]
            try:
                for future in as_completed(waiting):
                    done += future.result()
                    progress(done, len(wanted))
            except BaseException:  # Ctrl-C, too: what runs ends with its cell, no other begins
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _compute(group: Sequence[Cell], data: Path, folder: Path) -> int:
    for cell in group:
        cells.compute(cell, _measured(cell.question.space, data), folder)
    return len(group)


@cache
def _measured(space: str, data: Path) -> Measured:
    return read(space, data)


def results(wanted: Sequence[Cell], folder: Path) -> list[tuple[Cell, dict[str, Any]]]:
    """Return those cells of the folder that are whole and of the present code."""
    found = ((cell, cells.saved(cell, folder)) for cell in wanted)
    return [(cell, saved) for cell, saved in found if saved is not None]
