"""What is predicted of architectures, as columns: means, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import printable
from anb_onnx.calibration import LevelError
from anb_onnx.cli.columns import Floats
from anb_onnx.fidelities import FidelityArgument
from anb_onnx.prediction import Prediction
from anb_onnx.surrogate import Surrogate

Codes = npt.NDArray[np.uint8]

#: The share of new measurements that lie between `lower` and `upper`, unless told otherwise.
LEVEL = 0.9

_FORMS = ("mean", "std", "predictive_std", "lower", "upper")


@dataclass(frozen=True, eq=False)
class Answer:
    """The answers of one target.

    Attributes
    ----------
    target, unit : str
    level : float or None
        Of the interval; None for an artifact that carries no calibration.
    mean, std, predictive_std, lower, upper : Floats
        Called as in tables: ``{target}_mean`` and so on. Without a calibration, the last three
        hold nothing.
    members : list of Floats
        One for each member, where they were asked for.
    """

    target: str
    unit: str
    level: float | None
    mean: Floats
    std: Floats
    predictive_std: Floats
    lower: Floats
    upper: Floats
    members: list[Floats]

    def columns(self) -> list[Floats]:
        """Return all of its columns."""
        return [*self.numbers().values(), *self.members]

    def numbers(self) -> dict[str, Floats]:
        """Return its columns but for the members by what they are."""
        return {form: getattr(self, form) for form in _FORMS}

    def rows(self, start: int, stop: int) -> Answer:
        """Return some of its rows."""
        parts = {form: column.rows(start, stop) for form, column in self.numbers().items()}
        members = [member.rows(start, stop) for member in self.members]
        return Answer(self.target, self.unit, self.level, **parts, members=members)


def check_level(surrogates: Sequence[Surrogate], level: float) -> None:
    """Refuse a level that an interval cannot have, before anything is read.

    Raises
    ------
    LevelError
        Names the option, as it is typed.
    """
    if not 0 < level < 1:  # also where no target has an interval
        msg = f"--interval: level must be above 0 and below 1, found {level}"
        raise LevelError(msg)
    nothing = np.empty(0, np.float32)
    try:
        for surrogate in surrogates:
            if surrogate.calibration is not None:
                surrogate.calibration.interval(nothing, nothing, level)
    except LevelError as error:
        msg = f"--interval: {error}"
        raise LevelError(msg) from error


def ask(
    surrogate: Surrogate,
    codes: Codes,
    level: float,
    *,
    members: bool = False,
    fidelity: FidelityArgument = None,
) -> Answer:
    """Ask a surrogate about architectures."""
    found: Prediction[Any] = surrogate.query(codes, members=members, fidelity=fidelity)
    title = printable(found.target)
    sure: Sequence[npt.NDArray[np.float32] | int] = [len(codes)] * 3
    known = found.calibration is not None
    if known:
        sure = [found.predictive_std, *found.interval(level)]
    numbers = {
        form: Floats(f"{title}_{form}", values, found.unit)
        for form, values in zip(_FORMS, [found.mean, found.std, *sure], strict=True)
    }
    columns = [] if found.members is None else [*found.members.T]
    return Answer(
        target=found.target,
        unit=found.unit,
        level=level if known else None,
        **numbers,
        members=[Floats(f"{title}_member_{i}", c, found.unit) for i, c in enumerate(columns)],
    )
