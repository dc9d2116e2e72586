"""Any function of configurations as tables over terms: fitted to what it says of random ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from anb_export.curves.bases import Floats
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.spaces.architecture import sample
from anb_onnx.terms import Terms

#: Sweeps over all terms: later ones change less than the sampling does.
_SWEEPS = 6

#: Configurations for each entry of the largest term.
PER_ENTRY = 6


def projected(predict: Callable[[NDArray[np.uint8]], Floats], terms: Terms, *, seed: int) -> Floats:
    """Return tables whose sums are near to a function, in the mean square over its space.

    The sums of a function's means over all that a term does not hold are its functional ANOVA up
    to the interactions within terms (`anb_export.tables.project` does so for trees in closed form).
    Here the means are over random configurations, term by term, each of what the others leave, the
    largest terms first.

    Parameters
    ----------
    predict : callable
        Of codes uint8 [n, n_genes]; returns float64 [n, K].
    terms : Terms
    seed : int
        Of the configurations.

    Returns
    -------
    ndarray of float64, shape (n_entries, K)
    """
    sizes = np.diff(terms.offsets)
    codes = _configurations(terms, int(sizes.argmax()), seed)
    symbols = codes_to_symbols(codes, terms.space).astype(np.int64)
    left = predict(codes)
    mean = left.mean(axis=0)
    left = left - mean
    tables = [np.zeros((int(size), left.shape[1])) for size in sizes]
    places = [
        np.ravel_multi_index(tuple(symbols[:, list(term)].T), shape)
        for term, shape in zip(terms.blocks, terms.shapes, strict=True)
    ]
    counts = [np.bincount(place, minlength=size) for place, size in zip(places, sizes, strict=True)]
    for _ in range(_SWEEPS):
        for k in np.argsort(-sizes, kind="stable"):
            change = np.stack(
                [np.bincount(places[k], column, minlength=sizes[k]) for column in left.T], axis=1
            )
            change = np.asarray(change / np.maximum(counts[k], 1)[:, None], dtype=np.float64)
            tables[k] += change
            left -= change[places[k]]
    tables[0] += mean
    return np.concatenate(tables)


def _configurations(terms: Terms, largest: int, seed: int) -> NDArray[np.uint8]:
    """Return random configurations in which each entry of a term occurs as often.

    Blocks of the other terms are smaller, so that none of their entries is left out either, but
    by the worst of luck; such a one counts nothing beside the other terms.
    """
    space, term = terms.space, terms.blocks[largest]
    size = terms.offsets[largest + 1] - terms.offsets[largest]
    codes = sample(PER_ENTRY * size, seed=seed, space=space)
    # All genes of the term, of each of its entries in turn.
    genes = [gene for block in term for gene in range(*space.block_slices[block].indices(2**31))]
    shape = [space.gene_sizes[gene] for gene in genes]
    every = np.stack(np.unravel_index(np.arange(size), shape), axis=1)
    codes[:, genes] = np.tile(every, (PER_ENTRY, 1))
    return codes


def at(entries: Floats, terms: Terms, codes: NDArray[np.uint8]) -> Floats:
    """Return float64 [n, K]: the sums of tables for configurations."""
    symbols = codes_to_symbols(codes, terms.space).astype(np.int64)
    found = np.zeros((len(codes), entries.shape[1]))
    for term, shape, start in zip(terms.blocks, terms.shapes, terms.offsets[:-1], strict=True):
        found += entries[start + np.ravel_multi_index(tuple(symbols[:, list(term)].T), shape)]
    return found
