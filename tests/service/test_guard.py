"""Who gets an answer over HTTP: pages of the panel's own, and other machines that show its key."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright
from support.network import HOST, remote
from support.server import ServerProcess

from stemlens.service.hosts import near
from stemlens.service.panel.guard import Guard, is_own, names
from stemlens_bridge.keys import Key

KEY = Key(b"correct horse battery staple")
HERE, ELSEWHERE = ("127.0.0.1", 5), ("192.0.2.7", 5)


def answers(**headers: str) -> bool:
    return is_own([(name.encode(), value.encode()) for name, value in headers.items()], names())


def ask(
    kind: str = "http",
    host: str = "127.0.0.1:1",
    client: tuple[str, int] | None = HERE,
    path: str = "/",
    method: str = "GET",
    body: bytes = b"",
    key: Key | None = KEY,
    **headers: str,
) -> dict[str, Any]:
    """The first thing that is answered; 200 if it came through to the application."""
    sent: list[dict[str, Any]] = []

    async def app(scope: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def keep(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    told = [(name.encode(), value.encode()) for name, value in {"host": host, **headers}.items()]
    scope = {"type": kind, "headers": told, "client": client, "path": path, "method": method}
    asking = Guard(app, key)(scope, receive, keep)  # type: ignore[arg-type]
    with suppress(StopIteration):  # nothing in it waits; Playwright has this thread's loop
        asking.send(None)  # type: ignore[attr-defined]
    return {**sent[0], "headers": dict(sent[0].get("headers", []))}


def test_only_pages_of_its_own_get_an_answer() -> None:
    assert answers(host="127.0.0.1:9421") and answers(host="[::1]:9421")
    assert answers(host="LOCALHOST:9421", origin="http://localhost:9421")
    assert answers(host="192.168.1.5:80")  # an address cannot be bound anew
    assert not answers()  # a Host is needed
    assert not answers(host="evil.example:9421")  # a name that was bound anew to this machine
    assert not answers(host="127.0.0.1.evil.example") and not answers(host="::1")
    for origin in ("http://evil.example", "null", "https://127.0.0.1:9421", "http://127.0.0.1:1"):
        assert not answers(host="127.0.0.1:9421", origin=origin)
    assert not is_own([(b"host", b"127.0.0.1:9421")] * 2, names())


def test_another_machine_may_call_it_by_any_name_since_it_shows_the_key() -> None:
    cookie = f"stemlens={KEY.token()}"
    assert ask(client=ELSEWHERE, host="studio.example:9421", cookie=cookie)["status"] == 200
    assert ask(client=ELSEWHERE, host="studio.example:9421")["status"] == 401
    foreign = {"cookie": cookie, "origin": "http://evil.example"}
    assert ask(client=ELSEWHERE, host="studio.example:9421", **foreign)["status"] == 403  # type: ignore[arg-type]


def test_a_foreign_page_is_refused_over_http_and_websockets() -> None:
    assert ask(host="evil:1")["status"] == 403
    assert ask("websocket", host="evil:1") == {
        "type": "websocket.close",
        "code": 1008,
        "headers": {},
    }
    answer = ask()
    assert answer["status"] == 200
    assert b"default-src 'self'" in answer["headers"][b"content-security-policy"]


def test_other_machines_show_the_key() -> None:
    assert ask(client=ELSEWHERE)["status"] == ask(client=None)["status"] == 401
    assert ask("websocket", client=ELSEWHERE)["code"] == 1008
    assert ask(client=ELSEWHERE, cookie=f"stemlens={KEY.token()}")["status"] == 200
    odd = f'prefs={{"a": 1}}; a[b]=1; bare; x=y z; stemlens={KEY.token()}; =; later=1'
    assert ask(client=ELSEWHERE, cookie=odd)["status"] == 200  # other programs' on the same host
    for wrong in ("", "stemlens=", "stemlens=x", f"other={KEY.token()}", "stemlens=é", ";;="):
        assert ask(client=ELSEWHERE, cookie=wrong)["status"] == 401
        assert ask(client=ELSEWHERE, cookie=wrong, key=None)["status"] == 401


def test_the_token_gets_a_cookie_that_no_script_and_no_other_site_can_use() -> None:
    entering = {"client": ELSEWHERE, "path": "/enter", "method": "POST"}
    answer = ask(**entering, body=KEY.token().encode())  # type: ignore[arg-type]
    cookie = answer["headers"][b"set-cookie"]
    assert answer["status"] == 204 and b"HttpOnly" in cookie and b"SameSite=Strict" in cookie
    for wrong in (b"", b"x" * 5_000, KEY.secret, b"\xff"):
        assert ask(**entering, body=wrong)["status"] == 403  # type: ignore[arg-type]
    assert ask(**entering, key=None)["status"] == 403  # type: ignore[arg-type]


def test_uploads_carry_a_stamp() -> None:
    put: dict[str, Any] = {"client": ELSEWHERE, "path": "/upload/a", "method": "PUT"}
    stamp = KEY.authorization("PUT", "/upload/a")
    assert ask(**put, authorization=stamp)["status"] == 200
    shown = ask(**put, authorization=KEY.authorization("PUT", "/upload/a"))
    assert b"stemlens-answer" in shown["headers"]
    assert ask(**put)["status"] == ask(**put, authorization="Basic x")["status"] == 401
    assert ask(**put, key=None, authorization=stamp)["status"] == 401
    assert ask(**{**put, "path": "/upload/b"}, authorization=stamp)["status"] == 401
    assert ask(**{**put, "path": "/"}, authorization=stamp)["status"] == 401


def test_where_a_server_is_reached_from_its_own_machine() -> None:
    assert near("0.0.0.0") == near("localhost") == "127.0.0.1"
    assert near("::") == "::1" and near("192.168.1.5") == "192.168.1.5"


@remote
def test_the_panel_from_another_machine(open_server: ServerProcess, panel: str) -> None:
    key = Key.read(open_server.log.with_name("key"))
    url = f"http://{HOST}:{urlsplit(panel).port}"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url)
    assert refused.value.code == 401
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_page()
        page.goto(url)
        page.get_by_label("This panel is on another machine").fill("wrong")
        page.get_by_role("button").click()
        page.get_by_text("That is not the key").wait_for()
        page.get_by_label("This panel is on another machine").fill(f"{url}/#key={key.token()}")
        page.get_by_role("button").click()
        page.get_by_text("No job runs").wait_for()  # which the server told, so WebSockets work too
        assert "#" not in page.url
        fresh = browser.new_context().new_page()
        fresh.goto(f"{url}/#key={key.token()}")
        fresh.get_by_text("No job runs").wait_for()
        browser.close()
