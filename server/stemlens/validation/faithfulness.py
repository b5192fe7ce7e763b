"""Faithfulness: does the tagger do what the shares say, when stems really leave, enter, or turn
down?

Deletion and insertion curves (see `curves`) by the order of the shares, beside the orders of other
explanations, of loudness, and all orders there are. Then what really happens to the score when one
stem is turned down by 3 dB, through the gains of the game, beside its share: the one is a small
change of the mix as it is, the other a mean over all mixes that could be, so that they need not
agree; how well they do says what shares can be used for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr

from stemlens.attribution import banzhaf, shapley
from stemlens.attribution.lime import lime, lime_masks
from stemlens.game import Game
from stemlens.validation import curves
from stemlens.validation.experiment import (
    Check,
    Progress,
    Settings,
    of_enough,
    part,
    percent,
    points,
    table,
    tiny,
)
from stemlens.validation.material import TAGS, Passages, at_gains, passages
from stemlens.validation.needs import enough, too_few
from stemlens_bridge.wording import number

DOWN_DB = -3.0
ORDERS = 5040  # all orders of seven stems
BEYOND = 0.03  # shares that are worth telling, of a score from 0 to 1
LEAST_EFFECT = 0.001  # a change that counts as one
AUDIO_AGREES = 3e-4  # of a score: to this scores are right where quiet stems are left out
BEATS, GAINED, BEHIND, FOLLOWS = 0.90, 0.75, 0.03, 0.5
"""The targets: of all orders so many are worse; so much of what the best order gains; no more
behind LIME; rank correlation with turning stems down."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Order:
    """How good it is to take stems in the order of one explanation.

    deletion, insertion: the mean height of the curves over the tags (in scores). gained: how much
    of what the best order gains over the mean of all orders, of both curves together. beats: the
    part of all orders that it is better than, mean over tags and both curves. Both are NaN of fewer
    stems than such a figure takes (`needs`).
    """

    name: str
    deletion: float
    insertion: float
    gained: float
    beats: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What was found in one session.

    curves: of one tag the mean score after each step, `(name, deletion, insertion)`.
    lower, upper: areas of all orders that 5 and 95 % lie below: deletion, insertion.
    agreement: rank and linear correlation over stems × tags of each explanation with what a stem
    turned down by 3 dB takes away, and the part of its values beyond 3 points with another sign;
    all NaN of fewer stems than a rank takes.
    opposed: (tag, stem, share, effect) of the shares that were most wrong about that.
    """

    name: str
    stems: int
    orders: list[Order]
    every: int
    lower: tuple[float, float]
    upper: tuple[float, float]
    curves: list[tuple[str, list[float], list[float]]]
    agreement: list[tuple[str, float, float, float]]
    compared: int
    opposed: list[tuple[str, str, float, float]]
    audio_off: float


@dataclass(frozen=True, slots=True)
class Figures:
    """By session, and what should hold in each."""

    heard: list[Heard]
    checks: tuple[Check, ...]


def run(settings: Settings, on_progress: Progress) -> Figures:
    """Scores passages of every session in full, and once more with each stem turned down."""
    found = passages(settings, on_progress)
    heard = []
    for count, one in enumerate(found):
        effect = turned_down(one, part(on_progress, count, len(found)))
        heard.append(looked_into(one, settings.seed, effect))
    return Figures(heard, checks(heard))


def explanations(one: Passages, seed: int) -> dict[str, Values]:
    """What each way of explaining says of the stems, `[n, tags]`."""
    game = one.table[:, one.best]
    full, single = len(game) - 1, 1 << np.arange(one.n)
    masks = lime_masks(one.n, np.random.default_rng(seed))
    return {
        "Shapley": shapley(game),
        "Banzhaf": banzhaf(game),
        "LIME": lime(masks, game[masks @ single]),
        "mute": game[-1] - game[full - single],
        "solo": game[single] - game[0],
        "loudness": np.repeat(loudness(one)[:, None], game.shape[1], axis=1),
    }


def loudness(one: Passages) -> Values:
    """How loud stems are `[n]`, LUFS: what somebody would guess who knows no tags."""
    facts = [one.opened.material.stems[stem] for stem in one.stems]
    return np.array([-200.0 if f.loudness_lufs is None else f.loudness_lufs for f in facts])


def turned_down(one: Passages, on_progress: Progress) -> Values:
    """What each stem, 3 dB softer, changes of the scores: `[n, tags]`."""
    effect = np.zeros((one.n, len(one.game.tagger.tags)))
    for done, (segment, game) in enumerate(zip(one.segments, one.tables, strict=True)):
        players = one.game.players(segment)
        gains = np.ones((len(players), len(players)))
        np.fill_diagonal(gains, 10 ** (DOWN_DB / 20))
        changed = at_gains(one, segment, gains) - game[-1]
        effect[np.searchsorted(one.stems, players)] += changed
        on_progress("turning stems down", (done + 1) / len(one.segments))
    return effect[:, one.best] / len(one.segments)


def through_audio(one: Passages, stem: int, effect: Values) -> float:
    """How far the effect `[tags]` of turning one stem down is from that of audio made softer: the
    waveform itself, opened and tagged anew."""
    waveforms = one.opened.material.waveforms.copy()
    waveforms[one.stems[stem]] *= np.float32(10 ** (DOWN_DB / 20))
    gains_db = one.opened.material.gains_db
    game = Game(one.game.tagger, waveforms, gains_db)
    total = np.zeros(len(game.tagger.tags))
    for segment, before in zip(one.segments, one.tables, strict=True):
        everybody = np.ones((1, len(game.players(segment))), dtype=np.bool_)
        total += game.scores(segment, everybody)[0].astype(np.float64) - before[-1]
    return float(np.abs(total[one.best] / len(one.segments) - effect).max())


def looked_into(one: Passages, seed: int, effect: Values) -> Heard:
    """All that is found in one session; `effect` `[n, tags]` as `turned_down` has it."""
    game = one.table[:, one.best]
    said = explanations(one, seed)
    every = curves.some_orders(one.n, ORDERS, seed)
    areas = {
        "deletion": curves.area(curves.deletion(game, every)),
        "insertion": curves.area(curves.insertion(game, every)),
    }
    mean = curves.area(curves.mean_curve(game)[None])[0]
    least, most = curves.extremes(game)
    orders = [judged(name, values, game, areas, mean, least, most) for name, values in said.items()]
    orders.append(_spread("all orders, the mean", mean, mean, 0.0, 0.5))
    orders.append(_spread("the best there is", least, most, 1.0, 1.0))
    orders.append(_spread("the worst there is", most, least, -1.0, 0.0))
    if not enough("orders", one.n):
        orders = [replace(order, gained=nan, beats=nan) for order in orders]
    away = {name: values for name, values in said.items() if name != "loudness"}
    shares = said["Shapley"]
    wrong = np.where(np.abs(effect) >= LEAST_EFFECT, shares * effect, 0.0)
    return Heard(
        one.described(),
        one.n,
        orders,
        len(every),
        (_low(areas["deletion"]), _low(areas["insertion"])),
        (_high(areas["deletion"]), _high(areas["insertion"])),
        list(_drawn(said, game)),
        [
            (name, *(agreement(values, -effect) if enough("ranks", one.n) else (nan, nan, nan)))
            for name, values in away.items()
        ],
        effect.size,
        [
            (one.tag_names()[k], one.names[i], float(shares[i, k]), float(effect[i, k]))
            for i, k in (divmod(at, shares.shape[1]) for at in np.argsort(-wrong.ravel()).tolist())
            if wrong[i, k] > 0 and abs(shares[i, k]) >= BEYOND
        ][:3],
        through_audio(one, _most(shares), effect[_most(shares)]),
    )


def _most(shares: Values) -> int:
    """The stem that does most for all tags together."""
    return int(np.abs(shares).sum(axis=1).argmax())


def judged(
    name: str,
    values: Values,
    game: Values,
    areas: Mapping[str, Values],
    mean: Values,
    least: Values,
    most: Values,
) -> Order:
    """How good the orders by `values` `[n, tags]` are, each for its tag.

    areas: of all orders `[orders, tags]`; mean, least, most: `[tags]`.
    """
    orders = curves.by_value(values)
    out = curves.own_areas(curves.deletion(game, orders))
    into = curves.own_areas(curves.insertion(game, orders))
    better = (out < areas["deletion"] - 1e-12).mean(axis=0)
    better = (better + (into > areas["insertion"] + 1e-12).mean(axis=0)) / 2
    most_gained = float(((mean - least) + (most - mean)).sum())
    gained = float(((mean - out) + (into - mean)).sum()) / most_gained if most_gained else nan
    return Order(name, float(out.mean()), float(into.mean()), gained, float(better.mean()))


def _spread(name: str, out: Values, into: Values, gained: float, beats: float) -> Order:
    return Order(name, float(out.mean()), float(into.mean()), gained, beats)


def _low(areas: Values) -> float:
    return float(np.quantile(areas.mean(axis=1), 0.05))


def _high(areas: Values) -> float:
    return float(np.quantile(areas.mean(axis=1), 0.95))


def _drawn(said: Mapping[str, Values], game: Values) -> list[tuple[str, list[float], list[float]]]:
    """The curves of some orders, as means over the tags."""
    found = []
    tags = np.arange(game.shape[1])
    for name in ("Shapley", "LIME"):
        orders = curves.by_value(said[name])
        out = curves.deletion(game, orders)[tags, :, tags].mean(axis=0)
        into = curves.insertion(game, orders)[tags, :, tags].mean(axis=0)
        found.append((name, out.tolist(), into.tolist()))
    mean = curves.mean_curve(game).mean(axis=1)
    found.append(("all orders, the mean", mean[::-1].tolist(), mean.tolist()))
    return found


def agreement(values: Values, taken: Values) -> tuple[float, float, float]:
    """Rank correlation, linear correlation, and the part of values beyond 3 points of which the
    effect has another sign; of all stems and tags together."""
    one, other = values.ravel(), taken.ravel()
    telling = (np.abs(one) >= BEYOND) & (np.abs(other) >= LEAST_EFFECT)
    opposed = (np.sign(one) != np.sign(other))[telling]
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan"), float("nan"), float("nan")
    return (
        float(spearmanr(one, other).statistic),
        float(pearsonr(one, other).statistic),
        float(opposed.mean()) if len(opposed) else 0.0,
    )


def checks(heard: list[Heard]) -> tuple[Check, ...]:
    """What should hold in every session that has stems enough for it."""
    fair = [_of(one, "Shapley") for one in heard]
    ahead = [own.gained - _of(one, "LIME").gained for one, own in zip(heard, fair, strict=True)]
    off = max(one.audio_off for one in heard)
    return (
        _in_each(
            "Stems removed, and added, in the order of their shares",
            f"better than {percent(BEATS)} of all orders, in each session",
            "orders",
            heard,
            [own.beats for own in fair],
            BEATS,
            percent,
        ),
        _in_each(
            "How much of what the best order gains over a random one that order gains",
            f"at least {percent(GAINED)}",
            "orders",
            heard,
            [own.gained for own in fair],
            GAINED,
            percent,
        ),
        _in_each(
            "The same, beside LIME",
            f"no more than {percent(BEHIND)} behind",
            "orders",
            heard,
            ahead,
            -BEHIND,
            lambda more: "–" if more != more else f"{points(more, 0)} %",
        ),
        _in_each(
            "Shares against what a stem turned down by 3 dB takes away, rank correlation",
            f"at least {number(FOLLOWS, 1)}",
            "ranks",
            heard,
            [dict(_by_name(one))["Shapley"] for one in heard],
            FOLLOWS,
            number,
        ),
        Check(
            "3 dB through the game's gains against 3 dB on the audio itself",
            f"within {tiny(AUDIO_AGREES)}",
            tiny(off),
            off <= AUDIO_AGREES,
        ),
    )


def _in_each(
    asked: str,
    target: str,
    fact: str,
    heard: list[Heard],
    found: list[float],
    least: float,
    shown: Callable[[float], str],
) -> Check:
    """A row with what was found in each session, which holds where every session that has stems
    enough for the fact reaches `least`; a dash stands for each of the others."""
    reached = [
        value >= least for one, value in zip(heard, found, strict=True) if enough(fact, one.stems)
    ]
    row = Check(asked, target, ", ".join(map(shown, found)), all(reached))
    return of_enough(fact, max(one.stems for one in heard), row)


def _of(one: Heard, name: str) -> Order:
    return next(order for order in one.orders if order.name == name)


def _by_name(one: Heard) -> list[tuple[str, float]]:
    return [(name, rank) for name, rank, _, _ in one.agreement]


def told(figures: Figures) -> list[str]:
    """The section of the report."""
    lines = [
        "If a share says what a stem does for a tag, then taking stems away in the order of their "
        "shares must bring the tag down sooner than any usual order does (*deletion*), and letting "
        "them in must bring it up sooner (*insertion*). Both areas are the mean height of the "
        f"curve in points, over the {TAGS} tags that score best, each with its own order. "
        "*Gained*: of what the best order there is gains over the mean of all orders, which is "
        "what random order comes to. *Beats*: the part of all orders that is worse. Best, worst "
        "and mean are exact, found in the table of all combinations. Loudness is what somebody "
        "would guess who has not asked the tagger.",
    ]
    for one in figures.heard:
        lines += ["", f"### {one.name}", "", *_curves(one), "", *_down(one)]
    return [
        *lines,
        "",
        "**What shares cannot tell.** A share is a mean over all mixes that could be made of the "
        "stems; 3 dB are a small change of the one mix there is. Where stems stand in for each "
        "other, each has a share, and turning one of them down does little. So shares rank what a "
        f"fader does, and are not the size of it. {_closer(figures.heard)} Stemlens tells the mute "
        "effect beside every share, and the live mix tries 1 dB itself. Nor is the order of the "
        "shares the best one: that is found only by trying all combinations. Solo and mute order "
        "are each good at the first step of one curve, by definition.",
        "",
        "*What would make it fail:* an order by shares that is not clearly better than orders at "
        "random or than LIME's; shares that do not rank what a turned-down fader does; gains in "
        "the game that are not gains of the audio.",
    ]


def _closer(heard: list[Heard]) -> str:
    """Where the mute effect follows a fader more closely than the shares do."""
    found = [dict(_by_name(one)) for one in heard if enough("ranks", one.stems)]
    if not found:
        return "Of so few stems nothing can be said about which follows a fader more closely."
    closer = sum(ranks["mute"] > ranks["Shapley"] for ranks in found)
    return (
        f"In {closer} of {len(found)} session{'s' * (len(found) > 1)} here the mute effect follows "
        "the fader more closely than the shares do: believe it for small moves."
        if closer
        else "Here they follow it more closely than the mute effect does, which is not so in every "
        "session: believe that one for small moves where it is."
    )


def _curves(one: Heard) -> list[str]:
    rows = [
        [
            order.name,
            number(100 * order.deletion, 1),
            number(100 * order.insertion, 1),
            percent(order.gained),
            percent(order.beats),
        ]
        for order in one.orders
    ]
    steps = [str(k) for k in range(one.stems + 1)]
    drawn = [
        [f"{name}, {way}", *(number(100 * value, 1) for value in curve)]
        for name, *both in one.curves
        for way, curve in zip(("removed", "added"), both, strict=True)
    ]
    how = "all" if one.every < ORDERS or one.stems == 7 else f"{one.every:,} drawn"
    few = [] if enough("orders", one.stems) else ["", f"*Gained, beats*: {_few('orders', one)}"]
    return [
        *table(["order by", "deletion", "insertion", "gained", "beats"], rows),
        *few,
        "",
        f"Nine in ten orders ({how}), the same for every tag, have areas between "
        f"{number(100 * one.lower[0], 1)} and {number(100 * one.upper[0], 1)}. The mean score "
        "after so many stems are removed or added:",
        "",
        *table(["stems", *steps], drawn),
    ]


def _few(fact: str, one: Heard) -> str:
    return f"{too_few(fact, one.stems)}."


def _down(one: Heard) -> list[str]:
    rows = [
        [name, number(rank), number(linear), percent(opposed)]
        for name, rank, linear, opposed in one.agreement
    ]
    wrong = [
        f"{stem} for {tag} ({points(share)}, and 3 dB less of it change {points(effect)})"
        for tag, stem, share, effect in one.opposed
    ]
    return [
        f"What each stem takes away when it is really turned down by 3 dB, against what is said of "
        f"it ({one.compared} pairs of stem and tag):",
        "",
        *table(["said by", "rank correlation", "linear", "other direction"], rows),
        "",
        *([] if enough("ranks", one.stems) else [f"*Rank correlation*: {_few('ranks', one)}", ""]),
        "*Other direction*: of what is beyond 3 points. "
        + (f"Most wrong: {'; '.join(wrong)}." if wrong else "No share is wrong about it."),
    ]
