"""One self-contained page about one analysis: what the mix is, why, when, what to change, how far
to trust it, how it was made, and all of it to be heard.

Everything is in the one file, drawings as HTML and SVG, sounds as MP3 in base64: nothing is fetched
from anywhere, and the page's Content-Security-Policy sees to it. Without scripts all can be read;
with its script, sounds play and the heat map's tags lead to what is said of them. Whatever users
wrote stays text: the template escapes it, and JSON in the page has no character that HTML knows.
Pure functions: a result (DESIGN's schema), shares over time and sounds in, HTML out.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stemlens.over_time import OverTime
from stemlens.report import DRAWINGS
from stemlens.report.addresses import address
from stemlens.report.bars import bars, caption, summary
from stemlens.report.course import course
from stemlens.report.definition import definition
from stemlens.report.doubts import doubts
from stemlens.report.heatmap import heat_map, play_button, shown_tags
from stemlens.report.sounds import (
    Check,
    Heard,
    Tried,
    all_wanted,
    anything,
    blank,
    heard,
    passage,
    recordings,
)
from stemlens.report.sounds import told as told_sounds
from stemlens.report.taggram import taggram
from stemlens.report.together import together
from stemlens.report.trialtext import LEGEND
from stemlens.report.trialtext import tried as told_trials
from stemlens.wording import silence
from stemlens.wording.told import few, isolated_in, listed, unit_of
from stemlens_bridge import __version__
from stemlens_bridge.annotations import points, tellable
from stemlens_bridge.table import one_line
from stemlens_bridge.wording import clock, counted, number

HERE = Path(__file__).parent
MB = 1_000_000
UPRIGHT = 8  # stems: with more, they are the rows of the heat map
LEAD = 3  # tags in the first sentence
PARTS = (
    ("what", "What it sounds like"),
    ("why", "Why"),
    ("when", "When"),
    ("change", "What to change"),
    ("trust", "How far to trust it"),
    ("made", "How it was made"),
)
KINDS = {
    "genre": "Genre",
    "mood": "Mood",
    "instrument": "Instruments",
    "voice": "Voices",
    "era": "Era",
    "quality": "Quality",
}
TOLD_KINDS = {
    "top": "the song's top tag",
    "genre": "genres",
    "mood": "moods",
    "instrument": "instruments",
    "voice": "voices",
    "era": "eras",
    "quality": "qualities",
}
VALUES = {
    "shapley": "Shapley values",
    "banzhaf": "Banzhaf values",
    "owen": "Owen values",
    "lime": "weights of audioLIME",
    "mute": "effects of muting",
    "solo": "effects of soloing",
}
NO_COURSE = (
    "The course over time was not kept with this result. 'stemlens analyze … --npz FILE' keeps it."
)


def report(
    document: Mapping[str, Any],
    over_time: OverTime | None,
    *,
    max_mb: float,
    tried_so_far: Tried | None = None,
    check: Check = anything,
    no_course: str = NO_COURSE,
) -> str:
    """The page about a result, with sounds of the files that it names, in at most `max_mb` MB.

    `over_time`: None where it was not kept, which `no_course` says. `tried_so_far`: what was tried;
    None: what the result knows of. `check`: raises a StemlensError for a file that must not be
    read. What cannot be read or has no room is said on the page, and so there is a page of every
    result.
    """
    tried = tried_of(document) if tried_so_far is None else tried_so_far
    shown = (document, over_time, tried)
    found = recordings(document, tried, check)
    wanted = all_wanted(document, found, passage(document, over_time))
    room = max_mb * MB - len(page(*shown, blank(found, wanted), no_course).encode())
    return page(*shown, heard(found, wanted, room), no_course)


def tried_of(document: Mapping[str, Any]) -> Tried:
    """What a result knows of what was tried, as documents: without their goals."""
    requests: dict[str, dict[str, Any]] = {}
    for kind in ("trials", "suggestions"):
        for trial in document.get(kind, []):
            found = requests.setdefault(
                trial["request"], {"goal": None, "suggestion": None, "trials": [], "warnings": []}
            )
            found["trials"].append(trial)
            if kind == "suggestions":
                many = counted(len(found["trials"]), "change")
                found["suggestion"] = {"sentence": f"Suggested: {many}."}
    return list(requests.items())


def page(
    document: Mapping[str, Any],
    over_time: OverTime | None,
    tried_so_far: Tried,
    sounds: Heard,
    no_course: str = NO_COURSE,
) -> str:
    """The page with these sounds."""
    script = (HERE / "page.js").read_text(encoding="utf-8")
    session, job = document["session"], document["session"]["id"]
    there = sounds.wanted
    return _template().render(
        policy=_policy(script),
        generator=f"Stemlens {__version__}",
        styles=Markup(DRAWINGS.read_text() + (HERE / "page.css").read_text()),
        script=Markup(script),
        project=one_line(session["project"]),
        lead=_lead(document),
        heard_by=_heard_by(document),
        parts=PARTS,
        kinds=_kinds(document),
        players=_buttons(
            there,
            (address(job, "sum"), "All stems"),
            (address(job, "mix"), "The mix"),
            (address(job, "sum", "whole"), "All stems, the whole song"),
            (address(job, "mix", "whole"), "The mix, the whole song"),
        ),
        has_mix=session["mix"] is not None,
        tags=[_tag(document, tag, over_time, sounds) for tag in shown_tags(document)],
        intent=_intent(document),
        heat_map=_heat_map(document, there),
        caption=caption(document),
        course=_course(document, over_time, sounds),
        no_course=no_course,
        times=_times(document, sounds),
        untold=_untold(document),
        song_parts=_listed_times(document, _sections(document), sounds),
        highlight=_highlight(document, sounds),
        tried=Markup(
            "".join(told_trials(job, request, one, True, there) for request, one in tried_so_far)
        ),
        legend=LEGEND,
        doubts=doubts(document),
        facts=_facts(document),
        sounds=" ".join(told_sounds(sounds, document)),
        definition=Markup(definition(document["method"]["value"], unit_of(document))),
        table=_table(sounds),
        clips=[base64.b64encode(clip).decode() for clip in sounds.clips.values()],
    )


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("page.html.j2")


def _policy(script: str) -> str:
    """What the page may load: what is in it, and its own script alone runs."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; media-src blob:; base-uri 'none'; form-action 'none'"
    )


def embedded(data: Any) -> Markup:
    """Data as JSON that can stand in a script element: whatever HTML or JavaScript would take for
    the end of it is escaped."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for one in "<>&":
        text = text.replace(one, f"\\u{ord(one):04x}")
    return Markup(text)


def _table(sounds: Heard) -> Markup:
    """For each address what plays there, for the script."""
    numbers = {clip: number for number, clip in enumerate(sounds.clips)}
    return embedded(
        {
            one.address: {
                "clip": numbers[one.clip],
                "said": one.said,
                "start": one.clip.start_s,
                "end": one.clip.end_s,
            }
            for one in sounds.wanted.values()
        }
    )


# ------------------------------------------------------------------------------------ what it is


def outstanding(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tags that are shown, those first that are furthest above what silence scores."""
    return sorted(shown_tags(document), key=silence.above, reverse=True)


def _lead(document: Mapping[str, Any]) -> str:
    best = outstanding(document)[:LEAD]
    for least, how in ((silence.HEARD, "most of all"), (silence.LEAST, "only faintly")):
        told = [
            silence.named(tag["tag"], tag, " of 100") for tag in best if silence.above(tag) >= least
        ]
        if told:
            return f"To the tagger this mix sounds {how} like {listed(told)}."
    return "To the tagger this mix sounds like nothing that it knows."


def _heard_by(document: Mapping[str, Any]) -> str:
    session = document["session"]
    stems = counted(len(session["stems"]), "stem")
    made = ", made out of a mix" if session.get("source") == "separated" else ""
    name = document["tagger"].get("name", "the tagger")
    return f"{stems}{made}, {clock(session['duration_s'])}, heard by {name}."


def _kinds(document: Mapping[str, Any]) -> list[str]:
    """The tags that are heard, in words, by their kinds."""
    of_kind: dict[str, list[str]] = {}
    for tag in shown_tags(document):
        if silence.above(tag) >= silence.HEARD:
            of_kind.setdefault(tag["kind"], []).append(tag["tag"])
    told = [f"{KINDS.get(kind, kind)}: {', '.join(tags)}." for kind, tags in of_kind.items()]
    return [" ".join(told)] if told else []


def _tag(
    document: Mapping[str, Any], tag: Mapping[str, Any], over_time: OverTime | None, sounds: Heard
) -> dict[str, Any]:
    """What the template shows of one tag."""
    job, name, there = document["session"]["id"], tag["tag"], sounds.wanted
    drawn = ""
    if over_time is not None:
        drawn = taggram(document, name, over_time, sounds.outline)
    mix = tag["mix_score"]
    return {
        "name": name,
        "kind": tag["kind"],
        "score": points(tag["score"]),
        "baseline": points(tag["baseline"]),
        "mix": "" if mix is None else points(mix),
        "summary": " ".join(summary(document, tag)),
        "more": _more(document, name),
        "together": together(document, name),
        "players": _buttons(
            there,
            (address(job, "explained", name, "only"), f"Only what makes it {name}"),
            (address(job, "explained", name, "without"), "Without it"),
            (address(job, "sum"), "All stems"),
        )
        if address(job, "explained", name, "only") in there
        else "",
        "fader": _fader(job, name, there),
        "open": tag["tag"] == outstanding(document)[0]["tag"],
        "bars": Markup(bars(document, tag, sounds=there, captioned=False)),
        "course": Markup(drawn),
    }


def _fader(job: str, tag: str, there: Mapping[str, Any]) -> Markup:
    """What plays what makes a tag and all else at once, and fades between them; "" without both."""
    only, without = (address(job, "explained", tag, side) for side in ("only", "without"))
    if only not in there or without not in there:
        return Markup("")
    said = f"Crossfade: from only what makes it {tag} to all but that"
    return Markup(
        '<span class="sl-fade" data-fade data-only="{}" data-without="{}">'
        '<button type="button" class="sl-play" data-said="{}" aria-label="Play {}" '
        'aria-pressed="false">Crossfade</button><label><span>Only</span>'
        '<input type="range" min="0" max="100" value="50" aria-label="{}"><span>Without</span>'
        "</label></span>"
    ).format(only, without, said, said, said)


def _more(document: Mapping[str, Any], tag: str) -> list[str]:
    """What else a result says of a tag: about its peaks, and how steady it is."""
    names = [stem["name"] for stem in document["session"]["stems"]]
    steadiness = document.get("steadiness") or {"tags": []}
    known = [*document.get("peaks", []), *steadiness["tags"]]
    return [isolated_in(one["sentence"], names) for one in known if one["tag"] == tag]


def _buttons(there: Mapping[str, Any], *sounds: tuple[str, str]) -> Markup:
    return Markup(" ").join(
        Markup(play_button(one, there[one].said, words)) for one, words in sounds if one in there
    )


def _heat_map(document: Mapping[str, Any], there: Mapping[str, Any]) -> Markup:
    upright = len(document["session"]["stems"]) > UPRIGHT
    return Markup(heat_map(document, sounds=there, upright=upright))


# ---------------------------------------------------------------------------------------- when


def _course(document: Mapping[str, Any], over_time: OverTime | None, sounds: Heard) -> Markup:
    if over_time is None:
        return Markup("")
    passage = None
    if sounds.wanted:
        clip = next(iter(sounds.wanted.values())).clip
        if clip.seconds < document["session"]["duration_s"]:
            passage = clip.start_s, clip.end_s
    start_s = document["session"]["start_s"]
    spans = [(one["start_s"] - start_s, one["end_s"] - start_s) for one in _sections(document)]
    return Markup(course(document, over_time, sounds.outline, passage, spans))


def _times(document: Mapping[str, Any], sounds: Heard) -> list[dict[str, Any]]:
    """What happens when: moments, or without them where stems are strongest."""
    happens = document.get("moments") or document["markers"]
    return _listed_times(document, happens, sounds)


def _untold(document: Mapping[str, Any]) -> str:
    """Which of the tags that are heard have no moments because the policy does not tell them, and
    how they would have some; nothing where there are none, or the policy is not known."""
    policy = document.get("policy")
    if policy is None:
        return ""
    may_be = tellable(document["tags"], policy["kinds"])
    heard = [tag for tag in shown_tags(document) if silence.above(tag) >= silence.HEARD]
    unasked = [tag for tag in heard if tag["tag"] not in may_be]
    low = [tag for tag in heard if 100 * tag["score"] < policy["min_score"]]
    if not unasked and not low:
        return ""
    kinds = [TOLD_KINDS.get(kind, kind) for kind in policy["kinds"]]
    missing = [tag["tag"] for tag in heard if tag in unasked or tag in low]
    lines = []
    if unasked:
        wanted = dict.fromkeys([*policy["kinds"], *(tag["kind"] for tag in unasked)])
        lines.append(f"kinds = {json.dumps([*wanted])}")
    if low:
        lines.append(f"min_score = {min(math.floor(100 * tag['score']) for tag in low)}.0")
    return (
        f"Moments are told of {listed(kinds) if kinds else 'no tag'} with "
        f"{policy['min_score']:g} points or more, and so none of {listed(few(missing))}. For that, "
        f"analyse it with --policy FILE, where FILE says {listed(lines)}."
    )


def _listed_times(
    document: Mapping[str, Any], happens: Sequence[Mapping[str, Any]], sounds: Heard
) -> list[dict[str, Any]]:
    """Spans of a result with their times and words, in the order of time."""
    session = document["session"]
    told = []
    for one in sorted(happens, key=lambda one: float(one["start_s"])):
        at_s = one["start_s"] - session["start_s"]
        names = [stem["name"] for stem in session["stems"]]
        words = isolated_in(one["text"], names)
        told.append({"at": _from(session["id"], at_s, one["start_s"], sounds), "words": words})
    return told


def _sections(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The sections of a song that has several."""
    found: Sequence[Mapping[str, Any]] = document.get("sections", [])
    return found if len(found) > 1 else []


def _highlight(document: Mapping[str, Any], sounds: Heard) -> dict[str, Any] | None:
    """The passage in which the song is most itself, where a result has one."""
    best = document.get("highlight")
    if best is None:
        return None
    (told,) = _listed_times(document, [best], sounds)
    return {**told, "end": clock(best["end_s"])}


def _from(job: str, at_s: float, shown_s: float, sounds: Heard) -> Markup:
    """A time, as a button that plays all stems from there where that can be heard."""
    time = clock(shown_s)
    for one in (address(job, "sum"), address(job, "sum", "whole")):
        clip = sounds.wanted[one].clip if one in sounds.wanted else None
        if clip is not None and clip.start_s <= at_s < clip.end_s:
            button = play_button(one, f"all stems from {time}", time)
            return Markup(button.replace("<button ", f'<button data-from="{at_s:.2f}" ', 1))
    return Markup(html.escape(time))


def _intent(document: Mapping[str, Any]) -> Markup:
    """The verdicts on the tags as which the mix is meant to be heard."""
    words = document.get("intent") or []
    if not words:
        return Markup("")
    names = [stem["name"] for stem in document["session"]["stems"]]
    whole = document.get("intended")
    said = f"<p>{html.escape(isolated_in(whole['sentence'], names))}</p>" if whole else ""
    rows = "".join(
        f"<dt>{html.escape(word['plain'])}: <b>{html.escape(word['verdict'])}</b></dt>"
        f"<dd>{html.escape(isolated_in(word['sentence'], names))}</dd>"
        for word in words
    )
    return Markup(f'{said}<dl class="sl-facts">{rows}</dl>')


# ----------------------------------------------------------------------------- how it was made


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    session, method = document["session"], document["method"]
    unit = "points of the score" if unit_of(document) == "points" else "log-odds"
    stages = document.get("timings_s", {}).values()
    parts = method.get("parts", 1)
    tagger, exact = document["tagger"], "exact" if method["exact"] else "estimated"
    facts = [
        ("Tagger", f"{tagger.get('name', '')}, {tagger['segment_s']:.3g} s at a time"),
        ("Shares", f"{VALUES[method['value']]}, in {unit}, {exact}"),
        ("Work", _work(method)),
        ("Seed", str(method.get("seed", 0))),
        ("Level", f"all stems at {number(session['session_gain_db'], 1, sign=True)} dB"),
        ("Master bus", session.get("master", "off")),
        ("Revision", str(document["revision"])),
    ]
    if parts > 1:
        facts.append(("Parts", f"each stem in {parts} parts of time"))
    if method.get("masks") is not None:
        facts.append(("Masks", f"{method['masks']:,}"))
    if stages:
        facts.append(("Time", f"{sum(stages):.0f} s"))
    versions = ", ".join(f"{name} {told}" for name, told in document.get("versions", {}).items())
    return [*facts, ("Versions", versions or __version__)]


def _work(method: Mapping[str, Any]) -> str:
    told = f"{method.get('taggings', 0):,} taggings"
    if method.get("recalled"):
        told += f", {method['recalled']:,} scores known from before"
    return f"{told}, in {counted(method.get('segments', 0), 'segment')}"
