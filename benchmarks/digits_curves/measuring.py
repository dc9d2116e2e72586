"""Measures the runs of the plan, one after another in this process."""

from __future__ import annotations

import signal
import time
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.progress import Progress
from benchmarks import machine
from benchmarks.digits_curves.genes import EPOCHS, GENES
from benchmarks.digits_curves.journal import RECORD, Journal
from benchmarks.digits_curves.plan import Plan
from benchmarks.digits_curves.training import Epoch, Training

#: A run whose time tells how loaded the machine is: "conv3x4", 2 layers of 32, ReLU, batch norm,
#: dropout 0.2, Adam at 0.004, batches of 256.
REFERENCE = (1, 1, 1, 0, 1, 1, 1, 2, 2, 0, 0)
#: It is made before the first and after each so many runs.
EVERY = 10


def header(seed: int) -> dict[str, Any]:
    """Return what the journal of a plan begins with: what and where."""
    here = machine.describe()
    return {
        "genes": {name: list(choices) for name, choices in GENES.items()},
        "epochs": EPOCHS,
        "plan_seed": seed,
        **{key: here[key] for key in ("processor", "processors", "vector", "system", "python")},
        **{name: version(name) for name in ("torch", "scikit-learn", "numpy")},
    }


def measure(plan: Plan, journal: Path, *, seed: int, runs: int) -> None:
    """Measure the first runs of a plan that are not in the journal yet.

    SIGTERM ends it after the run that is being made, Ctrl-C at once; no finished run is lost.

    Parameters
    ----------
    plan : Plan
    journal : Path
    seed : int
        Of the plan.
    runs : int
        How many of the plan's runs the journal is to hold.

    Raises
    ------
    AnbError
        If the journal is of something else.
    ExtraError
        If torch or scikit-learn is missing.
    """
    book = Journal(journal, header(seed))
    stopped: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopped.append(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        first = len(book.rows)
        reference = load_of_machine()["reference_seconds"]
        with Progress("runs", show=True) as progress:
            for number in range(first, runs):
                progress(number, runs)
                if number % EVERY == 0 and number > first:
                    reference = run(REFERENCE, 0)[-1].seconds
                book.add(_record(plan, number, reference))
                if stopped:
                    break
    finally:
        signal.signal(signal.SIGTERM, before)
        book.close()


def run(codes: tuple[int, ...], seed: int) -> list[Epoch]:
    """Train one configuration to the end."""
    training = Training(codes, seed)
    return [training.step() for _ in range(EPOCHS)]


def load_of_machine() -> dict[str, float]:
    """Return what the reference run takes now, its first time in this process not counted."""
    run(REFERENCE, 0)
    return {"reference_seconds": run(REFERENCE, 0)[-1].seconds}


def _record(plan: Plan, number: int, reference: float) -> npt.NDArray[np.void]:
    training = Training(plan.codes[number].tolist(), int(plan.seed[number]))
    for _ in range(EPOCHS):
        training.step()
    record = np.zeros((), RECORD)
    record["run"] = number
    for name in ("val_accuracy", "val_loss", "train_loss", "seconds"):
        record[name] = [getattr(epoch, name) for epoch in training.epochs]
    record["test_accuracy"] = training.test_accuracy()
    record["reference_seconds"] = reference
    record["when"] = time.time()
    return record
