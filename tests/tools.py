"""Packages that tests of integrations speak to, asked for where needed: not all are everywhere."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

import pytest

#: By module, the extra that brings what the extra `test` does not: a gigabyte and more, which
#: `.ci/run` installs into the main environment only.
HEAVY = {
    "ax": "integrations",
    "carps": "integrations",
    "dill": "integrations",
    "ipykernel": "integrations",
    "nbclient": "integrations",
    "nbformat": "integrations",
    "pygmo": "integrations",
    "ray": "ray",
    "smac": "integrations",
    "sphinx": "docs",
    "syne_tune": "integrations",
    "torch": "integrations",
}


#: By module, the command whose environment has it, and that says so in ANB_WITH: it holds other
#: packages back.
ELSEWHERE = {"ngboost": "make check-study"}


def in_ci() -> bool:
    """Whether this is continuous integration, where nothing may be skipped unsaid."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def does_without(what: str) -> bool:
    """Whether the environment says that it does without `what`: ANB_WITHOUT=data,integrations."""
    return what in os.environ.get("ANB_WITHOUT", "").split(",")


def need_tool(module: str) -> Any:
    """Import a module, or skip the test where its package is not installed.

    In continuous integration that fails instead: everything is to be there. Only an environment
    that says it does without, by ANB_WITHOUT=integrations, may lack what is in `HEAVY`. A package
    that is there but cannot be imported is an error everywhere.
    """
    need_installed(module)
    return importlib.import_module(module)


def need_installed(module: str) -> None:
    """Skip or fail as `need_tool` does, but do not import: for what another process imports."""
    package = module.partition(".")[0]
    found = importlib.util.find_spec(package)
    # Ax leaves a folder `sphinx` behind, of which Python would make a package without a file.
    if found is None or found.origin is None:
        if package in ELSEWHERE and package not in os.environ.get("ANB_WITH", "").split(","):
            pytest.skip(f"{ELSEWHERE[package]} tries {package}", allow_module_level=True)
        reason = f"needs {package}: pip install --editable '.[{HEAVY.get(package, 'test')}]'"
        without = package in HEAVY and does_without("integrations")
        if in_ci() and not without:
            pytest.fail(f"continuous integration must not skip this: {reason}")
        pytest.skip(reason, allow_module_level=True)
