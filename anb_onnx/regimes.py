"""Regimes: architectures that are measured by another scale than the rest, told by one gene.

Where some choice of a gene goes with other conditions of measurement - another limit of the device,
say - one increasing link cannot serve all architectures: its end bends either too early or too
late. A regime gives those with that choice further hinges of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import is_name, show
from anb_onnx.errors import ArtifactError
from anb_onnx.spaces.space import MAX_CHOICES, SearchSpace

#: (knot, change): from `knot` on, in the target's unit, the slope is 1 + `change` times as steep.
Hinge: TypeAlias = tuple[float, float]

#: Largest number in the target's unit, in size: predictions are float32.
LARGEST = float(np.finfo(np.float32).max)

#: Most hinges of a link, and of a regime. Compiling takes longer than linearly in them, and twelve
#: are many.
MAX_HINGES = 64

#: Most symbols of the block whose gene tells a regime: engines keep one entry for each.
MAX_SYMBOLS = 2**20


@dataclass(frozen=True)
class Regime:
    """Hinges for the architectures with some choices of one gene.

    Attributes
    ----------
    gene : str
        Name of the gene.
    codes : tuple of int
        Codes of its choices that are inside; distinct, ascending, at least one.
    hinges : tuple of (knot, change)
        Applied after the hinges of the link, at least one; as `Link.hinges`.

    Examples
    --------
    >>> from anb_onnx import MNASNET
    >>> Regime("block0_k", (1,), ((1_000.0, -0.5),)).describe(MNASNET)
    'block0_k = 5'
    """

    gene: str
    codes: tuple[int, ...]
    hinges: tuple[Hinge, ...]

    def __post_init__(self) -> None:
        if not is_name(self.gene):
            msg = f"regime: gene must be the name of a gene, found {show(self.gene)}"
            raise ArtifactError(msg)
        codes = self.codes
        if not (
            isinstance(codes, tuple)
            and 0 < len(codes) <= MAX_CHOICES
            and all(type(code) is int and 0 <= code < 256 for code in codes)
            and list(codes) == sorted(set(codes))
        ):
            msg = f"regime: codes must be a tuple of ascending codes, found {show(codes)}"
            raise ArtifactError(msg)
        check_hinges(self.hinges, "regime")
        if not self.hinges:
            msg = "regime: at least one hinge is needed"
            raise ArtifactError(msg)

    def check(self, space: SearchSpace) -> None:
        """Check that the gene and its codes are of a search space.

        Raises
        ------
        ArtifactError
            If not; the message names what is allowed.
        """
        if self.gene not in space.positions:
            msg = (
                f"regime: gene {self.gene!r} is not in search space {space.name!r}; its genes are "
                f"{', '.join(space.gene_names)}"
            )
            raise ArtifactError(msg)
        size = space.gene_sizes[space.positions[self.gene]]
        if self.codes[-1] >= size:
            msg = (
                f"regime: code {self.codes[-1]} of gene {self.gene!r} is out of range; allowed are "
                f"0 to {size - 1}"
            )
            raise ArtifactError(msg)
        block = space.blocks[self._block(space)]
        if block.size > MAX_SYMBOLS:
            msg = (
                f"regime: block {block.name!r} of gene {self.gene!r} has {show(block.size)} "
                f"symbols; {MAX_SYMBOLS} at most are supported in the block of a regime"
            )
            raise ArtifactError(msg)

    def _block(self, space: SearchSpace) -> int:
        position = space.positions[self.gene]
        return next(k for k, genes in enumerate(space.block_slices) if position < genes.stop)

    def contains(self, codes: NDArray[np.integer[Any]], space: SearchSpace) -> NDArray[np.bool_]:
        """Return whether architectures are inside: bool [N], from codes [N, n_genes]."""
        self.check(space)
        return np.isin(codes[:, space.positions[self.gene]], self.codes)

    def symbols(self, space: SearchSpace) -> tuple[int, NDArray[np.bool_]]:
        """Return the number of the gene's block and, for each symbol of it, whether it is inside.

        Returns
        -------
        block : int
        inside : ndarray of bool, shape (size of the block,)
        """
        self.check(space)
        position = space.positions[self.gene]
        block = self._block(space)
        symbols = np.arange(space.block_sizes[block])
        code = symbols // space.symbol_weights[position] % space.gene_sizes[position]
        return block, np.isin(code, self.codes)

    def describe(self, space: SearchSpace) -> str:
        """Return the regime in words: ``block5_l = 4``."""
        self.check(space)
        choices = space.genes[space.positions[self.gene]].choices
        return f"{self.gene} = {' or '.join(str(choices[code]) for code in self.codes)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the regime as plain data, the form in which artifacts hold it."""
        return {
            "gene": self.gene,
            "codes": [*self.codes],
            "hinges": [[*hinge] for hinge in self.hinges],
        }

    @classmethod
    def from_dict(cls, document: Any) -> Regime:
        """Read what `to_dict` wrote.

        Raises
        ------
        ArtifactError
            If a key is missing or a value is not allowed.
        """
        if not isinstance(document, Mapping) or not {"gene", "codes", "hinges"} <= document.keys():
            msg = f"regime: must have gene, codes and hinges, found {show(document)}"
            raise ArtifactError(msg)
        codes = document["codes"]
        if not isinstance(codes, list):
            msg = f"regime: codes must be a list of codes, found {show(codes)}"
            raise ArtifactError(msg)
        return cls(document["gene"], tuple(codes), read_hinges(document["hinges"], "regime"))


def check_hinges(hinges: object, what: str) -> None:
    """Check that hinges are a tuple of pairs of floats in range whose slopes stay positive.

    Raises
    ------
    ArtifactError
        If they are not.
    """
    if not isinstance(hinges, tuple):
        msg = f"{what}: hinges must be a tuple of (knot, change), found {show(hinges)}"
        raise ArtifactError(msg)
    if len(hinges) > MAX_HINGES:
        msg = f"{what}: at most {MAX_HINGES} hinges are allowed, found {len(hinges)}"
        raise ArtifactError(msg)
    for hinge in hinges:
        if not (
            isinstance(hinge, tuple)
            and len(hinge) == 2
            and all(isinstance(part, float) and abs(part) <= LARGEST for part in hinge)
            and hinge[1] > -1
        ):
            msg = (
                f"{what}: a hinge is (knot, change), finite floats with change > -1, of at most "
                f"{LARGEST:.4g} in size; found {show(hinge)}"
            )
            raise ArtifactError(msg)


def read_hinges(document: Any, what: str) -> tuple[Hinge, ...]:
    """Return hinges from lists as JSON has them; their values are checked by `check_hinges`.

    Raises
    ------
    ArtifactError
        If they are no lists.
    """
    if not isinstance(document, (list, tuple)):
        msg = f"{what}: malformed hinges, not a list of [knot, change]: {show(document)}"
        raise ArtifactError(msg)
    try:
        # JSON does not tell 80 from 80.0.
        return tuple(
            tuple(float(part) if type(part) is int else part for part in hinge)  # type: ignore[misc]
            for hinge in document
        )
    except (TypeError, OverflowError) as error:
        msg = f"{what}: malformed hinges ({error}): {show(document)}"
        raise ArtifactError(msg) from error
