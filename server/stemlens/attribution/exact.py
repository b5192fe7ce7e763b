"""The exact shares of a whole session, segment by segment.

The score of a session is the mean over its segments, and the values used here are linear; so each
segment is a game of its own, played by the stems that sound in it. A stem that does not sound in a
segment is a null player there and gets 0 without costing anything. With aₜ stems sounding in
segment t this takes Σₜ 2^aₜ taggings instead of T · 2ⁿ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.banzhaf import banzhaf
from stemlens.attribution.effects import mute, solo
from stemlens.attribution.shapley import shapley
from stemlens.attribution.table import membership
from stemlens.game import Game
from stemlens_bridge.errors import StemlensError

MAX_SOUNDING = 12
VALUES: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float64]]] = {
    "shapley": shapley,
    "banzhaf": banzhaf,
}


@dataclass(frozen=True, slots=True)
class ExactShares:
    """Shares and effects in every segment, float64; what a session gets is their mean over axis 0.

    attributions, mute, solo: `[segments, stems, tags]`; scores, baseline: `[segments, tags]`.
    """

    attributions: NDArray[np.float64]
    mute: NDArray[np.float64]
    solo: NDArray[np.float64]
    scores: NDArray[np.float64]
    baseline: NDArray[np.float64]
    taggings: int


def cost(game: Game) -> int:
    """How many taggings the exact shares take.

    Raises `too_many_stems` where more than `MAX_SOUNDING` stems sound in one segment.
    """
    sounding = game.sounding.sum(axis=1)
    worst = int(sounding.argmax())
    if sounding[worst] > MAX_SOUNDING:
        minutes, seconds = divmod(round(float(game.start_s[worst])), 60)
        raise StemlensError(
            "too_many_stems",
            f"{sounding[worst]} stems sound at once at {minutes}:{seconds:02d}, and up to "
            f"{MAX_SOUNDING} can be analysed exactly. Bounce some of them together (drums to one "
            "bus, say), or leave some out.",
        )
    return int((2**sounding).sum())


def exact(
    game: Game, value: str, on_tagged: Callable[[int], None] = lambda taggings: None
) -> ExactShares:
    """The exact shares of `game`; `value` is a key of `VALUES`.

    `on_tagged` is told after each batch how many taggings are done; what it raises ends the work.
    Raises `too_many_stems` before any work.
    """
    cost(game)
    segments, stems, tags = *game.sounding.shape, len(game.tagger.tags)
    shares, muted, alone = (np.zeros((segments, stems, tags)) for _ in range(3))
    scores, baseline = (np.zeros((segments, tags)) for _ in range(2))
    done = 0

    def count(taggings: int) -> None:
        nonlocal done
        done += taggings
        on_tagged(done)

    for t in range(segments):
        players = np.flatnonzero(game.sounding[t])
        table = game.scores(t, membership(len(players)), on_tagged=count)
        shares[t, players] = VALUES[value](table)
        muted[t, players] = mute(table)
        alone[t, players] = solo(table)
        scores[t], baseline[t] = table[-1], table[0]
    return ExactShares(shares, muted, alone, scores, baseline, done)
