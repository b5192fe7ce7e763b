"""How far a result may be trusted, in plain sentences: how its shares were found, what the stems
leave of the mix, how well separated stems were made, and what was warned of.

Pure functions: a result (DESIGN's schema) in, plain sentences out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stemlens.report.heatmap import shown_tags
from stemlens.wording.told import isolated_in, off, possible, shown_names, unit_of
from stemlens_bridge.wording import number

NULLS_DB, NEAR_DB = -60.0, -20.0  # what is left of a mix without its stems
WARNED = ("estimated", "unfinished")  # warnings that say how far an estimate may be off
MASTERS = {
    "off": "Nothing was done about the master bus.",
    "curve": "Its gain over time plays on every stem.",
    "rest": "What it adds plays as a stem of its own, which is no track.",
}
EAR = (
    "A score says how well the tagger thinks a word fits, by what people called other music; it is "
    "no measure of quality, and another tagger may hear it otherwise."
)


def doubts(document: Mapping[str, Any]) -> list[str]:
    """What to know before a result is believed, the most important first."""
    names = [stem["name"] for stem in document["session"]["stems"]]
    warned = [isolated_in(one["message"], names) for one in document["warnings"]]
    return [*_found(document), *_mix(document), *_separated(document), *warned, EAR]


def _found(document: Mapping[str, Any]) -> list[str]:
    if document["method"]["exact"]:
        return [
            "The shares are exact for this bounce and this tagger: every combination of the stems "
            "that sound at once was heard."
        ]
    if any(one["code"] in WARNED for one in document["warnings"]):
        return []
    unit = unit_of(document)
    widest = max(
        (
            possible(share["low"], share["high"], unit)
            for tag in shown_tags(document)
            for share in tag["attributions"]
        ),
        key=lambda interval: interval[1] - interval[0],
        default=(0.0, 0.0),
    )
    what = "points" if unit == "points" else "log-odds"
    return [
        "The shares are estimated from some of all combinations of the stems. The exact share lies "
        f"inside its interval in 95 of 100 cases; the widest here is {off(*widest, unit)} {what}."
    ]


def _mix(document: Mapping[str, Any]) -> list[str]:
    mix = document["session"]["mix"]
    if mix is None:
        return [
            "There was no mix to compare the stems with, so what a master bus does is not in it."
        ]
    left_db = mix["residual_db"]
    told = f"What is left of your mix without the stems is at {number(left_db, 0)} dB"
    if document["session"].get("source") == "separated":
        what = "that was given to none of the stems which were made out of it."
    elif left_db < NULLS_DB:
        what = "the stems are all of it."
    elif left_db < NEAR_DB:
        what = "that is what the master bus does, or a little that no stem has."
    else:
        what = "a stem is missing, or the master bus does a lot."
    return [f"{told}: {what} {MASTERS[document['session'].get('master', 'off')]}"]


def _separated(document: Mapping[str, Any]) -> list[str]:
    names = shown_names(document)
    made = [stem for stem in document["session"]["stems"] if stem.get("trust", 1.0) < 1]
    if not made:
        return []
    listed = ", ".join(f"{names[stem['id']]} {100 * stem['trust']:.0f} %" for stem in made)
    return [
        "These stems were made out of the mix and are not the tracks themselves; so far each may "
        f"be believed: {listed}. The intervals of their shares are wider for it."
    ]
