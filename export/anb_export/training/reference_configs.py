"""The hyper-parameters of Accel-NASBench, where it keeps them: its ``configs`` folder, and here.

The repository has a file for each family and target in ``configs/model_configs``: a search space of
ConfigSpace's JSON, whose defaults are what was chosen, so its ``fit_model.py`` trains with them.
Only names and defaults are read. The values are shipped with this package, too (`BUNDLED`), since
nothing else is needed of that repository.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from anb_export._io.json_file import read_json
from anb_onnx._io.show import show
from anb_onnx.errors import AnbError

#: Published values of all families and targets, in one file.
BUNDLED = Path(str(files("anb_export.training") / "recipes" / "upstream.json"))

#: Folder of each family in ``model_configs``.
_FOLDERS = {
    "xgb": "gradient_boosting",
    "lgb": "gradient_boosting",
    "sklearn_forest": "random_forest",
    "svr": "svr",
    "svr_nu": "svr_nu",
}
_PREFIX = "param:"
_SUFFIX = "_configspace.json"


class ConfigsError(AnbError):
    """A folder is not laid out as the reference's ``configs``, or a file of it is malformed."""


def read_config(folder: Path, section: str, target: str) -> tuple[dict[str, Any], Path]:
    """Read the hyper-parameters of a family and a target from the reference's ``configs``.

    Parameters
    ----------
    folder : Path
        ``configs``, or a checkout that has it, or ``model_configs`` in it.
    section : str
        One of the reference's names of families: ``xgb``, ``lgb``, ``sklearn_forest``, ``svr``,
        ``svr_nu``.
    target : str
        As this package names it: ``accuracy``, or metric and device, as in ``latency_zcu102``.

    Returns
    -------
    found : dict
        Without the prefix ``param:`` of some of them.
    path : Path
        The file.

    Raises
    ------
    ConfigsError
        If the folder has no such files, none for the target, or that one is malformed.
    """
    root = next((folder / p for p in _ROOTS if (folder / p / _FOLDERS[section]).is_dir()), None)
    if root is None:
        msg = (
            f"{folder} has no model_configs/{_FOLDERS[section]}: --hyperparameters takes a file, "
            "the folder configs of the Accel-NASBench repository, or a checkout of it"
        )
        raise ConfigsError(msg)
    path = root / _FOLDERS[section] / _file_name(section, target)
    try:
        content = read_json(path)
    except FileNotFoundError:
        there = sorted(p.name for p in path.parent.glob(f"{section}_*{_SUFFIX}"))
        msg = (
            f"no {section} hyper-parameters for {target!r}: no {path}; there are: "
            f"{', '.join(there) or 'none'}"
        )
        raise ConfigsError(msg) from None
    except (OSError, ValueError, RecursionError) as error:
        msg = f"cannot read the hyper-parameters {path}: {error}"
        raise ConfigsError(msg) from error
    return _defaults(content, path), path


#: Where ``model_configs`` may lie from what is given.
_ROOTS = ("model_configs", "configs/model_configs", ".")


def _file_name(section: str, target: str) -> str:
    """Return the reference's name of a file; of a metric on a device the device comes first."""
    metric, _, device = target.partition("_")
    if target == "accuracy":
        return f"{section}{_SUFFIX}"
    if metric in ("throughput", "latency"):
        return f"{section}_accel_{device}_{metric}{_SUFFIX}"
    return f"{section}_{target}{_SUFFIX}"  # the reference has none; the message tells


def _defaults(content: Any, path: Path) -> dict[str, Any]:
    items = content.get("hyperparameters") if isinstance(content, dict) else None
    if not isinstance(items, list):
        msg = f"{path}: expected a list under 'hyperparameters', as ConfigSpace writes it"
        raise ConfigsError(msg)
    found: dict[str, Any] = {}
    for item in items:
        key = "value" if isinstance(item, dict) and item.get("type") == "constant" else "default"
        if not isinstance(item, dict) or not isinstance(item.get("name"), str) or key not in item:
            msg = f"{path}: a hyper-parameter needs 'name' and {key!r}, found {show(item)}"
            raise ConfigsError(msg)
        name = item["name"].removeprefix(_PREFIX)
        if name in found:
            msg = f"{path}: hyper-parameter {show(name)} stands twice"
            raise ConfigsError(msg)
        found[name] = item[key]
    return found
