"""What to try: suggestions for a goal, single edits, what came of them, and A beside B.

A client of the server's trials like REAPER or a terminal; requests belong to the panel (`asking`),
what came of them is read from the server's database.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nicegui import events, ui

from stemlens.report.trialtext import LISTED, below, headline, tried
from stemlens.service.panel import trialforms
from stemlens.service.panel.asking import Request, Requests
from stemlens.service.panel.elements import text
from stemlens.service.panel.library import Library
from stemlens.service.store import Past
from stemlens.wording.told import isolated
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.trials import TrialsClient

SCRIPT = Path(__file__).parent / "static" / "trials.js"
LOOK_S = 0.4


class Trials:
    """The section on one page. It follows the chosen job."""

    def __init__(self, requests: Requests, library: Library) -> None:
        self._requests = requests
        self._library = library
        self._job: str | None = None
        self._shown: tuple[str, int] | None = None
        self._rows: dict[Request, _Row] = {}
        self._listed: dict[str, ui.html] = {}  # by request

    def build(self) -> None:
        """Makes the section where the page is being built."""
        ui.add_head_html(f"<script>{SCRIPT.read_text()}</script>")
        with ui.element("section").props('aria-label="What to try"') as self._section:
            text("h2", "What to try")
            self._forms = ui.html("", sanitize=False)
            self._forms.on("submit", self._ask, js_handler="(event) => slAsk(event, emit)")
            self._forms.on("input", js_handler="(event) => slAmount(event)")
            self._asked = ui.element("div")
            self._told = ui.html("", sanitize=False).classes("sl-hidden").props("role=status")
            with ui.element("div") as self._tried:
                text("h3", "Tried so far")
                self._list = ui.element("div")
                self._below = ui.html("", sanitize=False)
        self._section.set_visibility(False)
        ui.timer(LOOK_S, self._look)

    def follow(self, job: Past | None) -> None:
        """Turns to the chosen job; only on one that is done is anything tried."""
        self._job = job.id if job is not None and job.state == "done" else None
        read = self._shown is not None and self._shown[0] == self._job
        self._section.set_visibility(read)  # or else when it has been

    async def _look(self) -> None:
        job = self._job
        if job is None:
            return
        self._tell_progress(job)
        last = await asyncio.to_thread(self._library.last_trial, job)
        if self._shown == (job, last):
            return
        another = self._shown is None or self._shown[0] != job
        if another:
            forms = await asyncio.to_thread(self._read_forms, job)
        documents = await asyncio.to_thread(self._library.trials, job)
        if job != self._job:  # another was chosen meanwhile
            return
        if another:
            self._forms.set_content(forms)
            self._told.set_content("")
            self._list.clear()
            self._listed.clear()
        elif documents:
            self._told.set_content(html.escape(headline(documents[-1][1])))
        self._show(job, documents)
        self._section.set_visibility(True)
        self._shown = job, last

    def _show(self, job: str, documents: list[tuple[str, dict[str, Any]]]) -> None:
        """Puts what is new before all else, the latest open; what is there stays as it is, opened
        or closed, and with the keyboard's focus."""
        shown = documents[-LISTED:]
        for request in self._listed.keys() - {request for request, _ in shown}:
            self._listed.pop(request).delete()
        for request, document in shown:
            if request not in self._listed:
                told = tried(job, request, document, request == shown[-1][0])
                with self._list:
                    made = ui.html(told, sanitize=False)
                made.move(target_index=0)
                self._listed[request] = made
        self._below.set_content(below(len(documents)))
        self._tried.set_visibility(bool(documents))

    def _read_forms(self, job: str) -> str:
        result = self._library.result(job)
        try:
            return "" if result is None else trialforms.forms(result)
        except StemlensError as error:  # a file of the user's own
            return f"<p>{html.escape(error.message)}</p>"

    def _tell_progress(self, job: str) -> None:
        asked = self._requests.of(job)
        for gone in [one for one in self._rows if one not in asked]:
            self._rows.pop(gone).delete()
        for one in asked:
            if one not in self._rows:
                with self._asked:
                    self._rows[one] = _Row(one, partial(self._give_up, one))
            self._rows[one].tell()

    def _give_up(self, asked: Request) -> None:
        if asked.ended:
            self._requests.forget(asked)
        else:
            asked.stop()
        if self._job is not None:
            self._tell_progress(self._job)

    def _ask(self, event: events.GenericEventArguments) -> None:
        form: dict[str, Any] = event.args
        job = self._job
        if job is None:
            return
        if form["form"] == "suggest":
            goal, told, options = trialforms.asked_goal(form)
            words = f"Looking for changes towards {told}"
            ask = partial(TrialsClient.suggested, job=job, goal=goal, options=options)
        else:
            edit = trialforms.asked_edit(form)
            words = f"Trying {edit.preset} on {isolated(form['name'])}"
            ask = partial(TrialsClient.tried, job=job, edits=[edit])
        self._requests.begin(job, words, ask)
        self._tell_progress(job)


class _Row:
    """The progress of one request."""

    def __init__(self, asked: Request, give_up: Callable[[], None]) -> None:
        self._asked = asked
        with ui.element("div").classes("sl-asked") as self._place:
            self._words = ui.html("", sanitize=False, tag="p")
            self._bar = ui.element("progress").props("max=1 value=0")
            self._bar.props["aria-label"] = asked.words
            self._button = ui.html("Cancel", sanitize=False, tag="button").on("click", give_up)

    def tell(self) -> None:
        """Shows how far it is."""
        asked = self._asked
        if asked.error:
            words = f"{asked.words}: {asked.error}"
            self._words.props("role=alert")
            self._bar.set_visibility(False)
            self._button.set_content("OK")
        else:
            stage = "stopping" if asked.stopping else asked.stage
            words = f"{asked.words}: {stage}, {100 * asked.fraction:.0f} %"
            self._bar.props["value"] = round(asked.fraction, 3)
        self._words.set_content(html.escape(words))

    def delete(self) -> None:
        """Takes it from the page."""
        self._place.delete()
