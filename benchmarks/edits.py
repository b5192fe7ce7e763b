"""Edits: how fast presets render, what a trial costs, and what the search finds. Prints Markdown.

`python -m benchmarks.edits > docs/edits-measured.md`; `make bench` does so. On the nine-stem song
that LMMS renders, or where LMMS is not, on the demo session.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.songs import Song, songs
from stemlens import Options, Session, audio, tagging
from stemlens.edits import chains
from stemlens.edits.goals import Goal
from stemlens.edits.presets import Presets
from stemlens.edits.render import render
from stemlens.edits.sketch import Sketches
from stemlens.edits.suggest import suggest
from stemlens.edits.trials import TrialSession
from stemlens.opening import open_game
from stemlens_bridge.edits import Edit, SuggestOptions

RENDERED_S = 44.0
FAST = 200  # times real time, from which on a trial is to take 0.6 s at most
GOALS = {"mtt-musicnn": ("+rock", "+electronic -quiet"), "msd-musicnn": ("+metal", "+electronic")}
BUDGETS = (100, 300)
SEEDS = range(3)
REPEATS = 3
IN_FULL = 10  # of everything, the best by their sketches


def main() -> None:
    """Prints the page."""
    song = next((one for one in songs() if one.key.startswith("CapDan")), songs()[0])
    print("# Edits, measured\n")
    print(
        f"Made by `make bench` on {os.cpu_count()} cores ({platform.machine()}), no GPU. Compare "
        "what stands on this page with each other, not with another machine. How trials and the "
        "search work is in [edits.md](edits.md).\n"
    )
    speeds = rendering()
    tagger = tagging.load(song.tagger, "cpu")
    own = Session.read(song.folder)
    options = own.options(Options(tagger=song.tagger))
    opened = open_game(own, tagger, options)
    with TrialSession(opened, options) as session:
        trials(song, session, speeds)
    for text in GOALS[song.tagger]:
        with TrialSession(open_game(own, tagger, options), options) as session:
            search(song, session, Goal.from_text(text, tagger.tags, tagger.name))
    steering(song, lambda: TrialSession(opened, options))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def rendering() -> dict[str, float]:
    """How many times faster than real time each preset renders, without loudness matching."""
    noise = np.random.RandomState(0).standard_normal((round(RENDERED_S * 44_100), 2))
    samples = (0.1 * noise).astype(np.float32)
    print(f"## Rendering\n\n{RENDERED_S:.0f} s in stereo at 44.1 kHz; medians of {REPEATS}.\n")
    print("| preset | plug-ins | × real time |\n|---|---|---|")
    speeds = {}
    for name, preset in Presets().items():
        say(f"rendering {name}")
        chain = preset.settings(Edit("s", name))
        settled = chains.absolute(chain, -20.0)
        taken = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            render(samples, 44_100, settled, loudness_match=False)
            taken.append(time.perf_counter() - started)
        speeds[name] = RENDERED_S / median(taken)
        plugins = ", ".join(
            f"Mix ({', '.join(inner.plugin for inner in setting.inside)})"
            if setting.inside
            else setting.plugin
            for setting in settled
        )
        print(f"| {name} | {plugins} | {speeds[name]:.0f} |")
    print()
    return speeds


def trials(song: Song, session: TrialSession, speeds: dict[str, float]) -> None:
    """What one trial takes, on the stem that sounds most."""
    busiest = int(session.game.sounding.sum(axis=0).argmax())
    stem = session.stems[busiest]
    audio.read(stem.path)  # the disk's part is no part of it
    taken: dict[str, float] = {}
    for name in session.presets:
        say(f"trying {name}")
        runs = []
        for amount in (0.9, 1.0, 1.1)[:REPEATS]:  # never the same samples twice
            session._clips.clear()
            started = time.perf_counter()
            session.trial([Edit(stem.id, name, amount)])
            runs.append(time.perf_counter() - started)
        taken[name] = median(runs)
    fast = {name: s for name, s in taken.items() if speeds[name] >= FAST}
    slow = {name: s for name, s in taken.items() if name not in fast}
    print(
        f"## One trial\n\nOn {song.name} ({len(session.stems)} stems, {session.segments} ", end=""
    )
    print(
        f"segments), after the analysis, of its busiest stem ({stem.name}): reading the stem, "
        "rendering it in stereo, matching its loudness, and hearing the mix again. A bootstrap, "
        "the words and the document take milliseconds.\n"
    )
    print("| presets | median | slowest |\n|---|---|---|")
    print(
        f"| the {len(fast)} that render at {FAST} × real time or more | "
        f"{median(fast.values()):.2f} s | {max(fast.values()):.2f} s ({_last(fast)}) |"
    )
    if slow:
        print(
            f"| the other {len(slow)} | {median(slow.values()):.2f} s | "
            f"{max(slow.values()):.2f} s ({_last(slow)}) |"
        )
    print("\nThe target for the first row is 0.6 s.\n")


def _last(taken: dict[str, float]) -> str:
    return max(taken, key=lambda name: taken[name])


def search(song: Song, session: TrialSession, goal: Goal) -> None:
    """The search beside trying everything."""
    stages: list[str] = []

    def progress(stage: str, fraction: float) -> None:
        if stage not in stages:
            stages.append(stage)
            say(f"{goal.text}: {stage}")

    found = suggest(session, goal, on_progress=progress)
    heard = [
        name
        for name, preset in session.presets.items()
        if chains.is_heard_in_mono(preset.settings(Edit("s", name)))
    ]
    started = time.perf_counter()
    before = session.hearing.tagged
    sketches = Sketches(session)
    everything: list[tuple[float, Edit]] = []
    for stem, own in enumerate(session.stems):
        say(f"{goal.text}: everything on {own.name}")
        order = sketches.order(stem)
        for name in heard if order else ():
            edit = Edit(own.id, name)
            change = sketches.change([session.plan(edit)], order)
            part = len(order) / session.segments
            everything.append((float(goal.gain(part * change.mean(axis=0))), edit))
    everything.sort(key=lambda one: -one[0])
    in_full = [
        (float(goal.gain(session.trial([edit]).mean)), str(edit))
        for _, edit in everything[:IN_FULL]
    ]
    best = max(in_full)
    whole_s = time.perf_counter() - started
    single = max((float(one.gain) for one in found.found if len(one.trial.edits) == 1), default=0.0)
    print(f"## Suggestions for {goal.words()}, {song.name}\n")
    print(f"{len(heard)} presets that the tagger can hear on {len(session.stems)} stems.\n")
    print("| | edits tried | taggings | seconds | best gain, points |\n|---|---|---|---|---|")
    top = found.found[0] if found.found else None
    told = " + ".join(str(one.plan.edit) for one in top.trial.edits) if top else "nothing"
    print(
        f"| search, with amounts and pairs | {found.tried} | {found.taggings} | "
        f"{found.seconds:.0f} | {100 * (top.gain if top else 0):.2f} ({told}) |"
    )
    print(f"| its best single edit | | | | {100 * single:.2f} |")
    print(
        f"| every preset on every stem, in all segments | {len(everything)} | "
        f"{session.hearing.tagged - before} | {whole_s:.0f} | {100 * best[0]:.2f} ({best[1]}) |"
    )
    print(f"\nOf everything, the best {IN_FULL} were tried in full.")
    print("Targets: within 90 s, and at least 0.9 of what trying everything finds.\n")


def steering(song: Song, opened: Callable[[], TrialSession]) -> None:
    """The search beside random search with as many taggings."""
    print("## Steered by attributions, and at random\n")
    print(
        "The best gain in points, with as many taggings for either: the search as it is, and edits "
        "drawn at random, each heard in all segments of its stem. What they end with is tried in "
        "full on top of that: the search's best four, the best one of those at random. "
        f"Medians of {len(SEEDS)} seeds, worst in brackets.\n"
    )
    print("| goal | taggings | search | random |\n|---|---|---|---|")
    for text in GOALS[song.tagger]:
        for budget in BUDGETS:
            results: dict[str, list[float]] = {"search": [], "random": []}
            for seed in SEEDS:
                say(f"{text}, {budget} taggings, seed {seed}")
                with opened() as session:
                    tagger = session.game.tagger
                    goal = Goal.from_text(text, tagger.tags, tagger.name)
                    options = SuggestOptions(budget=budget, seed=seed, most=1)
                    found = suggest(session, goal, options)
                    results["search"].append(found.found[0].gain if found.found else 0.0)
                    results["random"].append(at_random(session, goal, budget, seed))
            cells = [
                f"{100 * median(gains):.2f} ({100 * min(gains):.2f})" for gains in results.values()
            ]
            print(f"| {goal.words()} | {budget} | {cells[0]} | {cells[1]} |")
    print()


def at_random(session: TrialSession, goal: Goal, budget: int, seed: int) -> float:
    """The gain of the best of random edits that so many taggings pay for."""
    random = np.random.default_rng(seed)
    sketches = Sketches(session)
    names = [
        name
        for name, preset in session.presets.items()
        if chains.is_heard_in_mono(preset.settings(Edit("s", name)))
    ]
    best: tuple[float, Edit | None] = (0.0, None)
    while True:
        stem = int(random.integers(len(session.stems)))
        edit = Edit(
            session.stems[stem].id,
            names[random.integers(len(names))],
            float(random.choice([0.4, 0.7, 1.0, 1.4])),
        )
        order = sketches.order(stem)
        budget -= len(order)
        if budget < 0 or not order:
            break
        change: NDArray[np.float64] = sketches.change([session.plan(edit)], order)
        gain = float(goal.gain(len(order) / session.segments * change.mean(axis=0)))
        if gain > best[0]:
            best = gain, edit
    if best[1] is None:
        return 0.0
    return max(0.0, float(goal.gain(session.trial([best[1]]).mean)))


if __name__ == "__main__":
    main()
