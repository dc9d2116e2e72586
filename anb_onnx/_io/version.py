"""The version of this distribution."""

from __future__ import annotations


def own_version() -> str:
    """Return the version of anb-onnx; "0+unknown" of a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("anb-onnx")
    except PackageNotFoundError:
        return "0+unknown"
