"""The steps that graphs of several forms share: regimes, inverse links, and the last ones.

The last steps run in float64, in an order that is written into the graph (chains of Add, no
reductions), with operators that IEEE-754 rounds correctly. So they give the same bits in every
runtime, batch size and thread count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from anb_onnx.links import Link
from anb_onnx.regimes import Regime
from anb_onnx.spaces.space import SearchSpace

#: Name of the input of every graph.
INPUT = "architectures"

#: ONNX's numbers of data types.
FLOAT, INT32, DOUBLE = 1, 6, 11


class Builder(Protocol):
    """What collects the nodes of a graph."""

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node with one output and return the output's name."""

    def output(self, name: str, operator: str, *inputs: str, **attributes: Any) -> None:
        """Append a node whose output is the output `name` of the graph."""

    def constant(self, value: Any, dtype: Any) -> str:
        """Return the name of a constant; equal constants are stored once."""

    def cast(self, name: str, dtype: int) -> str:
        """Append a Cast to an ONNX data type."""

    def add_all(self, names: Sequence[str]) -> str:
        """Sum tensors from left to right."""


def add_ensemble_outputs(builder: Builder, members: str, n_members: int) -> None:
    """Append the outputs of the contract, from the members' predictions in the target's unit.

    Parameters
    ----------
    builder : Builder
    members : str
        Name of a float64 tensor of shape [N, M]: one column for each member, in their order.
    n_members : int
        M.

    Notes
    -----
    ``mean`` float32 [N]; ``std`` float32 [N], the population standard deviation (ddof=0);
    ``members`` float32 [N, M]. All are computed in float64 from the unrounded members and rounded
    once.
    """
    mean, std = add_summary(builder, members, n_members)
    for name, value in (("mean", mean), ("std", std), ("members", members)):
        builder.output(name, "Cast", value, to=FLOAT)


def add_summary(builder: Builder, members: str, n_members: int) -> tuple[str, str]:
    """Append mean and population standard deviation over axis 1 of a float64 tensor, in float64."""
    columns = [
        builder.add("Gather", members, builder.constant(m, np.int64), axis=1)
        for m in range(n_members)
    ]
    count = builder.constant(float(n_members), np.float64)
    mean = builder.add("Div", builder.add_all(columns), count)
    squares = []
    for column in columns:
        deviation = builder.add("Sub", column, mean)
        squares.append(builder.add("Mul", deviation, deviation))
    return mean, builder.add("Sqrt", builder.add("Div", builder.add_all(squares), count))


def rows_inside(builder: Builder, regime: Regime | None, space: SearchSpace) -> str:
    """Return bool [N, 1]: whether architectures are inside the regime; "" where there is none."""
    if regime is None:
        return ""
    regime.check(space)
    position = space.positions[regime.gene]
    inside = np.isin(np.arange(space.gene_sizes[position]), regime.codes)
    code = builder.add("Gather", INPUT, builder.constant(position, np.int64), axis=1)
    table = builder.constant(inside[:, None], np.bool_)
    return builder.add("Gather", table, builder.cast(code, INT32), axis=0)


def invert_link(builder: Builder, link: Link, u: str, inside: str) -> str:
    """Append the steps of the inverse link to the float64 tensor `u`."""
    y, bends = u, iter(link.bends)
    for step in link.inverse_steps:
        if step == "square":
            y = builder.add("Mul", y, y)
        elif step == "sqrt":
            y = builder.add("Sqrt", y)
        elif step == "reciprocal":
            y = builder.add("Div", builder.constant(1.0, np.float64), y)
        elif step == "reflect":
            y = builder.add("Sub", builder.constant(link.offset, np.float64), y)
        else:
            knot, change, zero = (builder.constant(v, np.float64) for v in (*next(bends), 0.0))
            above = builder.add("Max", builder.add("Sub", y, knot), zero)
            bent = builder.add("Add", y, builder.add("Mul", above, change))
            y = bent if step == "hinge" else builder.add("Where", inside, bent, y)
    return y
