"""The search spaces that come with the package, by name."""

from __future__ import annotations

from importlib import import_module

from anb_onnx.spaces.space import SearchSpace

#: What each is called in the module of its name. A module is imported when its space is needed.
READY = {
    "mnasnet": "MNASNET",
    "nasbench201": "NASBENCH201",
    "fbnet": "FBNET",
    "ofa": "OFA",
    "fcnet": "FCNET",
    "hpobench_mlp": "HPOBENCH_MLP",
}


def ready_made(name: str) -> SearchSpace | None:
    """Return the space of this name that comes with the package, or None."""
    if name not in READY:
        return None
    space: SearchSpace = getattr(import_module(f"anb_onnx.spaces.{name}"), READY[name])
    return space


def is_ready_made(space: SearchSpace) -> bool:
    """Say whether a space is one that comes with the package; a name alone does not make it so."""
    return space == ready_made(space.name)


def interned(space: SearchSpace) -> SearchSpace:
    """Return the package's own space where this equals it, else this: equal ones are one object."""
    ready = ready_made(space.name)
    return ready if ready is not None and ready == space else space
