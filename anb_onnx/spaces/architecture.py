"""One architecture: an immutable value, and the way to draw many."""

from __future__ import annotations

import json
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import FrozenInstanceError
from functools import total_ordering
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx._io.strict_json import JsonError, loads
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.own_spellings import are_lists, has_lists, lists_values
from anb_onnx.spaces.ready import READY, is_ready_made, ready_made
from anb_onnx.spaces.space import Choice, SearchSpace, is_integer, needed_space
from anb_onnx.spaces.spelling import text_codes
from anb_onnx.spaces.values import index_codes, row_codes

Seed: TypeAlias = int | np.random.Generator | None


@total_ordering
class Architecture(Mapping[str, Choice]):
    """An architecture: a mapping from gene names to values that never changes.

    Architectures know their search space. They are hashable, equal where space and codes are equal,
    and ordered by index within a space. An architecture never equals a plain dict; compare with
    `to_values()`.

    Parameters
    ----------
    values : mapping or sequence
        The value of every gene: by name in any `Mapping` (a ConfigSpace Configuration included), or
        by position in a list, tuple or array [n_genes] in the order of ``space.genes``; for
        `MNASNET` also its four lists, in order or by name.
    space : SearchSpace
        What it is a member of. May be left out where `values` is an Architecture.

    Raises
    ------
    ArchitectureError
        If a gene is unknown or missing, a value is not one of its choices, or no space is given.

    Examples
    --------
    >>> from anb_onnx.spaces.nasbench201 import NASBENCH201
    >>> arch = Architecture(["none"] * 5 + ["skip_connect"], space=NASBENCH201)
    >>> arch["edge_3_2"], arch.codes, arch.index
    ('skip_connect', (0, 0, 0, 0, 0, 1), 1)
    >>> arch == Architecture({**arch}, space=NASBENCH201)
    True
    """

    __slots__ = ("_codes", "_space")
    _codes: bytes
    _space: SearchSpace

    def __init__(
        self,
        values: Mapping[str, object] | Sequence[object] | NDArray[Any],
        *,
        space: SearchSpace | None = None,
    ) -> None:
        if space is None and isinstance(values, Architecture):
            space = values.space
        space = needed_space(space, "Architecture")
        self._set(row_codes(_by_name(values, space), space), space)

    def _set(self, codes: bytes, space: SearchSpace) -> None:
        object.__setattr__(self, "_codes", codes)
        object.__setattr__(self, "_space", space)

    @classmethod
    def _make(cls, codes: bytes, space: SearchSpace) -> Architecture:
        """Return the architecture of codes that are known to be valid."""
        self = cls.__new__(cls)
        self._set(codes, space)
        return self

    @classmethod
    def from_codes(
        cls, codes: Sequence[int] | NDArray[Any], *, space: SearchSpace | None = None
    ) -> Architecture:
        """Return the architecture of one row of codes, in the order of `space.genes`.

        Raises
        ------
        ArchitectureError
            If it is not one integer per gene, a code is out of range, or no space is given.
        """
        space = needed_space(space, "from_codes")
        if isinstance(codes, np.ndarray) and codes.ndim == 1:
            codes = codes.tolist()
        if not isinstance(codes, (list, tuple)):
            msg = f"from_codes takes {space.n_genes} integers, one per gene, not {show(codes)}"
            raise ArchitectureError(msg)
        if len(codes) != space.n_genes:
            msg = f"from_codes takes {space.n_genes} integers, one per gene; got {len(codes)}"
            raise ArchitectureError(msg)
        for gene, code in zip(space.genes, codes, strict=True):
            if not is_integer(code):
                msg = f"gene {gene.name!r}: the code {show(code)} is not an integer"
                raise ArchitectureError(msg)
            if not 0 <= code < len(gene):
                msg = (
                    f"gene {gene.name!r}: code {show(code)} is out of range; allowed are "
                    f"0 to {len(gene) - 1} (for {gene.allowed})"
                )
                raise ArchitectureError(msg)
        return cls._make(bytes(codes), space)

    @classmethod
    def from_index(cls, index: int, *, space: SearchSpace | None = None) -> Architecture:
        """Return the architecture with this index, 0 to ``space.size - 1``, of any magnitude.

        Raises
        ------
        ArchitectureError
            If it is not an integer or out of range, or no space is given.
        """
        space = needed_space(space, "from_index")
        if not is_integer(index):
            msg = f"an index is an integer, not {show(index)}"
            raise ArchitectureError(msg)
        return cls._make(index_codes(int(index), space), space)

    @classmethod
    def parse(cls, text: str, *, space: SearchSpace | None = None) -> Architecture:
        """Return the architecture that a person or a program wrote as text.

        Parameters
        ----------
        text : str
            A name, an index, codes, values by position, an object of all genes, or what the space
            alone knows, in JSON or as Python writes it: docs/architectures.md has the grammar.
        space : SearchSpace, optional
            `MNASNET` if not given.

        Raises
        ------
        ArchitectureError
            If it is none; names gene and value, or all spellings of the space.

        Examples
        --------
        >>> b0 = Architecture.parse("efficientnet-b0")
        >>> [Architecture.parse(text) == b0 for text in ("2169626640", str(dict(b0)))]
        [True, True]
        """
        space = needed_space(ready_made("mnasnet") if space is None else space, "parse")
        return cls._make(text_codes(text, space), space)

    @classmethod
    def from_json(cls, text: str | bytes, *, space: SearchSpace | None = None) -> Architecture:
        """Return the architecture of a JSON object of every gene by name, as `to_json` writes it.

        A JSON array of the values by position will do, too.

        Raises
        ------
        ArchitectureError
            If the text is no such JSON, or not an architecture of the space, or no space is given.
        """
        if not isinstance(text, (str, bytes, bytearray)):
            msg = f"the JSON of an architecture is a str or bytes, not {show(text)}"
            raise ArchitectureError(msg)
        try:
            values = loads(text if isinstance(text, str) else bytes(text))
        except JsonError as error:
            msg = f"this is not the JSON of an architecture: {error}"
            raise ArchitectureError(msg) from error
        return cls(values, space=space)

    @property
    def space(self) -> SearchSpace:
        """The search space this is a member of."""
        return self._space

    @property
    def codes(self) -> tuple[int, ...]:
        """Code of each gene, in the order of ``space.genes``."""
        return tuple(self._codes)

    @property
    def index(self) -> int:
        """Position in the space, 0 to ``space.size - 1``."""
        return sum(c * w for c, w in zip(self._codes, self._space.index_weights, strict=True))

    def to_values(self) -> dict[str, Choice]:
        """Return a new dict from gene names to values, in the order of ``space.genes``."""
        genes = self._space.genes
        return {g.name: g.choices[c] for g, c in zip(genes, self._codes, strict=True)}

    def to_json(self) -> str:
        """Return `to_values` as one line of JSON."""
        return json.dumps(self.to_values())

    def __getitem__(self, name: str) -> Choice:
        position = self._space.positions[name]
        return self._space.genes[position].choices[self._codes[position]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._space.gene_names)

    def __len__(self) -> int:
        return len(self._codes)

    def __repr__(self) -> str:
        name = self._space.name
        # A space in full would hide the values behind pages of choices.
        space = READY[name] if is_ready_made(self._space) else f"<SearchSpace {name!r}>"
        return f"Architecture({self.to_values()!r}, space={space})"

    def _repr_html_(self) -> str:
        """Return a picture for notebooks: the blocks of MnasNet, the cell of NAS-Bench-201."""
        from anb_onnx.spaces.pictures import picture  # imported here: most are never looked at

        title = f"architecture {self.index:,} of {self._space.name}"
        return picture(self.to_values(), self._space, title)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Architecture):
            return NotImplemented
        return self._codes == other._codes and self._space == other._space

    def __hash__(self) -> int:
        return hash(self._codes)

    def __lt__(self, other: object) -> bool:
        # The first gene is the most significant, so codes compare as indices do.
        if not isinstance(other, Architecture) or self._space != other._space:
            return NotImplemented
        return self._codes < other._codes

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to {name!r}: an Architecture is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete {name!r}: an Architecture is immutable")

    def __copy__(self) -> Architecture:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Architecture:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # By name where everybody has the space: the pickle stays small, the space one object.
        space = self._space
        return _unpickle, (self._codes, space.name if is_ready_made(space) else space)


class HoldsArchitecture(Mapping[str, Choice]):
    """A mapping whose values are those of an `Architecture` that it holds."""

    @property
    @abstractmethod
    def architecture(self) -> Architecture:
        """The present values."""


def _unpickle(codes: bytes, space: SearchSpace | str) -> Architecture:
    known = ready_made(space) if isinstance(space, str) else space
    if known is None:
        msg = f"an architecture of search space {show(space)}, which this release does not have"
        raise ArchitectureError(msg)
    return Architecture._make(codes, known)


def _by_name(values: object, space: SearchSpace) -> Mapping[Any, object]:
    """Return the values of genes by name, however they were given."""
    if isinstance(values, Mapping):
        return values
    if has_lists(space) and are_lists(values):
        return lists_values(values)  # type: ignore[arg-type]
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    if not isinstance(values, (list, tuple)) or len(values) != space.n_genes:
        count = f", which has {len(values)}" if isinstance(values, (list, tuple)) else ""
        msg = (
            f"an architecture of {space.name!r} is a mapping of gene names to values or a list of "
            f"{space.n_genes} values, not {show(values)}{count}"
        )
        raise ArchitectureError(msg)
    return dict(zip(space.gene_names, values, strict=True))


def generator_of(seed: Seed) -> np.random.Generator:
    """Return the generator of a seed; None seeds from the operating system.

    Raises
    ------
    ArchitectureError
        If it is none.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if seed is not None and (not is_integer(seed) or seed < 0):
        msg = f"seed is an integer >= 0, a numpy.random.Generator or None, not {show(seed)}"
        raise ArchitectureError(msg)
    return np.random.default_rng(seed)


def checked_count(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return an integer, once it is one from `low` to `high`.

    Raises
    ------
    ArchitectureError
        If it is not.
    """
    if not is_integer(value) or value < low or (high is not None and value > high):
        bounds = f">= {low}" if high is None else f"from {low} to {high}"
        msg = f"{name} is an integer {bounds}, not {show(value)}"
        raise ArchitectureError(msg)
    return int(value)


def sample(n: int, *, seed: Seed = None, space: SearchSpace | None = None) -> NDArray[np.uint8]:
    """Draw architectures uniformly and independently, with replacement.

    Every code is drawn uniformly from its gene's choices, which is uniform over the space because
    the space is their product. The same seed gives the same architectures (NumPy keeps the stream
    of a Generator within a version), and fewer of them are a prefix of more of them.

    Parameters
    ----------
    n : int
        Number of architectures, 0 or more.
    seed : int, numpy.random.Generator or None
        A Generator is used and advanced; None seeds from the operating system. NumPy's global
        state is never touched.
    space : SearchSpace
        The space to draw from, for example ``surrogate.space``.

    Returns
    -------
    ndarray of uint8 [n, n_genes]
        Codes; ``Architecture.from_codes(row, space=space)`` makes a value of one.

    Raises
    ------
    ArchitectureError
        If `n`, `seed` or `space` is not as above, or `n` beyond any array's size.
    MemoryError
        If `n` rows of `n_genes` bytes do not fit into memory.

    Examples
    --------
    >>> from anb_onnx import NASBENCH201
    >>> sample(1_000, seed=0, space=NASBENCH201).shape
    (1000, 6)
    """
    space = needed_space(space, "sample")
    n = checked_count("n", n, 0)
    most = sys.maxsize // space.n_genes
    if n > most:
        msg = f"n is at most {most}, the rows that an array can have, not {show(n)}"
        raise ArchitectureError(msg)
    # One row of bounds, broadcast: the draws run along the rows, hence the prefix property.
    high = np.array(space.gene_sizes, dtype=np.int64)
    return generator_of(seed).integers(0, high, size=(n, space.n_genes), dtype=np.uint8)
