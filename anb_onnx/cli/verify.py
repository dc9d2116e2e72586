"""`anb-onnx verify`: files by their SHA-256, an engine by its bits, proofs by proving anew."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anb_onnx._io.program import OK, UNVERIFIED, complain
from anb_onnx._io.show import printable
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.catalog import Catalog
from anb_onnx.catalog.golden import Golden, read_golden, same_bits
from anb_onnx.errors import AnbError, ArtifactError
from anb_onnx.loading import load
from anb_onnx.vector_answers import Curve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anb_onnx.catalog.truth import Truth
    from anb_onnx.surrogate import Surrogate


def verify(args: argparse.Namespace) -> int:
    """Check all that a benchmark's manifest lists; one line for each thing, 1 if one is wrong."""
    try:
        catalog = find_benchmark(args.benchmark, args.artifacts)
    except ArtifactError as error:
        return _unverified(str(error))
    code = OK
    for artifact in catalog.artifacts:
        try:
            artifact.read()
        except ArtifactError as error:
            code = _unverified(str(error))
        else:
            _ok(artifact.sha256, artifact.path.name)
    if code == OK:
        code = _verify_golden(catalog, args)
    return code if code else _verify_truth(catalog, args)


def _verify_golden(catalog: Catalog, args: argparse.Namespace) -> int:
    """Compare an engine's answers with the golden vectors, bit for bit."""
    try:
        golden = read_golden(catalog.folder)
    except ArtifactError as error:
        return _unverified(str(error))
    if golden is None:
        return OK
    code, n = OK, len(golden.codes)
    for target, outputs in golden.outputs.items():
        with _load(target, args) as surrogate:
            found = surrogate.query_codes(golden.codes, members=True)
            engine = surrogate.engine  # that computed, where the choice was auto's
            wrong = _wrong_arrays(surrogate, golden)
        if same_bits(found, outputs) and not wrong:
            _ok(f"{n} golden architectures, {engine} engine", target)
        else:
            which = f" of {', '.join(wrong)}" if same_bits(found, outputs) else ""
            message = f"{target}: the {engine} engine differs from the golden vectors{which}"
            code = _unverified(message)
    return code


def _wrong_arrays(surrogate: Surrogate, golden: Golden) -> list[str]:
    """Return the names of golden arrays of further outputs and curves that come out otherwise."""
    stated = golden.more.get(surrogate.target.name, {})
    if not stated and not surrogate.outputs:
        return []
    n = len(next(iter(stated.values()))) if stated else 0
    found = _more_arrays(surrogate, golden.codes[:n])
    return [
        name
        for name in dict.fromkeys([*found, *stated])
        if name not in stated
        or name not in found
        or found[name].shape != stated[name].shape
        or found[name].tobytes() != stated[name].tobytes()
    ]


def _more_arrays(
    surrogate: Surrogate, codes: npt.NDArray[np.uint8]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return what golden vectors hold of further outputs and curves, from a surrogate's answers."""
    if not surrogate.outputs:
        return {}
    found = [output.query_codes(codes) for output in surrogate.outputs.values()]
    arrays = {
        "output_means": np.stack([outputs.mean for outputs in found], axis=1),
        "output_stds": np.stack([outputs.std for outputs in found], axis=1),
    }
    curve = surrogate.query(codes)
    if not isinstance(curve, Curve):
        return arrays
    values, at = curve.until(), curve.epochs
    arrays |= {"curve_mean": values.mean, "curve_std": values.std}
    if len(at) > 1:
        middle = at[:-1] + (at[1:] - at[:-1]) / 2
        between = [curve.at(t) for t in middle.tolist()]
        arrays["between_mean"] = np.stack([p.mean for p in between], axis=1)
        arrays["between_std"] = np.stack([p.std for p in between], axis=1)
    return arrays


def _verify_truth(catalog: Catalog, args: argparse.Namespace) -> int:
    """Ask for every value again, prove the extremes and the best anew, and count a shard."""
    # Imported here: a folder without truth needs none of it.
    from anb_onnx.catalog.truth_file import listed_truth
    from anb_onnx.catalog.truth_reader import read_truth

    try:
        truths = read_truth(catalog.folder)
    except ArtifactError as error:
        return _unverified(str(error))
    if truths is None:
        return OK
    _ok(*listed_truth(catalog.folder))
    counted = [name for name, truth in truths.items() if truth.shards is not None]
    if not args.thorough:
        counted = random.SystemRandom().sample(counted, min(len(counted), 1))
    code = OK
    for name in truths:
        with _load(name, args) as surrogate:
            checks: list[tuple[Callable[..., Iterator[str]], bool]] = [
                (_asked_again, True),
                (_proven_again, True),
                (_counted_again, name in counted),
            ]
            for check, wanted in checks:
                if wanted:
                    code |= _run(check, surrogate, truths)
    return code


def _run(
    check: Callable[[Surrogate, Mapping[str, Truth]], Iterator[str]],
    surrogate: Surrogate,
    truths: Mapping[str, Truth],
) -> int:
    """Print what a check found to be right, or what it raised."""
    name = surrogate.target.name
    try:
        for what in check(surrogate, truths):
            _ok(what, name)
    except AnbError as error:
        return _unverified(f"{name}: {error}")
    return OK


class _Wrong(AnbError):
    """What is stated as proven is not so."""


def _asked_again(surrogate: Surrogate, truths: Mapping[str, Truth]) -> Iterator[str]:
    """Compare the values of extremes, landmarks and fronts with those of the engine."""
    truth = truths[surrogate.target.name]
    stated = [
        *((f"the {what}", extreme.codes, extreme.value) for what, extreme in _extremes(truth)),
        *(
            (f"landmark {name}", np.frombuffer(mark.codes, np.uint8)[None], mark.value)
            for name, mark in truth.landmarks.items()
        ),
        *(
            (f"the front of {' and '.join(pair)}", front.codes, front.values[:, pair.index(name)])
            for pair, front in truth.fronts.items()
            for name in [truth.target]
        ),
    ]
    for what, codes, values in stated:
        found = surrogate.query_codes(np.ascontiguousarray(codes)).mean
        wrong = np.flatnonzero(found.view(np.uint32) != np.float32(values).view(np.uint32))
        if len(wrong):
            row = int(wrong[0])
            wanted = float(np.broadcast_to(values, found.shape)[row])
            msg = f"architecture {row} of {what} has {float(found[row])!r}, not {wanted!r}"
            raise _Wrong(msg)
    n = sum(len(codes) for _, codes, _ in stated)
    yield f"{n} values of extremes, landmarks and {len(truth.fronts)} fronts, asked again"


def _extremes(truth: Truth) -> list[tuple[str, Any]]:
    return [("optimum", truth.optimum), ("worst", truth.worst)]


def _proven_again(surrogate: Surrogate, truths: Mapping[str, Truth]) -> Iterator[str]:
    """Prove the optimum and the worst once more, and list the best."""
    from anb_onnx import exact

    truth = truths[surrogate.target.name]
    opposite: Any = {"max": "min", "min": "max"}
    for what, extreme in _extremes(truth):
        way = truth.direction if what == "optimum" else opposite[truth.direction]
        found = exact.optimum(surrogate, direction=way)
        proven = (found.solutions[0].value, 1 + found.ties)
        if proven != (extreme.value, extreme.count):
            msg = (
                f"the {what} is {proven[0]!r}, of {proven[1]} architectures, not "
                f"{extreme.value!r}, of {extreme.count}"
            )
            raise _Wrong(msg)
    if truth.best_to is not None:
        listed = exact.enumerate(surrogate, truth.best_to, limit=len(truth.best) + 1).values
        if not np.array_equal(listed, truth.best):
            msg = f"the best, down to {truth.best_to!r}, are not those of the list"
            raise _Wrong(msg)
    best = f", worst and the {len(truth.best)} best" if len(truth.best) else " and worst"
    yield f"optimum{best}, proven again"


def _counted_again(surrogate: Surrogate, truths: Mapping[str, Truth]) -> Iterator[str]:
    """Count the architectures of a random shard once more."""
    from anb_onnx.sweep.grid import Grid
    from anb_onnx.sweep.run import sweep

    truth = truths[surrogate.target.name]
    shards, ensemble = truth.shards, surrogate._ensemble
    if shards is None or ensemble is None:
        return
    low, high = sorted((truth.optimum.value, truth.worst.value))
    grid = Grid(low, high, shards.bins, shards.landmarks)
    if truth.edges is None or not np.array_equal(grid.edges, truth.edges):
        msg = "the edges of its distribution are not those of its bins and landmarks"
        raise _Wrong(msg)
    number = random.SystemRandom().randrange(len(shards.digests))
    found = sweep(ensemble, grid, range(number, number + 1), threads=surrogate.threads)
    same_size = found.subject.shard_size == shards.size
    if not same_size or found.digest_of(number) != shards.digests[number].tobytes():
        msg = f"shard {number} of {len(shards.digests)} has other counts than stated"
        raise _Wrong(msg)
    yield f"shard {number} of {len(shards.digests)}, {shards.size} architectures, counted again"


def _load(target: str, args: argparse.Namespace) -> Surrogate:
    return load(target, benchmark=args.benchmark, path=args.artifacts, engine=args.engine)


def _ok(what: str, of: str) -> None:
    sys.stdout.write(f"ok  {what}  {printable(of)}\n")


def _unverified(message: str) -> int:
    complain(message)
    return UNVERIFIED
