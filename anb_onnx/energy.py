"""A stated energy model: what training takes is estimated from its seconds, never measured.

``energy = watts x seconds x PUE``: the power that the user states for the devices in use, times how
long they are in use, times the power usage effectiveness of the building (what the building draws
for each watt of its computers). It is how Strubell, Ganesh and McCallum, "Energy and Policy
Considerations for Deep Learning in NLP" (2019), section 2, put it, ``p = 1.58 t (p_c + p_r + g p_g)
/ 1000``, and what CodeCarbon falls back to where it can read no counter. EA-HAS-Bench (2023) did
otherwise: it sampled the power of its GPUs while they trained. No such data is at hand here, so no
watts are: every number of this module comes from seconds that a surrogate predicts or somebody
measured, and from what the user states.

How wrong it can be: power changes with the load. "Guidelines for the Quality Assessment of
Energy-Aware NAS Benchmarks" (arXiv:2505.15631), an analysis of EA-HAS-Bench, measured 146 W to
305 W for one GPU at work, and errors of some 10 % with such tools. One number of watts for all
architectures of a device ranks them as their seconds do.

>>> from anb_onnx.energy import EnergyModel
>>> model = EnergyModel({"my-gpu": 250.0}, pue=1.2)
>>> model.of(3600.0, "my-gpu")
EnergyEstimate(300 Wh; estimate: watts x seconds x PUE, not a measurement: 250 W (my-gpu), PUE 1.2)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.real import finite
from anb_onnx._io.show import is_name, show
from anb_onnx.calibration import Calibration
from anb_onnx.errors import EnergyError
from anb_onnx.links import Link
from anb_onnx.loading import from_tables
from anb_onnx.prediction import Prediction
from anb_onnx.regimes import Regime
from anb_onnx.surrogate import Surrogate
from anb_onnx.tables import TableEnsemble

Floats: TypeAlias = NDArray[np.float64]
#: A device class, or how many of each are in use at once.
Uses: TypeAlias = str | Mapping[str, float]

#: What every estimate says of itself.
ESTIMATE = "estimate: watts x seconds x PUE, not a measurement"

#: Unit of estimates: the label goes along into tables, plots and files.
UNIT = "Wh (estimate)"

#: Seconds in each unit of time that targets have.
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}

_JOULES_PER_WH = 3600.0
# How figures of quality change where the unit does: by which power of the factor.
_POWER_OF = {"mae": 1, "rmse": 1, "mse": 2}
# What a card says of the tables and the file of the time, or of how its trees were fitted.
_OF_THE_TIME = ("file", "sha256", "bytes", "tables", "verification", "recipe_parameters", "name")


@dataclass(frozen=True, eq=False, repr=False)
class EnergyEstimate:
    """Watts x seconds x PUE: an estimate, not a measurement; made by `EnergyModel.of`.

    Attributes
    ----------
    seconds : float64, or float64 array [n]
        How long the devices are in use.
    watts : float
        Of all devices in use together.
    pue : float
    uses : mapping of str to float
        How many of each device class are in use.
    grams_per_kwh : float or None
        Stated carbon intensity of the grid: grams of CO2 equivalent for each kWh.
    prediction : Prediction or None
        Where the seconds come from, if a surrogate predicted them.
    """

    seconds: Any
    watts: float
    pue: float
    uses: Mapping[str, float]
    grams_per_kwh: float | None = None
    prediction: Prediction[Any] | None = field(default=None)

    @property
    def joules(self) -> Any:
        """The energy in J: float64, of the shape of `seconds`."""
        return self.watts * self.seconds * self.pue

    @property
    def unit(self) -> str:
        """Unit of `watt_hours`, with what they are: "Wh (estimate)"."""
        return UNIT

    @property
    def watt_hours(self) -> Any:
        """The energy in Wh: float64, of the shape of `seconds`."""
        return self.joules / _JOULES_PER_WH

    @property
    def grams(self) -> Any:
        """CO2 equivalent in g, by the stated intensity: float64, of the shape of `seconds`.

        Raises
        ------
        EnergyError
            If no intensity was stated.
        """
        if self.grams_per_kwh is None:
            msg = "no carbon intensity was stated; EnergyModel(..., grams_per_kwh=) takes one"
            raise EnergyError(msg)
        return self.watt_hours / 1000.0 * self.grams_per_kwh

    def interval(self, level: float) -> tuple[Any, Any]:
        """Return (lower, upper) in Wh for what the *seconds* of a new run may be.

        Of the watts and the PUE nothing is uncertain here, though much is in truth: they are taken
        as stated.

        Parameters
        ----------
        level : float
            As for `Prediction.interval`.

        Raises
        ------
        EnergyError
            If the seconds were given, not predicted.
        ArtifactError, AnbError
            As from `Prediction.interval`.
        """
        if self.prediction is None:
            msg = "these seconds were given, not predicted: nothing says how uncertain they are"
            raise EnergyError(msg)
        factor = _seconds_in(self.prediction.unit, self.prediction.target)
        factor *= self.watts * self.pue / _JOULES_PER_WH
        low, high = self.prediction.interval(level)
        return _float64(low) * factor, _float64(high) * factor

    def total(self) -> EnergyEstimate:
        """Return the estimate of all runs together, as of a whole search."""
        return replace(self, seconds=np.float64(np.sum(self.seconds)), prediction=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate with all that it was made of, for JSON."""
        found = {
            "estimate": ESTIMATE,
            "watt_hours": _plain(self.watt_hours),
            "unit": UNIT,
            "seconds": _plain(self.seconds),
            "watts": self.watts,
            "pue": self.pue,
            "uses": dict(self.uses),
        }
        if self.grams_per_kwh is not None:
            found |= {"grams_co2": _plain(self.grams), "grams_per_kwh": self.grams_per_kwh}
        return found

    def __repr__(self) -> str:
        found = np.asarray(self.watt_hours)
        if found.ndim == 0:
            said = f"{float(found):.6g} Wh"
        elif len(found):
            said = f"{len(found):,} runs, {found.min():.6g} to {found.max():.6g} Wh"
        else:
            said = "no runs"
        used = ", ".join(d if n == 1 else f"{n:g} x {d}" for d, n in self.uses.items())
        return f"EnergyEstimate({said}; {ESTIMATE}: {self.watts:g} W ({used}), PUE {self.pue:g})"


class EnergyModel:
    """What is stated of power: watts of device classes, PUE, and the grid's carbon intensity.

    Nothing has a default but the carbon intensity, which may be left out: a number that the user
    did not state would look like data.

    Parameters
    ----------
    devices : mapping of str to float
        Mean power in W of one device of each class while it is in use. A data sheet's TDP is an
        upper bound for some devices and none for others; a meter at the plug is better.
    pue : float
        Power usage effectiveness, at least 1; 1 counts the devices alone.
    grams_per_kwh : float, optional
        Grams of CO2 equivalent for each kWh, of the grid at the time.

    Raises
    ------
    EnergyError
        If there is no device class, or a number is not as above.

    Examples
    --------
    >>> import anb_onnx
    >>> model = EnergyModel({"my-gpu": 250.0, "host": 60.0}, pue=1.2, grams_per_kwh=400.0)
    >>> time = anb_onnx.load("train_time").query(anb_onnx.efficientnet_b0())
    >>> found = model.of(time, {"my-gpu": 1, "host": 1})
    >>> f"{found.watt_hours:.0f} Wh, {found.grams:.0f} g"
    '242 Wh, 97 g'

    A surrogate of the estimate is searched, constrained and proven as any other:

    >>> energy = model.surrogate(anb_onnx.load("train_time"), "my-gpu")
    >>> energy.target.name, energy.target.unit
    ('energy_estimate_my-gpu', 'Wh (estimate)')
    >>> problem = anb_onnx.Problem("accuracy", [(energy, "<=", 100.0)])
    """

    def __init__(
        self, devices: Mapping[str, float], *, pue: float, grams_per_kwh: float | None = None
    ) -> None:
        if not isinstance(devices, Mapping) or not devices:
            msg = f"devices is the watts of each class, as in {{'my-gpu': 250.0}}: {show(devices)}"
            raise EnergyError(msg)
        stated = {}
        for name, watts in devices.items():
            if not is_name(name):
                msg = f"a device class has a name of printable characters, not {show(name)}"
                raise EnergyError(msg)
            stated[name] = _number(f"the watts of {name!r}", watts, 0.0, above=True)
        self.devices: Mapping[str, float] = MappingProxyType(stated)
        self.pue = _number("pue, what the building draws for each watt of its computers,", pue, 1.0)
        self.grams_per_kwh = (
            None if grams_per_kwh is None else _number("grams_per_kwh", grams_per_kwh, 0.0)
        )

    def of(self, time: Any, uses: Uses | None = None) -> EnergyEstimate:
        """Return the energy that some time of use is estimated to take.

        Parameters
        ----------
        time : Prediction, float or array of float
            A predicted time, in the unit that it states; or seconds, such as the cost of a
            history: ``model.of(history.spent[-1])``.
        uses : str or mapping of str to float, optional
            A device class; or how many of each are in use at once, all the time. May be left out
            where there is one class.

        Returns
        -------
        EnergyEstimate

        Raises
        ------
        EnergyError
            If a device class is unknown, what was predicted is no time, or seconds are negative or
            no finite numbers.
        """
        watts, used = self._watts(uses)
        prediction = time if isinstance(time, Prediction) else None
        if prediction is None:
            seconds = _seconds(time)
        else:
            factor = _seconds_in(prediction.unit, prediction.target)
            seconds = _seconds(_float64(prediction.mean) * factor)
        return EnergyEstimate(seconds, watts, self.pue, used, self.grams_per_kwh, prediction)

    def surrogate(
        self, time: Surrogate, uses: Uses | None = None, *, device: str | None = None
    ) -> Surrogate:
        """Return a surrogate of the estimate in Wh, made of that of a time.

        The same tables with another link, so all engines, exact answers, problems and files work
        as for any target. The card says what was stated, and the name of the target what it is.
        Intervals are of the seconds, as those of `EnergyEstimate` are.

        Parameters
        ----------
        time : Surrogate
            Of a time, in the form of tables.
        uses : str or mapping of str to float, optional
            As for `of`.
        device : str, optional
            What the target is named after; the device classes in use if not given.

        Raises
        ------
        EnergyError
            As from `of`; if the artifact has another form, or numbers that float32 does not hold
            would come of it.

        Examples
        --------
        >>> import anb_onnx
        >>> energy = EnergyModel({"my-gpu": 250.0}, pue=1.2).surrogate(anb_onnx.load("train_time"))
        >>> energy.query(anb_onnx.efficientnet_b0())
        Prediction(energy_estimate_my-gpu: 195 Wh (estimate), 90 % interval 182 to 208)
        """
        watts, used = self._watts(uses)
        target = time.target
        tables = time.ensemble
        if tables is None or time.metadata.get("form") != "tables":
            msg = (
                f"{target.name!r} has the form {time.metadata.get('form')!r}; a surrogate of the "
                "estimate is made of one value's tables. EnergyModel.of takes its predictions"
            )
            raise EnergyError(msg)
        factor = _seconds_in(target.unit, target.name) * watts * self.pue / _JOULES_PER_WH
        share = factor ** float(Fraction(tables.link.power))
        scaled = TableEnsemble(
            tables.space,
            tables.entries,
            tables.scale * share,
            tables.shift * share,
            _scaled_link(tables.link, factor),
            tables.terms,
        )
        card = {key: v for key, v in time.metadata.items() if key not in _OF_THE_TIME}
        if device is None:
            device = "-".join(d if n == 1 else f"{d}x{n:g}" for d, n in used.items())
        card |= {
            "metric": "energy_estimate",
            "device": device,
            "unit": UNIT,
            "direction": "min",
            "exact": False,
            "link": scaled.link.to_dict(),
            "quality": {part: _scaled(of, factor) for part, of in card["quality"].items()},
            "estimate": {
                "what": ESTIMATE,
                "watts": watts,
                "pue": self.pue,
                "uses": dict(used),
                "time": {"target": target.name, "unit": target.unit, "sha256": time.sha256},
                "quality": "of the estimate from predicted times against that from measured times",
            },
        }
        if card.get("target_std") is not None:
            card["target_std"] *= factor
        if time.metadata.get("calibration") is not None:
            calibration = Calibration.from_dict(time.metadata["calibration"])
            card["calibration"] = _scaled_calibration(calibration, factor).to_dict()
        return from_tables(scaled, card, threads=time.threads)

    def _watts(self, uses: Uses | None) -> tuple[float, Mapping[str, float]]:
        """Return the watts of all devices in use, and how many there are of each class."""
        known = ", ".join(map(repr, self.devices))
        if uses is None:
            if len(self.devices) > 1:
                msg = f"say which devices are in use, of {known}: uses='NAME' or {{'NAME': 1}}"
                raise EnergyError(msg)
            uses = next(iter(self.devices))
        counts = {uses: 1.0} if isinstance(uses, str) else uses
        if not isinstance(counts, Mapping) or not counts:
            msg = f"uses is a device class, or how many of each, not {show(uses)}"
            raise EnergyError(msg)
        used = {}
        for name, count in counts.items():
            if name not in self.devices:
                msg = f"unknown device class {show(name)}; this model states {known}"
                raise EnergyError(msg)
            used[name] = _number(f"how many {name!r} are in use", count, 0.0, above=True)
        watts = sum(self.devices[name] * count for name, count in used.items())
        return watts, MappingProxyType(used)

    def __repr__(self) -> str:
        grams = "" if self.grams_per_kwh is None else f", grams_per_kwh={self.grams_per_kwh:g}"
        return f"EnergyModel({dict(self.devices)}, pue={self.pue:g}{grams})"


def _number(what: str, value: object, least: float, *, above: bool = False) -> float:
    """Return a finite number of at least, or above, some other."""
    found = finite(value)
    if found is None or found < least or (above and found == least):
        bound = f"above {least:g}" if above else f"of at least {least:g}"
        msg = f"{what} must be a finite number {bound}, not {show(value)}"
        raise EnergyError(msg)
    return found


def _seconds_in(unit: str, target: str) -> float:
    """Return how many seconds a unit of time has."""
    if unit not in SECONDS:
        msg = f"{target!r} is in {unit!r}, which is no time; units of time are {', '.join(SECONDS)}"
        raise EnergyError(msg)
    return SECONDS[unit]


def _seconds(given: object) -> Any:
    """Return seconds as float64, a scalar or an array, once they are some."""
    array = np.asarray(given)
    if array.dtype.kind not in "iuf" or array.ndim > 1:
        msg = f"time is a Prediction, a number of seconds or an array [n] of these: {show(given)}"
        raise EnergyError(msg)
    seconds = array.astype(np.float64)
    bad = ~(np.isfinite(seconds) & (seconds >= 0))
    if bad.any():
        first = float(np.atleast_1d(seconds)[int(np.argmax(np.atleast_1d(bad)))])
        msg = f"seconds are finite and at least 0, not {first!r}"
        raise EnergyError(msg)
    return seconds[()]


def _float64(values: Any) -> Any:
    return np.asarray(values, dtype=np.float64)[()]


def _plain(values: Any) -> Any:
    return np.asarray(values).tolist()


def _scaled(figures: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Return figures of quality in the other unit; correlations and shares stay as they are."""
    return {
        key: value * factor ** _POWER_OF[key] if key in _POWER_OF else value
        for key, value in figures.items()
    }


def _scaled_link(link: Link, factor: float) -> Link:
    """Return the link of `factor` times the target: every step of its inverse scales along."""

    def scaled(hinges: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        return tuple((knot * factor, change) for knot, change in hinges)

    regime = link.regime
    return Link(
        link.power,
        None if link.offset is None else link.offset * factor,
        scaled(link.hinges),
        None if regime is None else Regime(regime.gene, regime.codes, scaled(regime.hinges)),
    )


def _scaled_calibration(calibration: Calibration, factor: float) -> Calibration:
    """Return the calibration of `factor` times the target: its scale is `factor` times as large."""
    power = calibration.noise_power
    return replace(
        calibration,
        noise=calibration.noise * factor ** (1 - power),
        offset=None if calibration.offset is None else calibration.offset * factor,
    )
