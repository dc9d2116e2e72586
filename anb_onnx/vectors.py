"""Ensembles of several outputs over the same terms: several metrics, or coefficients of a curve.

The tables of all outputs lie side by side, so that one file, one set of terms and one graph serve
all, and member m of one output belongs to member m of the others: they were learnt from the same
rows. Each output by itself is a `TableEnsemble`, with its own scale, shift and link; nothing about
its bits depends on the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import is_name, show
from anb_onnx.curves import CurveForm, Doubles
from anb_onnx.errors import ArtifactError
from anb_onnx.fidelities import SEEDS
from anb_onnx.links import Link
from anb_onnx.onnx_files.graph import find_tables
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import MAX_MEMBERS, TableEnsemble, summarise
from anb_onnx.terms import Terms

#: Most outputs of an ensemble.
MAX_OUTPUTS = 64

# Values from which on a knot is worth calls of NumPy of its own.
_MANY = 1024

Floats = NDArray[np.float32]


class CurveValues(NamedTuple):
    """Curves at some of their knots.

    Attributes
    ----------
    epochs : float64 array [S]
        The knots.
    mean, std : float32 array [N, S], or [S] of one architecture
        Mean and population standard deviation over the members, in the target's unit.
    members : float32 array [N, M, S], [M, S] of one architecture, or None
        The curve of each member, where members were asked for.
    """

    epochs: Doubles
    mean: Floats
    std: Floats
    members: Floats | None


@dataclass(frozen=True, eq=False)
class VectorEnsemble:
    """The outputs of an ensemble, and how a curve is made of them, if it is one.

    Attributes
    ----------
    outputs : tuple of TableEnsemble
        1 to 64, of the same space, the same terms and as many members.
    names : tuple of str
        Of the outputs; all different.
    curve : CurveForm or None
        Without one, the first output is the target itself, and the others are told besides.
    """

    outputs: tuple[TableEnsemble, ...]
    names: tuple[str, ...]
    curve: CurveForm | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.outputs) <= MAX_OUTPUTS or len(self.names) != len(self.outputs):
            msg = (
                f"a vector of 1 to {MAX_OUTPUTS} outputs needs a name for each, found "
                f"{len(self.outputs)} outputs and {len(self.names)} names"
            )
            raise ArtifactError(msg)
        if not all(map(is_name, self.names)) or len(set(self.names)) != len(self.names):
            msg = f"the names of outputs must be different names, found {show(self.names)}"
            raise ArtifactError(msg)
        first = self.outputs[0]
        for name, output in zip(self.names, self.outputs, strict=True):
            if output.terms != first.terms or output.n_members != first.n_members:
                msg = (
                    f"output {name!r} has {output.n_members} members over "
                    f"{len(output.terms.blocks)} terms, the first one {first.n_members} over "
                    f"{len(first.terms.blocks)}; all outputs have the same of both"
                )
                raise ArtifactError(msg)
        if self.curve is not None and self.curve.fidelity == SEEDS:
            msg = f"curve: key 'fidelity' must not be {SEEDS!r}, the number of runs"
            raise ArtifactError(msg)
        if self.curve is not None and self.curve.n_outputs > len(self.outputs):
            msg = (
                f"curve: it needs {self.curve.n_outputs} outputs, coefficients and gate, found "
                f"{len(self.outputs)}"
            )
            raise ArtifactError(msg)

    @classmethod
    def from_artifact(
        cls, model: bytes, card: Mapping[str, Any], space: SearchSpace, source: str
    ) -> VectorEnsemble:
        """Read the outputs out of an ONNX file in the vector form.

        Where the tables lie is compared with the file; that its graph computes the same is for
        `anb_onnx.writing.vector_form.check_graph` to see.

        Parameters
        ----------
        model : bytes
            The file, its hash already checked.
        card : mapping
            Its entry of the manifest, checked by `anb_onnx.catalog.card.Card`.
        space : SearchSpace
        source : str
            Name of the file, for errors.

        Raises
        ------
        ArtifactError
            If the tables do not lie where the card says, a key contradicts another, or a sum
            could leave int32, or a prediction float32.
        """
        try:
            return cls._read(model, card, space, source)
        except ArtifactError as error:
            if str(error).startswith(source):
                raise
            msg = f"{source}: {error}"
            raise ArtifactError(msg) from error

    @classmethod
    def _read(
        cls, model: bytes, card: Mapping[str, Any], space: SearchSpace, source: str
    ) -> VectorEnsemble:
        stated, listed = card["tables"], card["outputs"]
        terms = Terms.from_list(card["terms"], space, source)
        n_outputs, members = stated["outputs"], stated["members"]
        for key, found, wanted in (
            ("tables.entries", stated["entries"], terms.n_entries),
            ("tables.outputs", n_outputs, len(listed)),
            ("tables.scale", len(stated["scale"]), n_outputs),
            ("tables.shift", len(stated["shift"]), n_outputs),
        ):
            if found != wanted:
                msg = f"{source}: key {key!r} is of {found}, not of {wanted}"
                raise ArtifactError(msg)
        found = find_tables(model, terms, source)
        columns = n_outputs * members
        if found != (stated["offset"], (terms.n_entries, columns)):
            msg = (
                f"{source}: its tables begin at byte {found[0]} and have the shape "
                f"{show(found[1])}; its card says {stated['offset']} and "
                f"{(terms.n_entries, columns)}"
            )
            raise ArtifactError(msg)
        flat = np.frombuffer(
            model, dtype="<i4", count=terms.n_entries * columns, offset=stated["offset"]
        )
        entries = flat.astype(np.int32).reshape(terms.n_entries, n_outputs, members)
        outputs = tuple(
            TableEnsemble(
                space,
                np.ascontiguousarray(entries[:, k]),
                float(stated["scale"][k]),
                float(stated["shift"][k]),
                Link.from_dict(output["link"]),
                terms,
            )
            for k, output in enumerate(listed)
        )
        curve = None
        if card.get("curve") is not None:
            curve = CurveForm.from_dict(card["curve"], Link.from_dict(card["link"]))
        vector = cls(outputs, tuple(output["name"] for output in listed), curve)
        _ = vector.bounds
        return vector

    @cached_property
    def bounds(self) -> tuple[float, float] | None:
        """Bounds of all values of the target; None as for `TableEnsemble.bounds`.

        Raises
        ------
        ArtifactError
            If a sum of any output could leave int32, or a prediction float32.
        """
        bounds = []
        for name, output in zip(self.names, self.outputs, strict=True):
            try:
                bounds.append(output.bounds)
            except ArtifactError as error:
                msg = f"output {name!r}: {error}"
                raise ArtifactError(msg) from error
        return bounds[0] if self.curve is None else self.curve.bounds(bounds)

    def worst_mean(self, larger_is_better: bool) -> float:
        """Return a value that no mean of a curve is worse than, as a float32.

        No sum of tables is proven here: it is the end of the curve's range or, without one, what
        its coefficients could add up to at most.
        """
        least, most = self._form().bounds([output.bounds for output in self.outputs])
        # One further out, as the mean of members is rounded before it is made float32.
        worst, beyond = (least, -np.inf) if larger_is_better else (most, np.inf)
        return float(np.nextafter(np.float32(worst), np.float32(beyond)))

    @property
    def space(self) -> SearchSpace:
        """Search space of the architectures."""
        return self.outputs[0].space

    @property
    def terms(self) -> Terms:
        """Terms of all outputs."""
        return self.outputs[0].terms

    @property
    def n_members(self) -> int:
        """Number of ensemble members, M."""
        return self.outputs[0].n_members

    @cached_property
    def entries(self) -> NDArray[np.int32]:
        """The tables of all outputs, int32 [n_entries, K * M], output k in columns k*M to k*M+M."""
        return np.concatenate([output.entries for output in self.outputs], axis=1)

    def values(self, symbols: NDArray[np.integer], only: int | None = None) -> list[Doubles]:
        """Return the members' predictions of each output, float64 [N, M], in the output's unit.

        Parameters
        ----------
        symbols : ndarray of integers, shape (N, n_blocks)
        only : int, optional
            How many outputs, of the first ones; all if not given.
        """
        return [output.values(symbols) for output in self.outputs[:only]]

    def predict(self, symbols: NDArray[np.integer]) -> tuple[Floats, Floats, Floats]:
        """Return the target's mean [N], std [N] and members [N, M]: of a curve, in full."""
        if self.curve is None:
            return self.outputs[0].predict(symbols)
        # The same for all, which takes no look for the knots of each.
        values = self.values(symbols, self.curve.n_outputs)
        last = np.array([len(self.curve.at) - 1])
        return summarise(self.curve.at_knots(values, last)[:, :, 0])

    def predict_at(
        self, symbols: NDArray[np.integer], fidelity: Doubles
    ) -> tuple[Floats, Floats, Floats]:
        """Return mean [N], std [N] and members [N, M] of a curve at a fidelity [N]."""
        form = self._form()
        return summarise(form.values(self.values(symbols, form.n_outputs), fidelity))

    def predict_knots(
        self, symbols: NDArray[np.integer], knots: NDArray[np.intp]
    ) -> tuple[Floats, Floats, Floats]:
        """Return mean [N, S], std [N, S] and members [N, M, S] of a curve at knots."""
        form = self._form()
        outputs, n = self.values(symbols, form.n_outputs), len(symbols)
        found = (
            np.empty((n, len(knots)), np.float32),
            np.empty((n, len(knots)), np.float32),
            np.empty((n, self.n_members, len(knots)), np.float32),
        )
        for part in self._parts(n, len(knots)):
            for array, values in zip(
                found, summarise(form.at_knots(outputs, knots[part])), strict=True
            ):
                array[..., part] = values
        return found

    def knot_means(self, symbols: NDArray[np.integer]) -> Doubles:
        """Return the means of a curve at all knots before they are rounded: float64 [N, T]."""
        form, n = self._form(), len(symbols)
        outputs, knots = self.values(symbols, form.n_outputs), np.arange(len(form.at))
        means = np.empty((n, len(knots)))
        for part in self._parts(n, len(knots)):
            values = form.at_knots(outputs, knots[part])
            total = values[:, 0].copy()
            for m in range(1, self.n_members):
                total += values[:, m]
            means[:, part] = total / float(self.n_members)
        return means

    def _parts(self, n: int, knots: int) -> list[slice]:
        """Cut knots into those that are computed at once: of a batch one, in plain arrays."""
        if n * self.n_members < _MANY:
            return [slice(0, knots)]
        return [slice(i, i + 1) for i in range(knots)]

    def _form(self) -> CurveForm:
        if self.curve is None:
            msg = "this artifact predicts no curve: it has no fidelity such as epochs"
            raise ArtifactError(msg)
        return self.curve


def check_tables(value: Any) -> bool:
    """Say whether a value is the key ``tables`` of the vector form."""
    keys = {"offset", "entries", "members", "outputs", "scale", "shift"}
    if not isinstance(value, Mapping) or value.keys() != keys:
        return False
    counts = [value[key] for key in ("offset", "entries", "members", "outputs")]
    return (
        all(type(count) is int for count in counts)
        and 0 <= counts[0] < 2**63
        and counts[1] >= 1
        and 1 <= counts[2] <= MAX_MEMBERS
        and 1 <= counts[3] <= MAX_OUTPUTS
        and all(_are_numbers(value[key], counts[3]) for key in ("scale", "shift"))
        and 0 not in value["scale"]
    )


def _are_numbers(values: Any, count: int) -> bool:
    return (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and len(values) == count
        and all(
            (type(v) is float and abs(v) < 2.0**127) or (type(v) is int and abs(v) < 2**53)
            for v in values
        )
    )
