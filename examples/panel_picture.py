"""Photographs the panel: the picture of `docs/panel.md`, and how it looks elsewhere.

Starts a server of its own, has the demo session analysed twice, first without its guitar, opens the
panel in Chromium, chooses a tag, and takes pictures: light, dark, on a phone, on a large screen,
and of faders and an edit.

    python examples/panel_picture.py FOLDER

Needs, beside Stemlens: chromium (Debian's name) and Playwright.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from playwright.sync_api import Page, expect, sync_playwright  # noqa: E402
from support.server import ServerProcess  # noqa: E402

from stemlens_bridge.client import Client  # noqa: E402
from stemlens_bridge.protocol import Options  # noqa: E402
from stemlens_bridge.session import Session  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
TAG, NEW = "rock", "guitar"
SIZES = {
    "panel-light": (1600, 1000, "light"),
    "panel-dark": (1600, 1000, "dark"),
    "panel-phone": (400, 800, "light"),
    "panel-4k": (3840, 2160, "dark"),
}


def main(folder: Path) -> None:
    """Takes the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    session = Session.read(ROOT / "examples" / "demo")
    before = tuple(stem for stem in session.stems if stem.id != NEW)
    with tempfile.TemporaryDirectory() as data:
        options = ("--panel-port", "0", "--allow", str(ROOT))
        with ServerProcess(Path(data), *options) as server, sync_playwright() as playwright:
            with Client(server.address) as client:
                for job, version in ("before", replace(session, stems=before)), ("now", session):
                    client.submit(version, Options(), job)
                    client.follow(job)
            url = server.until(lambda health: health["panel"])["panel"]
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            for name, (width, height, scheme) in SIZES.items():
                page.set_viewport_size({"width": width, "height": height})
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.goto(url)
                photograph(page, folder / f"{name}.png")
            page.set_viewport_size({"width": 1600, "height": 1000})
            page.emulate_media(color_scheme="light")
            page.goto(url)
            play(page, folder / "panel-playing.png")
            browser.close()


def photograph(page: Page, target: Path) -> None:
    """Takes one picture; on a phone, of a screen as long as the page."""
    page.get_by_role("button", name=TAG, exact=True).click()
    expect(page.get_by_role("heading", name=TAG, exact=True)).to_be_visible()
    expect(page.get_by_role("img").first).to_be_visible(timeout=30_000)
    page.mouse.move(0, 0)
    tall = int(page.evaluate("document.documentElement.scrollHeight"))
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"], "height": max(tall, size["height"])})
    page.screenshot(path=target)


def play(page: Page, target: Path) -> None:
    """Takes a picture of the faders, one of them moved, and of an edit that was tried."""
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    page.get_by_role("button", name="Move faders").click()
    live = page.get_by_role("region", name="Live mix")
    fader = live.get_by_role("slider", name=NEW)
    expect(live.get_by_text("Listening to")).to_be_visible()
    for _ in range(6):
        fader.press("ArrowDown")
    expect(live.get_by_text("▼").or_(live.get_by_text("▲")).first).to_be_visible()
    section = page.get_by_role("region", name="What to try")
    section.get_by_role("combobox", name="Stem").select_option(value=NEW)
    section.get_by_role("combobox", name="Edit").select_option("quieter")
    section.get_by_role("button", name="Try it").click()
    expect(section.get_by_role("group", name="Listen")).to_be_visible()
    page.mouse.move(0, 0)
    page.set_viewport_size({"width": 1600, "height": 4000})  # so that nothing is scrolled away
    first, last = live.bounding_box(), section.bounding_box()
    assert first is not None and last is not None
    tall = last["y"] + last["height"] - first["y"]
    page.screenshot(
        path=target,
        clip={"x": first["x"], "y": first["y"], "width": first["width"], "height": tall},
    )


if __name__ == "__main__":
    told = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    told.add_argument("folder", type=Path, help="where the pictures go")
    main(told.parse_args().folder)
