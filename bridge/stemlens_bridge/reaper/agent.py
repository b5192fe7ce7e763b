"""The process at the other end of REAPER's mailbox: `stemlens-bridge reaper agent`.

The scripts start it in the background when they need it and it is not there; it ends by itself when
nobody has asked anything for ten minutes and no job runs. There is one for each mailbox. Its first
duty is to live: it says so every second, takes requests within a twentieth of one, and leaves
everything that takes time to threads.

What it has to say goes to the mailbox, and to `agent.log` beside it; nobody sees its terminal.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from stemlens_bridge import __version__, protocol
from stemlens_bridge.client import Client
from stemlens_bridge.edits import ExplainOptions, SuggestOptions
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.jsontext import is_number
from stemlens_bridge.moves import Move
from stemlens_bridge.reaper.inquiry import (
    Ask,
    Inquiry,
    explanation,
    suggestions,
    verification,
)
from stemlens_bridge.reaper.job import Job, aside
from stemlens_bridge.reaper.lock import Lock
from stemlens_bridge.reaper.mailbox import (
    OUTDATED,
    VERSION,
    Damaged,
    Mailbox,
    Request,
)
from stemlens_bridge.reaper.playing import Playing
from stemlens_bridge.writing import failed

log = logging.getLogger(__name__)

POLL_S = 0.05
BEAT_S = 1.0
IDLE_S = 600.0
HELLO_PATIENCE_S = 1.0
LOG_BYTES, LOGS = 500_000, 2


class Agent:
    """Serves one mailbox; `server` is asked where a request names no other."""

    def __init__(
        self,
        mailbox: Mailbox,
        server: tuple[str, int],
        transport: str = "udp",
        idle_s: float = IDLE_S,
    ) -> None:
        self._mailbox = mailbox
        self._server, self._transport = server, transport
        self._idle_s = idle_s
        self._playing: Playing | None = None
        self._jobs: dict[str, Job] = {}
        self._inquiries: dict[str, Inquiry] = {}
        self._beat = time.time_ns() // 1_000_000  # never a dead agent's last one again
        self._bye = False
        self._beside: list[threading.Thread] = []
        self._complaint = ""
        self._handlers: dict[str, Callable[[Request], Mapping[str, Any] | None]] = {
            "hello": self._hello,
            "plan": self._plan,
            "submit": self._take_job,
            "results": self._results,
            "cancel": self._cancel,
            "live": self._live,
            "suggest": self._suggest,
            "explain": self._explain,
            "verify": self._verify,
            "bye": self._take_bye,
        }

    def run(self, stop: threading.Event) -> None:
        """Serves until `stop` is set, the last script says goodbye, or nobody comes any more."""
        log.info("serves %s for %s:%s", self._mailbox.folder, *self._server)
        asked = time.monotonic()
        beat_due = 0.0
        try:
            while not stop.is_set():
                now = time.monotonic()
                if now >= beat_due:
                    beat_due = now + BEAT_S
                    self._live_on()
                if self._took():
                    asked = time.monotonic()
                if self._playing is not None:
                    self._complained(self._playing.tell)
                busy = not all(job.settled for job in self._jobs.values())
                busy = busy or not all(inquiry.settled for inquiry in self._asked())
                if not busy and (self._bye or now - asked > self._idle_s):
                    self._mailbox.silence()
                    if not self._took():  # what came at the last moment is still answered
                        break
                    asked, beat_due = time.monotonic(), 0.0
                if not self._mailbox.folder.is_dir():
                    log.info("the mailbox is gone")
                    break
                stop.wait(POLL_S)
        finally:
            self._end_live()
            for thread in self._beside:
                thread.join(2 * HELLO_PATIENCE_S)
            self._mailbox.silence()
            log.info("ends")

    def _live_on(self) -> None:
        self._beat += 1
        beat = {"pid": os.getpid(), "version": __version__, "mailbox": VERSION, "beat": self._beat}
        self._complained(lambda: self._mailbox.beat(beat))
        for job in list(self._jobs.values()):
            if job.settled:
                del self._jobs[job.job]
            else:
                job.watch()
        for inquiry in self._asked():
            if inquiry.settled:
                del self._inquiries[inquiry.request]
            else:
                inquiry.watch()

    def _asked(self) -> list[Inquiry]:
        return list(self._inquiries.values())

    def _took(self) -> bool:
        """Takes all requests that are there; whether there were any."""
        took = False

        def take() -> None:
            nonlocal took
            for request in self._mailbox.requests():
                took = True
                if isinstance(request, Damaged):
                    log.warning("%s", request.error)
                    self._mailbox.refuse(request.reply_to, request.error)
                else:
                    self._handle(request)

        self._complained(take)
        return took

    def _complained(self, work: Callable[[], None]) -> None:
        """Does `work`; a full disk or a folder that is shut for a while does not end the agent."""
        try:
            work()
        except StemlensError as error:
            if error.message != self._complaint:  # once, not twenty times a second
                log.error("%s [%s]", error, error.code)
            self._complaint = error.message

    def _handle(self, request: Request) -> None:
        log.debug("%s %s", request.kind, request.id)
        self._bye = False  # whoever asks after a goodbye is still there
        try:
            reply = self._handlers[request.kind](request)
        except StemlensError as error:
            log.info("%s: %s [%s]", request.kind, error, error.code)
            self._mailbox.refuse(request.id, error)
        except Exception as error:
            log.exception("%s", request.kind)
            message = f"Something went wrong in the bridge ({error}); its log says more."
            self._mailbox.refuse(request.id, StemlensError("internal", message))
        else:
            if reply is not None:
                self._mailbox.reply(request.id, {"ok": True, **reply})

    def _server_of(self, request: Request) -> tuple[str, int]:
        """The server that the script's settings name; else the one given at the start."""
        named = request.body.get("server")
        if named is None:
            return self._server
        host, _, port = str(named).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise StemlensError(
                "bad_options",
                f"The server {named!r} in the settings is not HOST:PORT, like 127.0.0.1:9420.",
            )
        return host.strip("[]"), int(port)

    # ------------------------------------------------------------------ the requests

    def _hello(self, request: Request) -> None:
        server = self._server_of(request)

        def greet() -> None:
            found: dict[str, Any] = {"reachable": False}
            try:
                with Client(server, self._transport) as client:
                    pong = client.ping(HELLO_PATIENCE_S)
                found = {"reachable": True, "version": pong.version, "message": ""}
                if pong.protocol != protocol.VERSION:
                    found["message"] = (
                        f"The server speaks version {pong.protocol} of the protocol and the bridge "
                        f"{protocol.VERSION}; install the same version of both."
                    )
            except StemlensError as error:
                found["message"] = error.message
            self._mailbox.reply(request.id, {"ok": True, "version": __version__, "server": found})

        self._beside = [thread for thread in self._beside if thread.is_alive()]
        self._beside.append(aside(greet))

    def _plan(self, request: Request) -> Mapping[str, Any]:
        from stemlens_bridge.routing import Track, cut

        tracks = _list(request, "tracks")
        choices = _table(request, "choices")
        planned = cut(
            [Track.from_plain(track) for track in tracks],
            choices,
            request.body.get("returns") or "own",
        )
        return {
            "stems": [
                {
                    "id": stem.id,
                    "name": stem.name,
                    "kind": stem.kind,
                    "inside": list(stem.inside),
                    "group": stem.group,
                    "why": stem.why,
                    "fader_db": stem.fader_db,
                    "pan": stem.pan,
                    "sidechains": list(stem.sidechains),
                    "feeds": list(stem.feeds),
                }
                for stem in planned.stems
            ],
            "skipped": [{"id": s.id, "name": s.name, "why": s.why} for s in planned.skipped],
            "warnings": list(planned.warnings),
            "sentence": planned.told(),
        }

    def _take_job(self, request: Request) -> Mapping[str, Any]:
        job = request.job
        server = self._server_of(request)
        submit = {"session": request.text("session"), "options": _table(request, "options")}
        known = self._jobs.get(job)
        if known is None or not known.running:
            self._mailbox.remember(job, submit)
            self._follow(job, server, submit)
        return {}

    def _results(self, request: Request) -> Mapping[str, Any]:
        job = request.job
        known = self._jobs.get(job)
        if known is None or not known.running:
            kept = self._mailbox.remembered(job)
            complete = kept is not None and isinstance(kept.get("session"), str)
            self._follow(job, self._server_of(request), kept if complete else None, again=True)
        return {}

    def _follow(
        self,
        job: str,
        server: tuple[str, int],
        submit: Mapping[str, Any] | None,
        again: bool = False,
    ) -> None:
        self._jobs[job] = Job(self._mailbox, server, self._transport, job, submit, again)
        self._jobs[job].start()

    def _suggest(self, request: Request) -> Mapping[str, Any]:
        options = SuggestOptions.from_json(json.dumps(_table(request, "options")))
        goal = request.text("goal")
        return self._inquire(
            request, suggestions(request.job, request.name("request"), goal, options)
        )

    def _explain(self, request: Request) -> Mapping[str, Any]:
        options = ExplainOptions.from_json(json.dumps(_table(request, "options")))
        tag = request.text("tag")
        return self._inquire(
            request, explanation(request.job, request.name("request"), tag, options)
        )

    def _verify(self, request: Request) -> Mapping[str, Any]:
        rank = request.body.get("rank", 0)
        if not isinstance(rank, int) or isinstance(rank, bool):
            raise StemlensError("bad_message", f"The rank of a trial is {rank!r}. {OUTDATED}")
        before, own = request.name("before"), request.name("request")
        return self._inquire(request, verification(request.job, before, own, rank), "verify-")

    def _inquire(self, request: Request, ask: Ask, prefix: str = "") -> Mapping[str, Any]:
        """Puts a question, once; the same again is told by the same file."""
        own = prefix + request.name("request")
        known = self._inquiries.get(own)
        if known is None or not known.running:
            server = self._server_of(request)
            known = Inquiry(self._mailbox, server, self._transport, request.job, own, ask)
            self._inquiries[own] = known
            known.start()
        return {}

    def _cancel(self, request: Request) -> Mapping[str, Any]:
        job = request.job
        if "request" in request.body:
            asked = self._inquiries.get(request.name("request"))
            if asked is not None:
                asked.cancel()
            return {}
        known = self._jobs.get(job)
        if known is None:  # an agent before this one followed it
            server = self._server_of(request)
            known = Job(self._mailbox, server, self._transport, job, None)
        known.cancel()
        return {}

    def _live(self, request: Request) -> Mapping[str, Any]:
        job, server = request.job, self._server_of(request)
        moves = [_move(plain) for plain in _list(request, "moves")]
        if request.body.get("stale"):
            log.info("%s no longer holds: %s", job, request.body["stale"])
        known = self._playing
        if request.body.get("ended"):
            if known is not None and known.job == job:
                self._end_live()
            return {"live": True}
        if known is None or (known.job, known.server) != (job, server):
            self._end_live()
            known = self._playing = Playing(self._mailbox, server, self._transport, job)
        known.move(moves)
        return {"live": True}

    def _end_live(self) -> None:
        if self._playing is not None:
            self._mailbox.forget_live(self._playing.job)
            self._beside.append(aside(self._playing.close))
        self._playing = None

    def _take_bye(self, request: Request) -> Mapping[str, Any]:
        self._bye = True
        return {}


def serve(
    folder: Path,
    server: tuple[str, int],
    transport: str,
    stop: threading.Event,
    idle_s: float = IDLE_S,
) -> bool:
    """Serves a mailbox until it ends by itself or `stop` is set; False where another agent does.

    Raises `output_failed` or `disk_full` where the folder is no good.
    """
    mailbox = Mailbox(folder)
    lock = Lock(mailbox.folder / "agent.lock")
    if not lock.taken():
        return False
    handler = _logging_to(mailbox.folder.with_name("agent.log"))
    try:
        mailbox.tidy()
        Agent(mailbox, server, transport, idle_s).run(stop)
    finally:
        lock.release()
        logging.getLogger().removeHandler(handler)
        handler.close()
    return True


def _logging_to(path: Path) -> logging.Handler:
    """The log file, half a megabyte and as much again of what was before."""
    try:
        handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOGS, encoding="utf-8")
    except OSError as error:
        raise failed(path, error) from error
    logging.raiseExceptions = False  # a full disk ends the log, not the agent
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    return handler


def _list(request: Request, key: str) -> list[Any]:
    """A list of the body; Lua's empty table may have been written as {}."""
    value = request.body.get(key, [])
    if value == {}:
        return []
    if not isinstance(value, list):
        raise StemlensError("bad_message", f"{request.kind}: {key} must be a list. {OUTDATED}")
    return value


def _table(request: Request, key: str) -> dict[str, Any]:
    """An object of the body; Lua's empty table may have been written as []."""
    value = request.body.get(key, {})
    if value == []:
        return {}
    if not isinstance(value, dict):
        raise StemlensError("bad_message", f"{request.kind}: {key} must be an object. {OUTDATED}")
    return value


def _move(plain: Any) -> Move:
    if not isinstance(plain, dict) or not isinstance(plain.get("track"), str):
        raise StemlensError("bad_message", f"A fader move lacks its track. {OUTDATED}")
    gain_db, muted = plain.get("gain_db"), plain.get("muted")
    if not (gain_db is None or is_number(gain_db)) or not (
        muted is None or isinstance(muted, bool)
    ):
        raise StemlensError("bad_message", f"A fader move is no number. {OUTDATED}")
    return Move(plain["track"], gain_db, muted)
