"""One cell of the study: a question, a design and a number of samples, over many draws.

Each is a JSON file, written when it is whole. A run that is killed goes on with the next; and a
file whose stamp tells that it was computed by other code is computed anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from anb_export._io.files import to_json, write_atomically
from numpy.typing import NDArray

import anb_onnx
from anb_onnx.surrogate import Surrogate
from benchmarks.few_shot import methods
from benchmarks.few_shot.measured import Measured, trimmed
from benchmarks.few_shot.scores import score
from benchmarks.few_shot.tasks import Question

DESIGNS = ("random", "designed")
#: Rows that are scored: all test rows, and those that HELP keeps.
ROWS = ("all", "trimmed")


@dataclass(frozen=True)
class Cell:
    """What is computed at once, and where it is kept."""

    question: Question
    design: str
    n: int
    draws: int
    methods: tuple[str, ...]

    def file(self, folder: Path) -> Path:
        """Return its file in a folder of results."""
        return folder / f"{self.question.name}-{self.design}-{self.n}.json"

    def key(self) -> dict[str, Any]:
        """Return what tells that a file holds this cell: also by which code."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found | {"stamp": stamp()}


def stamp() -> str:
    """Return a digest of the sources that results depend on: few-shot's here and the package's."""
    package = Path(anb_onnx.__file__).parent
    files = [*Path(__file__).parent.glob("*.py"), *package.glob("few_shot/**/*.py")]
    digest = hashlib.sha256()
    for file in sorted(files):
        if file.name not in ("report.py", "__main__.py"):
            digest.update(file.name.encode() + b"\n" + file.read_bytes())
    return digest.hexdigest()[:16]


def saved(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """Return the results of a cell that was computed, or None."""
    try:
        found = json.loads(cell.file(folder).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("cell") != cell.key():
        return None
    return found


def compute(cell: Cell, measured: Measured, folder: Path) -> dict[str, Any]:
    """Compute a cell and write its file; return what is in it."""
    question = cell.question
    times = measured.devices[question.device].times
    everything = _measured_everywhere(question, measured)
    pool = everything if question.rest else np.intersect1d(measured.pool, everything)
    uses = methods.OURS in cell.methods or cell.design == "designed"
    names = question.sources if uses else ()
    known = [methods.source(question.space, name) for name in names]
    draws = []
    for draw in range(cell.draws):
        samples = samples_of(cell.design, measured, pool, cell.n, known, draw)
        if question.rest:
            rows = {"all": np.setdiff1d(everything, samples)}
        else:
            test = np.intersect1d(measured.test, everything)
            rows = {"all": test, "trimmed": trimmed(test, times)}
        guesses = methods.predictions(question, measured, samples, pool, known, draw, cell.methods)
        draws.append(
            {
                "samples": samples.tolist(),
                "scores": {
                    name: {kept: score(guess, times, of) for kept, of in rows.items()}
                    for name, guess in guesses.items()
                },
            }
        )
    found = {"cell": cell.key(), "draws": draws}
    write_atomically(cell.file(folder), to_json(found))
    return found


def _measured_everywhere(question: Question, measured: Measured) -> NDArray[np.int64]:
    """Return the rows measured on the device and all known ones: one set for all methods."""
    known = (measured.devices[name].values for name in (question.device, *question.sources))
    return np.flatnonzero(np.isfinite(np.stack(list(known))).all(axis=0))


def samples_of(
    design: str,
    measured: Measured,
    pool: NDArray[np.int64],
    n: int,
    known: Sequence[Surrogate],
    draw: int,
) -> NDArray[np.int64]:
    """Return the rows of the pool that are measured in a draw, in order.

    Random ones are the same for every device and method, and of fewer samples the first ones.
    """
    if design == "designed":
        return methods.designed(measured, pool, n, known, draw)
    return pool[np.random.default_rng([14, draw]).permutation(len(pool))[:n]]
