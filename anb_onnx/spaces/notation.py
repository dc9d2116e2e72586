"""Lists, objects, strings and numbers as JSON or Python writes them, read without loss.

The union of both as docs/architectures.md has it, the same in every language: what is read here is
what C++ and JavaScript read. Neither `json` nor `ast` would do: of a key that stands twice both
keep the last, and of a number beyond 53 bits a float keeps the nearest.
"""

from __future__ import annotations

import re
from typing import Any

#: White space, everywhere in texts of architectures.
BLANKS = " \t\r\n"

#: Most levels of lists and objects in each other, far more than any architecture has.
_MOST_LEVELS = 16

# Digits, at most, of a number that is read as an integer: choices and codes have 64 bits.
_MOST_DIGITS = 40

_BLANK = re.compile(f"[{BLANKS}]*")
_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_GOES_ON = re.compile(r"[\w.]")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = {quote: re.compile(rf"[^{quote}\\\x00-\x1f]*") for quote in "\"'"}
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", **{c: c for c in "\"'\\/"}}
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_ENDS = {"[": "]", "(": ")", "{": "}"}


class NotationError(ValueError):
    """The text is no value in this notation; the message says what is wrong, and where."""


class RepeatedKeyError(NotationError):
    """An object has a key twice.

    Attributes
    ----------
    key : str
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"key {key!r} stands twice in it")
        self.key = key


class OtherNumber(float):
    """A number that is no integer, or one of too many digits to be any code or choice.

    Attributes
    ----------
    digits : str
        As they were written.
    """

    digits: str

    @classmethod
    def of(cls, digits: str) -> OtherNumber:
        """Return the number of some digits."""
        self = cls(digits)
        self.digits = digits
        return self

    def is_integer(self) -> bool:
        """Say no: of 9007199254740992.5 a float keeps the whole number before it."""
        return False

    def __repr__(self) -> str:
        return self.digits


def read(text: str) -> Any:
    """Return the value that a text is, white space around it aside.

    Returns
    -------
    dict, list, str, int, OtherNumber, bool or None
        Tuples are lists, too. A number is an int if its decimals say that it is whole.

    Raises
    ------
    RepeatedKeyError
        If an object has a key twice.
    NotationError
        If it is anything else than one such value.
    """
    reader = _Reader(text)
    value = reader.value(_MOST_LEVELS)
    reader.skip()
    if reader.at < len(text):
        raise reader.error("something follows")
    return value


class _Reader:
    """A place in a text, which reading moves on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip(self) -> str:
        """Pass over white space; return the character there, or "" at the end."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def error(self, what: str) -> NotationError:
        where = "its end" if self.at >= len(self.text) else f"character {self.at + 1}"
        return NotationError(f"{what} at {where}")

    def value(self, levels: int) -> Any:
        first = self.skip()
        if first in _ENDS:
            if levels == 0:
                raise self.error("it is nested too deeply")
            self.at += 1
            items = self.object if first == "{" else self.list
            return items(_ENDS[first], levels - 1)
        if first in _PLAIN:
            return self.string()
        if number := _NUMBER.match(self.text, self.at):
            self.at = number.end()
            if _GOES_ON.match(self.text, self.at):
                raise self.error("no number goes on so")
            return _number(number)
        word = _WORD.match(self.text, self.at)
        if word is None or word[0] not in _WORDS:
            raise self.error("there is no value")
        self.at = word.end()
        return _WORDS[word[0]]

    def list(self, end: str, levels: int) -> list[Any]:
        items: list[Any] = []
        comma = False
        while self.skip() != end:
            if items and not comma:
                raise self.error("a comma is missing")
            items.append(self.value(levels))
            comma = self.comma()
        if end == ")" and len(items) == 1 and not comma:
            raise self.error("one item in ( ) has a comma behind it")
        self.at += 1
        return items

    def object(self, end: str, levels: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        comma = False
        while self.skip() != end:
            if found and not comma:
                raise self.error("a comma is missing")
            if self.skip() not in _PLAIN:
                raise self.error("there is no string for a key")
            key = self.string()
            if key in found:
                raise RepeatedKeyError(key)
            if self.skip() != ":":
                raise self.error("there is no colon")
            self.at += 1
            found[key] = self.value(levels)
            comma = self.comma()
        self.at += 1
        return found

    def comma(self) -> bool:
        """Pass over a comma behind an item; say whether there was one."""
        if self.skip() != ",":
            return False
        self.at += 1
        return True

    def string(self) -> str:
        quote = self.text[self.at]
        self.at += 1
        parts = []
        while True:
            plain = _PLAIN[quote].match(self.text, self.at)
            parts.append(plain[0] if plain else "")
            self.at += len(parts[-1])
            stop = self.text[self.at : self.at + 1]
            if stop == quote:
                self.at += 1
                break
            if stop != "\\":
                raise self.error("a string does not end" if not stop else "a string is broken")
            parts.append(self.escape())
        return self.whole("".join(parts))

    def escape(self) -> str:
        kind = self.text[self.at + 1 : self.at + 2]
        if kind in _ESCAPES:
            self.at += 2
            return _ESCAPES[kind]
        digits = _HEX.match(self.text, self.at + 2) if kind == "u" else None
        if digits is None:
            raise self.error("there is no such escape")
        self.at += 6
        return chr(int(digits[0], 16))

    def whole(self, string: str) -> str:
        """Return a string in which pairs of surrogates are the characters that they stand for."""
        try:
            return string.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            raise self.error("half a surrogate pair is in the string that ends") from None


def _number(number: re.Match[str]) -> int | OtherNumber:
    """Return the number of a text, an int if its decimals say so."""
    sign, whole, rest, power = number[1], number[2], number[3] or "", number[4] or "0"
    digits = (whole + rest).lstrip("0")
    if not digits:
        return 0
    if len(power) > _MOST_DIGITS:  # of zeros in front, perhaps, but nobody writes so
        return OtherNumber.of(number[0])
    point = len(digits) - len(rest) + int(power)
    if not 0 < point <= _MOST_DIGITS or digits[point:].strip("0"):
        return OtherNumber.of(number[0])
    return int(sign + digits[:point].ljust(point, "0"))
