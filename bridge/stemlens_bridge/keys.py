"""The key that two machines share, and the stamp by which a message shows that its sender has it.

A stamped message has one more argument at its end, a string of always the same form:

    hmac1:<time>:<nonce>:<mac>

`time` is Unix time in ms (13 digits), `nonce` 16 random hexadecimal digits, `mac` the 64
hexadecimal digits of HMAC-SHA256 under the key over the bytes of the whole message as it is sent,
but with 64 zeros in the place of `mac`. So a sender encodes the message with zeros, and puts the
digits over them. What is older than half a minute, or came before, is not let in: whoever listens
in the network can send nothing again. Nothing is encrypted.

Requests over HTTP carry the same stamp in their header `Authorization: Stemlens <stamp>`; there
`mac` covers what `request_text` makes of the request.

A key is a line of text in a file; its bytes in UTF-8 are the HMAC's key. Sources: RFC 2104 (HMAC),
RFC 4231 (its test vectors).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from stemlens_bridge import osc
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.folders import config_folder

VARIABLE = "STEMLENS_KEY"
WINDOW_S = 30.0
MAX_NONCES = 200_000  # as many messages as may come with one key within the window, and its double
MIN_KEY = 16
ZEROS = b"0" * 64
STAMP = re.compile(rb"(hmac1:([0-9]{13}):([0-9a-f]{16}):)([0-9a-f]{64})")
STAMP_BYTES = 101
SEAL_BYTES = 104
MAX_SEAL_BYTES = SEAL_BYTES + 4  # where the type tags were full

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Key:
    """A shared key; it is not shown."""

    secret: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Key:
        """The key in a file; raises `key_invalid`."""
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise StemlensError("key_invalid", f"The key {path} cannot be read: {why}.") from error
        if len(text) < MIN_KEY or len(text.split()) != 1:
            raise StemlensError(
                "key_invalid",
                f"{path} holds no key: that is one line of {MIN_KEY} characters or more without "
                "spaces. 'stemlens serve --allow-remote' makes one where the file is missing.",
            )
        return cls(text.encode())

    @classmethod
    def made(cls, path: Path) -> Key:
        """The key in a file, which is made first where there is none, for its owner alone.

        Raises `key_invalid`, `output_failed`.
        """
        with suppress(FileExistsError):
            try:
                opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                raise
            except OSError as error:
                why = error.strerror
                raise StemlensError("output_failed", f"{path} cannot be made: {why}.") from error
            with os.fdopen(opened, "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        return cls.read(path)

    def digits(self, covered: bytes) -> bytes:
        """The 64 hexadecimal digits over these bytes."""
        return hmac.new(self.secret, covered, hashlib.sha256).hexdigest().encode()

    def seal(self, message: bytes) -> bytes:
        """A message with the stamp at its end; raises `bad_message` where no packet could carry
        that."""
        sealed = osc.with_text(message, (_head() + ZEROS).decode())
        mac = self.digits(sealed)
        return sealed[:-67] + mac + sealed[-3:]

    def authorization(self, method: str, target: str, content_range: str = "") -> str:
        """The header of a request over HTTP."""
        head = _head()
        mac = self.digits(head + request_text(method, target, content_range))
        return f"Stemlens {(head + mac).decode()}"

    def answer_digits(self, authorization: str, body: bytes) -> bytes:
        """What the header `Stemlens-Answer` of the answer to a stamped request has: the digits over
        the request's own header, a line's end, and the answer's body."""
        return self.digits(authorization.encode() + b"\n" + body)

    def token(self) -> str:
        """What the panel's pages show; from it nobody learns the key."""
        return self.digits(b"stemlens panel").decode()[:32]


def request_text(method: str, target: str, content_range: str) -> bytes:
    """What a request's stamp covers, after its own beginning `hmac1:<time>:<nonce>:`: the method,
    the path as it was sent, and the header Content-Range or nothing. The body is not covered: it is
    checked by the hash that its path names."""
    return f"\n{method}\n{target}\n{content_range}".encode()


def is_readable_by_others(path: Path) -> bool:
    """Whether the system's rights let other users read a file."""
    return sys.platform != "win32" and bool(path.stat().st_mode & 0o077)


def of_user(host: str, environment: Mapping[str, str] = os.environ) -> Key | None:
    """The user's key for a server: the one in the file that STEMLENS_KEY names; for another machine
    else the one in the configuration folder, if it is there. Raises `key_invalid`."""
    if named := environment.get(VARIABLE):
        return Key.read(Path(named))
    usual = config_folder(environment) / "key"
    return Key.read(usual) if host not in LOOPBACK and usual.exists() else None


def unsealed(message: bytes) -> bytes:
    """A message without its stamp, unchecked; as it is where it has none."""
    return osc.without_text(message, SEAL_BYTES) if _stamp_of(message) else message


class Gate:
    """Lets in what was stamped with its key, once and in time; nothing stamped before `since_s`
    (Unix time). `clock` may be set, `steady` never goes back; both in s."""

    def __init__(
        self,
        key: Key,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        since_s: float = 0.0,
    ) -> None:
        self._key = key
        self._clock, self._steady = clock, steady
        self._since_s = since_s
        self._seen: OrderedDict[bytes, tuple[float, float]] = OrderedDict()
        """By nonce: when it came, by the steady clock, and when it was stamped."""

    def admit(self, message: bytes) -> bytes | None:
        """The message without its stamp, or None where the very same came before.

        Raises `not_authorised`.
        """
        found = _stamp_of(message)
        if found is None:
            raise _refused("The message has no stamp (docs/remote.md)")
        if not self._fits(found, message[:-67] + ZEROS + message[-3:]):
            return None
        return osc.without_text(message, SEAL_BYTES)

    def admit_request(self, header: str, method: str, target: str, content_range: str) -> None:
        """Lets a request over HTTP in; raises `not_authorised`."""
        scheme, _, stamp = header.partition(" ")
        found = STAMP.fullmatch(stamp.strip().encode("latin-1", "replace"))
        if scheme != "Stemlens" or found is None:
            raise _refused("The request has no stamp (docs/remote.md)")
        covered = found[1] + request_text(method, target, content_range)
        if not self._fits(found, covered):
            raise _refused("The same request came before")

    def _fits(self, stamp: re.Match[bytes], covered: bytes) -> bool:
        """Whether it is new; raises `not_authorised` unless it is right."""
        if not hmac.compare_digest(self._key.digits(covered), stamp[4]):
            raise _refused("It was stamped with another key, or changed on its way")
        stamped_s = int(stamp[2]) / 1000
        behind_s = self._clock() - stamped_s
        if abs(behind_s) > WINDOW_S:
            raise _refused(
                f"Its stamp is of a time {abs(behind_s):.0f} s "
                f"{'ago' if behind_s > 0 else 'ahead'}: set the clocks of both machines by the "
                "network"
            )
        if stamped_s < self._since_s:
            raise _refused("Its stamp is older than this server; stamp it anew")
        now = self._steady()
        # A stamp may come again until it is too old, and it may be from a clock that is ahead.
        while self._seen and next(iter(self._seen.values()))[0] < now - 2 * WINDOW_S:
            _, (_, forgotten_s) = self._seen.popitem(last=False)
            # Were the clock set back, it would be let in again.
            self._since_s = max(self._since_s, forgotten_s + 0.001)
        if stamp[3] in self._seen:
            return False
        if len(self._seen) >= MAX_NONCES:
            raise StemlensError("too_many", "More messages came than one key may send; wait.")
        self._seen[stamp[3]] = now, stamped_s
        return True


def _head() -> bytes:
    return f"hmac1:{time.time_ns() // 1_000_000:013d}:{secrets.token_hex(8)}:".encode()


def _stamp_of(message: bytes) -> re.Match[bytes] | None:
    tail = message[-SEAL_BYTES:]
    return STAMP.fullmatch(tail[:STAMP_BYTES]) if tail[STAMP_BYTES:] == b"\0\0\0" else None


def _refused(why: str) -> StemlensError:
    return StemlensError(
        "not_authorised",
        f"{why}. Other machines need the server's key: copy its file 'key' and name it with --key.",
    )
