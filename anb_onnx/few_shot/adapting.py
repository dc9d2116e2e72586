"""`adapt`: a surrogate of a device of one's own, from a few measurements; `suggest`: of what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anb_onnx._io.show import show
from anb_onnx._io.version import own_version
from anb_onnx.calibration import Calibration
from anb_onnx.catalog.benchmarks import benchmarks
from anb_onnx.encoding.encoding import (
    Architectures,
    codes_to_symbols,
    encode,
    indices_to_codes,
)
from anb_onnx.errors import MeasurementError, SourceError
from anb_onnx.few_shot.basis import Basis, bases_of
from anb_onnx.few_shot.counts import Count, count_of, counts_of
from anb_onnx.few_shot.design import design
from anb_onnx.few_shot.figures import figures
from anb_onnx.few_shot.forecast import forecasts
from anb_onnx.few_shot.measurements import Measurements, measurements
from anb_onnx.few_shot.members import member_entries
from anb_onnx.few_shot.outliers import posterior_without_outliers
from anb_onnx.few_shot.posterior import Posterior, setting_prior
from anb_onnx.few_shot.sources import SourceTable, Values, source_of
from anb_onnx.few_shot.tabling import raised, tabled
from anb_onnx.links import Link
from anb_onnx.loading import from_tables, load
from anb_onnx.spaces.architecture import sample
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import SearchSpace, is_integer, needed_space
from anb_onnx.surrogate import Surrogate
from anb_onnx.tables import MAX_MEMBERS

#: Metrics whose targets are taken for source devices where none are named.
SOURCE_METRICS = ("latency", "throughput", "energy", "train_time")

#: Levels of intervals, as those of the bundled surrogates.
LEVELS = (0.0, *(k / 20 for k in range(1, 20)), 0.975, 0.99, 0.995)

#: Random architectures that `suggest` chooses from, where none are given.
_CANDIDATES = 2000

#: Most of them that may be given, and most that are chosen: time and memory grow with both.
_MOST_CANDIDATES = 2**16
_MOST_CHOSEN = 500

#: How many more measurements an outlook is for.
_MORE = 10

#: Random architectures that those are chosen from.
_NEXT = 256

#: As many measurements that lie as far off as they should as the posterior itself is worth, when
#: intervals are scaled by how far the measurements do.
_BELIEF = 10.0

SourceLike = str | Surrogate


@dataclass(frozen=True, eq=False)
class _Devices:
    """Source devices of a space, with what they say of settings; found once for the same ones."""

    sources: tuple[SourceTable, ...]
    names: tuple[str, ...]
    licenses: tuple[str, ...]
    bases: tuple[Basis, ...]
    prior: Values


#: Source devices met last, by the SHA-256 of their files: what they say takes a second to find, and
#: up to some ten MB to keep.
_known: dict[tuple[str, ...], _Devices] = {}
_MOST_KNOWN = 8


def suggest(
    n: int,
    *,
    space: SearchSpace | None = None,
    sources: Sequence[SourceLike] | None = None,
    measured: Architectures | None = None,
    seed: int = 0,
    candidates: Architectures | None = None,
) -> NDArray[np.uint8]:
    """Say which architectures to measure on a device, so that `adapt` learns most of it.

    They are chosen one by one, each such that least remains unknown of the times of random
    architectures: the first few alone are a good choice, too, so one may stop early.

    Parameters
    ----------
    n : int
        How many, at most 500.
    space : SearchSpace, optional
        `MNASNET` if not given.
    sources : sequence of str or Surrogate, optional
        Source devices: names of targets of the benchmark of that space, or surrogates. All its
        device targets if not given; an empty one for none.
    measured : optional
        Architectures that were measured already, as `anb_onnx.encode` takes them: they are not
        suggested again, and what they tell is taken for known.
    seed : int
        Of the random architectures that are chosen from, and looked at.
    candidates : optional
        Architectures to choose from, as `anb_onnx.encode` takes them, at most 65,536; about 2,000
        random ones if not given.

    Returns
    -------
    ndarray of uint8 [n, n_genes]
        Codes, in the order in which to measure.

    Raises
    ------
    MeasurementError
        If there are not that many architectures to choose from, or too many.
    SourceError
        If a source has no tables, or is of another space.
    TargetError
        If there is no target of a name.
    ArchitectureError
        If an architecture is no member of the space.

    Examples
    --------
    >>> import anb_onnx
    >>> codes = anb_onnx.suggest(5, seed=1)
    >>> codes.shape, codes.dtype
    ((5, 28), dtype('uint8'))
    """
    space = MNASNET if space is None else space
    if not is_integer(n) or not 0 <= n <= _MOST_CHOSEN:
        msg = f"n must be a number of architectures from 0 to {_MOST_CHOSEN}, not {show(n)}"
        raise MeasurementError(msg)
    _check_seed(seed)
    devices = _devices(needed_space(space, "suggest"), sources)
    rng = np.random.default_rng(seed)
    known = np.zeros((0, space.n_genes), np.uint8) if measured is None else encode(measured, space)
    if candidates is None:
        drawn = _drawn(_CANDIDATES + int(n) + len(known), space, rng)
    else:
        drawn = encode(candidates, space)
    taken = {row.tobytes() for row in known}
    distinct = [row for row in dict.fromkeys(row.tobytes() for row in drawn) if row not in taken]
    choice = np.frombuffer(b"".join(distinct), np.uint8).reshape(-1, space.n_genes)
    if len(choice) < n:
        msg = (
            f"{n} architectures were asked for, but there are {len(choice)} to choose from that "
            "are not measured; give more candidates, or a smaller n"
        )
        raise MeasurementError(msg)
    if len(choice) + len(known) > _MOST_CANDIDATES:
        msg = (
            f"{len(choice) + len(known)} architectures to choose from or measured, at most "
            f"{_MOST_CANDIDATES} are allowed; give fewer candidates, such as a random part of them"
        )
        raise MeasurementError(msg)
    symbols = codes_to_symbols(choice, space).astype(np.int64)
    before = codes_to_symbols(known, space).astype(np.int64)
    order = design(devices.bases, devices.prior, symbols, int(n), before, rng)
    return choice[order].copy()


def _drawn(count: int, space: SearchSpace, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the codes of random architectures, or all of a space of no more than so many."""
    if space.size > count:
        return sample(count, seed=int(rng.integers(2**31)), space=space)
    return indices_to_codes(rng.permutation(space.size), space)


def adapt(
    architectures: Any,
    values: Any,
    *,
    std: Any = None,
    repeats: Any = None,
    metric: str,
    unit: str,
    device: str | None = None,
    direction: str | None = None,
    space: SearchSpace | None = None,
    sources: Sequence[SourceLike] | None = None,
    seed: int = 0,
    members: int = 8,
) -> Surrogate:
    """Make a surrogate of a device from a few measurements.

    The device's time is taken to be a sum of tables that resembles those of the source devices;
    how much, the measurements tell (see docs/few-shot.md). The surrogate answers at once, for every
    architecture of the space, with an interval; its members are draws from what is possible given
    the measurements. `Surrogate.save` makes an artifact of it.

    Parameters
    ----------
    architectures
        What was measured, as `anb_onnx.encode` takes it, a table as for `anb_onnx.from_table`, or a
        list of NAS-Bench-201's strings. At least three different ones; ten to fifty are usual.
    values : sequence, ndarray or Series [N]
        Their measurements, in `unit`, above 0.
    std : number or sequence [N], optional
        Standard deviation of one measurement, in `unit`.
    repeats : int or sequence [N], optional
        How many measurements each value is the mean of.
    metric : str
        ``"latency"``, ``"throughput"``, ``"energy"``, or any other together with `direction`.
    unit : str
        For example ``"ms"``, ``"images/s"`` or ``"mJ"``.
    device : str, optional
        Name of the device: the target is then called ``metric_device``.
    direction : {"max", "min"}, optional
        Whether larger or smaller is better, for metrics of other names.
    space : SearchSpace, optional
        That of the architectures where they carry one, else `MNASNET`.
    sources : sequence of str or Surrogate, optional
        Source devices: names of targets of the benchmark of that space, or surrogates. All its
        device targets if not given; an empty one for none.
    seed : int
        Of the draws.
    members : int
        Number of draws, 1 to 1,024. The std of one says nothing.

    Returns
    -------
    Surrogate
        Its ``metadata["quality"]["leave_one_out"]`` tells how well each measurement is predicted
        from all others, its ``metadata["adapted"]`` sources, outliers, notes and what to expect.

    Raises
    ------
    MeasurementError
        If a measurement is not allowed, or they are too few; names row and value.
    SourceError, TargetError, ArchitectureError
        As from `suggest`.

    Examples
    --------
    >>> import anb_onnx
    >>> codes = anb_onnx.suggest(10)
    >>> times = 2.0 * anb_onnx.load("latency_zcu102").query(codes).mean  # in place of a stopwatch
    >>> phone = anb_onnx.adapt(codes, times, metric="latency", unit="ms", device="my-phone")
    >>> found = phone.query(anb_onnx.efficientnet_b0())
    >>> phone.target.name, found.unit, bool(abs(found.mean / 16.8 - 1) < 0.1)
    ('latency_my-phone', 'ms', True)
    """
    data = measurements(
        architectures,
        values,
        std=std,
        repeats=repeats,
        metric=metric,
        unit=unit,
        device=device,
        direction=direction,
        space=space,
    )
    return adapted(data, sources=sources, seed=seed, members=members)


def adapted(
    data: Measurements,
    *,
    sources: Sequence[SourceLike] | None = None,
    seed: int = 0,
    members: int = 8,
) -> Surrogate:
    """Make a surrogate from measurements that are checked already: see `adapt`."""
    if not is_integer(members) or not 1 <= members <= MAX_MEMBERS:
        msg = f"members must be an integer from 1 to {MAX_MEMBERS}, not {show(members)}"
        raise MeasurementError(msg)
    _check_seed(seed)
    devices = _devices(data.space, sources)
    symbols = codes_to_symbols(data.codes, data.space).astype(np.int64)
    times = 1.0 / data.values if data.rate else data.values.copy()
    errors = data.errors * times**2 if data.rate else data.errors.copy()
    posterior, wrong = posterior_without_outliers(
        devices.bases, devices.prior, symbols, times, errors
    )
    rng = np.random.default_rng((seed, len(times)))
    entries = member_entries(posterior, int(members), rng) * posterior.data.scale
    basis = devices.bases[0]
    entries, lifted = raised(basis, entries, float(np.delete(times, wrong).min()))
    link = Link("-1") if data.rate else Link()
    ensemble = tabled(basis, entries, link)
    card = _card(data, devices, posterior, wrong, lifted, seed, members, rng)
    return from_tables(ensemble, card)


def _check_seed(seed: object) -> None:
    if not is_integer(seed) or seed < 0:
        msg = f"seed must be an integer >= 0, not {show(seed)}"
        raise MeasurementError(msg)


def _card(
    data: Measurements,
    devices: _Devices,
    posterior: Posterior,
    wrong: list[int],
    lifted: str | None,
    seed: int,
    members: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the model card, with what is to be expected of the predictions."""
    kept = np.delete(np.arange(len(data)), wrong)
    mean, std = posterior.left_out()
    measured = data.values[kept]
    predicted = mean * posterior.data.scale
    spread = std * posterior.data.scale
    notes = [*data.notes, *([lifted] if lifted else [])]
    if not devices.sources:
        notes.append(
            "no source devices: predictions rest on the measurements and on operation counts, and "
            "are worse than with some"
        )
    symbols = posterior.data.symbols

    def further() -> NDArray[np.int64]:
        basis = devices.bases[0]
        candidates = basis.reference[rng.permutation(len(basis.reference))[:_NEXT]]
        return candidates[design(devices.bases, devices.prior, candidates, _MORE, symbols, rng)]

    now, then = forecasts(posterior, further, rng)
    digest = hashlib.sha256(data.codes.tobytes() + data.values.astype("<f8").tobytes())
    licenses = sorted(set(devices.licenses))
    target = data.target
    return {
        "metric": target.metric,
        "device": target.device,
        "unit": target.unit,
        "direction": target.direction,
        "exact": False,
        "recipe": "few-shot",
        "seeds": [int(seed)],
        "quality": {"leave_one_out": figures(measured, predicted, spread, rate=data.rate)},
        "calibration": calibration_of(posterior, members).to_dict(),
        "dataset": {
            "name": f"{len(data)} measurements of {target.device or target.metric}",
            "license": "unstated",
            "sha256": digest.hexdigest(),
            "n_records": sum(map(len, data.rows)),
            "n_used": len(kept),
            "n_dropped": sum(len(data.rows[k]) for k in wrong),
        },
        "license": " AND ".join(licenses) if licenses else "unstated",
        "versions": _versions(),
        "adapted": {
            "sources": list(devices.names),
            "measurements": len(data),
            "outliers": sorted(row for k in wrong for row in data.rows[k]),
            "noise": float(f"{posterior.noise:.4g}"),
            "expected": dict(now.to_dict()),
            "more": {"n": _MORE, **then.to_dict()},
            "notes": notes,
        },
    }


def calibration_of(posterior: Posterior, members: int) -> Calibration:
    """Return intervals around the members' mean, from their std and the noise.

    How far the measurements lie from what all others say of them scales both, as far as there are
    more of them than `_BELIEF`. A std of few draws is itself uncertain, so quantiles are those of
    Student's t with one degree of freedom less than there are members. Of a single member, which
    has no std, the noise takes the part of the mean uncertainty of what was measured.
    """
    mean, std = posterior.left_out()
    k = len(std)
    squares = float((((posterior.data.times - mean) / std) ** 2).sum())
    factor = float(np.sqrt((_BELIEF + squares) / (_BELIEF + k)))
    if members == 1:
        noise = float(np.sqrt(((std / posterior.data.sizes) ** 2).mean()))
        return Calibration(0.0, factor * noise, 1, None, LEVELS, _quantiles(10**6))
    noise = factor * posterior.noise
    return Calibration(factor, noise, 1, None, LEVELS, _quantiles(members - 1))


def _quantiles(freedom: int) -> tuple[float, ...]:
    """Return half-widths of Student's t with so many degrees of freedom at `LEVELS`.

    From the integral of its density in the angle atan(t / sqrt(freedom)), which is proportional to
    cos(angle)^(freedom - 1), in 200,000 steps: no library of special functions is needed.
    """
    angles = np.linspace(0.0, np.pi / 2, 200_001)
    density = np.cos(angles) ** (freedom - 1) if freedom > 1 else np.ones_like(angles)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    found = np.interp(LEVELS, mass / mass[-1], angles)
    return tuple(float(f"{x:.6g}") for x in np.sqrt(freedom) * np.tan(found))


def _versions() -> dict[str, str]:
    return {"anb-onnx": own_version(), "numpy": np.__version__}


def _devices(space: SearchSpace, sources: Sequence[SourceLike] | None) -> _Devices:
    """Return the source devices, and what follows from them alone."""
    found = _named_sources(space) if sources is None else _given_sources(space, sources)
    key = (str(space), *(surrogate.sha256 for surrogate in found))
    # No lock, which a fork might find taken: two threads may find the same twice, no more.
    known = _known.pop(key, None)
    if known is None:
        tables = tuple(source_of(surrogate) for surrogate in found)
        counts = _counts(space)
        known = _Devices(
            tables,
            tuple(surrogate.target.name for surrogate in found),
            tuple(str(surrogate.metadata.get("license") or "unstated") for surrogate in found),
            bases_of(space, tables, counts),
            setting_prior(space, tables, counts),
        )
    _known[key] = known  # now the last of them
    for old in list(_known)[:-_MOST_KNOWN]:
        _known.pop(old, None)
    return known


def _counts(space: SearchSpace) -> tuple[Count, ...]:
    """Return operation counts: published ones, else what the space's benchmark counts exactly."""
    known = counts_of(space)
    if known:
        return known
    for catalog in benchmarks():
        if catalog.space == space:
            names = [a.target.name for a in catalog.artifacts if a.card.exact]
            exact = [load(name, benchmark=catalog.benchmark, engine="numpy") for name in names]
            return tuple(count for s in exact if (count := count_of(s)) is not None)
    return ()


def _named_sources(space: SearchSpace) -> list[Surrogate]:
    """Load the device targets of the installed benchmark of a space; none where there is none."""
    for catalog in benchmarks():
        if catalog.space == space:
            return [
                load(target.name, benchmark=catalog.benchmark, engine="numpy")
                for target in catalog.targets
                if target.metric in SOURCE_METRICS
            ]
    return []


def _given_sources(space: SearchSpace, sources: Sequence[SourceLike]) -> list[Surrogate]:
    if isinstance(sources, (str, Surrogate)):
        sources = [sources]
    if not isinstance(sources, Iterable):
        msg = f"sources must be a list of names of targets or surrogates, not {show(sources)}"
        raise SourceError(msg)
    benchmark = next((c.benchmark for c in benchmarks() if c.space == space), None)
    found = []
    for source in sources:
        if isinstance(source, str):
            if benchmark is None:
                msg = (
                    f"no benchmark of search space {space.name!r} is installed to look up source "
                    f"{show(source)} in; give surrogates (anb_onnx.load(..., path=FOLDER))"
                )
                raise SourceError(msg)
            source = load(source, benchmark=benchmark, engine="numpy")
        if not isinstance(source, Surrogate):
            msg = f"a source is the name of a target or a surrogate, not {show(source)}"
            raise SourceError(msg)
        if source.space != space:
            msg = (
                f"source {source.target.name!r} is of search space {source.space.name!r}, the "
                f"measurements of {space.name!r}"
            )
            raise SourceError(msg)
        found.append(source)
    return found
