"""Golden vectors: architectures with the exact bits every engine and language must reproduce."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.output import write_output
from anb_onnx.catalog.card import VECTOR
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.changing import neighbours
from anb_onnx.spaces.mnasnet import MNASNET, efficientnet_b0
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.tables import TableEnsemble
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.manifest import forget, set_listed

#: Name of the file.
GOLDEN_FILE = "golden.bin"

#: How many architectures, and the seed of those that are drawn at random.
N_GOLDEN = 4096

#: How many of these, the first ones, are told of further outputs and whole curves.
N_MORE = 256
_SEED = 2024


def golden_codes(space: SearchSpace, n: int = N_GOLDEN) -> NDArray[np.uint8]:
    """Return uint8 [n, n_genes], fewer rows for small spaces: architectures of all kinds.

    They are corners, in MnasNet's space EfficientNet-B0 and its neighbours, and random ones.
    The corners are the first and the last architecture, and those in which one gene of all blocks
    differs from them; all distinct rows.
    """
    low = np.zeros(space.n_genes, dtype=np.uint8)
    high = (space.cardinalities - 1).astype(np.uint8)
    rows = [low, high]
    for gene in range(space.n_genes):
        for base, other in ((low, high), (high, low)):
            row = base.copy()
            row[gene] = other[gene]
            rows.append(row)
    if space == MNASNET:
        b0 = efficientnet_b0()
        rows += [np.array(a.codes, dtype=np.uint8) for a in (b0, *neighbours(b0))]
    rows += list(sample(2 * n, seed=_SEED, space=space))
    distinct = list(dict.fromkeys(row.tobytes() for row in rows))
    return np.frombuffer(b"".join(distinct[:n]), np.uint8).reshape(-1, space.n_genes)


def golden_vectors(
    ensembles: Mapping[str, TableEnsemble | VectorEnsemble], space: SearchSpace, n: int = N_GOLDEN
) -> tuple[bytes, dict[str, Any]]:
    """Return the golden file and the manifest's ``golden`` entry that describes it.

    The file is a plain sequence of little-endian arrays without padding: ``architectures`` uint8
    [n, n_genes], then for each target ``mean`` [n], ``std`` [n] and ``members`` [n, M], float32,
    and of one of several outputs those of `more_arrays` for the first `N_MORE`.
    The entry gives name, dtype, shape and byte offset of each.

    Parameters
    ----------
    ensembles : mapping of str to TableEnsemble or VectorEnsemble
        The surrogates by target.
    space : SearchSpace
    n : int
        Most architectures.
    """
    codes = golden_codes(space, n)
    symbols = codes_to_symbols(codes, space)
    parts: list[bytes] = []
    arrays: list[dict[str, Any]] = []

    def append(target: str | None, name: str, array: NDArray[Any], dtype: str) -> None:
        offset = sum(map(len, parts))
        parts.append(np.ascontiguousarray(array, dtype=dtype).tobytes())
        arrays.append(
            {
                "target": target,
                "name": name,
                "dtype": "uint8" if dtype == "u1" else "float32",
                "shape": list(array.shape),
                "offset": offset,
            }
        )

    append(None, "architectures", codes, "u1")
    for target, ensemble in ensembles.items():
        outputs = ensemble.predict(symbols)
        for name, array in zip(("mean", "std", "members"), outputs, strict=True):
            append(target, name, array, "<f4")
        if isinstance(ensemble, VectorEnsemble):
            for name, array in more_arrays(ensemble, symbols[:N_MORE]).items():
                append(target, name, array, "<f4")
    return b"".join(parts), {"n": len(codes), "byte_order": "little", "arrays": arrays}


def more_arrays(
    vector: VectorEnsemble, symbols: NDArray[np.integer]
) -> dict[str, NDArray[np.float32]]:
    """Return what golden vectors hold of an artifact of several outputs besides the target.

    They are ``output_means`` and ``output_stds`` [n, K] and, of curves, ``curve_mean`` and
    ``curve_std`` [n, T] at all knots, ``between_mean`` and ``between_std`` [n, T - 1] in the middle
    between two knots each: at ``t[i] + (t[i+1] - t[i]) / 2`` in float64.
    """
    found = [output.predict(symbols) for output in vector.outputs]
    arrays = {
        "output_means": np.stack([mean for mean, _, _ in found], axis=1),
        "output_stds": np.stack([std for _, std, _ in found], axis=1),
    }
    if vector.curve is None:
        return arrays
    at = vector.curve.arrays[0]
    mean, std, _ = vector.predict_knots(symbols, np.arange(len(at)))
    arrays |= {"curve_mean": mean, "curve_std": std}
    if len(at) > 1:
        middle = at[:-1] + (at[1:] - at[:-1]) / 2
        between = [vector.predict_at(symbols, np.full(len(symbols), t)) for t in middle.tolist()]
        arrays["between_mean"] = np.stack([mean for mean, _, _ in between], axis=1)
        arrays["between_std"] = np.stack([std for _, std, _ in between], axis=1)
    return arrays


def write_golden(folder: Path, order: Sequence[str] = (), *, n: int = N_GOLDEN) -> None:
    """Write the golden vectors of all table-form artifacts in a folder, and list them.

    Parameters
    ----------
    folder : Path
    order : sequence of str
        Targets that come first, in this order; others follow by name.
    n : int
        Most architectures.

    Raises
    ------
    ArtifactError
        If the manifest is missing or malformed, or an artifact is damaged.
    """
    # Of builds that write into one folder at once, the last one to get here covers all artifacts.
    set_listed(folder, "golden", lambda: _golden_file(folder, order, n))


def _golden_file(folder: Path, order: Sequence[str], n: int) -> dict[str, Any]:
    catalog = Catalog.read(folder)
    listed = {a.target.name: a for a in catalog.artifacts if "tables" in a.card}
    ensembles: dict[str, TableEnsemble | VectorEnsemble] = {}
    for name in [known for known in order if known in listed] + sorted(listed.keys() - set(order)):
        artifact = listed[name]
        kind = VectorEnsemble if artifact.card.form == VECTOR else TableEnsemble
        ensembles[name] = kind.from_artifact(artifact.read(), artifact.card, catalog.space, name)
    golden, entry = golden_vectors(ensembles, catalog.space, n)
    digest = hashlib.sha256(golden).hexdigest()
    facts = {"file": GOLDEN_FILE, "sha256": digest, "bytes": len(golden)}
    forget(folder, "golden", digest)
    write_output(folder / GOLDEN_FILE, golden)
    return {**facts, **entry}
