"""Shapley and Banzhaf values against their definitions and against published figures."""

from __future__ import annotations

import csv
import itertools
import json
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from stemlens.attribution import banzhaf, shapley

DATA = Path(__file__).parents[1] / "data"


def tables(least: int = 1, most: int = 5) -> st.SearchStrategy[NDArray[np.float64]]:
    """Games of a few players with two tags each."""
    scores = st.floats(-1, 1, allow_nan=False, width=32)
    return st.integers(least, most).flatmap(
        lambda n: arrays(np.float64, (2**n, 2), elements=scores)
    )


def by_orders(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapley values as they are defined: the mean contribution over all orders of entering."""
    n = len(table).bit_length() - 1
    values = np.zeros((n, *table.shape[1:]))
    for order in itertools.permutations(range(n)):
        mask = 0
        for player in order:
            values[player] += table[mask | 1 << player] - table[mask]
            mask |= 1 << player
    return values / factorial(n)


def by_coalitions(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Banzhaf values as they are defined: the plain mean over coalitions of the others."""
    n = len(table).bit_length() - 1
    return np.array(
        [
            np.mean([table[m | 1 << i] - table[m] for m in range(2**n) if not m >> i & 1], axis=0)
            for i in range(n)
        ]
    )


@pytest.mark.parametrize("n", range(1, 8))
def test_shapley_is_the_mean_over_all_orders(n: int) -> None:
    table = np.random.default_rng(n).normal(size=(2**n, 3))
    np.testing.assert_allclose(shapley(table), by_orders(table), atol=1e-12)


@pytest.mark.parametrize("n", range(1, 9))
def test_banzhaf_is_the_mean_over_all_coalitions(n: int) -> None:
    table = np.random.default_rng(n).normal(size=(2**n, 3))
    np.testing.assert_allclose(banzhaf(table), by_coalitions(table), atol=1e-12)


def article() -> tuple[NDArray[np.float64], dict[str, list[object]]]:
    expected = json.loads((DATA / "article_rock_expected.json").read_text())
    table = np.full((16, 4), np.nan)
    with (DATA / "article_coalitions.csv").open() as file:
        for row in csv.DictReader(file):
            names = row.pop("coalition")
            mask = sum(1 << expected["stems"].index(name) for name in names.split("+") if name)
            table[mask] = [float(row[tag]) for tag in expected["tags"]]
    return table, expected


def test_the_articles_rock_track() -> None:
    """What the article prints as Shapley values are Banzhaf values; both come out right."""
    table, expected = article()
    np.testing.assert_allclose(shapley(table), expected["shapley"], atol=1e-9)
    np.testing.assert_allclose(banzhaf(table), expected["banzhaf"], atol=1e-9)


@given(tables())
def test_efficiency(table: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(shapley(table).sum(axis=0), table[-1] - table[0], atol=1e-12)


@given(tables(most=4), st.integers(0, 4))
def test_a_stem_that_changes_nothing_gets_nothing(table: NDArray[np.float64], at: int) -> None:
    n = len(table).bit_length() - 1
    at = min(at, n)
    masks = np.arange(2 ** (n + 1))
    without = (masks >> (at + 1) << at) | (masks & ((1 << at) - 1))
    for value in (shapley, banzhaf):
        result = value(table[without])
        np.testing.assert_allclose(result[at], 0, atol=1e-12)
        np.testing.assert_allclose(np.delete(result, at, axis=0), value(table), atol=1e-12)


@given(tables(least=2))
def test_stems_that_do_the_same_get_the_same(table: NDArray[np.float64]) -> None:
    masks = np.arange(len(table))
    swapped = (masks & ~3) | (masks & 1) << 1 | (masks & 2) >> 1
    alike = (table + table[swapped]) / 2
    for value in (shapley, banzhaf):
        result = value(alike)
        np.testing.assert_allclose(result[0], result[1], atol=1e-12)


@given(tables(), st.floats(-3, 3), st.integers(0, 2**32 - 1))
def test_values_are_linear(table: NDArray[np.float64], factor: float, seed: int) -> None:
    other = np.random.default_rng(seed).normal(size=table.shape)
    for value in (shapley, banzhaf):
        together = value(factor * table + other)
        np.testing.assert_allclose(together, factor * value(table) + value(other), atol=1e-9)


def test_in_an_additive_game_a_value_is_what_a_stem_adds() -> None:
    adds = np.array([0.3, -0.1, 0.25])
    table = np.array([sum(adds[i] for i in range(3) if m >> i & 1) for m in range(8)])
    np.testing.assert_allclose(shapley(table), adds)
    np.testing.assert_allclose(banzhaf(table), adds)


def test_nobody_plays() -> None:
    assert shapley(np.zeros((1, 50))).shape == (0, 50)


@pytest.mark.parametrize("table", [np.zeros(3), np.zeros((0, 2)), 1.0, np.array([0, np.nan])])
def test_what_is_no_table_is_refused(table: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="table"):
        shapley(table)
