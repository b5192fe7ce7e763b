"""Why a tag, as HTML and in sentences: the buttons that play it, and what the tagger says of that.

Pure functions of a result with its explanations (docs/explain.md); whatever users wrote stays text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stemlens.explain.coalitions import coalitions
from stemlens.report.addresses import address
from stemlens.report.heatmap import play_button
from stemlens.wording.told import few, listed, shown_names
from stemlens_bridge.annotations import points
from stemlens_bridge.wording import clock


def explanation_of(document: Mapping[str, Any], tag: str) -> Mapping[str, Any] | None:
    """What was measured of a tag where it is heard best: the last explanation of it by all stems
    that make it."""
    wanted = coalitions(document, tag).only
    for one in reversed(document.get("explanations", [])):
        stems = tuple(stem["stem"] for stem in one["stems"])
        if one["tag"] == tag and stems == wanted and not one["passage"]["named"]:
            found: Mapping[str, Any] = one
            return found
    return None


def scored(explanation: Mapping[str, Any], kind: str) -> str:
    """What a sound scores, to be put into a sentence; "" for a crossfade."""
    sound = next(
        one for one in explanation["sounds"] if one["kind"] == kind and one["span"] == "passage"
    )
    if sound["score"] is None:
        return ""
    place = explanation["passage"]
    return (
        f": {explanation['tag']} {points(sound['score'])} of 100 from {clock(place['start_s'])} to "
        f"{clock(place['end_s'])}, where all together score {points(place['score'])}"
    )


def players(document: Mapping[str, Any], tag: str) -> str:
    """The three buttons of a tag."""
    told = (
        ("only", f"Only what makes it {tag}", f"Only what makes it {tag}"),
        ("without", "Without it", f"Without it: the mix without what makes it {tag}"),
        ("crossfade", "Crossfade", f"Crossfade: from what makes it {tag} to the mix without it"),
    )
    job = document["session"]["id"]
    return "".join(
        play_button(address(job, "explained", tag, kind), name, words) for kind, words, name in told
    )


def measured(document: Mapping[str, Any], explanation: Mapping[str, Any]) -> str:
    """What the tagger says of the sounds, in a sentence."""
    names = shown_names(document)
    stems = [names[stem["stem"]] for stem in explanation["stems"]]
    score = {one["kind"]: one["score"] for one in explanation["sounds"] if one["span"] == "passage"}
    place = explanation["passage"]
    they_score, them = ("score", "them") if stems[1:] else ("scores", "it")
    return (
        f"From {clock(place['start_s'])} to {clock(place['end_s'])}, where that is heard best, "
        f"{listed(few(stems))} alone {they_score} {points(score['only'])}, the mix without {them} "
        f"{points(score['without'])}, all together {points(place['score'])}, and silence "
        f"{points(place['baseline'])}."
    )
