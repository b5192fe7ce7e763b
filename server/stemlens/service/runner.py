"""Jobs on their way through the worker: queued → running → done, failed or cancelled.

The worker has one job at a time. Its result is kept before anyone is told; a worker that dies over
a job is replaced and the job tried again, but not forever. One that does not let go of a cancelled
job, that stands still, or that has met the end of its memory is ended and replaced. Whatever goes
wrong ends that job and nothing else; only a database that is full or locked is waited for, since
nothing may be lost. Ended jobs are forgotten after a while, a few at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import re
import shutil
import signal
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stemlens.service import diskspace, retention
from stemlens.service.delivery import result_messages, with_trials
from stemlens.service.link import WorkerLink
from stemlens.service.live_desk import LiveDesk
from stemlens.service.pace import Pace
from stemlens.service.places import Places
from stemlens.service.replies import Replies
from stemlens.service.settings import Settings
from stemlens.service.store import JobFile, Store
from stemlens.service.trial_desk import TrialDesk
from stemlens_bridge import jsontext
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Error, JobProgress, Options

log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 0.7  # so that at least one a second is heard
RETRY_STORE_S = 1.0
LET_GO_S = 0.8  # within a second a cancelled job is off the worker, which may be deep in a network
TIDY_EVERY_S, TIDY_JOBS = 60.0, 20
CLEAR_EVERY_S = 3600.0
UNUSED_S = 86_400.0  # so long nobody has to have used what is cleared; unpacking takes less
MAX_CRASHES = 3
MAX_FAILED_STARTS = 3


@dataclass(slots=True)
class Running:
    """The job that the worker has, and what was last said of it."""

    job: str
    pace: Pace
    told: float


class Runner:
    """Gives the worker its jobs and ends them by what it says; results go to a folder."""

    def __init__(
        self, store: Store, replies: Replies, results: Path, settings: Settings, places: Places
    ) -> None:
        self._places = places
        self._store = store
        self._replies = replies
        self._results = results
        self._settings = settings
        self._link = WorkerLink(settings.device, settings.memory_gb, self._on_event, self._on_death)
        self._running: Running | None = None
        self._stopped = False
        self._tidied = 0.0
        self._cleared = -math.inf
        self.live = LiveDesk(store, replies, self._link.send, self._spec)
        self.trials = TrialDesk(
            store, replies, self._link.send, self._spec, results, self._keep_trials
        )

    async def run(self) -> None:
        """Keeps a worker alive; returns after `stop`."""
        await self._link.keep()

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
        while (job := self._store.next_queued()) is not None:
            try:
                files = self._store.files(job.id)
                diskspace.require_room(self._results, files, self._settings.spare_gb)
                spec = self._spec(job.id)
                break
            except StemlensError as error:
                self._fail(job.id, error.code, error.message)
        else:
            return
        self._store.set_state(job.id, "running")
        now = time.monotonic()
        self._running = Running(job.id, Pace.at(now), now)
        self._link.send({"run": spec})
        self._replies.tell_state(job.id, subscribers=True)

    def _spec(self, job_id: str) -> dict[str, Any]:
        """All that the worker must know of a job; raises `result_invalid` where it is to be
        compared with what this version cannot read."""
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
            "places": [str(folder) for folder in self._places.folders],
            "max_duration_s": self._settings.max_duration_s,
        }

    def _level(self, options: Options) -> float | None:
        """The session gain of the job that this one is to be compared with, if there is one."""
        found = None
        if options.same_level_as is not None:
            found = self._store.result(options.same_level_as)
        return None if found is None else float(found[0]["session"]["session_gain_db"])

    def cancel(self, job: str) -> None:
        """Makes the worker give the job up, if it has it: at its next word, or by its end."""
        running = self._running
        if running is not None and running.job == job:
            self._link.send({"cancel": job})
            asyncio.get_running_loop().call_later(LET_GO_S, self._take_away, running)

    def _take_away(self, running: Running) -> None:
        if self._running is running:
            log.warning("the worker does not let go of job %s and is replaced", running.job)
            self._link.replace()

    def tick(self) -> None:
        """Repeats the progress when nothing was said for a while, ends a worker that stands still,
        and forgets what is old."""
        self.live.tick()
        self.trials.tick()
        now = time.monotonic()
        running = self._running
        if running is not None and now - running.pace.moved > self._settings.hang_s:
            self._end_hung(running)
        elif running is not None and now - running.told >= PROGRESS_EVERY_S:
            self._tell_progress(running)
        if now - self._tidied >= TIDY_EVERY_S:
            self._tidied = now
            with suppress(sqlite3.OperationalError):  # the next time will do
                self._tidy()

    def _end_hung(self, running: Running) -> None:
        try:
            if self._store.known(running.job).state == "running":
                self._fail(
                    running.job,
                    "worker_hung",
                    f"The analysis stood still at {running.pace.stage!r} for "
                    f"{self._settings.hang_s:g} s and was given up. Submit the session again; if "
                    "it stands still there again, analyse fewer stems or a shorter passage.",
                )
        except sqlite3.OperationalError as error:  # the next tick tries again
            log.error("the database cannot be written: %s", error)
            return
        self._link.replace()

    def _tidy(self) -> None:
        """Forgets a few of the jobs that need not be remembered, with their results' files."""
        settings = self._settings
        at_work = {self._running.job} if self._running else set()
        at_work |= self.trials.jobs() | self.live.jobs()
        for job in self._store.beyond(settings.keep_jobs, settings.keep_days, TIDY_JOBS):
            if job in at_work:
                continue
            folders = [self.trials.folder(job, request) for request in self._store.forget(job)]
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
            for ending in (".json", ".npz"):
                with suppress(OSError):
                    self._path(job, ending).unlink(missing_ok=True)
            log.info("job %s is forgotten", job)
        self._clear_if_due()

    def _clear_if_due(self) -> None:
        """Deletes unpacked and separated files that belong to no remembered job, if that was not
        done lately, and if nothing is at work: what is played or tried may belong to a job that
        failed meanwhile."""
        at_work = self._running or self.trials.jobs() or self.live.jobs()
        if at_work or time.monotonic() - self._cleared < CLEAR_EVERY_S:
            return
        oldest_s = self._store.oldest_unfinished_s()
        before_s = min(time.time() - UNUSED_S, math.inf if oldest_s is None else oldest_s)
        aside = []
        for name in ("unpacked", "separated"):
            folder = self._results.with_name(name)
            aside += retention.put_aside(folder, self._store.names, before_s)
        self._cleared = time.monotonic()
        if aside:
            asyncio.get_running_loop().run_in_executor(None, retention.delete, aside)

    def health(self) -> dict[str, Any]:
        """What `/stemlens/healthy` says of worker and jobs."""
        running, now = self._running, time.monotonic()
        told = None
        if running is not None:
            pace = running.pace
            told = {
                "job": running.job,
                "stage": pace.stage,
                "fraction": pace.fraction,
                "since_s": now - pace.began,
                "left_s": pace.left_s(now),
            }
        idle = "ready" if self._link.ready else "starting"
        return {
            "worker": idle if running is None else "busy",
            "running": told,
            "jobs": self._store.counts(),
        }

    def _tell_progress(self, running: Running) -> None:
        now = running.told = time.monotonic()
        left_s = running.pace.left_s(now)
        progress = JobProgress(
            running.job,
            running.pace.stage,
            running.pace.fraction,
            -1.0 if left_s is None else left_s,
        )
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
                now = time.monotonic()
                self._running.pace = self._running.pace.heard(
                    event["stage"], event["fraction"], now
                )
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
            self._running.pace = replace(self._running.pace, moved=time.monotonic())
            self._later(error, self._settle, job, event)
            return
        except Exception as error:
            log.exception("job %s could not be finished", job)
            if event["event"] == "done":
                why = f"The result could not be kept ({error!a}). The server's log says more."
                self._settle(job, {"event": "failed", "code": "internal", "message": why})
                return
        self._running = None
        if event.get("code") == "out_of_memory":
            self._link.replace()
        with suppress(sqlite3.OperationalError):
            self._clear_if_due()  # while no job runs, which may look for what was made before
        self.start_next()

    def _finish(self, job: str, result: dict[str, Any]) -> None:
        path = self._path(job, ".json")
        result = with_trials(result, self._store.trials(job), self._store.explanations(job))
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
        try:
            found = self._store.result(job)
            if found is None or not found[1]:
                return
            result = with_trials(found[0], self._store.trials(job), self._store.explanations(job))
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
                    why = (
                        f"The process that analyses cannot start ({ended_by(code)}). The log says "
                        "why."
                    )
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
                f"The process that analyses died {crashes} times over this session "
                f"({ended_by(code)}). Analyse fewer stems or a shorter passage.",
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


def ended_by(code: int) -> str:
    """In words, how a process ended."""
    if code >= 0:
        return f"code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    why = {"SIGKILL": ", most likely for want of memory", "SIGSEGV": ", a crash in native code"}
    return name + why.get(name, "")
