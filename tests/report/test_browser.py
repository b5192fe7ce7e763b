"""The page that is sent around in a real headless Chromium, from a file and without a server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from support.reports import TAGS, session, suggestion

from stemlens.report.page import report

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
NAMES = {
    "a": "<b>Drums</b>",
    "b": '"><script>window.broken=1</script>',
    "c": "גיטרה",
    "d": "Overdriven guitar, the second of two, as some programs make names up",
    "e": "Without_blanks_and_so_long_that_it_fits_nowhere",
}
WAIT_S = 30
PLAYS = """() => {
    const a = document.getElementById("sl-audio");
    return a.readyState >= 3 && !a.paused && a.currentTime > 0 && !a.seeking;
}"""
BASICS = """() => {
    const seen = (selector) => [...document.querySelectorAll(selector)];
    const named = (e) => e.getAttribute("aria-label") || e.textContent.trim()
        || document.getElementById(e.getAttribute("aria-labelledby"))?.textContent;
    const levels = seen("h1, h2, h3, h4").map((e) => Number(e.tagName[1]));
    return {
        nameless: seen("button, audio, nav, section, summary, [role=img], [role=region], "
            + "[role=group], a").filter((e) => !named(e)).map((e) => e.outerHTML),
        unsaid: seen("svg:not([role=img]):not([aria-hidden])").length,
        once: ["main", "h1", "nav", "audio"].map((e) => seen(e).length),
        skipped: levels.some((level, n) => level > (levels[n - 1] ?? 0) + 1),
        headless: seen("table").filter((e) => !e.querySelector("th[scope=col]")
            || !e.querySelector("th[scope=row]")).length,
        doubled: seen("[id]").map((e) => e.id).filter((id, n, all) => all.indexOf(id) !== n),
        lists: seen("ul > :not(li), dl > :not(dt):not(dd)").length,
        lost: seen("a[href^='#']").filter((e) => !document.querySelector(e.hash)).length,
        wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
        language: document.documentElement.lang,
    };
}"""
# Words of up to so many letters, in the first cells of tables, that stand on two lines.
BROKEN = """() => {
    const found = [];
    for (const cell of document.querySelectorAll("tbody th")) {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const text = texts.currentNode;
            for (const word of text.data.matchAll(/\\S+/g)) {
                const range = document.createRange();
                range.setStart(text, word.index);
                range.setEnd(text, word.index + word[0].length);
                const lines = new Set([...range.getClientRects()].map((box) => box.top)).size;
                if (word[0].length <= 12 && lines > 1) found.push(word[0]);
            }
        }
    }
    return found;
}"""
# WCAG 2.1: the contrast of each text to what lies behind it, colours with alpha laid over.
PALE = """() => {
    const parse = (text) => {
        const [r, g, b, a = 1] = text.match(/[0-9.]+/g).map(Number);
        return [r, g, b, a];
    };
    const over = ([r, g, b, a], [R, G, B]) =>
        [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
    const light = (colour) => {
        const [r, g, b] = colour.map((v) => v / 255)
            .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (e) => {
        if (!e) return [255, 255, 255, 1];
        const own = parse(getComputedStyle(e).backgroundColor);
        return own[3] === 1 ? own : over(own, behind(e.parentElement));
    };
    const found = [];
    for (const e of document.querySelectorAll("body *")) {
        const words = [...e.childNodes].filter((n) => n.nodeType === 3 && n.data.trim());
        if (!words.length || !e.checkVisibility()) continue;
        const back = behind(e);
        const [one, other] = [light(over(parse(getComputedStyle(e).color), back)), light(back)];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (contrast < 4.5) found.push(`${contrast.toFixed(2)} ${e.outerHTML.slice(0, 100)}`);
    }
    return found;
}"""

# The gains of what the page fades between, the last two that it made.
GAINS = """window.gains = [];
    window.GainNode = class extends GainNode {
        constructor(...given) { super(...given); window.gains.push(this); }
    };"""

FOREIGN = """document.body.append(
    Object.assign(document.createElement("script"), { textContent: "window.broken = 1" }))"""


def test_the_page_opens_anywhere_and_can_be_read_heard_and_printed(tmp_path: Path) -> None:
    document, over_time = session(
        tmp_path, NAMES, 9.0, mix_score=0.4, residual_db=-15.0, tags=(*TAGS, "instrumental rock")
    )
    document["interactions"] = [
        {"tag": "rock", "stems": ["a", "c"], "value": 0.06, "low": 0.05, "high": 0.07}
    ]
    document["suggestions"] = [suggestion(NAMES["b"])]
    file = tmp_path / "report.html"
    file.write_text(report(document, over_time, max_mb=8), encoding="utf-8")
    asked: list[str] = []
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.add_init_script(GAINS)
        page.goto(file.as_uri())
        assert page.evaluate("window.broken") is None
        whoever_cannot_see_finds_their_way(page)
        sounds_play_and_keep_their_place(page)
        a_crossfade_is_as_loud_all_the_way(page)
        a_tag_is_led_to(page)
        on_paper_all_is_open(page)
        assert not wrong
        assert asked[0] == file.as_uri()
        assert {url.split(":")[0] for url in asked} <= {"file", "blob"}
        page.evaluate(FOREIGN)
        assert page.evaluate("window.broken") is None and "Content Security" in wrong[0]
        browser.close()


def whoever_cannot_see_finds_their_way(page: Page) -> None:
    for width in (1100, 400):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(BASICS) == {
            "nameless": [],
            "unsaid": 0,
            "once": [1, 1, 1, 1],
            "skipped": False,
            "headless": 0,
            "doubled": [],
            "lists": 0,
            "lost": 0,
            "wide": False,
            "language": "en",
        }
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert page.evaluate(BROKEN) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert page.evaluate(PALE) == []
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = false))")
    page.set_viewport_size({"width": 1100, "height": 800})


def audio(page: Page, what: str) -> Any:
    return page.evaluate(f"document.getElementById('sl-audio').{what}")


def plays(page: Page) -> None:
    """Waits until the player has a sound, and goes. (Playwright's own way to wait evaluates text,
    which the page does not let it.)"""
    deadline = time.monotonic() + WAIT_S
    while not page.evaluate(PLAYS):
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def sounds_play_and_keep_their_place(page: Page) -> None:
    stem = page.get_by_role("button", name="Play <b>Drums</b>").first
    stem.click()
    plays(page)
    expect(stem).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("status")).to_have_text("<b>Drums</b>, at its level among all stems.")
    assert abs(audio(page, "duration") - 9.0) < 0.1
    page.locator("#when [data-seek]").first.click()  # into its middle, where it plays on
    plays(page)
    assert 4.4 < audio(page, "currentTime") < 7
    page.get_by_role("button", name="Play All stems").first.click()
    plays(page)
    assert 4.4 < audio(page, "currentTime") < 8  # the place is kept
    expect(stem).to_have_attribute("aria-pressed", "false")
    page.evaluate("document.activeElement.blur()")  # a button has space for itself
    page.keyboard.press(" ")
    assert audio(page, "paused")


def a_crossfade_is_as_loud_all_the_way(page: Page) -> None:
    about = page.locator("details[data-about=rock]")
    about.locator("summary").click()
    fade = about.get_by_role("button", name="Play Crossfade")
    slider = about.get_by_role("slider", name="Crossfade: from only what makes it rock to all but")
    fade.click()
    expect(fade).to_have_attribute("aria-pressed", "true")
    for key, gains in (("", [0.5**0.5, 0.5**0.5]), ("Home", [1, 0]), ("End", [0, 1])):
        if key:
            slider.press(key)
        while heard(page) != pytest.approx(gains, abs=0.01):  # whose powers add up to 1
            page.wait_for_timeout(20)  # the time limit of all tests ends it
    about.get_by_role("button", name="Play Only").click()
    plays(page)
    expect(fade).to_have_attribute("aria-pressed", "false")
    page.evaluate("document.getElementById('sl-audio').pause()")
    about.locator("summary").click()


def heard(page: Page) -> list[float]:
    """How much of both sides of a crossfade is heard now; nothing before they are decoded."""
    found: list[float] = page.evaluate("window.gains.slice(-2).map((one) => one.gain.value)")
    return found


def a_tag_is_led_to(page: Page) -> None:
    page.get_by_role("button", name="piano", exact=True).click()
    about = page.locator("details[data-about=piano]")
    expect(about).to_have_attribute("open", "")
    expect(about.locator("summary")).to_be_focused()
    expect(about.get_by_role("img", name="piano over time")).to_be_in_viewport()
    page.keyboard.press("2")
    expect(page.locator("details[data-about=sad] summary")).to_be_focused()
    only = page.locator("details[data-about=sad] button").first
    expect(only).to_have_text("Only what makes it sad")


def on_paper_all_is_open(page: Page) -> None:
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 within its margins
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.get_by_role("heading", name="What is a share?")).to_be_visible()
    expect(page.get_by_text("averaged over all orders")).to_be_visible()
    expect(page.locator("audio")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    assert page.evaluate(PALE) == []  # ink on paper, whatever the screen has
