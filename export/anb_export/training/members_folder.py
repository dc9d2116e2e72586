"""Reads a folder of trained members back: ``training.json`` and the files it lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anb_export._io.files import sha256, to_json, write_atomically
from anb_export._io.json_file import read_json
from anb_export.data.dataset import Dataset, Origin
from anb_export.data.metrics import evaluate
from anb_export.data.splits import Split
from anb_export.data.targets import TargetSpec, read_target
from anb_export.models.forest import Forest
from anb_export.models.formats import FAMILIES
from anb_export.models.xgboost_document import forest_of_bytes
from anb_export.training.recipe import N_FOLDS, LabelTransform, transform_from_dict
from anb_onnx._io.files import FileError, read_regular
from anb_onnx.errors import AnbError
from anb_onnx.spaces.space import SearchSpace

if TYPE_CHECKING:
    from anb_export.training.family_members import Member

_NAME = "training.json"
#: Version of ``training.json``.
_SCHEMA = 2
#: Names of members: boosters of xgboost and LightGBM, and arrays of the other families.
_MEMBER = r"[\w.-]+\.(ubj|txt|npz)"
#: Most bytes of a member; the largest of the reference's have 80 MB.
_MEMBER_BYTES = 1 << 30


class TrainingError(AnbError):
    """A folder of members is incomplete or damaged."""


@dataclass(frozen=True)
class Training:
    """A trained ensemble on disk.

    Attributes
    ----------
    folder : Path
    document : mapping
        The content of ``training.json``: recipe, seeds, folds, data, split, metrics, versions.
    """

    folder: Path
    document: Mapping[str, Any]

    @property
    def target(self) -> str:
        """Name of the target."""
        return str(self.document["target"])

    @property
    def spec(self) -> TargetSpec:
        """The target."""
        return self.origin.target(self.target)

    @cached_property
    def origin(self) -> Origin:
        """Whose measurements the members were trained on; of its targets, this one."""
        found = self.document["origin"]
        spec = read_target(self.target, found["target"], str(self.folder / _NAME))
        space = SearchSpace.from_dict(found["search_space"])
        name, license = str(found["name"]), str(found["license"])
        return Origin(str(found["benchmark"]), name, license, space, {spec.name: spec})

    @property
    def space(self) -> SearchSpace:
        """The search space of the members' inputs."""
        return self.origin.space

    @property
    def target_std(self) -> float:
        """Standard deviation of the target over the training and validation rows, in its unit."""
        return float(self.document["target_std"])

    @property
    def transform(self) -> LabelTransform:
        """Leads from the target to what the members predict, and back."""
        return transform_from_dict(self.document["recipe"]["transform"])

    @property
    def family(self) -> str:
        """Family of the members' models: one of `formats.FAMILIES`."""
        return str(self.document.get("family", "xgb"))

    @property
    def files(self) -> tuple[Path, ...]:
        """The members' files, in order."""
        return tuple(self.folder / member["file"] for member in self.document["members"])

    def contents(self) -> tuple[bytes, ...]:
        """Read the members' files.

        Raises
        ------
        TrainingError
            If a file is missing, or is not the one that ``training.json`` describes.
        """
        return tuple(
            _read_member(path, member["sha256"])
            for path, member in zip(self.files, self.document["members"], strict=True)
        )

    def forests(self) -> tuple[Forest, ...]:
        """Read and parse the members, once.

        Raises
        ------
        AnbError
            If a file is missing, not the one described, or not a supported model, or the members
            are no trees.
        """
        return self._forests

    @cached_property
    def _forests(self) -> tuple[Forest, ...]:
        if self.family == "xgb":
            return tuple(forest_of_bytes(content) for content in self.contents())
        found = [member for member in self.members() if isinstance(member, Forest)]
        if len(found) != len(self.document["members"]):
            msg = f"{self.folder} holds members of the family {self.family}, which are no trees"
            raise TrainingError(msg)
        return tuple(found)

    def members(self) -> tuple[Member, ...]:
        """Read and parse the members, whatever their family.

        Raises
        ------
        AnbError
            If a file is missing, not the one described, or not a supported model.
        """
        from anb_export.training.family_members import read_member

        return tuple(read_member(self.family, content) for content in self.contents())


def open_training(folder: str | Path) -> Training:
    """Read ``training.json`` in `folder`, without looking at the members.

    Raises
    ------
    TrainingError
        If it is missing or malformed.
    """
    path = Path(folder) / _NAME
    try:
        document = read_json(path)
    except FileNotFoundError:
        state = (
            "the training is not finished; run `anb-export train` again"
            if Path(folder).is_dir()
            else "there is no such folder; `anb-export train` makes it"
        )
        msg = f"no {_NAME} in {folder}: {state}, with --out {folder}"
        raise TrainingError(msg) from None
    except (OSError, ValueError, RecursionError) as error:
        msg = f"cannot read {path}: {error}"
        raise TrainingError(msg) from error
    _check(document, path)
    return Training(Path(folder), document)


def read_training(folder: str | Path) -> Training:
    """Read ``training.json`` in `folder` and check that all members are there, unchanged.

    Raises
    ------
    TrainingError
        If ``training.json`` or a member is missing, malformed or changed since.
    """
    training = open_training(folder)
    training.contents()
    return training


def write_training(
    folder: Path,
    *,
    dataset: Dataset,
    split: Split,
    target: str,
    recipe: Mapping[str, Any],
    members: Sequence[Mapping[str, Any]],
    predict: Callable[[NDArray[np.uint8]], NDArray[np.float64]],
    pool: NDArray[np.int64],
    dropped: int,
    versions: Mapping[str, str],
    family: str = "xgb",
) -> Training:
    """Write ``training.json`` once all members are written, and read the folder back.

    Parameters
    ----------
    folder : Path
    dataset : Dataset
    split : Split
    target : str
    recipe : mapping
        As plain data.
    members : sequence of mapping
        One of each member: ``file``, ``seed``, ``fold``, ``sha256`` and so on.
    predict : callable
        What the members predict for codes uint8 [n, n_genes], in the target's unit: float64
        [n, n_members]. Their mean is evaluated on the parts of the split.
    pool : ndarray of int64, shape (n,)
        Records that were learned from.
    dropped : int
        Records of the split's pool that were not.
    versions : mapping
        Of the packages that decide the members' bytes.
    family : str
        Of the members' models.

    Raises
    ------
    TrainingError
        If a member is missing or is not the one described.
    """
    y = dataset.values[target]
    metrics, counts = {}, {}
    for part, rows in split.parts().items():
        kept, _ = dataset.labelled(target, rows)
        metrics[part] = evaluate(y[kept], predict(dataset.codes[kept]).mean(axis=1))
        counts[part] = len(kept)
    document = {
        "schema": _SCHEMA,
        # Boosters of xgboost are what members are unless it is said otherwise.
        **({} if family == "xgb" else {"family": family}),
        "target": target,
        "origin": dataset.origin.of(target),
        "recipe": recipe,
        "members": members,
        "n_folds": N_FOLDS,
        "dataset": {
            "sha256": dataset.sha256,
            "n_records": len(dataset),
            "n_used": len(pool),
            "n_dropped": dropped,
        },
        "split": {"name": split.name, "sha256": split.sha256, **counts},
        "target_mean": float(np.mean(y[pool])),
        "target_std": float(np.std(y[pool])),
        "metrics": metrics,
        "versions": {"anb-onnx-export": version("anb-onnx-export"), **versions},
    }
    write_atomically(folder / _NAME, to_json(document))
    return read_training(folder)


def check_folder(folder: Path, target: str, family: str = "xgb") -> None:
    """Refuse a folder of members of another target or family."""
    if not (folder / _NAME).exists():
        return
    found = open_training(folder)
    if (found.target, found.family) != (target, family):
        msg = (
            f"{folder} holds members of {found.target!r}, family {found.family}; give another "
            f"folder for {target!r}, family {family}"
        )
        raise TrainingError(msg)


def forget_training(folder: Path) -> None:
    """Remove ``training.json`` until the new one is written.

    So nothing takes members of two runs for an ensemble.

    Raises
    ------
    TrainingError
        If the folder cannot be written to.
    """
    try:
        (folder / _NAME).unlink(missing_ok=True)
    except OSError as error:
        msg = f"cannot write to {folder}: {error.strerror}"
        raise TrainingError(msg) from error


def _check(document: Any, path: Path) -> None:
    def require(condition: bool, what: str) -> None:
        if not condition:
            msg = f"{path}: {what}; run `anb-export train` again"
            raise TrainingError(msg)

    require(isinstance(document, dict), "expected an object")
    require(
        document.get("schema") == _SCHEMA,
        f"schema must be {_SCHEMA}, found {document.get('schema')!r}",
    )
    target = document.get("target")
    require(isinstance(target, str), f"target must be a string, found {target!r}")
    family = document.get("family", "xgb")
    require(family in FAMILIES, f"unknown family {family!r}")
    std = document.get("target_std")
    require(isinstance(std, float) and std > 0, f"target_std must be positive, found {std!r}")
    for key in ("origin", "recipe", "dataset", "split", "metrics", "versions"):
        require(isinstance(document.get(key), dict), f"{key} must be an object")
    _check_origin(document, path)
    transform = document["recipe"].get("transform")
    require(isinstance(transform, dict), "recipe.transform must be an object")
    members = document.get("members")
    require(isinstance(members, list) and len(members) > 0, "members must be a list")
    for member in members:
        require(isinstance(member, dict), "a member must be an object")
        file, digest = member.get("file"), member.get("sha256")
        require(
            isinstance(file, str) and re.fullmatch(_MEMBER, file) is not None,
            f"a member's file must be a plain name, found {file!r}",
        )
        require(isinstance(digest, str), f"{file}: sha256 is missing")


def _check_origin(document: Mapping[str, Any], path: Path) -> None:
    try:
        _ = Training(path.parent, document).origin
    except (AnbError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: origin: {error}; run `anb-export train` again"
        raise TrainingError(msg) from error


def _read_member(path: Path, digest: str) -> bytes:
    try:
        content = read_regular(path, _MEMBER_BYTES)
    except FileError as error:
        msg = f"cannot read the member {path}: {error}; run `anb-export train` again"
        raise TrainingError(msg) from error
    found = sha256(content)
    if found != digest:
        msg = f"{path} is damaged: sha256 {found}, expected {digest}; run `anb-export train` again"
        raise TrainingError(msg)
    return content
