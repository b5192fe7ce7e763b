"""How steady is it? The same analysis of a session that is a little higher, faster or louder.

All stems are changed alike, by each row of `CHANGES` in turn, and what comes out is held beside the
session as it is: the range of each tag's score and of each stem's share, and whether the stems stay
in order. A verdict or a share that only holds at exactly this pitch and tempo was chance.

Pitch and tempo are changed by Rubber Band (`pedalboard.time_stretch`), stem by stem, on what the
tagger hears. It leaves traces, which say nothing about the music and move scores by as much as the
music does. So what it does by itself is measured: each stem goes there and back again, which leaves
the music as it was and the traces twice. Half of the change of a score by that is taken off the
scores of the changed session, but never so much that a score leaves 0 to 1: half of a measured
change is an estimate, and no score is less than nothing. (Asked to change nothing, it hands the
samples on; that would measure nothing.) From shares nothing is taken off: their ranges are as
measured, traces and all, and thus rather too wide.

Scores and shares are 0 to 1 (shares in the result's unit), waveforms mono float32
`[stems, samples]` at the tagger's rate.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.shares import Shares
from stemlens.game import Game
from stemlens.opening import Progress
from stemlens.wording.told import isolated, listed, small
from stemlens_bridge.annotations import points


@dataclass(frozen=True, slots=True)
class Change:
    """A small change of a whole session: what people call it, its size, and why that size.

    pitch: semitones; tempo: a factor, above 1 is faster; level_db: of every stem.
    """

    name: str
    why: str
    pitch: float = 0.0
    tempo: float = 1.0
    level_db: float = 0.0

    @property
    def stretches(self) -> bool:
        """Whether it makes new waveforms."""
        return self.pitch != 0.0 or self.tempo != 1.0

    @property
    def back(self) -> Change:
        """What undoes it."""
        return Change(f"back from {self.name}", self.why, -self.pitch, 1 / self.tempo)


_PITCH = (
    "A quarter tone: the farthest that a song can be from the tuning of the others. No listener "
    "calls it another genre or mood for that."
)
_TEMPO = (
    "A disc jockey's everyday pitch fader; the least change of tempo that listeners notice is "
    "about as large."
)
_LEVEL = (
    "What streaming services and players differ in loudness; the session was brought to its "
    "loudness by a whole number of decibels in any case."
)
CHANGES = (
    Change("a quarter tone higher", _PITCH, pitch=0.5),
    Change("a quarter tone lower", _PITCH, pitch=-0.5),
    Change("3 % faster", _TEMPO, tempo=1.03),
    Change("3 % slower", _TEMPO, tempo=1 / 1.03),
    Change("3 dB louder", _LEVEL, level_db=3.0),
    Change("3 dB softer", _LEVEL, level_db=-3.0),
)
BUDGET = 4_096  # taggings for each change; estimates beyond
APART = 0.01  # two stems nearer than this have no order
LEAST_SHARE = 0.01  # of a stem whose order counts
AT_ONCE = min(4, os.cpu_count() or 1)  # stems; one takes a core
TELL_S = 1.0  # between two words of progress while a long stem is stretched

SharesOf = Callable[[Game, Callable[[float], None]], Shares]
"""The last shares of a game; is given where to tell the fraction that is done."""


@dataclass(frozen=True, eq=False)
class Steadiness:
    """A session and its changes: `scores` `[1 + changes, tags]` of all stems, `attributions` and
    half their 95 % intervals `off` `[1 + changes, stems, tags]`, the session as it is first.

    traces: what the processing itself did to the scores, which was taken off them within 0 to 1,
    `[1 + changes, tags]`. tagged, recalled: how many scores of the changed sessions were asked of
    the tagger, and how many were known.
    """

    changes: tuple[Change, ...]
    scores: NDArray[np.float64]
    attributions: NDArray[np.float64]
    off: NDArray[np.float64]
    traces: NDArray[np.float64]
    tagged: int = 0
    recalled: int = 0


def measured(
    game: Game,
    waveforms: NDArray[np.float32],
    shares: Shares,
    shares_of: SharesOf,
    on_progress: Progress,
    changes: Sequence[Change] = CHANGES,
) -> Steadiness:
    """Analyses a session under each change.

    game: the session as it is, of these waveforms; shares: what is known of it; shares_of: how the
    shares of another game are found. What `on_progress` raises ends the work.
    """
    scores, attributions, off, traces = [], [], [], []

    def keep(found: Shares, trace: NDArray[np.float64]) -> None:
        scores.append(np.clip(found.scores.mean(axis=0) - trace, 0.0, 1.0))
        attributions.append(found.attributions.mean(axis=0))
        off.append(found.half_width)
        traces.append(trace)

    none = np.zeros(shares.scores.shape[1])
    keep(shares, none)
    tagged = recalled = 0
    for change in changes:
        other, trace = game, none
        if change.stretches:
            there = stretched(waveforms, game.tagger.sample_rate, change, on_progress)
            back = stretched(there, game.tagger.sample_rate, change.back, on_progress)
            undone = game.playing(back)
            trace = (_sum_scores(undone) - shares.scores.mean(axis=0)) / 2
            tagged, recalled = tagged + undone.tagged, recalled + undone.recalled
            other = game.playing(there)
        other = other.louder(change.level_db)
        keep(shares_of(other, _telling(on_progress, f"steady: {change.name}")), trace)
        tagged, recalled = tagged + other.tagged, recalled + other.recalled
    return Steadiness(
        tuple(changes),
        np.stack(scores),
        np.stack(attributions),
        np.stack(off),
        np.stack(traces),
        tagged,
        recalled,
    )


def _telling(on_progress: Progress, stage: str) -> Callable[[float], None]:
    return lambda fraction: on_progress(stage, fraction)


def _sum_scores(game: Game) -> NDArray[np.float64]:
    """The session's scores `[tags]` of all stems together."""
    everybody = [
        game.scores(t, np.ones((1, int(sounds.sum())), dtype=np.bool_))[0]
        for t, sounds in enumerate(game.sounding)
    ]
    mean: NDArray[np.float64] = np.mean(np.asarray(everybody, dtype=np.float64), axis=0)
    return mean


def stretched(
    waveforms: NDArray[np.float32], rate: int, change: Change, on_progress: Progress
) -> NDArray[np.float32]:
    """All stems at another pitch or tempo, each by itself; silent ones stay silent.

    `on_progress` is told of each stem, and once a second meanwhile; what it raises ends the work
    after the stems that are being done.
    """
    import pedalboard

    def one(stem: NDArray[np.float32]) -> NDArray[np.float32]:
        if not stem.any():
            return np.zeros(round(len(stem) / change.tempo), dtype=np.float32)
        made: NDArray[np.float32] = pedalboard.time_stretch(
            stem[None],
            float(rate),
            stretch_factor=change.tempo,
            pitch_shift_in_semitones=change.pitch,
            preserve_formants=False,
        )[0]
        return made

    stage = f"steady: {change.name}"
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        made = [pool.submit(one, stem) for stem in waveforms]
        open_ = set(made)
        while open_:
            on_progress(stage, 1 - len(open_) / len(made))
            _, open_ = wait(open_, TELL_S, FIRST_COMPLETED)
        on_progress(stage, 1.0)
        stems = [future.result() for future in made]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    samples = max(map(len, stems))
    return np.stack([np.pad(stem, (0, samples - len(stem))) for stem in stems])


# ---------------------------------------------------------------------------- in words


def to_plain(
    steadiness: Steadiness,
    tags: Sequence[str],
    shown: Sequence[str],
    names: Mapping[str, str],
    unit: str = "points",
) -> dict[str, Any]:
    """As `docs/result.md` has it under `steadiness`, of the tags that are shown.

    tags: names in the order of the arrays; names: the stems' by their ids, in that order too.
    """
    return {
        "changes": [
            {
                "name": change.name,
                "pitch_semitones": change.pitch,
                "tempo_factor": round(change.tempo, 6),
                "level_db": change.level_db,
            }
            for change in steadiness.changes
        ],
        "tags": [_tag(steadiness, tag, tags.index(tag), names, unit) for tag in shown],
    }


def _tag(
    steadiness: Steadiness, tag: str, k: int, names: Mapping[str, str], unit: str
) -> dict[str, Any]:
    scores, shares = steadiness.scores[:, k], steadiness.attributions[:, :, k]
    off, ids = steadiness.off[:, :, k], list(names)
    leaders = [_leader(own, doubt) for own, doubt in zip(shares, off, strict=True)]
    leader = leaders[0]
    leads = leaders.count(leader) if leader is not None else 0
    swapped = _swapped(shares, off)
    plain = {
        "tag": tag,
        "low": _digits(scores.min()),
        "high": _digits(scores.max()),
        "scores": [_digits(score) for score in scores],
        "traces": [_digits(trace) for trace in steadiness.traces[:, k]],
        "attributions": [
            {
                "stem": own,
                "low": _digits(shares[:, i].min()),
                "high": _digits(shares[:, i].max()),
                "off": _digits(off[:, i].max()),
            }
            for i, own in enumerate(ids)
        ],
        "leader": None if leader is None else ids[leader],
        "leads": leads,
        "of": len(scores),
        "order_kept": not swapped,
        "swapped": [[ids[i], ids[j]] for i, j in swapped],
    }
    return {**plain, "sentence": _sentence(plain, names, unit)}


def _leader(shares: NDArray[np.float64], off: NDArray[np.float64]) -> int | None:
    """The stem `[stems]` that adds most; None where none adds a point for certain."""
    top = int(np.argmax(shares))
    return top if shares[top] >= LEAST_SHARE and shares[top] > off[top] else None


def _swapped(shares: NDArray[np.float64], off: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The pairs of stems, of shares `[1 + changes, stems]`, that are clearly in one order in the
    session as it is and clearly in the other in one of its changes: by a point, and by more than
    both may be off."""
    counts = np.abs(shares[0]) >= LEAST_SHARE
    ahead = shares[:, :, None] - shares[:, None, :]
    apart = np.maximum(off[:, :, None] + off[:, None, :], APART)
    turned = (ahead[0] >= apart[0]) & (ahead[1:] <= -apart[1:]).any(axis=0)
    return [(int(i), int(j)) for i, j in np.argwhere(turned & (counts[:, None] | counts))]


def _sentence(plain: Mapping[str, Any], names: Mapping[str, str], unit: str) -> str:
    low, high, times = points(plain["low"]), points(plain["high"]), plain["of"]
    tag = f"{plain['tag'][:1].upper()}{plain['tag'][1:]}"
    stays = f"stays at {low}" if low == high else f"stays between {low} and {high}"
    told = [f"{tag} {stays} of 100"]
    if plain["leader"] is None:
        told.append("no stem leads for certain in the session as it is")
    else:
        whole = "all" if plain["leads"] == times else f"{_number(plain['leads'])} of"
        share = next(own for own in plain["attributions"] if own["stem"] == plain["leader"])
        ends = sorted({small(share["low"], unit), small(share["high"], unit)}, key=len)
        reach = ends[0] if len(ends) == 1 else (
            f"{small(share['low'], unit)} to {small(share['high'], unit)}"
        )  # fmt: skip
        doubt = f", each ±{small(share['off'], unit).lstrip('+')}" if share["off"] > 0 else ""
        name = isolated(names[plain["leader"]])
        told.append(f"{name} ({reach}{doubt}) leads in {whole} {_number(times)}")
    if plain["swapped"]:
        pairs = [f"{isolated(names[i])} with {isolated(names[j])}" for i, j in plain["swapped"][:2]]
        told.append(f"changing places: {listed(pairs)}")
    elif plain["leader"] is not None:
        told.append("no stems clearly change places")
    return f"{'; '.join(told)}."


def _number(count: int) -> str:
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return words[count] if count < len(words) else str(count)


def _digits(value: Any) -> float:
    return round(float(value), 7)
