"""The posterior as tables against Gaussian processes by dense linear algebra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from few_shot_dense import SMALL, Dense, everything, random_counts, random_source, sum_of
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

import anb_onnx
from anb_onnx.encoding.encoding import codes_to_symbols
from anb_onnx.few_shot import basis as basis_module
from anb_onnx.few_shot.adapting import _quantiles
from anb_onnx.few_shot.basis import GROUPS, Basis, bases_of
from anb_onnx.few_shot.counts import Count, counts_of
from anb_onnx.few_shot.effective import compiled_nasbench201, views_of
from anb_onnx.few_shot.members import Draw, draws, mean_at, member_entries
from anb_onnx.few_shot.posterior import (
    _NOISE_PRIOR,
    NOISES,
    Posterior,
    _forward,
    data_of,
    evidence,
    posterior_of,
    settings,
)
from anb_onnx.few_shot.sources import SourceTable, source_of
from anb_onnx.few_shot.tabling import tabled
from anb_onnx.links import Link
from anb_onnx.spaces.mnasnet import MNASNET
from anb_onnx.spaces.nasbench201 import NASBENCH201
from anb_onnx.spaces.space import SearchSpace

Symbols = NDArray[np.int64]


class Case(NamedTuple):
    """A posterior, and what it was made of."""

    space: SearchSpace
    sources: Sequence[SourceTable]
    counts: Sequence[Count]
    bases: tuple[Basis, ...]
    posterior: Posterior
    known: dict[str, Dense]

    def dense(self, basis: Basis) -> Dense:
        reference, view = basis.reference, basis.view
        if view.name not in self.known:
            self.known[view.name] = Dense(self.space, self.sources, self.counts, reference, view.of)
        return self.known[view.name]


def case(
    space: SearchSpace,
    sources: Sequence[SourceTable],
    counts: Sequence[Count],
    k: int = 9,
    noise: float = 0.03,
) -> Case:
    bases = bases_of(space, sources, counts)
    rng = np.random.default_rng(k)
    reference = np.unique(bases[0].reference, axis=0)
    symbols = reference[rng.permutation(len(reference))[:k]]
    times = 7.0 * bases[0].at(symbols).mean * np.exp(noise * rng.standard_normal(k))
    prior = rng.dirichlet(np.ones(len(settings())), len(bases)) / len(bases)
    errors = np.where(np.arange(k) % 3 == 0, 0.1, 0.0)
    return Case(
        space, sources, counts, bases, posterior_of(bases, prior, symbols, times, errors), {}
    )


def small(n_sources: int = 2, *, counts: bool = True) -> Case:
    sources = [random_source(SMALL, seed) for seed in range(n_sources)]
    return case(SMALL, sources, random_counts(SMALL, 5) if counts else ())


@pytest.fixture(params=["whole", "pairs"])
def tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Small spaces as one table, or as those of a large space."""
    if request.param == "pairs":
        monkeypatch.setattr(basis_module, "WHOLE", 0)
    return str(request.param)


def dense_mean(of: Case, symbols: Symbols) -> NDArray[np.float64]:
    """Return the posterior mean: for each setting a linear system, then the mean by share."""
    data = of.posterior.data
    total = np.zeros(len(symbols))
    for fit in of.posterior.fits:
        dense = of.dense(fit.basis)
        residual, m = data.times - dense.mean(data.symbols), dense.mean(symbols)
        for share, variances, noise in zip(fit.share, fit.variances, fit.noises, strict=True):
            size = (data.times**2 + 1) / 2
            known = dense.kernel(variances, data.symbols, data.symbols)
            known += np.diag(noise**2 * size + data.errors**2)
            across = dense.kernel(variances, symbols, data.symbols)
            total += share * (m + across @ np.linalg.solve(known, residual))
    return total


@pytest.mark.parametrize("n_sources", [0, 1, 2, 4])
def test_the_mean_as_tables_is_that_of_dense_algebra(tables: str, n_sources: int) -> None:
    of = small(n_sources)
    symbols = everything(SMALL)
    expected = dense_mean(of, symbols)
    entries = member_entries(of.posterior, 1, np.random.default_rng(0))[:, 0]
    terms = of.bases[0].terms
    assert (len(terms.blocks) == 1) == (tables == "whole")
    np.testing.assert_allclose(sum_of(terms, entries, symbols), expected, rtol=1e-10)
    np.testing.assert_allclose(mean_at(of.posterior, symbols), expected, rtol=1e-10)


@pytest.mark.parametrize("link", ["1", "-1"])
def test_integer_tables_are_as_close_as_their_step(tables: str, link: str) -> None:
    of = small()
    basis = of.bases[0]
    entries = member_entries(of.posterior, 5, np.random.default_rng(1)) * 1e-3
    ensemble = tabled(basis, entries, Link(link))
    symbols = everything(SMALL)
    exact = np.stack([sum_of(basis.terms, entries[:, m], symbols) for m in range(5)], axis=1)
    found = ensemble.totals(symbols) * ensemble.scale
    assert np.abs(found - exact).max() <= 0.5 * len(basis.terms.blocks) * ensemble.scale
    assert ensemble.scale <= np.abs(exact).max() * 2.0**-26
    _ = ensemble.bounds  # no sum leaves int32


def mnasnet_case() -> Case:
    named = ("latency_zcu102", "throughput_a100")
    sources = [source_of(anb_onnx.load(name, engine="numpy")) for name in named]
    return case(MNASNET, sources, counts_of(MNASNET))


def test_the_mean_of_the_large_space_is_that_of_dense_algebra() -> None:
    of = mnasnet_case()
    symbols = codes_to_symbols(anb_onnx.sample(20, seed=8, space=MNASNET), MNASNET).astype(np.int64)
    entries = member_entries(of.posterior, 1, np.random.default_rng(0))[:, 0]
    found = sum_of(of.bases[0].terms, entries, symbols)
    np.testing.assert_allclose(found, dense_mean(of, symbols), rtol=1e-10)


def test_views_add_up() -> None:
    sources = [random_source(NASBENCH201, seed) for seed in (3, 4)]
    of = case(NASBENCH201, sources, counts_of(NASBENCH201))
    assert len(of.posterior.fits) == len(views_of(NASBENCH201)) == 2
    assert sum(fit.share.sum() for fit in of.posterior.fits) == pytest.approx(1, abs=1e-12)
    every = everything(NASBENCH201)
    some = np.random.default_rng(0).permutation(len(every))[:60]
    entries = member_entries(of.posterior, 1, np.random.default_rng(0))[:, 0]
    np.testing.assert_allclose(entries[some], dense_mean(of, every[some]), rtol=1e-10)
    # The view is not the identity on them.
    assert (compiled_nasbench201(every[some]) != every[some]).any()


def test_grams_are_products_of_features(tables: str) -> None:
    of = small(3)
    basis = of.bases[0]
    symbols = everything(SMALL)
    a, b = symbols[::7], symbols[::11]
    grams = basis.grams(basis.at(a), basis.at(b))
    dense = of.dense(basis)
    for k, name in enumerate(GROUPS):
        only = np.eye(len(GROUPS))[k]
        np.testing.assert_allclose(
            grams[k], dense.kernel(only, a, b), rtol=1e-9, atol=1e-12, err_msg=name
        )


def test_every_group_is_as_wide_as_the_mean() -> None:
    of = small(3)
    basis = of.bases[0]
    kernel = basis.grams(basis.at(basis.reference), basis.at(basis.reference))
    for k, name in enumerate(GROUPS[1:-2], start=1):
        diagonal = np.diagonal(kernel[k]).mean()
        assert np.sqrt(diagonal) == pytest.approx(basis.spread, rel=1e-9), name
    for k, name in ((-2, "blk"), (-1, "pair")):
        total = np.diagonal(kernel[k]).mean() - kernel[k].mean()
        assert np.sqrt(total) == pytest.approx(basis.spread, rel=0.02), name


def test_evidence_is_the_normal_density() -> None:
    of = small()
    data, basis = of.posterior.data, of.bases[0]
    dense, variances = of.dense(basis), settings()[:12]
    found = evidence(basis, basis.at(data.symbols), data, variances)
    k = len(data.times)
    for n, noise in enumerate(NOISES):
        for s, of_groups in enumerate(variances):
            covariance = dense.kernel(of_groups, data.symbols, data.symbols)
            covariance += np.diag(noise**2 * (data.times**2 + 1) / 2 + data.errors**2)
            density = stats.multivariate_normal(dense.mean(data.symbols), covariance)
            expected = density.logpdf(data.times) + k / 2 * np.log(2 * np.pi)
            assert found[n, s] == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_shares_are_prior_times_evidence() -> None:
    of = small()
    (basis,) = of.bases
    data = of.posterior.data
    rng = np.random.default_rng(9)
    prior = rng.dirichlet(np.ones(len(settings())), 1)
    posterior = posterior_of(of.bases, prior, data.symbols, data.times, data.errors)
    rescaled = data_of(basis, data.symbols, data.times, data.errors)
    log = evidence(basis, basis.at(data.symbols), rescaled, settings())
    weight = np.exp(log - log.max()) * prior * _NOISE_PRIOR[:, None]
    weight /= weight.sum()
    (fit,) = posterior.fits
    for share, variances, noise in zip(fit.share, fit.variances, fit.noises, strict=True):
        setting = int(np.flatnonzero((settings() == variances).all(axis=1))[0])
        ratio = share / weight[list(NOISES).index(noise), setting]
        assert 1.0 <= ratio <= 1.5  # the same for all: what is left out is shared out
        assert ratio == pytest.approx(fit.share.sum() / weight_of(fit, weight), rel=1e-9)
    assert fit.share.sum() == pytest.approx(1, abs=1e-12)


def weight_of(fit: object, weight: NDArray[np.float64]) -> float:
    """Return the whole weight of the settings that a fit kept."""
    pairs = zip(fit.noises, fit.variances, strict=True)  # type: ignore[attr-defined]
    return float(
        sum(
            weight[list(NOISES).index(n), int(np.flatnonzero((settings() == v).all(axis=1))[0])]
            for n, v in pairs
        )
    )


def test_left_out_is_refitting_without_each_measurement() -> None:
    sources = [random_source(NASBENCH201, seed) for seed in (3, 4)]
    for of in (small(), case(NASBENCH201, sources, counts_of(NASBENCH201))):
        mean, std = of.posterior.left_out()
        data = of.posterior.data
        for j in (0, 4, len(data.times) - 1):
            rest = np.delete(np.arange(len(data.times)), j)
            parts = []
            for fit in of.posterior.fits:
                dense = of.dense(fit.basis)
                m = dense.mean(data.symbols)
                for share, v, noise in zip(fit.share, fit.variances, fit.noises, strict=True):
                    whole = dense.kernel(v, data.symbols, data.symbols)
                    whole += np.diag(noise**2 * data.sizes**2 + data.errors**2)
                    known = whole[np.ix_(rest, rest)]
                    solved = np.linalg.solve(known, (data.times - m)[rest])
                    left = whole[j, j] - whole[j, rest] @ np.linalg.solve(known, whole[rest, j])
                    full = stats.multivariate_normal(m, whole).logpdf(data.times)
                    less = stats.multivariate_normal(m[rest], known).logpdf(data.times[rest])
                    parts.append(
                        (np.log(share) + less - full, m[j] + whole[j, rest] @ solved, left)
                    )
            log, means, variances = np.array(parts).T
            weight = np.exp(log - log.max())
            weight /= weight.sum()
            expected = weight @ means
            spread = np.sqrt(weight @ (variances + (means - expected) ** 2))
            assert mean[j] == pytest.approx(expected, rel=1e-7)
            assert std[j] == pytest.approx(spread, rel=1e-6)


@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 2**31))
def test_forward_substitution(k: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lower = np.tril(rng.standard_normal((n, k, k))) + 3 * np.eye(k)
    right = rng.standard_normal(k)
    found = _forward(lower, right)
    for one, x in zip(lower, found, strict=True):
        np.testing.assert_allclose(one @ x, right, rtol=1e-9, atol=1e-9)


def test_draws_have_the_mean_and_covariance_of_the_posterior(tables: str) -> None:
    of = small()
    (fit,), data = of.posterior.fits, of.posterior.data
    setting = int(fit.share.argmax())
    symbols = np.concatenate([everything(SMALL)[::13], data.symbols[:3]])
    dense, variances = of.dense(fit.basis), fit.variances[setting]
    known = dense.kernel(variances, data.symbols, data.symbols)
    known += np.diag(fit.noises[setting] ** 2 * data.sizes**2 + data.errors**2)
    across = dense.kernel(variances, symbols, data.symbols)
    solved = np.linalg.solve(known, across.T).T
    mean = dense.mean(symbols) + solved @ (data.times - dense.mean(data.symbols))
    covariance = dense.kernel(variances, symbols, symbols) - solved @ across.T
    rng, n = np.random.default_rng(2), 4000
    points = fit.basis.at(symbols)
    drawn = np.stack([Draw(of.posterior, fit, setting, rng).at(points) for _ in range(n)])
    error = np.abs(drawn.mean(axis=0) - mean) / np.sqrt(np.diag(covariance) / n)
    assert error.max() < 5
    found = np.cov(drawn.T)
    size = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / n)
    assert (np.abs(found - covariance) / size).max() < 5


def test_a_draw_as_tables_is_the_draw(tables: str) -> None:
    of = small()
    symbols = everything(SMALL)
    for draw in draws(of.posterior, 6, np.random.default_rng(3)):
        found = sum_of(of.bases[0].terms, draw.entries(), symbols)
        np.testing.assert_allclose(found, draw.at(draw.fit.basis.at(symbols)), rtol=1e-10)


def test_settings_are_drawn_as_often_as_their_share() -> None:
    of = small()
    n = 400
    found = np.zeros(len(of.posterior.fits[0].share))
    for draw in draws(of.posterior, n, np.random.default_rng(4)):
        found[draw.setting] += 1
    assert np.abs(found - n * of.posterior.fits[0].share).max() <= 1 + 1e-9


@pytest.mark.parametrize("n", [2, 5, 32])
def test_members_have_the_posterior_mean(n: int) -> None:
    of = small()
    found = member_entries(of.posterior, n, np.random.default_rng(5))
    mean = member_entries(of.posterior, 1, np.random.default_rng(5))[:, 0]
    np.testing.assert_allclose(found.mean(axis=1), mean, rtol=1e-12)
    assert found.std(axis=1).min() > 0


def test_members_have_the_posterior_spread() -> None:
    """The population variance of four members, over many seeds, against that of single draws."""
    of = small()
    some = slice(0, None, 17)
    rng = np.random.default_rng(6)
    of_members = np.mean(
        [member_entries(of.posterior, 4, rng)[some].var(axis=1) for _ in range(300)], axis=0
    )
    drawn = [draw.entries()[some] for draw in draws(of.posterior, 1200, rng)]
    np.testing.assert_allclose(of_members, np.var(drawn, axis=0), rtol=0.25)


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 31, 1023, 10**6])
def test_quantiles_are_those_of_student(freedom: int) -> None:
    levels = np.array(anb_onnx.few_shot.adapting.LEVELS)
    expected = stats.t(freedom).ppf((1 + levels) / 2)
    np.testing.assert_allclose(_quantiles(freedom), expected, rtol=2e-4, atol=1e-9)
