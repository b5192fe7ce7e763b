"""One tag: what each stem adds to it or takes from it, as bars around a common axis, and in words.

Blue adds, orange takes (Okabe and Ito's pair, told apart by colour-blind eyes), and the number says
it too. Whiskers span the interval where a share is estimated; one that includes 0 is called
unclear and has no colour. The axis has 5 points to a side at least, so that next to nothing looks
like it. Pure functions: a result (DESIGN's schema) in, HTML out; whatever users wrote stays text.
"""

from __future__ import annotations

import html
from collections.abc import Container, Mapping, Sequence
from typing import Any

from stemlens.report.addresses import address
from stemlens.report.heatmap import play_button
from stemlens.wording import silence
from stemlens.wording.shares import Row, rows
from stemlens.wording.told import few, listed, small, unit_of
from stemlens_bridge.annotations import points
from stemlens_bridge.table import DOUBT, EXPLANATIONS, UNITS

NAMED = 3  # stems that the sentence names on either side
LEAST_AXIS = {"points": 0.05, "log-odds": 0.25}  # to either side
ALONE = (
    "Muting it: what the tag does when that alone is done, measured by itself; it need not match "
    "the share. Alone: the stem by itself, above silence."
)
OTHER_MIX = 3  # points between the scores of mix and sum that are worth a sentence


def bars(
    document: Mapping[str, Any],
    tag: Mapping[str, Any],
    *,
    sounds: Container[str] | None = None,
    captioned: bool = True,
) -> str:
    """The tag as a table: a row for each stem, with a bar, its number, and the two effects that one
    would try first.

    `sounds`: the addresses that can be played; None: all. `captioned`: whether its caption stands
    below it.
    """
    own, unit = rows(document, tag), unit_of(document)
    least = min([-LEAST_AXIS[unit], *(min(row.low, row.value) for row in own)])
    most = max([LEAST_AXIS[unit], *(max(row.high, row.value) for row in own)])
    span = most - least
    job = document["session"]["id"]
    body = "".join(_row(row, job, unit, least, span, sounds) for row in own)
    below = f"<figcaption>{caption(document)}</figcaption>" if captioned else ""
    return (
        '<figure><table class="sl-bars"><thead><tr><th scope="col">Stem</th>'
        '<th scope="col">Share</th><th scope="col" class="sl-axis">takes · adds</th>'
        '<th scope="col">Muting it</th><th scope="col">Alone</th></tr></thead>'
        f"<tbody>{body}</tbody></table>{below}</figure>"
    )


def caption(document: Mapping[str, Any]) -> str:
    """What the numbers beside the bars are."""
    method = document["method"]
    words = [UNITS[unit_of(document)], EXPLANATIONS[method["value"]]]
    if not method["exact"]:
        words.append(f"Whiskers, {DOUBT}")
    words.append(ALONE)
    return " ".join(words)


def summary(document: Mapping[str, Any], tag: Mapping[str, Any]) -> list[str]:
    """The tag in plain words, a sentence each, with what is not certain about it."""
    own = [row for row in rows(document, tag) if row.tells]
    unit = unit_of(document)
    adding = [row for row in own if row.adds]
    taking = sorted((row for row in own if row.takes), key=lambda row: row.value)
    told = [
        f"{tag['tag'][:1].upper()}{tag['tag'][1:]} is {points(tag['score'])} of 100 {_aside(tag)}."
    ]
    if silence.above(tag) < silence.LEAST:
        told.append(
            f"That is {silence.next_to_nothing(silence.above(tag))} scores, so this mix does not "
            f"speak for {tag['tag']}."
        )
    told.append(_from(adding, unit) + _taken(taking, unit))
    unclear = [row.name for row in own if not row.clear]
    if unclear:
        told.append(f"Unclear, because what is known includes 0: {listed(few(unclear, NAMED))}.")
    made = [row for row in (*adding[:NAMED], *taking[:NAMED]) if row.trust < 1]
    if made:
        trusts = listed([f"{row.name} to {100 * row.trust:.0f} %" for row in made])
        told.append(f"Made out of the mix, to be trusted: {trusts}.")
    return [*told, *_beyond(document, tag)]


def _aside(tag: Mapping[str, Any]) -> str:
    aside = [f"even silence scores {points(tag['baseline'])}"]
    if tag["mix_score"] is not None:
        aside.append(f"your mix scores {points(tag['mix_score'])}")
    return f"({', '.join(aside)})"


def _from(adding: Sequence[Row], unit: str) -> str:
    """What adds to a tag; `adding`: those that add for certain, the largest first."""
    if not adding:
        return "No stem adds to it for certain"
    half = sum(row.value for row in adding) / 2
    named = [adding[0]]
    while sum(row.value for row in named) < half and len(named) < NAMED:
        named.append(adding[len(named)])
    told = listed([f"{row.name} ({small(row.value, unit)})" for row in named])
    mostly = sum(row.value for row in named) >= half
    how = "" if len(named) == len(adding) else "mostly " if mostly else "among others "
    return f"What adds to it comes {how}from {told}"


def _taken(taking: Sequence[Row], unit: str) -> str:
    if not taking:
        return "."
    told = listed([f"{row.name} ({small(row.value, unit)})" for row in taking[:NAMED]])
    return f"; against it: {told}."


def _beyond(document: Mapping[str, Any], tag: Mapping[str, Any]) -> list[str]:
    """What the mix has beyond the stems, where it matters for this tag."""
    mix = document["session"]["mix"]
    if mix is None or tag["mix_score"] is None:
        return []
    apart = points(tag["mix_score"]) - points(tag["score"])
    if abs(apart) < OTHER_MIX:
        return []
    more = f"{abs(apart)} {'more' if apart > 0 else 'less'}"
    return [
        f"Your mix has {more} than its stems together: that is no stem's share, but what the "
        f"master bus does or what no stem has (what is left of the mix without the stems is at "
        f"{mix['residual_db']:.0f} dB)."
    ]


def _row(
    row: Row, job: str, unit: str, least: float, span: float, sounds: Container[str] | None
) -> str:
    def across(value: float) -> float:
        return 100 * (value - least) / span

    zero = across(0.0)
    start, width = min(across(row.value), zero), abs(across(row.value) - zero)
    bar = (
        f'<rect class="{_kind(row)}" x="{start:.2f}%" y="20%" '
        f'width="{width:.2f}%" height="60%"/>'
        f'<line class="sl-zero" x1="{zero:.2f}%" x2="{zero:.2f}%" y1="0" y2="100%"/>'
    )
    interval = ""
    if row.low < row.high:
        low, high = across(row.low), across(row.high)
        bar += "".join(
            f'<line class="sl-whisker" x1="{one:.2f}%" x2="{other:.2f}%" y1="{top}%" y2="{end}%"/>'
            for one, other, top, end in (
                (low, high, 50, 50),
                (low, low, 30, 70),
                (high, high, 30, 70),
            )
        )
        interval = _small(" to ".join(row.told))
        interval += "" if row.clear else _small("unclear")
    trust = "" if row.trust >= 1 else f"trust {100 * row.trust:.0f} %"
    play = play_button(address(job, "stem", row.stem), row.name, sounds=sounds)
    return (
        f'<tr><th scope="row"><div class="sl-stem">{play}<span><bdi>{html.escape(row.name)}'
        f"</bdi>{_small(trust)}</span></div></th>"
        f"<td><b>{small(row.value, unit)}</b>{interval}</td>"
        f'<td class="sl-share"><svg aria-hidden="true" width="100%" height="100%">{bar}</svg></td>'
        f"<td>{small(row.mute, unit)}</td><td>{small(row.solo, unit)}</td></tr>"
    )


def _kind(row: Row) -> str:
    """The class of a bar."""
    adds = "sl-adds" if row.value > 0 else "sl-takes"
    return adds if row.clear else f"{adds} sl-unclear"


def _small(words: str) -> str:
    return f" <small>{html.escape(words)}</small>" if words else ""
