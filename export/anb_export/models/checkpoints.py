"""Finds the checkpoints of the Accel-NASBench reference in the layout in which it publishes them.

``<root>/<model>[_accel]/[<device>/<metric>/]<stamp>-<seed>/surrogate_model.model``, each with its
``model_config.json`` and ``data_config.json``. What a checkpoint predicts stands in its
configuration, and is checked against the names of the folders as far as these follow the layout.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from anb_export.data.accel_nasbench import TARGETS
from anb_onnx._io.files import FileError, read_regular
from anb_onnx._io.strict_json import JsonError, loads
from anb_onnx.errors import AnbError

#: The pickle in each member's folder.
MODEL_FILE = "surrogate_model.model"
#: Model families by the names that the reference gives them.
FAMILIES = {"xgb": "xgb", "lgb": "lgb", "sklearn_forest": "forest", "svr": "svr", "svr_nu": "nusvr"}

_LAYOUT = f"<model>[_accel]/[<device>/<metric>/]<stamp>-<seed>/{MODEL_FILE}"
_SUFFIX = "_accel"  # of models that predict for a device
_LARGEST_CONFIG = 2**20


class CheckpointError(AnbError):
    """A folder of checkpoints is incomplete, or contradicts itself."""


@dataclass(frozen=True)
class Checkpoint:
    """One member of a reference ensemble, not read yet.

    Attributes
    ----------
    path : Path
        The pickle.
    name : str
        Its path below the folder that was searched, with forward slashes.
    family : str
        One of `formats.FAMILIES`.
    target : str
        Name of the target it predicts.
    seed : int or None
        Seed of its training.
    """

    path: Path
    name: str
    family: str
    target: str
    seed: int | None


@dataclass(frozen=True)
class CheckpointEnsemble:
    """Checkpoints of one family and target, sorted by their names."""

    family: str
    target: str
    members: tuple[Checkpoint, ...]


def find_checkpoints(path: str | Path) -> tuple[CheckpointEnsemble, ...]:
    """Find all checkpoints at or below a path.

    Parameters
    ----------
    path : str or Path
        A member's folder or its pickle, the folder of an ensemble, or the whole tree.

    Returns
    -------
    tuple of CheckpointEnsemble
        Sorted by family and target; the members by their names, so that nothing depends on the
        order in which a file system lists them.

    Raises
    ------
    CheckpointError
        If there are none, a member lacks a file, a folder cannot be listed, a symbolic link leads
        nowhere or to members that are found already, or a configuration is malformed or
        contradicts the folder's name.
    """
    path = Path(path)
    root = path.parent if path.name == MODEL_FILE else path
    if not root.is_dir():
        _refuse(f"no folder {root}; give one of checkpoints, or model files with --target")
    groups: dict[tuple[str, str], list[Checkpoint]] = {}
    for folder in _member_folders(root):
        found = _read(folder, root)
        groups.setdefault((found.family, found.target), []).append(found)
    if not groups:
        _refuse(f"no {MODEL_FILE} in or below {root}; the published layout is {_LAYOUT}")
    return tuple(
        CheckpointEnsemble(family, target, tuple(members))
        for (family, target), members in sorted(groups.items())
    )


def _member_folders(root: Path) -> list[Path]:
    folders, bare = [], []
    real = {root.resolve(): root}  # folders by their places, which links do not change
    above = root.resolve().parents
    again: list[tuple[Path, Path]] = []
    for name, subfolders, files in os.walk(root, onerror=_unreadable, followlinks=True):
        folder = Path(name)
        if MODEL_FILE in files:
            folders.append(folder)
        elif "model_config.json" in files:
            bare.append(folder)
        for file in files:
            if (folder / file).is_symlink() and not (folder / file).exists():
                _refuse(
                    f"{folder / file} is a symbolic link that leads nowhere, perhaps to a member: "
                    "mend or remove it"
                )
        kept = []
        for sub in sorted(subfolders):
            place = (folder / sub).resolve()
            if place in above:
                _refuse(f"{folder / sub} is a symbolic link to {place}, above {root}: remove it")
            if place in real:  # by a link: not searched twice, so no loop is endless
                again.append((folder / sub, place))
            else:
                real[place] = folder / sub
                kept.append(sub)
        subfolders[:] = kept
    for other, place in again:
        if any(place in (found.resolve(), *found.resolve().parents) for found in folders):
            _refuse(
                f"{real[place]} and {other} are one folder with members: remove the symbolic link, "
                "or give a folder without it"
            )
    for folder in bare:  # one above its members, as the reference's ensembles have it, is no fault
        if not any(folder in other.parents for other in folders):
            _refuse(
                f"{folder} has model_config.json, but {MODEL_FILE} is missing: copy it there, or "
                "remove the folder"
            )
    return sorted(folders, key=lambda folder: folder.relative_to(root).parts)


def _unreadable(error: OSError) -> NoReturn:
    """Refuse what `os.walk` would leave out."""
    msg = f"cannot list the folder {error.filename}: {error.strerror}"
    raise CheckpointError(msg) from error


def _read(folder: Path, root: Path) -> Checkpoint:
    path = folder / "model_config.json"
    config = _config(path)
    model, device, metric = (config.get(key) for key in ("model", "device", "metric"))
    if not isinstance(model, str):
        _refuse(f"{path}: 'model' is missing; it must be one of {', '.join(FAMILIES)}, or those "
                f"with {_SUFFIX}")  # fmt: skip
    family = FAMILIES.get(model.removesuffix(_SUFFIX))
    if family is None:
        _refuse(f"{path}: model {model[:40]!r} is not supported; supported: {', '.join(FAMILIES)}")
    if model.endswith(_SUFFIX):
        for key, value in (("device", device), ("metric", metric)):
            if not isinstance(value, str):
                _refuse(f"{path}: {key!r} is missing, which model {model!r} needs")
        target = f"{str(metric).lower()}_{str(device).lower()}"
    elif device is None and metric is None:
        target = "accuracy"
    else:
        _refuse(
            f"{path}: model {model!r} predicts accuracy, but 'device' is {str(device)[:40]!r} and "
            f"'metric' {str(metric)[:40]!r}; models for a device end in {_SUFFIX}"
        )
    if target not in TARGETS:
        _refuse(f"{path}: unknown target {target[:60]!r}; valid targets: {', '.join(TARGETS)}")
    # By the names that lead there, also where a link to a folder of another name is one of them.
    _check_folder(root.resolve() / folder.relative_to(root), path, model, device, metric)
    seed = _config(folder / "data_config.json").get("seed")
    return Checkpoint(
        path=folder / MODEL_FILE,
        name=(folder / MODEL_FILE).relative_to(root).as_posix(),
        family=family,
        target=target,
        seed=seed if type(seed) is int else None,
    )


def _check_folder(folder: Path, path: Path, model: str, device: Any, metric: Any) -> None:
    """Compare the configuration with the nearest folder that bears the name of a model."""
    parts = folder.parts
    known = [k for k, part in enumerate(parts) if part.removesuffix(_SUFFIX) in FAMILIES]
    if not known:
        return
    stated, rest = parts[known[-1]], parts[known[-1] + 1 :]
    # Deeper by one than published: the members of an ensemble that was trained in one run.
    depth = 3 if stated.endswith(_SUFFIX) else 1
    if len(rest) not in (depth, depth + 1):
        return
    names = {"model": (stated, model)}
    if depth == 3:
        names |= {"device": (rest[0], device), "metric": (rest[1], metric)}
    for key, (by_folder, by_config) in names.items():
        if by_folder.lower() != str(by_config).lower():
            _refuse(
                f"{path}: {key!r} is {str(by_config)[:40]!r}, but by its folder's name it is "
                f"{by_folder!r}; correct the one that is wrong"
            )


def _config(path: Path) -> dict[str, Any]:
    if not os.path.lexists(path):
        _refuse(f"{path} is missing; the reference writes it beside {MODEL_FILE}")
    try:
        value = loads(read_regular(path, _LARGEST_CONFIG))
    except FileError as error:
        raise CheckpointError(str(error)) from error
    except JsonError as error:
        msg = f"cannot read {path}: {error}"
        raise CheckpointError(msg) from error
    if not isinstance(value, dict):
        _refuse(f"{path} must hold a JSON object")
    return value


def _refuse(message: str) -> NoReturn:
    raise CheckpointError(message)
