"""The watch folder as a client of the server: what is complete becomes a job, and what comes of it
is written beside the audio.

Looks and hashing run in threads; the store is used from the loop alone. One session at a time is
taken. Nothing that goes wrong with one session stops the watching.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

from stemlens.service.freezing import freeze
from stemlens.service.places import Places
from stemlens.service.settings import Settings
from stemlens.service.store import WATCHED, JobFile, Store
from stemlens.service.watch import results
from stemlens.service.watch.archive import unpack
from stemlens.service.watch.candidates import Candidate, candidates, session_of
from stemlens.service.watch.content import digest, job_id
from stemlens.service.watch.folder import Folders
from stemlens.service.watch.readiness import Readiness
from stemlens.service.watch.results import Target
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import FINAL_STATES, JobState, Message, Options
from stemlens_bridge.session import Session, require_text

log = logging.getLogger(__name__)

DAW = "watch"
LOOK_EVERY_S = 0.1  # at most so often, however many changes come
RETRY_S = 1.0
MOVING = ("audio_missing", "cancelled")  # files went while they were read; the next look tells

News = Callable[[str, str, str], None]
"""Told what happened (found, started, done, failed) to which session, and more about it."""


class WatchDesk:
    """Watches `settings.watch`; `start_next` is called when a job was queued."""

    def __init__(
        self, settings: Settings, store: Store, places: Places, start_next: Callable[[], None]
    ) -> None:
        self._settings, self._store, self._places = settings, store, places
        self._roots = [root.absolute() for root in settings.watch]
        self._start_next = start_next
        self._unpacked = settings.data / "unpacked"
        self._readiness = Readiness(settings.settle_s)
        self._changed = asyncio.Event()
        self._halt = threading.Event()
        self._targets: defaultdict[str, dict[Target, tuple[Candidate, str]]] = defaultdict(dict)
        self._tasks: set[asyncio.Task[None]] = set()
        self.looks = 0
        self.news: News = lambda what, name, more: log.info("%s: %s %s", what, name, more)

    @property
    def busy(self) -> bool:
        """Whether sessions of the watched folders are in work."""
        return bool(self._targets or self._tasks)

    @property
    def waiting(self) -> dict[str, float]:
        """Sessions that are not complete, and for how long they have been quiet, s."""
        return self._readiness.waiting

    async def run(self) -> None:
        """Watches until `stop`."""
        folders = Folders(self._roots, self._changed.set, polling=self._settings.watch_polling)
        try:
            while not self._halt.is_set():
                self._changed.clear()
                patience_s = folders.patience_s()
                try:
                    await self._look()
                except sqlite3.OperationalError as error:
                    log.error("the database cannot be written (%s); trying again", error)
                    patience_s = RETRY_S
                await asyncio.sleep(LOOK_EVERY_S)
                due_s = self._readiness.next_look_s(time.monotonic())
                wait_s = patience_s if due_s is None else min(patience_s, due_s)
                try:
                    await asyncio.wait_for(self._changed.wait(), wait_s)
                except TimeoutError:
                    continue
        finally:
            await asyncio.to_thread(folders.close)

    def stop(self) -> None:
        """Ends the watching soon."""
        self._halt.set()
        self._changed.set()

    async def _look(self) -> None:
        ready = await asyncio.to_thread(self._ready)
        for candidate in ready:
            if self._halt.is_set():
                return
            try:
                await self._take(candidate)
            except sqlite3.OperationalError:
                raise
            except StemlensError as error:
                if error.code not in MOVING:
                    await self._refuse(candidate, error)
            except Exception as error:  # whatever it is, the others are not to wait
                log.exception("%s could not be taken", candidate.place)
                why = f"{error!a}. This should not happen; the server's log says more."
                await self._refuse(candidate, StemlensError("internal", why))
        self.looks += 1

    def _ready(self) -> list[Candidate]:
        found = [one for root in self._roots for one in candidates(root)]
        return self._readiness.look(found, time.monotonic())

    async def _take(self, candidate: Candidate) -> None:
        if candidate.kind != "archive":
            session = await asyncio.to_thread(session_of, candidate)
            await self._submit(candidate, session, self._target(candidate))
        else:
            for name, inside in await asyncio.to_thread(self._opened, candidate):
                session = replace(session_of(inside), project=name)
                await self._submit(
                    candidate, session, replace(self._target(candidate), prefix=name)
                )
        self._readiness.take(candidate)

    def _opened(self, candidate: Candidate) -> list[tuple[str, Candidate]]:
        """The sessions in a zip, each with a name of its own."""
        (path,) = candidate.files
        sha256 = freeze(
            JobFile("", path.name, str(path), 0.0, "{}"), self._halt, self._places
        ).sha256
        folder = self._unpacked / str(sha256)[:32]
        unpack(path, folder, self._halt)
        inside = list(candidates(folder, songs=False))
        if not inside:
            raise StemlensError("session_invalid", f"{path} has no audio files.")
        if len(inside) == 1:
            return [(candidate.name, inside[0])]
        return [
            (f"{candidate.name} {' '.join(one.place.relative_to(folder).parts)}".strip(), one)
            for one in inside
        ]

    async def _submit(self, candidate: Candidate, session: Session, target: Target) -> None:
        for text in (session.project, *(stem.id for stem in session.stems)):
            require_text(text)
        files = [JobFile.of_stem(stem) for stem in session.stems]
        if session.mix is not None:
            files.append(JobFile.of_mix(str(session.mix)))
        frozen = await asyncio.to_thread(
            lambda: [freeze(file, self._halt, self._places) for file in files]
        )
        options = session.options(Options())
        content = digest(frozen, options)
        if await asyncio.to_thread(results.content_of, target) == content:
            return  # its results are there, perhaps under an earlier name of the folder
        for attempt in count(1):
            job = job_id(session.project, content, attempt)
            known = self._store.job(job)
            if known is None or known.state not in FINAL_STATES:
                break
            if known.state == "done":
                if self._has_result(job):
                    break
                continue  # it was done by a version whose results this one cannot read
            if known.error_code != "files_changed" and target.error.exists():
                return  # told already, and nothing has changed since
        self._targets[job][target] = (candidate, content)
        if known is None or known.state == "open":
            self._store.open(job, DAW, session.project, options.to_json())
            for file in frozen:
                self._store.put_file(job, file)
            for older in self._store.queue(job, frozen, WATCHED):
                self.hear(older, JobState(older, "cancelled", len(frozen)))
            self.news("found", session.project, f"{len(frozen)} files")
            self._start_next()
        elif known.state == "done":
            self._ended(job)

    def _has_result(self, job: str) -> bool:
        try:
            return self._store.result(job) is not None
        except StemlensError:
            return False

    async def _refuse(self, candidate: Candidate, error: StemlensError) -> None:
        self._readiness.take(candidate)
        self.news("failed", candidate.name, error.message)
        await asyncio.to_thread(_tell_error, self._target(candidate), error)

    def hear(self, job: str, message: Message) -> None:
        """What the server tells of its jobs."""
        if job not in self._targets or not isinstance(message, JobState):
            return
        if message.state == "running":
            self.news("started", self._store.known(job).project, "")
        elif message.state in FINAL_STATES:
            self._ended(job)

    def _ended(self, job: str) -> None:
        targets = self._targets.pop(job)
        known, found = self._store.known(job), self._store.result(job)
        if known.error_code == "replaced":  # what replaced it tells what became of it
            return
        if known.error_code == "files_changed":
            for candidate, _ in targets.values():
                self._readiness.again(candidate.key)
            self._changed.set()
            return
        if known.state == "done" and found is not None:
            document, path = found
            tags = ", ".join(
                f"{tag['tag']} {100 * tag['score']:.0f}" for tag in document["tags"][:3]
            )
            self.news("done", known.project, tags)
            for target, (_, content) in targets.items():
                self._write(results.write, target, document, Path(path), job, content)
        else:
            error = StemlensError.told(known.error_code or "cancelled", known.error or "Cancelled.")
            self.news("failed", known.project, error.message)
            for target in targets:
                self._write(results.write_error, target, error)

    def _write(self, how: Callable[..., None], target: Target, *what: object) -> None:
        task = asyncio.create_task(asyncio.to_thread(_kept, how, target, *what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _target(self, candidate: Candidate) -> Target:
        output = self._settings.watch_output
        if output is None:
            return Target(candidate.place, candidate.prefix)
        inside = candidate.place.relative_to(candidate.root)
        return Target(output.absolute() / candidate.root.name / inside, candidate.prefix)


def _kept(how: Callable[..., None], target: Target, *what: object) -> None:
    try:
        how(target, *what)
    except StemlensError as error:
        log.warning("%s", error)


def _tell_error(target: Target, error: StemlensError) -> None:
    _kept(results.write_error, target, error)
