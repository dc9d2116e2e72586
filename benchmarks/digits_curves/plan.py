"""Which runs are measured, in which order.

The configurations stand in random order, all seeds of one together and its repeat a little later,
so that the first N runs are a fair sample of the whole, whatever N is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.digits_curves.genes import GENES

#: Distinct configurations, each with seed 0.
CONFIGURATIONS = 8_000
#: Of these, so many have more seeds, which tell the noise.
SEEDED = 500
#: Numbers of the seeds.
SEEDS = 5
#: Of the seeded ones, so many are run with seed 0 once more, which tells what repeats.
REPEATED = 250
#: That many configurations later: other things happen on the machine.
LATER = 100


@dataclass(frozen=True)
class Plan:
    """Runs in the order they are made.

    Attributes
    ----------
    codes : ndarray of uint8, [N, 11]
        One configuration a run.
    seed : ndarray of uint8, [N]
    repeat : ndarray of bool, [N]
        Whether the same configuration and seed are in the plan before or after, as no repeat.
    """

    codes: npt.NDArray[np.uint8]
    seed: npt.NDArray[np.uint8]
    repeat: npt.NDArray[np.bool_]


def plan(seed: int = 0) -> Plan:
    """Draw all runs.

    Parameters
    ----------
    seed : int
        Of the draw of configurations and of their order; the committed file has 0.
    """
    sizes = [len(choices) for choices in GENES.values()]
    rng = np.random.default_rng(seed)
    places = rng.choice(int(np.prod(sizes)), CONFIGURATIONS, replace=False)
    codes = np.stack(np.unravel_index(places, sizes), axis=1).astype(np.uint8)
    seeded = set(rng.choice(CONFIGURATIONS - LATER, SEEDED, replace=False).tolist())
    repeated = set(rng.choice(sorted(seeded), REPEATED, replace=False).tolist())
    runs: list[tuple[int, int, bool]] = []
    for number in range(CONFIGURATIONS):
        runs += [(number, again, False) for again in range(SEEDS if number in seeded else 1)]
        if number - LATER in repeated:
            runs.append((number - LATER, 0, True))
    which, seeds, repeat = (np.array(column) for column in zip(*runs, strict=True))
    return Plan(codes[which], seeds.astype(np.uint8), repeat)
