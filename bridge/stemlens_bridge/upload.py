"""Sends a session's files to a server on another machine, over HTTP; everything else stays OSC.

A file goes by its content (SHA-256): what the server has already is not sent again, and what was
cut off goes on where it was. The server's side, with the form of its answers, is
`stemlens.service.upload_routes`. Sizes are bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stemlens_bridge import keys
from stemlens_bridge.client import Client
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.session import Session

TIMEOUT_S = 60.0
PIECE = 1 << 24  # bytes after which progress is told
PANEL_BEGINS_S = 15.0  # after the server, on a slow machine
# A file that gets no further is tried for a minute: a server may take half of one to know that a
# line is dead.
TRIES, FIRST_PAUSE_S, LAST_PAUSE_S = 14, 0.25, 5.0
HOPELESS = ("not_authorised", "remote_not_allowed", "disk_full", "audio_unreadable", "cancelled")

OnProgress = Callable[[str, float], None]


def upload(
    session: Session,
    server: tuple[str, int],
    transport: str = "udp",
    on_progress: OnProgress = lambda stage, fraction: None,
) -> dict[Path, str]:
    """Sends all files of a session; returns where the server has each.

    `on_progress` may raise `cancelled` to end it. Raises `upload_failed`, `not_authorised`,
    `disk_full`, `server_unreachable`, or `audio_unreadable` for a file that cannot be read here.
    """
    files = [stem.path for stem in session.stems] + ([session.mix] if session.mix else [])
    sizes = {path: _size(path) for path in dict.fromkeys(files)}
    whole = sum(sizes.values()) or 1
    address = _http_address(server, transport)
    key = keys.of_user(server[0])
    places: dict[Path, str] = {}
    done = 0
    for path, size in sizes.items():

        def tell(sent: int, before: int = done) -> None:
            on_progress("sending files", (before + sent) / whole)

        tell(0)
        places[path] = _Sending(address, key, path, size).send(tell)
        done += size
    on_progress("sending files", 1.0)
    return places


def _http_address(server: tuple[str, int], transport: str) -> tuple[str, int]:
    """Where the server takes uploads: on the port of its panel."""
    with Client(server, transport) as client:
        while (health := client.health())["panel"] is None and health["uptime_s"] < PANEL_BEGINS_S:
            time.sleep(FIRST_PAUSE_S)
    if health["panel"] is not None:
        return server[0], urlsplit(health["panel"]).port or 80
    raise StemlensError(
        "upload_failed",
        f"The server at {server[0]}:{server[1]} takes no uploads, since it has no panel. Start it "
        "without --no-panel.",
    )


class _Sending:
    """One file on its way."""

    def __init__(
        self, address: tuple[str, int], key: keys.Key | None, path: Path, size: int
    ) -> None:
        self._address, self._key, self._path, self._size = address, key, path, size

    def send(self, tell: Callable[[int], None]) -> str:
        """Sends what the server lacks; returns the file's path there."""
        name = f"{_sha256(self._path)}{_ending(self._path)}"
        target = f"/upload/{name}"
        reached, tries = -1, 0
        while True:
            try:
                known = self._asked("GET", target)
                if not known["whole"]:
                    first = known["offset"] if known["offset"] < self._size else 0
                    tell(first)
                    known = self._asked("PUT", target, first, tell)
                if known["whole"]:
                    tell(self._size)
                    return _trusted(str(known["path"]), name)
                why = "the server got only a part of it"
            except (OSError, HTTPException) as error:
                known, why = {"offset": reached}, str(error) or type(error).__name__
            except StemlensError as error:
                if error.code in HOPELESS:
                    raise
                known, why = {"offset": reached}, error.message
            tries = 0 if known["offset"] > reached else tries + 1
            reached = max(reached, known["offset"])
            if tries == TRIES:
                raise StemlensError(
                    "upload_failed",
                    f"{self._path} cannot be sent to {self._address[0]}:{self._address[1]}: {why}. "
                    "What has arrived is kept; give the same command again to go on.",
                )
            time.sleep(min(FIRST_PAUSE_S * 2**tries, LAST_PAUSE_S))

    def _asked(
        self,
        method: str,
        target: str,
        first: int = 0,
        tell: Callable[[int], None] = lambda sent: None,
    ) -> dict[str, Any]:
        sends = method == "PUT"
        ranged = f"bytes {first}-{self._size - 1}/{self._size}" if sends else ""
        connection = HTTPConnection(*self._address, timeout=TIMEOUT_S)
        try:
            connection.putrequest(method, target)
            if self._key is not None:
                stamp = self._key.authorization(method, target, ranged)
                connection.putheader("Authorization", stamp)
            if sends:
                connection.putheader("Content-Range", ranged)
                connection.putheader("Content-Length", str(self._size - first))
            connection.endheaders()
            if sends:
                self._pour(connection, first, tell)
            answer = connection.getresponse()
            body = answer.read()
            told = json.loads(body or b"{}")
        except ValueError as error:
            raise StemlensError(
                "upload_failed", f"What answers at {self._address[0]} is no Stemlens server."
            ) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise StemlensError.told(told.get("code", "internal"), told.get("message", str(answer)))
        if self._key is not None and self._address[0] not in keys.LOOPBACK:
            shown = answer.headers.get("Stemlens-Answer", "").encode("latin-1", "replace")
            if not hmac.compare_digest(shown, self._key.answer_digits(stamp, body)):
                raise StemlensError(
                    "not_authorised",
                    f"What answers at {self._address[0]}:{self._address[1]} does not show the key.",
                )
        assert isinstance(told, dict)
        return told

    def _pour(self, connection: HTTPConnection, first: int, tell: Callable[[int], None]) -> None:
        try:
            with self._path.open("rb") as file:
                for at in range(first, self._size, PIECE):
                    sent = connection.sock.sendfile(file, at, min(PIECE, self._size - at))
                    if not sent:
                        raise StemlensError(
                            "audio_unreadable", f"{self._path} became shorter while it was sent."
                        )
                    tell(at + sent)
        except ConnectionError:
            # Refused in the middle: the answer, if there is one, says why.
            return


def _size(path: Path) -> int:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error
    if not size:
        raise StemlensError("audio_empty", f"{path} is empty. Bounce it again.")
    return size


def _trusted(path: str, name: str) -> str:
    """Where the server has a file; raises `upload_failed` where that cannot be the file."""
    if re.split(r"[/\\]", path)[-1] != name:
        raise StemlensError("upload_failed", f"The server says that it has the file at {path!a}.")
    return path


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _ending(path: Path) -> str:
    """The file's ending, as far as an upload's name can have it."""
    ending = path.suffix.lower()
    known = re.fullmatch(r"\.[a-z0-9]{1,5}", ending, re.ASCII) and ending != ".part"
    return ending if known else ""


def _unreadable(path: Path, error: OSError) -> StemlensError:
    return StemlensError("audio_unreadable", f"{path} cannot be read: {error.strerror}.")
