"""The server: answers every message of the protocol.

    open ──submit──▶ queued ──▶ running ──▶ done
      └──────┴─────────┴──────────┴───────▶ failed, cancelled

Everything here runs in one asyncio loop and in one thread; what takes long is elsewhere (hashing in
a thread, tagging in the worker process). A request is answered after the store has it, so that what
is acknowledged survives `kill -9`. Nothing a client sends may stop the loop: what cannot be
understood is counted, logged once a kind, and answered with `/stemlens/error`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import filelock

from stemlens import __version__
from stemlens.explain import intended
from stemlens.separation import demucs_models
from stemlens.service import diskspace, logs
from stemlens.service.door import Door, key_file
from stemlens.service.freezing import freeze, is_unchanged
from stemlens.service.hosts import is_loopback, one_address
from stemlens.service.panel_link import PanelLink
from stemlens.service.places import Places, default_folders
from stemlens.service.rates import Buckets
from stemlens.service.replies import Replies
from stemlens.service.runner import Runner
from stemlens.service.settings import Settings
from stemlens.service.store import JobFile, Store
from stemlens.service.transport import Peer, TcpPeer, Transport
from stemlens.service.uploads import folder_of
from stemlens.service.watch.desk import WatchDesk
from stemlens_bridge import jsontext, osc
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.keys import LOOPBACK
from stemlens_bridge.protocol import (
    FINAL_STATES,
    MAX_JOB_ID,
    MAX_TEXT,
    TO_CLIENT,
    VERSION,
    Error,
    Explain,
    Health,
    Healthy,
    JobCancel,
    JobFirst,
    JobMix,
    JobOpen,
    JobResults,
    JobStatus,
    JobStem,
    JobSubmit,
    LiveClose,
    LiveGain,
    LiveMute,
    LiveOpen,
    LiveState,
    Message,
    Options,
    Ping,
    Pong,
    Subscribe,
    Suggest,
    TrialCancel,
    Try,
    Verify,
    decode,
)
from stemlens_bridge.session import Stem, require_text, stem_facts

log = logging.getLogger(__name__)

TICK_S = 0.25
NEXT_PORTS = 20
MAX_KINDS_LOGGED = 100
MAX_STEMS = 1_000
STRANGE = 1_000  # what another machine's message costs that makes no sense or has no stamp
COMPLAINTS, MAX_COMPLAINTS = 20, 500  # answers a second to what a host sends that makes no sense


class Server:
    """One server on one data folder."""

    def __init__(self, settings: Settings) -> None:
        if settings.host not in LOOPBACK and not settings.allow_remote:
            raise StemlensError(
                "remote_not_allowed",
                f"--host {settings.host} would let other machines use this server. If you want "
                "that, add --allow-remote.",
            )
        self._settings = settings
        own = (settings.data / "unpacked", folder_of(settings.data))
        self._places = Places([*default_folders(), *settings.allow, *settings.watch, *own])
        results = settings.data / "results"
        try:
            results.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StemlensError(
                "output_failed", f"{settings.data} cannot be used: {error.strerror}."
            ) from error
        self._lock = filelock.FileLock(settings.data / "lock")
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise StemlensError(
                "data_in_use",
                f"Another server uses {settings.data}. Stop it, or choose another folder "
                "with --data.",
            ) from error
        self._store = Store(settings.data / "jobs.sqlite3")
        self._door = Door.of(settings)
        self._transport = Transport(self._receive, self._refuse, self._door.seal)
        self._complaints = Buckets(COMPLAINTS, MAX_COMPLAINTS)
        self._replies = Replies(self._store, self._transport)
        self._runner = Runner(self._store, self._replies, results, settings, self._places)
        self._started = time.monotonic()
        self._panel = PanelLink(settings, self._places) if settings.panel else None
        self.watch: WatchDesk | None = None
        if settings.watch:
            self.watch = WatchDesk(
                settings, self._store, self._places, self._replies, self._runner.start_next
            )
            self._replies.listeners.append(self.watch.hear)
        self._freezing: dict[str, threading.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._misunderstood: Counter[str] = Counter()
        self._stop = asyncio.Event()
        self._answers: dict[type[Message], Callable[[Any, Peer], None]] = {
            Ping: self._ping,
            Health: self._health,
            JobOpen: self._open,
            JobStem: self._stem,
            JobMix: self._mix,
            JobSubmit: self._submit,
            JobStatus: self._status,
            JobCancel: self._cancel,
            JobFirst: self._first,
            JobResults: self._results,
            Subscribe: self._subscribe,
            LiveOpen: self._runner.live.open,
            LiveGain: self._runner.live.gain,
            LiveMute: self._runner.live.mute,
            LiveState: self._runner.live.state,
            LiveClose: self._runner.live.close,
            Try: self._runner.trials.ask_to_try,
            Suggest: self._runner.trials.ask_to_suggest,
            Explain: self._runner.trials.ask_to_explain,
            TrialCancel: self._runner.trials.cancel,
            Verify: self._runner.trials.verify,
        }

    # ------------------------------------------------------------------ life

    async def run(self, on_ready: Callable[[int], None] = lambda port: None) -> None:
        """Serves until SIGINT or SIGTERM; `on_ready` is told the port. Raises `port_in_use`."""
        port = await self._listen(one_address(self._settings.host))
        for job in self._store.requeue_running():
            log.info("job %s is taken up again", job)
        _on_stop_signals(self._stop.set)
        work = asyncio.create_task(self._runner.run())
        ticks = asyncio.create_task(self._tick())
        watching = asyncio.create_task(self.watch.run() if self.watch else self._stop.wait())
        panel = asyncio.create_task(self._panel.run(port)) if self._panel else None
        on_ready(port)
        try:
            stop = asyncio.create_task(self._stop.wait())
            done, _ = await asyncio.wait(
                {stop, work, ticks, watching}, return_when="FIRST_COMPLETED"
            )
            for task in done:
                task.result()
        finally:
            ticks.cancel()
            if self._panel and panel:
                self._panel.stop()
                panel.cancel()
            self._runner.stop()
            self._stop.set()
            if self.watch:
                self.watch.stop()
            for stop_freezing in self._freezing.values():
                stop_freezing.set()
            await self._transport.close()
            await asyncio.gather(work, watching, *self._tasks, return_exceptions=True)
            self._store.close()
            self._lock.release()

    def stop(self) -> None:
        """Ends `run`, as SIGTERM does."""
        self._stop.set()

    async def _listen(self, host: str) -> int:
        """Listens on the port wanted, or if that is taken and it may be, on one soon after it."""
        wanted = self._settings.port
        more = NEXT_PORTS if self._settings.next_port and wanted else 0
        last = min(wanted + more, 65_535)
        for port in range(wanted, last):
            with suppress(StemlensError):
                return await self._transport.listen(host, port)
        return await self._transport.listen(host, last)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._runner.tick()
            self._replies.forget_gone()

    # ------------------------------------------------------------------ what comes in

    def _receive(self, packet: bytes, peer: Peer) -> int:
        """Answers what is in a packet; returns how many messages that were, and more for what no
        client of another machine sends."""
        cost = 0
        try:
            for message in osc.messages(packet):
                cost += 1
                bare = self._door.admitted(message, peer.host)
                if isinstance(peer, TcpPeer):
                    peer.admitted = True
                if bare is not None:
                    self._handle(decode(bare), peer)
        except StemlensError as error:
            self._refuse(error, peer.host, peer)
            cost += 1 if is_loopback(peer.host) else STRANGE
        return cost

    def _handle(self, message: Message, peer: Peer) -> None:
        if message.address in TO_CLIENT:
            # Never answered, or two servers could keep each other busy with errors.
            self._misunderstood[message.address] += 1
            return
        job = getattr(message, "job", "")
        try:
            self._answers[type(message)](message, peer)
        except StemlensError as error:
            self._replies.error(job, peer, error)
        except sqlite3.OperationalError as error:
            log.error("the database cannot be written: %s", error)
            if not isinstance(message, JobStatus | JobResults):  # those are asked for again
                self._replies.error(job, peer, _store_failed(error))
        except Exception as error:  # whatever it is, the loop goes on and the client hears of it
            log.exception("%s could not be answered", message.address)
            self._replies.error(job, peer, _internal(error))

    def _refuse(self, error: StemlensError, host: str, peer: Peer | None) -> None:
        """Counts what cannot be understood, logs it once a kind, and answers where possible."""
        what = "" if error.code == "unknown_address" else re.sub(r"[0-9]+", "#", error.message)
        kind = f"{error.code} {what}"
        if kind in self._misunderstood or len(self._misunderstood) < MAX_KINDS_LOGGED:
            if kind not in self._misunderstood:
                log.warning("from %s: %s (said once)", host, error.message)
            self._misunderstood[kind] += 1
        complaints = self._complaints.of(host)
        if peer is not None and not complaints.debt_s:
            complaints.take()
            peer.send(Error("", error.code, error.message).encode())

    # ------------------------------------------------------------------ the answers

    def _ping(self, message: Ping, peer: Peer) -> None:
        self._replies.named(peer, message.reply_port).send(Pong(__version__, VERSION).encode())

    def _health(self, message: Health, peer: Peer) -> None:
        report = {
            "version": __version__,
            "uptime_s": time.monotonic() - self._started,
            "data": str(self._settings.data),
            "log": logs.current(),
            "panel": self._panel.url if self._panel else None,
            "key": str(key) if (key := key_file(self._settings)) else None,
            "free_gb": diskspace.free_gb(self._settings.data),
            **self._runner.health(),
        }
        self._replies.named(peer, message.reply_port).send(Healthy(json.dumps(report)).encode())

    def _open(self, message: JobOpen, peer: Peer) -> None:
        if not 1 <= len(message.job) <= MAX_JOB_ID:
            raise StemlensError("bad_message", f"A job id has 1 to {MAX_JOB_ID} characters.")
        require_text(message.daw, MAX_TEXT)
        require_text(message.project, MAX_TEXT)
        options = Options.from_json(message.options)
        intended.require_known(options)
        if options.same_level_as is not None and self._store.result(options.same_level_as) is None:
            raise StemlensError(
                "trial_impossible",
                f"The job {options.same_level_as!r} (same_level_as) has no result to compare with.",
            )
        if demucs_models.is_folder(options.separator):
            self._places.check(options.separator)
        self._replies.named(peer, message.reply_port)  # all that can be wrong is said before
        job = self._store.job(message.job)
        told = (message.daw, message.project, message.options)
        if job is None or (job.state == "open" and message.job not in self._freezing):
            self._store.open(message.job, *told)
        elif (job.daw, job.project, job.options) != told:
            raise _exists(message.job)
        self._replies.turn_to(message.job, peer, message.reply_port, opened=True)
        self._replies.tell_state(message.job)

    def _stem(self, message: JobStem, peer: Peer) -> None:
        stem = stem_of(message)
        self._put(message.job, JobFile.of_stem(stem), peer)

    def _mix(self, message: JobMix, peer: Peer) -> None:
        self._put(message.job, JobFile.of_mix(message.path), peer)

    def _put(self, job_id: str, file: JobFile, peer: Peer) -> None:
        job = self._store.known(job_id)
        self._places.check(file.path)
        if self._store.stem_count(job_id) > MAX_STEMS:
            raise _too_many_stems()
        if job.state == "open" and job_id not in self._freezing:
            self._store.put_file(job_id, file)
        elif not any(_same(file, kept) for kept in self._store.files(job_id)):
            raise _exists(job_id)
        self._replies.acknowledge(job_id, peer)

    def _submit(self, message: JobSubmit, peer: Peer) -> None:
        job = self._store.known(message.job)
        files = self._store.files(message.job)
        mixes = sum(file.is_mix for file in files)
        arrived = (len(files) - mixes, mixes)
        if arrived[0] > MAX_STEMS:
            raise _too_many_stems()
        if job.state == "open" and (arrived[0] < message.stems or arrived[1] < message.mix):
            raise StemlensError(
                "missing_stems",
                f"{arrived[0]} of {message.stems} stems and {arrived[1]} of {message.mix} mixes "
                "have arrived; send them again, then submit.",
            )
        if arrived != (message.stems, message.mix) or not files:
            if job.state != "open":
                raise _exists(message.job)
            raise StemlensError(
                "session_invalid",
                f"{arrived[0]} stems and {arrived[1]} mixes have arrived, and {message.stems} and "
                f"{message.mix} were announced. Open the session under a new job id.",
            )
        if message.job not in self._freezing:
            stop = self._freezing[message.job] = threading.Event()
            work = self._freeze if job.state == "open" else self._compare
            task = asyncio.get_running_loop().create_task(
                self._fixed(message.job, work(message.job, files, stop), peer)
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if job.state == "open":
            self._replies.acknowledge(message.job, peer)

    async def _fixed(self, job: str, work: Awaitable[None], peer: Peer) -> None:
        """Does the part of a submit that takes long, and answers it."""
        try:
            await work
            self._replies.acknowledge(job, peer)
        except StemlensError as error:
            if error.code != "cancelled":
                self._replies.error(job, peer, error)
        except sqlite3.OperationalError as error:
            log.error("the database cannot be written: %s", error)
            self._replies.error(job, peer, _store_failed(error))
        except Exception as error:
            log.exception("job %s could not be queued", job)
            self._replies.error(job, peer, _internal(error))
        finally:
            del self._freezing[job]
        self._runner.start_next()

    async def _freeze(self, job: str, files: list[JobFile], stop: threading.Event) -> None:
        """A first submit: the files are fixed as they are now."""
        frozen = await asyncio.to_thread(lambda: [freeze(one, stop, self._places) for one in files])
        if self._store.known(job).state == "open" and not self._stop.is_set():
            for older in self._store.queue(job, frozen):
                log.info("job %s takes the place of %s", job, older)
                self._replies.tell_state(older, subscribers=True)
                self._tell_error(older)
            self._replies.tell_state(job, subscribers=True)

    async def _compare(self, job: str, files: list[JobFile], stop: threading.Event) -> None:
        """A submit that came before: harmless if the files that are still there are the same."""
        there = [file for file in files if file.sha256 and os.path.exists(file.path)]
        same = (is_unchanged(file, self._places, stop) for file in there)
        if not await asyncio.to_thread(all, same):
            raise _exists(job)

    def _status(self, message: JobStatus, peer: Peer) -> None:
        job = self._store.known(message.job)
        self._replies.turn_to(job.id, peer)
        self._replies.tell_state(job.id)
        self._tell_error(job.id)

    def _tell_error(self, job_id: str) -> None:
        job = self._store.known(job_id)
        if job.error_code is not None:
            self._replies.tell(job.id, Error(job.id, job.error_code, job.error or ""))

    def _first(self, message: JobFirst, peer: Peer) -> None:
        job = self._store.known(message.job)
        if job.state not in FINAL_STATES:
            self._store.put_first(job.id)
        self._replies.acknowledge(job.id, peer)

    def _cancel(self, message: JobCancel, peer: Peer) -> None:
        job = self._store.known(message.job)
        if job.state not in FINAL_STATES:
            self._store.set_state(job.id, "cancelled", ("cancelled", "The job was cancelled."))
            if job.id in self._freezing:
                self._freezing[job.id].set()
            self._runner.cancel(job.id)
            self._replies.tell_state(job.id, subscribers=True)
        self._replies.acknowledge(job.id, peer)

    def _results(self, message: JobResults, peer: Peer) -> None:
        job = self._store.known(message.job)
        self._replies.turn_to(job.id, peer)
        self._replies.tell_state(job.id)
        if self._replies.is_busy(job.id):
            return  # what was asked for before is still on its way; a client asks again
        found = self._store.result(job.id)
        if found is not None:
            self._replies.deliver(job.id, *found, seqs=frozenset(message.seqs))

    def _subscribe(self, message: Subscribe, peer: Peer) -> None:
        self._replies.subscribe(peer, message.reply_port)


def stem_of(message: JobStem) -> Stem:
    """The stem that a message tells of, checked; raises `session_invalid`."""
    try:
        facts = jsontext.read(message.facts or "{}")
    except ValueError as error:
        raise StemlensError(
            "session_invalid", f"The facts of the stem {message.name!r} are not JSON: {error}."
        ) from error
    if not isinstance(facts, dict):
        raise StemlensError(
            "session_invalid", f"The facts of the stem {message.name!r} are no JSON object."
        )
    known = {key: value for key, value in facts.items() if value is not None}
    known = stem_facts(known, f"stem {message.name!r}")
    kind, group = known.pop("kind", "track"), known.pop("group", None)
    path = Path(message.path)
    return Stem(message.track, message.name, path, message.gain_db, kind, group, known)


def _internal(error: Exception) -> StemlensError:
    return StemlensError(
        "internal", f"{type(error).__name__}: {error}. This should not happen; the log says more."
    )


def _store_failed(error: sqlite3.Error) -> StemlensError:
    return StemlensError(
        "output_failed",
        f"The server cannot write its database ({error}). Is the disk full? Nothing was promised; "
        "submit again when that is mended.",
    )


def _too_many_stems() -> StemlensError:
    return StemlensError("session_invalid", f"A session has up to {MAX_STEMS} stems.")


def _exists(job: str) -> StemlensError:
    return StemlensError(
        "job_exists", f"There is a job {job!r} with other content; choose another id."
    )


def _same(one: JobFile, other: JobFile) -> bool:
    def told(file: JobFile) -> tuple[object, ...]:
        return (file.is_mix, file.track, file.name, file.path, file.gain_db, json.loads(file.facts))

    return told(one) == told(other)


def _on_stop_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
        else:
            loop.add_signal_handler(number, stop)
