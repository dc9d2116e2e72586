"""The search space as a value: genes, their choices, the blocks they form.

Everything else in the package takes a `SearchSpace` as a parameter, so that another space is
another value and not another program. Three integer views of an architecture follow from it:

* a gene's **code** is the position of its value among the gene's choices;
* a block's **symbol** is the codes of its genes in mixed radix, first gene most significant;
* an architecture's **index** is all its codes in mixed radix, first gene most significant, which
  is the same number as its symbols in mixed radix.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import copysign, isfinite, log10, prod
from typing import Any, Literal, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io import strict_json
from anb_onnx._io.show import MAX_NAME, is_name, show
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.reading import RowReader
from anb_onnx.views import html

#: Most blocks and genes of a space. Tables grow with the square of the blocks, and messages list
#: genes; spaces of the literature have some 20 blocks and up to 100 genes.
MAX_BLOCKS = 64
MAX_GENES = 1024

#: Most choices of a gene: a code is stored in one byte.
MAX_CHOICES = 256

_NAME = f"is a string of 1 to {MAX_NAME} printable characters"

Choice: TypeAlias = int | float | bool | str
Kind: TypeAlias = Literal["int", "float", "bool", "str"]


def is_integer(value: object) -> TypeGuard[int]:
    """Say whether a value is an integer of Python or NumPy; a boolean or a duration is not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.timedelta64))


def float64_of(value: object) -> Any:
    """Return the float nearest to a number of Python or NumPy; anything else as it is."""
    if is_integer(value):
        try:
            return float(value)
        except OverflowError:  # of Python's integers
            return value
    return float(value) if isinstance(value, (float, np.floating)) else value


def _is_whole(number: Any) -> bool:
    return isinstance(number, int) or number.is_integer()


def _as_floats(numbers: Sequence[Any]) -> str:
    """Return integers and floats as they are written to be floats."""
    return show(tuple(map(float64_of, numbers)))


@dataclass(frozen=True)
class Gene:
    """One decision of the search space: of an architecture, or a hyper-parameter.

    Parameters
    ----------
    name : str
        Unique in its space.
    choices : tuple of int, tuple of float, tuple of bool or tuple of str
        1 to 256 distinct values of one type. The order is the meaning of the codes. Floats are
        finite, and zero is 0.0.
    ordered : bool
        Whether the choices are a scale, in the order of their codes: an ordinal gene. Numbers are
        then all ascending or all descending; booleans are no scale.

    Attributes
    ----------
    kind : {"int", "float", "bool", "str"}
        The type of the choices. It takes part in equality, because Python holds ``True == 1`` and
        ``1 == 1.0``.

    Examples
    --------
    >>> Gene("kernel", (3, 5)).kind
    'int'
    >>> Gene("learning_rate", (0.0005, 0.001, 0.005), ordered=True).find(5e-4)
    0
    """

    name: str
    choices: tuple[Choice, ...]
    ordered: bool = False
    kind: Kind = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not is_name(self.name):
            msg = f"a gene's name {_NAME}, not {show(self.name)}"
            raise ArchitectureError(msg)
        if not isinstance(self.choices, (tuple, list)):
            msg = f"gene {self.name!r}: the choices are a tuple, not {show(self.choices)}"
            raise ArchitectureError(msg)
        if len(self.choices) > MAX_CHOICES:
            msg = (
                f"gene {self.name!r}: needs 1 to {MAX_CHOICES} distinct choices, "
                f"not {len(self.choices)}"
            )
            raise ArchitectureError(msg)
        kinds = {type(choice) for choice in self.choices}
        if len(kinds) != 1 or not kinds <= {int, float, bool, str}:
            mended = f"; write {_as_floats(self.choices)}" if kinds == {int, float} else ""
            msg = (
                f"gene {self.name!r}: the choices must be all int, all float, all bool or all str, "
                f"not {show(self.choices)}{mended}"
            )
            raise ArchitectureError(msg)
        if len(set(self.choices)) != len(self.choices):
            msg = (
                f"gene {self.name!r}: needs 1 to {MAX_CHOICES} distinct choices, "
                f"not {show(self.choices)}"
            )
            raise ArchitectureError(msg)
        for choice in self.choices:
            if isinstance(choice, str) and choice and not is_name(choice):
                msg = f"gene {self.name!r}: a choice {_NAME}, not {show(choice)}"
                raise ArchitectureError(msg)
            if isinstance(choice, int) and not -(2**63) <= choice < 2**63:
                msg = f"gene {self.name!r}: the choice {show(choice)} is no 64-bit integer"
                raise ArchitectureError(msg)
            if isinstance(choice, float) and not isfinite(choice):
                msg = f"gene {self.name!r}: the choice {show(choice)} is no finite number"
                raise ArchitectureError(msg)
            if isinstance(choice, float) and choice == 0 and copysign(1, choice) < 0:
                msg = f"gene {self.name!r}: the choice -0.0 equals 0.0; write 0.0"
                raise ArchitectureError(msg)
        object.__setattr__(self, "choices", tuple(self.choices))
        object.__setattr__(self, "kind", kinds.pop().__name__)
        self._check_order()

    def _check_order(self) -> None:
        """Refuse `ordered` where it is no boolean, or the choices are no scale."""
        if not isinstance(self.ordered, bool):
            msg = f"gene {self.name!r}: ordered is True or False, not {show(self.ordered)}"
            raise ArchitectureError(msg)
        if not self.ordered or self.kind == "str":
            return
        if self.kind == "bool":
            msg = f"gene {self.name!r}: booleans are no scale; leave ordered=True out"
            raise ArchitectureError(msg)
        numbers: Any = self.choices
        if len({a < b for a, b in pairwise(numbers)}) > 1:
            msg = (
                f"gene {self.name!r}: the choices of an ordered gene of numbers ascend or descend, "
                f"not {show(self.choices)}; sort them (codes change with them), or leave "
                "ordered=True out"
            )
            raise ArchitectureError(msg)

    def __repr__(self) -> str:
        order = ", ordered=True" if self.ordered else ""
        return f"Gene(name={self.name!r}, choices={self.choices!r}{order})"

    def __len__(self) -> int:
        """Return the number of choices."""
        return len(self.choices)

    @cached_property
    def codes(self) -> dict[Choice, int]:
        """Code of each choice."""
        return {choice: code for code, choice in enumerate(self.choices)}

    @cached_property
    def codes_by_type(self) -> dict[type, dict[Any, int]]:
        """Code of each choice, by the type its value may have.

        One dict for each type: `True` and 1 are the same key to Python, but not the same value.
        """
        if self.kind == "bool":
            spelt = {str(choice): code for choice, code in self.codes.items()}
            spelt |= {text.lower(): code for text, code in spelt.items()}
            # Of the integers it has 1 and 0, which are the same keys.
            return {bool: self.codes, str: spelt, int: self.codes}
        # Numbers are made floats before they are looked up here.
        return {type(self.choices[0]): self.codes}

    @cached_property
    def allowed(self) -> str:
        """The choices in words, for messages."""
        return ", ".join(map(repr, self.choices))

    def find(self, value: object) -> int:
        """Return the code of a value, or -1 if the value is not one of the choices.

        Values match by type: an integer gene takes integers and integral floats (NumPy's too) but
        no booleans; a float gene takes floats and integers that equal a choice as float64, to the
        last bit (``numpy.float32(0.1)`` is not 0.1); a boolean gene takes booleans (NumPy's too),
        the strings "True", "true", "False" and "false", and 1 and 0 as an integer gene does.
        """
        plain: Any = value
        if isinstance(value, (bool, np.bool_)):
            plain = bool(value)
        elif isinstance(value, str):
            plain = str.__str__(value)  # not an Enum's own __str__
        elif self.kind == "float":
            plain = float64_of(value)
        elif is_integer(value) or (isinstance(value, (float, np.floating)) and value.is_integer()):
            plain = int(value)
        codes = self.codes_by_type.get(type(plain))
        return -1 if codes is None else codes.get(plain, -1)

    def __getstate__(self) -> dict[str, Any]:
        state = {"name": self.name, "choices": self.choices, "kind": self.kind}
        return {**state, "ordered": True} if self.ordered else state

    def to_dict(self) -> dict[str, Any]:
        """Return the gene as plain data for JSON: name and choices, and what these do not tell.

        ``"kind"`` stands there for floats that are all whole (JSON has one kind of number, and
        JavaScript writes 1.0 as 1), ``"ordered"`` where it is true.
        """
        found: dict[str, Any] = {"name": self.name, "choices": [*self.choices]}
        if self.kind == "float" and all(_is_whole(choice) for choice in self.choices):
            found["kind"] = "float"
        if self.ordered:
            found["ordered"] = True
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Gene:
        """Return the gene that `to_dict` described.

        Numbers are integers if all are whole, however they are written, unless ``"kind"`` says that
        they are floats.

        Raises
        ------
        ArchitectureError
            If it is no gene.
        LookupError, TypeError
            If a part is missing, or of another type.
        """
        choices = _items(data, "choices", MAX_CHOICES)
        kind = data.get("kind")
        if "kind" in data and kind != "float":
            msg = (
                f'gene {show(data["name"])}: kind is "float" or left out, not {show(kind)}; of '
                "what kind other choices are they tell themselves"
            )
            raise ArchitectureError(msg)
        if choices and all(type(choice) in (int, float) for choice in choices):
            whole = kind is None and all(map(_is_whole, choices))
            choices = tuple(map(int if whole else float64_of, choices))
        elif kind is not None:
            msg = f'gene {show(data["name"])}: kind is "float", but not all choices are numbers'
            raise ArchitectureError(msg)
        return cls(data["name"], choices, data.get("ordered", False))


@dataclass(frozen=True)
class Block:
    """Genes that are read together: their codes form one symbol.

    Examples
    --------
    >>> Block("layer", (Gene("kernel", (3, 5)), Gene("se", (True, False)))).size
    4
    """

    name: str
    genes: tuple[Gene, ...]

    def __post_init__(self) -> None:
        if not is_name(self.name):
            msg = f"a block's name {_NAME}, not {show(self.name)}"
            raise ArchitectureError(msg)
        genes = self.genes
        if not isinstance(genes, (tuple, list)) or not all(isinstance(g, Gene) for g in genes):
            msg = f"block {self.name!r}: the genes are a tuple of Gene, not {show(genes)}"
            raise ArchitectureError(msg)
        if not 0 < len(genes) <= MAX_GENES:
            msg = (
                f"block {self.name!r} has {len(genes) or 'no'} genes; 1 to {MAX_GENES} are allowed"
            )
            raise ArchitectureError(msg)
        object.__setattr__(self, "genes", tuple(genes))
        # Symbols are at most 32 bits wide; a table over more of them would not fit memory anyway.
        if self.size > 2**32:
            msg = f"block {self.name!r} has {show(self.size)} symbols; at most 2**32 are supported"
            raise ArchitectureError(msg)

    @property
    def size(self) -> int:
        """Number of symbols: the product of the genes' cardinalities."""
        return prod(map(len, self.genes))


@dataclass(frozen=True, repr=False)
class SearchSpace:
    """A finite search space: the product of the choices of all genes.

    Parameters
    ----------
    name : str
        Name of the space.
    blocks : tuple of Block
        At least one; gene names and block names are unique.

    Examples
    --------
    >>> genes = Gene("kernel", (3, 5)), Gene("width", (16, 24, 32))
    >>> SearchSpace("tiny", tuple(Block(gene.name, (gene,)) for gene in genes)).size
    6
    """

    name: str
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        if not is_name(self.name):
            msg = f"a search space's name {_NAME}, not {show(self.name)}"
            raise ArchitectureError(msg)
        blocks = self.blocks
        if not isinstance(blocks, (tuple, list)) or not all(isinstance(b, Block) for b in blocks):
            msg = f"search space {self.name!r}: the blocks are a tuple of Block, not {show(blocks)}"
            raise ArchitectureError(msg)
        n_genes = sum(len(block.genes) for block in blocks)
        for what, found, most in (
            ("blocks", len(blocks), MAX_BLOCKS),
            ("genes", n_genes, MAX_GENES),
        ):
            if not 0 < found <= most:
                msg = (
                    f"search space {self.name!r} has {found or 'no'} {what}; "
                    f"1 to {most} are allowed"
                )
                raise ArchitectureError(msg)
        object.__setattr__(self, "blocks", tuple(blocks))
        for names in ([b.name for b in blocks], list(self.gene_names)):
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                msg = f"search space {self.name!r}: the name {twice!r} is used twice"
                raise ArchitectureError(msg)

    def __repr__(self) -> str:
        counts = ((self.n_blocks, "block"), (self.n_genes, "gene"), (self.size, "architecture"))
        return f"<SearchSpace {self.name!r}: {', '.join(_counted(*count) for count in counts)}>"

    def _repr_html_(self) -> str:
        """Return its genes and their choices for notebooks."""
        rows = [
            (block.name, gene.name, _shortened(gene.choices) + " (ordered)" * gene.ordered)
            for block in self.blocks[:_ROWS]
            for gene in block.genes
        ][:_ROWS]
        more = f"the first {_ROWS} of {self.n_genes} genes" if self.n_genes > _ROWS else ""
        return html.table(["block", "gene", "choices"], rows, title=repr(self)[1:-1], note=more)

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """All genes in the order of the codes."""
        return tuple(gene for block in self.blocks for gene in block.genes)

    @cached_property
    def gene_names(self) -> tuple[str, ...]:
        """Names of the genes in the order of the codes."""
        return tuple(gene.name for gene in self.genes)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Column of each gene in a row of codes, by name."""
        return {name: position for position, name in enumerate(self.gene_names)}

    @cached_property
    def reader(self) -> RowReader:
        """What reads the values of its genes quickly."""
        return RowReader(self.genes)

    @property
    def n_genes(self) -> int:
        """Number of genes: the length of a row of codes."""
        return len(self.genes)

    @property
    def n_blocks(self) -> int:
        """Number of blocks: the length of a row of symbols."""
        return len(self.blocks)

    @cached_property
    def gene_sizes(self) -> tuple[int, ...]:
        """Number of choices of each gene, 1 to 256."""
        return tuple(map(len, self.genes))

    @cached_property
    def cardinalities(self) -> NDArray[np.uint8]:
        """Number of choices of each gene: read-only uint8 [n_genes] (uint16 if one has 256)."""
        sizes = np.array(self.gene_sizes, dtype=np.min_scalar_type(max(self.gene_sizes)))
        sizes.setflags(write=False)
        return sizes

    @cached_property
    def block_sizes(self) -> tuple[int, ...]:
        """Number of symbols of each block."""
        return tuple(block.size for block in self.blocks)

    @cached_property
    def block_slices(self) -> tuple[slice, ...]:
        """Columns of each block in a row of codes."""
        slices, start = [], 0
        for block in self.blocks:
            slices.append(slice(start, start + len(block.genes)))
            start += len(block.genes)
        return tuple(slices)

    @cached_property
    def size(self) -> int:
        """Number of architectures (exact, of any magnitude)."""
        return prod(self.block_sizes)

    @cached_property
    def symbol_weights(self) -> tuple[int, ...]:
        """Place value of each gene's code in the symbol of its block."""
        return tuple(w for block in self.blocks for w in _place_values(map(len, block.genes)))

    @cached_property
    def index_weights(self) -> tuple[int, ...]:
        """Place value of each gene's code in the index (exact, of any magnitude)."""
        return _place_values(self.gene_sizes)

    @cached_property
    def index_parts(self) -> tuple[slice, ...]:
        """Runs of genes whose codes make up a number below 2**63 each, first most significant.

        One run where int64 holds every index of the space.
        """
        parts, stop, size = [], self.n_genes, 1
        for gene in reversed(range(self.n_genes)):
            if size * self.gene_sizes[gene] > 2**63:
                parts.append(slice(gene + 1, stop))
                stop, size = gene + 1, 1
            size *= self.gene_sizes[gene]
        return (slice(0, stop), *reversed(parts))

    @cached_property
    def symbol_dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Narrowest unsigned type that holds every symbol: uint8 for up to 256 per block."""
        dtype: np.dtype[Any] = np.min_scalar_type(max(self.block_sizes) - 1)
        return dtype

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain data for JSON: name, blocks with genes and choices, size.

        A gene has the keys of `Gene.to_dict`.
        """
        blocks = [{"name": b.name, "genes": [g.to_dict() for g in b.genes]} for b in self.blocks]
        return {"name": self.name, "blocks": blocks, "size": self.size}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SearchSpace:
        """Return the space that `to_dict` described.

        Raises
        ------
        ArchitectureError
            If a part is missing or of the wrong type, or the stated size is not the space's.
        """
        try:
            blocks = tuple(
                Block(
                    b["name"],
                    tuple(map(Gene.from_dict, _items(b, "genes", MAX_GENES))),
                )
                for b in _items(data, "blocks", MAX_BLOCKS)
            )
            space = cls(data["name"], blocks)
            size = data.get("size", space.size)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, ArchitectureError):
                raise
            msg = f"this does not describe a search space: {type(error).__name__}: {error}"
            raise ArchitectureError(msg) from error
        if type(size) is not int or size != space.size:
            msg = f"search space {space.name!r} has {space.size} members but states {show(size)}"
            raise ArchitectureError(msg)
        return space

    def to_json(self) -> str:
        """Return `to_dict` as one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str | bytes) -> SearchSpace:
        """Return the space that `to_json` wrote; the errors are those of `from_dict`."""
        try:
            data = strict_json.loads(text)
        except (strict_json.JsonError, TypeError, AttributeError) as error:
            msg = f"this is not the JSON of a search space: {error}"
            raise ArchitectureError(msg) from error
        return cls.from_dict(data)

    def __getstate__(self) -> dict[str, Any]:
        # Without the cached properties: they are cheap to compute and read-only arrays would
        # come back writable.
        return {"name": self.name, "blocks": self.blocks}


#: Genes, choices of each and characters of a cell that a notebook is shown.
_ROWS, _CHOICES, _CHARACTERS = 64, 32, 200


def _shortened(values: tuple[Choice, ...]) -> str:
    text = ", ".join(map(str, values[:_CHOICES]))
    cut = len(values) > _CHOICES or len(text) > _CHARACTERS
    return text[:_CHARACTERS] + ", ..." if cut else text


def _counted(n: int, what: str) -> str:
    """Return a number of things; of a very large one, its magnitude."""
    number = f"{n:,}" if n < 10**15 else f"about 1e{int(log10(n))}"
    return f"{number} {what}{'' if n == 1 else 's'}"


def _items(data: Mapping[str, Any], key: str, most: int) -> tuple[Any, ...]:
    """Return a list of a description, once it is one and not longer than `most`."""
    items = data[key]
    if not isinstance(items, (list, tuple)):
        msg = f"{key!r} is a list, not {show(items)}"
        raise TypeError(msg)
    if len(items) > most:
        msg = f"this does not describe a search space: it has {len(items)} {key}, at most {most}"
        raise ArchitectureError(msg + " are allowed")
    return tuple(items)


def needed_space(space: object, function: str) -> SearchSpace:
    """Return the search space that a function was called with.

    Raises
    ------
    ArchitectureError
        If it is None or no SearchSpace; says how to pass one.
    """
    if isinstance(space, SearchSpace):
        return space
    problem = "needs to know the search space" if space is None else f"got space={show(space)}"
    msg = (
        f"{function} {problem}; pass a SearchSpace, for example space=surrogate.space or "
        "space=anb_onnx.MNASNET"
    )
    raise ArchitectureError(msg)


def _place_values(sizes: Any) -> tuple[int, ...]:
    """Return the place values of a mixed radix number, first digit most significant."""
    values, value = [], 1
    for size in reversed(tuple(sizes)):
        values.append(value)
        value *= size
    return tuple(reversed(values))
