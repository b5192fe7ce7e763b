"""Why a tag: buttons that play what makes it, the mix without that, and a crossfade, and what the
tagger says of them.

The sounds are made when they are asked for (`sounds`). What they score is for the server's worker
to say: it is asked like for a trial, once somebody wants to know, and stays with the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from nicegui import run, ui

from stemlens.explain.coalitions import coalitions
from stemlens.service.panel.asking import Requests
from stemlens.service.panel.elements import button, text
from stemlens.service.panel.explainedtext import explanation_of, measured, players
from stemlens.service.panel.library import Library
from stemlens_bridge.edits import ExplainOptions
from stemlens_bridge.trials import TrialsClient

LOOK_S = 0.5
CUT = ExplainOptions(whole=False)


class Explaining:
    """The part of the chosen tag's area on one page."""

    def __init__(self, requests: Requests, library: Library) -> None:
        self._requests = requests
        self._library = library

    def draw(self, document: Mapping[str, Any], tag: Mapping[str, Any], done: bool) -> None:
        """Draws it for a tag of a result where the page is being built. `done`: the job is done, so
        that scores can be asked for."""
        name = tag["tag"]
        if not coalitions(document, name).only:
            return
        ui.html(players(document, name), sanitize=False).classes("sl-sounds").props(
            "role=group"
        ).props["aria-label"] = f"Why {name}"
        place = ui.element("div").classes("sl-why").props("role=status")
        known = explanation_of(document, name)
        if known is not None:
            with place:
                text("p", measured(document, known))
        elif done:
            self._offer(place, document, name)

    def _offer(self, place: ui.element, document: Mapping[str, Any], tag: str) -> None:
        job = document["session"]["id"]
        with place:
            button(
                "What do they score?",
                lambda: self._ask(job, tag, look),
                f"scores {tag}",
                f"What do they score? What makes it {tag}, and the mix without it",
            )
            look: ui.timer = ui.timer(
                LOOK_S, lambda: self._look(place, job, tag, look), active=False
            )

    def _ask(self, job: str, tag: str, look: ui.timer) -> None:
        """Asks the server, unless it is asked already."""
        words = f"Hearing what makes it {tag}"
        if all(one.words != words or one.ended for one in self._requests.of(job)):
            ask = partial(TrialsClient.explained, job=job, tag=tag, options=CUT)
            self._requests.begin(job, words, ask)
        look.active = True

    async def _look(self, place: ui.element, job: str, tag: str, look: ui.timer) -> None:
        document = await run.io_bound(self._library.result, job)
        known = document and explanation_of(document, tag)
        if not document or not known or place.is_deleted:
            return
        look.active = False
        place.clear()
        with place:
            text("p", measured(document, known))
