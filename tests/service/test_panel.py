"""The panel in a real headless Chromium, beside a real server."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens.service.panel.library import compare
from stemlens_bridge.client import Client
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, real_weights: None) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("panel")


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser.new_page()
        browser.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_job_is_followed_live_and_a_server_that_is_gone_is_told(
    running: Path, browser_page: Page
) -> None:
    asked: list[str] = []
    wrong: list[str] = []
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    data, port = running / "data", free_port()
    with ServerProcess(data, "--panel-port", str(port)) as server:
        url = server.until(lambda health: health["panel"])["panel"]
        assert url == f"http://127.0.0.1:{port}"
        browser_page.goto(url)
        expect(browser_page.get_by_text("No session yet")).to_be_visible(timeout=WAIT_MS)
        session = Session.read(stem_folder(running / "<b>song"))
        with Client(server.address) as client:
            long = Session.read(stem_folder(running / "long", seconds=30, stems=4))
            client.submit(long, Options(), "long")
            client.submit(session, Options(), "first")
            expect(browser_page.get_by_role("button", name="Do this first")).to_be_visible(
                timeout=WAIT_MS
            )
            expect(browser_page.get_by_text(re.compile("tagging, [0-9]+ %"))).to_be_visible(
                timeout=WAIT_MS
            )
            browser_page.get_by_role("button", name=re.compile("long · running")).focus()
            browser_page.keyboard.press("c")
            browser_page.get_by_role("button", name="Cancel the job").click()
            client.follow("first")
            assert client.cancel("long").state == "cancelled"
        cancelled = browser_page.get_by_role("button", name=re.compile("long · cancelled"))
        expect(cancelled).to_be_visible(timeout=WAIT_MS)
        done = browser_page.get_by_role("button", name=re.compile("<b>song · done"))
        expect(done).to_be_visible(timeout=WAIT_MS)
        expect(browser_page.get_by_role("columnheader", name="kick")).to_be_visible()
        browser_page.keyboard.press("?")
        expect(browser_page.get_by_text("these keys")).to_be_visible(timeout=WAIT_MS)
        assert not wrong and all("//127.0.0.1" in one for one in asked if one[:4] == "http")
        server.kill()
        expect(browser_page.get_by_text("Connection lost")).to_be_visible(timeout=WAIT_MS)
        with ServerProcess(data, "--panel-port", str(port), port=server.port):
            expect(done).to_be_visible(timeout=WAIT_MS)
            expect(browser_page.get_by_text("Connection lost")).to_be_hidden(timeout=WAIT_MS)


def test_two_versions_are_compared_by_what_made_the_change() -> None:
    def version(score: float, **shares: float) -> dict[str, object]:
        stems = [{"id": stem, "name": stem} for stem in shares]
        told = [{"stem": stem, "value": value} for stem, value in shares.items()]
        tag = {"tag": "rock", "score": score, "attributions": told}
        return {"session": {"stems": stems}, "tags": [tag]}

    before, now = version(0.5, drums=0.4), version(0.59, drums=0.4, guitars=0.09)
    assert compare(before, now) == ["+9 rock, from the new guitars"]
    assert compare(now, before) == ["-9 rock, without guitars"]
    assert compare(now, now) == []
