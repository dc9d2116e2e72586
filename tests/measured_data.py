"""Measurements that are not part of the repository, asked for where tests need them.

One variable names their folder, ``ANB_SHARED``. It holds what is public elsewhere, each part under
the name it has there:

* ``anb_dataset_jsons.tar.gz``: the data set of Accel-NASBench (`anb-export fetch-data`);
* ``default_split`` and ``upstream_hyperparameters.json``: its published split and parameters;
* ``seeds``: measurements of other spaces, as docs/spaces.md lists them;
* beside it, ``cases``: reports of users, replayed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from tools import does_without, in_ci

#: Names the folder.
VARIABLE = "ANB_SHARED"

#: What is looked at if nobody names one: a folder beside the checkout.
DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"

#: What every reason begins with, for lack of data alone.
LACK = "needs data that is not part of the repository: "


def data_folder() -> Path:
    """Return the folder, whether it is there or not."""
    return Path(os.environ.get(VARIABLE) or DEFAULT)


def need_data(*names: str) -> Path:
    """Return the folder, or skip the test where it does not hold all of these files or folders.

    In continuous integration that fails instead, unless ``ANB_WITHOUT`` says that it does without
    ``data``.
    """
    folder = data_folder()
    missing = [str(folder / name) for name in names if not (folder / name).exists()]
    if missing:
        reason = f"{LACK}no {', '.join(missing)}; {VARIABLE} names the folder"
        if in_ci() and not does_without("data"):
            pytest.fail(
                f"continuous integration must not skip this (but with ANB_WITHOUT=data): {reason}"
            )
        pytest.skip(reason)
    return folder


def summary(reasons: Iterable[str]) -> str | None:
    """Return a line about the tests that were skipped for lack of data; None if none was.

    Parameters
    ----------
    reasons : iterable of str
        Of every test that was skipped.
    """
    n = sum(LACK in reason for reason in reasons)
    if not n:
        return None
    return (
        f"{n} test{'s' if n > 1 else ''} skipped for lack of data: {VARIABLE}=FOLDER runs them, "
        "with the folder of anb_dataset_jsons.tar.gz (CONTRIBUTING.md)"
    )
