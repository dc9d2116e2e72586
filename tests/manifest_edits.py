"""Edits of a manifest by hand, each tried: is any believed that changes what a user gets?

    python tests/manifest_edits.py [TARGET ...]

tries every edit of every bundled target and prints the counts; the tests try some of them.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anb_onnx
from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.errors import AnbError
from anb_onnx.surrogate import Surrogate

#: What a value may become: other numbers, other types, or nothing at all.
VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 0.5, 1e-300, 1e308, -1e308, 2**31, 2**63, 10**40),
    *(None, True, False, "", "x", "1", [], {}, [0], {"x": 0}),
)
#: What a damage puts in, and single bytes that mean something to JSON.
PARTS = (
    *(b"1e999", b"NaN", b"9" * 5000, b"[" * 2000, b"null", b"true", b"-0.0", b"1e308"),
    *(b'"\\ud800"', b'"\\u001b[2J"', b"\xe2\x80\xae", b'"a":1,"a":1,'),
)
MARKS = b'{}[]",:0123456789-+eE.ntf\\u \x00\xff'
CODES = anb_onnx.sample(16, seed=5, space=anb_onnx.MNASNET)


class Folder:
    """A folder with one artifact and a manifest that can be edited."""

    def __init__(self, target: str, folder: Path) -> None:
        artifact = find_benchmark().find(target)
        self.target = target
        self.path = folder / artifact.path.name
        self.path.symlink_to(artifact.path)
        self.manifest = folder / "manifest.json"
        space = artifact.space.to_dict()
        self.document: dict[str, Any] = {
            "schema": 2,
            "benchmark": artifact.benchmark,
            "search_space": space,
            "targets": {target: dict(artifact.card)},
        }
        self.text = json.dumps(self.document)
        self.right = self.found(self.text)

    def found(self, text: str | bytes) -> tuple[Any, ...]:
        """Return all that a manifest of this text gives a user; an `AnbError` if it is refused."""
        self.manifest.write_bytes(text.encode() if isinstance(text, str) else text)
        with anb_onnx.load(path=self.path, engine="numpy") as surrogate:
            return what_it_says(surrogate)

    def verdict(self, text: str | bytes) -> str:
        """Return "refused", "harmless" or "believed": loaded, with another result."""
        try:
            found = self.found(text)
        except AnbError as error:
            # What goes to a terminal must not move its cursor.
            return "refused" if f"{error}".isprintable() else "believed"
        return "harmless" if self._same(found) else "believed"

    def _same(self, found: tuple[Any, ...]) -> bool:
        """Whether all is right but for new keys of the card, which no release knows."""
        *rest, card = found
        *right, right_card = self.right
        known = {key: card[key] for key in right_card if key in card}
        return rest == right and known == right_card


def what_it_says(surrogate: Surrogate) -> tuple[Any, ...]:
    """Return everything a user may take from a surrogate, comparable."""
    prediction = surrogate.query(CODES, members=True)
    assert prediction.members is not None
    bits = [a.tobytes() for a in (prediction.mean, prediction.std, prediction.members)]
    if surrogate.calibration is not None:
        bits += [a.tobytes() for a in prediction.interval(0.9)]
        bits.append(prediction.predictive_std.tobytes())
    card = {
        key: value
        for key, value in surrogate.metadata.items()
        if key != "verification"  # found out after the file was written
    }
    return bits, surrogate.target, surrogate.space, repr(surrogate.calibration), _plain(card)


def _plain(value: Any) -> Any:
    """Return a value of JSON such that equal ones are equal: 1 is 1.0, and True is neither."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return repr(value) if isinstance(value, bool) else value


def digit_edits(text: str) -> Iterator[str]:
    """Yield the text with each digit changed, one at a time."""
    for match in re.finditer("[0-9]", text):
        other = str((int(match[0]) + 1 + match.start() % 9) % 10)
        yield text[: match.start()] + other + text[match.end() :]


def value_edits(document: dict[str, Any]) -> Iterator[str]:
    """Yield the document with each value changed, removed, repeated or exchanged with the next."""
    for *way, last in list(_paths(document)):
        for change in _changes(last):
            edited = copy.deepcopy(document)
            holder: Any = edited
            for key in way:
                holder = holder[key]
            change(holder)
            yield json.dumps(edited)


def _changes(last: Any) -> Iterator[Callable[[Any], object]]:
    """Yield functions that change what the holder of a value holds there."""
    for value in VALUES:
        yield partial(_set, last, value)
    yield lambda holder: holder.pop(last)
    yield partial(_exchange, last)
    if isinstance(last, str):
        yield lambda holder: holder.update(x=holder.pop(last))
    else:
        yield lambda holder: holder.insert(last, copy.deepcopy(holder[last]))


def _set(last: Any, value: Any, holder: Any) -> None:
    holder[last] = value


def _exchange(last: Any, holder: Any) -> None:
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    other = keys[(keys.index(last) + 1) % len(keys)]
    holder[last], holder[other] = holder[other], holder[last]


def damages(text: str, number: int, seed: int = 0) -> Iterator[bytes]:
    """Yield the text damaged in a few places at random: bits, marks, parts lost, moved or added."""
    rng = random.Random(seed)
    for _ in range(number):
        content = bytearray(text.encode())
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            place, kind = rng.randrange(len(content)), rng.randrange(5)
            if kind == 0:
                content[place] ^= 1 << rng.randrange(8)
            elif kind == 1:
                content[place] = rng.choice(MARKS)
            elif kind == 2:
                del content[place : place + rng.choice((1, 2, 10, 200))]
            elif kind == 3:
                start = rng.randrange(len(content))
                content[place:place] = content[start : start + rng.choice((1, 5, 50, 500))]
            else:
                content[place:place] = rng.choice(PARTS)
        yield bytes(content)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def main(targets: list[str]) -> int:
    """Try every edit of the targets, all if none is named; 1 if one is believed."""
    print(f"{'target':18} {'kind':7} {'tried':>7} {'refused':>8} {'harmless':>9} {'believed':>9}")
    believed = 0
    for target in targets or [t.name for t in anb_onnx.targets()]:
        with tempfile.TemporaryDirectory() as name:
            folder = Folder(target, Path(name))
            kinds: dict[str, Iterator[str] | Iterator[bytes]] = {
                "digits": digit_edits(folder.text),
                "values": value_edits(folder.document),
                "damage": damages(folder.text, 2000),
            }
            for kind, edits in kinds.items():
                counts = Counter(folder.verdict(text) for text in edits)
                believed += counts["believed"]
                row = "".join(f"{counts[v]:>10}" for v in ("refused", "harmless", "believed"))
                print(f"{target:18} {kind:7} {counts.total():>7}{row[1:]}", flush=True)
    return 1 if believed else 0


if __name__ == "__main__":
    os.environ.pop("ANB_ONNX_ARTIFACTS", None)
    sys.exit(main(sys.argv[1:]))
