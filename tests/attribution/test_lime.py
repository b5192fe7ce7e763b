"""LIME as audioLIME asks it, against the regression written out, and what it comes to."""

from __future__ import annotations

import numpy as np
import pytest
from support.audiolime import kernel, select
from support.audiolime import ridge as plain_ridge
from support.games import music

from stemlens.attribution import banzhaf, shapley
from stemlens.attribution.feature_selection import forward_selection, highest_weights, selected
from stemlens.attribution.lime import (
    MASKS,
    Moments,
    fit,
    furthest,
    lime,
    lime_limit,
    lime_masks,
    of_all_masks,
    of_masks,
    ridge,
)
from stemlens.attribution.table import membership

TABLE = np.random.default_rng(2).random((64, 3))


def written_out(plays: np.ndarray, values: np.ndarray, alpha: float) -> np.ndarray:
    """Ridge with an intercept that costs nothing, tag by tag."""
    weights = np.array([kernel(row) for row in plays.astype(int)])
    return np.transpose([plain_ridge(plays, column, weights, alpha) for column in values.T])


@pytest.mark.parametrize("alpha", [0.0, 1.0, 20.0])
def test_it_is_the_weighted_ridge_regression(alpha: float) -> None:
    plays = lime_masks(6, np.random.default_rng(0), 200)
    values = TABLE[plays @ (1 << np.arange(6))]
    np.testing.assert_allclose(
        lime(plays, values, alpha), written_out(plays, values, alpha), atol=1e-9
    )


def test_nobody_is_at_a_right_angle_to_everybody() -> None:
    plays = np.array([[True, True], [False, False], [True, False], [False, True]])
    values = np.array([[1.0], [0.1], [0.4], [0.3]])
    np.testing.assert_allclose(lime(plays, values), written_out(plays, values, 1.0), atol=1e-12)


def test_masks_are_coin_tosses_with_everybody_first() -> None:
    plays = lime_masks(5, np.random.default_rng(1))
    assert plays.shape == (1000, 5)
    assert plays[0].all()
    assert np.abs(plays.mean(axis=0) - 0.5).max() < 0.08
    assert len({row.tobytes() for row in plays}) == 32  # and so most are repetitions


def test_with_more_masks_it_comes_to_its_limit_which_is_not_the_shapley_value() -> None:
    limit = lime_limit(TABLE)
    plays = lime_masks(6, np.random.default_rng(3), 200_000)
    np.testing.assert_allclose(lime(plays, TABLE[plays @ (1 << np.arange(6))]), limit, atol=0.01)
    assert np.abs(limit - banzhaf(TABLE)).mean() < np.abs(limit - shapley(TABLE)).mean()
    np.testing.assert_allclose(limit, written_out(membership(6), TABLE, 0.0), atol=1e-9)


def drawn(n: int, table: np.ndarray, masks: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    plays = lime_masks(n, np.random.default_rng(seed), masks)
    return plays, table[plays @ (1 << np.arange(n))]


def each_mask_once(n: int, table: np.ndarray) -> Moments:
    """The moments of all masks, each as often as it is met among a thousand, by summing them up."""
    plays = membership(n)
    often = np.full(len(plays), (1 - 1 / MASKS) / len(plays))
    often[-1] += 1 / MASKS
    weight = (often * [kernel(row) for row in plays.astype(int)])[:, None]
    x, y = (a - (weight * a).sum(axis=0) / weight.sum() for a in (plays, table))
    return Moments((weight * x).T @ x, (weight * x).T @ y)


def test_all_masks_need_not_be_drawn() -> None:
    """Of games of some components each, whose mean a mask is worth; one of them has none."""
    players = [np.array(some, dtype=np.intp) for some in ([0, 3, 5], [4], [], [6, 1, 2, 3])]
    tables = [np.random.default_rng(i).random((2 ** len(p), 3)) for i, p in enumerate(players)]
    plays = membership(7)
    worth = [
        table[plays[:, some] @ (1 << np.arange(len(some)))]
        for some, table in zip(players, tables, strict=True)
    ]
    found = of_all_masks(7, zip(players, tables, strict=True))
    expected = each_mask_once(7, np.mean(worth, axis=0))
    np.testing.assert_allclose(found.gram, expected.gram, atol=1e-14)
    np.testing.assert_allclose(found.cross, expected.cross, atol=1e-14)


def test_drawing_comes_to_all_masks_on_average() -> None:
    exact = ridge(of_all_masks(6, [(np.arange(6), TABLE)]))
    runs = np.array([lime(*drawn(6, TABLE, MASKS, seed)) for seed in range(60)])
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    assert (abs(runs.mean(axis=0) - exact) < 3.5 * error).all()


def test_a_thousand_components_are_no_matter() -> None:
    """Far more masks than numbers can count; each game is of another five of the components."""
    tables = [music(5, seed, tags=1) for seed in range(200)]
    games = [(np.arange(5 * t, 5 * t + 5), table) for t, table in enumerate(tables)]
    found = ridge(of_all_masks(1000, games), alpha=0)[:, 0]
    assert np.isfinite(found).all()
    # With so many components every mask weighs the same: what is left is the Banzhaf value.
    expected = np.concatenate([banzhaf(table)[:, 0] for table in tables]) / 200
    assert np.corrcoef(found, expected)[0, 1] > 0.999


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_no_coefficient_is_larger_than_it_can_be(n: int) -> None:
    """The worst that masks can be worth: 1 where a component is rare, else 0."""
    moments = each_mask_once(n, np.zeros((2**n, 1)))
    plays = membership(n) - 0.5
    weight = np.array([kernel(row) for row in membership(n).astype(int)])
    plays = plays - (weight @ plays) / weight.sum()
    rare = np.linalg.solve(moments.gram, plays.T).T[:, :1]
    for table in (rare > 0, rare < 0, membership(n)[:, :1], plays[:, :1] == plays[:, :1].max()):
        for features in (None, 1, 7):
            found = of_all_masks(n, [(np.arange(n), table.astype(float))])
            largest = abs(ridge(found, 0.0, selected(found, features))).max()
            assert largest <= furthest(n) + 1e-9
    assert n == 1 or furthest(n) < 1.4


def test_errors_are_those_of_drawing_masks() -> None:
    """Of a game that a regression fits but for what it cannot know."""
    table = music(6, 3)
    exact = ridge(of_all_masks(6, [(np.arange(6), table)]))
    everyone = np.ones(exact.shape, dtype=np.bool_)
    few = [fit(*drawn(6, table, 21, seed), everyone, np.eye(6)) for seed in range(200)]
    kept = np.array([abs(one.coefficients - exact) <= 1.96 * np.sqrt(one.variance) for one in few])
    assert 0.93 < kept.mean() < 0.99
    sums = np.array([[1.0, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1]])
    held, of_sums = [], []
    for seed in range(200):
        found = fit(*drawn(6, table, 120, seed), everyone, sums)
        held.append(abs(found.coefficients - exact) <= 1.96 * np.sqrt(found.variance))
        of_sums.append(abs(sums @ (found.coefficients - exact)) <= 1.96 * np.sqrt(found.of_sums))
    assert 0.925 < np.mean(held) < 0.975
    assert 0.92 < np.mean(of_sums) < 0.975


def test_a_thousand_masks_are_fitted_as_audiolime_fits_them() -> None:
    plays, values = drawn(6, TABLE, MASKS)
    found = fit(plays, values, np.ones((6, 3), dtype=np.bool_), np.eye(6))
    np.testing.assert_allclose(found.coefficients, written_out(plays, values, 1.0), atol=1e-9)
    np.testing.assert_allclose(found.of_sums, found.variance)


def test_fewer_masks_are_fitted_as_a_part_of_a_thousand() -> None:
    """The ridge, and the first mask, count a tenth of what they count beside ten times as many."""
    plays, values = drawn(6, TABLE, 100)
    found = fit(plays, values, np.ones((6, 3), dtype=np.bool_), np.eye(6))
    weights = np.array([kernel(row) for row in plays.astype(int)])
    weights[0] /= 10
    expected = [plain_ridge(plays, column, weights, 0.1) for column in values.T]
    np.testing.assert_allclose(found.coefficients, np.transpose(expected), atol=1e-9)


def test_a_linear_game_has_no_error_but_the_ridge() -> None:
    plays = lime_masks(4, np.random.default_rng(0), 60)
    values = plays @ np.array([[0.3], [-0.1], [0.0], [0.2]]) + 0.1
    found = fit(plays, values, np.ones((4, 1), dtype=np.bool_), np.eye(4))
    np.testing.assert_allclose(found.coefficients[:, 0], [0.3, -0.1, 0, 0.2], atol=0.005)
    assert found.variance.max() < 1e-5


@pytest.mark.parametrize("features", [1, 2, 3, 5, 6, 7, 8])
def test_features_are_chosen_as_lime_chooses_them(features: int) -> None:
    """Of few masks, in which components happen to go together, so that the two ways differ."""
    table = music(9, 5, tags=6)
    plays, values = drawn(9, table, 30)
    weights = np.array([kernel(row) for row in plays.astype(int)])
    chosen = selected(of_masks(plays, values), features)
    for tag in range(6):
        expected = select(plays, values[:, tag], weights, features)
        assert sorted(expected) == np.flatnonzero(chosen[:, tag]).tolist()
        if features <= 6:
            order = forward_selection(of_masks(plays, values), features)[:, tag]
            assert order.tolist() == expected
    by_weight = highest_weights(of_masks(plays, values), features)
    alike = np.take_along_axis(chosen, by_weight, axis=0).all()
    assert alike == (features > 6)
    fitted = ridge(of_masks(plays, values), 1 / 30, chosen)
    used = select(plays, values[:, 0], weights, features)
    alone = plain_ridge(plays[:, used], values[:, 0], weights, 1.0)
    np.testing.assert_allclose(fitted[used, 0], alone, atol=1e-9)
    assert (np.count_nonzero(fitted, axis=0) == features).all()


def test_a_component_that_another_explains_adds_nothing() -> None:
    """Two columns that are the same, and one that never changes."""
    plays = lime_masks(4, np.random.default_rng(1), 40)
    plays[:, 2], plays[:, 3] = plays[:, 0], True
    values = plays[:, :2] @ np.array([[0.5, 0.0], [0.1, 0.0]])
    for features in (1, 2, 3, 4):
        chosen = selected(of_masks(plays, values), features)
        assert (chosen.sum(axis=0) == features).all()
    assert selected(of_masks(plays, values), 2)[:, 0].tolist() == [True, True, False, False]
