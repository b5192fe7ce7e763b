"""Stems × tags: which stem makes the mix sound like what, as a table that can be read and seen.

Each cell has the share in points, signed, and a colour by its sign and size: blue for what a stem
adds, orange for what it takes away, a pair that the colour-blind can tell apart; the number stands
in it too. Estimated shares show how far they may be off. Pure functions: a result (see DESIGN's
schema) in, HTML out; whatever users wrote stays text.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

FULL = 0.30  # a share of so much of the score has the whole colour
LEAST_POINTS = 0.5  # less is shown as nothing
ADDS, TAKES = "0 114 178", "213 94 0"  # Okabe and Ito's blue and vermilion


def heat_map(document: Mapping[str, Any], tags: int = 10) -> str:
    """The best tags as rows, the stems as columns."""
    stems = document["session"]["stems"]
    exact = document["method"]["exact"]
    head = "".join(f'<th scope="col">{_text(stem["name"])}</th>' for stem in stems)
    rows = "".join(
        f'<tr><th scope="row">{_text(tag["tag"])}</th><td class="sl-score">'
        f"{100 * tag['score']:.0f}</td>{_cells(tag, stems, exact)}</tr>"
        for tag in document["tags"][:tags]
    )
    caption = (
        "What each stem adds to (+) or takes from (−) the score of each tag, in points of 100"
        + ("." if exact else "; ± is how far an estimate may be off.")
    )
    return (
        '<div class="sl-scroll" tabindex="0" role="region" aria-label="Stems and tags">'
        f'<table class="sl-heat"><caption>{caption}</caption><thead><tr><th scope="col">Tag</th>'
        f'<th scope="col">Score</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def colour(value: float) -> str:
    """The background of a share (a part of the score): stronger the larger it is."""
    strength = min(abs(value) / FULL, 1.0) ** 0.7  # small ones are seen as well
    return f"rgb({ADDS if value > 0 else TAKES} / {strength * 0.75:.2f})"


def points(value: float) -> str:
    """A share in whole points; nothing for next to nothing."""
    if abs(100 * value) < LEAST_POINTS:
        return "·"
    return f"{100 * value:+.0f}".replace("-", "−")


def _cells(tag: Mapping[str, Any], stems: list[Mapping[str, Any]], exact: bool) -> str:
    shares = {share["stem"]: share for share in tag["attributions"]}
    return "".join(_cell(shares.get(stem["id"]), exact) for stem in stems)


def _cell(share: Mapping[str, Any] | None, exact: bool) -> str:
    if share is None:
        return '<td aria-label="not known">?</td>'
    told = points(share["value"])
    style = "" if told == "·" else f' style="background: {colour(share["value"])}"'
    if exact or share["low"] is None:
        return f"<td{style}>{told}</td>"
    off = 50 * (share["high"] - share["low"])
    return f"<td{style}>{told}<small> ±{off:.0f}</small></td>"


def _text(words: str) -> str:
    return html.escape(words)
