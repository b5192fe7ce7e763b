"""The page: what the server does now and did before on the left, the result of one job beside it.

The page follows the running job until the user chooses another. It is built anew from the database
whenever the feed tells of a change, so that a page opened late, or one that lost its server for a
while, shows the same as any other.
"""

from __future__ import annotations

import html
import json
from functools import partial
from pathlib import Path

from nicegui import events, ui

from stemlens.report import DRAWINGS
from stemlens.service.panel.asking import Requests
from stemlens.service.panel.elements import button, text, when
from stemlens.service.panel.explaining import Explaining
from stemlens.service.panel.faders import Faders
from stemlens.service.panel.feed import Feed
from stemlens.service.panel.library import Library
from stemlens.service.panel.player import player
from stemlens.service.panel.resultarea import ResultArea
from stemlens.service.panel.sounds import Sounds
from stemlens.service.panel.trials import Trials
from stemlens.service.store import Past
from stemlens_bridge.protocol import FINAL_STATES, JobProgress

STATIC = Path(__file__).parent / "static"
STYLES = [STATIC / "panel.css", DRAWINGS, STATIC / "playing.css"]
SCRIPTS = [STATIC / name for name in ("focus.js", "jobs.js", "lost.js")]
LOOK_S = 0.5
KEPT_S = 10.0  # for the browser to say what it had kept
LOST = (
    "The server does not answer. The page tries again by itself; nothing is lost. If it was "
    "stopped, start it with 'stemlens serve'."
)
# What a page keeps while it is loaded anew (static/jobs.js); the history is open where it is wide.
KEPT = "slKept()"
IS_DARK = "matchMedia('(prefers-color-scheme: dark)').matches"
KEYS = (
    ("j k", "the next and the previous job of those listed; ↓ ↑ too in their list"),
    ("1 to 9", "the first to the ninth of the tags listed"),
    ("space", "play and pause"),
    ("/", "find jobs and tags; Escape empties the field and leaves it"),
    ("c", "cancel the job that runs, once you say so"),
    ("?", "these keys"),
)


def build(osc: tuple[str, int], data: Path, sounds: Sounds) -> None:
    """Registers the page of the server that listens at `osc` and keeps its jobs in `data`; its feed
    begins at once."""
    library, feed, requests = Library(data), Feed(osc), Requests(osc)

    @ui.page("/", title="Stemlens")
    def page() -> None:
        sections = Faders(osc, library), Trials(requests, library)
        explaining = Explaining(requests, library)
        Page(library, feed, sounds, explaining, osc, *sections).build()


class Page:
    """What one browser shows."""

    def __init__(
        self,
        library: Library,
        feed: Feed,
        sounds: Sounds,
        explaining: Explaining,
        server: tuple[str, int],
        *sections: Faders | Trials,
    ) -> None:
        self._library = library
        self._feed = feed
        self._area = ResultArea(library, sounds, explaining, server, self._choose)
        self._sections = sections
        self._chosen: str | None = None  # None: it follows what runs
        self._asked: str | None = None  # the job that the dialog would cancel
        self._states: dict[str, str] = {}
        self._wanted = ""
        self._seen = -1
        self._left: object = None

    def build(self) -> None:
        for style in STYLES:
            ui.add_css(style.read_text())
        ui.query("main.q-page").props("role=none")  # NiceGUI's frame around ours
        for script in SCRIPTS:
            ui.add_body_html(f"<script>{script.read_text(encoding='utf-8')}</script>")
        ui.add_body_html(f'<div id=sl-lost role=alert data-words="{html.escape(LOST)}"></div>')
        self._client = ui.context.client
        self._dark = ui.dark_mode(None)
        self._dialogs()
        with ui.element("div").classes("sl-page"):
            self._banner = ui.element("div").props("role=status").style("display: contents")
            with ui.element("nav").props('aria-label="Jobs"'):
                text("h1", "Stemlens")
                button("Dark or light", self._turn_dark)
                self._filter()
                self._missing = text("p", "", "sl-muted").props("role=status")
                self._said_stage, self._said_end = (
                    text("p", "", "sl-hidden").props("role=status") for _ in range(2)
                )
                self._jobs = ui.element("div").classes("sl-jobs")
                with ui.element("details").classes("sl-jobs sl-history") as self._history:
                    with ui.element("summary"):
                        text("h2", "History")
                    self._past = ui.element("div")
            with ui.element("main"):
                self._area.build()
                for section in self._sections:
                    section.build()
            player()
        ui.keyboard(on_key=self._key, ignore=["input", "select", "textarea"])
        ui.on("tag", self._keep)
        ui.timer(0, self._begin, once=True)

    def _dialogs(self) -> None:
        with ui.dialog().props("aria-label=Keys") as self._help, ui.card().classes("sl-dialog"):
            text("h2", "Keys")
            with ui.element("dl").classes("sl-keys"):
                for key, what in KEYS:
                    text("dt", key)
                    text("dd", what)
            ui.button("Close", on_click=self._help.close)
        with (
            ui.dialog().props('aria-label="Cancel a job"') as self._sure,
            ui.card().classes("sl-dialog"),
        ):
            self._question = text("p", "")
            ui.button("Cancel the job", on_click=self._cancel)
            ui.button("Let it run", on_click=self._sure.close)

    async def _begin(self) -> None:
        """Takes up what the page showed before it was loaded anew, and looks from then on."""
        try:
            kept = await self._client.run_javascript(KEPT, timeout=KEPT_S)
        except TimeoutError:  # a slow browser, which begins as a new one does
            kept = {}
        if any(one.id == kept.get("job") for one in self._library.jobs()):
            self._chosen = kept["job"]
        self._area.tag = str(kept.get("tag", ""))
        self._dark.value = kept.get("dark")
        with self._history:
            ui.timer(LOOK_S, self._look)

    def _keep(self) -> None:
        """Lets the browser keep what is shown, for when the server was gone."""
        shown = {"job": self._chosen, "tag": self._area.tag, "dark": self._dark.value}
        self._client.run_javascript(f"slKeep({json.dumps(shown)})")

    async def _turn_dark(self) -> None:
        dark = self._dark.value
        if dark is None:  # as the system has it
            dark = await self._client.run_javascript(IS_DARK, timeout=KEPT_S)
        self._dark.value = not dark
        self._keep()

    def _look(self) -> None:
        if self._feed.version == self._seen:
            return
        self._seen = self._feed.version
        jobs = self._library.jobs()
        running = next((one for one in jobs if one.state == "running"), None)
        chosen = next((one for one in jobs if one.id == self._chosen), running or _last(jobs))
        left = (jobs, self._feed.connected, self._chosen, self._wanted)
        if left != self._left:  # or mere progress would take the keyboard's focus away
            self._left = left
            self._lists(jobs, running, chosen)
            self._tell_ends(jobs)
        if running is None or running.id != self._asked:
            self._sure.close()
        self._tell_progress(running)
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
        jobs = any(self._finds(one) for one in self._library.jobs())
        tags = self._area.sift(self._wanted)
        missing = [what for what, found in (("job", jobs), ("tag", tags)) if not found]
        words = f"No {' and no '.join(missing)} with '{self._wanted}' in it." if missing else ""
        self._missing.set_content(html.escape(words))
        self._seen = -1
        self._look()

    def _lists(self, jobs: list[Past], running: Past | None, shown: Past | None) -> None:
        for place in (self._banner, self._jobs, self._past):
            place.clear()
        if not self._feed.connected:
            with self._banner:
                text("p", LOST, "sl-banner")
        found = [one for one in jobs if self._finds(one)] or jobs
        with self._jobs:
            self._now(running, shown)
            waiting = [one for one in found if one.state in ("open", "queued")]
            if waiting:
                text("h2", "Queue")
            for one in sorted(waiting, key=lambda one: one.turn):
                self._entry(one, shown)
                if one.state == "queued":
                    self._orders(one)
        ended = [one for one in found if one.state in FINAL_STATES]
        self._history.set_visibility(bool(ended))
        with self._past:
            for one in ended:
                self._entry(one, shown)

    def _orders(self, one: Past) -> None:
        """What can be done with a job that waits. The labels tell it from the others that do."""
        first, cancel = partial(self._feed.put_first, one.id), partial(self._feed.cancel, one.id)
        button("Do this first", first, f"first {one.id}", f"Do this first: {_named(one)}")
        button("Cancel", cancel, f"cancel {one.id}", f"Cancel {_named(one)}")

    def _finds(self, one: Past) -> bool:
        return self._wanted.casefold() in f"{one.project} {one.id} {one.state}".casefold()

    def _now(self, running: Past | None, shown: Past | None) -> None:
        with ui.element("div").classes("sl-now"):
            text("h2", "Now" if self._feed.connected else "Now, as far as is known")
            if self._chosen is not None:
                button("Follow what runs", partial(self._choose, None), "follow")
            if running is None:
                text("p", "No job runs.", "sl-muted")
                return
            self._entry(running, shown)
            self._stage = text("p", "")
            self._bar = ui.element("progress").props('max=1 value=0 aria-label="Progress"')
            label = f"Cancel {_named(running)}"
            button("Cancel", partial(self._ask, running), f"ask {running.id}", label)

    def _tell_progress(self, running: Past | None) -> None:
        if running is None:
            self._said_stage.set_content("")
            return
        told = self._feed.progress.get(running.id) or JobProgress(running.id, "it begins", 0.0)
        words = f"{told.stage}, {told.fraction * 100:.0f} %"
        if told.left_s >= 1:
            words += f", {told.left_s:.0f} s left in this stage"
        self._stage.set_content(html.escape(words))
        self._said_stage.set_content(html.escape(f"{_name(running)}: {told.stage}"))
        self._bar.props(f"value={told.fraction:.3f}")

    def _tell_ends(self, jobs: list[Past]) -> None:
        """Says aloud what has ended since the last look."""
        said = [
            f"{_name(one)} failed: {one.error}"
            if one.state == "failed"
            else f"{_name(one)} is {one.state}, {when(one.finished or one.since)}."
            for one in jobs
            if one.state in FINAL_STATES and self._states.get(one.id, one.state) not in FINAL_STATES
        ]
        if said:
            self._said_end.set_content(html.escape(" ".join(said)))
        self._states = {one.id: one.state for one in jobs}

    def _entry(self, one: Past, shown: Past | None) -> None:
        words = f"{_name(one)} · {one.state} · {when(one.since)}"
        entry = button(words, partial(self._choose, one.id), f"job {one.id}").classes("sl-job")
        if shown is not None and one.id == shown.id:
            entry.props("aria-current=true")

    def _choose(self, job: str | None) -> None:
        """Shows a job from now on; None: what runs."""
        self._chosen = job
        self._seen = -1
        self._look()
        self._keep()

    def _ask(self, running: Past) -> None:
        self._asked = running.id
        question = f"Cancel {_named(running)}? What it has found so far stays."
        self._question.set_content(html.escape(question))
        self._sure.open()

    def _cancel(self) -> None:
        """Cancels the job that was asked about, whatever runs by now."""
        self._sure.close()
        if self._asked is not None:
            self._feed.cancel(self._asked)

    def _key(self, event: events.KeyEventArguments) -> None:
        held = event.modifiers
        if not event.action.keydown or held.ctrl or held.alt or held.meta:
            return
        if event.key == "?":
            self._help.open()
        elif event.key == "c":
            running = next((one for one in self._library.jobs() if one.state == "running"), None)
            if running is not None:
                self._ask(running)
        elif event.key.name.isdecimal():
            self._area.choose_nth(int(event.key.name))
            self._keep()


def _last(jobs: list[Past]) -> Past | None:
    """The job that ran last, or where none has, the newest."""
    begun = [one for one in jobs if one.started is not None]
    return max(begun, key=lambda one: one.started or 0.0, default=jobs[0] if jobs else None)


def _name(one: Past) -> str:
    return one.project or one.id


def _named(one: Past) -> str:
    return f"{_name(one)}, {when(one.since)}"
