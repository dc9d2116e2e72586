"""What reading one pickle may cost; part of `safe_pickle`.

A pickle of a few bytes can ask for anything: one list copied for each of 50,000 objects, one array
laid over the same bytes a million times. Whatever the reader makes is charged here before or as it
is made, so that memory and time stay in proportion to the file.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from anb_onnx.errors import AnbError

#: Most operations. A random forest of 1,000 trees has some 100,000; each takes about 1 us.
MOST_OPERATIONS = 5_000_000
#: Bytes of memory for any file; then for each byte of it, up to a number of them, and the bytes
#: themselves, which are copied. An honest forest of stumps takes 30 for each byte.
_MEMORY, _PER_BYTE, _MOST_MEMORY, _COPIES = 64 * 2**20, 40, 2 * 2**30, 4
#: Bytes of arrays beyond those of the file, in which those of an honest pickle stand once each.
_ARRAYS = 2**20

#: What CPython takes for one reference, one entry of a growing list, one of a dict or the memo.
_REFERENCE, _ITEM, _ENTRY = 8, 16, 104
#: And for an array, or an `Object` or `Global` with its attributes, beyond what these hold.
ARRAY, INSTANCE = 200, 400


class PickleError(AnbError):
    """A pickle is damaged, or asks for something that is not allowed."""


def refuse(message: str) -> NoReturn:
    """Raise a `PickleError`."""
    raise PickleError(message)


def one_line(message: object) -> str:
    """Return a message short and in one line, whatever of the file stands in it."""
    return " ".join(str(message).split())[:100]


class Budget:
    """Operations, memory and bytes of arrays that are left.

    Parameters
    ----------
    size : int
        Bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self.operations = MOST_OPERATIONS
        self.memory = _MEMORY + min(_PER_BYTE * size, _MOST_MEMORY) + _COPIES * size
        self.arrays = size + _ARRAYS

    def operate(self, count: int = 1) -> None:
        """Charge operations.

        Raises
        ------
        PickleError
            As the other methods, if fewer are left.
        """
        self.operations -= count
        if self.operations < 0:
            refuse(f"the pickle asks for more than {MOST_OPERATIONS:,} operations")

    def spend(self, size: int) -> None:
        """Charge bytes of memory."""
        self.memory -= size
        if self.memory < 0:
            refuse("the pickle unfolds to many times its size")

    def spend_on(self, value: Any) -> None:
        """Charge a new value, without what it refers to, and one reference to it."""
        self.spend(sys.getsizeof(value) + _REFERENCE)

    def spend_on_items(self, count: int) -> None:
        """Charge new items of a list."""
        self.spend(count * _ITEM)

    def spend_on_entries(self, count: int) -> None:
        """Charge new entries of a dict or the memo."""
        self.spend(count * _ENTRY)

    def lay(self, size: int) -> None:
        """Charge an array over so many bytes, also where another is laid over the same ones."""
        self.spend(ARRAY)
        self.arrays -= size
        if self.arrays < 0:
            refuse("the pickle lays its arrays over the same bytes again and again")
