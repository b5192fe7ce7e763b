"""The watch folder as a client of the server: what is complete becomes a job, and what comes of it
is written beside the audio.

Looks and hashing run in threads; the store is used from the loop alone. One session at a time is
taken. Nothing that goes wrong with one session stops the watching. Results that cannot be written
stay with the server, and are written when that is possible again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from weakref import WeakValueDictionary

from stemlens.service.freezing import freeze
from stemlens.service.places import Places
from stemlens.service.replies import Replies
from stemlens.service.settings import Settings
from stemlens.service.store import WATCHED, JobFile, Store
from stemlens.service.watch import results
from stemlens.service.watch.archive import unpack
from stemlens.service.watch.candidates import Candidate, candidates, session_of
from stemlens.service.watch.content import digest, job_id
from stemlens.service.watch.folder import LATE_S, Folders
from stemlens.service.watch.readiness import Key, Readiness, Waiting
from stemlens.service.watch.results import Origin, Target
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import (
    FINAL_STATES,
    Error,
    JobState,
    Message,
    Options,
    Warning_,
)
from stemlens_bridge.session import Session, require_text
from stemlens_bridge.terminal import plain

log = logging.getLogger(__name__)

DAW = "watch"
LOOK_EVERY_S = 0.1  # at most so often, however many changes come
RETRY_S = 1.0
REWRITE_S = 30.0  # between tries to write what could not be written
MOVING = ("audio_missing", "cancelled")  # files went while they were read; the next look tells
MOVED = ("audio_missing", "files_changed")  # they went, or others came, before their turn
ABANDONED = "The download {} stood still for an hour: the session is taken without it."

News = Callable[[str, str, str], None]
"""Told what happened (found, waiting, started, done, failed, unwritten, written) to which session,
and more about it."""


class WatchDesk:
    """Watches `settings.watch`; `start_next` is called when a job was queued."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        places: Places,
        replies: Replies,
        start_next: Callable[[], None],
    ) -> None:
        self._settings, self._store, self._places = settings, store, places
        self._reads = [*places.folders, settings.data]  # what it made itself, too
        self._replies, self._start_next = replies, start_next
        self._roots = _apart(settings.watch)
        own = [settings.data, *([settings.watch_output] if settings.watch_output else [])]
        self._without = {Path(os.path.realpath(folder)) for folder in [*own, *self._roots]}
        self._mirrors = _mirrors(self._roots)
        self._unpacked = settings.data / "unpacked"
        self._readiness = Readiness(settings.settle_s)
        self._changed = asyncio.Event()
        self._halt = threading.Event()
        self._targets: defaultdict[str, dict[Target, tuple[Candidate, Origin]]] = defaultdict(dict)
        self._tasks: set[asyncio.Task[None]] = set()
        self._unwritten: dict[Target, tuple[str, Origin]] = {}
        self._writing: WeakValueDictionary[Target, asyncio.Lock] = WeakValueDictionary()
        self._rewritten = 0.0
        self._seen: dict[Key, object] = {}
        self.looks = 0
        self.news: News = _log

    @property
    def busy(self) -> bool:
        """Whether sessions of the watched folders are in work."""
        return bool(self._targets or self._tasks)

    @property
    def waiting(self) -> Sequence[Waiting]:
        """Sessions that are not complete."""
        return list(self._readiness.waiting.values())

    async def run(self) -> None:
        """Watches until `stop`."""
        folders = Folders(self._roots, self._changed.set, polling=self._settings.watch_polling)
        seen, unasked = self._seen, False
        try:
            while not self._halt.is_set():
                self._changed.clear()
                patience_s = await asyncio.to_thread(folders.patience_s)
                try:
                    await self._look()
                    self._write_again()
                except sqlite3.OperationalError as error:
                    log.error("the database cannot be written (%s); trying again", error)
                    patience_s = RETRY_S
                found_unasked = unasked and folders.listens and self._seen != seen
                if found_unasked and not await self._hears(LATE_S):
                    folders.poll("something changed, and nothing was told")
                seen = self._seen
                await asyncio.sleep(LOOK_EVERY_S)
                due_s = self._readiness.next_look_s(time.monotonic())
                wait_s = patience_s if due_s is None else min(patience_s, due_s)
                unasked = not await self._hears(wait_s)
        finally:
            await asyncio.to_thread(folders.close)

    async def _hears(self, wait_s: float) -> bool:
        """Whether the system tells of a change within so many seconds."""
        try:
            await asyncio.wait_for(self._changed.wait(), wait_s)
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """Ends the watching soon."""
        self._halt.set()
        self._changed.set()

    def look_now(self) -> None:
        """Looks at once, as if the system had told of a change."""
        self._changed.set()

    async def _look(self) -> None:
        ready = await asyncio.to_thread(self._ready)
        for waits in self._readiness.stalled():
            why = f"{waits.name} is not taken yet: {waits.why}."
            told = Warning_("", "export_incomplete", plain(why))
            self._tell("waiting", waits.name, waits.why, told)
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
        found = [one for root in self._roots for one in candidates(root, without=self._without)]
        self._seen = {one.key: (one.stamps, one.partial) for one in found}
        return self._readiness.look(found, time.monotonic())

    def _tell(self, what: str, name: str, more: str, message: Message | None = None) -> None:
        """Tells whoever listens here, and where it is more than the state of a job, all
        subscribers."""
        self.news(what, plain(name), plain(more))
        if message is not None:
            self._replies.tell(getattr(message, "job", ""), message, subscribers=True)

    async def _take(self, candidate: Candidate) -> None:
        if candidate.partial:
            why = ABANDONED.format(candidate.partial[0][0])
            told = Warning_("", "export_incomplete", plain(why))
            self._tell("waiting", candidate.name, why, told)
        if candidate.kind != "archive":
            session = await asyncio.to_thread(session_of, candidate)
            await self._submit(candidate, session, self._target(candidate))
        else:
            key, inside = await asyncio.to_thread(self._opened, candidate)
            for name, one in inside:
                session = replace(session_of(one), project=name)
                target = replace(self._target(candidate), prefix=name)
                await self._submit(candidate, session, target, key if len(inside) == 1 else "")
        self._readiness.take(candidate)

    def _opened(self, candidate: Candidate) -> tuple[str, list[tuple[str, Candidate]]]:
        """A zip's key, and the sessions in it, each with a name of its own; none where the results
        of all that is in it lie there."""
        (path,) = candidate.files
        file = JobFile("", path.name, str(path), 0.0, "{}")
        key = str(freeze(file, self._halt, self._places).sha256)[:32]
        known = results.origin_of(self._target(candidate))
        if known is not None and known.archive == key:
            return key, []
        folder = self._unpacked / key
        unpack(path, folder, self._halt)
        inside = list(candidates(folder, songs=False))
        if not inside:
            raise StemlensError("session_invalid", f"{path} has no audio files.")
        if len(inside) == 1:
            return key, [(candidate.name, inside[0])]
        return key, [
            (f"{candidate.name} {' '.join(one.place.relative_to(folder).parts)}".strip(), one)
            for one in inside
        ]

    async def _submit(
        self, candidate: Candidate, session: Session, target: Target, archive: str = ""
    ) -> None:
        files = [JobFile.of_stem(stem) for stem in session.stems]
        if session.mix is not None:
            files.append(JobFile.of_mix(str(session.mix)))
        for text in (session.project, *(file.path for file in files)):
            require_text(text)
        frozen = await asyncio.to_thread(
            lambda: [freeze(file, self._halt, self._places) for file in files]
        )
        options = session.options(Options())
        origin = Origin(digest(frozen, options), archive)
        there = await asyncio.to_thread(results.origin_of, target)
        if there is not None and there.content == origin.content:
            return  # its results are there, perhaps under an earlier name of the folder
        for attempt in count(1):
            job = job_id(session.project, origin.content, attempt)
            known = self._store.job(job)
            if known is None or known.state not in FINAL_STATES:
                break
            if known.state == "done":
                if self._has_result(job):
                    break
                continue  # it was done by a version whose results this one cannot read
            if known.error_code not in MOVED and target.error.exists():
                return  # told already, and nothing has changed since
        self._targets[job][target] = (candidate, origin)
        if known is None or known.state == "open":
            self._store.open(job, DAW, session.project, options.to_json())
            for file in frozen:
                self._store.put_file(job, file)
            replaced = self._store.queue(job, frozen, WATCHED)
            self._tell("found", session.project, f"{len(frozen)} files")
            for told in (*replaced, job):
                self._replies.tell_state(told, subscribers=True)  # and by that, `hear`
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
        told = Error("", error.code, plain(error.message))
        self._tell("failed", candidate.name, error.message, told)
        await asyncio.to_thread(_tell_error, self._target(candidate), error)

    def hear(self, job: str, message: Message) -> None:
        """What the server tells of its jobs."""
        if job not in self._targets or not isinstance(message, JobState):
            return
        if message.state == "running":
            self._tell("started", self._store.known(job).project, "")
        elif message.state in FINAL_STATES:
            self._ended(job)

    def _ended(self, job: str) -> None:
        targets = self._targets.pop(job)
        known = self._store.known(job)
        if known.error_code == "replaced":  # what replaced it tells what became of it
            return
        if known.error_code in MOVED:
            for candidate, _ in targets.values():
                self._readiness.again(candidate.key)
            self._changed.set()
            return
        if known.state == "done":
            found = self._store.result(job)
            tags = found[0]["tags"][:3] if found is not None else []
            told = ", ".join(f"{tag['tag']} {100 * tag['score']:.0f}" for tag in tags)
            self._tell("done", known.project, told)
            for target, (_, origin) in targets.items():
                self._begin(self._write(target, job, origin))
        else:
            error = StemlensError.told(known.error_code or "cancelled", known.error or "Cancelled.")
            self._tell("failed", known.project, error.message)
            for target in targets:
                self._begin(asyncio.to_thread(_tell_error, target, error))

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, target: Target, job: str, origin: Origin) -> None:
        """Writes a job's result where it belongs, after what is being written there; if that cannot
        be done, now and then again."""
        turn = self._writing.setdefault(target, asyncio.Lock())
        async with turn:
            await self._write_now(target, job, origin)

    async def _write_now(self, target: Target, job: str, origin: Origin) -> None:
        try:
            found = self._store.result(job) if target.is_there() else None
            if found is None:  # renamed, and found under its new name; or forgotten
                self._unwritten.pop(target, None)
                return
            document, path = found
            told = (target, document, Path(path), job, origin, self._reads)
            await asyncio.to_thread(results.write, *told)
        except sqlite3.OperationalError as error:
            self._keep_unwritten(target, job, origin, "output_failed", f"{error}.")
        except StemlensError as error:
            self._keep_unwritten(target, job, origin, error.code, error.message)
        except Exception as error:  # whatever it is, it is told
            log.exception("the result of %s cannot be written", job)
            self._keep_unwritten(target, job, origin, "internal", f"{error!a}.")
        else:
            if self._unwritten.pop(target, None) is not None:
                self._tell("written", target.prefix or target.folder.name, str(target.folder))

    def _keep_unwritten(
        self, target: Target, job: str, origin: Origin, code: str, why: str
    ) -> None:
        """What is told once for each result."""
        if self._unwritten.get(target) != (job, origin):
            self._unwritten[target] = (job, origin)
            why = f"{why} The result is kept, and this is tried again."
            message = Warning_(job, code, plain(why))
            self._tell("unwritten", target.prefix or target.folder.name, why, message)

    def _write_again(self) -> None:
        now = time.monotonic()
        if self._unwritten and now - self._rewritten >= REWRITE_S:
            self._rewritten = now
            for target, (job, origin) in self._unwritten.items():
                if target not in self._writing:
                    self._begin(self._write(target, job, origin))

    def _target(self, candidate: Candidate) -> Target:
        output = self._settings.watch_output
        if output is None:
            return Target(candidate.place, candidate.prefix)
        inside = candidate.place.relative_to(candidate.root)
        folder = output.absolute() / self._mirrors[candidate.root] / inside
        return Target(folder, candidate.prefix, mirrored=True)


def _apart(folders: Sequence[Path]) -> list[Path]:
    """Folders to be watched, each once by whatever links it is named."""
    return list({os.path.realpath(folder): folder.absolute() for folder in folders}.values())


def _mirrors(roots: Sequence[Path]) -> dict[Path, str]:
    """What each watched folder is called in an output folder; those of one name by a part of the
    hash of their paths too."""
    names = Counter(root.name.casefold() for root in roots)

    def name(root: Path) -> str:
        digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
        return root.name if names[root.name.casefold()] == 1 else f"{root.name}-{digest}"

    return {root: name(root) for root in roots}


def _log(what: str, name: str, more: str) -> None:
    level = logging.WARNING if what in ("waiting", "failed", "unwritten") else logging.INFO
    log.log(level, "%s: %s %s", what, name, more)


def _tell_error(target: Target, error: StemlensError) -> None:
    if not target.is_there():
        return
    try:
        results.write_error(target, error)
    except StemlensError as failure:
        log.warning("%s", plain(failure.message))
