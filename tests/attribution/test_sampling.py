"""Pairs of coalitions: every one of them, once, in an order that can be asked for in parts."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from stemlens.attribution.sampling import (
    PairSampler,
    Plays,
    all_pairs,
    banzhaf_mass,
    pairs_of_size,
    shapley_mass,
)


def sizes(plays: Plays) -> list[int]:
    playing = plays.sum(axis=1)
    return np.minimum(playing, plays.shape[1] - playing).tolist()


@pytest.mark.parametrize("mass", [shapley_mass, banzhaf_mass])
@pytest.mark.parametrize("n", range(13))
def test_every_pair_comes_exactly_once(n: int, mass) -> None:
    plays = PairSampler(n, seed=n, mass=mass).take(2**n)
    masks = plays.astype(int) @ (1 << np.arange(n))
    both = set(masks.tolist()) | {2**n - 1 - mask for mask in masks.tolist()}
    assert plays.shape == (all_pairs(n), n)
    assert both == set(range(1, 2**n - 1))


@pytest.mark.parametrize("n", [2, 3, 9, 128])
def test_size_one_comes_first_stem_by_stem_or_as_a_whole(n: int) -> None:
    first = PairSampler(n, seed=4).take(1 if n == 2 else n)
    assert sizes(first) == [1] * len(first)
    assert len({row.tobytes() for row in first}) == len(first)


@pytest.mark.parametrize("n", [5, 12, 16, 40, 128])
def test_in_parts_as_at_once(n: int) -> None:
    whole = PairSampler(n, seed=[7, 3]).take(600)
    parts = PairSampler(n, seed=[7, 3])
    np.testing.assert_array_equal(
        np.concatenate([parts.take(count) for count in (3, 0, n, 100, 600)])[: len(whole)], whole
    )


def test_another_seed_other_pairs_of_every_size_that_is_not_complete() -> None:
    a, b = (PairSampler(30, seed).take(300) for seed in (1, 2))
    assert sizes(a) == sizes(b)
    for size in range(2, 16):
        of_size = np.array(sizes(a)) == size
        assert {r.tobytes() for r in a[of_size]} != {r.tobytes() for r in b[of_size]}


@pytest.mark.parametrize("n", [10, 33, 128])
def test_sizes_get_pairs_by_their_mass(n: int) -> None:
    drawn = np.bincount(sizes(PairSampler(n, seed=1).take(40 * n)), minlength=n // 2 + 1)
    complete = np.array([drawn[k] == pairs_of_size(n, k) for k in range(n // 2 + 1)])
    complete[:2] = True
    mass = shapley_mass(n)[~complete]
    share = (40 * n - drawn[complete].sum()) * mass / mass.sum()
    assert np.abs(drawn[~complete] - share).max() <= 1.0


@pytest.mark.parametrize("n", [7, 8, 20])
def test_no_stem_is_drawn_more_than_another(n: int) -> None:
    """A stem is in a pair's smaller coalition of k of n in k/n of all cases (at n/2: agrees with
    player 0 in (k − 1)/(n − 1))."""
    counts = np.zeros((n // 2 + 1, n))
    repeats, drawn = 300, np.zeros(n // 2 + 1)
    for seed in range(repeats):
        plays = PairSampler(n, seed).take(2 * n)
        of = np.array(sizes(plays))
        for size in range(2, n // 2 + 1):
            counts[size] += plays[of == size].sum(axis=0)
            drawn[size] += (of == size).sum()
    for size in range(2, n // 2 + 1):
        agrees = (size - 1) / (n - 1) if 2 * size == n else size / n
        expected = np.full(n, agrees * drawn[size])
        if 2 * size == n:
            expected[0] = drawn[size]
        assert np.abs(counts[size] - expected).max() < 4.5 * np.sqrt(drawn[size] / 4)


def test_the_masses_are_what_the_values_weigh() -> None:
    """Shapley: a size weighs what KernelSHAP gives all its coalitions; Banzhaf: their number."""
    for n in range(2, 12):
        kernel = {s: (n - 1) / (comb(n, s) * s * (n - s)) * comb(n, s) for s in range(1, n)}
        together = [kernel[k] + (kernel[n - k] if 2 * k != n else 0) for k in range(1, n // 2 + 1)]
        np.testing.assert_allclose(shapley_mass(n)[1:] * (n - 1), together)
        assert banzhaf_mass(n).sum() == pytest.approx(1)
