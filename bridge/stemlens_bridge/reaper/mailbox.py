"""The folder through which REAPER's scripts and the bridge talk, and what lies in it: mailbox 1.

    to-bridge/<time>-<counter>-<kind>.json   requests, taken in the order of their names
    to-reaper/<id>.lua                       the reply to one request; the script deletes it
    to-reaper/job-<job>.lua                  the state of a job, rewritten whole
    to-reaper/findings-<job>.lua             what a job found
    to-reaper/live-<job>.lua                 what moving its faders does, rewritten whole
    to-reaper/trial-<request>.lua            the state of a question, and its answer
    jobs/<job>.json                          submits that have not ended, for a restarted agent
    damaged/                                 requests that could not be understood, the newest few
    agent.lua                                the agent's heartbeat
    agent.lock                               held by the one agent there may be

Every file is written under another name (`*.part`) and renamed, so that nobody reads half of one.
Requests are JSON, what REAPER reads is a Lua literal (`luatext`), all in UTF-8.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemlens_bridge import jsontext, luatext
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import MAX_JOB_ID
from stemlens_bridge.writing import failed

VERSION = 1
KINDS = (
    "hello", "plan", "submit", "cancel", "results", "live", "suggest", "explain", "verify", "bye",
)  # fmt: skip
KEPT_JOBS = 50
KEPT_DAMAGED = 20
MAX_REQUEST = 16 << 20  # bytes; the routing of a thousand tracks takes a tenth of that
STALE_S = 600.0  # what nobody took for so long was meant for another day
NAME = re.compile(
    r'[^\x00-\x1f\x7f<>:"/\\|?*. ]([^\x00-\x1f\x7f<>:"/\\|?*]*[^\x00-\x1f\x7f<>:"/\\|?*. ])?'
)
OUTDATED = (
    "The scripts in REAPER and stemlens-bridge are of different versions. Run "
    "'stemlens-bridge reaper install' again."
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a script asks for: `id` names the reply, `body` holds what else the request says."""

    id: str
    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)

    def text(self, key: str) -> str:
        """A text of the body; raises `bad_message` where it is none."""
        value = self.body.get(key)
        if not isinstance(value, str) or not value:
            raise StemlensError("bad_message", f"The request {self.kind} lacks {key}. {OUTDATED}")
        return value

    @property
    def job(self) -> str:
        """The job that the request is about; raises `bad_message` for what names no file."""
        return self.name("job")

    def name(self, key: str) -> str:
        """A text of the body that names a file; raises `bad_message` for what cannot."""
        name = self.text(key)
        if len(name) > MAX_JOB_ID or not NAME.fullmatch(name):
            raise StemlensError("bad_message", f"{name[:80]!r} cannot be the name of a {key}.")
        return name


@dataclass(frozen=True, slots=True)
class Damaged:
    """A request that cannot be understood, and what its sender is told."""

    reply_to: str
    error: StemlensError


class Mailbox:
    """One mailbox folder, which is made if need be. Raises `output_failed` or `disk_full`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._requests = self.folder / "to-bridge"
        self._replies = self.folder / "to-reaper"
        self._jobs = self.folder / "jobs"
        self._damaged = self.folder / "damaged"
        self._taken: set[str] = set()
        self._make()

    def _make(self) -> None:
        try:
            for place in (self._requests, self._replies, self._jobs, self._damaged):
                place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise failed(self.folder, error) from error

    # ------------------------------------------------------------------ what scripts ask

    def requests(self) -> Iterator[Request | Damaged]:
        """The requests that lie there, oldest first; each is gone from the folder when given."""
        for name in sorted(self._waiting()):
            path = self._requests / name
            if name in self._taken:  # it could not be removed then
                _gone(path)
                continue
            try:
                if path.stat().st_size > MAX_REQUEST:
                    raise ValueError(f"it has more than {MAX_REQUEST} bytes")
                if time.time() - path.stat().st_mtime > STALE_S:
                    raise ValueError("it is too old; ask again")
                data = path.read_bytes()
                found: Request | Damaged = _understood(data, path.stem)
            except FileNotFoundError:
                continue  # its sender took it back
            except (OSError, ValueError) as error:
                found = Damaged(path.stem, _unreadable(name, error))
            self._taken.add(name)
            if isinstance(found, Damaged):
                self._put_aside(path)
            else:
                _gone(path)
            yield found

    def _waiting(self) -> list[str]:
        try:
            names = [name for name in os.listdir(self._requests) if name.endswith(".json")]
            self._taken.intersection_update(names)
            return names
        except FileNotFoundError:
            if self.folder.is_dir():  # somebody tidied up; else it is gone for good
                self._make()
            return []
        except OSError as error:
            raise StemlensError(
                "output_failed", f"The mailbox {self.folder} cannot be read: {error.strerror}."
            ) from error

    def _put_aside(self, path: Path) -> None:
        with suppress(OSError):  # a request that can be neither read nor moved is dropped
            path.replace(self._damaged / path.name)
        _gone(path)
        _thin(self._damaged, "*", KEPT_DAMAGED)

    def ask(self, kind: str, **body: Any) -> str:
        """Puts a request there, as the scripts do; returns its id."""
        own = f"{time.time_ns():020d}-{os.getpid()}"
        request = {"mailbox": VERSION, "id": own, "kind": kind, **body}
        path = self._requests / f"{own}-{kind}.json"
        self._write(path, json.dumps(request, ensure_ascii=False))
        return own

    # ------------------------------------------------------------------ what scripts read

    def reply(self, to: str, data: Mapping[str, Any]) -> None:
        """The reply to the request with the id `to`."""
        self._write(self._replies / f"{to}.lua", luatext.dumps(data))

    def refuse(self, to: str, error: StemlensError) -> None:
        """The reply that says what went wrong."""
        self.reply(to, {"ok": False, "code": error.code, "message": error.message})

    def beat(self, data: Mapping[str, Any]) -> None:
        """The agent's heartbeat."""
        self._write(self.folder / "agent.lua", luatext.dumps(data))

    def silence(self) -> None:
        """Takes the heartbeat away: the agent ends."""
        _gone(self.folder / "agent.lua")

    def write_job(self, job: str, state: Mapping[str, Any]) -> None:
        """The state of a job."""
        self._write(self._replies / f"job-{job}.lua", luatext.dumps(state))

    def write_findings(self, job: str, findings: Mapping[str, Any]) -> str:
        """What a job found; returns the file's name, which the job's state tells."""
        path = self._replies / f"findings-{job}.lua"
        self._write(path, luatext.dumps(findings))
        return path.name

    def write_live(self, job: str, known: Mapping[str, Any]) -> None:
        """What is known of a job's live mix."""
        self._write(self._replies / f"live-{job}.lua", luatext.dumps(known))

    def forget_live(self, job: str) -> None:
        """The job's live mix has ended."""
        _gone(self._replies / f"live-{job}.lua")

    def write_trial(self, request: str, state: Mapping[str, Any]) -> None:
        """What is known of a question about changes, or about what makes a tag."""
        self._write(self._replies / f"trial-{request}.lua", luatext.dumps(state))

    # ------------------------------------------------------------------ what the agent remembers

    def remember(self, job: str, submit: Mapping[str, Any]) -> None:
        """Keeps a submit until its job ends, for an agent that is started meanwhile."""
        self._write(self._jobs / f"{job}.json", json.dumps(submit, ensure_ascii=False))

    def remembered(self, job: str) -> dict[str, Any] | None:
        """The submit of a job that has not ended; None where nothing (readable) is kept."""
        try:
            kept = jsontext.read((self._jobs / f"{job}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return kept if isinstance(kept, dict) else None

    def forget(self, job: str) -> None:
        """The job has ended."""
        _gone(self._jobs / f"{job}.json")

    def tidy(self) -> None:
        """Removes what nobody will read: old replies and parts, all jobs but the newest."""
        for place in (self._requests, self._replies, self._jobs, self.folder):
            for path in place.glob("*.part"):
                _old_gone(path)
        for path in self._replies.glob("*.lua"):
            if not path.name.startswith(("job-", "findings-", "trial-")):
                _old_gone(path)
        _thin(self._replies, "job-*.lua", KEPT_JOBS)
        _thin(self._replies, "findings-*.lua", KEPT_JOBS)
        _thin(self._replies, "trial-*.lua", KEPT_JOBS)
        _thin(self._jobs, "*.json", KEPT_JOBS)

    def _write(self, path: Path, text: str) -> None:
        part = path.with_name(f"{path.name[:200]}.{os.getpid()}.part")
        try:
            part.write_text(text, encoding="utf-8", newline="\n")
            _renamed(part, path)
        except (OSError, ValueError) as error:
            _gone(part)
            raise failed(path, error) from error


def _understood(data: bytes, stem: str) -> Request | Damaged:
    """The request in a file's content; raises ValueError for what is no request at all."""
    given = jsontext.read(data.decode("utf-8-sig"))
    if not isinstance(given, dict):
        raise ValueError("it is not a JSON object")
    own, kind = given.get("id"), given.get("kind")
    if not isinstance(own, str) or len(own) > 200 or not NAME.fullmatch(own):
        raise ValueError("it has no id that could name its reply")
    if given.get("mailbox") != VERSION or kind not in KINDS:
        return Damaged(own, StemlensError("bad_message", OUTDATED))
    body = {key: value for key, value in given.items() if key not in ("mailbox", "id", "kind")}
    return Request(own, kind, body)


def _unreadable(name: str, error: Exception) -> StemlensError:
    return StemlensError("bad_message", f"The request {name} cannot be understood: {error}.")


def _renamed(part: Path, path: Path) -> None:
    """Renames, waiting out a reader: on Windows an open file cannot be replaced."""
    for pause_s in (0.005, 0.02, 0.1):
        try:
            part.replace(path)
            return
        except PermissionError:
            if sys.platform != "win32":
                raise
            time.sleep(pause_s)
    part.replace(path)


def _gone(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _old_gone(path: Path) -> None:
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > STALE_S:
            path.unlink()


def _thin(place: Path, pattern: str, kept: int) -> None:
    """Removes all files of a pattern but the newest."""
    dated = []
    for path in place.glob(pattern):
        with suppress(OSError):
            dated.append((path.stat().st_mtime, path))
    for _, path in sorted(dated)[: max(0, len(dated) - kept)]:
        _gone(path)
