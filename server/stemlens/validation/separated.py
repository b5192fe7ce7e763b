"""Separated against real stems: are shares of stems that a separator made those of the real ones?

On material whose stems are known. Where the weights of a real separator are here, it separates the
sum of the stems; each real stem is then counted to the separated one that has most of it, and these
groups, each as one stem, are what the separated stems are compared with. In any case the stems are
made worse as separators make them worse (see `degrading`): every stem leaks into the next, or all
are the mix times smeared masks. Both keep the sum; they stand in for a separator, and are none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from stemlens import audio, separation
from stemlens.game import Game
from stemlens.material import REST_ID
from stemlens.opening import OpenedSession
from stemlens.separation import demucs_models
from stemlens.separation.trust import assess, doubts, widened
from stemlens.validation.degrading import Stems, masks
from stemlens.validation.experiment import (
    Check,
    Progress,
    Settings,
    of_enough,
    part,
    percent,
    table,
)
from stemlens.validation.leakage import into_next, leaking
from stemlens.validation.material import TAGS, chosen, exact, opened_for
from stemlens_bridge.wording import number

EXCERPT_SEGMENTS, QUICK_EXCERPT_SEGMENTS = 4, 1
BUDGET = 128  # taggings of each version of the stems
MOST_STEMS = 7  # softer ones are one stem together, as separators make few
LEAK_DB, QUICK_LEAK_DB = (-24.0, -18.0, -12.0), (-24.0, -12.0)
SMEARED, QUICK_SMEARED = (1, 5, 15), (5,)
STAND_IN, SEPARATOR = "stand-in", "separator"
BELIEVED = 0.9  # median trust from which on the order of shares should be that of the real stems
ORDERED, HELD = 0.9, 0.9
ROUNDING = 1e-4  # shares are told to a hundredth of a point

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Version:
    """The stems in one worse version: the rank correlation of their shares with the real ones over
    stems × tags, in how many tags the stem with the largest share is the same, the error of shares
    (root mean square, scores), how often the widened intervals hold the real share, and the median
    trust; how many stems and shares there are."""

    made: str
    by: str
    rank: float
    same_top: float
    error: float
    held: float
    trust: float
    stems: int
    shares: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What was heard; the versions, the mildest first; the separator that was not there, or None;
    which real stems were counted to which of its stems."""

    heard: str
    versions: list[Version]
    missing: str | None
    grouped: dict[str, list[str]]
    checks: tuple[Check, ...]


def run(settings: Settings, on_progress: Progress) -> Figures:
    """On an excerpt of the first session."""
    session = settings.sessions[0]
    opened = opened_for(session, settings)
    length = QUICK_EXCERPT_SEGMENTS if settings.quick else EXCERPT_SEGMENTS
    stems, rate = excerpt(opened, length)
    levels = QUICK_LEAK_DB if settings.quick else LEAK_DB
    smears = QUICK_SMEARED if settings.quick else SMEARED
    worse = [(f"leak, {number(db, 0)} dB", leaking_on(stems, db)) for db in levels]
    worse += [
        (f"masks, {size} frame{'s' * (size > 1)}", masks(stems, "", "", size, rate))
        for size in smears
    ]
    there = demucs_models.is_there(settings.separator)
    steps = len(worse) + 1 + 2 * there
    played = Played(opened, rate)
    true = played.shares(stems, part(on_progress, 0, steps))
    versions = []
    for count, (made, found) in enumerate(worse):
        own = played.shares(found, part(on_progress, 1 + count, steps))
        versions.append(compared(made, STAND_IN, true, own, found, rate))
    grouped: dict[str, list[str]] = {}
    if there:
        loaded = separation.load(settings.separator, settings.device)
        mix = np.sum(list(stems.values()), axis=0)
        apart = loaded.separate(mix, rate, lambda done: on_progress("separating", done))
        grouped = counted_to(stems, apart)
        silence = np.zeros_like(mix)
        groups = {
            name: np.sum([silence, *(stems[own] for own in grouped[name])], axis=0)
            for name in apart
        }
        real = played.shares(groups, part(on_progress, steps - 2, steps))
        own = played.shares(apart, part(on_progress, steps - 1, steps))
        versions.append(compared(settings.separator, SEPARATOR, real, own, apart, rate))
    return Figures(
        f"{session.project}, {len(stems)} stems, {length * opened.game.tagger.segment_s:.0f} s",
        versions,
        None if there else settings.separator,
        grouped,
        checks(versions),
    )


def excerpt(opened: OpenedSession, length: int) -> tuple[Stems, int]:
    """The stems of a session `[frames, 2]` where most of them sound, over so many segments, and
    their rate in Hz; the softest are one stem where they are more than `MOST_STEMS`."""
    material, segment_s = opened.material, opened.game.tagger.segment_s
    sounding = opened.game.sounding.sum(axis=1)
    length = min(length, len(sounding))
    busy = np.convolve(sounding, np.ones(length), "valid")
    rate = material.sample_rate
    first, frames = round(int(busy.argmax()) * segment_s * rate), round(length * segment_s * rate)
    real = [stem for stem in material.session.stems if stem.id != REST_ID]
    starts = audio.offsets([audio.probe(stem.path).time_reference_s for stem in real])
    named = Counter(stem.name for stem in real)
    found: Stems = {}
    for stem, start in zip(real, starts, strict=True):
        clip = audio.read(stem.path)
        whole = np.zeros((first + frames, 2), dtype=np.float32)
        gain = np.float32(10 ** (stem.gain_db / 20))
        sides = audio.to_stereo(clip.samples) * gain
        audio.play_at(whole, sides, clip.sample_rate, rate, start)
        if whole[first:].any():
            found[stem.name if named[stem.name] == 1 else stem.id] = whole[first:]
    loudest = sorted(found, key=lambda name: -float(np.square(found[name]).sum()))
    soft = set(loudest[MOST_STEMS - 1 :]) if len(found) > MOST_STEMS else set()
    kept = {name: sound for name, sound in found.items() if name not in soft}
    if soft:
        kept["the softest"] = np.sum([found[name] for name in sorted(soft)], axis=0)
    return kept, rate


class Played:
    """Versions of an excerpt's stems, all heard in the same segments, which those of the first one
    decide."""

    def __init__(self, opened: OpenedSession, rate: int) -> None:
        self._opened, self._rate = opened, rate
        self._segments: list[int] | None = None

    def shares(self, stems: Stems, on_progress: Progress) -> Shared:
        """The exact shares of all stems for all tags."""
        tagger = self._opened.game.tagger
        heard = [
            audio.resample(audio.to_mono(sound), self._rate, tagger.sample_rate)
            for sound in stems.values()
        ]
        gain_db = self._opened.material.session_gain_db
        game = Game(tagger, np.stack(heard), np.full(len(heard), gain_db))
        if self._segments is None:
            self._segments = chosen(game.sounding, BUDGET)
        value = exact(game, self._segments, on_progress)
        everybody = [
            game.scores(t, np.ones((1, int(game.sounding[t].sum())), dtype=np.bool_))[0]
            for t in self._segments
        ]
        return Shared(list(stems), value, np.mean(everybody, axis=0, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Shared:
    """Shares `[stems, tags]` of named stems, and the scores of all together `[tags]`."""

    names: list[str]
    value: Values
    scores: Values


def leaking_on(stems: Stems, db: float) -> Stems:
    """Every stem leaks, so many dB softer, into the next one, and the last into the first."""
    found = leaking(np.stack(list(stems.values())), into_next(len(stems), db))
    return dict(zip(stems, found, strict=True))


def counted_to(stems: Stems, made: Stems) -> dict[str, list[str]]:
    """For each separated stem the real ones of which it has more than the others have."""
    found: dict[str, list[str]] = {name: [] for name in made}
    for own, sound in stems.items():
        found[max(made, key=lambda name: float(np.vdot(made[name], sound)))].append(own)
    return found


def compared(made: str, by: str, true: Shared, own: Shared, stems: Stems, rate: int) -> Version:
    """A version's shares beside the real ones; `stems` are that version."""
    best = np.argsort(-true.scores, kind="stable")[:TAGS]
    real, found = true.value[:, best], own.value[:, best]
    mix = np.sum(list(stems.values()), axis=0)
    trust = np.array([one.value for one in assess(mix, stems, rate)])
    low, high = widened(found, found, found, doubts(trust)[:, None])
    inside = (low - ROUNDING <= real) & (real <= high + ROUNDING)
    return Version(
        made,
        by,
        float(spearmanr(real.ravel(), found.ravel()).statistic),
        float((real.argmax(axis=0) == found.argmax(axis=0)).mean()),
        float(np.sqrt(np.mean((found - real) ** 2))),
        float(inside.mean()),
        float(np.median(trust)),
        len(real),
        real.size,
    )


def checks(versions: list[Version]) -> tuple[Check, ...]:
    """What should hold of stems that are not the real ones."""
    believed = [one for one in versions if one.trust >= BELIEVED]
    least = min((one.rank for one in believed), default=None)
    held = min(one.held for one in versions)
    return (
        of_enough(
            "ranks",
            min(one.stems for one in versions),
            Check(
                f"Shares of worse stems that are trusted to {percent(BELIEVED)}, by rank with the "
                "real",
                f"at least {number(ORDERED, 1)}",
                "none is"
                if least is None
                else f"{number(least)} ({', '.join(one.made for one in believed)})",
                None if least is None else least >= ORDERED,
            ),
        ),
        of_enough(
            "shares held",
            min(one.shares for one in versions),
            Check(
                "The real share lies inside the interval that trust has widened",
                f"in at least {percent(HELD)}, in each version",
                percent(held),
                held >= HELD,
            ),
        ),
    )


def told(figures: Figures) -> list[str]:
    """The section of the report."""
    rows = [
        [
            one.made,
            one.by,
            number(one.trust),
            number(one.rank),
            percent(one.same_top),
            number(100 * one.error, 1),
            percent(one.held),
        ]
        for one in figures.versions
    ]
    head = ["stems", "made by", "trust", "rank correlation", "same top stem", "error", "held"]
    lines = [
        "Shares of separated stems are shares of what the separator made. Here the real stems are "
        f"known ({figures.heard}), so that their exact shares can be compared with those of worse "
        f"versions, over stems and the {TAGS} best tags; errors in points:",
        "",
        *table(head, rows),
        "",
        "*Leak*: every stem is heard in the next one, so many dB softer, and lacks that itself. "
        "*Masks*: every stem is the mix times the part that it has of the true power, smeared over "
        "so many frames and bands. Both keep the sum, as separators do. *Trust*: what Stemlens "
        "itself says of these stems, which it takes for separated (median). *Held*: how often the "
        "interval, widened by trust, has the real share in it.",
        "",
    ]
    if figures.missing is not None:
        lines += [
            f"**No separator was run.** The weights of {figures.missing} are not on this machine, "
            "so leaks and masks stand in for it: damage made on purpose, in steps. What a real "
            "separator does to shares is not measured here.",
            "",
        ]
    else:
        groups = "; ".join(
            f"{name}: {', '.join(own) or 'none'}" for name, own in figures.grouped.items()
        )
        lines += [
            "The separator got the sum of the stems. Real stems were counted to the separated one "
            f"that has most of them, and compared as groups ({groups}).",
            "",
        ]
    return [
        *lines,
        "*What would make it fail:* stems that are trusted and have shares in another order than "
        "the real ones; intervals that trust has widened too little to hold the real shares.",
    ]
