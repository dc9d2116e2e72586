"""A stand-in for the `ConfigurationSpace` that the reference reads from its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from anb_onnx._io.show import show
from anb_onnx.compat.configurations import Configuration, generator
from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture, sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Choice, Gene

__all__ = ["CategoricalHyperparameter", "ConfigurationSpace", "OrdinalHyperparameter"]


@dataclass(frozen=True)
class CategoricalHyperparameter:
    """A gene: its name, its choices in the order of their codes, and the default.

    Examples
    --------
    >>> CategoricalHyperparameter("block0_k", (3, 5), 3).choices
    (3, 5)
    """

    name: str
    choices: tuple[Choice, ...]
    default_value: Choice

    @property
    def options(self) -> tuple[Choice, ...]:
        """The choices, whatever kind of hyperparameter this is."""
        return self.choices


@dataclass(frozen=True)
class OrdinalHyperparameter:
    """A gene whose choices have an order, which nothing here makes use of.

    Examples
    --------
    >>> OrdinalHyperparameter("block0_l", (1, 2, 3), 1).sequence
    (1, 2, 3)
    """

    name: str
    sequence: tuple[Choice, ...]
    default_value: Choice

    @property
    def options(self) -> tuple[Choice, ...]:
        """The choices, whatever kind of hyperparameter this is."""
        return self.sequence


Hyperparameter = CategoricalHyperparameter | OrdinalHyperparameter


def _of_reference(gene: Gene) -> CategoricalHyperparameter:
    """Return a gene with the default that the reference's file states."""
    default = False if gene.kind == "bool" else gene.choices[0]
    return CategoricalHyperparameter(gene.name, gene.choices, default)


class ConfigurationSpace(Mapping[str, Hyperparameter]):
    """The space of Accel-NASBench with the methods of ConfigSpace's class, of 0.6 and of 1.x.

    Parameters
    ----------
    seed : int, optional
        Of `sample_configuration`; without it every run draws others.
    hyperparameters : mapping from names, optional
        Those of a file; else the reference's.

    Raises
    ------
    ArchitectureError
        If these are not the genes of `MNASNET`, with its choices in their order.

    Examples
    --------
    >>> space = ConfigurationSpace(seed=0)
    >>> space.get_hyperparameter("block5_l").choices
    (1, 2, 3, 4)
    >>> space.get_default_configuration()["block0_se"]
    False
    """

    def __init__(
        self,
        seed: int | None = None,
        hyperparameters: Mapping[str, Hyperparameter] | None = None,
    ) -> None:
        own = {gene.name: _of_reference(gene) for gene in MNASNET.genes}
        self._hyperparameters: dict[str, Hyperparameter] = dict(hyperparameters or own)
        self._check()
        self._rng = generator(seed)

    def _check(self) -> None:
        found = self._hyperparameters
        for gene in MNASNET.genes:
            if gene.name not in found:
                msg = f"the hyperparameter {gene.name!r} of Accel-NASBench is missing"
                raise ArchitectureError(msg)
            one = found[gene.name]
            if tuple(map(repr, one.options)) != tuple(map(repr, gene.choices)):
                msg = (
                    f"{gene.name!r} has the choices {show(one.options)}; those of Accel-NASBench "
                    f"are {gene.allowed}, in this order"
                )
                raise ArchitectureError(msg)
            if gene.find(one.default_value) < 0:
                msg = (
                    f"{gene.name!r} has the default {show(one.default_value)}; allowed are "
                    f"{gene.allowed}"
                )
                raise ArchitectureError(msg)
        for name in found:
            if name not in MNASNET.positions:
                msg = f"Accel-NASBench has no hyperparameter {show(name)}"
                raise ArchitectureError(msg)

    def seed(self, seed: int) -> None:
        """Begin anew to draw what this seed draws."""
        self._rng = generator(seed)

    def sample_configuration(self, size: int | None = None) -> Configuration | list[Configuration]:
        """Draw uniformly: one configuration for a `size` of None or 1, else a list of them."""
        codes = sample(1 if size is None else size, seed=self._rng, space=MNASNET)
        drawn = [
            Configuration(Architecture.from_codes(row, space=MNASNET)) for row in codes.tolist()
        ]
        return drawn[0] if len(drawn) == 1 else drawn

    def get_default_configuration(self) -> Configuration:
        """Return the configuration of all defaults."""
        return Configuration({name: one.default_value for name, one in self.items()})

    def get_hyperparameters(self) -> list[Hyperparameter]:
        """Return all hyperparameters, in the order of the codes."""
        return list(self.values())

    def get_hyperparameter(self, name: str) -> Hyperparameter:
        """Return one hyperparameter.

        Raises
        ------
        ArchitectureError
            If there is none of this name.
        """
        if name not in self:
            msg = f"Accel-NASBench has no hyperparameter {show(name)}"
            raise ArchitectureError(msg)
        return self[name]

    def get_hyperparameter_names(self) -> list[str]:
        """Return the names, in the order of the codes."""
        return list(self)

    def estimate_size(self) -> int:
        """Return the number of architectures, exactly."""
        return MNASNET.size

    def __getitem__(self, name: str) -> Hyperparameter:
        return self._hyperparameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(MNASNET.gene_names)

    def __len__(self) -> int:
        return MNASNET.n_genes

    def __repr__(self) -> str:
        lines = ["Configuration space object:", "  Hyperparameters:"]
        for name, one in self.items():
            kind = type(one).__name__.removesuffix("Hyperparameter")
            choices = ", ".join(map(repr, one.options))
            lines.append(f"    {name}, Type: {kind}, Choices: {{{choices}}}, ")
            lines[-1] += f"Default: {one.default_value!r}"
        return "\n".join(lines)
