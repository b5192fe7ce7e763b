"""Pairwise Shapley interactions against their definition, and what must hold for them."""

from __future__ import annotations

import itertools
from math import factorial

import numpy as np
import pytest
from support.games import music

from stemlens.attribution import shapley
from stemlens.attribution.gaussian_process import PECULIAR, player_weights
from stemlens.attribution.interactions import PRIOR, interactions, interactions_by_process
from stemlens.attribution.least_squares import shapley_from_pairs
from stemlens.attribution.sampling import PairSampler, all_pairs


@pytest.mark.parametrize("n", range(2, 8))
def test_by_definition(n: int) -> None:
    table = np.random.default_rng(n).normal(size=(2**n, 2))
    result = interactions(table)
    for i, j in itertools.combinations(range(n), 2):
        expected = 0.0
        others = [k for k in range(n) if k not in (i, j)]
        for size in range(n - 1):
            for members in itertools.combinations(others, size):
                s = sum(1 << k for k in members)
                a, b = 1 << i, 1 << j
                expected += (
                    factorial(size)
                    * factorial(n - size - 2)
                    / factorial(n - 1)
                    * (table[s | a | b] - table[s | a] - table[s | b] + table[s])
                )
        np.testing.assert_allclose(result[i, j], expected, atol=1e-12)
    np.testing.assert_array_equal(result, result.swapaxes(0, 1))
    assert not result[np.arange(n), np.arange(n)].any()


@pytest.mark.parametrize("n", range(3, 8))
def test_it_is_how_much_more_a_stem_gets_when_the_other_always_plays(n: int) -> None:
    """Iᵢⱼ = φᵢ of the game in which j plays − φᵢ of the game in which j does not."""
    table = np.random.default_rng(n).normal(size=(2**n, 2))
    masks = np.arange(2 ** (n - 1))
    for j in range(n):
        without = (masks >> j << (j + 1)) | (masks & ((1 << j) - 1))
        more = shapley(table[without | 1 << j]) - shapley(table[without])
        np.testing.assert_allclose(np.delete(interactions(table)[j], j, axis=0), more, atol=1e-12)


def test_stems_that_only_add_up_do_not_interact() -> None:
    adds = np.random.default_rng(0).normal(size=6)
    table = np.array([sum(adds[i] for i in range(6) if m >> i & 1) for m in range(64)])
    np.testing.assert_allclose(interactions(table), 0, atol=1e-12)


def test_only_together_and_either_will_do() -> None:
    both = np.array([0.0, 0.0, 0.0, 1.0])
    either = np.array([0.0, 1.0, 1.0, 1.0])
    assert interactions(both)[0, 1] == 1
    assert interactions(either)[0, 1] == -1


@pytest.mark.parametrize("n", [0, 1])
def test_nobody_to_interact_with(n: int) -> None:
    assert interactions(np.zeros((2**n, 5))).shape == (n, n, 5)


def known(table: np.ndarray, plays: np.ndarray) -> tuple[np.ndarray, ...]:
    masks = plays.astype(int) @ (1 << np.arange(plays.shape[1]))
    return plays, table[masks], table[len(table) - 1 - masks], table[-1], table[0]


@pytest.mark.parametrize("n", range(1, 9))
def test_of_all_pairs_the_estimate_is_exact(n: int) -> None:
    table = np.random.default_rng(n).normal(size=(2**n, 3))
    result = interactions_by_process(*known(table, PairSampler(n, 0).take(all_pairs(n))))
    np.testing.assert_allclose(result.value, interactions(table), atol=1e-9)
    assert not result.variance.any()


@pytest.mark.parametrize(("n", "pairs"), [(4, 5), (5, 9), (7, 20)])
def test_the_estimate_is_bayesian_regression_on_sets_and_single_pairs(n: int, pairs: int) -> None:
    """A coefficient for each even set of players and for each pair, and no kernel anywhere."""
    table = music(n, n)
    plays, here, there, whole, empty = known(table, PairSampler(n, 1).take(pairs))
    weights = player_weights(shapley_from_pairs(plays, here - there, whole - empty).value)
    z = np.where((np.arange(2**n)[:, None] >> np.arange(n)) & 1, 1.0, -1.0)
    variances, games = [], []
    for order in (k for k in PRIOR if k <= n):
        sets = list(itertools.combinations(range(n), order))
        product = np.array([weights[list(s)].prod() for s in sets])
        variances += (PRIOR[order] * product / product.sum()).tolist()
        games += [z[:, list(s)].prod(axis=1) for s in sets]
    for mask in range(1, 2 ** (n - 1)):
        variances.append(PECULIAR / min(mask.bit_count(), n - mask.bit_count()) ** 3)
        games.append(np.eye(2**n)[mask] + np.eye(2**n)[2**n - 1 - mask])
    basis = np.array(games).T
    masks = np.append(2**n - 1, plays.astype(int) @ (1 << np.arange(n)))
    design, variance = basis[masks], np.diag(variances)
    first, second = np.triu_indices(n, 1)
    functional = interactions(basis / 2)[first, second]  # a game has twice its even part as sums
    gain = (
        variance @ design.T @ np.linalg.inv(design @ variance @ design.T + 1e-9 * np.eye(1 + pairs))
    )
    value = functional @ gain @ np.concatenate([(whole + empty)[None], here + there])
    spread = np.diag(functional @ (variance - gain @ design @ variance) @ functional.T)
    result = interactions_by_process(plays, here, there, whole, empty)
    np.testing.assert_allclose(result.value[first, second], value, atol=1e-5)
    ratio = result.variance[first, second] / spread[:, None]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1], ratio.shape), rtol=1e-3)
    np.testing.assert_array_equal(result.value, result.value.swapaxes(0, 1))


def test_the_estimates_error_is_as_large_as_it_says() -> None:
    covered = []
    for game in range(6):
        table = music(10, game)
        for seed in range(3):
            result = interactions_by_process(*known(table, PairSampler(10, seed).take(60)))
            error = np.abs(result.value - interactions(table))[np.triu_indices(10, 1)]
            spread = np.sqrt(result.variance)[np.triu_indices(10, 1)]
            covered.append(error <= 1.96 * spread)
    assert 0.88 < np.mean(covered) < 0.99
