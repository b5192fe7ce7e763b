"""Games of real sessions, scored once, on which estimators are tried: `python -m benchmarks.games`.

Makes what is missing under `build/bench/games`; from nothing that is some 130,000 taggings, 25
minutes of two quiet cores. Small games are scored completely: all segments of two songs, and single
segments in which stems of several songs play together. Larger ones, whose tables nobody could make,
are scored for some thousand pairs, and for orders of their own. Every song is rendered by LMMS.

`tests/attribution/games.npz` is made from them: some tables, of ten tags, in half precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.songs import CACHE, ROOT, Song, song
from stemlens import Options, Session, tagging
from stemlens.attribution.permutation import OrderSampler, chains
from stemlens.attribution.sampling import PairSampler, Plays
from stemlens.attribution.table import membership
from stemlens.game import Game
from stemlens.opening import OpenedSession, open_game
from stemlens.tagging import Tagger
from stemlens.validation.songs import PROJECTS, bounce

FOLDER = CACHE / "games"
FIXTURE = ROOT / "tests" / "attribution" / "games.npz"
TAGGERS = ("mtt-musicnn", "msd-musicnn")
CAPDAN, DIRTY, DEMO, SURRENDER = "CapDan-ReggaeTry", "DirtyLove", "demo", "Surrender-Main"
SESSIONS = (CAPDAN, DIRTY)
ORDERS = 16
LEVEL = 0.2  # effective value of several songs together, some −14 LUFS

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Together:
    """The stems that sound in some segments of some songs, played together: one segment.

    parts: song, segment, and how many of the stems that sound there; pairs: how many are scored,
    None for all coalitions.
    """

    name: str
    tagger: str
    parts: tuple[tuple[str, int, int], ...]
    pairs: int | None = None

    @property
    def n(self) -> int:
        """How many stems play."""
        return sum(stems for _, _, stems in self.parts)


ALL = ((DIRTY, 18, 11), (CAPDAN, 12, 9), (SURRENDER, 2, 7), (DEMO, 6, 5))
MORE = ((DIRTY, 25, 10), (CAPDAN, 7, 9), (SURRENDER, 4, 7), (DEMO, 8, 5), (DIRTY, 12, 1))
TOGETHER = (
    Together("twelve, msd", "msd-musicnn", ((DIRTY, 18, 7), (SURRENDER, 2, 5))),
    Together("twelve, mtt", "mtt-musicnn", ((CAPDAN, 7, 7), (DEMO, 5, 5))),
    Together("thirteen", "mtt-musicnn", ((DIRTY, 25, 8), (DEMO, 6, 5))),
    Together("16 players", "msd-musicnn", ((DIRTY, 18, 11), (DEMO, 6, 5)), 1500),
    Together(
        "24 players", "msd-musicnn", ((DIRTY, 18, 11), (CAPDAN, 12, 9), (SURRENDER, 2, 4)), 4000
    ),
    Together("32 players", "mtt-musicnn", ALL, 4000),
    Together("64 players", "mtt-musicnn", ALL + MORE, 5000),
)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A game too large for a table: scores of some pairs, and of the chains of some orders.

    plays: `[pairs, n]`; differences: `[pairs, tags]`; whole, scores (everybody's): `[tags]`;
    orders: `[seeds, orders, n]`; chained: `[seeds, orders, n - 1, tags]`, the differences of the
    orders' chains.
    """

    plays: Plays
    differences: Values
    whole: Values
    scores: Values
    orders: NDArray[np.int64]
    chained: Values


@dataclass(frozen=True, slots=True)
class Scored:
    """A session of which every coalition is scored.

    sounding: bool `[segments, stems]`; tables: of each segment `[2**n, tags]` over those.
    """

    sounding: NDArray[np.bool_]
    tables: list[Values]


def sessions() -> dict[str, Scored]:
    """The sessions that are complete here."""
    found = {}
    for tagger in TAGGERS:
        for name in SESSIONS:
            key = f"{name}, {tagger}"
            if (FOLDER / f"{key}.npz").exists():
                sounding = np.load(FOLDER / f"{key}.npz")["sounding"]
                paths = [FOLDER / f"{key}, {t}.npy" for t in range(len(sounding))]
                if all(path.exists() for path in paths):
                    found[key] = Scored(sounding, [load(path) for path in paths])
    return found


def segments(least: int = 9) -> dict[str, Values]:
    """Tables of single segments with at least so many players that are here."""
    found = {path.stem: load(path) for path in sorted(FOLDER.glob("*.npy"))}
    return {name: table for name, table in found.items() if len(table) >= 2**least}


def sampled() -> dict[str, Sampled]:
    """The larger games that are here, by name."""
    return {
        game.name: Sampled(**np.load(FOLDER / f"{game.name}.npz"))
        for game in TOGETHER
        if (FOLDER / f"{game.name}.npz").exists()
    }


def load(path: Path) -> Values:
    """A table, in double precision."""
    return np.load(path).astype(np.float64)


def best(table: Values, tags: int = 10) -> NDArray[np.intp]:
    """The tags that everybody together scores best: `[tags]`."""
    return np.argsort(-table[-1])[:tags]


def main() -> None:
    """Scores what is missing and writes the fixture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for tagger in TAGGERS:
        for name in SESSIONS:
            game = opened(name, tagger).game
            for t in range(len(game.sounding)):
                path = FOLDER / f"{name}, {tagger}, {t}.npy"
                if not path.exists():
                    np.save(path, game.scores(t, membership(len(game.players(t)))))
                    print(path.stem, flush=True)
            np.savez(FOLDER / f"{name}, {tagger}.npz", sounding=game.sounding)
    for wanted in TOGETHER:
        if wanted.pairs is None and not (FOLDER / f"{wanted.name}.npy").exists():
            np.save(FOLDER / f"{wanted.name}.npy", together(wanted)(membership(wanted.n)))
            print(wanted.name, flush=True)
        if wanted.pairs is not None and not (FOLDER / f"{wanted.name}.npz").exists():
            np.savez(FOLDER / f"{wanted.name}.npz", **sample(wanted))
            print(wanted.name, flush=True)
    write_fixture()


def write_fixture() -> None:
    """Keeps some tables for the tests: those of most players, and two of nine."""
    tables = segments(10) | {
        name: table
        for name, table in segments(9).items()
        if name in (f"{CAPDAN}, mtt-musicnn, 7", f"{CAPDAN}, msd-musicnn, 12")
    }
    np.savez_compressed(
        FIXTURE,
        **{name: table[:, best(table)].astype(np.float16) for name, table in tables.items()},
    )


def sample(wanted: Together) -> dict[str, NDArray[np.generic]]:
    """What `Sampled` holds, of a game that is scored now."""
    n, scores = wanted.n, together(wanted)
    plays = PairSampler(n, 12345).take(wanted.pairs or 0)
    orders = np.stack([OrderSampler(n, seed).take(ORDERS) for seed in range(2)])
    chained = np.stack([chains(some) for some in orders])
    nobody, everybody = scores(np.array([[False] * n, [True] * n]))
    return {
        "plays": plays,
        "differences": scores(plays) - scores(~plays),
        "whole": everybody - nobody,
        "scores": everybody,
        "orders": orders,
        "chained": scores(chained) - scores(~chained),
    }


def together(wanted: Together) -> Callable[[Plays], Values]:
    """Scores `[…, tags]` of coalitions `[…, n]` of the stems of some songs played together."""
    waveforms = []
    for name, t, stems in wanted.parts:
        one = opened(name, wanted.tagger)
        game, hop = one.game, round(one.game.tagger.segment_s * one.game.tagger.sample_rate)
        sounds = game.players(t)[:stems]
        heard = one.material.waveforms[sounds, (t - 1) * hop : (t + 2) * hop]
        heard = heard * game.gains[sounds, None]
        waveforms.append(np.pad(heard, ((0, 0), (0, 3 * hop - heard.shape[1]))))
    every = np.concatenate(waveforms)
    every *= LEVEL / np.sqrt(np.mean(every.sum(axis=0) ** 2))
    game = Game(tagger(wanted.tagger), every.astype(np.float32))
    if len(game.players(1)) != wanted.n:
        raise SystemExit(f"{wanted.name}: not all stems sound any more")

    def scores(plays: Plays) -> Values:
        rows = game.scores(1, plays.reshape(-1, wanted.n))
        return rows.reshape(*plays.shape[:-1], -1)

    return scores


@cache
def tagger(name: str) -> Tagger:
    return tagging.load(name, "cpu")


@cache
def opened(name: str, tagger_name: str) -> OpenedSession:
    """A song, opened for a tagger."""
    surrender = PROJECTS / "shorties" / f"{SURRENDER}.mmpz"
    this = (
        Song(SURRENDER, SURRENDER, tagger_name, CACHE / SURRENDER, partial(bounce, surrender))
        if name == SURRENDER
        else song(name)
    )
    session = Session.read(this.folder)
    return open_game(session, tagger(tagger_name), session.options(Options(tagger=tagger_name)))


if __name__ == "__main__":
    main()
