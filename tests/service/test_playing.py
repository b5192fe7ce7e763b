"""The panel's live mix and trials in a real headless Chromium, beside a real server."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens_bridge.client import Client
from stemlens_bridge.live import LiveMix
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
WAIT_MS = 30_000


JOB = "a/b c"  # an id is any text


def test_faders_trials_and_a_beside_b(
    open_server: ServerProcess, panel: str, tmp_path: Path
) -> None:
    """Of a job of two stems that is done."""
    wrong: list[str] = []
    with Client(open_server.address) as client:
        client.submit(Session.read(stem_folder(tmp_path / "<b>song")), Options(), JOB)
        client.follow(JOB)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(panel)
        page.get_by_role("button", name="<b>song · done").click()
        why_a_tag_is_heard(page)
        faders_move_scores(page, open_server.address)
        edits_are_tried_and_heard(page)
        what_was_tried_stays_as_it_is(page)
        suggestions_are_asked_for_and_given_up(page)
        browser.close()
    assert not wrong


def why_a_tag_is_heard(page: Page) -> None:
    tag = page.locator("[data-chosen]").get_attribute("data-chosen")
    why = page.get_by_role("group", name=f"Why {tag}")
    only = why.get_by_role("button", name=f"Play Only what makes it {tag}")
    only.press("Enter")
    expect(only).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text(f"Only what makes it {tag}: ")).to_be_visible()
    player = page.locator("audio")
    player.evaluate("audio => { audio.currentTime = audio.duration - .25 }")
    page.wait_for_function("document.querySelector('audio').currentTime < 1")  # round and round
    assert not player.evaluate("audio => audio.paused")
    for kind in ("Without it", "Crossfade"):
        button = why.get_by_role("button", name=f"Play {kind}")
        button.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name=f"What do they score? What makes it {tag}").press("Enter")
    expect(page.get_by_text("where that is heard best, ")).to_be_visible()


def faders_move_scores(page: Page, server: tuple[str, int]) -> None:
    page.get_by_role("button", name="Move faders").click()
    live = page.get_by_role("region", name="Live mix")
    expect(live.get_by_text("Listening to 0:00 to 0:03")).to_be_visible()
    moved = live.get_by_text("▼").or_(live.get_by_text("▲")).first
    expect(moved).to_be_hidden()
    kick = live.get_by_role("slider", name="kick: level")
    kick.press("End")
    expect(kick).to_have_attribute("aria-valuetext", "+12.0 dB")
    expect(moved).to_be_visible()
    kick.dblclick()
    expect(kick).to_have_attribute("aria-valuetext", "0.0 dB")
    expect(moved).to_be_hidden()
    live.get_by_role("button", name="Mute chord").press("Enter")
    expect(moved).to_be_visible()
    with LiveMix(server, "tcp", JOB, lambda view: None):  # REAPER, say
        again = live.get_by_role("button", name="Open it again")
        expect(live.get_by_text("Another page or your DAW has opened it")).to_be_visible()
        again.click()  # and takes it over in turn
        expect(live.get_by_text("Listening to")).to_be_visible()
        expect(moved).to_be_visible()  # the mute is as it was
    live.get_by_role("button", name="All back to 0").click()
    expect(moved).to_be_hidden()
    live.get_by_role("button", name="Close the faders").click()
    expect(kick).to_be_hidden()


def edits_are_tried_and_heard(page: Page) -> None:
    section = page.get_by_role("region", name="What to try")
    section.get_by_role("combobox", name="Stem").select_option(label="kick")
    section.get_by_role("combobox", name="Edit").select_option("quieter")
    section.get_by_role("button", name="Try it").click()
    expect(section.get_by_text("kick: level −3 dB")).to_be_visible()
    for side, said in (("A", "A: before"), ("B", "B: after")):
        play = section.get_by_role("button", name=f"Play {side}: Quieter on kick")
        play.click()
        expect(play).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_text(f"{said}, both at the same loudness")).to_be_visible()
    url = str(page.locator("audio").evaluate("audio => audio.src"))
    part = page.request.get(url, headers={"Range": "bytes=0-99"})
    assert part.status == 206 and len(part.body()) == 100
    assert part.headers["cross-origin-resource-policy"] == "same-origin"
    assert page.request.get(url.removesuffix("b") + "c").status == 404


def what_was_tried_stays_as_it_is(page: Page) -> None:
    section = page.get_by_role("region", name="What to try")
    kept = section.locator("details", has_text="Quieter on kick")
    section.get_by_role("combobox", name="Edit").select_option("louder")
    section.get_by_role("button", name="Try it").click()
    kept.locator("summary").focus()
    expect(section.locator("details")).to_have_count(2)
    expect(section.locator("summary").first).to_contain_text("Louder on kick")
    expect(kept).to_have_attribute("open", "")
    expect(kept.locator("summary")).to_be_focused()


def suggestions_are_asked_for_and_given_up(page: Page) -> None:
    section = page.get_by_role("region", name="What to try")
    section.get_by_role("combobox", name="Goal").select_option("")
    section.get_by_role("combobox", name="Of the tag").select_option("rock")
    section.get_by_role("combobox", name="Change").select_option(label="kick")
    section.get_by_role("combobox", name="Search").select_option("quick")
    ask = section.get_by_role("button", name="Suggest changes")
    ask.click()
    expect(section.get_by_role("progressbar")).to_be_visible()
    page.reload()  # a request belongs to no page
    page.get_by_role("button", name="<b>song · done").click()
    expect(section.locator("summary").first).to_contain_text("towards more rock")
    section.get_by_role("combobox", name="Goal").select_option("calmer")
    ask.click()
    section.get_by_role("button", name="Cancel").click()
    expect(section.get_by_text("You gave it up.")).to_be_visible()
    section.get_by_role("button", name="OK").click()
    expect(section.get_by_text("You gave it up.")).to_be_hidden()
