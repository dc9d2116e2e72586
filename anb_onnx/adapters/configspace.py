"""Search spaces and architectures as ConfigSpace has them: for SMAC, and what else reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx.encoding.encoding import Architectures, encode
from anb_onnx.errors import ArchitectureError
from anb_onnx.parallel.extras import need
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Choice, Gene, SearchSpace, needed_space

__all__ = ["to_configspace", "to_configurations"]


def to_configspace(space: SearchSpace | None = None, *, seed: int | None = None) -> Any:
    """Return a search space as a ``ConfigSpace.ConfigurationSpace``.

    That of `MNASNET` equals the one that the Accel-NASBench repository comes with, defaults
    included, so that what was written for it sees no difference.

    Parameters
    ----------
    space : SearchSpace, optional
        `MNASNET` if not given.
    seed : int, optional
        Of its ``sample_configuration``; without it, from the operating system.

    Returns
    -------
    ConfigSpace.ConfigurationSpace
        An ``OrdinalHyperparameter`` for each ordered gene and a ``CategoricalHyperparameter`` for
        each other, the choices in the order of the codes. The default is the first choice, but
        False for ``block*_se`` of `MNASNET`, as in the repository. ConfigSpace sorts its
        hyperparameters by name, which for most spaces is not the order of the genes: `encode` goes
        by names.

    Raises
    ------
    ArchitectureError
        If `space` is no SearchSpace.
    ExtraError
        If ConfigSpace is missing.

    Examples
    --------
    >>> import anb_onnx
    >>> from anb_onnx.adapters import to_configspace
    >>> configuration = to_configspace(seed=1).sample_configuration()
    >>> anb_onnx.encode([configuration], anb_onnx.MNASNET).shape
    (1, 28)
    >>> float(anb_onnx.load("accuracy").query(configuration).mean) > 50
    True
    """
    space = needed_space(MNASNET if space is None else space, "to_configspace")
    tool = need("ConfigSpace", extra="configspace", what="anb_onnx.adapters.to_configspace")
    made = tool.ConfigurationSpace(seed=seed)
    add = made.add_hyperparameters if is_early(tool) else made.add
    kinds = {True: tool.OrdinalHyperparameter, False: tool.CategoricalHyperparameter}
    add(
        [
            kinds[gene.ordered](gene.name, list(gene.choices), default_value=_default(gene, space))
            for gene in space.genes
        ]
    )
    return made


def _default(gene: Gene, space: SearchSpace) -> Choice:
    if gene.kind == "bool" and space == MNASNET:
        return False
    return gene.choices[0]


def to_configurations(
    architectures: Architectures, config_space: Any, space: SearchSpace | None = None
) -> list[Any]:
    """Return architectures as configurations of a ConfigurationSpace: an initial design, say.

    Parameters
    ----------
    architectures
        Anything that `anb_onnx.encode` takes.
    config_space : ConfigSpace.ConfigurationSpace
        As from `to_configspace`, or any other of the same genes and choices, in any order, as
        categories or as ordinals.
    space : SearchSpace, optional
        `MNASNET` if not given.

    Returns
    -------
    list of ConfigSpace.Configuration [n]

    Raises
    ------
    ArchitectureError
        If an architecture is not in the space, or `config_space` has other genes or choices.
    ExtraError
        If ConfigSpace is missing.

    Examples
    --------
    >>> import anb_onnx
    >>> from anb_onnx.adapters import to_configspace, to_configurations
    >>> b0 = anb_onnx.efficientnet_b0()
    >>> (found,) = to_configurations([b0], to_configspace())
    >>> anb_onnx.Architecture(found, space=anb_onnx.MNASNET) == b0
    True
    """
    space = needed_space(MNASNET if space is None else space, "to_configurations")
    tool = need("ConfigSpace", extra="configspace", what="anb_onnx.adapters.to_configurations")
    if is_early(tool):
        codes = encode(architectures, space)
        rows = [Architecture.from_codes(row, space=space).to_values() for row in codes]
        return [_early_configuration(tool, config_space, values) for values in rows]
    # Looked at first: who forgot `space` is told so, not that the architectures are of another.
    columns = _columns(config_space, space)
    codes = encode(architectures, space)
    vectors = np.empty(codes.shape)
    for column, numbers in columns:
        position = space.positions[column]
        vectors[:, list(config_space).index(column)] = numbers[codes[:, position]]
    return [tool.Configuration(config_space, vector=vector) for vector in vectors]


def is_early(tool: Any) -> bool:
    """Say whether this is a release before 1.0 of ConfigSpace, which spoke otherwise."""
    return str(tool.__version__).startswith("0.")


def _early_configuration(tool: Any, config_space: Any, values: dict[str, Choice]) -> Any:
    try:
        return tool.Configuration(config_space, values=values)
    except Exception as error:  # whatever that release raises
        msg = (
            f"ConfigSpace {tool.__version__} makes no Configuration of {show(values)} in "
            f"{show(config_space)} ({type(error).__name__}: {error}); ConfigSpace 1.1 or later "
            "says more: pip install --upgrade ConfigSpace"
        )
        raise ArchitectureError(msg) from error


def _columns(config_space: Any, space: SearchSpace) -> list[tuple[str, NDArray[np.float64]]]:
    """Return the name of each hyperparameter, and what its vectors hold for each code."""
    try:
        names = list(config_space)
        found = {name: _choices(config_space[name]) for name in names}
    except (TypeError, AttributeError, KeyError) as error:
        msg = (
            "config_space is a ConfigurationSpace of categories and ordinals, not "
            f"{show(config_space)}"
        )
        raise ArchitectureError(msg) from error
    if set(names) != set(space.gene_names):
        odd = sorted(set(names) ^ set(space.gene_names))[0]
        where = "config_space" if odd in found else f"search space {space.name!r}"
        msg = (
            f"only {where} has {odd!r}; config_space has the genes of {space.name!r}, no others "
            "(space= names another one)"
        )
        raise ArchitectureError(msg)
    for gene in space.genes:
        if sorted(map(gene.find, found[gene.name])) != list(range(len(gene))):
            msg = (
                f"gene {gene.name!r}: the choices are {gene.allowed}, those of config_space "
                f"{show(found[gene.name])}"
            )
            raise ArchitectureError(msg)
    return [
        (gene.name, np.array([float(config_space[gene.name].to_vector(c)) for c in gene.choices]))
        for gene in space.genes
    ]


def _choices(hyperparameter: Any) -> list[Any]:
    """Return the choices of a category, or of an ordinal, which calls them its sequence."""
    ordinal = hasattr(hyperparameter, "sequence")
    return list(hyperparameter.sequence if ordinal else hyperparameter.choices)
