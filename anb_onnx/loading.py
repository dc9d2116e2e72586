"""Loading a surrogate: which file, which engine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from anb_onnx._io.show import show
from anb_onnx.calibration import Calibration, Pointwise
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.catalog.card import VECTOR, Card, output_card
from anb_onnx.catalog.catalog import Artifact, Target, listed_beside, target_of_card
from anb_onnx.catalog.manifest import card_from_metadata, read_bytes, read_space
from anb_onnx.engines.auto import AutoEngine
from anb_onnx.engines.base import Engine
from anb_onnx.engines.numpy_engine import ReferenceEngine
from anb_onnx.errors import ArtifactError, EngineError, TargetError, TruthError
from anb_onnx.onnx_files.messages import read_metadata
from anb_onnx.parallel.shelter import import_sheltered
from anb_onnx.spaces.space import SearchSpace
from anb_onnx.surrogate import Content, Origin, Surrogate, open_native
from anb_onnx.tables import TableEnsemble
from anb_onnx.vector_surrogate import VectorSurrogate
from anb_onnx.vectors import VectorEnsemble
from anb_onnx.writing.table_form import build_table_model
from anb_onnx.writing.vector_form import build_vector_model, check_graph

if TYPE_CHECKING:
    from anb_onnx.catalog.truth import Truth

#: What `load(engine=...)` accepts; "auto" leaves the choice to this release.
ENGINES = ("auto", "native", "onnxruntime", "numpy")
_TABLE_ENGINES = ("native", "numpy")


def load(
    target: str | None = None,
    *,
    device: str | None = None,
    benchmark: str | None = None,
    path: str | os.PathLike[str] | None = None,
    engine: str = "auto",
    threads: SupportsIndex | None = None,
) -> Surrogate:
    """Load the surrogate of a target of a benchmark, or of an ONNX file.

    Parameters
    ----------
    target : str, optional
        Name of a target (``"accuracy"``, ``"throughput_tpuv2"``) or a metric
        (``"throughput"``); `anb_onnx.targets` lists them.
    device : str, optional
        Device of the metric, for example ``"tpuv2"``.
    benchmark : str, optional
        Name of the benchmark, of those that `anb_onnx.benchmarks` lists. If not given:
        ``"accel-nasbench"``, or the only one where that is not there.
    path : path, optional
        A folder to look for the target in, instead of the installed artifacts: that of a
        benchmark, or one of benchmark folders. Or, instead of a target, an ONNX file written by
        anb-export. Where a `manifest.json` beside
        it lists the file, its SHA-256 is checked, and that both say the same; else the file's own
        metadata is used.
    engine : {"auto", "native", "onnxruntime", "numpy"}
        What computes; all give the same bits. "native" is the fastest by far; "auto" uses it as
        soon as it pays to compile it, and NumPy before. Artifacts in tree form know "auto" and
        "onnxruntime" only.
    threads : int, optional
        Most threads per query; all CPUs this process may use if not given.

    Returns
    -------
    Surrogate

    Raises
    ------
    TargetError
        Where there is no such benchmark, target, metric or device; lists the valid ones.
    ArtifactError
        Where the file is missing, damaged (its SHA-256 is checked), no regular file, too large or
        no anb_onnx artifact; where the manifest says something else than the file.
    EngineError
        Where engine or threads are not valid.

    Examples
    --------
    >>> import anb_onnx
    >>> with anb_onnx.load("throughput", device="tpuv2") as surrogate:
    ...     surrogate.target.unit
    'images/s'
    """
    _check_engine(engine)
    folder = None if path is None else _path(path)
    if folder is not None and not os.path.isdir(folder):  # noqa: PTH112 - raises nothing
        for name, value in (("target", target), ("device", device), ("benchmark", benchmark)):
            if value is not None:
                msg = (
                    f"give either a {name} or the path of a file, not both ({name}={show(value)}, "
                    f"path={show(path)})"
                )
                raise TargetError(msg)
        return _load_path(folder, engine, threads)
    catalog = find_benchmark(benchmark, folder)
    if target is None:
        msg = f"no target given; {catalog.valid_targets}"
        raise TargetError(msg)
    artifact = catalog.find(target, device)
    # Absolute, because a pickle may be opened in another working directory.
    place = None if folder is None else str(catalog.folder.absolute())
    name = artifact.target.name
    origin = Origin(name, catalog.benchmark, place, engine, threads, artifact.sha256)
    return _open_listed(artifact, artifact.read(), origin)


def _check_engine(engine: object) -> None:
    if not isinstance(engine, str) or engine not in ENGINES:
        msg = f"unknown engine {show(engine)}; valid engines: {', '.join(ENGINES)}"
        raise EngineError(msg)


def _load_path(path: Path, engine: str, threads: SupportsIndex | None) -> Surrogate:
    artifact = listed_beside(path)
    model = artifact.read() if artifact else read_bytes(path, mend="anb-export writes such files")
    # Absolute, because a pickle may be opened in another working directory.
    sha256 = hashlib.sha256(model).hexdigest()
    origin = Origin(None, None, str(path.absolute()), engine, threads, sha256)
    if artifact:
        return _open_listed(artifact, model, origin)
    if engine in _TABLE_ENGINES:
        msg = (
            f"engine {engine!r} needs a manifest.json beside {path} that lists it, to find the "
            "tables in the file; use engine='onnxruntime'"
        )
        raise EngineError(msg)
    return _open_unlisted(model, str(path), origin)


def _open_unlisted(model: bytes, source: str, origin: Origin) -> Surrogate:
    """Open a file of which nothing is known but what its own metadata says."""
    threads = origin.threads
    metadata = read_metadata(model, source)
    if not metadata:
        # What is no ONNX file at all is for the runtime to refuse; it knows more about it.
        _open_onnxruntime(model, source, threads, None)
    document = card_from_metadata(metadata, source)
    space = read_space(document.get("search_space"), source)
    target = target_of_card(document, source)
    card = Card.from_dict(document, source, listed=False)
    opened = _open_onnxruntime(model, source, threads, space)
    return Surrogate(target, card, space, opened, origin, reopen=reopen, read_model=lambda: model)


def _path(path: object) -> Path:
    """Return what `load` was given as its path, once it is one."""
    try:
        name = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        name = None
    if not isinstance(name, str):
        msg = f"path must be a string or a Path, not {show(path)}"
        raise TargetError(msg)
    return Path(name)


def _open_listed(artifact: Artifact, model: bytes, origin: Origin) -> Surrogate:
    """Open a file whose manifest entry is known, with the engine asked for."""
    target, space = artifact.target, artifact.space
    engine, threads, source = origin.engine, origin.threads, str(artifact.path)
    if artifact.entry.get("form") == VECTOR:
        vector = _open_outputs(artifact, model)
        return _open_vector(
            vector,
            model,
            artifact.card,
            origin,
            target=target,
            read_model=lambda: _same_bytes(artifact, origin),
            read_truth=lambda: truth_of(artifact),
        )
    # Tables first: what is wrong with them is told in detail.
    ensemble = _open_tables(artifact, model) if "tables" in artifact.entry else None
    card = artifact.card
    if ensemble is None and engine in _TABLE_ENGINES:
        msg = (
            f"engine {engine!r} runs artifacts in table form, {source} is in the form "
            f"{card.form!r}; use engine='onnxruntime'"
        )
        raise EngineError(msg)
    if ensemble is None:
        opened = _open_onnxruntime(model, source, threads, space)
    else:
        opened = _open(ensemble, model, source, (engine, threads), space)
    return Surrogate(
        target,
        card,
        space,
        opened,
        origin,
        ensemble,
        reopen=reopen,
        read_model=lambda: _same_bytes(artifact, origin),
        read_truth=lambda: truth_of(artifact),
    )


def _same_bytes(artifact: Artifact, origin: Origin) -> bytes:
    """Read a file again that was loaded before."""
    model = read_bytes(artifact.path, mend=artifact.mend)
    if hashlib.sha256(model).hexdigest() != origin.sha256:
        msg = f"{artifact.path} was replaced since it was loaded; load it again"
        raise ArtifactError(msg)
    return model


def from_tables(
    ensemble: TableEnsemble,
    card: Mapping[str, Any],
    *,
    engine: str = "auto",
    threads: SupportsIndex | None = None,
) -> Surrogate:
    """Return the surrogate of tables that are in no file.

    It is as one that `load` returns: all engines, intervals, exact search, pickling. Its `save`
    makes a file of it.

    Parameters
    ----------
    ensemble : TableEnsemble
    card : mapping
        The target's entry of a manifest without what concerns the file: metric, device, unit,
        direction, quality and so on, as `anb_onnx.catalog.card.Card` has them; with a
        ``calibration``, ``dataset`` and ``license`` for intervals. What the tables say themselves
        (form "tables", members, link, terms) may be left out.
    engine, threads
        As for `load`.

    Returns
    -------
    Surrogate

    Raises
    ------
    ArtifactError
        If the card lacks a key, has a value that is not allowed or says something else than the
        tables; if a sum of entries could leave int32, or a prediction or interval float32.
    EngineError
        If engine or threads are not valid.

    Examples
    --------
    >>> import numpy as np
    >>> from anb_onnx import NASBENCH201, Link, Terms
    >>> from anb_onnx.loading import from_tables
    >>> from anb_onnx.tables import TableEnsemble
    >>> terms = Terms(NASBENCH201, tuple((edge,) for edge in range(6)))
    >>> entries = np.arange(30, dtype=np.int32)[:, None]
    >>> tables = TableEnsemble(NASBENCH201, entries, 0.5, 1.0, Link(), terms)
    >>> facts = {"metric": "latency", "device": "my-phone", "unit": "ms", "direction": "min"}
    >>> facts |= {"exact": False, "quality": {}, "versions": {}}
    >>> with from_tables(tables, facts) as surrogate:
    ...     surrogate.target.name, surrogate.query(np.array([0])).mean.tolist()
    ('latency_my-phone', [38.5])
    """
    _check_engine(engine)
    of_tables = {"form": "tables", "members": ensemble.n_members, "link": ensemble.link.to_dict()}
    written = build_table_model(ensemble, {**of_tables, **card})
    content = Content(written.content, written.card["tables"])
    return _open_content(content, engine, threads)


def from_vector(
    vector: VectorEnsemble,
    card: Mapping[str, Any],
    *,
    engine: str = "auto",
    threads: SupportsIndex | None = None,
) -> Surrogate:
    """Return the surrogate of an ensemble of several outputs that is in no file.

    It is as one that `load` returns: all its engines, `outputs`, curves, pickling. Its `save` makes
    a file of it.

    Parameters
    ----------
    vector : VectorEnsemble
    card : mapping
        As for `from_tables`, and ``outputs``: a list of unit and direction of each, and calibration
        or quality where there are some; of an ensemble that makes a ``curve``, metric, unit,
        direction and calibration are the curve's, else those of the first output.
    engine, threads
        As for `load`.

    Returns
    -------
    VectorSurrogate

    Raises
    ------
    ArtifactError
        As from `from_tables`.
    EngineError
        If engine or threads are not valid.
    """
    _check_engine(engine)
    written = build_vector_model(vector, card)
    return _open_content(Content(written.content, written.card["tables"]), engine, threads)


def _open_vector(
    vector: VectorEnsemble,
    model: bytes,
    card: Card,
    origin: Origin,
    *,
    target: Target,
    read_model: Callable[[], bytes],
    read_truth: Callable[[], Truth] | None = None,
) -> Surrogate:
    """Open an artifact of several outputs, whose tables have been read."""
    how, source = (origin.engine, origin.threads), origin.path or target.name
    ensemble = vector.outputs[0] if vector.curve is None else None
    if ensemble is not None and origin.engine != "onnxruntime":
        written = build_table_model(ensemble, output_card(card, 0)).content
        opened = _open(ensemble, written, source, how, vector.space)
    elif origin.engine == "onnxruntime":
        opened = _open_onnxruntime(model, source, origin.threads, vector.space)
    elif origin.engine == "native":
        msg = (
            f"the native engine runs artifacts of one output; that of {target.name!r} predicts a "
            "curve: use engine='auto', or one of its outputs"
        )
        raise EngineError(msg)
    else:
        width = vector.n_members * len(vector.outputs)
        opened = ReferenceEngine(vector, threads=origin.threads, width=width)
    return VectorSurrogate(
        target,
        card,
        vector.space,
        opened,
        origin,
        ensemble,
        reopen=reopen,
        read_model=read_model,
        read_truth=read_truth,
        vector=vector,
        open_output=lambda k: from_tables(
            vector.outputs[k], output_card(card, k), engine=how[0], threads=how[1]
        ),
    )


def _open_outputs(artifact: Artifact, model: bytes) -> VectorEnsemble:
    """Read the outputs of a file, and check what its graph computes, and intervals."""
    card, source = artifact.card, str(artifact.path)
    try:
        return _checked_vector(model, card, artifact.space, source)
    except ArtifactError as error:
        msg = f"{error}; {artifact.mend}"
        raise ArtifactError(msg) from error


def _checked_vector(
    model: bytes, card: Mapping[str, Any], space: SearchSpace, source: str
) -> VectorEnsemble:
    vector = VectorEnsemble.from_artifact(model, card, space, source)
    check_graph(model, vector, card, source)
    _check_intervals(vector, card)
    return vector


def _check_intervals(vector: VectorEnsemble, card: Mapping[str, Any]) -> None:
    """Check that intervals around all predictions are finite, those of outputs, too."""
    for k, output in enumerate(vector.outputs):
        try:
            _check_range(output, output_card(card, k))
        except ArtifactError as error:
            msg = f"output {vector.names[k]!r}: {error}"
            raise ArtifactError(msg) from error
    bounds = vector.bounds
    if bounds is None:
        return
    noises = (vector.curve.noise if vector.curve is not None else None) or ()
    if card.get("calibration") is not None:
        calibration = Calibration.from_dict(card["calibration"])
        calibration.check_range(*bounds)
        replace(calibration, noise=max((calibration.noise, *noises))).check_range(*bounds)
    told = card.get("seed_noise")
    if told is not None:
        noise = vector.outputs[vector.names.index(told["output"])].bounds
        calibration = Calibration.from_dict(told["calibration"])
        variance = np.full(2, max(noise[1], 0.0) ** 2) if noise is not None else None
        Pointwise.of(calibration, added_variance=variance).check_range(*bounds)


def from_model(
    model: bytes, *, engine: str = "auto", threads: SupportsIndex | None = None
) -> Surrogate:
    """Return the surrogate of an ONNX file that need not be written, in a form without tables.

    It is as one that `load` returns for such a file; pickled, it takes the file along. Its `save`
    writes it.

    Parameters
    ----------
    model : bytes
        The file, with its card in its metadata. Of tables, `from_tables` makes a surrogate that
        has all engines.
    engine : {"auto", "onnxruntime"}
    threads
        As for `load`.

    Returns
    -------
    Surrogate

    Raises
    ------
    ArtifactError
        If the bytes are no artifact, or hold tables.
    EngineError
        If engine or threads are not valid.

    Examples
    --------
    >>> from anb_onnx.loading import from_model
    >>> from_model(b"", engine="numpy")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    anb_onnx.errors.EngineError: engine 'numpy' runs artifacts in table form; use ...
    """
    _check_engine(engine)
    return _open_model(Content(model, None), engine, threads)


def _open_model(content: Content, engine: str, threads: SupportsIndex | None) -> Surrogate:
    source = "the model in memory"
    if engine in _TABLE_ENGINES:
        msg = f"engine {engine!r} runs artifacts in table form; use engine='onnxruntime'"
        raise EngineError(msg)
    sha256 = hashlib.sha256(content.model).hexdigest()
    origin = Origin(None, None, None, engine, threads, sha256, content)
    found = _open_unlisted(content.model, source, origin)
    if found.metadata.get("terms") is not None:
        msg = f"{source} holds tables, whose place in it is not stated; use from_tables"
        raise ArtifactError(msg)
    return found


def _open_content(content: Content, engine: str, threads: SupportsIndex | None) -> Surrogate:
    """Open what lies in no file, with all the checks of a file."""
    if content.tables is None:
        return _open_model(content, engine, threads)
    model, source = content.model, "the surrogate in memory"
    document = card_from_metadata(read_metadata(model, source), source)
    space = read_space(document.pop("search_space", None), source)
    card = Card.from_dict(document, source, listed=False)
    target = target_of_card(card, source)
    stated = {**document, "tables": content.tables}
    if card.form == VECTOR:
        vector = _checked_vector(model, stated, space, source)
        sha256 = hashlib.sha256(model).hexdigest()
        origin = Origin(target.name, None, None, engine, threads, sha256, content)
        return _open_vector(vector, model, card, origin, target=target, read_model=lambda: model)
    ensemble = TableEnsemble.from_artifact(model, stated, space, source)
    _check_range(ensemble, stated)
    opened = _open(ensemble, model, target.name, (engine, threads), space)
    sha256 = hashlib.sha256(model).hexdigest()
    origin = Origin(target.name, None, None, engine, threads, sha256, content)
    return Surrogate(
        target, card, space, opened, origin, ensemble, reopen=reopen, read_model=lambda: model
    )


def _check_range(ensemble: TableEnsemble, card: Mapping[str, Any]) -> None:
    """Check that intervals around the predictions are finite."""
    if ensemble.bounds is not None and card.get("calibration") is not None:
        Calibration.from_dict(card["calibration"]).check_range(*ensemble.bounds)


def _open(
    ensemble: TableEnsemble,
    model: bytes,
    source: str,
    how: tuple[str, SupportsIndex | None],
    space: SearchSpace,
) -> Engine:
    """Open the engine of a file in table form; `how` is its name and the number of threads."""
    engine, threads = how
    if engine == "onnxruntime":
        return _open_onnxruntime(model, source, threads, space)
    if engine == "numpy":
        return ReferenceEngine(ensemble)
    if engine == "native":
        return open_native(ensemble, source, threads)
    return AutoEngine(ensemble, lambda: _open_onnxruntime(model, source, threads, space), threads)


def _open_tables(artifact: Artifact, model: bytes) -> TableEnsemble:
    """Read the tables of a file, and check that intervals around their predictions are finite."""
    card = artifact.entry
    try:
        ensemble = TableEnsemble.from_artifact(model, card, artifact.space, str(artifact.path))
        _check_range(ensemble, card)
    except ArtifactError as error:
        msg = f"{error}; {artifact.mend}"
        raise ArtifactError(msg) from error
    return ensemble


def _open_onnxruntime(
    model: bytes, source: str, threads: SupportsIndex | None, space: SearchSpace | None
) -> Engine:
    # Imported here: `import anb_onnx` and listing targets must not wait for it.
    engines = import_sheltered("anb_onnx.engines.onnxruntime_engine")
    engine: Engine = engines.OnnxRuntimeEngine(model, source=source, threads=threads, space=space)
    return engine


def truth_of(artifact: Artifact) -> Truth:
    """Return what is proven of an artifact.

    Raises
    ------
    TruthError
        If nothing is.
    ArtifactError
        If the file is missing, damaged or contradicts itself.
    """
    # Imported here: most who load a surrogate do not ask for it.
    from anb_onnx.catalog.truth_reader import read_truth

    try:
        found = read_truth(artifact.path.parent)
    except ArtifactError as error:
        if artifact.distribution is None:
            raise
        msg = f"{error}; or {artifact.mend}"
        raise ArtifactError(msg) from error
    if found is None or artifact.target.name not in found:
        msg = (
            f"nothing is proven of {artifact.target.name!r} in {artifact.path.parent}; prove it "
            f"with: anb-export truth --out {artifact.path.parent} (pip install anb-onnx-export)"
        )
        raise TruthError(msg)
    return found[artifact.target.name]


def reopen(origin: Origin) -> Surrogate:
    """Load a pickled surrogate again; refuse where the file here is another one."""
    if origin.content is not None:
        return _open_content(origin.content, origin.engine, origin.threads)
    surrogate = load(
        origin.target,
        benchmark=origin.benchmark,
        path=origin.path,
        engine=origin.engine,
        threads=origin.threads,
    )
    if surrogate._origin.sha256 != origin.sha256:
        msg = (
            f"{origin.path or origin.target} here (sha256 {surrogate._origin.sha256}) is not the "
            f"one that was pickled (sha256 {origin.sha256}); install the same version of "
            "anb-onnx on both sides"
        )
        raise ArtifactError(msg)
    return surrogate
