"""Changes small models at random and reads them: a model or an `AnbError`, nothing else.

``python tests/fuzz_models.py --seconds 600`` prints how many files were read and refused. What
escapes as anything else is kept in `corpus/models/found/`, which the tests read again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import re
import resource
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from anb_export.models.formats import check_features, model_from_bytes

from anb_onnx.errors import AnbError
from anb_onnx.spaces.mnasnet import MNASNET

CORPUS = Path(__file__).parent / "corpus" / "models"
FOUND = CORPUS / "found"
NUMBERS = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
ODD_NUMBERS = (
    *(b"0", b"-1", b"1", b"255", b"256", b"2147483647", b"-2147483648", b"9223372036854775808"),
    *(b"1e39", b"-1e309", b"NaN", b"Infinity", b"null", b"true", b'"x"', b"[]", b"{}", b"9" * 5000),
)
ODD_BYTES = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\n",
    b"(",
    b"t",
    b"R",
    b"b",
    b"[",
    b"{",
    b"$",
    b"#",
)
CODES = np.zeros((3, 28), np.uint8)
CODES[1:] = 1


def flip(content: bytearray, random: random.Random) -> None:
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        content[random.randrange(len(content))] = random.randrange(256)


def flip_bit(content: bytearray, random: random.Random) -> None:
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def truncate(content: bytearray, random: random.Random) -> None:
    del content[random.randrange(len(content)) :]


def insert(content: bytearray, random: random.Random) -> None:
    at = random.randrange(len(content))
    content[at:at] = random.choice(ODD_BYTES) * random.choice((1, 2, 9, 300))


def remove(content: bytearray, random: random.Random) -> None:
    at = random.randrange(len(content))
    del content[at : at + random.choice((1, 2, 5, 40))]


def repeat(content: bytearray, random: random.Random) -> None:
    at = random.randrange(len(content))
    part = content[at : at + random.choice((2, 9, 100))]
    content[at:at] = part * random.choice((1, 3, 200))


def move(content: bytearray, random: random.Random) -> None:
    start, to = random.randrange(len(content)), random.randrange(len(content))
    part = content[start : start + random.choice((2, 9, 100))]
    content[to : to + len(part)] = part


def number(content: bytearray, random: random.Random) -> None:
    found = list(NUMBERS.finditer(content))
    if found:
        match = random.choice(found)
        content[match.start() : match.end()] = random.choice(ODD_NUMBERS)


CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(flip, flip_bit, truncate, insert, remove, repeat, move, number),
)


def corpus() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir()) if path.is_file()}


def changed(content: bytes, random: random.Random) -> bytes:
    """Return the content with one change, or several; of an archive, more often inside of it."""
    if content.startswith(b"PK") and random.random() < 0.8:
        return changed_inside(content, random)
    found = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if found:
            random.choice(CHANGES)(found, random)
    return bytes(found)


def changed_inside(content: bytes, random: random.Random) -> bytes:
    """Change one entry, as a change anywhere else only breaks its checksum."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        chosen = random.choice(source.namelist())
        for name in source.namelist():
            inner = source.read(name)
            target.writestr(name, changed(inner, random) if name == chosen else inner)
    return out.getvalue()


def outcome(content: bytes) -> str:
    """Read a model and predict with it: "read" or "refused"; any other exception is raised."""
    try:
        model = model_from_bytes(content)
        check_features(model, space=MNASNET)
    except AnbError as error:
        message = str(error)
        if not message or "\n" in message or len(message) > 600:
            msg = f"no message of one line: {message!r}"
            raise ValueError(msg) from error
        return "refused"
    if not np.isfinite(model.member.predict_exact(CODES)).all():
        msg = "a model that predicts no finite numbers"
        raise ValueError(msg)
    return "read"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    # Far above what any small file may take.
    resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
    files = corpus()
    numbers = random.Random(arguments.seed)
    counts = {name: Counter[str]() for name in files}
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        for name, content in files.items():
            other = changed(content, numbers)
            try:
                counts[name][outcome(other)] += 1
            except Exception as error:
                counts[name]["escaped"] += 1
                FOUND.mkdir(exist_ok=True)
                path = FOUND / hashlib.sha256(other).hexdigest()[:16]
                path.write_bytes(other)
                print(f"{name}: {type(error).__name__}: {error} ({path})", file=sys.stderr)
    total = sum(counts.values(), Counter[str]())
    for name, count in [*counts.items(), ("all", total)]:
        print(
            f"{name:22} executions {count.total():7,}  read {count['read']:6,}  refused "
            f"{count['refused']:7,}  escaped {count['escaped']:3}"
        )
    return 1 if total["escaped"] else 0


if __name__ == "__main__":
    sys.exit(main())
