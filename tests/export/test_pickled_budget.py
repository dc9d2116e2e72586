"""Pickles made to take memory or time far beyond their size: each is refused before it does."""

from __future__ import annotations

import json
import pickle
import pickletools
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from anb_export.models._pickled_budget import MOST_OPERATIONS, Budget
from anb_export.models.safe_pickle import PickleError, loads
from sklearn.ensemble import RandomForestRegressor

from .checkpoint_writer import fit, labels, rows

START = b"\x80\x04"
CLASS = b"\x8c\x0cxgboost.core\x8c\x07Booster\x93\x94"  # memo 0


def part(value: object) -> bytes:
    """The opcodes that make a value, and leave the memo alone."""
    return pickletools.optimize(pickle.dumps(value, 2))[2:-1]


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def memo(value: bytes, key: int) -> bytes:
    """Opcodes that make a value and leave it in the memo only."""
    return value + b"q" + bytes([key]) + b"0"


def dict_of(count: int) -> bytes:
    return b"}(" + b"".join(text(f"k{k}") + b"K\x01" for k in range(count)) + b"u"


def list_of(count: int, item: bytes) -> bytes:
    return b"](" + item * count + b"e"


OBJECT = part(np.dtype(object))
RECORD = b"cnumpy\ndtype\n(VV9\nI00\nI01\ntR"
NDARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85C\x01btR"
FRAME = b"cnumpy.core.numeric\n_frombuffer\n"


def record_state(count: int) -> bytes:
    """State of a record's dtype of many fields."""
    names = b"(" + b"".join(text(f"f{k}") for k in range(count)) + b"t"
    fields = b"".join(
        text(f"f{k}") + b"(" + (b"h\x09" if k else part(np.dtype("i1")) + b"q\x09") + b"K\0t"
        for k in range(count)
    )
    return b"(K\x03X\x01\0\0\0|N" + names + b"}(" + fields + b"u" + b"K\x09K\x01K\0t"


def doubled(depth: int, make: bytes = b"\x86") -> bytes:
    """A tuple of twice the one before, so often."""
    return b"K\x01q\x05" + (b"h\x05h\x05" + make + b"q\x05") * depth


BOMBS = {
    "the state of many objects": START
    + memo(CLASS, 1)
    + memo(dict_of(5000), 2)
    + list_of(50_000, b"h\x01)\x81h\x02b")
    + b".",
    "the names of many arrays": START
    + memo(b"](" + text("name") + b"h\x00" * 0 + b"q\x07" + b"h\x07" * 100_000 + b"e", 2)
    + memo(b"(K\x01J" + struct.pack("<i", 100_001) + b"\x85" + OBJECT + b"K\0h\x02t", 3)
    + list_of(30_000, NDARRAY + b"h\x03b")
    + b".",
    "the fields of many records": START
    + memo(record_state(5000), 3)
    + list_of(1000, RECORD + b"h\x03b")
    + b".",
    "the fields of very many records": START
    + memo(record_state(9), 3)
    + list_of(60_000, RECORD + b"h\x03b")
    + b".",
    "arrays over the same bytes": START
    + memo(part(np.dtype("u1")), 3)
    + memo(b"B" + struct.pack("<I", 10**5) + bytes(10**5), 4)
    + list_of(20_000, FRAME + b"(h\x04h\x03J" + struct.pack("<i", 10**5) + b"\x85VC\ntR")
    + b".",
    "copies of one bytearray": b"\x80\x05"
    + memo(part(np.dtype("u1")), 3)
    + memo(b"\x96" + struct.pack("<Q", 10**5) + bytes(10**5), 4)
    + list_of(20_000, FRAME + b"(h\x04h\x03J" + struct.pack("<i", 10**5) + b"\x85VC\ntR")
    + b".",
    "bytes of one text": b"\x80\x02("
    + memo(text("a" * 10**6), 1)
    + b"c_codecs\nencode\n(h\x01X\x06\x00\x00\x00latin1tR" * 1000
    + b"t.",
    "strings of one array": START
    + memo(b"B" + struct.pack("<I", 10**5) + b"a\0\0\0" * 25_000, 4)
    + memo(part(np.dtype("<U1")), 3)
    + list_of(20_000, FRAME + b"(h\x04h\x03J" + struct.pack("<i", 25_000) + b"\x85VC\ntR")
    + b".",
    "empty dicts": START + list_of(1_200_000, b"}") + b".",
    "empty lists, kept": START + b"(" + b"]\x94" * 600_000 + b"t.",
    "marks": START + b"(" * 800_000 + b".",
    "memo": START + b"N" + b"\x94" * 800_000 + b".",
    "a large number as many keys": START
    + memo(b"\x8b" + struct.pack("<i", 10**6) + b"\x01" * 10**6, 1)
    + b"}("
    + b"h\x01N" * 100_000
    + b"u.",
    "nested tuples as keys": START + doubled(60) + b"q\x06}h\x06Ns.",
    "names, one of them doubled": START
    + doubled(60)
    + b"q\x06"
    + NDARRAY
    + (b"(K\x01K\x02\x85" + OBJECT + b"K\0](h\x06h\x06etb.").replace(b"q\x06q", b"q"),
    "a text of digits": START + b"L" + b"9" * 5000 + b"L\n.",
    "a long frame": START + b"\x95" + struct.pack("<Q", 2**62) + b"N",
    "instances": START + memo(CLASS, 1) + list_of(200_000, b"h\x01)\x81") + b".",
    "an array of no bytes": START
    + memo(part(np.dtype("u1")), 3)
    + FRAME
    + b"(C\0h\x03(K\0"
    + part(2**39) * 6
    + b"tVC\ntR.",
}

#: Those that take no more than their size allows.
READ = {"empty dicts", "empty lists, kept", "memo"}

BUDGET = ("unfolds to many times its size", "more than 5,000,000 operations")
#: Those that are refused before they cost anything.
REFUSED = {
    "the fields of many records": ("records of 5000 fields are not allowed",),
    "arrays over the same bytes": ("lays its arrays over the same bytes",),
    "copies of one bytearray": ("lays its arrays over the same bytes",),
    "strings of one array": ("lays its arrays over the same bytes",),
    "a large number as many keys": ("a key of a dict must fit 64 bits",),
    "nested tuples as keys": ("a key of a dict must be plain",),
    "names, one of them doubled": ("wrong state of an array",),
    "a text of digits": ("the pickle is damaged: Exceeds the limit",),
    "marks": ("a value is missing",),
    "a long frame": ("the pickle is damaged: it ends early",),
    "an array of no bytes": ("the pickle is damaged: array is too big",),
}

CHILD = """
import json, resource, sys
from anb_export.models._pickled_budget import Budget
from anb_export.models.safe_pickle import loads
from anb_onnx.errors import AnbError
import numpy as np
def most():  # of this process: getrusage starts with what the one that started it had
    lines = open("/proc/self/status").read().split("\\n")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
content = open(sys.argv[1], "rb").read()
before = most()
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
budget = Budget(len(content))
try:
    loads(content, budget=budget)
    message = "read"
except AnbError as error:
    message = str(error)
print(json.dumps([message, most() - before, budget.operations]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_end_in_one_line_in_bounded_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[name])
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True
    )
    message, grown, operations = json.loads(ran.stdout)
    if name in READ:
        assert message == "read"
    else:
        assert any(part in message for part in REFUSED.get(name, BUDGET))
    assert message.count("\n") == 0 < len(message) < 300
    assert operations >= -MOST_OPERATIONS // 100
    assert grown < 64 * 2**20 + 45 * len(BOMBS[name])


def test_bombs_of_these_tests_explode_elsewhere() -> None:
    """The bytes are pickles: the small ones of them are read by Python itself."""
    small = START + memo(CLASS, 1) + memo(dict_of(3), 2) + list_of(2, b"h\x01)\x81") + b"."
    assert len(pickle.loads(small)) == 2
    assert len(pickle.loads(BOMBS["empty dicts"])) == 1_200_000


@pytest.mark.parametrize("trees", [1, 300])
def test_honest_pickles_take_little_of_it(trees: int) -> None:
    x = rows(60, 1)
    forests = [
        RandomForestRegressor(trees, max_depth=depth, n_jobs=1, random_state=0)
        for depth in (1, None)
    ]
    models = [forest.fit(x, labels(x, "accuracy")) for forest in forests]
    for model in (*models, fit("xgb", "accuracy", 1), fit("svr", "accuracy", 1)):
        for protocol in range(6):
            content = pickle.dumps(model, protocol)
            budget, whole = Budget(len(content)), Budget(len(content))
            loads(content, budget=budget)
            used = whole.memory - budget.memory
            assert used < 35 * len(content) + 2**16
            assert whole.arrays - budget.arrays <= len(content)
            assert whole.operations - budget.operations < len(content) / 3


@pytest.mark.parametrize("what", ["operations", "memory", "arrays"])
def test_nothing_is_read_beyond_the_budget(what: str) -> None:
    content = pickle.dumps(fit("svr", "accuracy", 1))
    whole = Budget(len(content))
    loads(content, budget=whole)
    used = getattr(Budget(len(content)), what) - getattr(whole, what)
    exact = Budget(len(content))
    setattr(exact, what, used)
    loads(content, budget=exact)
    setattr(exact, what, used - 1)
    with pytest.raises(PickleError, match="the pickle"):
        loads(content, budget=exact)
