"""The result of one job: all tags and stems, and one tag in detail, to be read and heard.

It is made anew with each revision. The chosen tag stays, and is the best one until one is chosen.
What takes long (waveforms, files on disks) comes when it is there.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nicegui import run, ui

from stemlens.over_time import OverTime
from stemlens.report.addresses import address
from stemlens.report.bars import bars, summary
from stemlens.report.heatmap import heat_map, play_button, shown_tags
from stemlens.report.taggram import Outline, taggram
from stemlens.service.panel.again import can_be_taken_up, take_up
from stemlens.service.panel.elements import button, text, when
from stemlens.service.panel.explaining import Explaining
from stemlens.service.panel.library import Library, compare
from stemlens.service.panel.saving import report_address
from stemlens.service.panel.sounds import Sounds
from stemlens.service.store import Past
from stemlens.wording.shares import tag_of
from stemlens.wording.told import isolated_in
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import FINAL_STATES
from stemlens_bridge.verdicts import MARKS, in_time_and_change

PRELIMINARY = "Preliminary: the job still runs, and this gets more certain."
TIME_COMES = "The course over time comes when the job is done."
NO_TIME = "There is no course over time, because the job ended before it was done."
BESIDE = 6  # stems: tables of more take the whole width


class ResultArea:
    """What one browser shows of a result; `server` listens to OSC, `choose` is told a job that is
    to be shown. `tag` is the one that was chosen."""

    def __init__(
        self,
        library: Library,
        sounds: Sounds,
        explaining: Explaining,
        server: tuple[str, int],
        choose: Callable[[str], None],
    ) -> None:
        self._library = library
        self._sounds = sounds
        self._explaining = explaining
        self._server = server
        self._choose = choose
        self._shows: object = None
        self._document: dict[str, Any] | None = None
        self.tag = ""  # "": the best one
        self._wanted = ""
        self._ended = self._done = False

    def build(self) -> None:
        """Makes the place for it where the page is being built."""
        self._place = ui.element("div").classes("sl-result")
        ui.on("tag", lambda event: self.choose_tag(str(event.args)))

    def show(self, chosen: Past | None) -> None:
        """Shows a job, where it or its revision is another than before."""
        shows = (chosen, self._library.revision(chosen.id) if chosen else 0)
        if shows == self._shows:  # or mere progress would read and draw it all again
            return
        self._shows = shows
        self._document = None
        self._place.clear()
        with self._place:
            if chosen is None:
                text("h2", "No session yet")
                text(
                    "p",
                    "Bounce stems from REAPER, Ableton Live or Ardour with the Stemlens script, or "
                    "drop a folder of stems on a watched folder ('stemlens serve --watch FOLDER').",
                )
            else:
                self._job(chosen)

    def choose_tag(self, tag: str) -> None:
        """Shows a tag in detail."""
        if self._document is not None and tag_of(self._document, tag) is not None:
            self.tag = tag
            self._draw_tag()

    def choose_nth(self, number: int) -> None:
        """Shows the nth of the tags that are listed, counted from 1."""
        listed = shown_tags(self._document, self._wanted) if self._document else []
        if 1 <= number <= len(listed):
            self.choose_tag(listed[number - 1]["tag"])

    def sift(self, wanted: str) -> bool:
        """Lists only tags with these words in them, of all there are; where none has them, says so
        and lists them as without words."""
        self._wanted = wanted
        if self._document is None:
            return True
        found = bool(shown_tags(self._document, wanted))
        self._wanted = wanted if found else ""
        self._map.set_content(heat_map(self._document, self._shown_tag(), self._wanted))
        return found

    def _job(self, chosen: Past) -> None:
        with ui.element("header"):
            heading = text("h2", chosen.project or chosen.id).props("tabindex=-1")
            heading.props["data-key"] = f"result {chosen.id}"
            if chosen.error:
                text("p", f"Failed: {chosen.error}" if chosen.state == "failed" else chosen.error)
            if chosen.error_code == "cancelled":
                ui.timer(0, partial(self._offer, chosen.id, ui.element("div")), once=True)
            document = self._library.result(chosen.id)
            if document is None:
                if chosen.state not in FINAL_STATES:
                    text("p", "The first results come in a moment.", "sl-muted")
                return
            ended = chosen.state in FINAL_STATES
            if not (ended or document["method"]["exact"]):
                text("p", PRELIMINARY, "sl-muted")
            self._since(chosen, document)
            ui.html(_players(document, ended), sanitize=False).classes("sl-sounds")
            _intended(document)
        self._document, self._ended = document, ended
        self._done = chosen.state == "done"
        many = len(document["session"]["stems"]) > BESIDE
        with ui.element("div").classes("sl-many" if many else ""):
            self._map = ui.html(heat_map(document, self._shown_tag(), self._wanted), sanitize=False)
        self._one = ui.element("section").props('aria-label="The chosen tag"').classes("sl-one")
        self._draw_tag()
        with ui.element("div").classes("sl-notes"):
            names = [stem["name"] for stem in document["session"]["stems"]]
            for warning in document["warnings"]:
                text("p", isolated_in(warning["message"], names), "sl-muted")

    def _since(self, chosen: Past, document: dict[str, Any]) -> None:
        """What changed since the version before; nothing of a first, rough revision."""
        if chosen.state not in FINAL_STATES and document["revision"] <= 1:
            return
        before = self._library.version_before(chosen, document)
        if before is not None:
            past, earlier = before
            others = self._library.unchanged(past.id, chosen.id)
            changes = "; ".join(compare(earlier, document, others)) or "no change"
            text("p", f"Since {when(past.since)}: {changes}.")

    def _shown_tag(self) -> str:
        """The chosen tag, or the best where the result has no such tag."""
        assert self._document is not None
        tags: list[dict[str, Any]] = self._document["tags"]
        chosen = tag_of(self._document, self.tag)
        return str(chosen["tag"] if chosen else tags[0]["tag"] if tags else "")

    def _draw_tag(self) -> None:
        document = self._document
        tag = document and tag_of(document, self._shown_tag())
        self._one.clear()
        if not document or not tag:
            return
        with self._one:
            with ui.element("div"):
                name = html.escape(tag["tag"])
                ui.html(f'<h2 data-chosen="{name}">{name}</h2>', sanitize=False)
                self._explaining.draw(document, tag, self._done)
                text("p", " ".join(summary(document, tag)))
                for said in in_time_and_change(document, tag["tag"]):
                    text("p", said)
                ui.html(bars(document, tag), sanitize=False)
            with ui.element("div"):
                text("h3", "Over time")
                place = ui.element("div")
            ui.timer(0, partial(self._draw_time, place, document, tag["tag"]), once=True)

    async def _draw_time(self, place: ui.element, document: dict[str, Any], tag: str) -> None:
        try:
            came = await run.io_bound(self._over_time, document, tag)
        except StemlensError as error:
            came = "", error.message
        if came is None or place.is_deleted:  # None: the panel ends
            return
        drawn, problem = came
        with place:
            if drawn:
                ui.html(drawn, sanitize=False)
            if problem:
                text("p", problem, "sl-muted")

    def _over_time(self, document: dict[str, Any], tag: str) -> tuple[str, str]:
        """The picture of a tag over time, and what is missing in it."""
        if document["time"] is None:
            return "", NO_TIME if self._ended else TIME_COMES
        shares = OverTime.read(Path(document["time"]), document["tagger"]["segment_s"])
        outline: Outline = ()
        problem = ""
        try:
            outline = self._sounds.sum(document["session"]["id"]).sound.outline
        except StemlensError as error:
            problem = f"There is no waveform: {error.message}"
        return taggram(document, tag, shares, outline), problem

    async def _offer(self, job: str, place: ui.element) -> None:
        """Offers to take a cancelled job up again, while its files are there."""
        able = await run.io_bound(can_be_taken_up, self._library, job)
        if able and not place.is_deleted:
            with place:
                button("Take it up again", partial(self._again, job, place))

    async def _again(self, job: str, place: ui.element) -> None:
        place.clear()  # or a second press would submit it twice
        with place:
            text("p", "It is being submitted …", "sl-muted")
        client = place.client
        problem = ""
        try:
            again = await run.io_bound(take_up, self._library, self._server, job)
        except StemlensError as error:
            again, problem = None, error.message
        if again is not None:
            self._choose(again)
            client.run_javascript(f"slFocus({json.dumps(f'result {again}')})")
        elif problem and not place.is_deleted:
            place.clear()
            with place:
                text("p", problem)
            await self._offer(job, place)


def _intended(document: Mapping[str, Any]) -> None:
    """Whether it is heard as it was meant, where something was."""
    whole = document.get("intended")
    if whole is None:
        return
    with ui.element("section").props('aria-label="Heard as you mean it?"'):
        text("h3", "Heard as you mean it?")
        text("p", whole["sentence"])
        with ui.element("ul").classes("sl-verdicts"):
            for word in document["intent"]:
                text("li", f"{MARKS[word['verdict']]} {word['sentence']}")


def _players(document: Mapping[str, Any], ended: bool) -> str:
    """Buttons for what all stems are together, and for the mix; at the end a link to the report."""
    job = document["session"]["id"]
    told = play_button(address(job, "sum"), "All stems", "All stems")
    if document["session"]["mix"] is not None:
        told += play_button(address(job, "mix"), "The mix", "The mix")
    if ended:
        told += f'<a class="sl-save" href="{report_address(job)}" download>Save the report</a>'
    return told
