"""What came of trials, as HTML: what to do, what it does to the tags, and A beside B.

Pure functions: documents of trials (docs/edits.md) in, HTML out; whatever users wrote stays text.
Points of 100, signed.
"""

from __future__ import annotations

import html
from collections.abc import Container, Mapping
from typing import Any

from stemlens.edits.terms import SMALLEST_DB, signed_db
from stemlens.report.addresses import address
from stemlens.report.heatmap import colour, play_button
from stemlens.wording.told import certain, isolated, isolated_in
from stemlens_bridge.annotations import points
from stemlens_bridge.wording import tenths

TAGS, LISTED = 6, 30  # tags of a trial; requests of a job
ADVICE = "Allow a longer search or more stems, or choose another goal."
LEGEND = (
    "Points of 100. In brackets: where the change lies in 95 of 100 cases; where that includes 0, "
    "the tag may not move at all."
)


def tried(
    job: str,
    request: str,
    document: Mapping[str, Any],
    is_open: bool,
    sounds: Container[str] | None = None,
) -> str:
    """What came of one request. `sounds`: the addresses that can be played; None: all."""
    trials = "".join(_trial(job, request, document, trial, sounds) for trial in document["trials"])
    if not trials:
        trials = f"<p>{ADVICE}</p>"
    warnings = "".join(
        f'<p class="sl-muted">{_text(one["message"])}</p>' for one in document["warnings"]
    )
    return (
        f'<details class="sl-tried"{" open" if is_open else ""}>'
        f"<summary>{_text(headline(document))}</summary>{trials}{warnings}</details>"
    )


def below(requests: int) -> str:
    """What stands below the requests that are listed; `requests`: how many there are."""
    older = requests - LISTED
    rest = f"<p>{older} earlier ones are in the job's result file.</p>" if older > 0 else ""
    return f'{rest}<p class="sl-muted">{LEGEND}</p>'


def headline(document: Mapping[str, Any]) -> str:
    """The answer to what was asked, in plain text."""
    if document["suggestion"] is None:
        (trial,) = document["trials"]
        return f"{title(trial)}: {trial['sentence']}"
    return document["suggestion"]["sentence"]


def title(trial: Mapping[str, Any]) -> str:
    """What was tried, by the names of presets: "Quieter on Drums + Air (0.7) on Bass"; an
    amount is told where it is not 1."""
    return " + ".join(map(_edit, trial["edits"]))


def _edit(edit: Mapping[str, Any]) -> str:
    amount = "" if edit["amount"] == 1 else f" ({edit['amount']:g})"
    return f"{edit['title']}{amount} on {isolated(edit['name'])}"


def _trial(
    job: str,
    request: str,
    document: Mapping[str, Any],
    trial: Mapping[str, Any],
    sounds: Container[str] | None,
) -> str:
    rank = trial["rank"]  # 0: the one that was asked for, which the summary names
    head = f"<h4>{rank}. {_text(title(trial))}</h4>" if rank else ""
    names = [edit["name"] for edit in trial["edits"]]
    rows = "".join(_row(tag, _wanted(document)) for tag in trial["tags"][:TAGS])
    column = '<th scope="col">Goal</th>' if document["goal"] else ""
    return (
        f'<article class="sl-trial">{head}'
        f"<p>{_text(isolated_in(trial['words'], names))}</p>"
        f"<p>{_nearer(trial)}The difference in sound is {_sound(trial)}.</p>"
        f"{_listen(job, request, trial, sounds)}"
        '<div class="sl-scroll"><table class="sl-change"><thead><tr><th scope="col">Tag</th>'
        f'{column}<th scope="col">Before</th><th scope="col">After</th>'
        f'<th scope="col">Change</th></tr></thead><tbody>{rows}</tbody></table></div></article>'
    )


def _wanted(document: Mapping[str, Any]) -> dict[str, str] | None:
    """What a goal wants of each of its tags; None without a goal."""
    if document["goal"] is None:
        return None
    return {
        one["tag"]: "keep" if one["keep"] else "more" if one["weight"] > 0 else "less"
        for one in document["goal"]["weights"]
    }


def _row(tag: Mapping[str, Any], wanted: Mapping[str, str] | None) -> str:
    goal = "" if wanted is None else f"<td>{wanted.get(tag['tag'], '')}</td>"
    is_certain = tag["low"] is not None and certain((tenths(tag["low"]), tenths(tag["high"])))
    style = f' style="background: {colour(tag["change"])}"' if is_certain else ""
    return (
        f'<tr><th scope="row">{_text(tag["tag"])}</th>{goal}<td>{points(tag["before"])}</td>'
        f"<td>{points(tag['after'])}</td><td{style}>{tenths(tag['change'])} "
        f"<small>({_interval(tag)})</small></td></tr>"
    )


def _interval(told: Mapping[str, Any]) -> str:
    if told["low"] is None or told["high"] is None:
        return "too short to say how sure"
    return f"{tenths(told['low'])} to {tenths(told['high'])}"


def _nearer(trial: Mapping[str, Any]) -> str:
    gain = trial["gain"]
    if gain is None:
        return ""
    return f"Nearer to the goal by {tenths(gain['value'])} points ({_interval(gain)}). "


def _sound(trial: Mapping[str, Any]) -> str:
    louder = trial["loudness_db"]
    level = f", {signed_db(louder)}" if abs(louder) >= SMALLEST_DB else ""
    return _text(trial["audible"]) + level


def _listen(job: str, request: str, trial: Mapping[str, Any], sounds: Container[str] | None) -> str:
    """The two buttons of an A/B comparison, where it was rendered."""
    if not (trial["before_path"] and trial["after_path"]):
        return '<p class="sl-muted">It was not rendered, so it cannot be heard.</p>'
    sides = {
        address(job, "trial", request, str(trial["rank"]), side): (side.upper(), what)
        for side, what in (("a", "before"), ("b", "after"))
    }
    if sounds is not None and not all(sound in sounds for sound in sides):
        return ""
    buttons = " ".join(
        play_button(sound, f"{side}: {title(trial)}", f"{side}: {what}")
        for sound, (side, what) in sides.items()
    )
    about = _text(f"Listen: {title(trial)}")
    return (
        f'<div role="group" aria-label="{about}">{buttons} '
        '<span class="sl-muted">at the same loudness</span></div>'
    )


def _text(words: str) -> str:
    return html.escape(words)
