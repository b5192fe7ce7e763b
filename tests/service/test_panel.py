"""The panel in a real headless Chromium, beside a real server."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens.service.panel import feed
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
            long = Session.read(stem_folder(running / "long", seconds=90, stems=4))
            client.submit(long, Options(), "long")
            now = browser_page.get_by_role("button", name=re.compile("long · running"))
            expect(now).to_be_visible(timeout=WAIT_MS)
            client.submit(session, Options(), "first")
            expect(browser_page.get_by_role("button", name="Do this first")).to_be_visible(
                timeout=WAIT_MS
            )
            expect(browser_page.get_by_text(re.compile("tagging, [0-9]+ %"))).to_be_visible(
                timeout=WAIT_MS
            )
            the_queue_is_kept_in_hand(browser_page, client, session)
            now.focus()
            browser_page.keyboard.press("c")
            question = browser_page.get_by_role("dialog", name="Cancel a job")
            expect(question).to_contain_text("Cancel long, ")
            assert client.cancel("long").state == "cancelled"
            expect(question).to_be_hidden(timeout=WAIT_MS)  # or it would ask about another
            client.follow("first")
        cancelled = browser_page.get_by_role("button", name=re.compile("long · cancelled"))
        expect(cancelled).to_be_visible(timeout=WAIT_MS)
        done = browser_page.get_by_role("button", name=re.compile("<b>song · done"))
        expect(done).to_be_visible(timeout=WAIT_MS)
        expect(browser_page.get_by_role("columnheader", name="kick")).to_be_visible()
        a_tag_is_chosen_and_heard(browser_page)
        whoever_cannot_see_finds_their_way(browser_page)
        a_job_is_found_and_taken_up_again(browser_page)
        browser_page.keyboard.press("?")
        keys = browser_page.get_by_role("dialog", name="Keys")
        expect(keys.get_by_text("these keys")).to_be_visible(timeout=WAIT_MS)
        assert height(keys.get_by_role("heading")) < 40
        keys.get_by_role("button", name="Close").click()
        expect(keys).to_be_hidden()
        dark_or_light(browser_page)
        assert not wrong and all("//127.0.0.1" in one for one in asked if one[:4] == "http")
        a_sound_that_cannot_be_had_is_a_sentence(browser_page, session.stems[0].path)
        cancelled.last.click()
        browser_page.wait_for_function("slKept().job === 'long'")
        server.kill()
        lost = browser_page.get_by_text("The server does not answer.")
        expect(lost).to_be_visible(timeout=WAIT_MS)
        expect(browser_page.get_by_text("Connection lost")).to_be_hidden()
        with ServerProcess(data, "--panel-port", str(port), port=server.port):
            expect(lost).to_be_hidden(timeout=WAIT_MS)
            expect(cancelled.last).to_have_attribute("aria-current", "true", timeout=WAIT_MS)
            expect(browser_page.locator("body")).to_have_class(re.compile("body--dark"))


def the_queue_is_kept_in_hand(page: Page, client: Client, session: Session) -> None:
    """A job that comes leaves the focus on the same job's button; the list is in working order."""
    other = replace(session, project="other")
    client.submit(other, Options(), "other")
    mine = page.locator("[data-key='cancel first']")
    expect(mine).to_have_attribute("aria-label", re.compile("^Cancel <b>song, [0-9]"))
    page.locator("[data-key='first other']").click()
    waiting = page.locator(".sl-job").filter(has_text="queued")
    expect(waiting.first).to_contain_text("other", timeout=WAIT_MS)  # it is done first
    mine.focus()
    client.submit(replace(session, project="last"), Options(), "last")
    expect(waiting).to_have_count(3, timeout=WAIT_MS)
    expect(mine).to_be_focused()
    page.locator("[data-key='cancel last']").focus()
    client.cancel("last")
    client.cancel("other")
    expect(waiting).to_have_count(1, timeout=WAIT_MS)
    assert page.evaluate("document.activeElement === document.body")  # not on another's Cancel
    expect(page.get_by_text(re.compile("other is cancelled, "))).to_have_count(1)

    shown = page.locator(".sl-job[aria-current]")
    page.keyboard.press("j")  # from what runs, which is followed
    expect(shown).to_contain_text("<b>song · queued")
    page.keyboard.press("ArrowDown")  # scrolls: the focus is not in the list
    shown.focus()
    page.keyboard.press("ArrowDown")
    expect(shown).to_contain_text("cancelled")
    expect(shown).to_be_focused()
    page.get_by_role("button", name="Follow what runs").click()
    expect(shown).to_contain_text("running")


def dark_or_light(page: Page) -> None:
    """Two presses: once away from what the system has, and back; then dark for what follows."""
    body, turn = page.locator("body"), page.get_by_role("button", name="Dark or light")
    for told in ("dark", "light", "dark"):
        turn.click()
        expect(body).to_have_class(re.compile(f"body--{told}"))


def height(place: Locator) -> float:
    box = place.bounding_box()
    assert box is not None
    return box["height"]


def a_tag_is_chosen_and_heard(page: Page) -> None:
    """By keys and buttons; what plays goes on when another sound, and another tag, is chosen."""
    tags = page.locator("[data-tag]")
    page.keyboard.press("3")
    third = tags.nth(2).inner_text()
    expect(page.get_by_role("heading", name=third, exact=True)).to_be_visible()
    expect(tags.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(tags.nth(0)).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("img", name=re.compile(f"^{third} over time"))).to_be_visible()

    stem, together = "section table button[data-said=kick]", "header button[data-said='All stems']"
    page.locator(stem).click()
    plays(page)
    expect(page.get_by_text("kick, at its level among all stems.")).to_be_visible()
    expect(page.locator(stem)).to_have_attribute("aria-pressed", "true")
    assert abs(audio(page, "duration") - 3.2) < 0.01
    page.keyboard.press("2")  # which makes the bars anew, and leaves the focus and the sound
    expect(page.get_by_role("heading", name=tags.nth(1).inner_text(), exact=True)).to_be_visible()
    expect(page.locator(stem)).to_be_focused()
    expect(page.locator(stem)).to_have_attribute("aria-pressed", "true")
    page.evaluate("document.activeElement.blur()")  # a button has space for itself
    page.keyboard.press(" ")
    assert audio(page, "paused")
    page.locator("[data-seek]").first.click()  # into its middle, where it plays on
    plays(page)
    assert 1.59 < audio(page, "currentTime") < 2.6
    page.locator(together).click()
    expect(page.locator(together)).to_have_attribute("aria-pressed", "true")
    plays(page)
    assert 1.59 < audio(page, "currentTime") < 3.0  # the place is kept
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name=tags.nth(0).inner_text(), exact=True)).to_be_visible()
    assert audio(page, "currentSrc").endswith("/audio/first/sum")


def audio(page: Page, what: str) -> Any:
    return page.evaluate(f"document.getElementById('sl-audio').{what}")


def plays(page: Page) -> None:
    """Waits until the player has a sound, and goes."""
    page.wait_for_function(
        "(() => { const a = document.getElementById('sl-audio');"
        "return a.readyState >= 3 && !a.paused && a.currentTime > 0 && !a.seeking; })()",
        timeout=WAIT_MS,
    )


BASICS = """() => {
    const named = (e) => 
        e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent.trim();
    const seen = (selector) => [...document.querySelectorAll(selector)];
    const levels = seen("h1, h2, h3, h4").map((e) => Number(e.tagName[1]));
    return {
        nameless: seen("button, audio, input, nav, section, [role=img], [role=region]")
            .filter((e) => !named(e)).map((e) => e.outerHTML),
        landmarks: ["main:not([role])", "nav", "h1"].map((e) => seen(e).length),
        skipped: levels.some((level, n) => level > (levels[n - 1] ?? 0) + 1),
        doubled: seen("[id]").map((e) => e.id).filter((id, n, all) => all.indexOf(id) !== n),
        lists: seen("ul > :not(li)").length,
        wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    };
}"""


def whoever_cannot_see_finds_their_way(page: Page) -> None:
    """Names, landmarks, the order of headings; and no page is wider than a phone."""
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("(slKept(), document.querySelector('.sl-history').open)") is False
    found = page.evaluate(BASICS)
    page.set_viewport_size(size)
    assert page.evaluate("(slKept(), document.querySelector('.sl-history').open)") is True
    assert found == {
        "nameless": [],
        "landmarks": [1, 1, 1],
        "skipped": False,
        "doubled": [],
        "lists": 0,
        "wide": False,
    }


def a_job_is_found_and_taken_up_again(page: Page) -> None:
    done, long = (page.get_by_role("button", name=re.compile(n)) for n in ("song · done", "long"))
    page.keyboard.press("/")
    page.keyboard.type("JAZZ")
    expect(page.locator("[data-tag=jazz]")).to_be_visible()
    expect(page.locator("[data-tag]")).to_have_count(1)
    expect(page.get_by_text("No job with 'JAZZ' in it.")).to_be_visible()
    expect(done).to_be_visible()  # as do all where none has the words
    page.get_by_role("searchbox").fill("zzz")
    expect(page.get_by_text("No job and no tag with 'zzz' in it.")).to_be_visible()
    page.get_by_role("searchbox").press("Escape")
    expect(page.get_by_text("'zzz' in it")).to_be_hidden()
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.get_by_role("searchbox").fill("long")
    expect(long).to_be_visible()
    expect(done).to_be_hidden()
    long.click()
    page.get_by_role("button", name="Take it up again").dblclick()
    expect(page.get_by_role("heading", name="long")).to_be_focused(timeout=WAIT_MS)
    again = page.get_by_role("button", name=re.compile("long · (queued|running)"))
    expect(again).to_be_visible(timeout=WAIT_MS)
    expect(again).to_have_count(1)  # however often it was pressed
    page.get_by_role("searchbox").press("Escape")
    expect(page.get_by_text("tagging, ")).to_be_visible(timeout=WAIT_MS)
    page.keyboard.press("c")
    page.get_by_role("button", name="Cancel the job").click()
    expect(again).to_be_hidden(timeout=WAIT_MS)
    done.click()


def a_sound_that_cannot_be_had_is_a_sentence(page: Page, file: Path) -> None:
    page.keyboard.press("Escape")
    kept = file.read_bytes()
    file.write_bytes(kept + b" ")
    page.locator("section table button[data-said=chord]").click()
    expect(page.get_by_text("was bounced again since")).to_be_visible()
    file.write_bytes(kept)


def test_a_server_that_takes_connections_and_says_nothing_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "SILENT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        followed = feed.Feed(silent.getsockname())
        followed.connected = True  # as before it was held up
        deadline = time.monotonic() + 10
        while followed.connected and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not followed.connected and followed.version


def test_two_versions_are_compared_by_what_made_the_change() -> None:
    def version(score: float, **shares: float) -> dict[str, object]:
        stems = [{"id": stem, "name": stem} for stem in shares]
        told = [{"stem": stem, "value": value} for stem, value in shares.items()]
        tag = {"tag": "rock", "score": score, "attributions": told}
        return {"session": {"stems": stems}, "tags": [tag]}

    before, now = version(0.5, drums=0.4), version(0.59, drums=0.4, guitars=0.09)
    assert compare(before, now) == ["+9 rock, from the new guitars"]
    assert compare(now, before) == ["−9 rock, without guitars"]
    assert compare(now, now) == []
