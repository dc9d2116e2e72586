"""examples/measure: the figures of its report, each by another way, and its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from measure_room import example

MEASURED = np.array([2.0, 4.0, 3.0, 8.0, 6.0, 12.0])
MEAN = np.array([2.2, 3.9, 3.3, 6.0, 6.6, 12.6])


def test_spearman_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    spearman = example("figures").spearman
    rng = np.random.default_rng(0)
    for size in (2, 5, 40):
        for levels in (2, 5, 1000):
            a, b = rng.integers(0, levels, (2, size)).astype(np.float64)
            if len(set(a)) > 1 and len(set(b)) > 1:  # else it warns
                assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-12)
    assert np.isnan(spearman(np.ones(3), np.arange(3.0)))


def test_figures_by_hand() -> None:
    fresh = example("figures").Fresh(MEAN, MEAN - 0.35, MEAN + 0.35, MEASURED)
    found = fresh.figures()
    # Ranks 1 3 2 4 5 6 of 1 3 2 5 4 6: squared differences add up to 2.
    assert found["spearman"] == pytest.approx(1 - 6 * 2 / (6 * 35))
    relative = np.array([0.1, -0.025, 0.1, -0.25, 0.1, 0.05])
    assert found["mape_percent"] == pytest.approx(100 * np.abs(relative).mean())
    assert found["bias_percent"] == pytest.approx(100 * relative.mean())
    assert found["coverage_percent"] == pytest.approx(100 * 3 / 6)
    assert found["interval_width_percent"] == pytest.approx(100 * (0.7 / MEAN).mean())
    assert found["spearman_low"] < found["spearman"] <= found["spearman_high"] <= 1


def test_a_line_minimises_relative_errors() -> None:
    line = example("figures").line_through
    x = np.array([1.0, 2.0, 5.0, 9.0])
    assert line(x, 3 * x + 2) == pytest.approx((3, 2))
    y = np.array([5.0, 9.0, 15.0, 30.0])
    slope, shift = line(x, y)

    def loss(a: float, b: float) -> float:
        return float(np.sum(((a * x + b - y) / y) ** 2))

    around = [loss(slope + s, shift + t) for s in (-1e-3, 0, 1e-3) for t in (-1e-3, 0, 1e-3)]
    assert np.argmin(around) == 4


def test_the_picture_shows_both_kinds_of_points(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra anb-onnx[plot]")
    from matplotlib.image import imread

    figures = example("figures")
    fresh = figures.Fresh(MEAN, MEAN - 0.35, MEAN + 0.35, MEASURED)
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        figures.plot(path, fresh, (MEAN, MEASURED), "a title")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    pixels = (255 * imread(paths[0])[..., :3]).round().astype(int)
    for colour in ("1f4e9c", "b8c4d6", "c0392b"):
        wanted = [int(colour[i : i + 2], 16) for i in (0, 2, 4)]
        assert (pixels == wanted).all(axis=2).sum() > 50, colour
