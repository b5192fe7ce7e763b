"""Values estimated from pairs, against exact values and against a solver of another kind."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np
import pytest
from support.games import music, seen

from stemlens.attribution import banzhaf, shapley
from stemlens.attribution.least_squares import Estimate, banzhaf_from_pairs, shapley_from_pairs
from stemlens.attribution.sampling import PairSampler, all_pairs, banzhaf_mass, shapley_mass

ESTIMATORS = [
    pytest.param(shapley_from_pairs, shapley, shapley_mass, id="shapley"),
    pytest.param(banzhaf_from_pairs, banzhaf, banzhaf_mass, id="banzhaf"),
]


@pytest.mark.parametrize(("estimate", "exact", "mass"), ESTIMATORS)
@pytest.mark.parametrize("n", range(11))
def test_of_all_pairs_it_is_the_value_and_certain(n: int, estimate, exact, mass) -> None:
    table = np.random.default_rng(n).normal(size=(2**n, 3))
    result = estimate(*seen(table, PairSampler(n, 0, mass).take(all_pairs(n))))
    np.testing.assert_allclose(result.value, exact(table), atol=1e-9)
    assert not result.variance.any()


@pytest.mark.parametrize("n", [4, 7, 8, 12])
@pytest.mark.parametrize("more", [1, 5, 30])
def test_the_fit_is_kernel_shap_with_a_multiplier(n: int, more: int) -> None:
    """Both coalitions of each pair, KernelSHAP's weights, the sum held by a multiplier."""
    table = np.random.default_rng(n).normal(size=(2**n, 2))
    plays = PairSampler(n, 5).take(n + more)
    both = np.concatenate([plays, ~plays])
    masks = both.astype(int) @ (1 << np.arange(n))
    playing = both.sum(axis=1)
    of_size = np.bincount(playing, minlength=n + 1)
    weights = np.array([(n - 1) / (s * (n - s)) / of_size[s] for s in playing])
    if n % 2 == 0:  # pairs of halves have two coalitions of one size
        assert of_size[n // 2] % 2 == 0
    system = np.zeros((n + 1, n + 1))
    system[:n, :n] = both.T @ (both * weights[:, None])
    system[n, :n] = system[:n, n] = 1
    right = np.zeros((n + 1, 2))
    right[:n] = both.T @ (weights[:, None] * (table[masks] - table[0]))
    right[n] = table[-1] - table[0]
    expected = np.linalg.solve(system, right)[:n]
    np.testing.assert_allclose(shapley_from_pairs(*seen(table, plays)).value, expected, atol=1e-9)


@pytest.mark.parametrize("n", [4, 7, 8, 12])
def test_kernel_banzhaf_is_plain_regression_on_weighted_coalitions(n: int) -> None:
    table = np.random.default_rng(n).normal(size=(2**n, 2))
    plays = PairSampler(n, 5, banzhaf_mass).take(n + 9)
    everybody = np.ones((1, n), dtype=bool)
    both = np.concatenate([everybody, plays, ~plays, ~everybody])
    masks = both.astype(int) @ (1 << np.arange(n))
    playing = both.sum(axis=1)
    of_size = np.bincount(playing, minlength=n + 1)
    weights = np.array([comb(n, s) / of_size[s] for s in playing])
    design = np.column_stack([np.ones(len(both)), both]) * np.sqrt(weights)[:, None]
    fit = np.linalg.lstsq(design, table[masks] * np.sqrt(weights)[:, None], rcond=None)[0]
    np.testing.assert_allclose(banzhaf_from_pairs(*seen(table, plays)).value, fit[1:], atol=1e-9)


@pytest.mark.parametrize("more", [0, 1, 40])
@pytest.mark.parametrize("n", [1, 2, 3, 11, 40, 100])
def test_shares_sum_to_the_whole(n: int, more: int) -> None:
    plays = PairSampler(n, 0).take(n + more)
    d = np.random.default_rng(n).normal(size=(len(plays) + 1, 50))
    result = shapley_from_pairs(plays, d[1:], d[0])
    np.testing.assert_allclose(result.value.sum(axis=0), d[0], atol=1e-9)
    assert result.value.shape == result.variance.shape == (n, 50)
    assert (result.variance >= 0).all()


def test_an_additive_game_is_known_from_size_one() -> None:
    adds = np.random.default_rng(3).normal(size=(60, 5))
    plays = PairSampler(60, 0).take(90)
    result = shapley_from_pairs(plays, np.where(plays, 1.0, -1.0) @ adds, adds.sum(axis=0))
    np.testing.assert_allclose(result.value, adds, atol=1e-12)
    np.testing.assert_allclose(result.variance, 0, atol=1e-20)


def test_interactions_of_two_do_not_disturb() -> None:
    """What is even in the game cancels in the differences, whatever is sampled."""
    n, generator = 10, np.random.default_rng(1)
    plays = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(float)
    table = (
        plays @ generator.normal(size=n)
        + (plays @ generator.normal(size=(n, n)) * plays).sum(axis=1)
    )[:, None]
    result = shapley_from_pairs(*seen(table, PairSampler(n, 0).take(n + 3)))
    np.testing.assert_allclose(result.value, shapley(table), atol=1e-9)
    np.testing.assert_allclose(result.variance, 0, atol=1e-18)


@pytest.mark.parametrize(("estimate", "exact", "mass"), ESTIMATORS)
@pytest.mark.parametrize("per_stem", [3, 8, 20])
def test_the_error_is_as_large_as_the_estimate_says(
    per_stem: int, estimate: Callable[..., Estimate], exact, mass
) -> None:
    n, covered, squared, variance = 11, [], [], []
    for game in range(6):
        table = music(n, game)
        truth = exact(table)
        for seed in range(12):
            plays = PairSampler(n, [game, seed], mass).take(per_stem * n)
            result = estimate(*seen(table, plays))
            error = result.value - truth
            covered.append(np.abs(error) <= 1.96 * np.sqrt(result.variance))
            squared.append(error**2)
            variance.append(result.variance)
    assert 0.93 < np.mean(covered) < (0.995 if per_stem < 8 else 0.97)
    assert 0.7 < np.mean(variance) / np.mean(squared) < 2.5


def test_more_pairs_less_error() -> None:
    table = music(12, 0)
    errors = [
        np.mean(
            [
                (
                    shapley_from_pairs(*seen(table, PairSampler(12, s).take(m))).value
                    - shapley(table)
                )
                ** 2
                for s in range(10)
            ]
        )
        for m in (24, 96, 384)
    ]
    assert errors[0] > 2 * errors[1] > 8 * errors[2]


@pytest.mark.parametrize("estimate", [shapley_from_pairs, banzhaf_from_pairs])
def test_without_the_pairs_of_size_one_nothing_is_estimated(estimate) -> None:
    plays = PairSampler(6, 0).take(9)
    for some in (plays[:5], plays[1:], plays[:0]):
        with pytest.raises(ValueError, match="size 1"):
            estimate(some, np.zeros((len(some), 2)), np.zeros(2))
