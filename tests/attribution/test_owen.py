"""Owen values against their definition, and what must hold for them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stemlens.attribution import shapley
from stemlens.attribution.owen import owen, owen_coalitions, owen_cost, owen_from_coalitions

PARTITIONS = [
    [0],
    [4, 4],
    [1, 0],
    [0, 0, 1, 2],
    [2, 0, 2, 1, 0],
    [0, 1, 1, 1, 1],
    [7, 7, 7, -1, -1, -1],
    [0, 1, 2, 3, 4, 5],
]


def by_orders(table: NDArray[np.float64], groups: list[int]) -> NDArray[np.float64]:
    """The mean contribution over all orders in which groups enter in one piece."""
    kinds = sorted(set(groups))
    values, orders = np.zeros((len(groups), *table.shape[1:])), 0
    for of_groups in itertools.permutations(kinds):
        members = [[i for i, g in enumerate(groups) if g == kind] for kind in of_groups]
        for parts in itertools.product(*(itertools.permutations(m) for m in members)):
            mask, orders = 0, orders + 1
            for player in itertools.chain(*parts):
                values[player] += table[mask | 1 << player] - table[mask]
                mask |= 1 << player
    return values / orders


@st.composite
def grouped(draw: st.DrawFn, most: int = 8) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    n = draw(st.integers(1, most))
    groups = draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n))
    table = np.random.default_rng(draw(st.integers(0, 999))).normal(size=(2**n, 2))
    return table, np.array(groups)


@pytest.mark.parametrize("groups", PARTITIONS, ids=str)
def test_it_is_the_mean_over_the_orders_that_keep_groups_together(groups: list[int]) -> None:
    table = np.random.default_rng(len(groups)).normal(size=(2 ** len(groups), 3))
    np.testing.assert_allclose(owen(table, groups), by_orders(table, groups), atol=1e-12)


@given(grouped())
def test_members_sum_to_the_shapley_value_of_their_group(
    game: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    table, groups = game
    kinds, of = np.unique(groups, return_inverse=True)
    masks = np.arange(2 ** len(kinds))
    quotient = sum(((masks >> of[i]) & 1) << i for i in range(len(of)))
    sums = np.array([owen(table, groups)[groups == kind].sum(axis=0) for kind in kinds])
    np.testing.assert_allclose(sums, shapley(table[quotient]), atol=1e-12)
    np.testing.assert_allclose(sums.sum(axis=0), table[-1] - table[0], atol=1e-12)


@pytest.mark.parametrize("n", range(1, 9))
def test_singletons_or_one_group_give_the_shapley_value(n: int) -> None:
    table = np.random.default_rng(n).normal(size=(2**n, 2))
    for groups in (np.arange(n)[::-1], np.full(n, 3)):
        np.testing.assert_allclose(owen(table, groups), shapley(table), atol=1e-12)


@given(grouped(most=6), st.integers(0, 6))
def test_a_stem_that_changes_nothing_gets_nothing_wherever_it_is(
    game: tuple[NDArray[np.float64], NDArray[np.int64]], group: int
) -> None:
    table, groups = game
    larger = np.concatenate([table, table])
    result = owen(larger, np.append(groups, group))
    np.testing.assert_allclose(result[-1], 0, atol=1e-12)
    if group not in groups:  # a group of nobodies changes nothing for the others
        np.testing.assert_allclose(result[:-1], owen(table, groups), atol=1e-12)


@given(grouped())
def test_only_the_coalitions_that_are_needed(
    game: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    table, groups = game
    plays = owen_coalitions(groups)
    masks = plays @ (1 << np.arange(len(groups)))
    assert len(set(masks.tolist())) == len(masks) == owen_cost(groups)
    for row in plays:
        in_part = [k for k in set(groups.tolist()) if 0 < row[groups == k].mean() < 1]
        assert len(in_part) <= 1
    np.testing.assert_array_equal(owen_from_coalitions(table[masks], groups), owen(table, groups))


def test_four_groups_of_six_cost_a_fraction_of_all() -> None:
    groups = np.repeat(np.arange(4), 6)
    assert owen_cost(groups) == 16 + 8 * 4 * 62 == 2000
    assert len(owen_coalitions(groups)) == 2000


def test_the_groups_share_is_not_the_sum_of_shapley_values() -> None:
    """Two stems that do the same count once when they are one group."""
    alike = np.array([float(bool(m & 3) and bool(m & 4)) for m in range(8)])
    np.testing.assert_allclose(owen(alike, [0, 0, 1]), [0.25, 0.25, 0.5])
    np.testing.assert_allclose(shapley(alike), [1 / 6, 1 / 6, 2 / 3])


def test_nobody_plays_and_what_does_not_fit() -> None:
    assert owen(np.zeros((1, 4)), []).shape == (0, 4)
    assert owen_cost([]) == len(owen_coalitions([])) == 1
    with pytest.raises(ValueError, match="group"):
        owen(np.zeros(8), [0, 1])
    with pytest.raises(ValueError, match="coalitions"):
        owen_from_coalitions(np.zeros(3), [0, 1])
