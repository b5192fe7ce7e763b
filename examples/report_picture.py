"""Photographs the page of `docs/report.md`: a saved result, as it is read in a browser.

Opens the page in Chromium and takes pictures: light (the top of it, for the documentation), dark,
on a phone, and as it is printed (PDF).

    python examples/report_picture.py build/demo/report.html FOLDER

Needs, beside Stemlens: chromium (Debian's name) and Playwright.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
SIZES = {
    "report": (1100, 1500, "light", False),
    "report-dark": (1100, 900, "dark", True),
    "report-phone": (400, 800, "light", True),
}


def main(page: Path, folder: Path) -> None:
    """Takes the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page()
        for name, (width, height, scheme, whole) in SIZES.items():
            shown.set_viewport_size({"width": width, "height": height})
            shown.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            shown.goto(page.resolve().as_uri())
            photograph(shown, folder / f"{name}.png", whole)
        shown.pdf(path=folder / "report.pdf", prefer_css_page_size=True, print_background=True)
        browser.close()


def photograph(page: Page, target: Path, whole: bool) -> None:
    """Takes one picture; of the `whole` page on a screen as long as it."""
    size = page.viewport_size
    assert size is not None
    if whole:
        tall = int(page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": size["width"], "height": max(tall, size["height"])})
    page.screenshot(path=target)


if __name__ == "__main__":
    told = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    told.add_argument("page", type=Path, help="the page, as 'stemlens report' writes it")
    told.add_argument("folder", type=Path, help="where the pictures go")
    given = told.parse_args()
    main(given.page, given.folder)
