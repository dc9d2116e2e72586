"""Architectures and their space, with the methods of the reference's objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.show import show
from anb_onnx.errors import AnbError, ArchitectureError
from anb_onnx.spaces.architecture import Architecture, HoldsArchitecture, sample
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0, from_lists
from anb_onnx.spaces.space import Choice

__all__ = ["Configuration", "EfficientNetSS", "generator"]


class Configuration(HoldsArchitecture):
    """An architecture that behaves like a ConfigSpace configuration.

    A mapping from gene names to values whose values can be assigned: assigning what is not a
    choice of the gene is an `ArchitectureError`. Equal and hashed by value, so do not assign to
    one that is in a set.

    Parameters
    ----------
    architecture : mapping from gene names to values
        Or the configuration space, as for ConfigSpace's class, and `values`.
    values : mapping, optional

    Examples
    --------
    >>> config = EfficientNetSS().efficientnet_b0()
    >>> config["block0_e"] = 6
    >>> config["block0_e"], config == Configuration(None, values=dict(config))
    (6, True)
    """

    def __init__(self, architecture: Any, values: Mapping[str, Any] | None = None) -> None:
        given = architecture if values is None else values
        self._architecture = Architecture(given, space=MNASNET)

    @property
    def architecture(self) -> Architecture:
        """The immutable `Architecture` of the present values."""
        return self._architecture

    def get_dictionary(self) -> dict[str, Choice]:
        """Return a new dict from gene names to values."""
        return self._architecture.to_values()

    def get_array(self) -> npt.NDArray[np.float64]:
        """Return the codes as float64 [genes]: the position of each value among its choices."""
        return np.array(self._architecture.codes, np.float64)

    def __getitem__(self, name: str) -> Choice:
        return self._architecture[name]

    def __setitem__(self, name: str, value: Choice) -> None:
        self._architecture = Architecture({**self._architecture, name: value}, space=MNASNET)

    def __iter__(self) -> Iterator[str]:
        return iter(self._architecture)

    def __len__(self) -> int:
        return len(self._architecture)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Configuration):
            return self._architecture == other._architecture
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._architecture)

    def __repr__(self) -> str:
        return f"Configuration(values={self.get_dictionary()!r})"


class EfficientNetSS:
    """The search space, with the methods of the original's class.

    Parameters
    ----------
    seed : int, optional
        For reproducible `random_sample`; an addition to the original, which cannot be seeded.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._rng = generator(seed)

    def manual_sample(self, sample_config: Sequence[Sequence[Any]]) -> Configuration:
        """Return the configuration of four lists: expansion, kernel, layers, squeeze-excite.

        Raises
        ------
        ArchitectureError
            Where these are not four lists of one valid value per block.
        """
        if not isinstance(sample_config, Sequence) or len(sample_config) != 4:
            msg = (
                "manual_sample takes four lists [expansion, kernel, layers, se], "
                f"not {show(sample_config)}"
            )
            raise ArchitectureError(msg)
        return Configuration(from_lists(*sample_config))

    def random_sample(self, num_samples: int = 1) -> Configuration | list[Configuration]:
        """Draw uniformly: one configuration for `num_samples` = 1, else a list of them."""
        codes = sample(num_samples, seed=self._rng, space=MNASNET)
        rows = codes.tolist()
        drawn = [Configuration(Architecture.from_codes(row, space=MNASNET)) for row in rows]
        return drawn[0] if len(drawn) == 1 else drawn

    def efficientnet_b0(self) -> Configuration:
        """Return EfficientNet-B0."""
        return Configuration(efficientnet_b0())

    def size(self) -> int:
        """Return the number of architectures."""
        return MNASNET.size

    def __len__(self) -> int:
        return MNASNET.size

    def __str__(self) -> str:
        lines = ["Search space mnasnet:"]
        lines += [f"  {gene.name}: {{{gene.allowed}}}" for gene in MNASNET.genes]
        return "\n".join(lines)


def generator(seed: int | None) -> np.random.Generator:
    """Return a generator of a seed; of the system's entropy for None.

    Raises
    ------
    AnbError
        If it is neither.
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        msg = f"seed must be a non-negative integer or None, not {show(seed)}"
        raise AnbError(msg) from error
