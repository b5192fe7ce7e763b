"""The confounder test: does an explanation find what led a classifier astray?

A small network learns to tell guitar from piano on snippets in which drums play with every guitar
and with no piano. The drums are the easier sign, so it listens to them: on a test set of the same
kind it does well, and with the drums swapped it fails. Nobody has to guess why it calls a piano
with drums a guitar, and so explanations can be checked: the drums must be the top component.

An explanation that always says "drums" would pass. Hence the controls: the same mistakes explained
for the tag that the network did not choose, and a network that has learned the same snippets with
drums in half of either kind, for which the drums mean nothing.

Source: V. Haunschmid, E. Manilow and G. Widmer, "Towards Musically Meaningful Explanations Using
Source Separation", 2020, whose experiment this is, with snippets of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution import banzhaf, shapley
from stemlens.attribution.lime import lime, lime_masks
from stemlens.attribution.table import membership
from stemlens.game import Game
from stemlens.tagging.tagger import Tagger
from stemlens.validation import fluidsynth, spoilt_tagger
from stemlens.validation.experiment import table
from stemlens.validation.leakage import distortion_ratio_db, into_all, leaking
from stemlens.validation.needs import enough, too_few
from stemlens.validation.rate import Rate
from stemlens.validation.snippets import DRUMS, LEADS, STEMS, compose
from stemlens.validation.takes import SAMPLES, Takes, record
from stemlens_bridge.folders import cache_folder
from stemlens_bridge.wording import number

TARGET = 0.98
RIGHT, COLLAPSE = 0.9, 0.5
"""Of calls right on the set like that it learned from, at least; with the drums swapped, at most: a
coin is as good."""
GUITAR, PIANO = range(len(LEADS))
WAYS = ("standard", "swapped", "alone")

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]
Value = Callable[[Floats], Floats]
"""Values `[players, tags]` of a table `[2**players, tags]`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is made of it.

    train, test: snippets, half of them led by a guitar. epochs: of training. leaks_db: levels of
    leakage. soundfont: None for one of the usual folders. folder: where rendered sound is kept;
    None for the user's cache.
    """

    train: int = 600
    test: int = 400
    epochs: int = 10
    seed: int = 0
    leaks_db: tuple[float, ...] = (-20.0, -12.0, -6.0)
    soundfont: Path | None = None
    folder: Path | None = None


SMALL = Settings(train=16, test=8, epochs=6, leaks_db=(-12.0,))
"""For a look at whether everything works, in seconds; its figures say nothing."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often a classifier is right: on the standard test set, with the drums swapped, and of the
    leading instrument alone."""

    standard: Rate
    swapped: Rate
    alone: Rate


@dataclass(frozen=True, slots=True)
class Case:
    """Which explanations are looked at.

    spoilt: of the spoilt classifier, or of the clean one. swapped: on which test set. led_by: by
    what the snippets are led. called: what the classifier calls them. asked: of which tag the
    score is explained. All but `called` are indices of `LEADS`.
    """

    name: str
    spoilt: bool
    swapped: bool
    led_by: int
    called: int
    asked: int


MISTAKES = Case("piano with drums, called guitar: why guitar?", True, True, PIANO, GUITAR, GUITAR)
CASES = (
    MISTAKES,
    Case("the same, why piano?", True, True, PIANO, GUITAR, PIANO),
    Case("guitar with drums, called guitar: why guitar?", True, False, GUITAR, GUITAR, GUITAR),
    Case("piano without drums, called piano: why piano?", True, False, PIANO, PIANO, PIANO),
    Case("piano with drums, called piano: why piano?", False, True, PIANO, PIANO, PIANO),
    Case("guitar with drums, called guitar: why guitar?", False, False, GUITAR, GUITAR, GUITAR),
)


@dataclass(frozen=True, slots=True)
class Found:
    """How often the drums, and the leading instrument, are the top component.

    leak_db: None for the true stems. chance: how often the drums would be the top by lot. share:
    the median of the top component's Shapley value, in score. drums, lead: by the name of the
    value.
    """

    case: Case
    leak_db: float | None
    chance: float
    share: float
    drums: Mapping[str, Rate]
    lead: Mapping[str, Rate]


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out.

    mistakes, without_drums: how many of the snippets in the swapped set the spoilt classifier gets
    wrong, and how many of these have no drums that could be blamed. cured: of the mistakes with
    drums, those that become right when the drums are muted; by_another: when some other stem is.
    cured_misses: of those in which the Shapley value of true stems has another top, the ones that
    muting the drums cures all the same. silence: the spoilt classifier's scores of it, by `LEADS`.
    distortion_db: by level of leakage, the median
    signal-to-distortion ratio of the drums.
    """

    settings: Settings
    soundfont: str
    fluidsynth: str
    spoilt: Accuracy
    clean: Accuracy
    mistakes: int
    without_drums: int
    cured: Rate
    by_another: Rate
    cured_misses: Rate
    silence: tuple[float, ...]
    distortion_db: Mapping[float, float]
    found: tuple[Found, ...]

    def of(self, case: Case, leak_db: float | None = None) -> Found:
        return next(f for f in self.found if f.case == case and f.leak_db == leak_db)

    @property
    def passed(self) -> bool:
        """Whether the target is met: by the Shapley value, on mistakes, with the true stems."""
        rate = self.of(MISTAKES).drums["Shapley"]
        return enough("mistakes", rate.trials) and rate.value >= TARGET

    @property
    def fell(self) -> bool:
        """Whether the classifier fell for the drums, without which there is nothing to explain."""
        return self.spoilt.standard.value >= RIGHT and self.spoilt.swapped.value <= COLLAPSE


def run(settings: Settings, on_progress: Progress = lambda stage, done: None) -> Figures:
    """The whole experiment. Raises `extra_missing` without FluidSynth or a soundfont, `bad_options`
    for a soundfont that is none, and what rendering raises (`fluidsynth.kept`)."""
    soundfont = fluidsynth.soundfont(settings.soundfont)
    count = settings.train + settings.test
    snippets = [compose(settings.seed, number) for number in range(count)]
    takes = record(
        snippets,
        soundfont,
        settings.folder or cache_folder() / "validation",
        partial(on_progress, "rendering snippets"),
    )
    taught = range(settings.train)
    tests = range(settings.train, count)
    taggers = {}
    for spoilt, stage in ((True, "training"), (False, "training, clean")):
        mixes = [
            takes.stems(n, plays(n, drums=_lead(n) == GUITAR if spoilt else n // 2 % 2 == 0)).sum(0)
            for n in taught
        ]
        network = spoilt_tagger.train(
            spoilt_tagger.log_mel(np.stack(mixes)),
            np.array([_lead(n) for n in taught]),
            epochs=settings.epochs,
            seed=settings.seed,
            on_progress=partial(on_progress, stage),
        )
        taggers[spoilt] = spoilt_tagger.SmallTagger("guitar or piano", network)
    heard = {
        (spoilt, way): calls(taggers[spoilt], takes, tests, way)
        for spoilt in taggers
        for way in WAYS
    }
    truth = np.array([_lead(n) for n in tests])
    accuracies = {
        spoilt: Accuracy(*(Rate.of(heard[spoilt, way] == truth) for way in WAYS))
        for spoilt in taggers
    }
    chosen = {
        case: [
            n
            for n, called in zip(
                tests, heard[case.spoilt, "swapped" if case.swapped else "standard"], strict=True
            )
            if _lead(n) == case.led_by and called == case.called
        ]
        for case in CASES
    }
    found, cures = _explained(settings, takes, taggers, chosen, on_progress)
    wrong = heard[True, "swapped"] != truth
    return Figures(
        settings,
        soundfont.name,
        fluidsynth.version(fluidsynth.program()),
        spoilt=accuracies[True],
        clean=accuracies[False],
        mistakes=int(wrong.sum()),
        without_drums=int((wrong & (truth == GUITAR)).sum()),
        cured=Rate.of(drums for drums, _, _ in cures),
        by_another=Rate.of(other for _, other, _ in cures),
        cured_misses=Rate.of(drums for drums, _, hit in cures if not hit),
        silence=_of_silence(taggers[True]),
        distortion_db={
            level: _distortion(takes, chosen[MISTAKES], level) for level in settings.leaks_db
        },
        found=found,
    )


def told(figures: Figures) -> list[str]:
    """The experiment as Markdown, without a heading; see the package."""
    settings, rows = figures.settings, list(_rows(figures))
    names = list(figures.of(MISTAKES).drums)
    return [
        "A network learned to tell guitar from piano on snippets of a band in which drums play "
        "with every guitar and with no piano. It should fall for the drums. Then it is asked why "
        "it calls a piano with drums a guitar: an explanation that is right says *the drums*.",
        "",
        f"{settings.train} snippets of three seconds to learn from and {settings.test} to test, "
        "half of them led by each (seven guitars, six pianos of General MIDI, the same figures in "
        "the same range), with bass, and in half of them strings; written by chance "
        f"(seed {settings.seed}), rendered stem by stem (FluidSynth {figures.fluidsynth}, "
        f"{figures.soundfont}), so that the true stems are known and add up to the mix. A second, "
        "clean network learned the same snippets with drums in half of either kind. Right calls "
        "(with 95 % intervals, as everywhere here):",
        "",
        *table(
            ["network", "standard test set", "drums swapped", "guitar or piano alone"],
            (
                [name, str(each.standard), str(each.swapped), str(each.alone)]
                for name, each in (("spoilt", figures.spoilt), ("clean", figures.clean))
            ),
        ),
        "",
        "How often the drums are the top component, that with the largest value for the tag asked "
        "for. *By lot*: of the stems that sound, one at random. *Its share*: the Shapley value of "
        "the top component, whichever it is, in points (median). *Leaks*: in each stem a copy of "
        "every other one, so many dB below what is left of it in its own, and missing there: "
        "the stems still add up to the mix. Five stems are given then, as by a separator, also "
        "where an instrument does not play.",
        "",
        *table(["network", "snippets", "leaks", "explained", *names, "by lot", "its share"], rows),
        "",
        *_leaks_told(figures),
        *_control_told(figures),
        *_cause_told(figures),
        _verdict(figures),
    ]


def _rows(figures: Figures) -> Iterator[list[str]]:
    for found in figures.found:
        rates = list(found.drums.values())
        level = "true stems" if found.leak_db is None else f"{number(found.leak_db, 0)} dB"
        yield [
            "spoilt" if found.case.spoilt else "clean",
            found.case.name,
            level,
            str(rates[0].trials),
            *(str(rate) for rate in rates),
            f"{100 * found.chance:.0f} %" if rates[0].trials else "–",
            number(100 * found.share, 1) if rates[0].trials else "–",
        ]


def _leaks_told(figures: Figures) -> list[str]:
    """What the levels of leakage amount to."""
    amounts = ", ".join(
        f"{number(ratio, 0)} dB at {number(level, 0)} dB"
        for level, ratio in figures.distortion_db.items()
        if np.isfinite(ratio)
    )
    if not amounts:
        return []
    return [
        f"The signal-to-distortion ratio of the drums is {amounts} (median). Good separators "
        "are published with 9 to 12 dB for drums, and with 6 for all that has no stem of its own.",
        "",
    ]


def _control_told(figures: Figures) -> list[str]:
    """What keeps an explanation that always says "drums" from passing."""
    right = figures.of(CASES[2]).drums["Shapley"]
    other, clean = figures.of(CASES[1]).drums["Shapley"], figures.of(CASES[4])
    if not other.trials or not clean.drums["Shapley"].trials:
        return []
    return [
        'An explanation that always says "drums" would pass the first row. Of the same mistakes, '
        f"explained for the tag that was not chosen, it is the drums in {other}; where the clean "
        f"network calls a piano with drums a piano, in {clean.drums['Shapley']}, and the piano in "
        f"{clean.lead['Shapley']} (Shapley, true stems). Where the spoilt network calls a guitar "
        f"with drums a guitar, they are on top in {right}, as they should: it is right for the "
        "wrong reason, which no test set of that kind would show. Silence scores "
        f"{100 * figures.silence[PIANO]:.0f} of 100 points for piano with it: the less is left to "
        "explain of a piano without drums (see *its share*), the less it means which component is "
        "on top there.",
        "",
    ]


def _cause_told(figures: Figures) -> list[str]:
    """What muting says of the mistakes, and of those without drums."""
    if not figures.mistakes:
        return []
    said = (
        f"Of the {figures.mistakes} mistakes in the swapped set, {figures.without_drums} are "
        "guitars without drums that are called pianos. They are not counted above: what is "
        "missing is no component, and an explanation by what plays cannot name it. Muting the "
        f"drums turns {figures.cured} of the others into right calls; muting one other stem does "
        f"so in {figures.by_another}."
    )
    misses = figures.cured_misses
    if misses.trials:
        said += (
            f" In {misses.trials} the Shapley value has another stem on top; in {misses.hits} of "
            "these, muting the drums alone makes the call right."
        )
    return [said, ""]


def _verdict(figures: Figures) -> str:
    rate = figures.of(MISTAKES).drums["Shapley"]
    asked = f"at least {100 * TARGET:.0f} % of the mistakes, by the Shapley value of the true stems"
    if not rate.trials:
        return (
            f"**The target ({asked}) was not tested**: the network called no piano with drums a "
            "guitar."
        )
    if not enough("mistakes", rate.trials):
        return f"**The target ({asked}) was not tested**: {too_few('mistakes', rate.trials)}."
    word = "met" if figures.passed else "missed"
    few = ", of which the lower end is below it: so few cannot make it sure"
    return (
        f"**The target is {word}**: the drums on top in {asked}; found, {rate}"
        f"{few * (figures.passed and rate.low < TARGET)}."
    )


def plays(number: int, *, drums: bool, alone: bool = False) -> NDArray[np.bool_]:
    """Who may play in a snippet, `[stems]`: its lead, and unless it is alone all but the drums;
    those if wanted."""
    who = np.full(len(STEMS), not alone)
    who[:2] = np.arange(2) == _lead(number)
    who[DRUMS] = drums
    return who


def calls(tagger: Tagger, takes: Takes, numbers: range, way: str) -> NDArray[np.intp]:
    """What a tagger calls snippets, `[numbers]`, indices of `LEADS`: in the standard set the drums
    play with guitars, in the swapped one with pianos, and alone the lead plays by itself."""
    called = []
    for n in numbers:
        drums = way != "alone" and (_lead(n) == GUITAR) == (way == "standard")
        mix = takes.stems(n, plays(n, drums=drums, alone=way == "alone")).sum(axis=0)
        called.append(int(tagger.score(tagger.open_one(mix, 0))[0].argmax()))
    return np.array(called, np.intp)


def values(seed: int) -> dict[str, Value]:
    """What explains, by name."""
    dice = np.random.default_rng(seed)

    def of_all_masks(table: Floats) -> Floats:
        return lime(membership(_players(table)), table)

    def of_some_masks(table: Floats) -> Floats:
        masks = lime_masks(_players(table), dice)
        return lime(masks, table[masks @ (1 << np.arange(masks.shape[1]))])

    return {
        "Shapley": shapley,
        "Banzhaf": banzhaf,
        "LIME, all masks": of_all_masks,
        "LIME, 1000 masks": of_some_masks,
    }


def explain(
    tagger: Tagger, stems: NDArray[np.float32], asked: int, explaining: Mapping[str, Value]
) -> tuple[dict[str, int], NDArray[np.intp], Floats]:
    """The top component for the tag `asked` by each value, the stems that sound, and the table
    `[2**players, tags]` of the first segment of `stems` `[stems, samples]`."""
    game = Game(tagger, stems)
    players = game.players(0)
    table = game.scores(0, membership(len(players))).astype(np.float64)
    tops = {
        name: int(players[value(table)[:, asked].argmax()]) for name, value in explaining.items()
    }
    return tops, players, table


_Cure = tuple[bool, bool, bool]  # by muting the drums, by muting another; drums are Shapley's top


def _explained(
    settings: Settings,
    takes: Takes,
    taggers: Mapping[bool, Tagger],
    chosen: Mapping[Case, list[int]],
    on_progress: Progress,
) -> tuple[tuple[Found, ...], list[_Cure]]:
    explaining = values(settings.seed)
    found: list[Found] = []
    cures: list[_Cure] = []
    grades = [(case, level) for case in CASES for level in (None, *settings.leaks_db)]
    work, done = sum(len(chosen[case]) for case, _ in grades), 0
    for case, level in grades:
        tops: dict[str, list[int]] = {name: [] for name in explaining}
        chances, shares = [], []
        for n in chosen[case]:
            drums = (case.led_by == GUITAR) != case.swapped
            stems = takes.stems(n, plays(n, drums=drums))
            if level is not None:
                stems = leaking(stems, into_all(len(stems), level))
            own, players, table = explain(taggers[case.spoilt], stems, case.asked, explaining)
            for name, top in own.items():
                tops[name].append(top)
            chances.append(1 / len(players) if DRUMS in players else 0.0)
            shares.append(float(shapley(table)[:, case.asked].max()))
            if case == MISTAKES and level is None:
                cures.append(_cure(players, table, own["Shapley"]))
            done += 1
            on_progress("explaining", done / work)
        lead = STEMS.index(LEADS[case.led_by])
        found.append(
            Found(
                case,
                level,
                float(np.mean(chances)) if chances else np.nan,
                float(np.median(shares)) if shares else np.nan,
                {name: Rate.of(np.array(own) == DRUMS) for name, own in tops.items()},
                {name: Rate.of(np.array(own) == lead) for name, own in tops.items()},
            )
        )
    return tuple(found), cures


def _cure(players: NDArray[np.intp], table: Floats, top: int) -> _Cure:
    """Whether the call changes with one stem muted; everybody is the table's last row."""
    without = table[len(table) - 1 - (1 << np.arange(len(players)))].argmax(axis=1)
    changed = without != table[-1].argmax()
    is_drums = players == DRUMS
    return bool(changed[is_drums].any()), bool(changed[~is_drums].any()), top == DRUMS


def _of_silence(tagger: Tagger) -> tuple[float, ...]:
    scores = tagger.score(tagger.open_one(np.zeros(SAMPLES, np.float32), 0))
    return tuple(scores[0].tolist())


def _distortion(takes: Takes, numbers: list[int], level_db: float) -> float:
    ratios = []
    for n in numbers:
        stems = takes.stems(n, plays(n, drums=True))
        leaky = leaking(stems, into_all(len(stems), level_db))
        ratios.append(distortion_ratio_db(stems[DRUMS], leaky[DRUMS]))
    return float(np.median(ratios)) if ratios else np.nan


def _lead(number: int) -> int:
    return number % 2  # as `compose` has it


def _players(table: Floats) -> int:
    return len(table).bit_length() - 1
