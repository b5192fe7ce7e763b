"""Live mix: a fader and a mute for each stem of the chosen job, and what they do to its tags.

A client of the server's live mix like REAPER or a terminal (`stemlens_bridge.live`), with a
connection and a thread of its own for each page on which it is open. The faders belong to the
browser (`static/faders.js`), which tells where all of them stand at each move; nothing here writes
to them, or one would jump back under the hand. Positions on a fader go by decibels in steps that
grow downwards. Pure functions: stems or a view in, HTML out; whatever users wrote stays text.
"""

from __future__ import annotations

import html
import json
import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nicegui import events, ui

from stemlens.report.heatmap import colour
from stemlens.service.panel.elements import button, text
from stemlens.service.panel.library import Library
from stemlens.service.store import Past
from stemlens_bridge.annotations import points
from stemlens_bridge.live import LiveMix, View
from stemlens_bridge.moves import Move
from stemlens_bridge.protocol import TAKEN_OVER
from stemlens_bridge.wording import clock, tenths

SCRIPT = Path(__file__).parent / "static" / "faders.js"
LOOK_S, EVERY_S = 0.1, 0.05
ABOVE_DB = tuple(0.5 * step for step in range(1, 25))
BELOW_DB = (*ABOVE_DB[:12], 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 15.0, 18.0, 24.0, 30.0, 42.0, 60.0)
SCALE_DB = (*(-db for db in reversed(BELOW_DB)), 0.0, *ABOVE_DB)
"""What each position of a fader means; 0 dB is in the middle."""

TAGS, MOVERS = 10, 3  # tags at the start, best first; others shown that have moved most since
LEAST = 0.005  # of a score that is told as moved


class Faders:
    """The section on one page. It follows the chosen job; opened, it plays that job's live mix."""

    def __init__(self, osc: tuple[str, int], library: Library) -> None:
        self._osc = osc
        self._library = library
        self._job: str | None = None
        self._mix: LiveMix | None = None
        self._moves: list[Move] = []
        self._shown: View | None = None

    def build(self) -> None:
        """Makes the section where the page is being built."""
        ui.add_head_html(f"<script>{SCRIPT.read_text()}</script>")
        with ui.element("section").props('aria-label="Live mix"') as self._section:
            text("h2", "Live mix")
            text(
                "p",
                "What would your faders do to the tags? Nothing is played, and nothing moves in "
                "your DAW.",
                "sl-muted",
            )
            self._toggle = button("Move faders", self._turn).props("aria-expanded=false")
            with ui.element("div") as self._open:
                self._status = text("p", "").props("role=status")
                self._again = button("Open it again", self._play)
                with ui.element("div").classes("sl-live"):
                    self._mixer = ui.html("", sanitize=False)
                    for event in ("input", "click", "dblclick"):
                        self._mixer.on(
                            event,
                            self._moved,
                            throttle=EVERY_S,
                            js_handler="(event) => slFaders(event, emit)",
                        )
                    self._scores = ui.html("", sanitize=False)
                self._heard = text("p", "", "sl-hidden").props("aria-live=polite")
        self._timer = ui.timer(LOOK_S, self._look, active=False)
        self._close()
        self._section.set_visibility(False)
        ui.context.client.on_delete(self._end)

    def follow(self, job: Past | None) -> None:
        """Turns to the chosen job; only one that is done can be played."""
        playable = job.id if job is not None and job.state == "done" else None
        if playable != self._job:
            self._close()
            self._job = playable
            self._section.set_visibility(playable is not None)

    def _turn(self) -> None:
        if self._mix is None:
            self._begin()
        else:
            self._close()

    def _begin(self) -> None:
        document = self._library.result(self._job) if self._job else None
        if document is None:
            return
        self._moves = []
        self._mixer.set_content(mixer(document["session"]["stems"]))
        self._toggle.set_content("Close the faders").props("aria-expanded=true")
        self._open.set_visibility(True)
        self._play()

    def _play(self) -> None:
        """Opens the live mix, with the faders where they are."""
        if self._job is None:
            return
        self._end()
        self._mix = LiveMix(self._osc, "tcp", self._job, lambda view: None)
        self._move_all()
        self._timer.activate()
        self._look()

    def _end(self) -> None:
        """Ends the live mix without waiting for the server to say that it has."""
        mix, self._mix = self._mix, None
        if mix is not None:
            threading.Thread(target=mix.close, daemon=True).start()

    def _close(self) -> None:
        self._end()
        self._timer.deactivate()
        self._shown = None
        self._open.set_visibility(False)
        self._toggle.set_content("Move faders").props("aria-expanded=false")
        for place in (self._mixer, self._scores, self._heard):
            place.set_content("")

    def _moved(self, event: events.GenericEventArguments) -> None:
        self._moves = read_moves(event.args)
        self._move_all()

    def _move_all(self) -> None:
        for move in self._moves:
            if self._mix is not None:
                self._mix.move(move)

    def _look(self) -> None:
        mix = self._mix
        if mix is None or mix.view is self._shown:
            return
        self._shown = view = mix.view
        self._status.set_content(html.escape(status(view)))
        self._again.set_visibility(bool(view.message) and mix.settled)
        self._scores.set_content(scores(view))
        if view.done:  # while faders move nobody wants to be read to
            self._heard.set_content(html.escape(summary(view)))


def mixer(stems: Sequence[Mapping[str, Any]]) -> str:
    """The faders, all at 0 dB."""
    rows = "".join(_fader(stem["id"], stem["name"]) for stem in stems)
    scale = html.escape(json.dumps(SCALE_DB))
    return (
        f'<div class="sl-mixer" role="group" aria-label="Faders" data-scale="{scale}">{rows}'
        '<button type="button" data-do="all">All back to 0</button></div>'
    )


def _fader(track: str, name: str) -> str:
    told = html.escape(name)
    return (
        f'<div class="sl-fader" data-track="{html.escape(track)}">'
        f'<span class="sl-name" title="{told}">{told}</span>'
        f'<input type="range" min="0" max="{len(SCALE_DB) - 1}" value="{SCALE_DB.index(0.0)}" '
        f'step="1" aria-label="{told}: level" aria-valuetext="0.0 dB" '
        'title="Double-click: back to 0 dB">'
        "<output>0.0 dB</output>"
        f'<button type="button" data-do="reset" aria-label="{told}: back to 0 dB">0</button>'
        f'<button type="button" data-do="mute" aria-pressed="false" '
        f'aria-label="Mute {told}">Mute</button></div>'
    )


def read_moves(told: Any) -> list[Move]:
    """Where all faders stand, from what the browser tells; nothing of what makes no sense, which a
    page of ours never sends."""
    moves = []
    for one in told if isinstance(told, list) else []:
        match one:
            case [str(track), int() | float() as db, bool(muted)] if math.isfinite(db):
                moves.append(Move(track, min(max(db, SCALE_DB[0]), SCALE_DB[-1]), muted))
    return moves


def status(view: View) -> str:
    """What the section is doing, in a sentence."""
    if view.message:
        told = view.message.replace(TAKEN_OVER, "another page or your DAW has opened it")
        sentence = told[:1].upper() + told[1:]
        return sentence if sentence.endswith(".") else f"{sentence}."
    return (
        f"Listening to {clock(view.start_s)} to {clock(view.end_s)}. "
        "The scores are of these seconds, not of the whole song."
    )


def shown_tags(view: View) -> list[str]:
    """The best tags as the faders were at the start, so that rows keep their places, then those of
    the others that have moved most."""
    first = sorted(view.bounced or view.tags, key=lambda tag: -(view.bounced or view.tags)[tag])
    others = [tag for tag in first[TAGS:] if tag in view.tags and abs(view.change(tag)) >= LEAST]
    return first[:TAGS] + sorted(others, key=lambda tag: -abs(view.change(tag)))[:MOVERS]


def scores(view: View) -> str:
    """The tags as a table: the score now, and what has changed since the start."""
    if not view.tags:
        return ""
    rows = "".join(_row(view, tag) for tag in shown_tags(view) if tag in view.tags)
    return (
        '<table class="sl-scores"><caption>Points of 100. The line in a bar is where the tag was '
        'at the start.</caption><thead><tr><th scope="col">Tag</th><th scope="col">Score</th>'
        '<th scope="col">Since the start</th><td></td></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(view: View, tag: str) -> str:
    score, change = view.tags[tag], view.change(tag)
    told = tenths(change)
    arrow = "" if abs(change) < LEAST else "▲ " if change > 0 else "▼ "
    style = f' style="background: {colour(change)}"' if arrow else ""
    start = 100 * (score - change)
    return (
        f'<tr><th scope="row">{html.escape(tag)}</th><td>{points(score)}</td>'
        f'<td{style}><span aria-hidden="true">{arrow}</span>{told}</td>'
        f'<td class="sl-bar" aria-hidden="true"><div><i style="width: {100 * score:.1f}%"></i>'
        f'<b style="left: {start:.1f}%"></b></div></td></tr>'
    )


def summary(view: View) -> str:
    """What moved, for those who hear the page."""
    moved = [tag for tag in shown_tags(view) if abs(view.change(tag)) >= LEAST]
    moved.sort(key=lambda tag: -abs(view.change(tag)))
    told = (f"{tag} {points(view.tags[tag])}, {tenths(view.change(tag))}" for tag in moved[:3])
    return "; ".join(told) or "No tag has moved."
