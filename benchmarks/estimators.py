"""Which estimator is how far off, at equal taggings: `python -m benchmarks.estimators`.

On the games of `benchmarks.games` (made first where they are not there), for the ten best tags.
Games of 12 and 13 players have exact values. Larger ones have a reference from all pairs that were
scored, whose own error is stated, and the methods draw their pairs from these. Prints a table in
Markdown; some two minutes on one core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import games
from benchmarks.coverage import differences
from benchmarks.games import Sampled
from stemlens.attribution import shapley
from stemlens.attribution.gaussian_process import shapley_by_process
from stemlens.attribution.least_squares import pair_sizes, shapley_from_pairs
from stemlens.attribution.lime import lime, lime_limit, lime_masks
from stemlens.attribution.permutation import OrderSampler, chains, contributions
from stemlens.attribution.sampling import PairSampler, Plays

BUDGETS = (3, 8, 16)  # pairs a stem, of two taggings each
SEEDS = 10

Values = NDArray[np.float64]
Draw = Callable[[int, int], tuple[NDArray[Any], Values]]
"""Of a count and a seed, so many pairs or orders, and their differences."""


@dataclass(frozen=True, slots=True)
class Known:
    """A game to compare on, with the means to ask for some of it.

    values: `[n, tags]`, and the standard error of what they are known to, in points, typically.
    """

    values: Values
    error: float
    tags: NDArray[np.intp]
    whole: Values
    pairs: Draw
    orders: Draw


def of_table(table: Values) -> Known:
    """A game of which all is known."""
    n = len(table).bit_length() - 1

    def pairs(count: int, seed: int) -> tuple[Plays, Values]:
        plays = PairSampler(n, seed).take(count)
        return plays, differences(table, plays)

    def orders(count: int, seed: int) -> tuple[NDArray[np.int64], Values]:
        drawn = OrderSampler(n, seed).take(count)
        chained = differences(table, chains(drawn).reshape(-1, n))
        return drawn, chained.reshape(count, n - 1, -1)

    return Known(shapley(table), 0.0, games.best(table), table[-1] - table[0], pairs, orders)


def of_pool(game: Sampled) -> Known:
    """A game of which some pairs are known, from which the methods draw theirs."""
    of = pair_sizes(game.plays)[1:]
    tags = np.argsort(-game.scores)[:10]
    best = shapley_by_process(game.plays, game.differences, game.whole, len(game.plays))
    error = 100 * float(np.sqrt(best.variance[:, tags].mean()))

    def pairs(count: int, seed: int) -> tuple[Plays, Values]:
        random = np.random.default_rng(seed)
        wanted = np.bincount(pair_sizes(PairSampler(game.plays.shape[1], 0).take(count))[1:])
        chosen = np.concatenate(
            [random.permutation(np.flatnonzero(of == k))[:m] for k, m in enumerate(wanted)]
        )
        return game.plays[chosen], game.differences[chosen]

    def orders(count: int, seed: int) -> tuple[NDArray[np.int64], Values]:
        at = seed % len(game.orders)
        return game.orders[at, :count], game.chained[at, :count]

    return Known(best.value, error, tags, game.whole, pairs, orders)


def errors(game: Known, per_stem: int) -> dict[str, float]:
    """Root mean square errors in points, by method, at so many pairs a stem."""
    squared: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        plays, d = game.pairs(per_stem * len(game.values), seed)
        # An order and its reverse cost n - 1 pairs.
        orders, chained = game.orders(per_stem, seed)
        found = {
            "permutations": contributions(orders, chained, game.whole).mean(axis=0),
            "least squares": shapley_from_pairs(plays, d, game.whole).value,
            "Gaussian process": shapley_by_process(plays, d, game.whole).value,
        }
        for name, value in found.items():
            error = (value - game.values)[:, game.tags]
            squared.setdefault(name, []).append(float((error**2).mean()))
    return {name: 100 * float(np.sqrt(np.mean(squares))) for name, squares in squared.items()}


def by_lime(table: Values, per_stem: int) -> tuple[float, float]:
    """LIME's errors at as many taggings: to the Shapley values, and to its own limit."""
    n, tags = len(table).bit_length() - 1, games.best(table)
    squared = []
    for seed in range(SEEDS):
        plays = lime_masks(n, np.random.default_rng(seed), 2 * per_stem * n)
        value = lime(plays, table[plays @ (1 << np.arange(n))])
        squared.append(
            [
                ((value - target)[:, tags] ** 2).mean()
                for target in (shapley(table), lime_limit(table))
            ]
        )
    to_shapley, to_limit = 100 * np.sqrt(np.mean(squared, axis=0))
    return float(to_shapley), float(to_limit)


def main() -> None:
    if not games.sessions():
        games.main()
    tables = {name: table for name, table in games.segments(12).items()}
    known = {f"{name} ({len(of_table(t).values)})": of_table(t) for name, t in tables.items()}
    known |= {name: of_pool(game) for name, game in games.sampled().items()}
    print("Root mean square errors in points, and the reference's own:\n")
    print(
        "| game (players) | pairs a stem | LIME | LIME, to its limit | permutations "
        "| least squares | Gaussian process | reference |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for (name, game), table in zip_longest(known.items(), tables.values()):
        for per_stem in BUDGETS:
            limes = (
                "– | –" if table is None else "{:.2f} | {:.2f}".format(*by_lime(table, per_stem))
            )
            cells = " | ".join(f"{error:.2f}" for error in errors(game, per_stem).values())
            own = f"{game.error:.2f}" if game.error else "exact"
            print(f"| {name} | {per_stem} | {limes} | {cells} | {own} |", flush=True)


if __name__ == "__main__":
    main()
