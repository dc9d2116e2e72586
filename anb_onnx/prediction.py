"""What a query returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from anb_onnx.calibration import Calibration, check_level
from anb_onnx.engines.base import FloatArray
from anb_onnx.errors import ArtifactError
from anb_onnx.views import html
from anb_onnx.views.figures import LEVEL, percent, short, within
from anb_onnx.views.frames import Columns

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

#: Rows and targets that notebooks are shown.
_ROWS, _TARGETS = 10, 16

_Value = TypeVar("_Value", np.float32, FloatArray, covariant=True)


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Generic[_Value]):
    """Predicted values of one target.

    Attributes
    ----------
    mean : float32 array [N], or numpy.float32 for one architecture
        Ensemble mean in `unit`.
    std : float32 array [N], or numpy.float32 for one architecture
        Population standard deviation (ddof=0) of the members' predictions in `unit`. It tells
        how far the members disagree and is no error bar: it is far below the actual error (see
        `predictive_std`).
    members : float32 array [N, M], [M] for one architecture, or None
        Prediction of each ensemble member in `unit`, where it was asked for.
    unit : str
        Unit of all values.
    target : str
        Name of the target.
    calibration : Calibration or None
        What `predictive_std` and `interval` are made from; None for artifacts that carry none and
        do not say that they are exact.

    Examples
    --------
    >>> import anb_onnx
    >>> found = anb_onnx.load("accuracy").query(anb_onnx.efficientnet_b0())
    >>> found
    Prediction(accuracy: 66.03 %, 90 % interval 65.62 to 66.43)
    >>> lower, upper = found.interval(0.9)
    >>> bool(lower < found.mean < upper)
    True
    """

    mean: _Value
    std: _Value
    members: FloatArray | None
    unit: str
    target: str
    calibration: Calibration | None = None

    @property
    def predictive_std(self) -> _Value:
        """How far a new measurement lies from `mean`: one standard deviation, in `unit`.

        float32, shaped as `mean`; 0 where the target is exact. It combines the members'
        disagreement with the noise of the measurements, calibrated on out-of-fold residuals (see
        `anb_onnx.calibration`).

        Raises
        ------
        ArtifactError
            If the artifact carries no calibration.
        """
        scale = self._calibrated().predictive_std(np.asarray(self.mean), np.asarray(self.std))
        return scale[()]  # type: ignore[return-value]  # a scalar again where it was one

    def interval(self, level: float) -> tuple[_Value, _Value]:
        """Return (lower, upper): where a share `level` of new measurements lies, centrally.

        Parameters
        ----------
        level : float
            For example 0.9; above 0, at most 0.995.

        Returns
        -------
        lower, upper : float32, shaped as `mean`, in `unit`

        Raises
        ------
        ArtifactError
            If the artifact carries no calibration.
        AnbError
            If the level is out of range.
        """
        calibration = self._calibrated()
        bounds = calibration.interval(np.asarray(self.mean), np.asarray(self.std), level)
        return bounds[0][()], bounds[1][()]  # type: ignore[return-value]

    def to_pandas(self, level: float = LEVEL) -> pandas.DataFrame:
        """Return a pandas DataFrame, a row for each architecture.

        Columns of float32: mean, std, predictive_std, lower, upper, and member_0 and so on where
        members were asked for. Without a calibration, the three of it are NaN. ``attrs`` has
        units and levels, by target.

        Parameters
        ----------
        level : float
            Of the interval from lower to upper, as for `interval`.

        Raises
        ------
        ExtraError
            If pandas is not installed: ``pip install 'anb-onnx[pandas]'``.
        AnbError
            If the level is out of range.

        Examples
        --------
        >>> import anb_onnx
        >>> found = anb_onnx.load("accuracy").query(anb_onnx.efficientnet_b0())
        >>> list(found.to_pandas())
        ['mean', 'std', 'predictive_std', 'lower', 'upper']
        """
        return self._columns(level).to_pandas()

    def to_polars(self, level: float = LEVEL) -> polars.DataFrame:
        """Return a polars DataFrame with the columns of `to_pandas`, and nulls for its NaN.

        Raises
        ------
        ExtraError
            If polars is not installed: ``pip install 'anb-onnx[polars]'``.
        AnbError
            If the level is out of range.
        """
        return self._columns(level).to_polars()

    def to_arrow(self, level: float = LEVEL) -> pyarrow.Table:
        """Return a pyarrow Table with the columns of `to_pandas`, and nulls for its NaN.

        The metadata of its schema has units and levels by target, as JSON, as that of the Parquet
        files of ``anb-onnx query`` has.

        Raises
        ------
        ExtraError
            If pyarrow is not installed: ``pip install 'anb-onnx[parquet]'``.
        AnbError
            If the level is out of range.
        """
        return self._columns(level).to_arrow()

    def _columns(self, level: float) -> Columns:
        return _columns({self.target: self}, level, lambda name: "")

    def _arrays(self, level: float, prefix: str = "") -> dict[str, FloatArray | None]:
        """Return arrays [N], also of one architecture, by the names of their columns."""
        named: dict[str, Any] = {"mean": self.mean, "std": self.std}
        named |= dict.fromkeys(("predictive_std", "lower", "upper"))
        if self.calibration is not None:
            named["predictive_std"] = self.predictive_std
            named["lower"], named["upper"] = self.interval(level)
        if self.members is not None:
            columns = np.atleast_2d(self.members).T
            named |= {f"member_{i}": column for i, column in enumerate(columns)}
        return {
            prefix + name: None if values is None else np.atleast_1d(values)
            for name, values in named.items()
        }

    def _usual_level(self) -> float:
        """Return the level of what is shown unasked: a calibration may end before."""
        return LEVEL if self.calibration is None else min(LEVEL, self.calibration.levels[-1])

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            msg = (
                f"the artifact of {self.target!r} carries no calibration; "
                "anb-export build and anb-onnx adapt write artifacts that do"
            )
            raise ArtifactError(msg)
        return self.calibration

    def __repr__(self) -> str:
        members = "" if self.members is None else f", {self.members.shape[-1]} members"
        if np.ndim(self.mean) == 0:
            return f"Prediction({self.target}: {self._in_words()}{members})"
        return f"Prediction({self.target}: {self._range()}{members})"

    def _range(self) -> str:
        mean = np.asarray(self.mean)
        n = f"{len(mean):,} architecture{'' if len(mean) == 1 else 's'}"
        if not len(mean):
            return n
        return f"{n}, {short(mean.min())} to {short(mean.max())} {self.unit}"

    def _in_words(self) -> str:
        """Return what to believe of one architecture: its value and where measurements lie."""
        value, spread = _believed(self)
        return f"{value} {self.unit}, {spread}"

    def _repr_html_(self) -> str:
        """Return a table for notebooks: of a batch, its first rows."""
        n = np.size(self.mean)
        arrays: dict[str, FloatArray | None] = self._arrays(self._usual_level())
        known: list[str] = [name for name, values in arrays.items() if values is not None]
        columns = [values for values in arrays.values() if values is not None]
        cells = [[str(row)] + [short(c[row]) for c in columns] for row in range(min(n, _ROWS))]
        header = ["", *known]
        exact = self.calibration is not None and self.calibration.is_exact
        more = [f"the first {_ROWS} of {n:,} architectures"] if n > _ROWS else []
        if exact:
            more.append("exact")
        elif self.calibration is None:
            more.append("std is how far the members disagree; there is no calibration")
        else:
            more.append(
                f"{percent(self._usual_level())} of new measurements lie from lower to upper"
            )
        more += self._notes()
        title = f"{self.target} [{self.unit}]"
        return html.table(header, cells, numbers=header, title=title, note="; ".join(more))

    def _notes(self) -> list[str]:
        """Return what else is said below a table."""
        return []


def _believed(prediction: Prediction[Any]) -> tuple[str, str]:
    """Return the value of one architecture and how far to trust it, in words."""
    mean, std = prediction.mean, prediction.std
    calibration = prediction.calibration
    if calibration is None:
        disagreement = f"members' std {short(std)}, " if std else ""  # of one member there is none
        return within(mean, mean - std, mean + std)[0], f"{disagreement}no calibration"
    if calibration.is_exact:
        return str(mean), "exact"
    level = prediction._usual_level()
    value, lower, upper = within(mean, *prediction.interval(level))
    return value, f"{percent(level)} interval {lower} to {upper}"


def _columns(
    predictions: Mapping[str, Prediction[Any]], level: float, prefix: Callable[[str], str]
) -> Columns:
    level = check_level(level)
    arrays: dict[str, FloatArray | None] = {}
    for name, prediction in predictions.items():
        arrays |= prediction._arrays(level, prefix(name))
    levels = {n: None if p.calibration is None else level for n, p in predictions.items()}
    units = {name: p.unit for name, p in predictions.items()}
    rows = max((np.size(p.mean) for p in predictions.values()), default=0)
    return Columns(arrays, rows, units, levels)


class Predictions(dict[str, Prediction[Any]]):
    """What several targets are predicted to be: a dict from target names to `Prediction`.

    Examples
    --------
    >>> import anb_onnx
    >>> benchmark = anb_onnx.Benchmark(["accuracy", "params"])
    >>> benchmark.query(anb_onnx.efficientnet_b0())
    Predictions of 2 targets:
      accuracy  66.03 %     90 % interval 65.62 to 66.43
      params    5.288548 M  exact
    """

    def to_pandas(self, level: float = LEVEL) -> pandas.DataFrame:
        """Return all targets as one pandas DataFrame, a row for each architecture.

        Columns as `Prediction.to_pandas` has them, each after the name of its target:
        accuracy_mean, accuracy_std and so on. ``attrs`` has units and levels by target.

        Raises
        ------
        ExtraError
            If pandas is not installed: ``pip install 'anb-onnx[pandas]'``.
        AnbError
            If the level is out of range.

        Examples
        --------
        >>> import anb_onnx
        >>> benchmark = anb_onnx.Benchmark(["accuracy", "params"])
        >>> codes = anb_onnx.sample(3, seed=0, space=benchmark.space)
        >>> benchmark.query(codes).to_pandas().shape
        (3, 10)
        """
        return self._columns(level).to_pandas()

    def to_polars(self, level: float = LEVEL) -> polars.DataFrame:
        """Return all targets as one polars DataFrame, as `to_pandas` does.

        Raises
        ------
        ExtraError
            If polars is not installed: ``pip install 'anb-onnx[polars]'``.
        AnbError
            If the level is out of range.
        """
        return self._columns(level).to_polars()

    def to_arrow(self, level: float = LEVEL) -> pyarrow.Table:
        """Return all targets as one pyarrow Table, units and levels in its schema's metadata.

        Raises
        ------
        ExtraError
            If pyarrow is not installed: ``pip install 'anb-onnx[parquet]'``.
        AnbError
            If the level is out of range.
        """
        return self._columns(level).to_arrow()

    def _columns(self, level: float) -> Columns:
        return _columns(self, level, "{}_".format)

    def __repr__(self) -> str:
        lines = [
            (name, *_believed(p)) if np.ndim(p.mean) == 0 else (name, p._range(), "")
            for name, p in self.items()
        ]
        texts = [(n, v if np.ndim(self[n].mean) else f"{v} {self[n].unit}", s) for n, v, s in lines]
        first, second = (max((len(t[k]) for t in texts), default=0) for k in (0, 1))
        rows = [f"\n  {n.ljust(first)}  {v.ljust(second)}  {s}".rstrip() for n, v, s in texts]
        return f"Predictions of {len(self)} target{'' if len(self) == 1 else 's'}:{''.join(rows)}"

    def _repr_html_(self) -> str:
        """Return a table for notebooks: a line for each target, or for each of the first rows."""
        if all(np.ndim(p.mean) == 0 for p in self.values()):
            header = ["target", "value", "unit", ""]
            cells = [
                [name, value, self[name].unit, spread]
                for name, (value, spread) in ((n, _believed(p)) for n, p in self.items())
            ]
            return html.table(header, cells, numbers=["value"])
        n = max(np.size(p.mean) for p in self.values())
        shown = dict(list(self.items())[:_TARGETS])
        header = ["", *(f"{name} [{p.unit}]" for name, p in shown.items())]
        cells = [
            [str(row), *(short(np.asarray(p.mean)[row]) for p in shown.values())]
            for row in range(min(n, _ROWS))
        ]
        more = [f"the first {_ROWS} of {n:,} architectures"] if n > _ROWS else []
        more += [f"the first {_TARGETS} of {len(self)} targets"] if len(self) > _TARGETS else []
        note = "; ".join(["means", *more, "to_pandas() has intervals too"])
        return html.table(header, cells, numbers=header, note=note)
