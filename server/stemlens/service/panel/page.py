"""The page: what the server does now and did before on the left, the result of one job beside it.

The page follows the running job until the user chooses another. It is built anew from the database
whenever the feed tells of a change, so that a page opened late, or one that lost its server for a
while, shows the same as any other.
"""

from __future__ import annotations

import html
from functools import partial
from pathlib import Path

from nicegui import events, ui

from stemlens.service.panel.asking import Requests
from stemlens.service.panel.elements import button, text, when
from stemlens.service.panel.faders import Faders
from stemlens.service.panel.feed import Feed
from stemlens.service.panel.library import Library
from stemlens.service.panel.player import player
from stemlens.service.panel.resultarea import ResultArea
from stemlens.service.panel.sounds import Sounds
from stemlens.service.panel.trials import Trials
from stemlens.service.store import Past
from stemlens_bridge.protocol import FINAL_STATES, JobProgress

STYLES = [Path(__file__).parent / "static" / name for name in ("panel.css", "playing.css")]
LOOK_S = 0.5
KEYS = (
    ("j k ↓ ↑", "the next and the previous job"),
    ("1 to 9", "the first to the ninth of the tags listed"),
    ("space", "play and pause"),
    ("/", "find jobs and tags; Escape leaves the field"),
    ("c", "cancel the job that runs"),
    ("?", "these keys"),
)


def build(osc: tuple[str, int], data: Path, sounds: Sounds) -> None:
    """Registers the page of the server that listens at `osc` and keeps its jobs in `data`; its feed
    begins at once."""
    library, feed, requests = Library(data), Feed(osc), Requests(osc)

    @ui.page("/", title="Stemlens")
    def page() -> None:
        sections = Faders(osc, library), Trials(requests, library)
        Page(library, feed, sounds, osc, *sections).build()


class Page:
    """What one browser shows."""

    def __init__(
        self,
        library: Library,
        feed: Feed,
        sounds: Sounds,
        server: tuple[str, int],
        *sections: Faders | Trials,
    ) -> None:
        self._library = library
        self._feed = feed
        self._area = ResultArea(library, sounds, server, self._choose)
        self._sections = sections
        self._chosen: str | None = None
        self._wanted = ""
        self._seen = -1
        self._left: object = None

    def build(self) -> None:
        for style in STYLES:
            ui.add_css(style.read_text())
        ui.query("main.q-page").props("role=none")  # NiceGUI's frame around ours
        self._dark = ui.dark_mode(None)
        with ui.dialog() as self._help, ui.card():
            text("h2", "Keys")
            with ui.element("dl").classes("sl-keys"):
                for key, what in KEYS:
                    text("dt", key)
                    text("dd", what)
        with ui.dialog() as self._sure, ui.card():
            text("p", "Cancel the job that runs? What it has found so far stays.")
            ui.button("Cancel the job", on_click=self._cancel)
            ui.button("Let it run", on_click=self._sure.close)
        with ui.element("div").classes("sl-page"):
            self._banner = ui.element("div").props("role=status").style("display: contents")
            with ui.element("nav").props('aria-label="Jobs"'):
                text("h1", "Stemlens")
                button("Dark or light", self._dark.toggle)
                self._filter()
                self._jobs = ui.element("div")
            with ui.element("main"):
                self._area.build()
                for section in self._sections:
                    section.build()
            player()
        ui.keyboard(on_key=self._key, ignore=["input", "select", "textarea"])
        ui.timer(LOOK_S, self._look)

    def _look(self) -> None:
        if self._feed.version == self._seen:
            return
        self._seen = self._feed.version
        jobs = self._library.jobs()
        running = next((one for one in jobs if one.state == "running"), None)
        left = (jobs, self._feed.connected, self._chosen, self._wanted)
        if left != self._left:  # or mere progress would take the keyboard's focus away
            self._left = left
            self._lists(jobs, running)
        self._tell_progress(running)
        chosen = next(
            (one for one in jobs if one.id == self._chosen),
            running or (jobs[0] if jobs else None),
        )
        self._area.show(chosen)
        for section in self._sections:
            section.follow(chosen)

    def _filter(self) -> None:
        """A field that lists only jobs and tags with its words in them."""
        field = ui.element("input").props(
            'id=sl-filter type=search placeholder="Find jobs and tags" '
            'aria-label="Find jobs and tags" autocomplete=off'
        )
        field.on(
            "input",
            lambda event: self._sift(str(event.args)),
            js_handler="(event) => emit(event.target.value)",
            throttle=0.2,
        )

    def _sift(self, wanted: str) -> None:
        self._wanted = wanted.strip()
        self._area.sift(self._wanted)
        self._seen = -1
        self._look()

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
            self._now(running)
            for title, states in (("Queue", ("open", "queued")), ("History", FINAL_STATES)):
                listed = [one for one in jobs if one.state in states and self._finds(one)]
                if listed:
                    text("h2", title)
                for one in listed:
                    self._entry(one)
                    if one.state == "queued":
                        button("Do this first", partial(self._feed.put_first, one.id))
                        button("Cancel", partial(self._feed.cancel, one.id))

    def _finds(self, one: Past) -> bool:
        return self._wanted.casefold() in f"{one.project} {one.id} {one.state}".casefold()

    def _now(self, running: Past | None) -> None:
        text("h2", "Now")
        if running is None:
            text("p", "No job runs.", "sl-muted")
            return
        self._entry(running)
        with ui.element("div").props("aria-live=polite"):
            self._stage = text("p", "")
        self._bar = ui.element("progress").props('max=1 value=0 aria-label="Progress"')
        button("Cancel", self._sure.open)

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
        entry = button(
            f"{one.project or one.id} · {one.state} · {when(one.since)}",
            lambda: self._choose(one.id),
        )
        pressed = "true" if one.id == self._chosen else "false"
        entry.classes("sl-job").props(f"aria-pressed={pressed}")

    def _choose(self, job: str) -> None:
        self._chosen = job
        self._seen = -1
        self._look()

    def _cancel(self) -> None:
        self._sure.close()
        for one in self._library.jobs():
            if one.state == "running":
                self._feed.cancel(one.id)

    def _key(self, event: events.KeyEventArguments) -> None:
        held = event.modifiers
        if not event.action.keydown or held.ctrl or held.alt or held.meta:
            return
        if event.key == "?":
            self._help.open()
        elif event.key == "c":
            if any(one.state == "running" for one in self._library.jobs()):
                self._sure.open()
        elif event.key.name.isdecimal():
            self._area.choose_nth(int(event.key.name))
        elif event.key in ("j", "k", "ArrowDown", "ArrowUp"):
            ids = [one.id for one in self._library.jobs()]
            step = 1 if event.key in ("j", "ArrowDown") else -1
            if ids:
                at = ids.index(self._chosen) if self._chosen in ids else 0
                self._choose(ids[max(0, min(len(ids) - 1, at + step))])
