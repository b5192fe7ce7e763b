"""Where the stages meet: a session, heard by a tagger, becomes an Analysis.

`revisions` is a pure function of an opened session and the options that gives one complete Analysis
after the other, each better than the last (see `attribution.anytime`); `analyze` opens a session
(see `opening`) and returns the last (see `result`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from os import PathLike

from stemlens import tagging
from stemlens.attribution import anytime, overlapping
from stemlens.attribution.shares import Shares
from stemlens.audio import MAX_DURATION_S
from stemlens.explain import intended, steadiness
from stemlens.game import Game
from stemlens.grouping import grouping
from stemlens.opening import OpenedSession, Progress, no_progress, open_game
from stemlens.result import Analysis
from stemlens.scorecache import ScoreCache
from stemlens.tagging.tagger import Tagger
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

__all__ = ["Analysis", "analyze", "revisions"]


def revisions(
    opened: OpenedSession,
    options: Options,
    on_progress: Progress = no_progress,
    *,
    session_id: str | None = None,
) -> Iterator[Analysis]:
    """Complete analyses of an opened session, each better than the one before.

    Where `options.steady` asks how steady it is, that comes last, as one revision more. What
    `on_progress` raises ends the work between two batches. Raises `bad_options` where the session
    is too short for the parts asked for.
    """
    segments = len(opened.game.sounding)
    if options.value == "lime" and options.parts > segments:
        raise StemlensError(
            "bad_options",
            f"The session is too short for {options.parts} parts: the tagger listens to it in "
            f"{segments} segments of {opened.game.tagger.segment_s:.1f} s. "
            f"Ask for at most {segments} parts.",
        )
    started = time.perf_counter()
    on_progress("tagging", 0.0)
    limits = anytime.Limits(
        anytime.BUDGET if options.budget is None else options.budget,
        options.time_s,
        options.precision,
        options.tags,
    )

    def found(game: Game, limits: anytime.Limits, on_done: anytime.Progress) -> Iterator[Shares]:
        return anytime.revisions(
            game,
            options.value,
            options.unit,
            limits,
            groups=grouping(opened.material.session)[1],
            parts=min(options.parts, len(game.sounding)),  # a faster session may have one fewer
            features=options.features,
            seed=options.seed,
            on_progress=on_done,
        )

    analysis = None
    own = found(opened.game, limits, lambda fraction: on_progress("tagging", fraction))
    for number, shares in enumerate(own, start=1):
        analysis = Analysis(
            opened,
            options,
            shares,
            {**opened.timings_s, "tag": time.perf_counter() - started},
            session_id or opened.material.session.project,
            number,
            tagged=opened.game.tagged,
            recalled=opened.game.recalled,
        )
        yield analysis
    assert analysis is not None  # of any game there is one revision at least

    def last(limits: anytime.Limits, game: Game, on_done: anytime.Progress) -> Shares:
        *_, shares = found(game, limits, on_done)
        return shares

    if options.hop_s is not None and opened.game.tagger.segment_s > options.hop_s:
        analysis = _at_a_finer_hop(analysis, options.hop_s, partial(last, limits), on_progress)
        yield analysis
    if options.steady:
        less = replace(limits, budget=min(limits.budget, steadiness.BUDGET))
        yield _with_steadiness(analysis, partial(last, less), on_progress)


def _at_a_finer_hop(
    analysis: Analysis, hop_s: float, play: overlapping.Play, on_progress: Progress
) -> Analysis:
    """The last revision, with its course over time at a finer hop; every pass over the session has
    the limits that the session's own shares had."""
    started = time.perf_counter()
    finer = overlapping.course(
        analysis.opened.game,
        analysis.shares,
        hop_s,
        play,
        lambda fraction: on_progress("tagging at finer hop", fraction),
    )
    return replace(
        analysis,
        revision=analysis.revision + 1,
        course=finer,
        timings_s={**analysis.timings_s, "hop": time.perf_counter() - started},
        tagged=analysis.tagged + finer.tagged,
        recalled=analysis.recalled + finer.recalled,
    )


def _with_steadiness(analysis: Analysis, play: overlapping.Play, on_progress: Progress) -> Analysis:
    """The last revision, with how far it moves when the session is changed a little."""
    started = time.perf_counter()
    opened = analysis.opened
    steady = steadiness.measured(
        opened.game, opened.material.waveforms, analysis.shares, play, on_progress
    )
    return replace(
        analysis,
        revision=analysis.revision + 1,
        steadiness=steady,
        timings_s={**analysis.timings_s, "steady": time.perf_counter() - started},
        tagged=analysis.tagged + steady.tagged,
        recalled=analysis.recalled + steady.recalled,
    )


def analyze(
    session: Session | str | PathLike[str],
    options: Options | None = None,
    *,
    device: str = "auto",
    tagger: Tagger | None = None,
    on_progress: Progress = no_progress,
    max_duration_s: float = MAX_DURATION_S,
    kept: ScoreCache | None = None,
) -> Analysis:
    """What each stem of a session contributes to each tag, in full.

    `session` is a Session, or a place that `Session.read` takes. `tagger` takes the place of the
    one that the options name. `on_progress` is told the stage and its fraction (0 to 1). `kept` is
    where scores are looked up and kept, so that the same session again costs little; None: nowhere.
    Raises StemlensError with the codes of `audio.read` and `tagging.load`, and `bad_options` for an
    intended word that the tagger does not know.
    """
    if not isinstance(session, Session):
        session = Session.read(session)
    options = session.options(options or Options())
    if tagger is None:
        tagger = tagging.load(options.tagger, device)
    intended.words(options.intended, tagger.tags, tagger.name)  # before long work
    opened = open_game(
        session,
        tagger,
        options,
        on_progress,
        max_duration_s=max_duration_s,
        kept=kept,
        device=device,
    )
    *_, last = revisions(opened, options, on_progress)
    return last
