"""Links against 60 digits, against rationals rounded after every step, and against bad input."""

from __future__ import annotations

import json
import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anb_onnx.errors import AnbError, ArtifactError
from anb_onnx.links import POWERS, STEPS, Link

LINKS = [Link(power, offset) for power in POWERS for offset in (None, 80.0, -3.5)]
HINGES = ((30.0, -0.5), (45.5, 2.0), (45.5, -0.25), (20.0, 0.75))
BY_NAME = pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)


def targets(link: Link) -> np.ndarray:
    """Targets across four decades of the argument of the power."""
    t = np.geomspace(0.02, 200.0, 101)
    return t if link.offset is None else link.offset - t


def forward_in_60_digits(link: Link, y: float) -> Decimal:
    with localcontext() as context:
        context.prec = 60
        t = Decimal(y) if link.offset is None else Decimal(link.offset) - Decimal(y)
        numerator, _, denominator = link.power.partition("/")
        exponent = Decimal(numerator) / Decimal(denominator or 1)
        return t**exponent


@BY_NAME
def test_forward_and_inverse_in_60_digits(link: Link) -> None:
    y = targets(link)
    exact = [forward_in_60_digits(link, float(v)) for v in y]
    u = link.forward(y)
    np.testing.assert_allclose(u, [float(v) for v in exact], rtol=2e-14)
    # u is known to half a unit; what that means for y is its slope.
    allowed = 1e-15 * (link.slope(y) * np.abs(u) + np.abs(y) + np.abs(link.offset or 0.0)) * 8
    assert (np.abs(link.inverse(np.array([float(v) for v in exact])) - y) <= allowed).all()
    np.testing.assert_allclose(link.inverse(u), y, rtol=1e-11, atol=1e-11)


Hinges = tuple[tuple[float, float], ...]


def inverse_by_rationals(power: str, offset: float | None, u: float, hinges: Hinges = ()) -> float:
    """The inverse, every step worked out exactly and rounded once: what IEEE 754 prescribes."""
    times = {"1": 0, "2": -1, "4": -2, "1/2": 1, "1/4": 2, "1/8": 3}[power.lstrip("-")]
    y = u
    for _ in range(times):
        y = float(Fraction(y) ** 2)
    for _ in range(-times):
        with localcontext() as context:
            context.prec = 60
            y = float(Decimal(y).sqrt())
    if power.startswith("-"):
        y = float(1 / Fraction(y))
    if offset is not None:
        y = float(Fraction(offset) - Fraction(y))
    for knot, change in hinges:
        above = max(float(Fraction(y) - Fraction(knot)), 0.0)
        y = float(Fraction(y) + Fraction(float(Fraction(above) * Fraction(change))))
    return y


@given(
    power=st.sampled_from(POWERS),
    offset=st.none() | st.floats(-1e3, 1e3),
    u=st.floats(1e-6, 1e6),
    hinges=st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-0.99, 4.0)), max_size=4).map(tuple),
)
def test_inverse_is_its_correctly_rounded_steps(
    power: str, offset: float | None, u: float, hinges: Hinges
) -> None:
    link = Link(power, offset, hinges)
    wanted = inverse_by_rationals(power, offset, u, hinges)
    assert link.inverse(np.array([u])).tolist() == [wanted]
    y, left = u, list(hinges)
    for step in link.inverse_steps:
        if step == "square":
            y = y * y
        elif step == "sqrt":
            y = math.sqrt(y)
        elif step == "reciprocal":
            y = 1.0 / y
        elif step == "reflect":
            assert offset is not None
            y = offset - y
        else:
            assert step == "hinge"
            knot, change = left.pop(0)
            y = y + max(y - knot, 0.0) * change
    assert y == wanted
    assert not left


def test_steps_are_those_on_offer() -> None:
    found = {step for link in LINKS for step in link.inverse_steps}
    assert (*STEPS,) == ("square", "sqrt", "reciprocal", "reflect", "hinge", "regime")
    assert found == set(STEPS) - {"hinge", "regime"}
    assert Link("-1", 80.0, HINGES).inverse_steps == ("reciprocal", "reflect", *["hinge"] * 4)
    assert Link().inverse_steps == ()
    assert Link("4", offset=1.0).inverse_steps == ("sqrt", "sqrt", "reflect")
    assert Link("-1/8").inverse_steps == ("square", "square", "square", "reciprocal")


def by_segments(hinges: Hinges, x: Fraction) -> Fraction:
    """The map as one polyline over the uncorrected value: corners, and a slope between each two."""
    corners: list[tuple[Fraction, Fraction]] = []  # (place on x, factor of the slope from there on)

    def walk() -> list[tuple[Fraction, Fraction, Fraction]]:
        lines: list[tuple[Fraction, Fraction, Fraction]] = []  # start on x, start on y, slope
        slope = Fraction(1)
        for k, (place, factor) in enumerate(sorted(corners)):
            y = place if k == 0 else lines[-1][1] + (place - lines[-1][0]) * slope
            slope *= factor
            lines.append((place, y, slope))
        return lines

    for knot, change in hinges:
        wanted = Fraction(knot)
        # Where on x the knot lies: on the last line that starts below it.
        below = [line for line in walk() if line[1] <= wanted]
        place = below[-1][0] + (wanted - below[-1][1]) / below[-1][2] if below else wanted
        corners.append((place, 1 + Fraction(change)))
    below = [line for line in walk() if line[0] <= x]
    return below[-1][1] + (x - below[-1][0]) * below[-1][2] if below else x


def test_the_oracle_of_hinges() -> None:
    """Worked out by hand: slope 1/2 from 30, then, from 40 on the corrected scale, 3/2."""
    hinges = ((30.0, -0.5), (40.0, 2.0))
    found = [by_segments(hinges, Fraction(x)) for x in (0, 30, 40, 50, 60)]
    assert found == [0, 30, 35, 40, 55]
    assert Link("1", None, hinges).inverse(np.array([0.0, 30, 40, 50, 60])).tolist() == found


@given(
    hinges=st.lists(
        st.tuples(st.floats(-100, 100), st.floats(-0.9, 3.0)), min_size=1, max_size=12
    ).map(tuple),
    x=st.lists(st.floats(-200, 200), min_size=1, max_size=8),
)
def test_hinges_are_a_piecewise_linear_map(hinges: Hinges, x: list[float]) -> None:
    found = Link("1", None, hinges).inverse(np.array(x))
    wanted = [by_segments(hinges, Fraction(v)) for v in x]
    # The largest slope enlarges the roundings before it; it is the product of those above 1.
    enlarged = math.prod(max(1.0, 1 + change) for _, change in hinges)
    np.testing.assert_allclose(found, [float(v) for v in wanted], rtol=0, atol=2e-12 * enlarged)
    # It is applied after the power and the offset, whatever these are.
    link, bare = Link("-1", 500.0, hinges), Link("-1", 500.0)
    u = bare.forward(np.array(x))
    plain = Link("1", None, hinges).inverse(bare.inverse(u))
    np.testing.assert_array_equal(link.inverse(u), plain)


@BY_NAME
def test_hinges_keep_the_order_and_are_not_seen_by_training(link: Link) -> None:
    bent = Link(link.power, link.offset, HINGES)
    y = np.sort(targets(link))
    u = link.forward(y)
    np.testing.assert_array_equal(bent.forward(y), u)
    np.testing.assert_array_equal(bent.slope(y), link.slope(y))
    steps = np.diff(bent.inverse(u))
    assert (steps > 0).all()
    assert (bent.name, bent.increasing) == (link.name, link.increasing)
    assert bent.needs_positive == link.needs_positive
    assert not bent.is_identity
    corrected = bent.inverse(u)
    below = link.inverse(u) <= 20.0
    np.testing.assert_array_equal(corrected[below], link.inverse(u)[below])
    if (y > 50).any():
        assert (corrected != link.inverse(u)).any()


def test_steep_and_flat_hinges_still_increase() -> None:
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0, 100, 2000))
    for change in (-0.99, -0.5, 0.0, 1.0, 99.0):
        for knot in (0.0, float(x[700]), 55.5, 1e9):
            assert (np.diff(Link("1", None, ((knot, change),)).inverse(x)) > 0).all()


@BY_NAME
def test_direction(link: Link) -> None:
    y = np.sort(targets(link))
    steps = np.diff(link.forward(y))
    assert (steps > 0).all() if link.increasing else (steps < 0).all()
    u = np.linspace(0.05, 9.0, 50)
    steps = np.diff(link.inverse(u))
    assert (steps > 0).all() if link.increasing else (steps < 0).all()


@BY_NAME
def test_slope_is_the_derivative_of_the_inverse(link: Link) -> None:
    y = targets(link)
    u = link.forward(y)
    h = 1e-5 * u
    numeric = np.abs((link.inverse(u + h) - link.inverse(u - h)) / (2 * h))
    np.testing.assert_allclose(link.slope(y), numeric, rtol=1e-5)


@BY_NAME
def test_outside_the_domain_is_nan(link: Link) -> None:
    edge = 0.0 if link.offset is None else link.offset
    beyond = np.array([-1.0, 0.0]) if link.offset is None else edge + np.array([0.0, 1.0])
    found = link.forward(beyond)
    assert np.isnan(found).all() == link.needs_positive
    assert np.isfinite(found).all() != link.needs_positive
    assert np.isnan(link.forward(np.array([np.nan]))).all()


def test_names() -> None:
    names = {
        "y": Link(),
        "80-y": Link("1", 80.0),
        "1/y": Link("-1"),
        "1/(80-y)": Link("-1", 80.0),
        "y^2": Link("2"),
        "1/y^4": Link("-4"),
        "y^(1/8)": Link("1/8"),
        "1/(90-y)^(1/2)": Link("-1/2", 90.0),
    }
    assert {link.name: link for link in names.values()} == names
    assert len({link.name for link in LINKS}) == len(LINKS)
    assert [link for link in LINKS if link.is_identity] == [Link()]


@BY_NAME
def test_through_json(link: Link) -> None:
    assert Link.from_dict(json.loads(json.dumps(link.to_dict()))) == link
    assert link.to_dict().keys() == {"name", "power", "offset", "inverse"}
    bent = Link(link.power, link.offset, HINGES)
    document = json.loads(json.dumps(bent.to_dict()))
    assert document["hinges"] == [list(hinge) for hinge in HINGES]
    assert document["inverse"] == [*link.inverse_steps, *["hinge"] * 4]
    again = Link.from_dict(document)
    assert again == bent != link
    assert hash(again) == hash(bent)


def test_an_empty_list_of_hinges_is_none() -> None:
    assert Link.from_dict({**Link("2").to_dict(), "hinges": []}) == Link("2")


def test_whole_hinges_may_lose_their_point_in_json() -> None:
    bent = Link("1", None, ((30.0, 2.0),))
    found = Link.from_dict({**bent.to_dict(), "hinges": [[30, 2]]})
    assert found == bent
    assert [type(part) for part in found.hinges[0]] == [float, float]


def test_whole_offsets_may_lose_their_point_in_json() -> None:
    found = Link.from_dict({**Link("-1", 80.0).to_dict(), "offset": 80})
    assert found == Link("-1", 80.0)
    assert type(found.offset) is float


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"power": "3"}, r"power must be one of 1, -1, 1/2, .*; found '3'"),
        ({"power": -1}, "power must be one of .*; found -1"),
        ({"power": ["-1"]}, "power must be one of"),
        ({"power": None}, "power must be one of"),
        ({"offset": float("nan")}, "offset must be a finite float or None, found nan"),
        ({"offset": float("inf")}, "offset must be a finite float"),
        ({"offset": "80"}, "offset must be a finite float or None, found '80'"),
        ({"offset": True}, "offset must be a finite float or None, found True"),
        ({"offset": 10**400}, "link: malformed"),
        ({"offset": {}}, "offset must be a finite float"),
        ({"offset": -1e39}, r"found -1e\+39; at most 3.403e.38 in size"),
        ({"inverse": ["reciprocal"]}, r"link 1/\(80-y\): steps must be .*'reflect'.*found"),
        ({"inverse": ["reflect", "reciprocal"]}, "steps must be"),
        ({"inverse": ["reciprocal", "reflect", "exp"]}, "steps must be"),
        ({"inverse": "reciprocal"}, "steps must be"),
        ({"inverse": None}, "link: malformed"),
        ({"inverse": 3}, "link: malformed"),
    ],
)
def test_hostile_dicts(change: dict[str, Any], message: str) -> None:
    document = {**Link("-1", 80.0).to_dict(), **change}
    with pytest.raises(ArtifactError, match=message):
        Link.from_dict(document)


@pytest.mark.parametrize(
    ("hinges", "message"),
    [
        (None, "link: malformed"),
        (3, "link: malformed"),
        (True, "link: malformed"),
        ([30.0, 0.5], "link: malformed"),
        ([None], "link: malformed"),
        ([[10**400, 0.5]], "link: malformed"),
        ("ab", "link: malformed hinges"),
        ({}, "link: malformed hinges"),
        (["ab"], r"a hinge is \(knot, change\), finite floats with change > -1"),
        ([[1e39, 0.5]], "a hinge is .* of at most 3.403e.38 in size"),
        ([[30.0, 1e39]], "a hinge is .* of at most 3.403e.38 in size"),
        ([{"knot": 30.0, "change": 0.5}], "a hinge is"),
        ([[]], "a hinge is"),
        ([[30.0]], "a hinge is"),
        ([[30.0, 0.5, 0.5]], "a hinge is"),
        ([["30", 0.5]], "a hinge is"),
        ([[30.0, None]], "a hinge is"),
        ([[30.0, True]], "a hinge is"),
        ([[[30.0], 0.5]], "a hinge is"),
        ([[float("nan"), 0.5]], "a hinge is"),
        ([[30.0, float("nan")]], "a hinge is"),
        ([[float("inf"), 0.5]], "a hinge is"),
        ([[30.0, float("inf")]], "a hinge is"),
        ([[30.0, -1.0]], "a hinge is"),  # flat: order would be lost
        ([[30.0, -1]], "a hinge is"),
        ([[30.0, -1.5]], "a hinge is"),
        ([[30.0, 0.5], [40.0, -2.0]], r"a hinge is .*\(40\.0, -2\.0\)"),
        ([], "steps must be"),
        ([[30.0, 0.5], [40.0, 0.5]], r"steps must be .*found"),
    ],
)
def test_hostile_hinges(hinges: Any, message: str) -> None:
    document = {**Link("-1", 80.0, ((30.0, 0.5),)).to_dict(), "hinges": hinges}
    with pytest.raises(ArtifactError, match=message):
        Link.from_dict(document)


def test_too_many_hinges_are_refused_before_anything_is_compiled() -> None:
    most = tuple((float(k), 0.01) for k in range(64))
    assert Link.from_dict(Link("1", None, most).to_dict()).hinges == most
    document = {"power": "1", "offset": None, "inverse": ["hinge"] * 65}
    with pytest.raises(ArtifactError, match="at most 64 hinges are allowed, found 65"):
        Link.from_dict({**document, "hinges": [[1.0, 0.01]] * 65})


def test_hinges_and_steps_must_agree() -> None:
    document = Link("-1", 80.0, ((30.0, 0.5),)).to_dict()
    with pytest.raises(ArtifactError, match=r"steps must be .*'hinge'.*found"):
        Link.from_dict({**document, "inverse": ["reciprocal", "reflect"]})
    with pytest.raises(ArtifactError, match="steps must be"):
        Link.from_dict({**document, "inverse": ["reciprocal", "hinge", "reflect"]})
    del document["hinges"]
    with pytest.raises(ArtifactError, match="steps must be"):
        Link.from_dict(document)


@pytest.mark.parametrize("key", ["power", "offset", "inverse"])
def test_missing_keys(key: str) -> None:
    document = Link("-1", 80.0).to_dict()
    del document[key]
    with pytest.raises(ArtifactError, match=f"link: malformed.*{key}"):
        Link.from_dict(document)


@pytest.mark.parametrize("document", [None, [], "y", 3])
def test_no_dict_at_all(document: Any) -> None:
    with pytest.raises(ArtifactError, match="link: malformed"):
        Link.from_dict(document)


def test_refusals_when_made() -> None:
    with pytest.raises(AnbError, match=r"power must be one of 1, -1, 1/2.*; found '1/3'"):
        Link("1/3")
    with pytest.raises(AnbError, match="offset must be a finite float or None, found 80"):
        Link("-1", 80)
    with pytest.raises(AnbError, match=r"hinges must be a tuple of \(knot, change\), found \["):
        Link(hinges=[(30.0, 0.5)])  # type: ignore[arg-type]
    with pytest.raises(AnbError, match="hinges must be a tuple"):
        Link(hinges=None)  # type: ignore[arg-type]
    with pytest.raises(AnbError, match=r"a hinge is \(knot, change\).*\[30\.0, 0\.5\]"):
        Link(hinges=([30.0, 0.5],))  # type: ignore[arg-type]
    with pytest.raises(AnbError, match="a hinge is"):
        Link(hinges=((30, 0.5),))
    with pytest.raises(AnbError, match="change > -1"):
        Link(hinges=((30.0, -1.0),))
