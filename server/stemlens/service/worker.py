"""The worker process: the only one that imports torch, so that what breaks there breaks one job.

Reads commands and writes events as `stemlens.service.link` describes. It does one job at a time; a
thread listens meanwhile, so that a cancel takes effect between two batches, and so that the process
ends at once when the server is gone. Other threads play the live mix
(see `live_lane`) and try edits (see `trial_lane`). Whatever
prints to standard output (native libraries do, some of them when they are imported) is sent to
standard error first, to keep the events clean.
"""

from __future__ import annotations

import json
import logging
import math
import os
import queue
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from stemlens import tagging
from stemlens.analysis import revisions
from stemlens.explain import intended
from stemlens.opening import OpenedSession, Progress, open_game
from stemlens.scorecache import ScoreCache
from stemlens.service import logs
from stemlens.service.freezing import require_unchanged
from stemlens.service.live_lane import LiveLane, Shelf
from stemlens.service.memory import lacks_memory
from stemlens.service.places import Places
from stemlens.service.store import JobFile
from stemlens.service.trial_lane import TrialLane
from stemlens.tagging import Tagger, weights
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 0.1
REVISION_EVERY_S = 1.0


OUT_OF_MEMORY = (
    "The memory was not enough for this session. Analyse fewer stems or a shorter passage, or "
    "allow more with --memory-gb."
)


class Cancelled(Exception):
    """The running job is not wanted any more."""


class Worker:
    """Does jobs one after the other and tells of them by events."""

    def __init__(self, device: str, events: TextIO) -> None:
        self._device = device
        self._events = events
        self._cancelled: set[str] = set()
        self._jobs: queue.Queue[dict[str, Any]] = queue.Queue()
        self._tagger: Tagger | None = None
        self._kept: ScoreCache | None = None
        self._loading = threading.Lock()
        self._telling = threading.Lock()
        self._shelf = Shelf()
        self.live = LiveLane(self._shelf, self._open, self._tell)
        self.trials = TrialLane(self._shelf, self._open, self._tell)

    def listen(self, commands: TextIO) -> None:
        """Takes commands until the server's end closes; then ends the process."""
        for line in commands:
            command = json.loads(line)
            if "run" in command:
                self._jobs.put(command["run"])
            elif "cancel" in command:
                self._cancelled.add(command["cancel"])
            elif "live" in command:
                self.live.take(command["live"])
            elif "trial" in command:
                self.trials.take(command["trial"])
        os._exit(0)

    def run(self) -> None:
        """Does jobs forever."""
        self._tell("ready")
        while True:
            spec = self._jobs.get()
            job = spec["job"]
            try:
                self._tell("done", job, result=self._do(spec))
            except Cancelled:
                self._tell("cancelled", job)
            except StemlensError as error:
                self._tell("failed", job, code=error.code, message=error.message)
            except Exception as error:  # none may take the worker along
                if lacks_memory(error):
                    self._tell("failed", job, code="out_of_memory", message=OUT_OF_MEMORY)
                else:  # a bug
                    log.exception("job %s failed", job)
                    why = f"{type(error).__name__}: {error}"
                    self._tell("failed", job, code="internal", message=why)
            self._cancelled.discard(job)

    def _do(self, spec: dict[str, Any]) -> dict[str, Any]:
        job = spec["job"]
        told_at, told_stage = 0.0, ""

        def on_progress(stage: str, fraction: float) -> None:
            nonlocal told_at, told_stage
            if job in self._cancelled:
                raise Cancelled
            now = time.monotonic()
            if stage != told_stage or fraction >= 1 or now - told_at >= PROGRESS_EVERY_S:
                told_at, told_stage = now, stage
                self._tell("progress", job, stage=stage, fraction=fraction)

        opened = self._open(spec, on_progress, self._scores(spec["scores"]))
        self._shelf.keep(job, opened)
        options = Options.from_json(spec["options"])
        told_revision = -math.inf
        for found in revisions(opened, options, on_progress, session_id=job):
            # A job that was begun before goes on counting, so that later is always better.
            analysis = replace(found, revision=found.revision + spec["revision"])
            if time.monotonic() - told_revision >= REVISION_EVERY_S:
                self._tell("revision", job, result=analysis.to_dict())
                told_revision = time.monotonic()
        return analysis.with_npz(spec["npz"]).to_dict()

    def _open(
        self, spec: dict[str, Any], on_progress: Progress, kept: ScoreCache | None = None
    ) -> OpenedSession:
        """Opens a session as it was submitted; raises `files_changed` where it no longer is.

        `kept` is used by the thread of the jobs alone.
        """
        options = Options.from_json(spec["options"])
        if options.tagger in weights.MODELS and not weights.is_there(options.tagger):
            weights.pull(options.tagger, progress=partial(on_progress, "fetching weights"))
        on_progress("loading the tagger", 0.0)
        tagger = self._loaded(options.tagger)
        intended.words(options.intended, tagger.tags, tagger.name)  # before long work
        files = [JobFile(**file) for file in spec["files"]]
        require_unchanged(files, Places(map(Path, spec["places"])))
        session = Session(
            project=spec["project"],
            daw=spec["daw"],
            stems=tuple(file.stem for file in files if not file.is_mix),
            mix=next((Path(file.path) for file in files if file.is_mix), None),
        )
        return open_game(
            session,
            tagger,
            options,
            on_progress,
            max_duration_s=spec["max_duration_s"],
            kept=kept,
            before=self._shelf.every(),
            session_gain_db=spec["session_gain_db"],
            device=self._device,
            separated=Path(spec["separated"]),
        )

    def _scores(self, path: str) -> ScoreCache:
        """The scores that are kept there; opened once, and again where it could not be used."""
        with self._loading:
            if self._kept is None or self._kept.problem is not None:
                self._kept = ScoreCache(Path(path))
            return self._kept

    def _loaded(self, name: str) -> Tagger:
        """The tagger of that name; the last one is kept."""
        with self._loading:
            if self._tagger is None or self._tagger.name != name:
                self._tagger = None
                self._tagger = tagging.load(name, self._device)
            return self._tagger

    def _tell(self, event: str, job: str = "", **rest: Any) -> None:
        line = json.dumps({"event": event, "job": job, **rest})
        with self._telling:
            print(line, file=self._events, flush=True)


def main(device: str, events: TextIO) -> None:
    """Works for the server at the other end of standard input."""
    logs.to_terminal(logs.OF_A_CHILD)
    worker = Worker(device, events)
    threading.Thread(target=worker.listen, args=(sys.stdin,), daemon=True).start()
    threading.Thread(target=worker.live.run, name="live", daemon=True).start()
    threading.Thread(target=worker.trials.run, name="trials", daemon=True).start()
    worker.run()
