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


def inverse_by_rationals(power: str, offset: float | None, u: float) -> float:
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
    return y


@given(
    power=st.sampled_from(POWERS),
    offset=st.none() | st.floats(-1e3, 1e3),
    u=st.floats(1e-6, 1e6),
)
def test_inverse_is_its_correctly_rounded_steps(power: str, offset: float | None, u: float) -> None:
    link = Link(power, offset)
    wanted = inverse_by_rationals(power, offset, u)
    assert link.inverse(np.array([u])).tolist() == [wanted]
    y = u
    for step in link.inverse_steps:
        if step == "square":
            y = y * y
        elif step == "sqrt":
            y = math.sqrt(y)
        elif step == "reciprocal":
            y = 1.0 / y
        else:
            assert step == "reflect"
            assert offset is not None
            y = offset - y
    assert y == wanted


def test_steps_are_those_on_offer() -> None:
    assert {step for link in LINKS for step in link.inverse_steps} == set(STEPS)
    assert Link().inverse_steps == ()
    assert Link("4", offset=1.0).inverse_steps == ("sqrt", "sqrt", "reflect")
    assert Link("-1/8").inverse_steps == ("square", "square", "square", "reciprocal")


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
