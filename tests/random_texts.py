"""Damaged texts of architectures, and what Python reads them as: for the other languages."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.space import SearchSpace

#: The cases of architectures as text that all languages share.
CASES = Path(__file__).resolve().parent / "fixtures" / "architectures.json"

#: What takes the place of something in a text, or is put into it.
_TOKENS = (
    *(*",09-.'\"[](){}:\\|_+x \n\t\r\f\0\x1b\x7f", "e5", "E-1", "1.0", "00", "1e400", "1e-0"),
    *("\\u0041", "\\ud83d", "null", "None", "True", "true", "[0]", "~0", "efficientnet-b0"),
    *("\u202e", "\u00e4", "\U0001f600", "\u00a0", "\u0665", "9" * 20),
)


def damaged_cases(seed: int, n: int) -> dict[str, Any]:
    """Return `n` texts of each space of the cases, as a document of the same form."""
    rng = random.Random(seed)
    spaces = []
    for here in json.loads(CASES.read_text("utf-8"))["spaces"]:
        space = SearchSpace.from_dict(here["space"])
        texts = [case["text"] for case in (*here["valid"], *here["invalid"])]
        valid, invalid = [], []
        for _ in range(n):
            text = _damaged(rng.choice(texts), rng)
            try:
                codes = list(Architecture.parse(text, space=space).codes)
            except ArchitectureError:
                invalid.append({"text": text, "names": []})
            else:
                valid.append({"text": text, "codes": codes})
        spaces.append({"space": here["space"], "valid": valid, "invalid": invalid})
    return {"spaces": spaces}


def _damaged(text: str, rng: random.Random) -> str:
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(text) + 1)
        put = rng.choice(_TOKENS) if rng.random() < 0.7 else ""
        text = text[:at] + put + text[at + rng.choice((0, 0, 1, 1, 2, 5)) :]
    return text


def n_cases(document: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Return the name of each space, and how many of its texts are valid and invalid."""
    return [
        (here["space"]["name"], len(here["valid"]), len(here["invalid"]))
        for here in document["spaces"]
    ]
