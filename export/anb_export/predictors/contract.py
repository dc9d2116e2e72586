"""What every predictor is fitted to, and what it answers.

A predictor is an ensemble of one or more members, whose mean is its prediction, and a calibration,
which makes an interval of mean and standard deviation of the members: the contract of an artifact
(`anb_onnx.tables`, `anb_onnx.calibration`), so that each becomes one. A predictor that has no
members but a standard deviation of its own, as a Gaussian process has, states two: one standard
deviation below its mean and one above (`two_members`), of which mean and population standard
deviation are what it states.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from anb_export.data.targets import TargetSpec
from anb_export.models.forest import Forest
from anb_export.models.svm_form import Kernel
from anb_export.tables.encoder import Encoder
from anb_onnx.calibration import Calibration
from anb_onnx.errors import AnbError
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Surrogate
from anb_onnx.tables import TableEnsemble

#: Most architectures of a space that is enumerated: its predictors become one table of all, which
#: takes 512 KiB a member.
MOST_ENUMERATED = 2**17


class PredictorError(AnbError):
    """There is no such predictor, or it cannot be fitted to these measurements."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Measured architectures that a predictor learns from.

    Attributes
    ----------
    space : SearchSpace
    codes : ndarray of uint8, shape (n, n_genes)
    values : ndarray of float64, shape (n,)
        In the target's unit.
    target : TargetSpec
    sources : sequence of Surrogate
        Of other devices, for the kinds that learn from such; none of the target's own device.
    """

    space: SearchSpace
    codes: NDArray[np.uint8]
    values: NDArray[np.float64]
    target: TargetSpec
    sources: Sequence[Surrogate] = field(default=())

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Fitted:
    """What a predictor was fitted to, and how: what its artifact says of its origin.

    Attributes
    ----------
    kind : str
        Name of its `Kind`.
    n : int
        Number of measurements.
    seed : int
    sha256 : str
        Hexadecimal SHA-256 of their codes and of their values as little-endian float64.
    """

    kind: str
    n: int
    seed: int
    sha256: str


class Predictor(ABC):
    """A fitted predictor.

    Attributes
    ----------
    space : SearchSpace
    calibration : Calibration
        Fitted to what it was not fitted to: residuals out of fold, left out or out of bag.
    fitted : Fitted or None
        Set by `registry.fit`; None of one that was made otherwise.
    """

    space: SearchSpace
    calibration: Calibration
    fitted: Fitted | None = None

    @abstractmethod
    def members(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return float64 [N, M]: what each member predicts, in the target's unit.

        Parameters
        ----------
        codes : ndarray of uint8, shape (N, n_genes)
        """

    def predict(self, codes: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and population standard deviation of the members, float64 [N] each."""
        found = self.members(codes)
        return np.asarray(found.mean(axis=1)), np.asarray(found.std(axis=1))

    def tables(self) -> TableEnsemble | None:
        """Return the members as integer tables, if each is a sum over few blocks; else None."""
        return None

    def features(self) -> Encoder | None:
        """Return what forests, kernels and the network take, if not the codes; None for those."""
        return None

    def forests(self) -> Sequence[Forest] | None:
        """Return the members as trees over the features, if each is a forest; else None."""
        return None

    def normals(self) -> Sequence[tuple[Forest, Forest]] | None:
        """Return normal distributions, if the two members state those of a mixture; else None.

        Of each the mean, and the natural logarithm of the standard deviation, as trees over the
        features, in the target's unit.
        """
        return None

    def kernels(self) -> Sequence[Kernel] | None:
        """Return the members as kernel machines over the features, if each is one; else None."""
        return None

    def network(self) -> object | None:
        """Return a scikit-learn estimator of float32 features that skl2onnx converts, or None.

        It predicts [N] or [N, M], the members in the target's unit. A list of estimators is one
        member each.
        """
        return None


Fit = Callable[[Sample, int], Predictor]


@dataclass(frozen=True)
class Kind:
    """A kind of predictor.

    Attributes
    ----------
    name : str
        How users call it.
    title : str
        A few words, for tables and plots.
    where : str
        ``"module:function"`` within this room: the function maps sample and seed to a predictor.
        Imported when first used.
    least, most : int
        Fewest and most measurements it takes.
    from_sources : bool
        Whether it learns from other devices, too.
    live : bool
        Whether it reads live structure (`anb_export.predictors.live`).
    enumerates : bool
        Whether it takes spaces of at most `MOST_ENUMERATED` architectures only.
    needs : str or None
        Distribution that must be installed beyond the exporter's own.
    version : int
        Raised where the same measurements give other predictions than before: a study then makes
        its rows of this kind anew.
    """

    name: str
    title: str
    where: str
    least: int = 2
    most: int = 2**31
    from_sources: bool = False
    live: bool = False
    enumerates: bool = False
    needs: str | None = None
    version: int = 1

    def why_not(self, space: SearchSpace) -> str | None:
        """Return why it is not for a space, in words; None if it is."""
        if self.enumerates and space.size > MOST_ENUMERATED:
            return (
                f"it holds every architecture, and {space.name!r} has more than {MOST_ENUMERATED:,}"
            )
        if not self.live:
            return None
        from anb_export.predictors.live import views_of

        if len(views_of(space)) == 1:
            return f"no part of an architecture of {space.name!r} is known to change nothing"
        if space.size > MOST_ENUMERATED:
            return (
                f"live structure is no sum over few blocks, and {space.name!r} has more than "
                f"{MOST_ENUMERATED:,} architectures, too many for a table of all"
            )
        return None

    def load(self) -> Fit:
        """Return its function."""
        module, function = self.where.split(":")
        found: Fit = getattr(import_module(f"anb_export.predictors.{module}"), function)
        return found


def two_members(mean: NDArray[np.float64], std: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float64 [N, 2]: members whose mean and population std are these."""
    return np.stack([mean - std, mean + std], axis=1)
