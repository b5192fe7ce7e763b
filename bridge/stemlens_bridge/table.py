"""A result as a table in a terminal: for each of the best tags, what every stem has to do with it.

One tag is one block. Its score is in points of 100; each stem's share is a signed bar around a
common axis, and beside it stands what the tag's score would do if the stem were muted. Plain text
with bars of block characters, coloured only on request; no line is longer than `width`.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping
from typing import Any

from stemlens_bridge.annotations import points, signed

EXPLANATIONS = {
    "shapley": "The shares of a tag add up to its score less what silence scores.",
    "owen": "Owen values: first every group of stems gets its share, then its members share that. "
    "The shares of a tag add up to its score less what silence scores.",
    "banzhaf": "Banzhaf values: what a stem adds on average over all combinations of the others. "
    "They need not add up to the tag's score.",
    "mute": "What is lost when a stem is muted. These do not add up to the tag's score.",
    "solo": "What a stem scores alone, above silence. These do not add up to the tag's score.",
}
UNITS = {"points": "Points of 100.", "log-odds": "Log-odds: 1 is a factor of 2.7 in the odds."}
DOUBT = "±: the exact value lies inside in 95 of 100 cases."
BLOCKS = " ▏▎▍▌▋▊▉█"
BOLD, DIM, FOR, AGAINST, PLAIN = "\033[1m", "\033[2m", "\033[34m", "\033[33m", "\033[0m"


def table(
    result: Mapping[str, Any],
    *,
    tags: int = 5,
    stems: int = 12,
    width: int = 80,
    colour: bool = False,
) -> str:
    """The best `tags` of a result (`stemlens.analysis/1`) with up to `stems` shares each.

    `width` in columns, at least 60.
    """
    width = max(width, 60)
    names = _names(result)
    column = min(max(columns(name) for name in names.values()), width // 3)
    shown = result["tags"][:tags]
    shares = [share for tag in shown for share in tag["attributions"]]
    unit = result["method"].get("unit", "points")
    estimated = any(share["low"] < share["high"] for share in shares)
    own = max((len(_value(share, unit, estimated)) for share in shares), default=4)
    bar = width - column - own - 22
    largest = max((abs(share["value"]) for share in shares), default=0.0)
    style = _style if colour else _no_style

    lines = [style(BOLD, fit(_headline(result), width)), ""]
    for tag in shown:
        lines.append(style(BOLD, fit(_tag_line(tag), width)))
        ordered = sorted(tag["attributions"], key=lambda share: -abs(share["value"]))
        for share in ordered[:stems]:
            left, right = bars(share["value"], largest, bar)
            lines.append(
                f"  {pad(fit(names[share['stem']], column), column)} "
                f"{_value(share, unit, estimated):>{own}} "
                f"{style(AGAINST, left)}│{style(FOR, right)} "
                + style(DIM, f"muting it: {_amount(share['mute'], unit):>4}")
            )
        hidden = ordered[stems:]
        if hidden:
            rest = _amount(sum(share["value"] for share in hidden), unit)
            lines.append(style(DIM, fit(f"  and {len(hidden)} more stems: {rest} together", width)))
        lines.append("")
    words = [UNITS[unit], EXPLANATIONS[result["method"]["value"]]]
    if estimated:
        words.append(DOUBT)
    words.append("What muting a stem does was measured by itself and need not match its share.")
    for line in textwrap.wrap(" ".join(words), width):
        lines.append(style(DIM, line))
    for warning in result["warnings"]:
        lines += textwrap.wrap(f"Note: {warning['message']}", width, subsequent_indent="      ")
    return "\n".join(line.rstrip() for line in lines)


def bars(value: float, largest: float, width: int) -> tuple[str, str]:
    """The parts of a bar left and right of the axis, together `width` columns.

    A third of the room is for negative values. `largest` is the value that fills a side.
    """
    left, right = width // 3, width - width // 3
    room = right if value >= 0 else left
    eighths = round(8 * room * min(abs(value) / largest, 1.0)) if largest > 0 else 0
    if value >= 0:
        full, part = divmod(eighths, 8)
        return " " * left, ("█" * full + BLOCKS[part].strip()).ljust(right)
    # There are no right-aligned eighths in Unicode's first blocks, so this side has halves.
    halves = round(eighths / 4)
    return ("▐" * (halves % 2) + "█" * (halves // 2)).rjust(left), " " * right


def _amount(value: float | None, unit: str) -> str:
    """A part of a score as it is shown, in points or log-odds."""
    if value is None:
        return "?"
    return signed(value) if unit == "points" else f"{value:+.2f}".replace("-", "−")


def _value(share: Mapping[str, Any], unit: str, estimated: bool) -> str:
    """A share, and in an estimated result how far off it may be: "+21", "+21 ±2  ", "+3 ±0.4"."""
    told = f"{_amount(share['value'], unit):>4}"
    off = (share["high"] - share["low"]) / 2 * (100 if unit == "points" else 1)
    if not estimated:
        return told
    return told + (" " * 5 if off == 0 else f" ±{off:<3.1f}" if off < 0.95 else f" ±{off:<3.0f}")


def _headline(result: Mapping[str, Any]) -> str:
    session, tagger = result["session"], result["tagger"]
    seconds = round(session["duration_s"])
    return (
        f"{one_line(session['project'])}: {len(session['stems'])} stems, "
        f"{seconds // 60}:{seconds % 60:02d}, heard by {tagger['name']}"
    )


def _tag_line(tag: Mapping[str, Any]) -> str:
    aside = [f"silence {points(tag['baseline'])}"]
    if tag["mix_score"] is not None:
        aside.append(f"your mix {points(tag['mix_score'])}")
    return f"{tag['tag']}  {points(tag['score'])} of 100  ({', '.join(aside)})"


def _names(result: Mapping[str, Any]) -> dict[str, str]:
    """A name to show for each stem id; tracks that share a name are told apart by their ids."""
    stems = result["session"]["stems"]
    names = [stem["name"] for stem in stems]
    return {
        stem["id"]: one_line(
            stem["name"] if names.count(stem["name"]) == 1 else f"{stem['name']} ({stem['id']})"
        )
        for stem in stems
    }


def one_line(text: str) -> str:
    """A name without what would break a line or steer the terminal."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def fit(text: str, width: int) -> str:
    """A text in at most `width` columns, cut with an ellipsis."""
    if columns(text) <= width:
        return text
    while columns(text) > width - 1:
        text = text[:-1]
    return text + "…"


def pad(text: str, width: int) -> str:
    """A text with spaces up to `width` columns."""
    return text + " " * (width - columns(text))


def _style(code: str, text: str) -> str:
    return f"{code}{text}{PLAIN}"


def _no_style(code: str, text: str) -> str:
    return text
