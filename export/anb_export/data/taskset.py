"""TaskSet's curves of Adam with eight hyper-parameters, on a finite space.

TaskSet (Metz et al., arXiv 2002.11887) trained many tasks with a thousand settings of `adam8p`:
learning rate, betas, epsilon, two penalties and two decays, each drawn from a continuous
distribution, uniform in a logarithm. Here are twelve of its tasks, small recurrent networks that
classify film reviews in two classes; loss on training, validation and test data every 200 of
10,000 steps.

Artifacts are of finite spaces: `TASKSET_ADAM8P` has levels of each hyper-parameter, and `nearest`
rounds to them and says how far. What that costs is measured (docs/learning-curves.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anb_export.data.dataset import DatasetError
from anb_export.data.npz_files import check_equal, read_arrays
from anb_onnx.spaces.space import Block, Gene, SearchSpace

FILE = "taskset_rnn_text.npz"
PARTS = ("train", "valid", "test")

#: Steps of training between two values of a curve, and values of each.
STEPS, N_VALUES = 200, 51
N_RUNS = 1000

#: Decimal logarithms of the levels; of the betas, of 1 - beta. Rates are fine where runs differ,
#: and what is below the gradients' size makes no difference.
_LEVELS: dict[str, tuple[float, ...]] = {
    "learning_rate": (-7.5, -6.75, -6.0, *np.linspace(-17 / 3, 1.0, 21).tolist()),
    "beta1": (-0.4, -1.2, -2.0, -2.8, -3.6),
    "beta2": (-0.6, -1.8, -3.0, -4.2, -5.4),
    "epsilon": (-8.0, -6.0, -5.25, -4.5, -3.75, -3.0, -2.25, -1.5, -0.75, 0.0, 1.0, 2.0),
    "l1": (-7.5, -6.0, -5.0, -4.25, -3.5, -2.75, -2.0, -1.0, 0.0),
    "l2": (-7.5, -6.0, -5.0, -4.25, -3.5, -2.75, -2.0, -1.0, 0.0),
    "linear_decay": (-6.5, -5.5, -4.5),
    "exponential_decay": (-5.5, -4.5, -3.5),
}
_BETAS = ("beta1", "beta2")


def _choices(name: str) -> tuple[float, ...]:
    levels = (float(f"{10.0**level:.3g}") for level in _LEVELS[name])
    return tuple(round(1.0 - v, 12) if name in _BETAS else v for v in levels)


TASKSET_ADAM8P = SearchSpace(
    "taskset_adam8p",
    tuple(Block(name, (Gene(name, _choices(name), ordered=True),)) for name in _LEVELS),
)
"""Eight blocks of one gene each, levels of TaskSet's hyper-parameters in their order."""


def logarithms(hyper_parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return decimal logarithms, float64 [n, 8]: of 1 - beta for the betas, which are near 1.

    Parameters
    ----------
    hyper_parameters : ndarray of float64, shape (n, 8)
        In the order of the space.
    """
    betas = [name in _BETAS for name in _LEVELS]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(np.where(betas, 1.0 - hyper_parameters, hyper_parameters))


def level_logarithms() -> tuple[NDArray[np.float64], ...]:
    """Return the logarithms of each gene's choices, as `logarithms` takes them."""
    found = []
    for k, gene in enumerate(TASKSET_ADAM8P.genes):
        rows = np.full((len(gene), len(_LEVELS)), 0.5)
        rows[:, k] = gene.choices
        found.append(logarithms(rows)[:, k])
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Nearest:
    """Hyper-parameters rounded to the levels of the space.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n, 8)
    decades : ndarray of float64, shape (n, 8)
        How far each was moved, in factors of ten (of the betas, of 1 - beta).
    """

    codes: NDArray[np.uint8]
    decades: NDArray[np.float64]


def nearest(hyper_parameters: NDArray[np.float64]) -> Nearest:
    """Round hyper-parameters to the nearest levels of `TASKSET_ADAM8P`, in logarithms.

    Parameters
    ----------
    hyper_parameters : ndarray of float64, shape (n, 8)
        In the order of the space: above 0, the betas below 1.

    Raises
    ------
    DatasetError
        If one is out of range; names row and hyper-parameter.

    Examples
    --------
    >>> import numpy as np
    >>> found = nearest(np.array([[1e-3, 0.9, 0.999, 1e-8, 1e-6, 1e-6, 1e-6, 1e-5]]))
    >>> found.codes.tolist(), round(float(found.decades.max()), 2)
    ([[11, 1, 2, 0, 1, 1, 1, 1]], 0.5)
    """
    values = np.asarray(hyper_parameters, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(_LEVELS):
        msg = f"hyper-parameters must be an array [n, {len(_LEVELS)}], found {[*values.shape]}"
        raise DatasetError(msg)
    logs = logarithms(values)
    wrong = ~np.isfinite(logs)
    if wrong.any():
        row, column = (int(k) for k in np.argwhere(wrong)[0])
        name = [*_LEVELS][column]
        wanted = "between 0 and 1" if name in _BETAS else "above 0 and finite"
        msg = f"row {row}: {name} must be {wanted}, found {values[row, column]!r}"
        raise DatasetError(msg)
    codes = np.empty(values.shape, dtype=np.uint8)
    decades = np.empty(values.shape)
    for k, levels in enumerate(level_logarithms()):
        apart = np.abs(logs[:, k, None] - levels)
        codes[:, k] = apart.argmin(axis=1)
        decades[:, k] = apart.min(axis=1)
    return Nearest(codes, decades)


@dataclass(frozen=True, eq=False)
class TaskSet:
    """Twelve tasks, each trained with the same thousand settings.

    Attributes
    ----------
    tasks : tuple of str
    hyper_parameters : ndarray of float64, shape (1000, 8)
    steps : ndarray of float64, shape (51,)
    losses : ndarray of float64, shape (12, 1000, 3, 51)
        Of training, validation and test data, in nats; NaN or infinite where a run diverged.
    """

    tasks: tuple[str, ...]
    hyper_parameters: NDArray[np.float64]
    steps: NDArray[np.float64]
    losses: NDArray[np.float64]

    def curves(
        self, task: int, part: str, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], float]:
        """Return curves that are limited to the loss before training, and that limit.

        A run that diverges is as bad as one that has not begun: its losses, infinite, not a number
        or above, count as the task's initial loss. That is a stated transformation of the target,
        not of the data.

        Parameters
        ----------
        task : int
        part : str
            One of `PARTS`.
        rows : ndarray of int64
            Runs whose median initial loss is the limit: those that are learnt from.

        Returns
        -------
        curves : ndarray of float64, shape (1000, 51)
        limit : float
        """
        found = self.losses[task, :, PARTS.index(part)]
        limit = float(np.median(self.losses[task, rows, PARTS.index("valid"), 0]))
        whole = np.where(np.isfinite(found), found, np.inf)
        return np.minimum(whole, limit), limit


def short_name(task: str) -> str:
    """Return a task's name without what all have in common, as names of targets have it."""
    return task.removeprefix("FixedTextRNNClassification_imdb_").lower()


def read_taskset(folder: Path) -> TaskSet:
    """Read ``taskset_rnn_text.npz``.

    Raises
    ------
    DatasetError
        If the file is missing, or is not what it should be.
    """
    path = folder / FILE
    arrays = read_arrays(path, {"tasks": ("U", (None,)), "hp_names": ("U", (len(_LEVELS),))})
    check_equal(path, "hp_names", arrays["hp_names"], tuple(_LEVELS))
    tasks = tuple(arrays["tasks"].tolist())
    names = [f"curves_{k}" for k in range(len(tasks))]
    shape = (N_RUNS, len(PARTS), N_VALUES)
    stored = read_arrays(
        path, {"hp": ("f", (N_RUNS, len(_LEVELS))), **dict.fromkeys(names, ("f", shape))}
    )
    return TaskSet(
        tasks,
        stored["hp"].astype(np.float64),
        np.arange(N_VALUES, dtype=np.float64) * STEPS,
        np.stack([stored[name] for name in names]).astype(np.float64),
    )
