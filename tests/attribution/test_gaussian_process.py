"""Values of a Gaussian process, against the same process written out over all sets of players."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support.games import music, seen

from stemlens.attribution import banzhaf, shapley
from stemlens.attribution.gaussian_process import (
    MOST_PAIRS,
    PECULIAR,
    PRIOR,
    banzhaf_by_process,
    covariance,
    infer,
    peculiar,
    per_set,
    player_weights,
    shapley_by_process,
)
from stemlens.attribution.least_squares import banzhaf_from_pairs, pair_sizes, shapley_from_pairs
from stemlens.attribution.sampling import (
    PairSampler,
    all_pairs,
    banzhaf_mass,
    pairs_of_size,
    shapley_mass,
)
from stemlens.attribution.student import widening

VALUES = [
    pytest.param(shapley_by_process, shapley, shapley_from_pairs, shapley_mass, id="shapley"),
    pytest.param(banzhaf_by_process, banzhaf, banzhaf_from_pairs, banzhaf_mass, id="banzhaf"),
]


@pytest.mark.parametrize(("estimate", "exact", "linear", "mass"), VALUES)
@pytest.mark.parametrize("n", range(9))
def test_of_all_pairs_it_is_the_value_and_certain(n: int, estimate, exact, linear, mass) -> None:
    table = np.random.default_rng(n).normal(size=(2**n, 3))
    result = estimate(*seen(table, PairSampler(n, 0, mass).take(all_pairs(n))))
    np.testing.assert_allclose(result.value, exact(table), atol=1e-9)
    assert not result.variance.any()


@pytest.mark.parametrize(("estimate", "exact", "linear", "mass"), VALUES)
@pytest.mark.parametrize(("n", "pairs"), [(4, 5), (5, 9), (6, 20), (10, 25)])
def test_it_is_bayesian_regression_on_sets_and_single_pairs(
    n: int, pairs: int, estimate, exact, linear, mass
) -> None:
    """A coefficient for each odd set of players and for each pair, and no kernel anywhere."""
    table = music(n, n)
    plays, d, whole = seen(table, PairSampler(n, 1, mass).take(pairs))
    weights = player_weights(linear(plays, d, whole).value)
    z = np.where((np.arange(2**n)[:, None] >> np.arange(n)) & 1, 1.0, -1.0)
    variances, games = [], []  # a game for each coefficient, as tables of differences
    for order in (k for k in PRIOR if k <= n):
        sets = list(itertools.combinations(range(n), order))
        product = np.array([weights[list(s)].prod() for s in sets])
        variances += (PRIOR[order] * product / product.sum()).tolist()
        games += [z[:, list(s)].prod(axis=1) for s in sets]
    for mask in range(1, 2 ** (n - 1)):
        size = min(mask.bit_count(), n - mask.bit_count())
        variances.append(PECULIAR / size**3)
        games.append(np.eye(2**n)[mask] - np.eye(2**n)[2**n - 1 - mask])
    basis = np.array(games).T
    masks = np.append(2**n - 1, plays.astype(int) @ (1 << np.arange(n)))
    design, variance = basis[masks], np.diag(variances)
    functional = exact(basis / 2)  # a game has twice its odd part as differences
    together = design @ variance @ design.T + 1e-9 * np.eye(1 + pairs)
    gain = variance @ design.T @ np.linalg.inv(together)
    known = np.concatenate([whole[None], d])
    spread = np.diag(functional @ (variance - gain @ design @ variance) @ functional.T)
    missed = np.zeros_like(d)  # of pairs of sizes that are not complete, by all others
    drawn = np.bincount(pair_sizes(plays))
    for at, size in enumerate(pair_sizes(plays)):
        if drawn[size] < pairs_of_size(n, size):
            rest = np.delete(np.arange(1 + pairs), at)
            others = np.linalg.solve(together[np.ix_(rest, rest)], together[rest, at])
            missed[at - 1] = known[at] - others @ known[rest]
    correction = linear(plays, missed, np.zeros_like(whole))
    result = estimate(plays, d, whole)
    value = functional @ gain @ known + 2 / 3 * correction.value
    np.testing.assert_allclose(result.value, value, atol=1e-6)
    ratio = (3 * result.variance - 2 * correction.variance) / spread[:, None]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1], ratio.shape), rtol=1e-4)


def test_the_unit_is_what_leaving_each_pair_out_misses() -> None:
    """Predicted from the others by a process of its own, not by a shortcut."""
    n, pairs = 6, 18
    plays, d, whole = seen(music(n, 3), PairSampler(n, 1).take(pairs))
    z = np.where(np.concatenate([np.ones((1, n), dtype=bool), plays]), 1.0, -1.0)
    known = np.concatenate([whole[None], d])
    weights = player_weights(shapley_from_pairs(plays, d, whole).value)
    full = covariance(z, weights, per_set(weights, PRIOR)) + np.diag(peculiar(plays))
    surprise = []
    for left_out in range(1 + n, 1 + pairs):  # size 1 is complete, and tells nothing of others
        others = np.delete(np.arange(1 + pairs), left_out)
        gain = np.linalg.solve(full[np.ix_(others, others)], full[others, left_out])
        miss = known[left_out] - gain @ known[others]
        surprise.append(miss**2 / (full[left_out, left_out] - gain @ full[others, left_out]))
    unit = np.mean(surprise, axis=0) * (1 + n / pairs) * widening(pairs - n)
    result = infer(full, np.zeros((1 + pairs, n)), np.ones(n), known, plays)
    np.testing.assert_allclose(result.variance, np.tile(unit, (n, 1)), rtol=1e-6)


@pytest.mark.parametrize("n", [4, 5, 11, 40, 100])
@pytest.mark.parametrize("more", [0, 1, 30])
def test_shares_sum_to_the_whole(n: int, more: int) -> None:
    plays = PairSampler(n, 0).take(n + more)
    d = np.random.default_rng(n).normal(size=(len(plays) + 1, 50))
    result = shapley_by_process(plays, d[1:], d[0])
    np.testing.assert_allclose(result.value.sum(axis=0), d[0], atol=1e-9)
    assert result.value.shape == result.variance.shape == (n, 50)
    assert (result.variance >= 0).all()
    assert np.isfinite(result.variance).all()


@pytest.mark.parametrize("per_stem", [3, 8])
def test_half_the_error_of_least_squares_and_as_large_as_it_says(per_stem: int) -> None:
    """Here even of games that are rougher than real ones (those: see `test_coverage`)."""
    n, covered, squared, plain = 10, [], [], []
    for game in range(6):
        table = music(n, game)
        truth = shapley(table)
        for seed in range(6):
            known = seen(table, PairSampler(n, [game, seed]).take(per_stem * n))
            result = shapley_by_process(*known)
            error = result.value - truth
            covered.append(np.abs(error) <= 1.96 * np.sqrt(result.variance))
            squared.append(error**2)
            plain.append((shapley_from_pairs(*known).value - truth) ** 2)
    assert 0.93 < np.mean(covered) < (0.995 if per_stem < 8 else 0.98)
    assert np.sqrt(np.mean(squared) / np.mean(plain)) < 0.5


def test_a_tag_that_nothing_changes() -> None:
    n = 8
    table = np.concatenate([music(n, 0, 1), np.full((2**n, 1), 0.3)], axis=1)
    result = shapley_by_process(*seen(table, PairSampler(n, 0).take(30)))
    np.testing.assert_allclose(result.value[:, 1], 0, atol=1e-12)
    np.testing.assert_allclose(result.variance[:, 1], 0, atol=1e-20)
    silent = shapley_by_process(*seen(table[:, 1:], PairSampler(n, 0).take(30)))
    assert not silent.value.any()


def test_units_do_not_matter() -> None:
    plays, d, whole = seen(music(9, 1), PairSampler(9, 0).take(40))
    small, large = (shapley_by_process(plays, d * unit, whole * unit) for unit in (1, 1000))
    np.testing.assert_allclose(large.value, 1000 * small.value, rtol=1e-6)
    np.testing.assert_allclose(large.variance, 1e6 * small.variance, rtol=1e-6)


def test_the_order_of_the_players_does_not_matter() -> None:
    plays, d, whole = seen(music(9, 2), PairSampler(9, 0).take(40))
    order = np.random.default_rng(0).permutation(9)
    result, turned = (shapley_by_process(p, d, whole) for p in (plays, plays[:, order]))
    np.testing.assert_allclose(turned.value, result.value[order], atol=1e-9)
    np.testing.assert_allclose(turned.variance, result.variance[order], rtol=1e-6)


def test_very_many_pairs_go_to_least_squares() -> None:
    plays = PairSampler(14, 0).take(MOST_PAIRS + 1)
    known = seen(music(14, 0, 2), plays)
    np.testing.assert_allclose(
        shapley_by_process(*known).value, shapley_from_pairs(*known).value, atol=1e-12
    )
