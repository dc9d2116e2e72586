"""What a user gives to a search, checked: counts, numbers, generators, codes."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.real import finite
from anb_onnx._io.show import show
from anb_onnx.encoding.encoding import check_codes, encode
from anb_onnx.errors import SearchError
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.space import SearchSpace, is_integer

Codes: TypeAlias = NDArray[np.uint8]
Rng: TypeAlias = int | np.random.Generator


def count(name: str, value: object, low: int = 1, high: int | None = None) -> int:
    """Return an integer of a setting.

    Raises
    ------
    SearchError
        If it is none, or not from `low` to `high`.
    """
    if not is_integer(value) or value < low or (high is not None and value > high):
        bounds = f">= {low}" if high is None else f"from {low} to {high}"
        msg = f"{name} is an integer {bounds}, not {show(value)}"
        raise SearchError(msg)
    return int(value)


def number(name: str, value: object, low: float, high: float = math.inf) -> float:
    """Return a finite number of a setting, from `low` to `high`.

    Raises
    ------
    SearchError
        If it is none.
    """
    found = finite(value)
    if found is None or not low <= found <= high:
        bounds = f">= {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        msg = f"{name} is a finite number {bounds}, not {show(value)}"
        raise SearchError(msg)
    return found


def generator(rng: object) -> np.random.Generator:
    """Return a generator: the given one, or that of a seed.

    Raises
    ------
    SearchError
        If it is neither; nothing is ever drawn from NumPy's global state or the system's.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if not is_integer(rng) or rng < 0:
        msg = (
            f"rng is an integer >= 0 or a numpy.random.Generator, not {show(rng)}; give one, as in "
            "rng=0, so that the search can be repeated"
        )
        raise SearchError(msg)
    return np.random.default_rng(int(rng))


def told(rng: Rng) -> int | None:
    """Return the seed for the history; None of a generator, which does not tell its own."""
    return None if isinstance(rng, np.random.Generator) else int(rng)


def initial_codes(initial: Any, space: SearchSpace) -> Codes:
    """Return the architectures that a search begins with: uint8 [n, n_genes], maybe none.

    Raises
    ------
    ArchitectureError
        If they are not what `anb_onnx.encode` takes.
    """
    if initial is None:
        return np.empty((0, space.n_genes), dtype=np.uint8)
    return encode(initial, space)


def with_random(
    initial: Any, n: int, rng: np.random.Generator, space: SearchSpace, name: str
) -> Codes:
    """Return the given architectures, and random ones behind them: uint8 [n, n_genes].

    Raises
    ------
    SearchError
        If more than `n` are given; names the setting that `n` is.
    ArchitectureError
        If they are not what `anb_onnx.encode` takes.
    """
    given = initial_codes(initial, space)
    if len(given) > n:
        msg = f"initial has {len(given)} architectures, more than {name}={n}"
        raise SearchError(msg)
    return np.concatenate([given, sample(n - len(given), seed=rng, space=space)])


def row_matrix(name: str, codes: object, space: SearchSpace | None) -> Codes:
    """Return codes, uint8 [n, n_genes], as they are, once they are such codes.

    Raises
    ------
    SearchError
        If they are no array of this type with two axes.
    ArchitectureError
        If there is a space and they are not of it.
    """
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8 or codes.ndim != 2:
        msg = f"{name} is an array of uint8 [n, genes], not {show(codes)}; encode() makes one"
        raise SearchError(msg)
    if space is not None:
        check_codes(codes, space)
    return codes
