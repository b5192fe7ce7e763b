"""The worker's lane for trials, suggestions and explanations, which do not wait for the job that
runs.

A thread of its own that does one request after the other; its taggings overtake those of the job
(see `stemlens.tagging.lanes`). The session that was last tried on stays open, so that the next
trial begins at once.

Commands: `{"ask": {"number", "job", "request", "kind", …}}` with all that a job's `run` has, then
`edits`, `goal` or `tag`, `wanted` (JSON of the request's options), `folder` (where files go),
`steering` for a goal, `result` (the file of the job's) for a tag; `{"cancel": number}`.
Events, all with `number` and `request`: "progress", "done" (`document`), "failed".
"""

from __future__ import annotations

import logging
import queue
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.edits import document
from stemlens.edits.goals import Goal
from stemlens.edits.presets import Presets
from stemlens.edits.suggest import suggest
from stemlens.edits.trials import TrialSession
from stemlens.explain import listening
from stemlens.opening import OpenedSession, Progress
from stemlens.over_time import OverTime
from stemlens.scorecache import ScoreCache
from stemlens.service.freezing import require_unchanged
from stemlens.service.live_lane import OpenSession, Shelf, Tell
from stemlens.service.memory import lacks_memory
from stemlens.service.places import Places
from stemlens.service.store import JobFile
from stemlens.tagging.lanes import urgent
from stemlens_bridge import schemas
from stemlens_bridge.edits import ExplainOptions, SuggestOptions, TryOptions, edits_from_json
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options

log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 0.25


class Cancelled(Exception):
    """The request is not wanted any more."""


class TrialLane:
    """Does requests for trials, suggestions and explanations."""

    def __init__(self, shelf: Shelf, open_session: OpenSession, tell: Tell) -> None:
        self._shelf = shelf
        self._open_session = open_session
        self._tell = tell
        self._asked: queue.Queue[dict[str, Any]] = queue.Queue()
        self._cancelled: set[int] = set()
        self._open: tuple[str, TrialSession] | None = None
        self._kept: ScoreCache | None = None

    def take(self, command: dict[str, Any]) -> None:
        """Hears a command, at any time and from any thread."""
        if "ask" in command:
            self._asked.put(command["ask"])
        else:
            self._cancelled.add(command["cancel"])

    def run(self) -> None:
        """Works forever."""
        while True:
            asked = self._asked.get()
            try:
                found = self._do(asked)
                self._say(asked, "done", document=found)
            except Cancelled:
                self._fail(asked, "cancelled", "The request was cancelled.")
            except StemlensError as error:
                self._fail(asked, error.code, error.message)
            except Exception as error:
                if lacks_memory(error):
                    why = "The memory was not enough for this trial. Bounce fewer stems."
                    self._fail(asked, "out_of_memory", why)
                    continue
                log.exception("the request %s failed", asked["request"])
                self._fail(asked, "internal", f"{type(error).__name__}: {error}")
            self._cancelled.discard(asked["number"])

    def _do(self, asked: dict[str, Any]) -> dict[str, Any]:
        told_at = 0.0

        def on_progress(stage: str, fraction: float) -> None:
            nonlocal told_at
            if asked["number"] in self._cancelled:
                raise Cancelled
            if time.monotonic() - told_at >= PROGRESS_EVERY_S:
                told_at = time.monotonic()
                self._say(asked, "progress", stage=stage, fraction=fraction)

        on_progress("opening the session", 0.0)
        if asked["kind"] == "explain":
            return self._explain(asked, on_progress)
        session = self._session(asked, on_progress)
        session.presets = Presets()  # the user may have changed one
        folder = Path(asked["folder"])
        if asked["kind"] == "try":
            wanted = TryOptions.from_json(asked["wanted"])
            edits = edits_from_json(asked["edits"])
            trial = session.trial(
                edits, wanted, folder=folder if wanted.render else None, on_progress=on_progress
            )
            return document.of_trial(session, trial)
        options = SuggestOptions.from_json(asked["wanted"])
        tagger = session.game.tagger
        goal = Goal.from_text(asked["goal"], tagger.tags, tagger.name)
        found = suggest(
            session,
            goal,
            options,
            steering=_steering(asked["steering"], session),
            folder=folder if options.render else None,
            on_progress=on_progress,
        )
        return document.of_suggestions(session, found, options.seed)

    def _explain(self, asked: dict[str, Any], on_progress: Progress) -> dict[str, Any]:
        result = schemas.load(Path(asked["result"]), schemas.RESULT)
        over = _over_time(result)
        opened = self._opened(asked, on_progress)
        # what is played must be what was analysed
        files = [JobFile(**file) for file in asked["files"]]
        require_unchanged(files, Places(map(Path, asked["places"])))
        silence = Options.from_json(asked["options"]).silence
        # with scores of this thread's own: those of the job are its thread's
        game = opened.game.at(opened.material.gains_db, silence, self._scores(asked))
        opened = replace(opened, game=game)
        folder = Path(asked["folder"])
        try:
            with urgent():
                found = listening.explain(
                    opened,
                    result,
                    over,
                    asked["tag"],
                    ExplainOptions.from_json(asked["wanted"]),
                    folder,
                    on_progress,
                )
        except BaseException:  # also a cancel: sounds that nobody will name
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return listening.document(opened, result, [found])

    def _opened(self, asked: dict[str, Any], on_progress: Progress) -> OpenedSession:
        """The job's session, as it was opened lately, or anew."""
        opened = self._shelf.find(asked["job"])
        if opened is None:
            with urgent():
                opened = self._open_session(asked, on_progress)
            self._shelf.keep(asked["job"], opened)
        return opened

    def _scores(self, asked: dict[str, Any]) -> ScoreCache:
        """The scores that are kept, for this thread alone."""
        if self._kept is None or self._kept.problem is not None:
            self._kept = ScoreCache(Path(asked["scores"]))
        return self._kept

    def _session(self, asked: dict[str, Any], on_progress: Progress) -> TrialSession:
        """The job's session, open for trials; the last one is kept."""
        job = asked["job"]
        if self._open is not None and self._open[0] == job:
            return self._open[1]
        opened = self._opened(asked, on_progress)
        if self._open is not None:
            self._open[1].close()
            self._open = None
        session = TrialSession(
            opened,
            Options.from_json(asked["options"]),
            kept=self._scores(asked),
            overtakes=True,
            on_progress=on_progress,
        )
        self._open = job, session
        return session

    def _fail(self, asked: dict[str, Any], code: str, message: str) -> None:
        self._say(asked, "failed", code=code, message=message)

    def _say(self, asked: dict[str, Any], what: str, **rest: Any) -> None:
        number, request = asked["number"], asked["request"]
        self._tell("trial", asked["job"], number=number, request=request, what=what, **rest)


def _over_time(result: Mapping[str, Any]) -> OverTime:
    """The shares over time that belong to a result; raises `result_invalid`."""
    if result["time"] is None:
        raise StemlensError(
            "result_invalid",
            "This analysis has no shares over time, and without them nobody knows where a tag is "
            "heard best. Analyse the session again.",
        )
    return OverTime.read(Path(result["time"]), result["tagger"]["segment_s"])


def _steering(
    told: dict[str, dict[str, float]] | None, session: TrialSession
) -> NDArray[np.float64] | None:
    """How much each stem does to each tag `[stems, tags]`, from that by tag and stem."""
    if not told:
        return None
    return np.array(
        [
            [told.get(tag.name, {}).get(stem.id, 0.0) for tag in session.game.tagger.tags]
            for stem in session.stems
        ]
    )
