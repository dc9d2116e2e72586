"""Reads pickles of models as plain data: nothing named in a pickle is imported, called or built.

`pickle.load` runs whatever a file asks for. Here a small machine of our own goes through the
opcodes. It knows the few that such files need, and a fixed list of exact names; a class of that
list becomes an inert `Object` (its name and its state), an array of numbers becomes an ndarray over
the bytes of the file. Everything else is refused by name. As no class is ever instantiated, files
of any version of xgboost, LightGBM or scikit-learn are read alike, with none of them installed.

Not built on `pickle.Unpickler`, whose C code allocates what a file claims to need (memo slots,
bytearrays), and recurses where containers are nested as keys: a hostile file could end the process.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anb_export.models._pickled_arrays import NamesDtype, UnbuiltArray, UnbuiltDtype, to_array
from anb_export.models._pickled_budget import INSTANCE, Budget, PickleError, one_line, refuse
from anb_export.models._pickled_names import (
    CALLS,
    CLASSES,
    HINTS,
    HINTS_IN,
    PASSED_OVER,
    Global,
    Object,
    PassedOver,
)
from anb_export.models.model_files import LIMIT, read_content
from anb_onnx._io.files import FileError
from anb_onnx._io.show import show

__all__ = ["CLASSES", "Object", "PickleError", "loads", "read_pickle"]


_ARRAY_WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # their names in protocols 0 to 2


def read_pickle(path: str | Path, *, limit: int = LIMIT) -> Any:
    """Read a pickled model, or one that joblib wrote without compression; see `loads`.

    Raises
    ------
    PickleError
        As `loads`; the message begins with the path.
    """
    try:
        return loads(read_content(path, limit=limit), limit=limit)
    except FileError as error:
        raise PickleError(str(error)) from error
    except PickleError as error:
        msg = f"{path}: {error}"
        raise PickleError(msg) from error


def loads(content: bytes, *, limit: int = LIMIT, budget: Budget | None = None) -> Any:
    """Read a pickle of any protocol.

    Parameters
    ----------
    content : bytes
    limit : int
        Largest length accepted.
    budget : Budget, optional
        What it may cost, and afterwards what of that is left; `Budget` of the content by default.

    Returns
    -------
    object
        Plain values, dicts, lists and tuples; ndarrays of numbers; plain values for NumPy's; tuples
        for 1-D ndarrays of strings; `Object` for instances of `CLASSES`.

    Raises
    ------
    PickleError
        If the pickle is damaged or too large, names anything that is not allowed, or asks for more
        work or memory than an honest pickle of its size (see `Budget`).
    """
    if len(content) > limit:
        refuse(f"{len(content)} bytes are too many, at most {limit} are read")
    return _Machine(io.BytesIO(content), budget or Budget(len(content))).run()


class _Machine:
    def __init__(self, source: io.BytesIO, budget: Budget, *, inner: bool = False) -> None:
        self.source = source
        self.budget = budget
        self.inner = inner
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.first = ""  # the class that is named first: of the model, if it is one

    def run(self) -> Any:
        while True:
            name, argument = self.next()
            self.budget.operate()
            if name == "STOP":
                value = self.pop()
                if self.stack or self.marks:
                    refuse("the pickle is damaged: values are left over")
                return value
            if name in _CONSTANTS:
                self.push(argument)
            else:
                _STEPS[name](self, argument)

    def next(self) -> tuple[str, Any]:
        """Read an opcode that is allowed, and its argument; of others not even that."""
        code = self.source.read(1)
        if not code:
            refuse("the pickle is damaged: it ends early")
        opcode = _OPCODES.get(code)
        if opcode is None:
            refuse(f"the pickle is damaged: byte {code[0]:#04x} is no opcode")
        if opcode.name not in _ALLOWED:
            refuse(f"opcode {opcode.name} is not allowed")
        try:
            if opcode.name == "GLOBAL":
                argument: Any = (self.line(), self.line())
            else:
                argument = opcode.arg.reader(self.source) if opcode.arg else None
        except (ValueError, OverflowError) as error:
            refuse(f"the pickle is damaged: {one_line(error)}")
        return opcode.name, argument

    def line(self) -> str:
        """Read a line as `pickle` does; `pickletools` would unescape what stands in it."""
        line = self.source.readline()
        if not line.endswith(b"\n"):
            refuse("the pickle is damaged: it ends early")
        return line[:-1].decode("utf-8")

    def push(self, value: Any) -> None:
        """Put a new value onto the stack."""
        self.budget.spend_on(value)
        self.stack.append(value)

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            refuse("the pickle is damaged: a value is missing")
        return self.stack.pop()

    def top(self) -> Any:
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            refuse("the pickle is damaged: a mark is missing")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def put(self, key: int) -> None:
        value = self.top()
        self.budget.spend_on_entries(1)
        if isinstance(value, UnbuiltArray | UnbuiltDtype):
            value.memo_keys.append(key)
        self.memo[key] = value

    def get(self, key: int) -> None:
        if key not in self.memo:
            refuse(f"the pickle is damaged: nothing is stored under {show(key)}")
        self.budget.spend_on_items(1)
        self.stack.append(self.memo[key])

    def mark(self) -> None:
        self.budget.spend_on(len(self.stack))
        self.marks.append(len(self.stack))

    def extend_list(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, list):
            refuse("items are appended to something that is no list")
        self.budget.spend_on_items(len(items))
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, dict):
            refuse("items are set in something that is no dict")
        if len(items) % 2:
            refuse("the pickle is damaged: a value is missing")
        self.budget.spend_on_entries(len(items) // 2)
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Hashing a nested tuple recurses, and a number of a million digits takes its time.
            if not isinstance(key, str | int | float | None):
                refuse(f"a key of a dict must be plain, found {type(key).__name__}")
            if isinstance(key, int) and not -(2**63) <= key < 2**64:
                refuse(f"a key of a dict must fit 64 bits, found {show(key)}")
            target[key] = value

    def find(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            refuse("the pickle is damaged: a name must be a string")
        key = (_MODULES.get(module, module), name)
        shown = ".".join(key)
        if key not in CLASSES and key not in CALLS and key not in PASSED_OVER:
            hint = HINTS.get(shown) or HINTS_IN.get(self.first)
            refuse(
                f"the pickle asks for {shown[:100]!r}, which is not allowed; nothing was executed"
                f"{f'; {hint}' if hint else ''}"
            )
        if not self.first and key in CLASSES:
            self.first = shown
        self.budget.spend(INSTANCE)
        self.stack.append(Global(*key))

    def reduce(self) -> None:
        args, function = self.pop(), self.pop()
        if not isinstance(args, tuple) or not isinstance(function, Global):
            refuse("the pickle calls something that has no name")
        key = (function.module, function.name)
        self.budget.spend(INSTANCE)
        if key in CLASSES:
            self.push(Object(*key, args, {}))
        elif key in PASSED_OVER:
            self.push(PassedOver())
        else:
            self.push(CALLS[key](self.budget, args))

    def build(self) -> None:
        state, target = self.pop(), self.pop()
        if isinstance(target, UnbuiltArray | UnbuiltDtype):
            built = target.build(self.budget, state)
            for key in target.memo_keys:
                self.memo[key] = built
            self.push(built)
        elif isinstance(target, PassedOver):
            self.push(target)
        elif isinstance(target, Object) and isinstance(state, dict) and not target.state:
            self.budget.spend_on(state)  # before it is copied: one dict may be the state of many
            target.state = dict(state)
            wrapped = (target.module, target.name) == _ARRAY_WRAPPER
            self.push(self.read_wrapped(target.state) if wrapped else target)
        else:
            refuse("the pickle sets the state of something that has none")

    def read_wrapped(self, state: dict[str, Any]) -> Any:
        """Read an array that joblib wrote behind the opcode that describes it."""
        if isinstance(state.get("dtype"), NamesDtype):
            return self.read_names()
        if state.get("numpy_array_alignment_bytes") is not None:
            padding = self.source.read(1)
            self.source.read(padding[0] if padding else 0)
        order = state.get("order")
        return to_array(
            self.budget,
            state.get("dtype"),
            state.get("shape"),
            fortran=isinstance(order, str) and order == "F",
            raw=self.source.read,
        )

    def read_names(self) -> tuple[str, ...]:
        """Read a list of names, which joblib writes as a pickle inside the pickle."""
        if self.inner:
            refuse("the pickle is damaged: an array of objects in another")
        names = _Machine(self.source, self.budget, inner=True).run()
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
            refuse("arrays of objects are not allowed, but for lists of names")
        return names


#: Opcodes that push their argument. BYTEARRAY8 too: nothing here is changed in place.
_CONSTANTS = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)


def _tuple(size: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        items = [machine.pop() for _ in range(size)]
        machine.push(tuple(reversed(items)))

    return step


def _push(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(make())


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _dict(machine: _Machine, _: Any) -> None:
    items = machine.pop_mark()
    machine.push({})
    machine.set_items(items)


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    machine.find(module, name)


_STEPS: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "NONE": _push(lambda: None),
    "NEWTRUE": _push(lambda: True),
    "NEWFALSE": _push(lambda: False),
    "EMPTY_LIST": _push(list),
    "EMPTY_DICT": _push(dict),
    "EMPTY_TUPLE": _push(tuple),
    "MARK": lambda machine, _: machine.mark(),
    "POP": lambda machine, _: machine.pop(),
    "POP_MARK": lambda machine, _: machine.pop_mark(),
    "LIST": lambda machine, _: machine.push(machine.pop_mark()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "DICT": _dict,
    "APPEND": lambda machine, _: machine.extend_list([machine.pop()]),
    "APPENDS": lambda machine, _: machine.extend_list(machine.pop_mark()),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "PUT": lambda machine, key: machine.put(key),
    "BINPUT": lambda machine, key: machine.put(key),
    "LONG_BINPUT": lambda machine, key: machine.put(key),
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    "GET": lambda machine, key: machine.get(key),
    "BINGET": lambda machine, key: machine.get(key),
    "LONG_BINGET": lambda machine, key: machine.get(key),
    "GLOBAL": lambda machine, names: machine.find(*names),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": lambda machine, _: machine.reduce(),
    "NEWOBJ": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}


_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
#: Names of those that are read.
_ALLOWED = frozenset({"STOP", *_CONSTANTS, *_STEPS})
