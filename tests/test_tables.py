"""Integer tables against sums and links worked out in plain Python."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from anb_onnx.catalog.benchmarks import find_benchmark
from anb_onnx.errors import ArtifactError
from anb_onnx.links import Link
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.space import Block, Gene, SearchSpace
from anb_onnx.tables import TableEnsemble, summarise
from anb_onnx.terms import all_pairs

SPACE = SearchSpace(
    "small",
    (
        Block("a", (Gene("a0", (1, 2)), Gene("a1", (1, 2)))),
        Block("b", (Gene("b0", ("x", "y", "z")),)),
        Block("c", (Gene("c0", (False, True)),)),
    ),
)  # sizes 4, 3, 2; pairs (0, 1), (0, 2), (1, 2)


def entries(n_members: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(-(2**24), 2**24, (26, n_members), dtype=np.int32)


def ensemble(n_members: int, link: Link = Link("-1", 80.0)) -> TableEnsemble:  # noqa: B008
    return TableEnsemble(SPACE, entries(n_members), 0.01 * 2.0**-24, 0.1, link)


ALL = np.array([[a, b, c] for a in range(4) for b in range(3) for c in range(2)], dtype=np.uint8)


def test_offsets() -> None:
    assert all_pairs(SPACE).offsets == (0, 12, 20, 26)
    offsets = all_pairs(MNASNET).offsets
    assert len(offsets) == 22
    assert offsets[-1] == 15 * 36 * 36 + 6 * 36 * 48
    assert offsets[5] - offsets[4] == 36 * 48  # the pair (0, 5)


def test_totals_are_plain_sums() -> None:
    tables = ensemble(3)
    raw = entries(3).tolist()
    for row, total in zip(ALL.tolist(), tables.totals(ALL).tolist(), strict=True):
        a, b, c = row
        places = (a * 3 + b, 12 + a * 2 + c, 20 + b * 2 + c)
        assert total == [sum(raw[p][m] for p in places) for m in range(3)]
    assert tables.totals(ALL).dtype == np.int32


def test_views() -> None:
    tables = ensemble(2)
    assert [t.shape for t in tables.tables] == [(4, 3, 2), (4, 2, 2), (3, 2, 2)]
    assert all(np.shares_memory(t, tables.entries) for t in tables.tables)
    assert tables.n_members == 2


@pytest.mark.parametrize("n_members", [1, 2, 3, 8])
def test_predictions_in_plain_floats(n_members: int) -> None:
    """The documented sequence, one Python float operation (one rounding) at a time."""
    tables = ensemble(n_members)
    mean, std, members = tables.predict(ALL)
    assert mean.dtype == std.dtype == members.dtype == np.float32
    for row, total in enumerate(tables.totals(ALL).tolist()):
        y = []
        for count in total:
            u = float(count) * (0.01 * 2.0**-24)
            u = u + 0.1
            y.append(80.0 - 1.0 / u)
        centre = y[0]
        for value in y[1:]:
            centre = centre + value
        centre = centre / n_members
        squares = 0.0
        for value in y:
            squares = squares + (value - centre) * (value - centre)
        assert mean[row] == np.float32(centre)
        assert std[row] == np.float32(math.sqrt(squares / n_members))
        assert members[row].tolist() == [float(np.float32(v)) for v in y]


@pytest.mark.parametrize("n_members", [1, 3])
def test_hinges_in_plain_floats(n_members: int) -> None:
    """After the link, member by member, before the mean."""
    bare = ensemble(n_members)
    _, _, plain = bare.predict(ALL)
    low, high = (float(v) for v in np.quantile(plain, [0.3, 0.8]))
    hinges = ((low, -0.7), (high, 2.5), (low + 0.01, 0.3))
    tables = ensemble(n_members, Link("-1", 80.0, hinges))
    mean, std, members = tables.predict(ALL)
    for row, total in enumerate(tables.totals(ALL).tolist()):
        y = []
        for count in total:
            value = 80.0 - 1.0 / (float(count) * (0.01 * 2.0**-24) + 0.1)
            for knot, change in hinges:
                above = value - knot if value > knot else 0.0
                product = above * change
                value = value + product
            y.append(value)
        centre = y[0]
        for value in y[1:]:
            centre = centre + value
        centre = centre / n_members
        squares = 0.0
        for value in y:
            squares = squares + (value - centre) * (value - centre)
        assert mean[row] == np.float32(centre)
        assert std[row] == np.float32(math.sqrt(squares / n_members))
        assert members[row].tolist() == [float(np.float32(v)) for v in y]
    # Increasing: each member ranks the architectures as it did without.
    for m in range(n_members):
        np.testing.assert_array_equal(
            np.argsort(plain[:, m], kind="stable"), np.argsort(members[:, m], kind="stable")
        )
    assert (members != plain).any()
    assert (members == plain).any()


def test_predictions_in_rationals() -> None:
    tables = ensemble(5)
    mean, std, members = tables.predict(ALL)
    scale, shift = Fraction(0.01) / 2**24, Fraction(0.1)
    for row, total in enumerate(tables.totals(ALL).tolist()):
        y = [80 - 1 / (count * scale + shift) for count in total]
        centre = sum(y) / 5
        variance = sum((v - centre) ** 2 for v in y) / 5
        assert members[row].tolist() == pytest.approx([float(v) for v in y], rel=1e-7)
        assert mean[row] == pytest.approx(float(centre), rel=1e-7)
        assert std[row] == pytest.approx(math.sqrt(variance), rel=1e-6)


def test_every_architecture_for_itself() -> None:
    """Batch size, order and the type of the symbols do not change a bit."""
    tables = ensemble(4)
    whole = tables.predict(ALL)
    for dtype in (np.uint8, np.int32, np.int64):
        rows = [tables.predict(ALL[k : k + 1].astype(dtype)) for k in reversed(range(len(ALL)))]
        for output, parts in zip(whole, zip(*reversed(rows), strict=True), strict=True):
            np.testing.assert_array_equal(output, np.concatenate(parts))
    empty = tables.predict(ALL[:0])
    assert [o.shape for o in empty] == [(0,), (0,), (0, 4)]


def test_the_mean_is_a_division() -> None:
    """49 * (1 / 49) is below 1 in float64; here that would cross a midpoint of float32."""
    assert 49 * (1 / 49) < 1
    mean, std, _ = summarise(np.full((1, 49), 1 - 2.0**-25))
    assert mean[0] == 1  # the tie goes to even
    assert std[0] == 0


def test_one_member_has_no_spread() -> None:
    _, std, _ = ensemble(1).predict(ALL)
    assert (std == 0).all()
    _, std, _ = summarise(np.full((3, 7), 0.1))
    assert (std < 1e-16).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entries": entries(2).astype(np.int64)}, r"int32 \[n, M\], found int64"),
        ({"entries": entries(2)[:, 0]}, r"int32 \[n, M\], found int32 \(26,\)"),
        ({"entries": entries(2)[:-1]}, "'small' have 26 entries, found 25"),
        ({"entries": np.zeros((26, 0), np.int32)}, "26 entries"),
        ({"entries": np.zeros((26, 1025), np.int32)}, "1 to 1024 members, found 1025"),
        ({"scale": 0.0}, r"scale must be from 2\^-500 to 2\^95 in size, found 0.0"),
        ({"scale": 1e308}, "scale must be from"),
        ({"shift": -1e39}, r"shift must be at most 2\^126 in size, found -1e\+39"),
        ({"scale": math.inf}, "scale and shift must be finite, found inf"),
        ({"shift": math.nan}, "scale and shift must be finite.*nan"),
    ],
)
def test_refusals(change: dict[str, object], message: str) -> None:
    facts = {"space": SPACE, "entries": entries(2), "scale": 1.0, "shift": 0.0, "link": Link()}
    with pytest.raises(ArtifactError, match=message):
        TableEnsemble(**{**facts, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "limit", "beyond"),
    [
        ("scale", 2.0**-500, 0.0),
        ("scale", -(2.0**-500), 0.0),
        ("scale", 2.0**95, math.inf),
        ("scale", -(2.0**95), -math.inf),
        ("shift", 2.0**126, math.inf),
        ("shift", -(2.0**126), -math.inf),
    ],
)
def test_numbers_up_to_their_limits_are_allowed(key: str, limit: float, beyond: float) -> None:
    facts: dict[str, Any] = {"scale": 1.0, "shift": 0.0}
    found = TableEnsemble(SPACE, entries(2), link=Link(), **{**facts, key: limit})
    assert getattr(found, key) == limit
    with pytest.raises(ArtifactError, match=f"{key} must be"):
        TableEnsemble(
            SPACE, entries(2), link=Link(), **{**facts, key: math.nextafter(limit, beyond)}
        )


def test_members_up_to_their_limit_are_allowed() -> None:
    assert TableEnsemble(SPACE, entries(1024), 1.0, 0.0, Link()).n_members == 1024


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("member", [0, 1])
def test_sums_up_to_the_last_of_int32_are_allowed(sign: int, member: int) -> None:
    """Each pair's largest entry of one sign counts, in whatever row, for each member alone."""
    last = 2**31 - 1 if sign > 0 else -(2**31)
    raw = np.zeros((26, 2), np.int32)
    raw[[3, 13, 25], member] = last - sign * 300, sign * 100, sign * 200
    # Of the other sign, and of another member: these take nothing away and add nothing.
    raw[[4, 14, 24], member] = -sign * 1000
    raw[[3, 13, 25], 1 - member] = sign * 7
    found = TableEnsemble(SPACE, raw, 0.5, 1.0, Link())
    ends = sorted([last * 0.5 + 1.0, -sign * 3000 * 0.5 + 1.0])
    assert found.bounds == (ends[0], ends[1])
    raw[25, member] += sign
    with pytest.raises(ArtifactError, match=f"can add up to .*{last + sign}.*; sums must stay"):
        TableEnsemble(SPACE, raw, 0.5, 1.0, Link()).bounds  # noqa: B018


def test_an_offset_is_refused_from_the_byte_on_at_which_tables_leave_the_file() -> None:
    folder = find_benchmark().folder
    model = (folder / "accuracy.onnx").read_bytes()
    card = json.loads((folder / "manifest.json").read_text())["targets"]["accuracy"]

    def read(**change: int) -> TableEnsemble:
        stated = {**card, "tables": {**card["tables"], **change}}
        return TableEnsemble.from_artifact(model, stated, MNASNET, "accuracy.onnx")

    assert read().n_members == 8
    last = len(model) - 29808 * 8 * 4
    with pytest.raises(ArtifactError, match=rf"'tables\.offset' is {last} in its card, but"):
        read(offset=last)
    with pytest.raises(ArtifactError, match=f"would end behind the file's {len(model)} bytes"):
        read(offset=last + 1)
    with pytest.raises(
        ArtifactError, match=r"'tables\.members' must be from 1 to 1024, found 1025"
    ):
        read(members=1025)
    with pytest.raises(ArtifactError, match=r"'tables\.members' must be from 1 to 1024, found 0"):
        read(members=0)
    with pytest.raises(ArtifactError, match=r"'tables\.members' is 1 in its card, but 8 in the"):
        read(members=1)


def test_whole_numbers_may_lose_their_point_in_json_and_floats_are_no_counts() -> None:
    folder = find_benchmark().folder
    model = (folder / "macs.onnx").read_bytes()
    card = json.loads((folder / "manifest.json").read_text())["targets"]["macs"]

    def read(**change: object) -> TableEnsemble:
        stated = {**card, "tables": {**card["tables"], **change}}
        return TableEnsemble.from_artifact(model, stated, MNASNET, "macs.onnx")

    assert card["tables"]["shift"] == 0
    for shift in (0, 0.0):
        assert type(read(shift=shift).shift) is float
    for wrong in (2**53, -(2**53), 10**400, "0", False, None):
        with pytest.raises(ArtifactError, match=r"key 'tables\.shift' must be float, found"):
            read(shift=wrong)
    for value in (1.0, True, "1", None, -1):
        with pytest.raises(ArtifactError, match=r"key 'tables\.members' must be int, found"):
            read(members=value)
    for key in ("tables", "link"):
        unfit: tuple[Any, ...] = (None, [], 3)
        for part in unfit:
            with pytest.raises(ArtifactError, match="needs the keys 'tables' and 'link'"):
                TableEnsemble.from_artifact(model, {**card, key: part}, MNASNET, "macs.onnx")
        without = {k: v for k, v in card.items() if k != key}
        with pytest.raises(ArtifactError, match="needs the keys 'tables' and 'link'"):
            TableEnsemble.from_artifact(model, without, MNASNET, "macs.onnx")


def test_one_block_has_no_tables() -> None:
    space = SearchSpace("one", (Block("b", (Gene("g", (1, 2)),)),))
    with pytest.raises(ArtifactError, match="no term of it has 2"):
        TableEnsemble(space, np.zeros((0, 1), np.int32), 1.0, 0.0, Link())


@pytest.mark.parametrize(
    ("link", "scale", "shift", "message"),
    [
        (Link("-1"), 1e-60, 1e-40, r"a prediction could be \S+e\+39; float32 holds 3.403e\+38"),
        (Link("1/8"), 1.0, 2.0**126, "a prediction could be"),
        (Link("1", None, ((0.0, 3e38),)), 1.0, 1e10, "a prediction could be"),
        (
            Link("-1/2"),
            -1.0,
            0.0,
            "needs positive values; .* is -?[0-9.]+ at most",
        ),
    ],
)
def test_predictions_that_leave_float32(
    link: Link, scale: float, shift: float, message: str
) -> None:
    plain = ensemble(2)
    extreme = TableEnsemble(SPACE, np.abs(plain.entries), scale, shift, link)
    with pytest.raises(ArtifactError, match=message):
        extreme.bounds  # noqa: B018 - computed when it is asked for


@pytest.mark.parametrize("link", [Link("-1", 80.0), Link(), Link("1", None, ((79.0, 0.5),))])
def test_bounds_hold_every_prediction(link: Link) -> None:
    found = ensemble(3, link)
    assert found.bounds is not None
    low, high = found.bounds
    _, _, members = found.predict(ALL)
    assert low <= members.min()
    assert members.max() <= high
    # Where the least sum leaves the domain, nothing follows from it.
    assert TableEnsemble(SPACE, found.entries, 1.0, 0.0, Link("-1")).bounds is None
