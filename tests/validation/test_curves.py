"""Insertion and deletion, against games whose curves are known and against every order."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.games import music

from stemlens.attribution import shapley
from stemlens.validation import curves

Values = NDArray[np.float64]


def additive(*adds: float) -> Values:
    """The table of a game in which each stem adds so much, whoever else plays; one tag."""
    n = len(adds)
    return np.array([[sum(adds[i] for i in range(n) if m >> i & 1)] for m in range(2**n)])


def by_walking(table: Values, order: tuple[int, ...]) -> Values:
    """The scores as stems enter one by one, from the definition."""
    return np.array([table[sum(1 << i for i in order[:k])] for k in range(len(order) + 1)])


def test_curves_of_an_additive_game() -> None:
    game = additive(0.2, -0.1, 0.3)
    orders = curves.by_value(shapley(game))
    np.testing.assert_array_equal(orders, [[2, 0, 1]])
    np.testing.assert_allclose(curves.insertion(game, orders)[0, :, 0], [0, 0.3, 0.5, 0.4])
    np.testing.assert_allclose(
        curves.deletion(game, orders)[0, :, 0], [0.4, 0.1, -0.1, 0], atol=1e-12
    )
    # trapezoids of width 1/3
    assert curves.area(curves.insertion(game, orders))[0, 0] == pytest.approx(1.0 / 3)
    assert curves.area(curves.deletion(game, orders))[0, 0] == pytest.approx(0.2 / 3)
    least, most = curves.extremes(game)
    assert (least[0], most[0]) == pytest.approx(
        (0.2 / 3, 1.0 / 3)
    )  # where stems only add, no order is better


def test_random_order_is_the_mean_over_all_permutations() -> None:
    game = music(5, seed=3)
    walked = np.array([by_walking(game, order) for order in permutations(range(5))])
    np.testing.assert_allclose(curves.mean_curve(game), walked.mean(axis=0), atol=1e-12)
    every = curves.some_orders(5, 5040, seed=0)
    assert len({tuple(order) for order in every.tolist()}) == 120
    np.testing.assert_allclose(curves.insertion(game, every).mean(axis=0), walked.mean(axis=0))
    np.testing.assert_allclose(
        curves.deletion(game, every).mean(axis=0), walked.mean(axis=0)[::-1], atol=1e-12
    )


def test_the_best_and_the_worst_order_are_those_of_all() -> None:
    game = np.random.default_rng(0).random((32, 3))  # rougher than any music
    areas = curves.area(curves.insertion(game, curves.some_orders(5, 5040, seed=0)))
    least, most = curves.extremes(game)
    np.testing.assert_allclose(least, areas.min(axis=0))
    np.testing.assert_allclose(most, areas.max(axis=0))


def test_one_stem_has_one_order() -> None:
    game = additive(0.5)
    assert curves.some_orders(1, 10, seed=0).tolist() == [[0]]
    assert curves.extremes(game) == (pytest.approx([0.25]), pytest.approx([0.25]))


def test_where_there_are_too_many_some_are_drawn() -> None:
    drawn = curves.some_orders(9, 50, seed=1)
    assert drawn.shape == (50, 9) and (np.sort(drawn, axis=1) == np.arange(9)).all()
    assert len({tuple(order) for order in drawn.tolist()}) > 45
