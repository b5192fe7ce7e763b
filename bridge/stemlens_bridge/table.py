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
from stemlens_bridge.verdicts import verdict_lines
from stemlens_bridge.wording import clock, counted

EXPLANATIONS = {
    "shapley": "The shares of a tag add up to its score less what silence scores.",
    "owen": "Owen values: first every group of stems gets its share, then its members share that. "
    "The shares of a tag add up to its score less what silence scores.",
    "banzhaf": "Banzhaf values: what a stem adds on average over all combinations of the others. "
    "They need not add up to the tag's score.",
    "lime": "LIME: how far the score follows whether a stem plays, by a regression that prefers "
    "mixes near to the whole (docs/values.md). These do not add up to the tag's score.",
    "mute": "What is lost when a stem is muted. These do not add up to the tag's score.",
    "solo": "What a stem scores alone, above silence. These do not add up to the tag's score.",
}
UNITS = {"points": "Points of 100.", "log-odds": "Log-odds: 1 is a factor of 2.7 in the odds."}
DOUBT = "±: the exact value lies inside in 95 of 100 cases."
TOGETHER, PAIRS = 0.03, 2  # what pairs do together is told from here on, of so many pairs
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
    names = stem_names(result)
    shown = result["tags"][:tags]
    unit = result["method"].get("unit", "points")
    rows = [_rows(result, tag, names) for tag in shown]
    shares = [share for block in rows for _, share in block]
    widest = max((columns(name) for block in rows for name, _ in block), default=1)
    column = min(widest, width // 3)
    estimated = any(share["low"] < share["high"] for share in shares)
    own = max((len(_value(share, unit, estimated)) for share in shares), default=4)
    bar = width - column - own - 22
    largest = max((abs(share["value"]) for share in shares), default=0.0)
    style = _style if colour else _no_style

    lines = [style(BOLD, fit(_headline(result), width)), ""]
    lines += verdict_lines(result, width, style)
    for tag, block in zip(shown, rows, strict=True):
        lines.append(style(BOLD, fit(_tag_line(tag), width)))
        told = [row for row in block if _does_something(row[1], unit)][:stems]
        for name, share in told:
            left, right = bars(share["value"], largest, bar)
            muted = f"muting it: {amount(share['mute'], unit):>4}" if "mute" in share else ""
            lines.append(
                f"  {pad(fit(name, column), column)} "
                f"{_value(share, unit, estimated):>{own}} "
                f"{style(AGAINST, left)}│{style(FOR, right)} " + style(DIM, muted)
            )
        seen = {id(share) for _, share in told}
        hidden = [share for _, share in block if "stem" in share and id(share) not in seen]
        if hidden:
            rest = amount(sum(share["value"] for share in hidden), unit)
            lines.append(style(DIM, fit(f"  and {_more(len(hidden), rest)}", width)))
        for line in _together(result, tag, names, unit):
            lines.append(style(DIM, fit(f"  {line}", width)))
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


def _told_groups(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The groups that have shares of their own."""
    return [group for group in result.get("groups", []) if group.get("attributions")]


def _rows(
    result: Mapping[str, Any], tag: Mapping[str, Any], names: Mapping[str, str]
) -> list[tuple[str, Mapping[str, Any]]]:
    """The names and shares of a tag in the order in which they are shown: the largest first, the
    members of a group under it."""
    shares = {share["stem"]: share for share in tag["attributions"]}
    blocks: list[list[tuple[str, Mapping[str, Any]]]] = []
    for group in _told_groups(result):
        own = next(part for part in group["attributions"] if part["tag"] == tag["tag"])
        members = sorted((shares.pop(stem) for stem in group["stems"]), key=_size)
        inside = [(f"  {names[share['stem']]}", share) for share in members]
        blocks.append([(one_line(group["name"]), own), *inside])
    blocks += [[(names[stem], share)] for stem, share in shares.items()]
    return [row for block in sorted(blocks, key=lambda block: _size(block[0][1])) for row in block]


def _does_something(share: Mapping[str, Any], unit: str) -> bool:
    """Whether anything of a stem shows: its share, or what muting it does."""
    shown = (amount(share["value"], unit), amount(share.get("mute", 0.0), unit))
    return any(told.strip("+−0.") for told in shown)


def _together(
    result: Mapping[str, Any], tag: Mapping[str, Any], names: Mapping[str, str], unit: str
) -> list[str]:
    """In words what pairs of stems do together, where it is worth a line and certain."""
    lines = []
    for pair in result.get("interactions", []):
        certain = pair["low"] > 0 or pair["high"] < 0
        if pair["tag"] == tag["tag"] and certain and abs(pair["value"]) >= TOGETHER:
            one, other = (names[stem] for stem in pair["stems"])
            size = amount(abs(pair["value"]), unit).lstrip("+")
            what = "more" if pair["value"] > 0 else "less"
            lines.append(f"{one} and {other} together: {size} {what} than one by one")
    return lines[:PAIRS]


def _more(stems: int, rest: str) -> str:
    return f"one more stem: {rest}" if stems == 1 else f"{stems} more stems: {rest} together"


def _size(share: Mapping[str, Any]) -> float:
    """For sorting: the largest first."""
    return -abs(float(share["value"]))


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


def amount(value: float | None, unit: str) -> str:
    """A part of a score as it is shown, in points or log-odds."""
    if value is None:
        return "?"
    return signed(value) if unit == "points" else f"{value:+.2f}".replace("-", "−")


def _value(share: Mapping[str, Any], unit: str, estimated: bool) -> str:
    """A share, and in an estimated result how far off it may be: "+21", "+21 ±2  ", "+3 ±0.4"."""
    told = f"{amount(share['value'], unit):>4}"
    off = (share["high"] - share["low"]) / 2 * (100 if unit == "points" else 1)
    if not estimated:
        return told
    return told + (" " * 5 if off == 0 else f" ±{off:<3.1f}" if off < 0.95 else f" ±{off:<3.0f}")


def _headline(result: Mapping[str, Any]) -> str:
    session, tagger = result["session"], result["tagger"]
    return (
        f"{one_line(session['project'])}: {counted(len(session['stems']), 'stem')}, "
        f"{clock(session['duration_s'])}, heard by {tagger['name']}"
    )


def _tag_line(tag: Mapping[str, Any]) -> str:
    aside = [f"silence {points(tag['baseline'])}"]
    if tag["mix_score"] is not None:
        aside.append(f"your mix {points(tag['mix_score'])}")
    return f"{tag['tag']}  {points(tag['score'])} of 100  ({', '.join(aside)})"


def stem_names(result: Mapping[str, Any]) -> dict[str, str]:
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
