"""Stems × tags: which stem makes the mix sound like what, as a table that can be read and seen.

Each cell has the share in points, signed, and a colour by its sign and size: blue for what a stem
adds, orange for what it takes away, a pair that the colour-blind can tell apart; the number stands
in it too. Estimated shares show how far they may be off, and one that may be 0 is pale. A tag's
button chooses it, a stem's plays it. Upright, the stems are the rows, for pages taller than wide.
Pure functions: a result (see DESIGN's schema) in, HTML out; whatever users wrote stays text.
"""

from __future__ import annotations

import html
from collections.abc import Container, Mapping
from typing import Any

from stemlens.report.addresses import address
from stemlens.wording.shares import LEAST_POINTS
from stemlens.wording.told import certain, ends, off, possible, shown_names, small, unit_of
from stemlens_bridge.annotations import points

FULL = 0.30  # a share of so much of the score has the whole colour
ADDS, TAKES = "0 114 178", "213 94 0"  # Okabe and Ito's blue and vermilion
STRONG, PALE = 0.75, 0.2
TAGS = 10


def shown_tags(document: Mapping[str, Any], wanted: str = "") -> list[Mapping[str, Any]]:
    """The best tags; of all tags, those with the `wanted` words in them."""
    found = [tag for tag in document["tags"] if wanted.casefold() in tag["tag"].casefold()]
    return found[:TAGS]


def heat_map(
    document: Mapping[str, Any],
    chosen: str = "",
    wanted: str = "",
    *,
    sounds: Container[str] | None = None,
    upright: bool = False,
) -> str:
    """The best tags as rows, the stems as columns; `chosen` is the tag that is looked at.

    `sounds`: the addresses that can be played; None: all. `upright`: stems as rows.
    """
    names, job = shown_names(document), document["session"]["id"]
    exact, unit = document["method"]["exact"], unit_of(document)
    tags = shown_tags(document, wanted)
    choosers = [_chooser(tag["tag"], chosen) for tag in tags]
    scores = [f'<td class="sl-score">{points(tag["score"])}</td>' for tag in tags]
    shares = [{share["stem"]: share for share in tag["attributions"]} for tag in tags]
    players = [_player(job, stem, name, sounds) for stem, name in names.items()]
    cells = [[_cell(of.get(stem), exact, unit) for of in shares] for stem in names]  # [stems, tags]
    if upright:
        head = ["Stem", *choosers]
        rows = [("Score", scores), *zip(players, cells, strict=True)]
    else:
        head = ["Tag", "Score", *players]
        rows = [
            (chooser, [score, *(of_stem[n] for of_stem in cells)])
            for n, (chooser, score) in enumerate(zip(choosers, scores, strict=True))
        ]
    heads = "".join(f'<th scope="col">{one}</th>' for one in head)
    body = "".join(f'<tr><th scope="row">{one}</th>{"".join(told)}</tr>' for one, told in rows)
    what = "in points of 100" if unit == "points" else "in log-odds"
    caption = f"What each stem adds to (+) or takes from (−) the score of each tag, {what}" + (
        "." if exact else "; ± is how far an estimate may be off, and pale is what may be 0."
    )
    return (
        '<figure><div class="sl-scroll" tabindex="0" role="region" aria-label="Stems and tags">'
        f'<table class="sl-heat"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
        f"</div><figcaption>{caption}</figcaption></figure>"
    )


def colour(value: float, is_certain: bool = True) -> str:
    """The background of a share (a part of the score): stronger the larger it is, and pale where
    it may as well be 0."""
    strength = min(abs(value) / FULL, 1.0) ** 0.7  # small ones are seen as well
    most = STRONG if is_certain else PALE
    return f"rgb({ADDS if value > 0 else TAKES} / {strength * most:.2f})"


def told(value: float, unit: str = "points") -> str:
    """A share as a number; a dot for next to nothing."""
    return "·" if abs(100 * value) < LEAST_POINTS else small(value, unit)


def play_button(
    sound: str, name: str, words: str = "", sounds: Container[str] | None = None
) -> str:
    """A button that plays what is at an address; `words` beside its sign are its own. Where it is
    not one of the `sounds` that can be played, the words alone."""
    if sounds is not None and sound not in sounds:
        return html.escape(words)
    shown = html.escape(name)
    return (
        f'<button type="button" class="sl-play" data-play="{html.escape(sound)}" '
        f'data-said="{shown}" aria-label="Play {shown}" aria-pressed="false">'
        f"{html.escape(words)}</button>"
    )


def _chooser(tag: str, chosen: str) -> str:
    pressed = "true" if tag == chosen else "false"
    name = html.escape(tag)
    return (
        f'<button type="button" class="sl-tag" data-tag="{name}" aria-pressed="{pressed}">'
        f"{name}</button>"
    )


def _player(job: str, stem: str, name: str, sounds: Container[str] | None) -> str:
    return play_button(address(job, "stem", stem), name, name, sounds)


def _cell(share: Mapping[str, Any] | None, exact: bool, unit: str) -> str:
    if share is None:
        return '<td aria-label="not known">?</td>'
    number = told(share["value"], unit)
    doubt, is_certain = "", True
    if not exact and share["low"] is not None:
        interval = possible(share["low"], share["high"], unit)
        doubt = f"<small> {off(*interval, unit)}</small>"
        is_certain = certain(ends(*interval, unit))
    style = f' style="background: {colour(share["value"], is_certain)}"' if number != "·" else ""
    return f"<td{style}>{number}{doubt}</td>"
