"""The choices a run is made of, in the order of their codes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Choice = bool | int | float | str

#: Epochs of every run.
EPOCHS = 27

#: Gene -> choices; a code is a choice's place in its tuple. Changing anything here makes measured
#: files unreadable: `files.load` compares.
GENES: dict[str, tuple[Choice, ...]] = {
    "stem": ("none", "conv3x4", "conv3x8", "conv5x8"),
    "depth": (1, 2, 3),
    "width": (16, 32, 64, 128),
    "activation": ("relu", "tanh", "gelu"),
    "batch_norm": (False, True),
    "dropout": (0.0, 0.2, 0.5),
    "optimizer": ("sgd", "adam"),
    "learning_rate": (0.0003, 0.001, 0.004, 0.015, 0.06, 0.25, 1.0),
    "batch_size": (64, 128, 256, 512),
    "weight_decay": (0.0, 0.0001, 0.01),
    "schedule": ("constant", "cosine"),
}


def is_ordered(choices: Sequence[Choice]) -> bool:
    """Whether choices are numbers that grow: an ordinal scale."""
    numbers = [choice for choice in choices if not isinstance(choice, bool | str)]
    return len(numbers) == len(choices) and all(a < b for a, b in pairwise(numbers))


def configuration(codes: Sequence[int]) -> dict[str, Choice]:
    """Return the choices that codes stand for."""
    pairs = zip(GENES.items(), codes, strict=True)
    return {name: choices[int(code)] for (name, choices), code in pairs}
