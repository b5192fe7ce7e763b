"""The search for edits that bring a mix nearer to a goal.

Stems × presets × amounts are far too many to try in full, and most of them do nothing. So all are
sketched (see `sketch`) on a few segments, and the better part of them on more, until a handful is
left that was heard everywhere: successive halving (K. Jamieson, A. Talwalkar, "Non-stochastic Best
Arm Identification and Hyperparameter Optimization", 2016). The best get other amounts, and the best
of these are put together in pairs. What remains is tried in full; only what certainly helps, by its
interval over the segments, is suggested.

Where not all can be afforded, stems come first that matter to the goal: those whose shares or
mutes move its tags most (`steering`).
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemlens.edits import bootstrap, chains
from stemlens.edits.goals import Goal
from stemlens.edits.sketch import Sketches
from stemlens.edits.trials import Planned, Trial, TrialSession, find_stem
from stemlens.opening import Progress, no_progress
from stemlens_bridge.edits import Edit, SuggestOptions, TryOptions
from stemlens_bridge.errors import StemlensError

BUDGET = 2_500
FIRST_SEGMENTS = 2
MORE = 3  # times as many segments in each round,
FEWER = 3  # for a third of the edits
FIRST_PART = 0.5  # of the budget at most is spent on the first round
LEAST_LEFT = 8  # edits that are heard everywhere
AMOUNTS = (0.4, 0.7, 1.4)  # tried besides 1
REFINED, PAIRED, IN_FULL = 5, 5, 3  # the best that get other amounts; in pairs; more than is wanted
WORTH_A_PAIR = 1.1  # how much better than its better half a pair must be
MOST_OF_ONE = 2  # suggestions with the same preset on the same stem
TIME_FOR_SEARCH = 0.75
THREADS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A trial worth making: how much nearer it comes to the goal, in scores, with its interval."""

    trial: Trial
    gain: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What a search found, best first; perhaps nothing.

    tried: how many edits were sketched or tried; taggings: what that cost. best_refused: the gain
    of the best trial that does not certainly help, where nothing does. failed: why some presets
    could not be rendered; the search went on without them.
    """

    goal: Goal
    found: tuple[Suggestion, ...]
    tried: int
    taggings: int
    seconds: float
    best_refused: Suggestion | None = None
    failed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Sketched:
    """Edits and what they do where they were heard so far."""

    plans: tuple[Planned, ...]
    segments: list[int]
    change: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    gain: float = -math.inf
    failed: bool = False

    @property
    def edits(self) -> frozenset[tuple[int, str, float]]:
        """Which presets on which stems at which amounts."""
        return frozenset((plan.stem, plan.preset.name, plan.edit.amount) for plan in self.plans)

    @property
    def what(self) -> frozenset[tuple[int, str]]:
        """Which presets on which stems, whatever the amounts."""
        return frozenset((plan.stem, plan.preset.name) for plan in self.plans)


class _Spent(Exception):
    """The budget or the time is used up."""


class Search:
    """One search for suggestions.

    steering: how much each stem does to each tag `[stems, tags]`, in scores, for instance its
    shares; None: their mutes are heard in a few segments first.
    """

    def __init__(
        self,
        session: TrialSession,
        goal: Goal,
        options: SuggestOptions | None = None,
        steering: NDArray[np.float64] | None = None,
        on_progress: Progress = no_progress,
    ) -> None:
        self._session, self._goal = session, goal
        self._options = options or SuggestOptions()
        self._sketches = Sketches(session)
        self._on_progress = on_progress
        self._started = time.perf_counter()
        self._tagged_before = session.hearing.tagged
        self._spent = 0
        self._known: list[_Sketched] = []
        self._failed: set[str] = set()
        self._tried: set[frozenset[tuple[int, str, float]]] = set()
        self._budget = BUDGET if self._options.budget is None else self._options.budget
        self._steering = steering
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sketches")

    def run(self, folder: Path | None = None) -> Suggestions:
        """Searches; with a `folder` the suggestions' files are written there."""
        with suppress(_Spent):
            self._search()
        self._threads.shutdown(cancel_futures=True)
        return self._in_full(self._known, folder)

    # ------------------------------------------------------------------ the rounds

    def _search(self) -> None:
        """Sees to it that what is known is the best there is; raises _Spent where it must stop."""
        arms = self._known = self._arms()
        count = FIRST_SEGMENTS
        for number in itertools.count(1):
            self._hear(arms, count, f"round {number}: {len(arms)} edits")
            arms = self._known = self._sorted([arm for arm in arms if not arm.failed])
            if all(len(arm.segments) == len(self._where(arm.plans)) for arm in arms):
                break
            arms = arms[: max(LEAST_LEFT, math.ceil(len(arms) / FEWER))]
            count *= MORE
        self._known = self._sorted([*arms, *self._refined(arms)])
        self._known = self._sorted([*self._known, *self._paired(self._known)])

    def _arms(self) -> list[_Sketched]:
        """All single edits at their own amount, those of stems that matter to the goal first; as
        many as can be afforded."""
        session = self._session
        stems = self._stems()
        steering = self._mutes(stems) if self._steering is None else self._steering
        weights = np.abs(self._goal.raise_lower)
        potential = np.abs(steering) @ weights
        chosen = self._options.presets or tuple(session.presets)
        random = np.random.default_rng(self._options.seed)
        by_stem: dict[int, list[_Sketched]] = {}
        for stem in stems:
            brings = dict(zip(self._tags, steering[stem].tolist(), strict=True))
            plans = [
                session.plan(Edit(session.stems[stem].id, name))
                for name in chosen
                if self._options.presets
                or session.presets[name].suits(session.stems[stem].name, brings)
            ]
            heard = [plan for plan in plans if chains.is_heard_in_mono(plan.chain)]
            order = random.permutation(len(heard))
            by_stem[stem] = [_Sketched((heard[k],), []) for k in order]
        affordable = max(1, int(FIRST_PART * self._budget / FIRST_SEGMENTS))
        return list(itertools.islice(_weighted_turns(by_stem, potential), affordable))

    def _stems(self) -> list[int]:
        """The stems that may be edited: those asked for, else all that sound and have a track."""
        session = self._session
        if self._options.stems:
            return sorted({find_stem(session.stems, wanted) for wanted in self._options.stems})
        return [
            stem
            for stem in range(len(session.stems))
            if self._sketches.order(stem) and session.is_editable(stem)
        ]

    @property
    def _tags(self) -> list[str]:
        return [tag.name for tag in self._session.game.tagger.tags]

    def _mutes(self, stems: Sequence[int]) -> NDArray[np.float64]:
        """What muting each stem does to each tag, heard in a few segments `[stems, tags]`."""
        session = self._session
        effects = np.zeros((len(session.stems), len(self._tags)))
        for number, stem in enumerate(stems):
            self._on_progress("finding out which stems matter", number / len(stems))
            some = self._sketches.order(stem)[:FIRST_SEGMENTS]
            self._pay(len(some))
            without = session.mix - np.float32(session.game.gains[stem]) * session.waveforms[stem]
            heard = session.hearing.scores(without.astype(np.float32), some)
            part = len(self._sketches.order(stem)) / session.segments
            effects[stem] = part * (heard - session.before[some]).mean(axis=0)
        return effects

    def _refined(self, arms: list[_Sketched]) -> list[_Sketched]:
        """The best at other amounts, where those are another sound (a range may end before)."""
        more = []
        for arm in arms[:REFINED]:
            for amount in AMOUNTS:
                plans = tuple(
                    self._session.plan(replace(plan.edit, amount=amount)) for plan in arm.plans
                )
                if [plan.chain for plan in plans] != [plan.chain for plan in arm.plans]:
                    more.append(_Sketched(plans, []))
        self._hear(more, self._session.segments, f"other amounts of the best {REFINED}")
        return more

    def _paired(self, arms: list[_Sketched]) -> list[_Sketched]:
        """The best of different kinds, two at a time."""
        distinct: list[_Sketched] = []
        for arm in arms:
            if arm.gain > 0 and all(arm.what != other.what for other in distinct):
                distinct.append(arm)
        pairs = [
            _Sketched((*one.plans, *other.plans), [])
            for one, other in itertools.combinations(distinct[:PAIRED], 2)
        ]
        self._hear(pairs, self._session.segments, "pairs of the best")
        halves = {arm.what: arm.gain for arm in reversed(arms)}
        worth = [
            pair
            for pair in pairs
            if pair.gain > WORTH_A_PAIR * max(halves[frozenset([one])] for one in pair.what)
        ]
        self._known = self._sorted([*arms, *worth])
        return self._known

    # ------------------------------------------------------------------ hearing

    def _where(self, plans: Sequence[Planned]) -> list[int]:
        """The segments in which edited stems sound, spread."""
        orders = [self._sketches.order(plan.stem) for plan in plans]
        if len({plan.stem for plan in plans}) == 1:
            return orders[0]
        return sorted(set().union(*orders))

    def _hear(self, arms: Sequence[_Sketched], count: int, stage: str) -> None:
        """Hears edits in so many segments, or in all in which their stems sound."""
        wanted = [self._where(arm.plans)[:count] for arm in arms]
        new = [
            [s for s in own if s not in set(arm.segments)]
            for arm, own in zip(arms, wanted, strict=True)
        ]

        def hear(place: int) -> None:
            arm, some = arms[place], new[place]
            if arm.failed:
                return
            if some:
                try:
                    change = self._sketches.change(arm.plans, some)
                except StemlensError as error:
                    if error.code != "plugin_failed":
                        raise
                    arm.failed = True  # one plug-in that cannot be hosted must not end the search
                    self._failed.add(error.message)
                    return
                known = arm.change.reshape(-1, change.shape[1])
                arm.change = np.concatenate([known, change])
                arm.segments = [*arm.segments, *some]
            arm.gain = self._gain(arm)

        for start in range(0, len(arms), THREADS):
            places = range(start, min(start + THREADS, len(arms)))
            self._on_progress(stage, start / len(arms))
            self._pay(sum(len(new[place]) for place in places))
            list(self._threads.map(hear, places))
            self._tried.update(arms[place].edits for place in places)

    def _pay(self, taggings: int) -> None:
        """Raises _Spent where the budget or the time does not allow as many more taggings."""
        time_s = self._options.time_s
        gone_s = time.perf_counter() - self._started
        if self._spent + taggings > self._budget or (
            time_s is not None and gone_s > TIME_FOR_SEARCH * time_s
        ):
            raise _Spent
        self._spent += taggings

    def _gain(self, arm: _Sketched) -> float:
        """How much nearer the session comes to the goal, going by where it was heard."""
        if not arm.segments:
            return 0.0
        part = len(self._where(arm.plans)) / self._session.segments
        return float(self._goal.gain(part * arm.change.mean(axis=0)))

    @staticmethod
    def _sorted(arms: Sequence[_Sketched]) -> list[_Sketched]:
        return sorted(arms, key=lambda arm: -arm.gain)

    # ------------------------------------------------------------------ trials

    def _in_full(self, arms: Sequence[_Sketched], folder: Path | None) -> Suggestions:
        """The best, tried on the whole session; those that certainly help."""
        options, session = self._options, self._session
        weights = bootstrap.draws(session.segments, options.seed)
        candidates = _varied(self._sorted([arm for arm in arms if arm.gain > 0]))
        found: list[Suggestion] = []
        refused: list[Suggestion] = []
        wanted = candidates[: options.most + IN_FULL]
        for number, arm in enumerate(wanted):
            self._on_progress("trying the best in full", number / len(wanted))
            if self._late() and found:
                break
            trial = session.trial([plan.edit for plan in arm.plans], TryOptions(render=False))
            one = measured(trial, self._goal, weights)
            (found if one.low > 0 else refused).append(one)
        found.sort(key=lambda one: -one.gain)
        kept = found[: options.most]
        if folder is not None:
            kept = [
                replace(one, trial=self._with_files(one.trial, folder, rank))
                for rank, one in enumerate(kept, 1)
            ]
        refused.sort(key=lambda one: -one.gain)
        return Suggestions(
            self._goal,
            tuple(kept),
            len(self._tried),
            session.hearing.tagged - self._tagged_before,
            time.perf_counter() - self._started,
            refused[0] if refused and not kept else None,
            tuple(sorted(self._failed)),
        )

    def _late(self) -> bool:
        time_s = self._options.time_s
        return time_s is not None and time.perf_counter() - self._started > time_s

    def _with_files(self, trial: Trial, folder: Path, rank: int) -> Trial:
        self._on_progress("writing files", 0.0)
        edits = [one.plan.edit for one in trial.edits]
        return self._session.trial(edits, folder=folder, name=f"suggestion-{rank}")


def measured(trial: Trial, goal: Goal, weights: bootstrap.Draws) -> Suggestion:
    """How much nearer a trial comes to a goal, with its interval over the segments."""
    with np.errstate(invalid="ignore"):  # what one segment tells is infinitely unsure
        drawn = goal.gain(bootstrap.means(trial.change, weights))
    low, high = bootstrap.interval(drawn)
    return Suggestion(trial, float(goal.gain(trial.mean)), float(low), float(high))


def suggest(
    session: TrialSession,
    goal: Goal,
    options: SuggestOptions | None = None,
    *,
    steering: NDArray[np.float64] | None = None,
    folder: Path | None = None,
    on_progress: Progress = no_progress,
) -> Suggestions:
    """Looks for edits that bring a session nearer to a goal (see `Search`)."""
    return Search(session, goal, options, steering, on_progress).run(folder)


def _varied(arms: Sequence[_Sketched]) -> list[_Sketched]:
    """The best without what is only another amount of a better one, and with no preset on a stem
    in more than `MOST_OF_ONE` of them."""
    kept: list[_Sketched] = []
    times: Counter[tuple[int, str]] = Counter()
    for arm in arms:
        if all(arm.what != other.what for other in kept) and all(
            times[one] < MOST_OF_ONE for one in arm.what
        ):
            times.update(arm.what)
            kept.append(arm)
    return kept


def _weighted_turns(
    by_stem: dict[int, list[_Sketched]], potential: NDArray[np.float64]
) -> Iterator[_Sketched]:
    """Takes from each stem's edits in turn, from those with more potential more often."""
    left = {stem: list(edits) for stem, edits in by_stem.items() if edits}
    most = max((float(potential[stem]) for stem in left), default=0.0)
    # Even a stem that seems to do nothing is looked at now and then.
    step = {stem: 1 / (0.1 + (potential[stem] / most if most else 1.0)) for stem in left}
    due = dict(step)
    while left:
        stem = min(left, key=lambda own: due[own])
        yield left[stem].pop(0)
        due[stem] += step[stem]
        if not left[stem]:
            del left[stem]
