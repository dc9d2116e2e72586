"""A surrogate of several outputs: further metrics, or a curve made of coefficients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.calibration import Calibration, Pointwise
from anb_onnx.curves import Doubles
from anb_onnx.encoding.encoding import Architectures, codes_to_symbols, encode_and_tell
from anb_onnx.errors import ArtifactError, EngineError, FidelityError, TargetError
from anb_onnx.fidelities import SEEDS, Fidelity, FidelityArgument, read_fidelities
from anb_onnx.parallel.pool import WorkerPool
from anb_onnx.prediction import Prediction, Predictions
from anb_onnx.spaces.arrays import as_ndarray
from anb_onnx.surrogate import Surrogate
from anb_onnx.vector_answers import Curve, VectorPrediction
from anb_onnx.vectors import CurveValues, VectorEnsemble

#: Values of members at knots that are computed at once: a few arrays of them lie in memory.
_BLOCK_VALUES, _BLOCK_ROWS = 2**17, 4096


class VectorSurrogate(Surrogate):
    """A surrogate whose ensemble has several outputs; made by `load`.

    As a `Surrogate` it is that of its target: the first output or, of a curve, the value at the
    full fidelity. So searches and problems take it as any other.

    Each of its `outputs` is a surrogate of its own that holds its tables: all engines, exact search
    and `save` work on it. Its `fidelities` are the epoch of a curve, and ``seeds`` where the noise
    between runs of different seeds is predicted.

    Examples
    --------
    >>> import numpy as np
    >>> from anb_onnx import NASBENCH201, Link, Terms
    >>> from anb_onnx.loading import from_vector
    >>> from anb_onnx.tables import TableEnsemble
    >>> from anb_onnx.vectors import VectorEnsemble
    >>> terms = Terms(NASBENCH201, ((0,),))
    >>> entries = np.arange(5, dtype=np.int32)[:, None]
    >>> both = [TableEnsemble(NASBENCH201, entries, s, 1.0, Link(), terms) for s in (1.0, 10.0)]
    >>> facts = {"metric": "loss", "device": None, "unit": "nats", "direction": "min"}
    >>> facts |= {"exact": False, "quality": {}, "versions": {}}
    >>> facts["outputs"] = [{"unit": u, "direction": "min"} for u in ("nats", "s")]
    >>> found = from_vector(VectorEnsemble(tuple(both), ("loss", "time")), facts).query(15_624)
    >>> found.mean.item(), found.outputs["time"].mean.item(), found.outputs["time"].unit
    (5.0, 41.0, 's')
    """

    def __init__(
        self,
        *args: Any,
        vector: VectorEnsemble,
        open_output: Callable[[int], Surrogate],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._vector = vector
        self._outputs = _Outputs(vector.names, open_output)
        self._pool = WorkerPool(self.threads)
        fidelities = {}
        form = vector.curve
        if form is not None:
            fidelities[form.fidelity] = Fidelity(
                form.fidelity, form.unit, form.at[0], form.full, values=form.at
            )
        noise = self.metadata.get("seed_noise")
        self._seed_calibration: Calibration | None = None
        if noise is not None:
            self._seed_calibration = Calibration.from_dict(noise["calibration"])
            self._noise_output: str = noise["output"]
            fidelities[SEEDS] = Fidelity(SEEDS, "runs", 1.0, float("inf"), whole=True)
        self._fidelities = MappingProxyType(fidelities)

    @property
    def outputs(self) -> Mapping[str, Surrogate]:
        """Surrogates of all outputs by name, in their order, each opened when asked for."""
        return self._outputs

    @property
    def fidelities(self) -> Mapping[str, Fidelity]:
        """What `query` takes as ``fidelity``, by name."""
        return self._fidelities

    @property
    def vector(self) -> VectorEnsemble:
        """The integer tables of all outputs, and the form of the curve."""
        return self._vector

    def query(
        self,
        architectures: Architectures,
        *,
        members: bool = False,
        fidelity: FidelityArgument = None,
    ) -> Prediction[Any]:
        """Predict the target for one architecture or a batch.

        Parameters
        ----------
        architectures
            As for `Surrogate.query`.
        members : bool
            Whether to return each member's prediction too.
        fidelity : number, array [N], or mapping from names to these, optional
            See `fidelities`; what is no mapping is of the first one. With an epoch, the curve's
            value there. With ``seeds``, `Prediction.interval` is that of the mean of so many runs
            of different seeds; without it, that of one new measurement.

        Returns
        -------
        Curve, VectorPrediction or Prediction
            A curve, or a prediction with further outputs; where an epoch was given, the plain
            prediction at it.

        Raises
        ------
        ArchitectureError
            Where an architecture is no member of the search space.
        FidelityError
            If the artifact has no such fidelity, or a value is not allowed; names it.
        """
        given = as_ndarray(architectures)
        codes, single = encode_and_tell(given, self.space)
        return self._answer(codes, members=members, single=single, fidelity=fidelity)

    def _query_encoded(
        self,
        codes: npt.NDArray[np.uint8],
        *,
        members: bool,
        single: bool,
        fidelity: FidelityArgument = None,
    ) -> Prediction[Any]:
        return self._answer(codes, members=members, single=single, fidelity=fidelity)

    def _answer(
        self,
        codes: npt.NDArray[np.uint8],
        *,
        members: bool,
        single: bool,
        fidelity: FidelityArgument,
    ) -> Prediction[Any]:
        # Copied, as what is asked later must be of the same architectures, whoever writes to them.
        codes = codes.copy()
        form = self._vector.curve
        n = None if single else len(codes)
        wanted = read_fidelities(fidelity, self.fidelities, n, self.target.name)
        calibration = self.calibration
        if SEEDS in wanted:
            calibration = self._of_seeds(codes, wanted[SEEDS], single)
        if form is not None and form.fidelity in wanted:
            at = np.broadcast_to(wanted[form.fidelity], len(codes))
            if SEEDS not in wanted:
                return self.curve_at(codes, at, members, single)
            if (at != form.full).any():
                msg = (
                    f"fidelity {SEEDS!r} is known of {form.fidelity} {form.full:g} only, where the "
                    f"noise between seeds was measured, not of {show(float(at.min()))}"
                )
                raise FidelityError(msg)
        out = self._engine.predict(codes, members=members)
        mean, std, found = out
        kind = VectorPrediction if form is None else Curve
        return kind(
            mean[0] if single else mean,
            std[0] if single else std,
            found[0] if single and found is not None else found,
            self.target.unit,
            self.target.name,
            calibration,
            self,
            codes,
        )

    def _of_seeds(self, codes: npt.NDArray[np.uint8], seeds: Doubles, single: bool) -> Calibration:
        if self._seed_calibration is None:  # the fidelity would have been refused
            msg = "the artifact does not predict the noise between seeds"
            raise ArtifactError(msg)
        noise = self.outputs[self._noise_output].query_codes(codes).mean.astype(np.float64)
        noise = np.maximum(noise, 0.0)
        variance = noise * noise / seeds
        if single:
            variance = variance.reshape(())
        return Pointwise.of(self._seed_calibration, added_variance=variance)

    def outputs_of(self, codes: npt.NDArray[np.uint8], members: bool, single: bool) -> Predictions:
        """Predict all outputs for codes; for answers of this surrogate."""
        return Predictions(
            {
                name: output._query_encoded(codes, members=members, single=single)
                for name, output in self.outputs.items()
            }
        )

    @property
    def fidelity(self) -> Fidelity:
        """The fidelity along which the curve runs."""
        return self.fidelities[self._vector._form().fidelity]

    @property
    def knots(self) -> Doubles:
        """The knots of the curve, float64 [T]."""
        return self._vector._form().arrays[0]

    def curve_at(
        self, codes: npt.NDArray[np.uint8], fidelity: Doubles, members: bool, single: bool
    ) -> Prediction[Any]:
        """Predict a curve at a fidelity [N] for codes; for answers of this surrogate."""
        vector = self._vector

        def work(start: int, stop: int) -> tuple[npt.NDArray[Any], ...]:
            symbols = codes_to_symbols(codes[start:stop], self.space)
            return vector.predict_at(symbols, fidelity[start:stop])

        mean, std, of_members = self._blocks(work, len(codes))
        target = self.target
        calibration = self._calibration_at(fidelity[0] if single else fidelity)
        found = of_members if members else None
        if single:
            found = None if found is None else found[0]
            return Prediction(mean[0], std[0], found, target.unit, target.name, calibration)
        return Prediction(mean, std, found, target.unit, target.name, calibration)

    def _calibration_at(self, fidelity: Any) -> Calibration | None:
        """Return the calibration at a fidelity; None where the artifact has none for it."""
        form, base = self._vector._form(), self.calibration
        if base is None or (fidelity == form.full).all():
            return base
        if form.noise is None:
            return None
        noises = np.interp(fidelity, form.arrays[0], np.array(form.noise))
        return Pointwise.of(base, noises=np.asarray(noises))

    def curve_knots(
        self, codes: npt.NDArray[np.uint8], knots: npt.NDArray[np.intp], members: bool
    ) -> CurveValues:
        """Predict a curve at knots for codes; for answers of this surrogate."""
        vector = self._vector

        def work(start: int, stop: int) -> tuple[npt.NDArray[Any], ...]:
            symbols = codes_to_symbols(codes[start:stop], self.space)
            return vector.predict_knots(symbols, knots)[: 3 if members else 2]

        mean, std, *found = self._blocks(work, len(codes), len(knots))
        return CurveValues(self.knots[knots], mean, std, found[0] if members else None)

    def curve_crossing(self, codes: npt.NDArray[np.uint8], level: float) -> npt.NDArray[np.float64]:
        """Return where curves reach a level first; for answers of this surrogate."""
        vector, rising = self._vector, self.target.direction == "max"

        def work(start: int, stop: int) -> tuple[npt.NDArray[Any], ...]:
            means = vector.knot_means(codes_to_symbols(codes[start:stop], self.space))
            return (vector._form().crossing(means, level, rising=rising),)

        return self._blocks(work, len(codes), len(self.knots))[0]

    def _blocks(
        self, work: Callable[[int, int], tuple[npt.NDArray[Any], ...]], n: int, knots: int = 1
    ) -> tuple[npt.NDArray[Any], ...]:
        if self._closed:
            msg = f"the surrogate of {self.target.name!r} is closed; load it again"
            raise EngineError(msg)
        width = self.n_members * (knots + len(self._vector.outputs))
        size = max(min(_BLOCK_ROWS, _BLOCK_VALUES // width), 1)
        starts = range(0, max(n, 1), size)  # once for no rows, too
        parts: list[tuple[npt.NDArray[Any], ...]] = [()] * len(starts)

        def block(i: int) -> None:
            parts[i] = work(starts[i], min(starts[i] + size, n))

        self._pool.run(block, range(len(starts)), len(starts))
        if len(parts) == 1:
            return parts[0]
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def close(self) -> None:
        """Release the engines of the target and of all outputs."""
        super().close()
        self._outputs.close()
        self._pool.close()

    def __repr__(self) -> str:
        text = super().__repr__()
        names = list(self._vector.names)
        shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        return f"{text[:-1]}, {len(names)} outputs: {shown})"


class _Outputs(Mapping[str, Surrogate]):
    """The surrogates of outputs, each opened when it is first asked for."""

    def __init__(self, names: tuple[str, ...], open_output: Callable[[int], Surrogate]) -> None:
        self._names = names
        self._open_output = open_output
        self._opened: dict[str, Surrogate] = {}
        self._closed = False

    def __getitem__(self, name: str) -> Surrogate:
        if name not in self._names:
            raise OutputKeyError(f"no output {show(name)}; there are {', '.join(self._names)}")
        if name not in self._opened:
            # Of two threads that arrive together, the second finds the first one's; no lock, which
            # a fork could leave held.
            opened = self._open_output(self._names.index(name))
            if self._opened.setdefault(name, opened) is not opened:
                opened.close()
            if self._closed:  # looked at last: `close` finds it, or it is found closed here
                self._opened[name].close()
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def close(self) -> None:
        self._closed = True
        for surrogate in list(self._opened.values()):
            surrogate.close()

    def __repr__(self) -> str:
        return f"Outputs({', '.join(self._names)})"


class OutputKeyError(TargetError, KeyError):
    """An output that an artifact does not have: also a KeyError, as of any mapping."""

    __str__ = ValueError.__str__
