"""Elements that the parts of the page are made of."""

from __future__ import annotations

import html
import time

from nicegui import events, ui


def text(tag: str, words: str, classes: str = "") -> ui.html:
    """An element with plain text in it; whatever users wrote stays text."""
    return ui.html(html.escape(words), sanitize=False, tag=tag).classes(classes)


def button(
    words: str,
    action: events.Handler[events.GenericEventArguments],
    key: str = "",
    label: str = "",
) -> ui.html:
    """A button with these words; by `key` it finds the keyboard's focus again when it is made anew
    (static/focus.js), `label` is read aloud instead of words that others have too."""
    made = text("button", words).props("type=button")
    for name, value in (("data-key", key), ("aria-label", label)):
        if value:
            made.props[name] = value  # whatever users wrote: no string of props
    made.on("click", action)
    return made


def when(since: float) -> str:
    """A time of day; with the day where it is not today."""
    then = time.localtime(since)
    today = then[:3] == time.localtime()[:3]
    return time.strftime("%H:%M" if today else "%d %b %H:%M", then)
