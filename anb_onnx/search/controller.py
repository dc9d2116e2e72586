"""The recurrent policy of REINFORCE, forwards and backwards in NumPy.

One LSTM cell reads what was chosen last and a linear decoder says, gene after gene, how probable
each choice is. It is the controller of Accel-NASBench's searches (`anb_eval`), after Zoph and Le
(ICLR 2017): for `MNASNET` it has just its parameters, and a test holds every gradient and Adam step
against automatic differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import numpy.typing as npt

from anb_onnx.errors import SearchError
from anb_onnx.spaces.space import SearchSpace

__all__ = ["Controller", "Episodes", "Layout"]

Floats = npt.NDArray[np.float64]

#: The row of the embedding that is read before the first gene. The reference reads the row whose
#: number is the seed of the run, 2 unless told otherwise, and fails for seeds above 10.
START_ROW = 2

_INITIAL_RANGE = 0.1

# Multiplications up to which OpenBLAS does a product on the calling thread.
_ONE_THREAD = 2**18


@dataclass(frozen=True)
class Layout:
    """Which decoder and which rows of the embedding each gene of a space has.

    There is one decoder for each distinct tuple of choices. A tuple that another one begins with,
    as (1, 2, 3) does (1, 2, 3, 4), shares the rows of that one: a value is embedded alike wherever
    it is chosen. For `MNASNET` these are the five decoders and eleven rows of the reference.
    """

    decoders: tuple[int, ...]
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    n_rows: int

    @cached_property
    def columns(self) -> list[list[int]]:
        """The genes of each decoder."""
        return [
            [gene for gene, own in enumerate(self.decoders) if own == decoder]
            for decoder in range(len(self.sizes))
        ]

    @classmethod
    def of(cls, space: SearchSpace) -> Layout:
        """Return the layout for a space."""
        keys = [(gene.kind, gene.choices) for gene in space.genes]
        distinct = list(dict.fromkeys(keys))
        family = {
            (kind, choices): max(
                (key for key in distinct if key[0] == kind and key[1][: len(choices)] == choices),
                key=lambda key: len(key[1]),
            )
            for kind, choices in distinct
        }
        first: dict[object, int] = {}
        n_rows = 0
        for key in distinct:
            if family[key] not in first:
                first[family[key]] = n_rows
                n_rows += len(family[key][1])
        return cls(
            decoders=tuple(distinct.index(key) for key in keys),
            offsets=tuple(first[family[key]] for key in keys),
            sizes=tuple(len(choices) for _, choices in distinct),
            n_rows=n_rows,
        )


class _Trace:
    """What the way forwards leaves for the way back; written anew for every batch of its size.

    Memory of this size, given back and asked for again, would cost as much as what is computed.
    """

    def __init__(self, genes: int, n: int, hidden_size: int) -> None:
        self.owner: object = None
        self.rows = np.empty((genes, n), np.intp)  # of the embedding, read before each gene
        self.hidden = np.zeros((genes + 1, n, hidden_size))
        self.cells = np.zeros((genes + 1, n, hidden_size))
        self.squashed = np.empty((genes, n, hidden_size))  # tanh of the cells
        # Activated, in the order input, forget, cell, output.
        self.gates = np.empty((genes, n, 4, hidden_size))
        self.slopes = np.empty((genes, n, 4, hidden_size))
        self.by_hidden = np.empty((genes, n, hidden_size))
        self.turned = np.empty((4 * hidden_size, genes * n))
        self.scratch = np.empty((2, genes, n, hidden_size))
        self.odds: list[Floats] = []  # of each gene's choices [n, choices], not normalised
        self.probabilities: dict[int, Floats] = {}  # of each decoder [its genes, n, choices]


@dataclass(frozen=True, eq=False)
class Episodes:
    """Architectures that a controller drew or read.

    Attributes
    ----------
    codes : uint8 [n, genes]
    p, log_p : float64 [n, genes]
        Probability of the choice that was made, and its logarithm.
    """

    codes: npt.NDArray[np.uint8]
    p: Floats
    log_p: Floats


class Controller:
    """The policy: parameters in one vector, with a view of each part of it.

    Parameters
    ----------
    space : SearchSpace
    rng : np.random.Generator
        Draws the parameters, uniform from -0.1 to 0.1; the decoders' biases are 0.
    hidden_size, embedding_size : int

    Attributes
    ----------
    vector : float64 [n_parameters]
    parts : dict from names to views of `vector`
        "embedding" [rows, E]; "weight_ih" [4 H, E], "weight_hh" [4 H, H], "bias_ih" and "bias_hh"
        [4 H] of the cell, gates in the order input, forget, cell, output; "weight_D" [choices, H]
        and "bias_D" [choices] of decoder D.
    """

    def __init__(
        self,
        space: SearchSpace,
        rng: np.random.Generator,
        *,
        hidden_size: int = 100,
        embedding_size: int = 32,
    ) -> None:
        self.space = space
        self.layout = Layout.of(space)
        self.hidden_size = hidden_size
        self.start_row = min(START_ROW, self.layout.n_rows - 1)
        self._shapes = _shapes(self.layout, hidden_size, embedding_size)
        n_parameters = sum(prod(shape) for shape in self._shapes.values())
        self.vector = rng.uniform(-_INITIAL_RANGE, _INITIAL_RANGE, n_parameters)
        self.parts = self.split(self.vector)
        for number in range(len(self.layout.sizes)):
            self.parts[f"bias_{number}"][:] = 0.0
        # A sigmoid is (1 + tanh(x / 2)) / 2: one tanh for all gates, which halving leaves exact.
        self._half = np.repeat([0.5, 0.5, 1.0, 0.5], hidden_size)
        self._trace: _Trace | None = None
        self._gradient = np.zeros_like(self.vector)
        self._recurrent = np.empty((hidden_size, 4 * hidden_size))
        self._shift = np.repeat([0.5, 0.5, 0.0, 0.5], hidden_size)

    def split(self, vector: Floats) -> dict[str, Floats]:
        """Return views of the parts of a vector of the length of `vector`."""
        parts = {}
        start = 0
        for name, shape in self._shapes.items():
            stop = start + prod(shape)
            parts[name] = vector[start:stop].reshape(shape)
            start = stop
        return parts

    def sample(self, n: int, rng: np.random.Generator) -> Episodes:
        """Draw n architectures; of more, from the same state of `rng`, these are the first."""
        return self._forward(rng.random((n, self.space.n_genes)), None)

    def read(self, codes: npt.NDArray[np.uint8]) -> Episodes:
        """Return the episodes that would have drawn given codes uint8 [n, genes]."""
        return self._forward(None, codes)

    def _forward(self, drawn: Floats | None, given: npt.NDArray[np.uint8] | None) -> Episodes:
        layout, parts, size = self.layout, self.parts, self.hidden_size
        n = len(drawn) if drawn is not None else len(given) if given is not None else 0
        genes = self.space.n_genes
        if self._trace is None or self._trace.rows.shape[1] != n:
            self._trace = _Trace(genes, n, size)
        trace = self._trace
        trace.odds = []
        inputs = parts["embedding"] @ parts["weight_ih"].T
        inputs += parts["bias_ih"] + parts["bias_hh"]
        inputs *= self._half
        recurrent = np.multiply(parts["weight_hh"].T, self._half, out=self._recurrent)
        decoders = [np.ascontiguousarray(parts[f"weight_{d}"].T) for d in range(len(layout.sizes))]
        chosen = np.empty((genes, n), np.intp) if given is None else given.T.astype(np.intp)
        row = np.full(n, self.start_row)
        scratch = np.empty((n, size))
        for gene in range(genes):
            trace.rows[gene] = row
            gate = trace.gates[gene].reshape(n, 4 * size)
            _product(trace.hidden[gene], recurrent, gate)
            gate += inputs.take(row, axis=0)
            np.tanh(gate, out=gate)
            gate *= self._half
            gate += self._shift
            into, keep, new, out = (trace.gates[gene, :, number] for number in range(4))
            cell = np.multiply(keep, trace.cells[gene], out=trace.cells[gene + 1])
            cell += np.multiply(into, new, out=scratch)
            squashed = np.tanh(cell, out=trace.squashed[gene])
            hidden = np.multiply(out, squashed, out=trace.hidden[gene + 1])
            odds = hidden @ decoders[layout.decoders[gene]]
            odds += parts[f"bias_{layout.decoders[gene]}"]
            odds -= np.maximum.reduce(odds, axis=1, keepdims=True)  # so that none is infinite
            np.exp(odds, out=odds)
            trace.odds.append(odds)
            if drawn is not None:
                _choose(odds, drawn[:, gene], chosen[gene])
            row = chosen[gene] + layout.offsets[gene]
        return self._episodes(trace, chosen)

    def _episodes(self, trace: _Trace, chosen: npt.NDArray[np.intp]) -> Episodes:
        """Return the episodes of choices [genes, n], whose odds stand in the trace."""
        p = np.empty(chosen.shape)
        for decoder, columns in enumerate(self.layout.columns):
            odds = np.stack([trace.odds[gene] for gene in columns])
            odds /= odds.sum(axis=2, keepdims=True)
            trace.probabilities[decoder] = odds
            picked = np.take_along_axis(odds, chosen[columns][:, :, None], axis=2)
            p[columns] = picked[:, :, 0]
        p = np.ascontiguousarray(p.T)
        if np.isnan(p.sum()):
            msg = "the policy's parameters have become infinite; a smaller learning_rate mends it"
            raise SearchError(msg)
        trace.owner = episodes = Episodes(chosen.T.astype(np.uint8, order="C"), p, np.log(p))
        return episodes

    def loss(self, episodes: Episodes, advantages: Floats, entropy_weight: float) -> float:
        """Return the mean over episodes of -sum(log p) * advantage - weight * entropy.

        The entropy is what the reference calls so: -sum(p log p) over the choices made.
        """
        policy = -episodes.log_p.sum(axis=1) * advantages
        entropy = -(episodes.p * episodes.log_p).sum(axis=1)
        return float((policy - entropy_weight * entropy).mean())

    def gradient(self, episodes: Episodes, advantages: Floats, entropy_weight: float) -> Floats:
        """Return the gradient of `loss`, float64 [n_parameters], through p and log p alike.

        Of the episodes that were drawn or read last, by the parameters that they had then. The
        next call writes into the same array.
        """
        trace = self._trace
        if trace is None or trace.owner is not episodes:
            msg = "only the episodes that the controller drew or read last have a gradient"
            raise SearchError(msg)
        genes, n = trace.rows.shape
        parts = self.split(self._gradient)
        # p is exp(log p), so that the derivative of p log p by log p is p log p + p.
        by_log_p = entropy_weight * episodes.p * (episodes.log_p + 1.0)
        by_log_p -= advantages[:, None]
        by_log_p /= n
        self._by_decoders(trace, episodes.codes, by_log_p, parts)
        self._through_time(trace)
        flat = trace.slopes.reshape(genes * n, 4 * self.hidden_size)
        before = trace.hidden[:-1].reshape(genes * n, self.hidden_size)
        trace.turned[:] = flat.T
        _product(trace.turned, before, parts["weight_hh"])
        # All that a row of the embedding did, it did through one row of products with weight_ih.
        which = np.zeros((self.layout.n_rows, genes * n))
        which[trace.rows.ravel(), np.arange(genes * n)] = 1.0
        by_inputs = np.empty((self.layout.n_rows, 4 * self.hidden_size))
        _product(which, flat, by_inputs)
        parts["bias_ih"][:] = parts["bias_hh"][:] = by_inputs.sum(axis=0)
        np.matmul(by_inputs.T, self.parts["embedding"], out=parts["weight_ih"])
        np.matmul(by_inputs, self.parts["weight_ih"], out=parts["embedding"])
        return self._gradient

    def _by_decoders(
        self,
        trace: _Trace,
        codes: npt.NDArray[np.uint8],
        by_log_p: Floats,
        parts: dict[str, Floats],
    ) -> None:
        """Write the gradients of the decoders, and what they say of the hidden states."""
        layout, after = self.layout, trace.hidden[1:]
        for decoder, (size, columns) in enumerate(zip(layout.sizes, layout.columns, strict=True)):
            # Of log p by the odds before they are normalised: 1 - p for the choice, else -p.
            by_odds = np.eye(size)[codes[:, columns].T]
            by_odds -= trace.probabilities[decoder]
            by_odds *= by_log_p[:, columns].T[:, :, None]
            flat = by_odds.reshape(-1, size)
            states = after[columns].reshape(len(flat), self.hidden_size)
            np.matmul(flat.T, states, out=parts[f"weight_{decoder}"])
            parts[f"bias_{decoder}"][:] = flat.sum(axis=0)
            trace.by_hidden[columns] = by_odds @ self.parts[f"weight_{decoder}"]

    def _through_time(self, trace: _Trace) -> None:
        """Write the gradients of the gates before activation into the trace's slopes."""
        into, keep, new, out = (trace.gates[:, :, number] for number in range(4))
        squashed = trace.squashed
        by_cell_of_hidden, rest = trace.scratch
        _one_less_square(squashed, by_cell_of_hidden)
        by_cell_of_hidden *= out
        # What a gate's gradient is, as a multiple of the cell's or, for the output, the state's.
        slopes = trace.slopes
        for number, gate, factor in (
            (0, into, new),
            (1, keep, trace.cells[:-1]),
            (3, out, squashed),
        ):
            np.multiply(gate, factor, out=slopes[:, :, number])
            slopes[:, :, number] *= np.subtract(1.0, gate, out=rest)
        _one_less_square(new, rest)
        np.multiply(into, rest, out=slopes[:, :, 2])
        genes, n, size = trace.by_hidden.shape
        weight = self.parts["weight_hh"]
        by_state = np.zeros((n, size))
        by_cell = np.zeros((n, size))
        for gene in reversed(range(genes)):
            by_state += trace.by_hidden[gene]
            by_cell += by_state * by_cell_of_hidden[gene]
            slope = slopes[gene]
            slope[:, :3] *= by_cell[:, None]
            slope[:, 3] *= by_state
            by_cell *= keep[gene]
            _product(slope.reshape(n, 4 * size), weight, by_state)


def _shapes(layout: Layout, hidden: int, embedding: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "embedding": (layout.n_rows, embedding),
        "weight_ih": (4 * hidden, embedding),
        "weight_hh": (4 * hidden, hidden),
        "bias_ih": (4 * hidden,),
        "bias_hh": (4 * hidden,),
    }
    for number, size in enumerate(layout.sizes):
        shapes[f"weight_{number}"] = (size, hidden)
        shapes[f"bias_{number}"] = (size,)
    return shapes


def _choose(odds: Floats, drawn: Floats, out: npt.NDArray[np.intp]) -> None:
    """Write the choice [n] that a uniform number makes: how many cumulated odds it reaches.

    The last of these is left out: whatever it is rounded to, a number below 1 is below it.
    """
    cumulated = np.add.accumulate(odds, axis=1)
    reached = cumulated[:, :-1] <= (drawn * cumulated[:, -1])[:, None]
    np.add.reduce(reached, axis=1, dtype=np.intp, out=out)


def _one_less_square(values: Floats, out: Floats) -> None:
    """Write the derivative of tanh where it has some values."""
    np.multiply(values, values, out=out)
    np.subtract(1.0, out, out=out)


def _product(a: Floats, b: Floats, out: Floats) -> None:
    """Write a @ b into `out`, some rows at a time where BLAS would share it among threads.

    That costs more than it saves at these sizes, and what a search finds must not depend on how
    many threads there are.
    """
    rows = max(1, _ONE_THREAD // (a.shape[1] * b.shape[1]))
    if rows >= len(a):
        np.matmul(a, b, out=out)
        return
    for start in range(0, len(a), rows):
        np.matmul(a[start : start + rows], b, out=out[start : start + rows])
