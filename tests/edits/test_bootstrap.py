"""Intervals over segments: they hold as often as they say, and know when nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

from stemlens.edits import bootstrap


@pytest.mark.parametrize("segments", [6, 14, 40])
def test_intervals_hold(segments: int) -> None:
    """The mean of a skewed distribution lies inside in about 95 of 100 cases."""
    random = np.random.default_rng(3)
    weights = bootstrap.draws(segments)
    samples = random.gamma(4.0, 1.0, size=(segments, 2_000)) - 4.0
    low, high = bootstrap.interval(bootstrap.means(samples, weights))
    held = np.mean((low <= 0) & (high >= 0))
    assert 0.91 <= held <= 0.98


def test_no_spread_no_width() -> None:
    change = np.full((9, 2), 0.25)
    low, high = bootstrap.interval(bootstrap.means(change, bootstrap.draws(9)))
    np.testing.assert_allclose([low, high], 0.25)


def test_one_segment_tells_nothing() -> None:
    low, high = bootstrap.interval(bootstrap.means(np.array([[0.3]]), bootstrap.draws(1)))
    assert low == -np.inf and high == np.inf


def test_the_same_seed_gives_the_same() -> None:
    np.testing.assert_array_equal(bootstrap.draws(7, 5), bootstrap.draws(7, 5))
    assert (bootstrap.draws(7, 5) != bootstrap.draws(7, 6)).any()
    np.testing.assert_allclose(bootstrap.draws(7).sum(axis=1), 1)
