"""How far Stemlens and other ways of asking the same game are from the exact Shapley values.

The others are played as their authors play them, by all stems of the session in every segment, so
that c coalitions cost c × segments taggings:

- *audioLIME*: coin-toss masks and a ridge regression (see `stemlens.attribution.lime`);
- *permutation sampling*: stems enter in random orders, and what each adds is averaged (J. Castro,
  D. Gómez, J. Tejada, "Polynomial calculation of the Shapley value based on sampling", 2009);
- *pairs, all stems*: Stemlens's own estimate from pairs of coalitions, without its knowledge of
  which stems sound when. It separates what the estimator gains from what that knowledge gains.

All are replayed from tables (see `tables`). Errors are over all stems and the ten best tags of the
session's shares, in scores from 0 to 1. Run as a process of its own; prints JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.songs import song
from benchmarks.tables import Plays, Replay, Values, opened, session_scores
from stemlens.attribution import anytime
from stemlens.attribution.gaussian_process import shapley_by_process
from stemlens.attribution.lime import MASKS, lime, lime_limit, lime_masks
from stemlens.attribution.permutation import OrderSampler, chains
from stemlens.attribution.sampling import PairSampler
from stemlens.attribution.shares import Z95
from stemlens.attribution.table import membership

SEEDS = 5
FEW_SEEDS = 3  # where scores that are no table's must be tagged
COALITIONS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, MASKS)
TAGS = 10
ALL_BUT_EXACT = 0.001  # estimates need not be better than this where exact shares cannot be had
TABLE = 16  # stems up to which LIME can be given all masks

Ask = Callable[[Plays], Values]
"""Scores `[coalitions, tags]` of coalitions `[coalitions, stems]` of the session."""


def audiolime(ask: Ask, stems: int, coalitions: int, seed: int) -> Values:
    """LIME's coefficients `[stems, tags]`, of that many masks."""
    plays = lime_masks(stems, np.random.default_rng(seed), coalitions)
    return lime(plays, ask(plays))


def permutations(ask: Ask, stems: int, coalitions: int, seed: int) -> Values:
    """Mean contributions over as many orders as the coalitions suffice for."""
    orders = OrderSampler(stems, seed).take((coalitions - 2) // (stems - 1))
    plays = chains(orders)
    nobody, everybody = ask(np.array([[False] * stems, [True] * stems]))
    inside = ask(plays.reshape(-1, stems)).reshape(*plays.shape[:2], -1)
    ends = [np.broadcast_to(end, (len(orders), 1, len(end))) for end in (nobody, everybody)]
    steps = np.diff(np.concatenate([ends[0], inside, ends[1]], axis=1), axis=1)
    shares: Values = np.take_along_axis(steps, orders.argsort(axis=1)[:, :, None], axis=1).mean(0)
    return shares


def pairs_of_all(ask: Ask, stems: int, coalitions: int, seed: int) -> Values:
    """Stemlens's estimate from pairs of coalitions of all stems."""
    plays = PairSampler(stems, seed).take((coalitions - 2) // 2)
    everybody, nobody = ask(np.array([[True] * stems, [False] * stems]))
    return shapley_by_process(plays, ask(plays) - ask(~plays), everybody - nobody).value


Method = Callable[[Ask, int, int, int], Values]
"""Shares by a game, its number of stems, how many coalitions may be asked, and a seed."""

OTHERS: dict[str, tuple[Method, Callable[[int], int]]] = {
    # and how many coalitions it needs at least, by the number of stems
    "pairs, all stems": (pairs_of_all, lambda stems: 2 * stems + 2),
    "permutation sampling": (permutations, lambda stems: stems + 1),
    "audioLIME": (audiolime, lambda stems: 2),
}


def stemlens(game: Replay, coalitions: int, seed: int) -> tuple[Values, int]:
    """The shares of Stemlens when it may spend so many coalitions a segment, and its taggings."""
    enough = ALL_BUT_EXACT if game.estimated else 0.0
    limits = anytime.Limits(budget=coalitions * len(game.sounding), precision=enough)
    *_, last = anytime.revisions(game, limits=limits, seed=seed)
    return last.attributions.mean(axis=0), last.coalitions


def compare(game: Replay) -> dict[str, object]:
    """For each method, and each of `COALITIONS`, the medians over seeds of (taggings, error,
    largest error); None where these are too few for the method."""
    segments, stems = game.sounding.shape
    seeds = FEW_SEEDS if game.estimated else SEEDS
    reference = game.reference()
    best = np.argsort(-session_scores(game, np.ones((1, stems), dtype=bool))[0])[:TAGS]

    def ask(plays: Plays) -> Values:
        return session_scores(game, plays)

    def errors(shares: Values) -> tuple[float, float]:
        off = (shares - reference.value)[:, best]
        return float(np.sqrt((off**2).mean())), float(np.abs(off).max())

    def ours(coalitions: int, seed: int) -> tuple[float, ...]:
        shares, taggings = stemlens(game, coalitions, seed)
        return taggings, *errors(shares)

    def theirs(method: Method, coalitions: int, seed: int) -> tuple[float, ...]:
        return coalitions * segments, *errors(method(ask, stems, coalitions, seed))

    def medians(measure: Callable[[int], tuple[float, ...]]) -> list[float]:
        return np.median([measure(seed) for seed in range(seeds)], axis=0).tolist()

    points: dict[str, list[list[float] | None]] = {name: [] for name in ("Stemlens", *OTHERS)}
    for coalitions in COALITIONS:
        points["Stemlens"].append(medians(partial(ours, coalitions)))
        for name, (method, least) in OTHERS.items():
            enough = coalitions >= least(stems)
            points[name].append(medians(partial(theirs, method, coalitions)) if enough else None)
    result = {
        "segments": segments,
        "coalitions": COALITIONS,
        "points": points,
        "exact_taggings": anytime.cost(game),
        "reference_half_width": float(Z95 * np.sqrt(reference.variance[:, best].max())),
        "lime_limit": None,
    }
    if stems <= TABLE:
        limit = lime_limit(ask(membership(stems)))
        off = [
            (audiolime(ask, stems, MASKS, seed) - limit)[:, best].ravel() for seed in range(seeds)
        ]
        result["lime_limit"] = errors(limit)
        result["lime_to_limit"] = float(np.sqrt(np.square(off).mean()))
    return result


if __name__ == "__main__":
    print(json.dumps(compare(Replay(opened(song(sys.argv[1])).game))))
