"""The server: answers every message of the protocol and takes jobs through their states.

    open ──submit──▶ queued ──▶ running ──▶ done
      └──────┴─────────┴──────────┴───────▶ failed, cancelled

Everything here runs in one asyncio loop and in one thread; what takes long is elsewhere (hashing in
a thread, tagging in the worker process). A request is answered after the store has it, so that what
is acknowledged survives `kill -9`. Nothing a client sends may stop the loop: what cannot be
understood is counted, logged once a kind, and answered with `/stemlens/error`.
"""

from __future__ import annotations

import asyncio
import hashlib
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock

from stemlens import __version__
from stemlens.audio import MAX_DURATION_S
from stemlens.service.delivery import result_messages, warning_messages
from stemlens.service.freezing import freeze, is_unchanged
from stemlens.service.link import WorkerLink
from stemlens.service.places import Places, default_folders
from stemlens.service.store import Job, JobFile, Reply, Store
from stemlens.service.transport import Peer, TcpPeer, Transport, UdpPeer
from stemlens_bridge import jsontext, osc
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import (
    FINAL_STATES,
    MAX_JOB_ID,
    MAX_TEXT,
    PORT,
    TO_CLIENT,
    VERSION,
    Error,
    JobCancel,
    JobDone,
    JobMix,
    JobOpen,
    JobProgress,
    JobResults,
    JobState,
    JobStatus,
    JobStem,
    JobSubmit,
    Message,
    Options,
    Ping,
    Pong,
    Subscribe,
    decode,
)
from stemlens_bridge.session import Stem, require_text, stem_facts

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PROGRESS_EVERY_S = 0.7  # so that at least one a second is heard
RETRY_STORE_S = 1.0
SUBSCRIPTION_S = 120.0  # subscribers renew each 60 s; one renewal may be lost
MAX_CRASHES = 3
MAX_FAILED_STARTS = 3
MAX_KINDS_LOGGED = 100
MAX_STEMS = 1_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What `stemlens serve` was asked for."""

    data: Path
    host: str = "127.0.0.1"
    port: int = PORT
    device: str = "auto"
    allow: tuple[Path, ...] = ()
    allow_remote: bool = False
    max_duration_s: float = MAX_DURATION_S


@dataclass(slots=True)
class Running:
    """The job that the worker has, and what was last said of it."""

    job: str
    stage: str = "starting"
    fraction: float = 0.0
    told: float = field(default_factory=time.monotonic)


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
        self._places = Places([*default_folders(), *settings.allow])
        self._results = settings.data / "results"
        try:
            self._results.mkdir(parents=True, exist_ok=True)
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
        self._transport = Transport(self._receive, self._refuse)
        self._worker = WorkerLink(settings.device, self._on_event, self._on_death)
        self._running: Running | None = None
        self._freezing: dict[str, threading.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: dict[str, TcpPeer] = {}
        self._subscribers: dict[Peer, float] = {}
        self._misunderstood: Counter[str] = Counter()
        self._stop = asyncio.Event()
        self._answers: dict[type[Message], Callable[[Any, Peer], None]] = {
            Ping: self._ping,
            JobOpen: self._open,
            JobStem: self._stem,
            JobMix: self._mix,
            JobSubmit: self._submit,
            JobStatus: self._status,
            JobCancel: self._cancel,
            JobResults: self._send_results,
            Subscribe: self._subscribe,
        }

    # ------------------------------------------------------------------ life

    async def run(self, on_ready: Callable[[int], None] = lambda port: None) -> None:
        """Serves until SIGINT or SIGTERM; `on_ready` is told the port. Raises `port_in_use`."""
        port = await self._transport.listen(self._settings.host, self._settings.port)
        for job in self._store.requeue_running():
            log.info("job %s is taken up again", job)
        _on_stop_signals(self._stop.set)
        work = asyncio.create_task(self._worker.run())
        ticks = asyncio.create_task(self._tick())
        on_ready(port)
        try:
            stop = asyncio.create_task(self._stop.wait())
            done, _ = await asyncio.wait({stop, work, ticks}, return_when="FIRST_COMPLETED")
            for task in done:
                task.result()
        finally:
            ticks.cancel()
            self._worker.stop()
            for stop_freezing in self._freezing.values():
                stop_freezing.set()
            await self._transport.close()
            await asyncio.gather(work, *self._tasks, return_exceptions=True)
            self._store.close()
            self._lock.release()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_EVERY_S / 3)
            now = time.monotonic()
            running = self._running
            if running is not None and now - running.told >= PROGRESS_EVERY_S:
                self._tell_progress(running)
            for peer, until in list(self._subscribers.items()):
                if now > until or (isinstance(peer, TcpPeer) and peer.closed):
                    del self._subscribers[peer]
            for job, connection in list(self._connections.items()):
                if connection.closed:
                    del self._connections[job]

    # ------------------------------------------------------------------ messages in

    def _receive(self, packet: bytes, peer: Peer) -> None:
        try:
            for message in osc.messages(packet):
                self._handle(decode(message), peer)
        except StemlensError as error:
            self._misunderstand(error, peer)

    def _handle(self, message: Message, peer: Peer) -> None:
        if message.address in TO_CLIENT:
            # Never answered, or two servers could keep each other busy with errors.
            self._misunderstood[message.address] += 1
            return
        job = getattr(message, "job", "")
        try:
            self._answers[type(message)](message, peer)
        except StemlensError as error:
            self._send_error(job, peer, error)
        except sqlite3.OperationalError as error:
            log.error("the database cannot be written: %s", error)
            if not isinstance(message, JobStatus | JobResults):  # those are asked for again
                self._send_error(job, peer, _store_failed(error))
        except Exception as error:  # whatever it is, the loop goes on and the client hears of it
            log.exception("%s could not be answered", message.address)
            self._send_error(job, peer, _internal(error))

    def _misunderstand(self, error: StemlensError, peer: Peer) -> None:
        self._refuse(error, peer.host, peer)

    def _refuse(self, error: StemlensError, host: str, peer: Peer | None) -> None:
        """Counts what cannot be understood, logs it once a kind, and answers where possible."""
        what = "" if error.code == "unknown_address" else re.sub(r"[0-9]+", "#", error.message)
        kind = f"{error.code} {what}"
        if kind in self._misunderstood or len(self._misunderstood) < MAX_KINDS_LOGGED:
            if kind not in self._misunderstood:
                log.warning("from %s: %s (said once)", host, error.message)
            self._misunderstood[kind] += 1
        if peer is not None:
            self._send(peer, Error("", error.code, error.message))

    def _ping(self, message: Ping, peer: Peer) -> None:
        self._send(self._named(peer, message.reply_port), Pong(__version__, VERSION))

    def _open(self, message: JobOpen, peer: Peer) -> None:
        if not 1 <= len(message.job) <= MAX_JOB_ID:
            raise StemlensError("bad_message", f"A job id has 1 to {MAX_JOB_ID} characters.")
        require_text(message.daw, MAX_TEXT)
        require_text(message.project, MAX_TEXT)
        Options.from_json(message.options)
        self._named(peer, message.reply_port)
        job = self._store.job(message.job)
        told = (message.daw, message.project, message.options)
        if job is None or (job.state == "open" and message.job not in self._freezing):
            self._store.open(message.job, *told)
        elif (job.daw, job.project, job.options) != told:
            raise _exists(message.job)
        self._turn_to(message.job, peer, message.reply_port, opened=True)
        self._acknowledge(message.job)

    def _stem(self, message: JobStem, peer: Peer) -> None:
        stem = stem_of(message)
        facts = {"kind": stem.kind, "group": stem.group, **stem.facts}
        file = JobFile(stem.id, stem.name, str(stem.path), stem.gain_db, json.dumps(facts))
        self._put(message.job, file, peer)

    def _mix(self, message: JobMix, peer: Peer) -> None:
        self._put(message.job, JobFile("", "mix", message.path, 0.0, "{}", is_mix=True), peer)

    def _put(self, job_id: str, file: JobFile, peer: Peer) -> None:
        job = self._known(job_id)
        self._places.check(file.path)
        if job.state == "open" and job_id not in self._freezing:
            if self._store.stem_count(job_id) >= MAX_STEMS:
                raise StemlensError("session_invalid", f"A session has up to {MAX_STEMS} stems.")
            self._store.put_file(job_id, file)
        elif not any(_same(file, kept) for kept in self._store.files(job_id)):
            raise _exists(job_id)
        self._acknowledge(job_id, peer)

    def _submit(self, message: JobSubmit, peer: Peer) -> None:
        job = self._known(message.job)
        files = self._store.files(message.job)
        mixes = sum(file.is_mix for file in files)
        arrived = (len(files) - mixes, mixes)
        if job.state == "open" and (arrived[0] < message.stems or arrived[1] < message.mix):
            raise StemlensError(
                "missing_stems",
                f"{arrived[0]} of {message.stems} stems and {arrived[1]} of {message.mix} mixes "
                "have arrived; send them again, then submit.",
            )
        if arrived != (message.stems, message.mix) or not files or message.stems < 1:
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
            self._acknowledge(message.job, peer)

    async def _fixed(self, job: str, work: Awaitable[None], peer: Peer) -> None:
        """Does the part of a submit that takes long, and answers it."""
        try:
            await work
            self._acknowledge(job, peer)
        except StemlensError as error:
            if error.code != "cancelled":
                self._send_error(job, peer, error)
        except sqlite3.OperationalError as error:
            log.error("the database cannot be written: %s", error)
            self._send_error(job, peer, _store_failed(error))
        except Exception as error:
            log.exception("job %s could not be queued", job)
            self._send_error(job, peer, _internal(error))
        finally:
            del self._freezing[job]
        self._next()

    async def _freeze(self, job: str, files: list[JobFile], stop: threading.Event) -> None:
        """A first submit: the files are fixed as they are now."""
        for file in files:
            self._places.check(file.path)
        frozen = await asyncio.to_thread(lambda: [freeze(file, stop) for file in files])
        if self._known(job).state == "open" and not self._stop.is_set():
            self._store.queue(job, frozen)
            self._announce(job)

    async def _compare(self, job: str, files: list[JobFile], stop: threading.Event) -> None:
        """A submit that came before: harmless if the files that are still there are the same."""
        there = [file for file in files if file.sha256 and os.path.exists(file.path)]
        if not await asyncio.to_thread(lambda: all(is_unchanged(file, stop) for file in there)):
            raise _exists(job)

    def _status(self, message: JobStatus, peer: Peer) -> None:
        job = self._known(message.job)
        self._turn_to(message.job, peer)
        self._acknowledge(message.job)
        if job.error_code is not None:
            self._to_job(message.job, Error(job.id, job.error_code, job.error or ""))

    def _cancel(self, message: JobCancel, peer: Peer) -> None:
        job = self._known(message.job)
        if job.state not in FINAL_STATES:
            self._store.set_state(message.job, "cancelled", ("cancelled", "The job was cancelled."))
            if message.job in self._freezing:
                self._freezing[message.job].set()
            if self._running is not None and self._running.job == message.job:
                self._worker.send({"cancel": message.job})
            self._announce(message.job)
        self._acknowledge(message.job, peer)

    def _send_results(self, message: JobResults, peer: Peer) -> None:
        job = self._known(message.job)
        self._turn_to(message.job, peer)
        self._acknowledge(message.job)
        to = self._job_peer(message.job)
        if to is None or to.busy:
            return  # what was asked for before is still on its way; a client asks again
        found = self._store.result(message.job)
        if found is not None:
            self._deliver(job, *found, seqs=set(message.seqs))

    def _subscribe(self, message: Subscribe, peer: Peer) -> None:
        self._subscribers[self._named(peer, message.reply_port)] = time.monotonic() + SUBSCRIPTION_S

    # ------------------------------------------------------------------ the worker

    def _next(self) -> None:
        """Gives the worker its next job, if it is free and there is one."""
        if self._running is not None or not self._worker.ready:
            return
        job = self._store.next_queued()
        if job is None:
            return
        self._running = Running(job.id)
        self._store.set_state(job.id, "running")
        files = self._store.files(job.id)
        self._worker.send(
            {
                "run": {
                    "job": job.id,
                    "daw": job.daw,
                    "project": job.project,
                    "options": job.options,
                    "files": [
                        {name: getattr(file, name) for name in JobFile.__slots__} for file in files
                    ],
                    "npz": str(self._result_path(job.id, ".npz")),
                    "max_duration_s": self._settings.max_duration_s,
                }
            }
        )
        self._announce(job.id)

    def _on_event(self, event: dict[str, Any]) -> None:
        kind, job = event["event"], event["job"]
        if kind == "ready":
            self._next()
        elif self._running is not None and self._running.job == job:
            if kind == "progress":
                self._running.stage, self._running.fraction = event["stage"], event["fraction"]
                self._tell_progress(self._running)
            else:
                self._settle(job, event)

    def _settle(self, job: str, event: dict[str, Any]) -> None:
        """Ends the running job by what the worker said of it, and starts the next.

        Whatever goes wrong here fails this job; only a store that is full or locked is waited for.
        """
        try:
            if self._known(job).state == "running":
                if event["event"] == "done":
                    self._finish(job, event["result"])
                elif event["event"] == "failed":
                    self._fail(job, event["code"], event["message"])
            self._running = None
            self._next()
        except sqlite3.OperationalError as error:
            log.error("the database cannot be written (%s); trying again", error)
            if not self._stop.is_set():
                asyncio.get_running_loop().call_later(RETRY_STORE_S, self._settle, job, event)
        except Exception as error:
            log.exception("job %s could not be finished", job)
            failure = _internal(error)
            again = {"event": "failed", "code": failure.code, "message": failure.message}
            if event["event"] == "done":
                self._settle(job, again)

    def _finish(self, job: str, result: dict[str, Any]) -> None:
        path = self._result_path(job, ".json")
        try:
            jsontext.write(path, result)
        except StemlensError as error:
            self._fail(job, error.code, error.message)
            return
        tags = Options.from_json(self._known(job).options).tags
        for message in result_messages(job, result, tags):
            message.encode()  # what cannot be sent must not be kept as done
        self._store.finish(job, result, path)
        self._announce(job)
        self._deliver(self._known(job), result, str(path))

    def _fail(self, job: str, code: str, message: str) -> None:
        log.warning("job %s failed: %s", job, message)
        self._store.set_state(job, "failed", (code, message))
        self._announce(job)
        self._to_job(job, Error(job, code, message), also_subscribers=True)

    def _on_death(self, code: int, failed_starts: int) -> None:
        running = self._running
        try:
            if running is not None and self._known(running.job).state == "running":
                self._retry(running.job, code)
            self._running = None
            if failed_starts >= MAX_FAILED_STARTS:
                while (job := self._store.next_queued()) is not None:
                    why = f"The process that analyses cannot start (code {code}). The log says why."
                    self._fail(job.id, "worker_died", why)
        except sqlite3.OperationalError as error:
            log.error("the database cannot be written (%s); trying again", error)
            if not self._stop.is_set():
                loop = asyncio.get_running_loop()
                loop.call_later(RETRY_STORE_S, self._on_death, code, failed_starts)

    def _retry(self, job: str, code: int) -> None:
        """Queues a job again after a worker died over it, but not forever."""
        crashes = self._store.count_crash(job)
        if crashes < MAX_CRASHES:
            log.warning("job %s is tried again", job)
            self._store.set_state(job, "queued")
            self._announce(job)
        else:
            self._fail(
                job,
                "worker_died",
                f"The process that analyses died {crashes} times over this session (code {code}), "
                "most likely for want of memory. Analyse fewer stems or a shorter passage.",
            )

    def _result_path(self, job: str, ending: str) -> Path:
        """A file for a job's result; job ids are clients' text and may be no file names."""
        plain = re.sub(r"[^A-Za-z0-9]+", "-", job).strip("-")[:40]
        digest = hashlib.sha256(job.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return self._results / f"{plain or 'job'}-{digest}{ending}"

    # ------------------------------------------------------------------ messages out

    def _send(self, peer: Peer, message: Message) -> None:
        peer.send(message.encode())

    def _send_error(self, job: str, peer: Peer, error: StemlensError) -> None:
        self._send(self._reply_peer(job, peer), Error(job, error.code, error.message))

    def _named(self, peer: Peer, reply_port: int) -> Peer:
        """The sender, or another port on the sender's host."""
        if not 0 <= reply_port < 65_536:
            raise StemlensError("bad_message", f"There is no port {reply_port}.")
        if reply_port and isinstance(peer, UdpPeer):
            return UdpPeer(self._transport.udp, peer.host, reply_port)
        return peer

    def _turn_to(self, job: str, peer: Peer, reply_port: int = 0, opened: bool = False) -> None:
        """From now on what concerns the job goes to this peer.

        A client that named a port when it opened the job keeps it when it asks from other ports of
        its host (tools that send each message from a new socket do).
        """
        if isinstance(peer, TcpPeer):
            self._connections[job] = peer
            return
        assert isinstance(peer, UdpPeer)
        self._connections.pop(job, None)
        named = self._named(peer, reply_port)
        assert isinstance(named, UdpPeer)
        known = self._known(job).reply
        if not opened and known is not None and known.fixed and known.host == peer.host:
            return
        self._store.set_reply(job, Reply(named.host, named.port, fixed=bool(reply_port)))

    def _job_peer(self, job: str) -> Peer | None:
        connection = self._connections.get(job)
        if connection is not None and not connection.closed:
            return connection
        kept = self._store.job(job)
        if kept is None or kept.reply is None:
            return None
        return UdpPeer(self._transport.udp, kept.reply.host, kept.reply.port)

    def _reply_peer(self, job: str, peer: Peer) -> Peer:
        """Where a request is answered: at its sender, unless the job's client named a port."""
        kept = self._store.job(job)
        if kept is None or kept.reply is None or not isinstance(peer, UdpPeer):
            return peer
        if kept.reply.fixed and kept.reply.host == peer.host:
            return UdpPeer(self._transport.udp, peer.host, kept.reply.port)
        return peer

    def _acknowledge(self, job: str, peer: Peer | None = None) -> None:
        to = self._job_peer(job) if peer is None else self._reply_peer(job, peer)
        if to is not None:
            self._send(to, self._state(job))

    def _announce(self, job: str) -> None:
        self._to_job(job, self._state(job), also_subscribers=True)

    def _to_job(self, job: str, message: Message, also_subscribers: bool = False) -> None:
        peer = self._job_peer(job)
        if peer is not None:
            self._send(peer, message)
        if also_subscribers:
            for subscriber in self._subscribers:
                if subscriber != peer:
                    self._send(subscriber, message)

    def _tell_progress(self, running: Running) -> None:
        running.told = time.monotonic()
        self._to_job(running.job, JobProgress(running.job, running.stage, running.fraction), True)

    def _deliver(
        self, job: Job, result: dict[str, Any], path: str, seqs: set[int] | None = None
    ) -> None:
        """Sends a result: all of it, or only the messages with the given numbers."""
        numbered = result_messages(job.id, result, Options.from_json(job.options).tags)
        done = JobDone(job.id, result["revision"], path, len(numbered))
        chosen = [m for seq, m in enumerate(numbered, 1) if not seqs or seq in seqs]
        first_time = seqs is None
        for message in [*warning_messages(job.id, result), *chosen, done]:
            self._to_job(job.id, message, also_subscribers=first_time)

    # ------------------------------------------------------------------ small things

    def _known(self, job: str) -> Job:
        found = self._store.job(job)
        if found is None:
            raise StemlensError(
                "job_unknown", f"There is no job {job[:MAX_JOB_ID]!r}; open it first."
            )
        return found

    def _state(self, job: str) -> JobState:
        return JobState(job, self._known(job).state, self._store.stem_count(job))


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
