"""Pairwise Shapley interactions against their definition, and what must hold for them."""

from __future__ import annotations

import itertools
from math import factorial

import numpy as np
import pytest

from stemlens.attribution import shapley
from stemlens.attribution.interactions import interactions


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
