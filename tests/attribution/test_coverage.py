"""Estimates of real games: segments of songs, of which every coalition was tagged.

`games.npz` holds the scores of the ten best tags of segments with 9 to 13 sounding stems, heard by
two networks; `python -m benchmarks.games` made it, and `python -m benchmarks.coverage` measures the
same on more games with more seeds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.games import seen

from stemlens.attribution import banzhaf, shapley
from stemlens.attribution.gaussian_process import banzhaf_by_process, shapley_by_process
from stemlens.attribution.interactions import interactions, interactions_by_process
from stemlens.attribution.least_squares import Estimate, banzhaf_from_pairs, shapley_from_pairs
from stemlens.attribution.lime import lime, lime_limit, lime_masks
from stemlens.attribution.sampling import PairSampler, all_pairs, banzhaf_mass

Table = NDArray[np.float64]


@pytest.fixture(scope="module")
def tables() -> dict[str, Table]:
    with np.load(Path(__file__).parent / "games.npz") as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}


def held(estimate: Estimate, exact: Table) -> NDArray[np.bool_]:
    return np.abs(estimate.value - exact) <= 1.96 * np.sqrt(estimate.variance)


def mean_square(estimate: Estimate, exact: Table) -> float:
    return float(((estimate.value - exact) ** 2).mean())


def test_the_games_are_those_that_are_meant(tables: dict[str, Table]) -> None:
    players = sorted(len(table).bit_length() - 1 for table in tables.values())
    assert players[0] == 9
    assert players[-1] == 13
    assert len(players) >= 8
    assert all(table.shape[1] == 10 for table in tables.values())


@pytest.mark.parametrize("per_stem", [3, 5, 8, 14])
def test_intervals_hold_at_any_budget(tables: dict[str, Table], per_stem: int) -> None:
    process, plain, ratio = [], [], []
    for table in tables.values():
        n = len(table).bit_length() - 1
        exact = shapley(table)
        squared = np.zeros(2)
        for seed in range(4):
            known = seen(table, PairSampler(n, seed).take(per_stem * n))
            found, linear = shapley_by_process(*known), shapley_from_pairs(*known)
            process.append(held(found, exact).mean())
            plain.append(held(linear, exact).mean())
            squared += mean_square(found, exact), mean_square(linear, exact)
        ratio.append(np.sqrt(squared[0] / squared[1]))
    assert 0.93 < np.mean(process) < (0.985 if per_stem < 8 else 0.97)
    assert 0.92 < np.mean(plain) < 0.98
    assert np.mean(ratio) < (0.75 if per_stem < 8 else 0.62)


@pytest.mark.parametrize("part", [0.6, 0.9, 0.97])
def test_intervals_hold_where_most_pairs_are_known(tables: dict[str, Table], part: float) -> None:
    """A budget may end anywhere; the process's own intervals held in 72 to 94 % there."""
    covered = []
    for table in tables.values():
        n = len(table).bit_length() - 1
        if n <= 11:
            exact = shapley(table)
            for seed in range(4):
                known = seen(table, PairSampler(n, seed).take(int(part * all_pairs(n))))
                covered.append(held(shapley_by_process(*known), exact).mean())
    assert 0.92 < np.mean(covered) < 0.98


@pytest.mark.parametrize("precision", [0.02, 0.01])
def test_intervals_hold_when_sampling_stops_as_they_are_narrow(
    tables: dict[str, Table], precision: float
) -> None:
    covered = []
    for table in tables.values():
        n = len(table).bit_length() - 1
        exact = shapley(table)
        for seed in range(4):
            sampler, wanted = PairSampler(n, seed), 3.0 * n
            plays = sampler.take(int(wanted))
            while 2 * len(plays) < all_pairs(n):
                found = shapley_by_process(*seen(table, plays))
                if 1.96 * np.sqrt(found.variance.max()) <= precision:
                    covered.append(held(found, exact).mean())
                    break
                wanted *= 1.4
                plays = np.concatenate([plays, sampler.take(int(wanted) - len(plays))])
    assert len(covered) > 20
    assert 0.93 < np.mean(covered) < 0.98


def test_banzhaf_values_too(tables: dict[str, Table]) -> None:
    covered, squared, plain = [], [], []
    for table in tables.values():
        n = len(table).bit_length() - 1
        exact = banzhaf(table)
        for seed in range(3):
            known = seen(table, PairSampler(n, seed, banzhaf_mass).take(10 * n))
            found = banzhaf_by_process(*known)
            covered.append(held(found, exact).mean())
            squared.append(mean_square(found, exact))
            plain.append(mean_square(banzhaf_from_pairs(*known), exact))
    assert 0.93 < np.mean(covered) < 0.985
    assert np.mean(squared) < 0.8 * np.mean(plain)


@pytest.mark.parametrize(("per_stem", "relative"), [(3, 0.6), (8, 0.35)])
def test_interactions_too(tables: dict[str, Table], per_stem: int, relative: float) -> None:
    covered, errors = [], []
    for table in tables.values():
        n = len(table).bit_length() - 1
        two = np.triu_indices(n, 1)
        exact = interactions(table)[two]
        plays = PairSampler(n, 3).take(per_stem * n)
        masks = plays @ (1 << np.arange(n))
        found = interactions_by_process(
            plays, table[masks], table[len(table) - 1 - masks], table[-1], table[0]
        )
        found = Estimate(found.value[two], found.variance[two])
        covered.append(held(found, exact).mean())
        errors.append(np.sqrt(mean_square(found, exact) / (exact**2).mean()))
    assert 0.93 < np.mean(covered) < 0.985
    assert np.mean(errors) < relative


def test_limes_error_is_more_than_twice_as_large_at_equal_budget(tables: dict[str, Table]) -> None:
    """As is what it tends to with ever more masks, because that is another value."""
    limes, limits, ours = [], [], []
    for table in tables.values():
        n = len(table).bit_length() - 1
        exact = shapley(table)
        plays = lime_masks(n, np.random.default_rng(0), 16 * n)
        estimate = lime(plays, table[plays @ (1 << np.arange(n))])
        found = shapley_by_process(*seen(table, PairSampler(n, 0).take(8 * n)))
        limes.append(np.mean((estimate - exact) ** 2))
        limits.append(np.mean((lime_limit(table) - exact) ** 2))
        ours.append(mean_square(found, exact))
    assert np.sqrt(np.mean(ours)) < 0.5 * np.sqrt(np.mean(limes))
    assert np.sqrt(np.mean(ours)) < 0.5 * np.sqrt(np.mean(limits))
