"""Lets nobody use the panel but pages that it made itself; from other machines, with its key alone.

A page of some other site, open in the same browser, can send requests to 127.0.0.1; by DNS
rebinding it can even read the answers, since its own name then means this machine. So every request
from this machine must name it as its Host, by an address (which cannot be bound anew) or by its own
name, and where a page sent it, that same Host as its Origin; for WebSockets, which browsers let any
page open, that is the only wall there is. What the page may load is said in its
Content-Security-Policy: from here, and nowhere else.

Other machines show a token that is made of the server's key. It stands behind the # of the panel's
link, so that it is in no log and no Referer; a small page hands it over and gets a cookie for it,
which no script can read and no other site can have sent. Uploads carry a stamp instead, and so do
their answers (`stemlens_bridge.keys`).
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from starlette.requests import cookie_parser

from stemlens.service.hosts import is_loopback
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.keys import Gate, Key

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# NiceGUI's pages have scripts in them, and Vue makes functions of its templates.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "media-src 'self' blob:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
TEXT = (b"content-type", b"text/plain; charset=utf-8")
PAGE = (b"content-type", b"text/html; charset=utf-8")
JSON = (b"content-type", b"application/json")
REFUSED = b"This is Stemlens' panel; it answers only to pages of its own.\n"
ENTRANCE = Path(__file__).parent / "static" / "entrance.html"
ENTER, UPLOAD = "/enter", "/upload/"
COOKIE = "stemlens"
ANSWER = b"stemlens-answer"
MONTH_S = 30 * 86_400
MAX_TOKEN = 1_000  # bytes of a request that hands it over


class Guard:
    """An ASGI application around another. With a `key`, other machines are let in who show it;
    without, none are."""

    def __init__(self, app: App, key: Key | None) -> None:
        self._app = app
        self._key = key
        self._token = key.token() if key else ""
        self._gate = Gate(key) if key else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        near = is_loopback((scope.get("client") or ("", 0))[0])
        if not is_own(scope["headers"], names() if near else None):
            await _refuse(scope, send, 403, TEXT, REFUSED)
        elif near or self._shows_token(scope):
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "http" and scope["path"].startswith(UPLOAD):
            await self._let_upload(scope, receive, send)
        elif scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", ENTER):
            await self._enter(receive, send)
        else:
            await _refuse(scope, send, 401, PAGE, ENTRANCE.read_bytes())

    def _is_token(self, text: str) -> bool:
        return bool(self._token) and hmac.compare_digest(text.encode(), self._token.encode())

    def _shows_token(self, scope: Scope) -> bool:
        # Browsers send the cookies of all that has this host's name; Python's own parser gives up
        # at the first that it finds odd.
        cookies = cookie_parser(header(scope["headers"], b"cookie"))
        return self._is_token(cookies.get(COOKIE, ""))

    async def _enter(self, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more and len(body) <= MAX_TOKEN:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if not self._is_token(body.decode("latin-1")):
            await _answer(send, 403, (TEXT,), b"That is not the key of this panel.\n")
            return
        kept = f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={MONTH_S}"
        await _answer(send, 204, ((b"set-cookie", kept.encode()),), b"")

    async def _let_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        told = (scope["method"], scope["path"], header(headers, b"content-range"))
        try:
            if self._gate is None:
                raise StemlensError(
                    "remote_not_allowed", "This server is not for other machines (--allow-remote)."
                )
            authorization = header(headers, b"authorization")
            self._gate.admit_request(authorization, *told)
        except StemlensError as error:
            body = json.dumps({"code": error.code, "message": error.message}).encode()
            await _answer(send, 401, (JSON,), body)
            return
        assert self._key is not None
        await self._app(scope, receive, _signed(send, self._key, authorization))


def names() -> set[str]:
    """What this machine is called, besides its addresses."""
    own = socket.gethostname().lower()
    return {"localhost", own, f"{own}.local"}


def is_own(headers: list[tuple[bytes, bytes]], own_names: set[str] | None) -> bool:
    """Whether a request's headers name this server: one Host, which is an address or one of its
    names (any for None), and no other Origin."""
    hosts = [value.lower() for name, value in headers if name == b"host"]
    origins = [value.lower() for name, value in headers if name == b"origin"]
    if len(hosts) != 1:
        return False
    host = hosts[0].decode("latin-1")
    name = host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]
    known = own_names is None or name in own_names or _is_address(name)
    return known and all(origin == b"http://" + hosts[0] for origin in origins)


def _is_address(name: str) -> bool:
    bracketed = name.startswith("[") and name.endswith("]")
    try:
        address = ipaddress.ip_address(name[1:-1] if bracketed else name)
    except ValueError:
        return False
    return (address.version == 6) == bracketed


def header(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    """The first header of that name; "" where there is none."""
    return next((value.decode("latin-1") for key, value in headers if key == name), "")


async def _refuse(
    scope: Scope, send: Send, status: int, kind: tuple[bytes, bytes], body: bytes
) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await _answer(send, status, (kind,), body)


async def _answer(
    send: Send, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes
) -> None:
    told = [*headers, *HEADERS, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})


def _signed(send: Send, key: Key, authorization: str) -> Send:
    """An answer with the key's digits over it; held back until it is whole."""
    start: Message = {}
    body = bytearray()

    async def sending(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        body.extend(message.get("body", b""))
        if not message.get("more_body", False):
            digits = key.answer_digits(authorization, bytes(body))
            start["headers"] = [*start.get("headers", []), *HEADERS, (ANSWER, digits)]
            await send(start)
            await send({"type": "http.response.body", "body": bytes(body)})

    return sending


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *HEADERS]
        await send(message)

    return sending
