"""The page: what the server does now and did before on the left, the result of one job beside it.

The page follows the running job until the user chooses another. It is built anew from the database
whenever the feed tells of a change, so that a page opened late, or one that lost its server for a
while, shows the same as any other.
"""

from __future__ import annotations

import html
import time
from functools import partial
from pathlib import Path

from nicegui import events, ui

from stemlens.service.panel.asking import Requests
from stemlens.service.panel.faders import Faders
from stemlens.service.panel.feed import Feed
from stemlens.service.panel.heatmap import heat_map
from stemlens.service.panel.library import Library, compare
from stemlens.service.panel.trials import Trials, serve
from stemlens.service.store import Past
from stemlens_bridge.protocol import FINAL_STATES, JobProgress

STYLES = [Path(__file__).parent / "static" / name for name in ("panel.css", "playing.css")]
LOOK_S = 0.5
KEYS = "j and k, or the arrows: the next and the previous job. c: cancel. ?: these keys."


def build(osc: tuple[str, int], data: Path) -> None:
    """Registers the page of the server that listens at `osc` and keeps its jobs in `data`; its feed
    begins at once."""
    library, feed, requests = Library(data), Feed(osc), Requests(osc)
    serve(library, data)

    @ui.page("/", title="Stemlens")
    def page() -> None:
        Page(library, feed, Faders(osc, library), Trials(requests, library)).build()


def text(tag: str, words: str, classes: str = "") -> ui.html:
    """An element with plain text in it; whatever users wrote stays text."""
    return ui.html(html.escape(words), sanitize=False, tag=tag).classes(classes)


class Page:
    """What one browser shows."""

    def __init__(self, library: Library, feed: Feed, *sections: Faders | Trials) -> None:
        self._library = library
        self._feed = feed
        self._sections = sections
        self._chosen: str | None = None
        self._seen = -1
        self._looks: object = None
        self._left: object = None

    def build(self) -> None:
        for style in STYLES:
            ui.add_css(style.read_text())
        self._dark = ui.dark_mode(None)
        with ui.dialog() as self._help, ui.card():
            text("h2", "Keys")
            text("p", KEYS)
        with ui.dialog() as self._sure, ui.card():
            text("p", "Cancel the job that runs? What it has found so far stays.")
            ui.button("Cancel the job", on_click=self._cancel)
            ui.button("Let it run", on_click=self._sure.close)
        with ui.element("div").classes("sl-page"):
            self._banner = ui.element("div").props("role=status").style("display: contents")
            self._jobs = ui.element("nav").props('aria-label="Jobs"')
            with ui.element("main"):
                self._main = ui.element("div")
                for section in self._sections:
                    section.build()
        ui.keyboard(on_key=self._key, ignore=["input", "select", "textarea"])
        ui.timer(LOOK_S, self._look)

    def _look(self) -> None:
        if self._feed.version == self._seen:
            return
        self._seen = self._feed.version
        jobs = self._library.jobs()
        running = next((one for one in jobs if one.state == "running"), None)
        left = (jobs, self._feed.connected, self._chosen)
        if left != self._left:  # or mere progress would take the keyboard's focus away
            self._left = left
            self._lists(jobs, running)
        self._tell_progress(running)
        chosen = next(
            (one for one in jobs if one.id == self._chosen),
            running or (jobs[0] if jobs else None),
        )
        looks = (chosen, self._library.revision(chosen.id) if chosen else 0)
        if looks != self._looks:  # or mere progress would read and draw it all again
            self._looks = looks
            self._main.clear()
            with self._main:
                self._result(chosen)
            for section in self._sections:
                section.follow(chosen)

    def _lists(self, jobs: list[Past], running: Past | None) -> None:
        for place in (self._banner, self._jobs):
            place.clear()
        if not self._feed.connected:
            with self._banner:
                text(
                    "p",
                    "The server does not answer. The panel tries again by itself; nothing is "
                    "lost. If it was stopped, start it with 'stemlens serve'.",
                    "sl-banner",
                )
        with self._jobs:
            text("h1", "Stemlens")
            self._button("Dark or light", self._dark.toggle)
            self._now(running)
            for title, states in (("Queue", ("open", "queued")), ("History", FINAL_STATES)):
                listed = [one for one in jobs if one.state in states]
                if listed:
                    text("h2", title)
                for one in listed:
                    self._entry(one)
                    if one.state == "queued":
                        self._button("Do this first", partial(self._feed.put_first, one.id))
                        self._button("Cancel", partial(self._feed.cancel, one.id))

    def _button(self, words: str, action: events.Handler[events.GenericEventArguments]) -> ui.html:
        button = text("button", words)
        button.on("click", action)
        return button

    def _now(self, running: Past | None) -> None:
        text("h2", "Now")
        if running is None:
            text("p", "No job runs.", "sl-muted")
            return
        self._entry(running)
        with ui.element("div").props("aria-live=polite"):
            self._stage = text("p", "")
        self._bar = ui.element("progress").props('max=1 value=0 aria-label="Progress"')
        self._button("Cancel", self._sure.open)

    def _tell_progress(self, running: Past | None) -> None:
        if running is None:
            return
        told = self._feed.progress.get(running.id) or JobProgress(running.id, "it begins", 0.0)
        words = f"{told.stage}, {told.fraction * 100:.0f} %"
        if told.left_s >= 1:
            words += f", {told.left_s:.0f} s left in this stage"
        self._stage.set_content(html.escape(words))
        self._bar.props(f"value={told.fraction:.3f}")

    def _entry(self, one: Past) -> None:
        button = self._button(
            f"{one.project or one.id} · {one.state} · {when(one.since)}",
            lambda: self._choose(one.id),
        )
        pressed = "true" if one.id == self._chosen else "false"
        button.classes("sl-job").props(f"aria-pressed={pressed}")

    def _choose(self, job: str) -> None:
        self._chosen = job
        self._seen = -1
        self._look()

    def _cancel(self) -> None:
        self._sure.close()
        for one in self._library.jobs():
            if one.state == "running":
                self._feed.cancel(one.id)

    def _result(self, chosen: Past | None) -> None:
        if chosen is None:
            text("h2", "No session yet")
            text(
                "p",
                "Bounce stems from REAPER, Ableton Live or Ardour with the Stemlens script, or "
                "drop a folder of stems on a watched folder ('stemlens serve --watch FOLDER').",
            )
            return
        text("h2", chosen.project or chosen.id)
        if chosen.error:
            text("p", chosen.error)
        document = self._library.result(chosen.id)
        if document is None:
            if chosen.state not in FINAL_STATES:
                text("p", "The first results come in a moment.", "sl-muted")
            return
        before = self._library.version_before(chosen)
        earlier = before and self._library.result(before.id)
        if before and earlier:
            changes = "; ".join(compare(earlier, document)) or "no change"
            text("p", f"Since {when(before.since)}: {changes}.")
        ui.html(heat_map(document), sanitize=False)
        for warning in document["warnings"]:
            text("p", warning["message"], "sl-muted")

    def _key(self, event: events.KeyEventArguments) -> None:
        if not event.action.keydown:
            return
        if event.key == "?":
            self._help.open()
        elif event.key == "c":
            if any(one.state == "running" for one in self._library.jobs()):
                self._sure.open()
        elif event.key in ("j", "k", "ArrowDown", "ArrowUp"):
            ids = [one.id for one in self._library.jobs()]
            step = 1 if event.key in ("j", "ArrowDown") else -1
            if ids:
                at = ids.index(self._chosen) if self._chosen in ids else 0
                self._choose(ids[max(0, min(len(ids) - 1, at + step))])


def when(since: float) -> str:
    """A time of day; with the day where it is not today."""
    then = time.localtime(since)
    today = then[:3] == time.localtime()[:3]
    return time.strftime("%H:%M" if today else "%d %b %H:%M", then)
