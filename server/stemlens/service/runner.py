"""Jobs on their way through the worker: queued → running → done, failed or cancelled.

The worker has one job at a time. Its result is kept before anyone is told; a worker that dies over
a job is replaced and the job tried again, but not forever. Whatever goes wrong ends that job and
nothing else; only a database that is full or locked is waited for, since nothing may be lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemlens.service.delivery import result_messages, with_trials
from stemlens.service.link import WorkerLink
from stemlens.service.live_desk import LiveDesk
from stemlens.service.replies import Replies
from stemlens.service.store import JobFile, Store
from stemlens.service.trial_desk import TrialDesk
from stemlens_bridge import jsontext
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Error, JobProgress, Options

log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 0.7  # so that at least one a second is heard
RETRY_STORE_S = 1.0
MAX_CRASHES = 3
MAX_FAILED_STARTS = 3


@dataclass(slots=True)
class Running:
    """The job that the worker has, and what was last said of it."""

    job: str
    stage: str = "starting"
    fraction: float = 0.0
    told: float = field(default_factory=time.monotonic)


class Runner:
    """Gives the worker its jobs and ends them by what it says; results go to the folder `results`.

    `device` and `max_duration_s` are the worker's (see `analysis.analyze`).
    """

    def __init__(
        self, store: Store, replies: Replies, results: Path, device: str, max_duration_s: float
    ) -> None:
        self._store = store
        self._replies = replies
        self._results = results
        self._max_duration_s = max_duration_s
        self._link = WorkerLink(device, self._on_event, self._on_death)
        self._running: Running | None = None
        self._stopped = False
        self.live = LiveDesk(store, replies, self._link.send, self._spec)
        self.trials = TrialDesk(
            store, replies, self._link.send, self._spec, results, self._keep_trials
        )

    async def run(self) -> None:
        """Keeps a worker alive; returns after `stop`."""
        await self._link.run()

    def stop(self) -> None:
        """Ends the worker, whatever it does."""
        self._stopped = True
        self._link.stop()

    def start_next(self) -> None:
        """Gives the worker its next job, if it is free and there is one."""
        try:
            self._start_next()
        except sqlite3.OperationalError as error:
            self._later(error, self.start_next)

    def _begin_lanes(self) -> None:
        try:
            self.live.on_ready()
            self.trials.on_ready()
        except sqlite3.OperationalError as error:
            self._later(error, self._begin_lanes)

    def _start_next(self) -> None:
        if self._running is not None or not self._link.ready or self._stopped:
            return
        job = self._store.next_queued()
        if job is None:
            return
        spec = self._spec(job.id)
        self._store.set_state(job.id, "running")
        self._running = Running(job.id)
        self._link.send({"run": spec})
        self._replies.tell_state(job.id, subscribers=True)

    def _spec(self, job_id: str) -> dict[str, Any]:
        """All that the worker must know of a job."""
        job, files = self._store.known(job_id), self._store.files(job_id)
        return {
            "job": job.id,
            "daw": job.daw,
            "project": job.project,
            "options": job.options,
            "files": [{name: getattr(file, name) for name in JobFile.__slots__} for file in files],
            "npz": str(self._path(job.id, ".npz")),
            "scores": str(self._results.with_name("scores.sqlite3")),
            "separated": str(self._results.with_name("separated")),
            "revision": self._store.revision(job.id),
            "session_gain_db": self._level(Options.from_json(job.options)),
            "max_duration_s": self._max_duration_s,
        }

    def _level(self, options: Options) -> float | None:
        """The session gain of the job that this one is to be compared with, if there is one."""
        found = None
        if options.same_level_as is not None:
            found = self._store.result(options.same_level_as)
        return None if found is None else float(found[0]["session"]["session_gain_db"])

    def cancel(self, job: str) -> None:
        """Makes the worker give the job up, if it has it."""
        if self._running is not None and self._running.job == job:
            self._link.send({"cancel": job})

    def tick(self) -> None:
        """Repeats the progress when nothing was said for a while."""
        self.live.tick()
        self.trials.tick()
        running = self._running
        if running is not None and time.monotonic() - running.told >= PROGRESS_EVERY_S:
            self._tell_progress(running)

    def _tell_progress(self, running: Running) -> None:
        running.told = time.monotonic()
        progress = JobProgress(running.job, running.stage, running.fraction)
        self._replies.tell(running.job, progress, subscribers=True)

    def _on_event(self, event: dict[str, Any]) -> None:
        kind, job = event["event"], event["job"]
        if kind == "ready":
            self.start_next()
            self._begin_lanes()
        elif kind == "live":
            self.live.on_event(event)
        elif kind == "trial":
            self._hear_trial(event)
        elif self._running is not None and self._running.job == job:
            if kind == "progress":
                self._running.stage, self._running.fraction = event["stage"], event["fraction"]
                self._tell_progress(self._running)
            elif kind == "revision":
                self._revise(job, event["result"])
            else:
                self._settle(job, event)

    def _hear_trial(self, event: dict[str, Any]) -> None:
        try:
            self.trials.on_event(event)
        except sqlite3.OperationalError as error:
            self._later(error, self._hear_trial, event)

    def _revise(self, job: str, result: dict[str, Any]) -> None:
        """Keeps and tells what is known of a job so far; what cannot be kept is simply not told."""
        try:
            if self._store.known(job).state == "running":
                self._store.revise(job, result)
                self._replies.deliver(job, result)
        except (sqlite3.OperationalError, StemlensError) as error:
            log.warning("revision %s of %s is left out: %s", result["revision"], job, error)

    def _settle(self, job: str, event: dict[str, Any]) -> None:
        """Ends the running job by what the worker said of it, and starts the next."""
        if self._running is None or self._running.job != job:
            return
        try:
            if self._store.known(job).state == "running":
                if event["event"] == "done":
                    self._finish(job, event["result"])
                elif event["event"] == "failed":
                    self._fail(job, event["code"], event["message"])
        except sqlite3.OperationalError as error:
            self._later(error, self._settle, job, event)
            return
        except Exception as error:
            log.exception("job %s could not be finished", job)
            if event["event"] == "done":
                why = f"The result could not be kept ({error!a}). The server's log says more."
                self._settle(job, {"event": "failed", "code": "internal", "message": why})
                return
        self._running = None
        self.start_next()

    def _finish(self, job: str, result: dict[str, Any]) -> None:
        path = self._path(job, ".json")
        result = with_trials(result, self._store.trials(job))
        try:
            jsontext.write(path, result)
        except StemlensError as error:
            self._fail(job, error.code, error.message)
            return
        tags = Options.from_json(self._store.known(job).options).tags
        for message in result_messages(job, result, tags):
            message.encode()  # what cannot be sent must not be kept as done
        self._store.finish(job, result, path)
        self._replies.tell_state(job, subscribers=True)
        self._replies.deliver(job, result, str(path))

    def _keep_trials(self, job: str) -> None:
        """Puts what was tried on a finished job into its result; what cannot be written there is
        in the trials' own files still."""
        found = self._store.result(job)
        if found is None or not found[1]:
            return
        result = with_trials(found[0], self._store.trials(job))
        try:
            jsontext.write(Path(found[1]), result)
        except StemlensError as error:
            log.warning("the trials of %s are not in its result: %s", job, error)
            return
        self._store.finish(job, result, Path(found[1]))

    def _fail(self, job: str, code: str, message: str) -> None:
        log.warning("job %s failed: %s", job, message)
        self._store.set_state(job, "failed", (code, message))
        self._replies.tell_state(job, subscribers=True)
        self._replies.tell(job, Error(job, code, message), subscribers=True)

    def _on_death(self, code: int, failed_starts: int) -> None:
        self.live.on_death(code)
        self.trials.on_death()
        self._end_running(code, failed_starts)

    def _end_running(self, code: int, failed_starts: int) -> None:
        try:
            running = self._running
            if running is not None and self._store.known(running.job).state == "running":
                self._try_again(running.job, code)
            self._running = None
            if failed_starts >= MAX_FAILED_STARTS:
                while (job := self._store.next_queued()) is not None:
                    why = f"The process that analyses cannot start (code {code}). The log says why."
                    self._fail(job.id, "worker_died", why)
        except sqlite3.OperationalError as error:
            self._later(error, self._end_running, code, failed_starts)

    def _try_again(self, job: str, code: int) -> None:
        crashes = self._store.count_crash(job)
        if crashes < MAX_CRASHES:
            log.warning("job %s is tried again", job)
            self._store.set_state(job, "queued")
            self._replies.tell_state(job, subscribers=True)
        else:
            self._fail(
                job,
                "worker_died",
                f"The process that analyses died {crashes} times over this session (code {code}), "
                "most likely for want of memory. Analyse fewer stems or a shorter passage.",
            )

    def _later(self, error: sqlite3.Error, function: Any, *arguments: Any) -> None:
        log.error("the database cannot be written (%s); trying again", error)
        if not self._stopped:
            asyncio.get_running_loop().call_later(RETRY_STORE_S, function, *arguments)

    def _path(self, job: str, ending: str) -> Path:
        """A file for a job's result; job ids are clients' text and may be no file names."""
        plain = re.sub(r"[^A-Za-z0-9]+", "-", job).strip("-")[:40]
        digest = hashlib.sha256(job.encode()).hexdigest()[:12]
        return self._results / f"{plain or 'job'}-{digest}{ending}"
