"""Values estimated from orders, against exact ones."""

from __future__ import annotations

import numpy as np
import pytest

from stemlens.attribution import shapley
from stemlens.attribution.owen import owen
from stemlens.attribution.permutation import OrderSampler, chains, contributions, mean_of
from stemlens.attribution.student import widening

N = 7
GROUPS = [2, 0, 2, 0, 1, 1, 2]
TABLE = np.random.default_rng(1).random((2**N, 3)) ** 2


def scored(orders: np.ndarray, table: np.ndarray = TABLE) -> np.ndarray:
    masks = chains(orders) @ (1 << np.arange(orders.shape[1]))
    return contributions(orders, table[masks] - table[len(table) - 1 - masks], table[-1] - table[0])


def test_an_order_and_its_reverse_by_hand() -> None:
    for order in OrderSampler(N, 3).take(5):
        expected = np.zeros((N, 3))
        for entering in (order, order[::-1]):
            mask = 0
            for player in entering.tolist():
                expected[player] += (TABLE[mask | 1 << player] - TABLE[mask]) / 2
                mask |= 1 << player
        np.testing.assert_allclose(scored(order[None])[0], expected, atol=1e-12)


def test_orders_are_orders_in_parts_as_at_once() -> None:
    whole = OrderSampler(N, [1, 2]).take(50)
    parts = OrderSampler(N, [1, 2])
    np.testing.assert_array_equal(np.concatenate([parts.take(k) for k in (1, 0, 9, 40)]), whole)
    np.testing.assert_array_equal(np.sort(whole, axis=1), np.tile(np.arange(N), (50, 1)))
    entered_first = np.bincount(OrderSampler(N, 0).take(7000)[:, 0], minlength=N)
    assert np.abs(entered_first - 1000).max() < 5 * np.sqrt(1000)


def test_groups_stay_together() -> None:
    of = np.array(GROUPS)
    for order in OrderSampler(N, 0, GROUPS).take(100):
        assert (np.diff(of[order]) != 0).sum() == 2


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_the_mean_tends_to_the_value_as_its_error_says(groups: list[int] | None) -> None:
    exact = shapley(TABLE) if groups is None else owen(TABLE, groups)
    result = mean_of(scored(OrderSampler(N, 5, groups).take(4000)))
    z = (result.value - exact) / np.sqrt(result.variance)
    assert np.abs(z).max() < 4
    assert 0.3 < z.std() < 1.7
    np.testing.assert_allclose(result.value.sum(axis=0), TABLE[-1] - TABLE[0], atol=1e-12)


@pytest.mark.parametrize("count", [2, 3, 6, 20])
def test_intervals_hold_of_few_orders(count: int) -> None:
    """Also where orders happen to agree, as they do with few groups."""
    covered = []
    for groups in (list(range(N)), [0, 0, 1, 2, 3, 4, 4], GROUPS):
        exact = owen(TABLE, groups)
        for seed in range(200):
            result = mean_of(scored(OrderSampler(N, seed, groups).take(count)))
            covered.append(np.abs(result.value - exact) <= 1.96 * np.sqrt(result.variance))
    assert 0.93 < np.mean(covered) < 0.975


def test_the_groups_sums_have_intervals_of_their_own() -> None:
    samples = scored(OrderSampler(N, 0, GROUPS).take(400))
    of = np.array(GROUPS)
    sums = np.stack([samples[:, of == kind].sum(axis=1) for kind in range(3)], axis=1)
    exact = np.stack([owen(TABLE, GROUPS)[of == kind].sum(axis=0) for kind in range(3)])
    result = mean_of(sums)
    assert (np.abs(result.value - exact) <= 4 * np.sqrt(result.variance)).all()


@pytest.mark.parametrize("n", [1, 2])
def test_few_players_are_exact(n: int) -> None:
    table = np.random.default_rng(n).random((2**n, 3))
    result = mean_of(scored(OrderSampler(n, 0).take(2), table))
    np.testing.assert_allclose(result.value, shapley(table), atol=1e-12)
    np.testing.assert_allclose(result.variance, 0, atol=1e-30)


def test_one_order_does_not_tell_its_error() -> None:
    with pytest.raises(ValueError, match="two"):
        mean_of(scored(OrderSampler(N, 0).take(1)))


def test_students_t() -> None:
    """Draws of t, scaled, fall inside ± 1.96 in 95 % of cases."""
    for freedom in (1, 2, 5, 30, 31, 60, 200):
        t = np.abs(np.random.default_rng(freedom).standard_t(freedom, 400_000))
        assert (t <= 1.959964 * np.sqrt(widening(freedom))).mean() == pytest.approx(0.95, abs=2e-3)
    assert widening(10**9) == pytest.approx(1)
