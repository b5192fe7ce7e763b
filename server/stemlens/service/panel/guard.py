"""Lets nobody use the panel but pages that it made itself.

A page of some other site, open in the same browser, can send requests to 127.0.0.1; by DNS
rebinding it can even read the answers, since its own name then means this machine. So every request
must name this server as its Host, and, where a page sent it, as its Origin; for WebSockets, which
browsers let any page open, that is the only wall there is. What the page may load is said in its
Content-Security-Policy: from here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

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
REFUSED = b"This is Stemlens' panel; it answers only to pages of its own, at "


class Guard:
    """An ASGI application around another; `names` are the hosts by which it is called, each with
    its port."""

    def __init__(self, app: App, names: tuple[str, ...]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or allowed(scope["headers"], self._names):
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            plain = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
            await send({"type": "http.response.start", "status": 403, "headers": plain})
            place = f"http://{self._names[0]}\n".encode()
            await send({"type": "http.response.body", "body": REFUSED + place})


def allowed(headers: list[tuple[bytes, bytes]], names: tuple[str, ...]) -> bool:
    """Whether a request's headers name this server: one Host, and no foreign Origin."""
    hosts = [value for name, value in headers if name == b"host"]
    origins = [value for name, value in headers if name == b"origin"]
    known = {name.encode() for name in names}
    if len(hosts) != 1 or hosts[0].lower() not in known:
        return False
    return all(origin.lower() in {b"http://" + name for name in known} for origin in origins)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *HEADERS]
        await send(message)

    return sending
