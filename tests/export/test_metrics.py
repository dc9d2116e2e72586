from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from anb_export.data.metrics import evaluate

from anb_onnx.errors import AnbError


def tau_b(y: list[float], p: list[float]) -> float:
    """Kendall's tau-b by its definition, over all pairs."""
    concordant = discordant = ties_y = ties_p = 0
    for (y1, p1), (y2, p2) in itertools.combinations(zip(y, p, strict=True), 2):
        sign = (y1 - y2) * (p1 - p2)
        concordant += sign > 0
        discordant += sign < 0
        ties_y += y1 == y2
        ties_p += p1 == p2
    pairs = len(y) * (len(y) - 1) / 2
    return (concordant - discordant) / math.sqrt((pairs - ties_y) * (pairs - ties_p))


def test_against_definitions() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 12, 40).astype(float).tolist()  # with ties
    p = (np.array(y) + rng.integers(-4, 5, 40)).tolist()
    found = evaluate(y, p)
    errors = [b - a for a, b in zip(y, p, strict=True)]
    center = sum(y) / 40
    assert found["n"] == 40
    assert found["mae"] == pytest.approx(sum(map(abs, errors)) / 40)
    assert found["mse"] == pytest.approx(sum(e * e for e in errors) / 40)
    assert found["rmse"] == pytest.approx(math.sqrt(found["mse"]))
    assert found["r2"] == pytest.approx(
        1 - sum(e * e for e in errors) / sum((v - center) ** 2 for v in y)
    )
    assert found["kendall_tau"] == pytest.approx(tau_b(y, p))
    ranks = [
        np.array([sum(w < v for w in x) + sum(w == v for w in x) / 2 for v in x]) for x in (y, p)
    ]
    assert found["spearman"] == pytest.approx(np.corrcoef(ranks[0], ranks[1])[0, 1])


def test_extremes() -> None:
    assert evaluate([1, 2, 3], [1, 2, 3])["r2"] == 1
    assert evaluate([1, 2, 3], [6, 4, 2])["kendall_tau"] == -1
    constant = evaluate([1, 2, 3], [2, 2, 2])
    assert (constant["r2"], constant["kendall_tau"], constant["spearman"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([1, 2], [1, 2, 3], "one length"),
        ([[1, 2]], [[1, 2]], "one length"),
        ([1, math.nan], [1, 2], "finite"),
        ([1, 2], [1, math.inf], "finite"),
        ([], [], "two different"),
        ([1], [1], "two different"),
        ([5, 5], [1, 2], "two different"),
    ],
)
def test_refusals(y: list[float], p: list[float], message: str) -> None:
    with pytest.raises(AnbError, match=message):
        evaluate(y, p)
