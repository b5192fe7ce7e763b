"""Sanity: what must be so for any explanation of a tagger by stems, whatever the music.

With the network's weights shuffled from the output down the explanation must become another (see
`randomized`). Stems in another order keep their shares; what is silent has none; the shares of a
tag add up to its score less that of silence, and that score is the one of the stems' sum as one
file. A stem split into two equal halves (each 6.02 dB softer) gives both the same. What the halves
have together need not be what the whole had, and by how much it is not is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from stemlens.attribution import shapley
from stemlens.attribution.table import membership
from stemlens.game import Game
from stemlens.tagging.tagger import Tagger
from stemlens.validation import randomized
from stemlens.validation.experiment import (
    Check,
    Progress,
    Settings,
    of_enough,
    part,
    points,
    table,
    tiny,
)
from stemlens.validation.material import Passages, exact, inputs_at, scored
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.wording import number

BUDGET, QUICK_BUDGET = 96, 32  # taggings of which the shares are made that are compared
SEEDS, QUICK_SEEDS = 4, 2
NETWORK_BUDGET = 4000  # taggings by shuffled networks; at least two seeds whatever they take
SAME = 1e-6
EFFICIENT = 1e-5
AS_ONE_FILE = 3e-4  # to this scores are right where stems too soft to matter are left out
HALVED = 5  # stems at most
UNLIKE = 0.4  # a rank correlation up to this is no likeness
HALF_DB = 20 * np.log10(0.5)

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Halves:
    """One stem in two halves: how far their shares are apart, and what both have more than the
    whole had: the largest (of which tag), and the mean size over the tags."""

    stem: str
    apart: float
    tag: str
    whole: float
    both: float
    mean_off: float


@dataclass(frozen=True, slots=True)
class Cascade:
    """How shares change as layers are shuffled, one more in each row, the first for none.

    ranks, sizes: rank correlation of shares, and of their sizes, with those of the trained network,
    `[layers + 1][seeds]`. mean_size: how large shares are on average, `[layers + 1]`: a network
    that gives none is dead. chance: the mean rank correlation (its size) of networks that are
    shuffled altogether, with each other.
    """

    ranks: list[list[float]]
    sizes: list[list[float]]
    mean_size: list[float]
    chance: float


@dataclass(frozen=True, slots=True)
class Figures:
    """layers: those shuffled, from the output down; cascade: None where they are not known, and
    `unshuffled` says why."""

    heard: str
    layers: list[str]
    cascade: Cascade | None
    unshuffled: str
    permuted: float
    silent: float
    efficient: float
    one_file: float
    halves: list[Halves]
    checks: tuple[Check, ...]


def run(settings: Settings, on_progress: Progress) -> Figures:
    """On passages of the first session."""
    budget = QUICK_BUDGET if settings.quick else BUDGET
    one = scored(settings.sessions[0], settings, on_progress, budget)
    names: list[str] = []
    unshuffled = ""
    try:
        names = randomized.layers(one.game.tagger.name)
    except StemlensError as unknown:
        unshuffled = unknown.message
    found = shuffled_down(one, names, settings, on_progress) if names else None
    some = range(1 if settings.quick else min(one.n, HALVED))
    stages = len(some) + 2
    permuted = off_when_permuted(one, part(on_progress, 0, stages))
    silent = share_of_silence(one, part(on_progress, 1, stages))
    halves = [halved(one, i, part(on_progress, 2 + i, stages)) for i in some]
    shares = [shapley(own) for own in one.tables]
    efficient = max(
        float(np.abs(share.sum(axis=0) - (own[-1] - own[0])).max())
        for share, own in zip(shares, one.tables, strict=True)
    )
    as_one = off_as_one_file(one)
    apart = max(half.apart for half in halves)
    return Figures(
        one.described(),
        names,
        found,
        unshuffled,
        permuted,
        silent,
        efficient,
        as_one,
        halves,
        (
            of_enough("ranks", one.n, _forgotten(found)) if found else _forgotten(None),
            of_enough(
                "reversed",
                one.n,
                _small("Stems in another order have the same shares", SAME, permuted),
            ),
            _small("A stem that is silent, made to play, has the share 0", SAME, silent),
            _small("Two equal halves of a stem have the same share", SAME, apart),
            _small("Shares add up to score − silence", EFFICIENT, efficient),
            _small("The score of all stems is that of their sum as one file", AS_ONE_FILE, as_one),
        ),
    )


def _forgotten(found: Cascade | None) -> Check:
    asked = "All layers shuffled: rank correlation of shares with the trained network's"
    target = f"between ±{number(UNLIKE, 1)} on average (1 if none is)"
    if found is None:
        return Check(asked, target, "not run")
    last, first = float(np.mean(np.abs(found.ranks[-1]))), min(found.ranks[0])
    told_last = f"{number(last)} in size, {number(first, 3)} if none is"
    return Check(asked, target, told_last, last <= UNLIKE and first > 0.999)


def _small(asked: str, most: float, found: float) -> Check:
    return Check(asked, f"within {tiny(most)}", tiny(found), found <= most)


def shuffled_down(
    one: Passages, names: list[str], settings: Settings, on_progress: Progress
) -> Cascade:
    """The cascade through all layers `names` of the session's tagger."""
    taggings = len(names) * sum(map(len, one.tables))
    seeds = int(np.clip(NETWORK_BUDGET // taggings, 2, QUICK_SEEDS if settings.quick else SEEDS))

    def network(count: int, seed: int) -> Tagger:
        own = settings.seed + seed
        return randomized.randomized(one.game.tagger.name, count, own, settings.device)

    return cascade(one, network, len(names), seeds, on_progress)


def cascade(
    one: Passages,
    network: Callable[[int, int], Tagger],
    layers: int,
    seeds: int,
    on_progress: Progress,
) -> Cascade:
    """How shares change as layers are shuffled.

    `network(count, seed)` is the tagger with so many layers shuffled.
    """
    inputs = [
        list(inputs_at(one, t, membership(int(one.game.sounding[t].sum())).astype(np.float64)))
        for t in one.segments
    ]
    shown = one.best

    def shares(tagger: Tagger) -> Values:
        total = np.zeros((one.n, len(shown)))
        for t, batches in zip(one.segments, inputs, strict=True):
            own = np.concatenate([tagger.score(batch) for batch in batches])
            players = np.searchsorted(one.stems, one.game.players(t))
            total[players] += shapley(own.astype(np.float64)[:, shown])
        return total / len(one.segments)

    trained = shapley(one.table[:, shown])
    ranks, sizes, mean_size = [], [], []
    found: list[Values] = []
    for count in range(layers + 1):
        found = []
        for seed in range(seeds if count else 1):
            found.append(shares(network(count, seed)))
            on_progress("shuffling layers", (count * seeds + seed + 1) / ((layers + 1) * seeds))
        ranks.append([_rank(own, trained) for own in found])
        sizes.append([_rank(np.abs(own), np.abs(trained)) for own in found])
        mean_size.append(float(np.mean(np.abs(found))))
    pairs = [abs(_rank(found[a], found[b])) for a in range(len(found)) for b in range(a)]
    return Cascade(ranks, sizes, mean_size, float(np.mean(pairs)))


def _rank(one: Values, other: Values) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def off_when_permuted(one: Passages, on_progress: Progress) -> float:
    """How far shares are off where the stems come in reverse order, all tagged anew."""
    waveforms = one.opened.material.waveforms
    order = np.arange(len(waveforms))[::-1]
    gains_db = np.asarray(one.opened.material.gains_db)
    before = exact(Game(one.game.tagger, waveforms, gains_db), one.segments, on_progress)
    other = Game(one.game.tagger, waveforms[order].copy(), gains_db[order])
    after = exact(other, one.segments, on_progress)
    return float(np.abs(after - before[order]).max())


def share_of_silence(one: Passages, on_progress: Progress) -> float:
    """The largest share, by its size, of a stem that is silent and is made to play all the same."""
    waveforms = one.opened.material.waveforms[one.stems]
    nothing = np.zeros_like(waveforms[:1])
    gains_db = np.asarray(one.opened.material.gains_db)[one.stems]
    game = Game(
        one.game.tagger,
        np.concatenate([waveforms, nothing]),
        np.append(gains_db, 0.0),
        silence=-1.0,  # every power is more than this
    )
    return float(np.abs(exact(game, one.segments[:1], on_progress)[-1]).max())


def halved(one: Passages, stem: int, on_progress: Progress) -> Halves:
    """Two halves in the place of a stem: one has half the samples' values, one half the gain, so
    that the game does not know them for the same."""
    material, at = one.opened.material, one.stems[stem]
    waveforms = np.concatenate([material.waveforms, material.waveforms[at : at + 1]])
    waveforms[at] *= np.float32(0.5)
    gains_db = np.append(material.gains_db, material.gains_db[at] + HALF_DB)
    found = exact(Game(one.game.tagger, waveforms, gains_db), one.segments, on_progress)
    first, second = found[at][one.best], found[-1][one.best]
    whole = shapley(one.table[:, one.best])[stem]
    more = first + second - whole
    most = int(np.abs(more).argmax())
    return Halves(
        one.names[stem],
        float(np.abs(found[at] - found[-1]).max()),
        one.tag_names()[most],
        float(whole[most]),
        float(first[most] + second[most]),
        float(np.abs(more).mean()),
    )


def off_as_one_file(one: Passages) -> float:
    """How far the score of everybody is from that of the sum of all stems, tagged as one file."""
    material = one.opened.material
    gains = one.game.gains[:, None]
    whole = (material.waveforms.astype(np.float64) * gains).sum(axis=0, keepdims=True)
    game = Game(one.game.tagger, whole.astype(np.float32))
    off = 0.0
    for t, own in zip(one.segments, one.tables, strict=True):
        everybody = np.ones((1, len(game.players(t))), dtype=np.bool_)
        off = max(off, float(np.abs(game.scores(t, everybody)[0] - own[-1]).max()))
    return off


def told(figures: Figures) -> list[str]:
    """The section of the report."""
    halves = [
        [
            half.stem,
            number(100 * half.mean_off, 1),
            half.tag,
            points(half.whole),
            points(half.both),
        ]
        for half in figures.halves
    ]
    return [
        f"Heard: {figures.heard}.",
        "",
        *_told_cascade(figures),
        "",
        "**Halves.** A stem in two equal halves, each 6.02 dB softer, both in the session. They "
        "have the same share. Together they need not have what the whole had, because they can now "
        "play one without the other:",
        "",
        *table(["stem", "mean difference", "most, for", "whole", "both halves"], halves),
        "",
        "Let the stem at half its level score *h* more than it would if scores rose straight from "
        "without it to with it. The halves have together what the whole had, plus *h* wherever few "
        "others play, less *h* wherever many do. So the difference says how bent the tagger's "
        "answer to a fader is, and nothing is wrong with the arithmetic. It also says that shares "
        "depend on how a session is cut into stems: twenty drum tracks have other shares than one "
        "drum bus (`--value owen` shares out to groups first).",
        "",
        "*What would make it fail:* shares that stay as they were after the network has forgotten "
        f"what it learnt (a rank correlation beyond {number(UNLIKE, 1)}); shares that depend on "
        "the order of the stems or on silent ones; two equal things with unequal shares; parts "
        "that do not make the whole.",
    ]


def _told_cascade(figures: Figures) -> list[str]:
    found = figures.cascade
    if found is None:
        return [f"**Layers shuffled.** Not run. {figures.unshuffled}"]
    rows = [
        [
            f"{count}, down to {figures.layers[count - 1]}" if count else "none",
            number(float(np.mean(ranks))),
            f"{number(min(ranks))} to {number(max(ranks))}",
            number(float(np.mean(sizes))),
            number(100 * size),
        ]
        for count, (ranks, sizes, size) in enumerate(
            zip(found.ranks, found.sizes, found.mean_size, strict=True)
        )
    ]
    return [
        "**Layers shuffled.** Some explanations look the same whatever the network has learnt. "
        "Here the weights of its layers are shuffled one after the other, from the output down "
        f"({len(found.ranks[-1])} times), and the shares of the ten best tags compared with "
        "those of the trained network, by rank over stems × tags:",
        "",
        *table(["layers shuffled", "rank correlation", "range", "of sizes alone", "points"], rows),
        "",
        "*Points*: how large shares are on average; a network that is dead would have none. "
        "Networks that are shuffled altogether have a rank correlation of "
        f"{number(found.chance)} with each other, in size and on average: that is what chance "
        "comes to with so few stems. *Of sizes alone*: correlation of the shares without their "
        "signs; it may stay above 0, since a loud stem moves any network more than a soft one.",
    ]
