"""How Shapley, Banzhaf and LIME differ on one session, and why: `python -m benchmarks.values`

The demo session, all coalitions of it tagged, so that nothing differs but the values themselves.
LIME is audioLIME's (see `stemlens.attribution.lime`); how often its intervals hold is counted in
the games of real songs that the tests know. Prints the tables of `docs/values.md` in Markdown; a
minute the first time, after which scores are kept in `build/bench`. Given a path, it draws the
page's picture there as well.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import values_picture
from benchmarks.songs import ROOT, song
from benchmarks.tables import Replay, opened, session_scores
from stemlens.attribution import banzhaf, shapley
from stemlens.attribution.components import Components
from stemlens.attribution.lime import (
    MASKS,
    fit,
    lime,
    lime_limit,
    lime_masks,
    of_all_masks,
    ridge,
)
from stemlens.attribution.table import membership
from stemlens_bridge.wording import tenths

SHOWN = ("rock", "electronic", "80s")
TAGS = 10
SEEDS = 100
PARTS = (1, 2, 3, 9)
SIZES = (5, 9)
GAMES = ROOT / "tests" / "attribution" / "games.npz"
MASKS_A_STEM = (3, 5, 8, 16, 32)

Values = NDArray[np.float64]


def by_lime(table: Values) -> Values:
    """LIME of all masks, as 1000 drawn ones come to on average."""
    n = len(table).bit_length() - 1
    return ridge(of_all_masks(n, [(np.arange(n), table)]))


VALUES: dict[str, Callable[[Values], Values]] = {
    "Shapley": shapley,
    "Banzhaf": banzhaf,
    "LIME": by_lime,
}


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def effects(table: Values) -> tuple[Values, Values]:
    """What is lost when a stem is muted, and what it does alone, `[stems, tags]`."""
    singles = 1 << np.arange(len(table).bit_length() - 1)
    return table[-1] - table[len(table) - 1 - singles], table[singles] - table[0]


def of_tag(names: list[str], table: Values, drawn: tuple[Values, Values]) -> Iterator[str]:
    """One tag (`[coalitions, 1]`): every value of every stem. drawn: 1000 masks' coefficients, and
    half their 95 % intervals, `[stems, 1]`."""
    found = [value(table) for value in VALUES.values()]
    lost, alone = effects(table)
    yield row(["stem", *VALUES, f"LIME, {MASKS:,} masks", "last (muted)", "first (solo)"])
    yield "|---" * 7 + "|"
    for i, name in enumerate(names):
        told = f"{tenths(drawn[0][i, 0])} ±{100 * drawn[1][i, 0]:.1f}"
        cells = [tenths(value[i, 0]) for value in (*found, lost, alone)]
        yield row([name, *cells[:3], told, *cells[3:]])
    sums = [f"**{tenths(value.sum())}**" for value in (*found, drawn[0], lost, alone)]
    yield row(["*sum*", *sums])
    yield ""


def places(n: int) -> dict[str, Values]:
    """What it counts to be the 1st … nth of n stems to enter `[n]`, by value.

    It is what each value makes of a game that jumps by 1 as soon as so many play.
    """
    size = membership(n).sum(axis=1)
    jumps = (size[:, None] >= np.arange(1, n + 1)).astype(np.float64)
    limit = {**VALUES, "LIME": lime_limit}
    return {name: value(jumps)[0] for name, value in limit.items()}


def of_places() -> Iterator[str]:
    for n in SIZES:
        yield row([f"of {n} stems, entering as", *(str(k) for k in range(1, n + 1))])
        yield "|---" * (n + 1) + "|"
        for name, counts in places(n).items():
            yield row([name, *(f"{100 * part:.0f} %" for part in counts)])
        yield ""


def apart(one: Values, other: Values) -> float:
    """Root mean square difference in points."""
    return 100 * float(np.sqrt(((one - other) ** 2).mean()))


def of_differences(table: Values) -> Iterator[str]:
    """How far values are apart, over all stems and the tags of `table`."""
    n = len(table).bit_length() - 1
    found = {name: value(table) for name, value in VALUES.items()}
    limit = lime_limit(table)
    runs = []
    for seed in range(SEEDS):
        plays = lime_masks(n, np.random.default_rng(seed))
        runs.append(lime(plays, table[plays @ (1 << np.arange(n))]))
    noise = float(np.sqrt(np.mean([apart(run, found["LIME"]) ** 2 for run in runs])))
    once = lime(membership(n), table)
    yield row(["", "points apart"])
    yield "|---|---|"
    for one, other in combinations(found, 2):
        yield row([f"{one}, {other}", f"{apart(found[one], found[other]):.2f}"])
    yield row([f"LIME, {MASKS:,} masks: what drawing them adds", f"{noise:.2f}"])
    yield row(["what its ridge takes away", f"{apart(limit, found['LIME']):.2f}"])
    yield row(
        [f"what the ridge takes away from all {2**n} masks, each once", f"{apart(limit, once):.2f}"]
    )
    yield ""
    whole = table[-1] - table[0]
    yield row(["", "misses score − silence by", "as large as without a ridge", "same stem first"])
    yield "|---" * 4 + "|"
    for name, value in {**found, "LIME, all masks once": once}.items():
        off = 100 * float(abs(value.sum(axis=0) - whole).mean())
        part = 100 * float((value * limit).sum() / (limit**2).sum())
        first = (abs(value).argmax(axis=0) == abs(found["Shapley"]).argmax(axis=0)).sum()
        kept = f"{part:.0f} %" if name.startswith("LIME") else "–"
        yield row([name, f"{off:.1f} points", kept, f"in {first} of {len(whole)} tags"])
    yield ""


def of_parts(game: Replay, tags: NDArray[np.intp]) -> Iterator[str]:
    """LIME of stems cut into parts: how far 1000 masks are from all, over components."""
    yield row(["parts", "components", "masks in all", "coalitions tagged", f"{MASKS:,} masks"])
    yield "|---" * 5 + "|"
    cost = sum(2 ** len(game.players(t)) for t in range(len(game.sounding)))
    for parts in PARTS:
        components = Components.cut(game.sounding, parts)
        n, segments = len(components), range(len(game.sounding))
        games = [
            (components.players(t), game.scores(t, membership(len(game.players(t))))[:, tags])
            for t in segments
        ]
        exact = ridge(of_all_masks(n, games))
        off = []
        for seed in range(SEEDS // 5):
            plays = lime_masks(n, np.random.default_rng(seed))
            worth = np.mean([game.scores(t, plays[:, games[t][0]])[:, tags] for t in segments], 0)
            off.append(apart(lime(plays, worth), exact) ** 2)
        size = apart(exact, np.zeros_like(exact))
        yield row(
            [
                str(parts),
                str(n),
                f"{2**n:,}",
                str(cost),
                f"±{1.96 * np.sqrt(np.mean(off)):.2f} of {size:.2f}",
            ]
        )
    yield ""


def of_intervals() -> Iterator[str]:
    """How often LIME's intervals hold what it is of all masks, in games of 9 to 13 stems."""
    with np.load(GAMES) as stored:
        tables = [stored[name].astype(np.float64) for name in stored.files]
    yield row(["masks", "held", "in the worst game", "error, points", "told, points"])
    yield "|---" * 5 + "|"
    for each in (*MASKS_A_STEM, None):
        held, off, told = [], [], []
        for table in tables:
            n = len(table).bit_length() - 1
            exact, everyone = by_lime(table), np.ones((n, table.shape[1]), dtype=np.bool_)
            inside = []
            for seed in range(SEEDS // 5):
                masks = MASKS if each is None else each * (n + 1)
                plays = lime_masks(n, np.random.default_rng(seed), masks)
                found = fit(plays, table[plays @ (1 << np.arange(n))], everyone, np.eye(n))
                error = abs(found.coefficients - exact)
                inside.append((error <= 1.96 * np.sqrt(found.variance)).mean())
                off.append((error**2).mean())
                told.append(found.variance.mean())
            held.append(np.mean(inside))
        error, claimed = (100 * np.sqrt(np.mean(some)) for some in (off, told))
        name = f"{MASKS:,}" if each is None else f"{each} × (stems + 1)"
        cells = [f"{100 * np.mean(held):.1f} %", f"{100 * min(held):.1f} %"]
        yield row([name, *cells, f"{error:.2f}", f"{claimed:.2f}"])
    yield ""


def main() -> None:
    session = opened(song("demo"))
    game = Replay(session.game)
    names = [stem.name for stem in session.material.session.stems]
    column = {tag.name: k for k, tag in enumerate(game.tagger.tags)}
    n = len(names)
    table = session_scores(game, membership(n))
    plays = lime_masks(n, np.random.default_rng(0))
    everyone = np.ones((n, table.shape[1]), dtype=np.bool_)
    drawn = fit(plays, table[plays @ (1 << np.arange(n))], everyone, np.eye(n))
    half = 1.96 * np.sqrt(drawn.variance)
    for tag in SHOWN:
        k = column[tag]
        score, silence = 100 * table[-1, k], 100 * table[0, k]
        print(f"**{tag}**: {score:.1f} of 100, silence {silence:.1f}\n")
        told = drawn.coefficients[:, [k]], half[:, [k]]
        print(*of_tag(names, table[:, [k]], told), sep="\n")
    print(*of_places(), sep="\n")
    best = np.argsort(-table[-1])[:TAGS]
    print(*of_differences(table[:, best]), sep="\n")
    print(*of_parts(game, best), sep="\n")
    print(*of_intervals(), sep="\n")
    if len(sys.argv) > 1:
        k = column[SHOWN[0]]
        found = {name: 100 * value(table[:, [k]])[:, 0] for name, value in VALUES.items()}
        lost, alone = (100 * effect[:, 0] for effect in effects(table[:, [k]]))
        values_picture.draw(SHOWN[0], names, found, lost, alone, places(n), Path(sys.argv[1]))


if __name__ == "__main__":
    main()
