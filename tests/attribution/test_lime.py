"""LIME as audioLIME asks it, against the regression written out, and what it comes to."""

from __future__ import annotations

import numpy as np
import pytest

from stemlens.attribution import banzhaf, shapley
from stemlens.attribution.lime import lime, lime_limit, lime_masks
from stemlens.attribution.table import membership

TABLE = np.random.default_rng(2).random((64, 3))


def written_out(plays: np.ndarray, values: np.ndarray, alpha: float) -> np.ndarray:
    """Ridge with an intercept that costs nothing, as one least squares of stacked rows."""
    n = plays.shape[1]
    ones = np.ones(n)
    weights = []
    for row in plays.astype(float):
        norm = np.linalg.norm(row)
        distance = 1 - (row @ ones / norm / np.sqrt(n) if norm else 0.0)
        weights.append(np.sqrt(np.exp(-(distance**2) / 0.25**2)))
    root = np.sqrt(weights)[:, None]
    design = np.column_stack([plays, np.ones(len(plays))]) * root
    penalty = np.sqrt(alpha) * np.eye(n + 1)[:n]
    right = np.concatenate([values * root, np.zeros((n, values.shape[1]))])
    return np.linalg.lstsq(np.concatenate([design, penalty]), right, rcond=None)[0][:n]


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
