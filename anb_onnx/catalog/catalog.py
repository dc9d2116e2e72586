"""Which targets a benchmark has, which file answers each, and whether that file is whole."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from anb_onnx._io.show import MAX_NAME, is_name, show
from anb_onnx.catalog.card import FILE_KEYS, Card, check_values
from anb_onnx.catalog.manifest import (
    MANIFEST,
    benchmark_name,
    check_card,
    check_schema,
    read_bytes,
    read_document,
    read_space,
)
from anb_onnx.errors import ArtifactError, TargetError
from anb_onnx.spaces.space import SearchSpace

#: Most targets of a manifest.
MAX_TARGETS = 4096

_REINSTALL = "mend it with: pip install --force-reinstall"
#: Of a folder that no distribution installed: nobody knows which of them it was.
_REBUILD = (
    f"anb-export build writes the files and their {MANIFEST}, anb-onnx adapt and Surrogate.save "
    "those of a device of your own"
)


@dataclass(frozen=True)
class Target:
    """A quantity that a surrogate predicts.

    Attributes
    ----------
    name : str
        Unique name, for example ``"accuracy"`` or ``"throughput_tpuv2"``.
    metric : str
        What is measured, for example ``"throughput"``.
    device : str or None
        Where it was measured, None for metrics that depend on no device.
    unit : str
        Unit of every predicted value and standard deviation, for example ``"images/s"``.
    direction : {"max", "min"}
        Whether larger or smaller is better.

    Examples
    --------
    >>> import anb_onnx
    >>> target = anb_onnx.load("throughput", device="a100").target
    >>> target.name, target.unit, target.direction
    ('throughput_a100', 'images/s', 'max')
    """

    name: str
    metric: str
    device: str | None
    unit: str
    direction: Literal["max", "min"]

    @classmethod
    def from_card(cls, name: str, card: Mapping[str, Any], source: str) -> Target:
        """Read the target out of a model card; `source` names the card in errors."""
        if not is_name(name):
            msg = (
                f"{source}: the name of a target must have 1 to {MAX_NAME} printable characters, "
                f"not {show(name)}"
            )
            raise ArtifactError(msg)
        check_values(card, ("device", "direction", "metric", "unit"), source)
        return cls(
            name=name,
            metric=card["metric"],
            device=card.get("device"),
            unit=card["unit"],
            direction=card["direction"],
        )


@dataclass(frozen=True, repr=False)
class Artifact:
    """One ONNX file of a catalog, with what its manifest says about it.

    Attributes
    ----------
    target : Target
        What the file predicts.
    path : Path
        The file.
    sha256 : str
        Hexadecimal SHA-256 that the file must have.
    entry : mapping
        What the manifest says of it, as it stands there; see `card`.
    space : SearchSpace
        Search space of its input.
    benchmark : str
        Name of the benchmark it belongs to.
    distribution : str or None
        The distribution that installed the file, if one did: it decides how the file is mended.
    """

    target: Target
    path: Path
    sha256: str
    entry: Mapping[str, Any]
    space: SearchSpace
    benchmark: str
    distribution: str | None = None

    def __repr__(self) -> str:
        return f"Artifact({self.target.name!r} of {self.benchmark!r}, {str(self.path)!r})"

    @cached_property
    def card(self) -> Card:
        """The manifest's entry, checked: quality, data, recipe, licence and so on.

        Raises
        ------
        ArtifactError
            Naming the key that is missing or has a value that is not allowed.
        """
        try:
            return Card.from_dict(self.entry, self.source, listed=True)
        except ArtifactError as error:
            msg = f"{error}; {self.mend}"
            raise ArtifactError(msg) from error

    @property
    def source(self) -> str:
        """Name of the manifest's entry, for messages."""
        return f"{self.path.parent / MANIFEST}: target {self.target.name!r}"

    @property
    def mend(self) -> str:
        """What mends the file or its manifest, for messages."""
        return _mend(self.distribution)

    def read(self) -> bytes:
        """Return the file's bytes, once they are those that the manifest lists.

        Their SHA-256 must be the manifest's, and the card inside the file must say what the
        manifest says.

        Raises
        ------
        ArtifactError
            Where the file is missing or damaged, or the manifest was changed; names the file, both
            hashes or the key and both values, and the remedy.
        """
        mend = self.mend
        model = read_bytes(self.path, mend=mend)
        found = hashlib.sha256(model).hexdigest()
        if found != self.sha256:
            msg = (
                f"{self.path} is damaged: expected sha256 {self.sha256}, found {found} "
                f"({len(model)} bytes); {mend}"
            )
            raise ArtifactError(msg)
        source = self.source
        try:
            if self.entry.get("bytes") != len(model):
                msg = (
                    f"{source}: key 'bytes' must be {len(model)}, the size of {self.path}, not "
                    f"{show(self.entry.get('bytes'))}"
                )
                raise ArtifactError(msg)
            named = target_of_card(self.entry, source).name
            if self.target.name != named:
                msg = f"{source} must be called {named!r}, after its metric and device"
                raise ArtifactError(msg)
            check_card(model, self.entry, self.space, self.benchmark, source, str(self.path))
        except ArtifactError as error:
            msg = f"{error}; {mend}"
            raise ArtifactError(msg) from error
        return model


@dataclass(frozen=True, repr=False)
class Catalog:
    """The artifacts of one benchmark: those of a folder, as its `manifest.json` lists them.

    Attributes
    ----------
    benchmark : str
        Name of the benchmark, for example ``"accel-nasbench"``.
    space : SearchSpace
        Search space of all its artifacts.
    folder : Path
        The folder.
    artifacts : tuple of Artifact
        In the order of the manifest.

    Examples
    --------
    >>> import anb_onnx
    >>> catalog = anb_onnx.benchmarks()[0]
    >>> catalog.benchmark, catalog.space.name, len(catalog.artifacts)
    ('accel-nasbench', 'mnasnet', 12)
    """

    benchmark: str
    space: SearchSpace
    folder: Path
    artifacts: tuple[Artifact, ...]

    @classmethod
    def read(cls, folder: str | os.PathLike[str], *, distribution: str | None = None) -> Catalog:
        """Read a folder's manifest; the ONNX files are not opened.

        Raises
        ------
        ArtifactError
            Where the manifest is missing, is no JSON, lacks a key or has another schema.
        """
        folder = Path(folder)
        manifest = read_document(folder / MANIFEST, mend=_mend(distribution))
        return cls.of(folder, manifest, distribution=distribution)

    @classmethod
    def of(
        cls, folder: Path, manifest: Mapping[str, Any], *, distribution: str | None = None
    ) -> Catalog:
        """Return the catalog that a folder's manifest, already parsed, describes."""
        source = str(folder / MANIFEST)
        check_schema(manifest.get("schema"), source)
        entries = manifest.get("targets")
        if not isinstance(entries, dict):
            msg = f"{source}: key 'targets' must be an object, not {show(entries)}"
            raise ArtifactError(msg)
        if len(entries) > MAX_TARGETS:
            msg = f"{source} lists {len(entries)} targets, at most {MAX_TARGETS} are allowed"
            raise ArtifactError(msg)
        benchmark = benchmark_name(manifest, source)
        space = read_space(manifest.get("search_space"), source)
        artifacts = tuple(
            Artifact(*_read_entry(folder, name, entry, source), space, benchmark, distribution)
            for name, entry in entries.items()
        )
        first: dict[str, str] = {}
        for artifact in artifacts:
            name, file = artifact.target.name, artifact.path.name
            if first.setdefault(file, name) != name:
                msg = f"{source}: targets {first[file]!r} and {name!r} name the same file, {file!r}"
                raise ArtifactError(msg)
        return cls(benchmark, space, folder, artifacts)

    def __repr__(self) -> str:
        return (
            f"Catalog({self.benchmark!r}, search space {self.space.name!r}, "
            f"{len(self.artifacts)} targets, {str(self.folder)!r})"
        )

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets, in the order of the manifest."""
        return tuple(artifact.target for artifact in self.artifacts)

    def find(self, metric: str, device: str | None = None) -> Artifact:
        """Find the artifact of a target.

        Parameters
        ----------
        metric : str
            Name of a target (``"throughput_tpuv2"``) or a metric (``"throughput"``).
        device : str, optional
            Device, where a metric is given that was measured on several.

        Raises
        ------
        TargetError
            Where there is no such target, metric or device, where a device is needed but not
            given, or given for what depends on none. The message lists what is valid.
        """
        for argument, value in (("target", metric), ("device", device)):
            if not isinstance(value, str) and not (argument == "device" and value is None):
                msg = f"{argument} must be a string, not {show(value)}; {self.valid_targets}"
                raise TargetError(msg)
        named = [a for a in self.artifacts if a.target.name == metric]
        measured = [a for a in self.artifacts if a.target.metric == metric]
        if not named and not measured:
            known = {name for t in self.targets for name in (t.name, t.metric)}
            msg = f"unknown target {show(metric)}{suggest(metric, known)}; {self.valid_targets}"
            raise TargetError(msg)
        fits = [a for a in (*named, *measured) if a.target.device == device]
        if fits:
            return fits[0]
        if named and device is None:
            return named[0]
        devices = sorted({a.target.device for a in (*named, *measured) if a.target.device})
        if not devices:
            msg = f"{metric} depends on no device, so device={show(device)} cannot be given for it"
        elif device is None:
            msg = f"{metric} needs a device; valid devices: {', '.join(devices)}"
        else:
            msg = (
                f"no {metric} for device {show(device)}{suggest(device, devices)}; "
                f"valid devices: {', '.join(devices)}"
            )
        raise TargetError(msg)

    @property
    def valid_targets(self) -> str:
        """The names of the targets in words, for messages."""
        names = ", ".join(target.name for target in self.targets) or "(none)"
        return f"valid targets of benchmark {self.benchmark!r}: {names}"


def listed_beside(path: Path) -> Artifact | None:
    """Find the entry for an ONNX file in a `manifest.json` beside it, if there is one.

    A `manifest.json` of something else (a web application's, say) counts as none.
    """
    manifest = path.parent / MANIFEST
    # Whatever it is: a pipe in its place is refused, not taken for none.
    if not os.path.lexists(manifest):
        return None
    content = read_document(manifest, mend=_REBUILD)
    if "schema" not in content or "targets" not in content:
        return None
    catalog = Catalog.of(path.parent, content)
    return next((a for a in catalog.artifacts if a.path.name == path.name), None)


def target_of_card(card: Mapping[str, Any], source: str) -> Target:
    """Target of a card that stands alone, outside a manifest: named by metric and device."""
    metric, device = card.get("metric"), card.get("device")
    return Target.from_card(f"{metric}_{device}" if device else f"{metric}", card, source)


def _read_entry(
    folder: Path, name: str, entry: object, source: str
) -> tuple[Target, Path, str, Mapping[str, Any]]:
    """Return an entry's target, file, SHA-256 and card."""
    source = f"{source}: target {show(name)}"
    if not isinstance(entry, dict):
        msg = f"{source} must be an object, not {show(entry)}"
        raise ArtifactError(msg)
    check_values(entry, (*FILE_KEYS[:2], "members"), source)
    target = Target.from_card(name, entry, source)
    return target, folder / entry["file"], entry["sha256"], entry


def _mend(distribution: str | None) -> str:
    """Return what mends a file of a distribution, or one that somebody built."""
    return _REBUILD if distribution is None else f"{_REINSTALL} {distribution}"


def suggest(value: str, known: Iterable[str]) -> str:
    """Return the likeliest of the known names in words, or nothing."""
    close = difflib.get_close_matches(value.lower(), sorted(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
