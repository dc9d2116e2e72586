"""Fidelities: what else than the architecture a prediction may depend on, such as the epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.errors import FidelityError

#: What `query` takes: a number, an array [N] of one for each architecture, or these by name.
FidelityArgument: TypeAlias = (
    "float | npt.NDArray[Any] | Mapping[str, float | npt.NDArray[Any]] | None"
)


#: Name of the fidelity of artifacts that predict the noise between seeds: the number of runs.
SEEDS = "seeds"


@dataclass(frozen=True)
class Fidelity:
    """A fidelity that an artifact takes.

    Attributes
    ----------
    name, unit : str
    least, most : float
        Values that are allowed, ends included; `most` may be infinite.
    whole : bool
        Whether only whole numbers are.
    values : tuple of float
        Those that were measured; between them, predictions are interpolated. Empty where any
        value is as good.

    Examples
    --------
    >>> Fidelity("epoch", "epochs", 1.0, 27.0, values=(1.0, 3.0, 9.0, 27.0)).allowed
    'a number from 1 to 27 epochs'
    """

    name: str
    unit: str
    least: float
    most: float
    whole: bool = False
    values: tuple[float, ...] = ()

    @property
    def allowed(self) -> str:
        """What values may be, in words."""
        kind = "a whole number" if self.whole else "a number"
        if np.isinf(self.most):
            return f"{kind} of {self.unit}, {self.least:g} or more"
        return f"{kind} from {self.least:g} to {self.most:g} {self.unit}"

    def read(self, given: object, n: int | None) -> npt.NDArray[np.float64]:
        """Return float64 values: [] of one number, [N] of an array.

        Parameters
        ----------
        given : object
            As a user gave it.
        n : int or None
            Number of architectures, None of a single one.

        Raises
        ------
        FidelityError
            Naming the fidelity, the value with its row, and what is allowed.
        """
        try:
            values = np.asarray(given)
        except (ValueError, TypeError):  # rows of different lengths, or what can be no array
            values = np.zeros(0, dtype=np.object_)
        if values.dtype.kind not in "iuf" or isinstance(given, np.ma.MaskedArray):
            msg = f"fidelity {self.name!r} must be {self.allowed}, not {show(given)}"
            raise FidelityError(msg)
        is_array = values.ndim > 0
        if is_array and values.shape != (n,):
            wanted = "a single number for one architecture" if n is None else f"an array [{n}]"
            msg = (
                f"fidelity {self.name!r} must be a number, or one for each architecture: {wanted}, "
                f"found an array {list(values.shape)}"
            )
            raise FidelityError(msg)
        numbers = values.astype(np.float64)
        wrong = ~((numbers >= self.least) & (numbers <= self.most))
        if self.whole:
            wrong |= numbers != np.floor(numbers)
        if wrong.any():
            row = int(np.argmax(wrong))
            where = f" of row {row}" if is_array else ""
            found = values.reshape(-1)[row].item()
            msg = f"fidelity {self.name!r}{where} must be {self.allowed}, not {show(found)}"
            raise FidelityError(msg)
        return numbers


def check_meaning(given: Any, known: Iterable[Mapping[str, Fidelity]]) -> None:
    """Refuse a fidelity without a name that is of another one for each of several targets.

    Parameters
    ----------
    given : number, array, mapping or None
    known : iterable of mappings of str to Fidelity
        What the artifacts of the targets take.

    Raises
    ------
    FidelityError
        Naming what it could be of.
    """
    if given is None or isinstance(given, Mapping):
        return
    first = list(dict.fromkeys(next(iter(fidelities)) for fidelities in known if fidelities))
    if len(first) > 1:
        msg = (
            f"fidelity {show(given)} could be of {' or '.join(first)}, as targets differ in what "
            f"they take; name it, as in {{{first[0]!r}: {show(given)}}}"
        )
        raise FidelityError(msg)


def read_fidelities(
    given: Any, known: Mapping[str, Fidelity], n: int | None, target: str
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the values of the fidelities that were given, by name.

    Parameters
    ----------
    given : number, array, mapping or None
        What is no mapping is of the first fidelity; of None, and of an empty mapping, there is
        none.
    known : mapping of str to Fidelity
        What the artifact takes.
    n : int or None
        Number of architectures, None of a single one.
    target : str
        Name of the target, for errors.

    Raises
    ------
    FidelityError
        If the artifact has no such fidelity, or a value is not allowed.
    """
    if given is None or (isinstance(given, Mapping) and not given):
        return {}
    if not known:
        msg = f"the artifact of {target!r} has no fidelity, found {show(given)}"
        raise FidelityError(msg)
    by_name = given if isinstance(given, Mapping) else {next(iter(known)): given}
    for name in by_name:
        if name not in known:
            names = ", ".join(known)
            msg = f"the artifact of {target!r} has no fidelity {show(name)}; it has {names}"
            raise FidelityError(msg)
    return {name: known[name].read(value, n) for name, value in by_name.items()}
