from __future__ import annotations

import builtins
import collections
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anb_export.models._pickled_budget import Budget
from anb_export.models.safe_pickle import Object, PickleError, loads, read_pickle
from hypothesis import given, settings
from hypothesis import strategies as st

from .checkpoint_writer import fit

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
PUBLISHED = Path(__file__).parent / "data" / "published"
STATE = {"a": [1, -2, 2**70, 1.5, None, True, "é\n\\u", b"\x00\xff"], "b": ((), (1,), (1, 2, 3))}


def executed(path: Path) -> bool:
    return path.exists()


class Bomb:
    """Anything whose pickle calls something when it is loaded."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_of_every_protocol(protocol: int) -> None:
    assert loads(pickle.dumps(STATE, protocol)) == STATE
    shared = [STATE] * 3
    found = loads(pickle.dumps(shared, protocol))
    assert found == shared
    assert found[0] is found[2]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype="<i4").reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=">f8").reshape(3, 4)),
        np.zeros((0, 28), np.uint8),
        np.array((1, 2.5), dtype=[("child", "<i8"), ("value", "<f8")]),
        np.array([(1, 2.5), (-1, 0.0)], dtype=[("child", "<i8"), ("value", "<f8")]),
        np.array([True, False]),
    ],
    ids=lambda a: f"{a.dtype.kind}{a.shape}",
)
def test_arrays_of_numbers(array: Any, protocol: int) -> None:
    found = loads(pickle.dumps({"one": array, "two": array}, protocol))
    for key in ("one", "two"):
        assert found[key].dtype == array.dtype
        np.testing.assert_array_equal(found[key], array)
    assert loads(pickle.dumps(array.dtype, protocol)) == array.dtype


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.int32(-7), -7),
        (np.uint8(255), 255),
        (np.bool_(True), True),
        (np.str_("rbf"), "rbf"),
        (np.str_(""), ""),
        (np.str_("é\U0001f600"), "é\U0001f600"),
        (np.array("hist"), "hist"),
        (np.array("hist", ">U9"), "hist"),
        (np.array(3.5, np.float32), 3.5),
        (np.array(-4), -4),
        (np.array(False), False),
        (np.array(["block0_e", "é"]), ("block0_e", "é")),
        (np.array(["a", "b"], ">U3")[:0], ()),
    ],
    ids=repr,
)
def test_values_of_numpy_become_plain(
    value: Any, plain: Any, protocol: int, tmp_path: Path
) -> None:
    found = loads(pickle.dumps([value, value], protocol))
    assert found == [plain, plain]
    assert type(found[0]) is type(plain)
    joblib = pytest.importorskip("joblib")
    joblib.dump([value], tmp_path / "file", protocol=protocol)
    assert read_pickle(tmp_path / "file") == [plain]


def test_strings_that_are_none() -> None:
    kind = pickle.dumps(np.dtype("<U2"), 2)[2:-1]
    scalar = b"\x80\x04cnumpy.core.multiarray\nscalar\n(" + kind
    assert loads(scalar + b"C\x08a\0\0\0b\0\0\0tR.") == "ab"
    for content, message in (
        (scalar + b"C\x07a\0\0\0b\0\0tR.", "wrong value of a number"),
        (scalar + b"C\x08\xff\xff\xff\xffb\0\0\0tR.", "holds something else"),
        (scalar + b"C\x08\0\xd8\0\0b\0\0\0tR.", "holds something else"),
        (pickle.dumps(np.array([["a"], ["b"]])), "strings with several axes"),
        (pickle.dumps(np.array(["", ""])).replace(b"\x8c\x02U1", b"\x8c\x02U0"), "damaged|empty"),
    ):
        with pytest.raises(PickleError, match=message):
            loads(content)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_booster_stays_its_state(protocol: int) -> None:
    booster = fit("xgb", "accuracy", 1)
    found = loads(pickle.dumps(booster, protocol))
    assert isinstance(found, Object)
    assert found.kind == "xgboost.core.Booster"
    assert bytes(found.state["handle"]) == bytes(booster.__getstate__()["handle"])


def test_joblib_files(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    forest = fit("sklearn_forest", "accuracy", 1)
    joblib.dump(forest, tmp_path / "forest.joblib")
    found = read_pickle(tmp_path / "forest.joblib")
    inner = found.state["estimators_"][2].state["tree_"].state["nodes"]
    wanted = forest.estimators_[2].tree_.__getstate__()["nodes"]
    np.testing.assert_array_equal(inner, wanted)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("function", "args", "name"),
    [
        (os.system, ("touch {}",), f"{os.system.__module__}.system"),
        (os.mkdir, ("{}",), f"{os.mkdir.__module__}.mkdir"),
        (builtins.eval, ("open({!r}, 'w')",), "builtins.eval"),
        (builtins.exec, ("open({!r}, 'w')",), "builtins.exec"),
        (builtins.getattr, ("", "join"), "builtins.getattr"),
        (builtins.open, ("{}", "w"), "open"),
        (builtins.__import__, ("os",), "builtins.__import__"),
        (Path, ("{}",), "pathlib.Path"),
        (collections.Counter, ((),), "collections.Counter"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bombs_are_refused_by_name(
    function: Any, args: tuple[Any, ...], name: str, protocol: int, tmp_path: Path
) -> None:
    mark = tmp_path / "executed"
    bomb = Bomb(function, *(a.format(str(mark)) if isinstance(a, str) else a for a in args))
    for value in (bomb, [1, {"handle": bomb}], {"a": Bomb(bytearray, bomb)}):
        with pytest.raises(PickleError, match=f"{name}'?.*nothing was executed"):
            loads(pickle.dumps(value, protocol))
    assert not executed(mark)


def test_the_mark_of_these_tests_works(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    pickle.loads(pickle.dumps(Bomb(os.system, f"touch {mark}")))
    assert executed(mark)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04cos\nsystem\n(S'true'\ntR.",  # STRING
        b"cposix\nsystem\n(Vtrue\ntR.",
        b"(cposix\nsystem\nVtrue\no.",  # OBJ
        b"(Vtrue\niposix\nsystem\n.",  # INST
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x02Vx\nQ.",  # BINPERSID
        b"Px\n.",  # PERSID
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85\x52.",
        b"\x80\x04\x8c\x0dxgboost.core.\x8c\x07Booster\x93.",  # nearly an allowed name
        b"\x80\x04\x8c\x0cxgboost.core\x8c\x10Booster.__init__\x93.",
        b"\x80\x04\x8c\x05numpy\x8c\x0afrombuffer\x93.",
        b"\x80\x04\x8c\x07copyreg\x8c\x0d__newobj_ex__\x93.",
        b"\x80\x05\x97.",  # NEXT_BUFFER
        b"\x80\x04\x8f.",  # EMPTY_SET
        b"\x80\x04\x92.",  # NEWOBJ_EX
    ],
)
def test_other_ways_to_call(content: bytes) -> None:
    with pytest.raises(PickleError, match="not allowed"):
        loads(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (b"\x80\x04", "damaged"),
        (b".", "a value is missing"),
        (b"NN.", "left over"),
        (b"N", "damaged"),
        (b"(N.", "left over"),
        (b"0.", "a value is missing"),
        (b"t.", "a mark is missing"),
        (b"\x80\x04NNs.", "missing"),
        (b"NNa.", "no list"),
        (b"}NNNs.", "no dict"),
        (b"}(Nu.", "a value is missing"),
        (b"NNR.", "no name"),
        (b"N}b.", "has none"),
        (b"h\x07.", "nothing is stored"),
        (b"](NNu.", "no dict"),
        (b"}))s.", "key of a dict must be plain"),
        (b"\x80\x04\x8c\x08builtins\x8c\x06object\x93)R.", "only be named"),
        (b"\x80\x04\x8c\x08builtins\x8c\x09bytearray\x93K\x07\x85R.", "arguments"),
        (b"c_codecs\nencode\n(Vx\nVrot13\ntR.", "arguments"),
        (b"ccollections\ndefaultdict\n(K\x01tR.", "arguments"),
        (b"cnumpy\ndtype\n(VO4\nI00\nI01\ntR.", "arrays of 'O4' are not allowed.*plain array"),
        (b"cnumpy\ndtype\n(VS9\ntR.", "arrays of 'S9'"),
        (b"cnumpy\ndtype\n(VU12345\ntR.", "arrays of 'U12345'"),
        *(
            (b"cnumpy\ndtype\n(V%b\ntR." % code, f"arrays of '{code.decode()}' are not allowed")
            for code in (b"f1", b"b2", b"b4", b"b8")
        ),
    ],
)
def test_damaged_pickles(content: bytes, message: str) -> None:
    with pytest.raises(PickleError, match=message):
        loads(content)


def test_arrays_of_objects_are_refused() -> None:
    for protocol in PROTOCOLS:
        with pytest.raises(PickleError, match="nothing was executed"):
            loads(pickle.dumps(np.array([os.system, 1], dtype=object), protocol))
        for items in ([1, 2], ["a", None], [["a"], ["b"]], ["a", ("b",)]):
            with pytest.raises(PickleError, match="arrays of objects are not allowed, but for lis"):
                loads(pickle.dumps(np.array(items, dtype=object), protocol))
    # Nor may the bytes of a file be taken for objects.
    kind = pickle.dumps(np.dtype(object), 2)[2:-1]
    for content in (
        b"cnumpy.core.multiarray\nscalar\n(" + kind + b"C\x08\0\0\0\0\0\0\0\0tR.",
        b"cnumpy.core.numeric\n_frombuffer\n(C\x08\0\0\0\0\0\0\0\0" + kind + b"K\x01\x85VC\ntR.",
    ):
        with pytest.raises(PickleError, match="damaged: wrong"):
            loads(b"\x80\x04" + content)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_of_names_become_tuples(protocol: int) -> None:
    names = np.array(["block0_e", "é"], dtype=object)
    assert loads(pickle.dumps([names, names], protocol)) == [("block0_e", "é")] * 2
    assert loads(pickle.dumps(names[:0], protocol)) == ()


def wrapped(inner: bytes) -> bytes:
    """An array of objects as joblib writes it: the pickle `inner` in the pickle."""
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}Vdtype\n"
    return b"\x80\x04" + wrapper + pickle.dumps(np.dtype(object), 2)[2:-1] + b"sb" + inner


def test_pickles_in_pickles() -> None:
    names = pickle.dumps(np.array(["a", "b"], dtype=object), 4)
    assert loads(wrapped(names) + b".") == ("a", "b")
    for inner, message in (
        (pickle.dumps(Bomb(os.system, "true"), 4), "nothing was executed"),
        (pickle.dumps([1]), "arrays of objects are not allowed"),
        (wrapped(names) + b".", "an array of objects in another"),
        (b"", "damaged"),
    ):
        with pytest.raises(PickleError, match=message):
            loads(wrapped(inner) + b".")


ARRAY = pickle.dumps(np.array([1, 2]), 2)[2:-1]


@pytest.mark.parametrize(
    "content",
    [
        b"c_codecs\nencode\n(Va\n" + ARRAY + b"tR.",
        b"cbuiltins\nbytearray\n(Va\n" + ARRAY + b"tR.",
        b"cnumpy\ndtype\n(Vf8\ntR(K\x03" + ARRAY + b"NNNK\x08K\x08K\0tb.",
        b"cnumpy\ndtype\n(VV8\ntR(K\x03V|\nN)}" + ARRAY + b"K\x08K\0tb.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + ARRAY + b"C\x01btR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + ARRAY + b"\x85C\x01btR.",
        b"cnumpy.core.numeric\n_frombuffer\n(C\0N)" + ARRAY + b"tR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85C\x01btR(K\x01K\x02\x85"
        + (pickle.dumps(np.dtype("<f8"), 2)[2:-1] + ARRAY + b"C\0tb."),
    ],
    ids=range(8),
)
def test_arrays_where_other_things_belong(content: bytes) -> None:
    with pytest.raises(PickleError, match=r"damaged|arguments"):
        loads(b"\x80\x04" + content)


def test_what_claims_to_be_huge_allocates_nothing() -> None:
    size = struct.pack("<Q", 2**62)
    for content in (
        b"\x80\x05\x96" + size + b"x.",  # BYTEARRAY8
        b"\x80\x04\x8e" + size + b"x.",  # BINBYTES8
        b"\x80\x04\x8d" + size + b"x.",  # BINUNICODE8
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",  # LONG4
    ):
        with pytest.raises(PickleError):
            loads(content)
    # A memo slot of a large number is no large memo.
    assert loads(b"\x80\x02K\x01r\xff\xff\xff\xff.") == 1
    array = pickle.dumps(np.zeros(3, np.uint8), 4)
    with pytest.raises(PickleError, match="array of 255 bytes has 3"):
        loads(array.replace(b"K\x03\x85", b"K\xff\x85"))


def test_copies_of_one_long_string_are_limited() -> None:
    text = b"X" + struct.pack("<i", 10**6) + b"a" * 10**6 + b"q\x01"
    call = b"c_codecs\nencode\n(h\x01X\x06\x00\x00\x00latin1tR"
    with pytest.raises(PickleError, match="many times its size"):
        loads(b"\x80\x02(" + text + call * 1000 + b"t.")


@pytest.mark.filterwarnings("error")
def test_names_are_not_unescaped() -> None:
    with pytest.raises(PickleError, match=r"asks for 'xgboost\.core\.Boost\\\\x65r'"):
        loads(b"cxgboost.core\nBoost\\x65r\n.")
    with pytest.raises(PickleError, match=r"asks for '\\\\u\.x'"):
        loads(b"c\\u\nx\n.")
    for content in (b"cxgboost.core", b"cxgboost.core\nBooster", b"c\xff\nx\n."):
        with pytest.raises(PickleError, match="damaged"):
            loads(content)
    with pytest.raises(PickleError, match="opcode STRING is not allowed"):
        loads(b"S'\\u'\n.")


def test_deep_nesting_does_not_recurse() -> None:
    depth = 200_000
    assert isinstance(loads(b"\x80\x02" + b")" + b"\x85" * depth + b"."), tuple)
    assert isinstance(loads(b"]" * depth + b"a" * (depth - 1) + b"."), list)
    with pytest.raises(PickleError, match="key of a dict"):
        loads(b"}" + b")" + b"\x85" * depth + b"Ns.")


def test_too_many_operations() -> None:
    budget = Budget(0)
    budget.operations = 122
    assert loads(b"N0" * 60 + b"N.", budget=budget) is None
    assert budget.operations == 0
    budget.operations = 121
    with pytest.raises(PickleError, match="more than 5,000,000 operations"):
        loads(b"N0" * 60 + b"N.", budget=budget)


def test_large_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(pickle.dumps(STATE))
    with pytest.raises(PickleError, match=f"{path} has .* bytes, at most 10 are allowed"):
        read_pickle(path, limit=10)
    with pytest.raises(PickleError, match="too many"):
        loads(bytes(11), limit=10)
    with pytest.raises(PickleError, match=r"none cannot be read"):
        read_pickle(tmp_path / "none")


CHECKPOINTS = [path.read_bytes() for path in sorted(PUBLISHED.rglob("surrogate_model.model"))]


@pytest.mark.parametrize("number", range(len(CHECKPOINTS)))
def test_truncated_files(number: int) -> None:
    content = CHECKPOINTS[number]
    for end in [*range(0, 200), *range(200, len(content), 211), len(content) - 1]:
        with pytest.raises(PickleError):
            loads(content[:end])


def read_or_refused(content: bytes) -> None:
    """Nothing but a value or a short `PickleError` may come of any bytes."""
    message = ""
    try:
        loads(content)
    except PickleError as error:
        message = str(error)
    assert len(message) < 400


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_random_bytes_end_in_a_value_or_a_clear_error(content: bytes) -> None:
    named = b"\x80\x04\x8c\x0cxgboost.core\x94\x8c\x07Booster\x94\x93\x94)"
    for start in (b"", b"\x80\x04", named):
        read_or_refused(start + content + b".")


@settings(max_examples=300)
@given(st.sampled_from(CHECKPOINTS), st.data())
def test_changed_checkpoints_end_in_a_value_or_a_clear_error(content: bytes, data: Any) -> None:
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused(bytes(changed))
