"""Damaged texts of architectures, and what Python reads them as: for the other languages."""

from __future__ import annotations

import json
import random
import struct
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from anb_onnx.errors import ArchitectureError
from anb_onnx.spaces.architecture import Architecture
from anb_onnx.spaces.space import Block, Gene, SearchSpace

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
    return {"spaces": [*spaces, _floats(rng)]}


def _floats(rng: random.Random) -> dict[str, Any]:
    """Return cases of a gene of floats: of any bits, of few digits, and of any magnitude."""
    numbers: set[float] = set()
    while len(numbers) < 256:
        (bits,) = struct.unpack("<d", rng.randbytes(8))
        short = round(rng.uniform(0, 10), rng.randrange(1, 16)) * 10.0 ** rng.randrange(-9, 22)
        whole = float(2 ** rng.randrange(64))
        numbers |= {number for number in (bits, short, whole, 1 / whole) if isfinite(number)}
    choices = sorted(numbers)[:256]
    space = SearchSpace("floats", (Block("b", (Gene("g", tuple(choices), ordered=True),)),))
    architectures = [Architecture.from_codes([code], space=space) for code in range(256)]
    texts = [(a.to_json(), {"codes": list(a.codes)}) for a in architectures]
    exact = [(f"{{'g': {Decimal(a['g']):e}}}", {"codes": list(a.codes)}) for a in architectures]
    return {
        "space": space.to_dict(),
        "prints": [{"text": text, **codes} for text, codes in texts],
        "valid": [{"text": text, **codes} for text, codes in (*texts, *exact)],
        "invalid": [],
    }


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
