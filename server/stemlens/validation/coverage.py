"""Intervals: does the exact share lie inside in 95 of 100 cases?

Segments in which many stems sound are scored in full, so that the exact shares are known. Then they
are estimated as any analysis does it (`attribution.anytime`), from a part of the combinations, with
many seeds, and it is counted how often the interval holds. Where a session has no segment with so
many stems, it plays in canon with itself: every stem once more, half the session later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution import anytime, shapley
from stemlens.attribution.anytime import GROWTH, Limits
from stemlens.attribution.sampling import Plays, all_pairs
from stemlens.attribution.segment import PAIRS_A_STEM
from stemlens.game import Game
from stemlens.tagging.tagger import Tagger
from stemlens.validation.experiment import (
    Check,
    Progress,
    Settings,
    of_enough,
    part,
    percent,
    table,
)
from stemlens.validation.material import TAGS, Passages, passages, tables
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.wording import counted, number

ROUNDS = 5  # of pairs: 3 a stem, then always 1.4 times as many, as `anytime` adds them
SEEDS, QUICK_SEEDS = 40, 12
MANY = 8  # stems: with fewer nearly all pairs are tagged at once, and shares are exact
CANON_SEGMENTS, CANON_STEMS, QUICK_CANON_STEMS = 2, 10, 8
SOFTER_DB = -3.0  # two sessions at once are louder by about so much
HELD, WORST = 0.93, 0.90

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Held:
    """Of one session at so many pairs a stem: the part of the intervals that hold, and its standard
    error over the seeds; of single segments; the error of shares and half the intervals' width,
    both in scores; how many intervals there were."""

    name: str
    pairs: float
    held: float
    doubt: float
    segments_held: float
    error: float
    half_width: float
    cases: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What was heard, and how often intervals held."""

    heard: list[str]
    seeds: int
    held: list[Held]
    checks: tuple[Check, ...]


class Known(Game):
    """A game that answers from tables, one for each segment: `[2**players, tags]`."""

    def __init__(
        self, tagger: Tagger, sounding: NDArray[np.bool_], known: Sequence[Values]
    ) -> None:
        self.tagger, self.sounding = tagger, sounding
        self.known = known

    def scores(
        self,
        segment: int,
        plays: Plays,
        on_tagged: Callable[[int], None] = lambda coalitions: None,
    ) -> NDArray[np.float32]:
        on_tagged(len(plays))
        rows = plays @ (1 << np.arange(plays.shape[1]))
        return self.known[segment][rows].astype(np.float32)


def run(settings: Settings, on_progress: Progress) -> Figures:
    """Estimates of every session's shares, at several budgets, with many seeds."""
    seeds = QUICK_SEEDS if settings.quick else SEEDS
    heard, held = [], []
    found = passages(settings, on_progress)
    for count, one in enumerate(found):
        progress = part(on_progress, count, len(found))
        name, game = full(one, settings.quick, progress)
        heard.append(name)
        drawn, pairs = range(settings.seed, settings.seed + seeds), float(PAIRS_A_STEM)
        for at in range(ROUNDS):
            if (budget := cost(game, pairs)) < anytime.cost(game):
                counted = count_held(game, budget, drawn, part(progress, at, ROUNDS))
                held.append(Held(one.name, pairs, *counted))
            pairs *= GROWTH
    if not held:
        raise StemlensError(
            "nothing_to_analyse",
            "With so few stems nothing is estimated, so there are no intervals to look at.",
        )
    every = float(np.mean([one.held for one in held]))
    worst = min(held, key=lambda one: one.held)
    return Figures(
        heard,
        seeds,
        held,
        (
            of_enough(
                "intervals held",
                sum(one.cases for one in held),
                Check(
                    "The exact share lies inside the 95 % interval of an estimate",
                    f"in at least {percent(HELD)} of cases",
                    percent(every, 1),
                    every >= HELD,
                ),
            ),
            of_enough(
                "intervals held",
                worst.cases,
                Check(
                    "The same, where it does so most seldom",
                    f"in at least {percent(WORST)}",
                    percent(worst.held, 1),
                    worst.held >= WORST,
                ),
            ),
        ),
    )


def full(one: Passages, quick: bool, on_progress: Progress) -> tuple[str, Known]:
    """Segments with many stems, scored in full, and what they are, for the report."""
    wide = [
        (t, own) for t, own in zip(one.segments, one.tables, strict=True) if len(own) >= 2**MANY
    ]
    if wide:
        segments = [t for t, _ in wide]
        known = Known(one.game.tagger, one.game.sounding[segments], [own for _, own in wide])
        return f"{one.name}, {_count(segments)}{_stems(known)}", known
    game = canon(one, QUICK_CANON_STEMS if quick else CANON_STEMS)
    fullest = np.argsort(-game.sounding.sum(axis=1), kind="stable")
    segments = sorted(fullest[: 1 if quick else CANON_SEGMENTS].tolist())
    scored = tables(game, segments, on_progress)
    known = Known(game.tagger, game.sounding[segments], scored)
    return f"{one.name} in canon with itself, {_count(segments)}{_stems(known)}", known


def _count(segments: Sequence[int]) -> str:
    return counted(len(segments), "segment")


def _stems(game: Game) -> str:
    least, most = game.sounding.sum(axis=1).min(), game.sounding.sum(axis=1).max()
    return f" with {least} stems" if least == most else f" with {least} to {most} stems"


def canon(one: Passages, most: int) -> Game:
    """A game of a session's stems and of the same, half of it later; at most so many in all."""
    waveforms = one.opened.material.waveforms[one.stems][:most]
    later = np.roll(waveforms, waveforms.shape[1] // 2, axis=1)[: most - len(waveforms)]
    gains_db = np.asarray(one.opened.material.gains_db)[one.stems][:most] + SOFTER_DB
    return Game(
        one.game.tagger,
        np.concatenate([waveforms, later]),
        np.concatenate([gains_db, gains_db[: len(later)]]),
    )


def cost(game: Game, pairs_a_stem: float) -> int:
    """The taggings of an estimate from so many pairs a stem. Where that is more than half of all
    pairs of a segment, all are tagged."""
    total = 0
    for n in game.sounding.sum(axis=1).tolist():
        pairs = pairs_a_stem * n
        total += 2 + 2 * (all_pairs(n) if pairs > all_pairs(n) / 2 else ceil(pairs))
    return total


def count_held(
    game: Known, budget: int, seeds: Sequence[int], on_progress: Progress
) -> tuple[float, float, float, float, float, int]:
    """What `Held` has after its name and pairs, of estimates with so many taggings."""
    exact = np.zeros((len(game.sounding), game.sounding.shape[1], len(game.tagger.tags)))
    for t, own in enumerate(game.known):
        exact[t, game.players(t)] = shapley(own)
    held, alone, squared, widths = [], [], [], []
    cases = 0
    for count, seed in enumerate(seeds):
        *_, last = anytime.revisions(game, limits=Limits(budget, precision=0.0), seed=seed)
        best = last.best(TAGS)
        value, half = last.attributions.mean(axis=0)[:, best], last.half_width[:, best]
        off = np.abs(value - exact.mean(axis=0)[:, best])
        held.append(float((off <= half)[half > 0].mean()))
        cases += int((half > 0).sum())
        each = last.segment_half_width[..., best]
        away = np.abs(last.attributions - exact)[..., best]
        alone.append(float((away <= each)[each > 0].mean()))
        squared.append(float((off**2).mean()))
        widths.append(float(half.mean()))
        on_progress("estimating", (count + 1) / len(seeds))
    return (
        float(np.mean(held)),
        float(np.std(held) / np.sqrt(len(held))),
        float(np.mean(alone)),
        float(np.sqrt(np.mean(squared))),
        float(np.mean(widths)),
        cases,
    )


def told(figures: Figures) -> list[str]:
    """The section of the report."""
    rows = [
        [
            one.name,
            number(one.pairs, 1),
            f"{percent(one.held, 1)} ± {number(100 * one.doubt, 1)}",
            percent(one.segments_held, 1),
            number(100 * one.error),
            f"± {number(100 * one.half_width)}",
        ]
        for one in figures.held
    ]
    head = ["session", "pairs a stem", "hold", "of single segments", "error", "interval"]
    return [
        "Where more stems sound at once than can be tried in all combinations, shares are "
        "estimated from some of them, with an interval that should hold the exact share in 95 of "
        f"100 cases. Here all combinations were tagged ({'; '.join(figures.heard)}), so that the "
        "exact shares are known, and then the shares were estimated as any analysis does it, "
        f"{figures.seeds} times at each budget; errors (root mean square) and intervals in points, "
        f"of the {TAGS} best tags:",
        "",
        *table(head, rows),
        "",
        "± beside *hold* is one standard error over the repetitions; tags and stems of one "
        "repetition hang together, so that it is wider than their number suggests. Intervals are "
        "about what was not tagged, and nothing else: they say nothing of whether the tagger is "
        "right. Larger games, 33 segments of other songs, are in docs/estimators.md.",
        "",
        "*What would make it fail:* intervals that are too narrow; they would hold less often. "
        "Ones that are far too wide would hold always: compare interval and error.",
    ]
