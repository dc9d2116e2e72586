"""The forms that an ensemble of trees or kernels is written in: what builds and checks each.

Members trained here and models trained elsewhere are written by the same functions; they differ in
which forms are open to them, and in the default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_export.graphs.kernel_form import KERNEL_TOLERANCE, build_kernels
from anb_export.graphs.table_form import build_table_model
from anb_export.graphs.tree64 import (
    REQUIRES,
    build_tree64,
    build_trees,
    check_tree64,
    tree64_facts,
)
from anb_export.graphs.verify_graph import compare
from anb_export.models.forest import Forest
from anb_export.models.svm_form import Kernel
from anb_export.tables.compile import compile_tables
from anb_export.tables.fidelity import FIDELITY_SEED, measure
from anb_export.tables.project import project_tables
from anb_onnx.catalog.card import Card
from anb_onnx.errors import AnbError
from anb_onnx.links import Link
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble

#: Forms of trees that were trained here; the first is the default: it runs on any onnxruntime.
TRAINED_FORMS = ("trees", "tree64")
#: Forms of trees that were trained elsewhere; the first is the default: its bits are the same for
#: every batch, so that a check of a model is one of its artifact.
IMPORTED_FORMS = ("tree64", "trees", "tables", "projected")
#: Families without trees; their only form is "kernel".
KERNEL_FAMILIES = ("svr", "nusvr")

#: Largest accepted difference to the members, in standard deviations. The form tree64 has no
#: difference, and a projection has what its card says.
TOLERANCES = {"trees": 1e-4, "tables": 1e-4, "kernel": KERNEL_TOLERANCE}

#: Random architectures on which a graph is compared with its members before it is written.
CHECKED_ROWS = 512
#: Exact sums of 20,000 deep trees take 1 ms each: fewer than for models trained here.
_FIDELITY_ROWS = 20_000


class ConvertError(AnbError):
    """An ensemble has no form of these that is faithful to it."""


@dataclass(frozen=True, eq=False)
class Members:
    """An ensemble to be written, of predictions in the target's unit.

    Attributes
    ----------
    members : sequence of Forest or Kernel
        All of one kind.
    space : SearchSpace
    unit : float or None
        Unit of the differences to them that are accepted; their own `spread` if None.
    measured_std : float or None
        Standard deviation of the measurements, for the differences of a projection.
    """

    members: Sequence[Forest | Kernel]
    space: SearchSpace
    unit: float | None = None
    measured_std: float | None = None

    @property
    def forests(self) -> list[Forest]:
        """The members that are trees."""
        return [member for member in self.members if isinstance(member, Forest)]

    @property
    def kernels(self) -> list[Kernel]:
        """The members that are support vector machines."""
        return [member for member in self.members if isinstance(member, Kernel)]

    @cached_property
    def codes(self) -> NDArray[np.uint8]:
        """Random architectures."""
        return sample(CHECKED_ROWS, seed=0, space=self.space)

    @cached_property
    def exact(self) -> NDArray[np.float64]:
        """What the members predict for them: float64 [n, n_members]."""
        return np.stack([member.predict_exact(self.codes) for member in self.members], axis=1)

    @cached_property
    def spread(self) -> float:
        """Standard deviation of their mean predictions, or of a constant a small share of its size.

        Equal numbers have a mean that may differ from them in the last bits. Nor does an artifact,
        which answers in float32, tell more apart than that.
        """
        predictions = self.exact.mean(axis=1)
        found, size = float(predictions.std()), float(np.abs(predictions).max())
        return found if found > np.finfo(np.float32).eps * size else size * 2**-8 or 1.0


#: Makes file and card of members, whose card says all but what the form adds.
Build: TypeAlias = Callable[[Members, Card], tuple[bytes, Card]]


def choose(form: str | None, valid: Sequence[str], *, kernels: bool) -> str:
    """Return the form that members are to have, which may be asked for by name.

    Raises
    ------
    ConvertError
        If the form is none of `valid`, or one is given for support vector machines.
    """
    if form is not None and form not in valid:
        _refuse(f"unknown form {form!r}; valid forms: {', '.join(valid)}")
    if kernels:
        if form is not None:
            _refuse(f"support vector machines have no trees: leave out --form {form}")
        return "kernel"
    return form or valid[0]


def _tree64(members: Members, card: Card) -> tuple[bytes, Card]:
    card |= {"requires": REQUIRES, "arithmetic": tree64_facts(members.forests)}
    model = build_tree64(members.forests, card, space=members.space)
    check_tree64(model, members.forests, members.codes)
    return model, card


def _trees(members: Members, card: Card) -> tuple[bytes, Card]:
    return _verified(
        members, card, lambda card: (build_trees(members.forests, card, space=members.space), card)
    )


def _kernel(members: Members, card: Card) -> tuple[bytes, Card]:
    return _verified(
        members,
        card,
        lambda card: (build_kernels(members.kernels, card, space=members.space), card),
    )


def _tables(members: Members, card: Card) -> tuple[bytes, Card]:
    return _verified(members, card, partial(_written, _tabulated(members, compile_tables)))


def _projected(members: Members, card: Card) -> tuple[bytes, Card]:
    ensemble = _tabulated(members, project_tables)
    std = members.measured_std
    fidelity = measure(
        ensemble,
        members.forests,
        Link(),
        target_std=members.spread if std is None else std,
        measured=std is not None,
        n=_FIDELITY_ROWS,
        seed=FIDELITY_SEED,
    )
    card |= {"exact_compilation": False, "fidelity": fidelity.to_dict()}
    return _written(ensemble, card if std is None else card | {"target_std": std})


def _tabulated(members: Members, make: Callable[..., TableEnsemble]) -> TableEnsemble:
    """Return tables whose fixed point is that of the predictions, as nothing need be measured."""
    return make(
        members.forests,
        link=Link(),
        mean=float(members.exact.mean()),
        std=members.spread,
        labels_standardised=False,
        space=members.space,
    )


def _written(ensemble: TableEnsemble, card: Card) -> tuple[bytes, Card]:
    built = build_table_model(ensemble, card)
    return built.content, card | built.card


#: What writes each form.
FORMS: Mapping[str, Build] = {
    "tree64": _tree64,
    "trees": _trees,
    "kernel": _kernel,
    "tables": _tables,
    "projected": _projected,
}


def check_difference(members: Members, model: bytes, form: str) -> float:
    """Return how far a graph is off its members, in standard deviations.

    Raises
    ------
    ConvertError
        If that is more than the form's tolerance.
    """
    unit = members.spread if members.unit is None else members.unit
    found = compare(model, members.codes, members.exact, unit).largest
    # The reference's published parameters of nusvr predict values 50 times as spread as the target:
    # what float32 loses is then to be seen against these.
    allowed = TOLERANCES[form] * (max(1.0, members.spread / unit) if form == "kernel" else 1.0)
    if not found <= allowed:
        _refuse(
            f"the graph is {found:.2g} standard deviations off the members, allowed are "
            f"{allowed:.2g}"
        )
    return found


def _verified(
    members: Members, card: Card, build: Callable[[Card], tuple[bytes, Card]]
) -> tuple[bytes, Card]:
    """Return what `build` makes of a card, once it is compared and the card says so."""
    found = check_difference(members, build(card)[0], card.form)
    facts = {"n": len(members.codes), "seed": 0, "largest": float(f"{found:.3g}")}
    return build(card | {"verification": facts})


def _refuse(message: str) -> NoReturn:
    raise ConvertError(message)
