"""What can be asked of trials, and what came of them, as HTML.

Pure functions: a result (see DESIGN's schema) and documents of trials (docs/edits.md) in, HTML or
what a form asks for out; whatever users wrote stays text. Points of 100, signed.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stemlens.edits.goals import MEANT, Goal, Wanted, table
from stemlens.edits.presets import Preset, Presets
from stemlens.edits.terms import SMALLEST_DB, signed_db
from stemlens.report.addresses import address
from stemlens.report.heatmap import colour, play_button
from stemlens.report.told import certain, isolated, isolated_in
from stemlens.tagging.weights import MODELS
from stemlens_bridge.annotations import points
from stemlens_bridge.edits import MAX_AMOUNT, Edit, SuggestOptions
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.liveview import tenths

SEARCHES = {"quick": 600, "usual": None, "thorough": 10_000}
"""How long is searched: the taggings that may be spent; None: the server's default."""

TAGS, LISTED = 6, 30  # tags of a trial; requests of a job
LEAST_AMOUNT = 0.1  # and so far from the most, so that 1 is in the middle
ADVICE = "Allow a longer search or more stems, or choose another goal."
LEGEND = (
    "Points of 100. In brackets: where the change lies in 95 of 100 cases; where that includes 0, "
    "the tag may not move at all."
)


def goals(tagger: str) -> list[tuple[str, str]]:
    """The goals that a tagger knows all words of: name, and what it says."""
    if tagger not in MODELS:
        return []
    found = []
    for name, says, text in table():
        try:
            Goal.from_text(text, MODELS[tagger].tags, tagger)
        except StemlensError:  # words of another tagger
            continue
        found.append((name, says))
    return found


def suggest_form(result: Mapping[str, Any], known: Sequence[tuple[str, str]]) -> str:
    """Where a goal is chosen: one of those known, or more or less of a tag."""
    tags = [(tag["tag"], tag["tag"]) for tag in result["tags"]]
    signs = [(sign, MEANT[sign]) for sign in "+-"]
    goal = [("", "more or less of a tag"), *((name, f"{name}: {says}") for name, says in known)]
    stems = [("", "any stem"), *_stems(result)]
    searches = [(name, name) for name in SEARCHES]
    return (
        '<form class="sl-form" data-form="suggest" aria-label="Suggest changes"><div>'
        f"{_select('goal', 'Goal', goal)}"
        f'<span class="sl-own">{_select("sign", "How much", signs)}'
        f"{_select('tag', 'Of the tag', tags)}"
        f"{_select('keep', 'And keep', [('', '(nothing in particular)'), *tags])}</span>"
        f"{_select('stem', 'Change', stems)}"
        f"{_select('search', 'Search', searches, 'usual')}</div>"
        '<button type="submit">Suggest changes</button></form>'
    )


def try_form(result: Mapping[str, Any], presets: Mapping[str, Preset]) -> str:
    """Where one edit is chosen: a stem, a preset, and how much of it."""
    known = [(name, f"{one.title}: {one.says}") for name, one in presets.items()]
    return (
        '<form class="sl-form" data-form="try" aria-label="Try an edit"><div>'
        f"{_select('stem', 'Stem', _stems(result))}{_select('preset', 'Edit', known)}"
        f'<label>Amount <input type="range" name="amount" min="{LEAST_AMOUNT}" '
        f'max="{MAX_AMOUNT - LEAST_AMOUNT}" step="0.1" value="1" '
        'aria-valuetext="1.0, as it is meant"> <output>1.0</output></label></div>'
        '<button type="submit">Try it</button></form>'
    )


def _stems(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(stem["id"], stem["name"]) for stem in result["session"]["stems"]]


def _select(name: str, label: str, options: Iterable[tuple[str, str]], chosen: str = "") -> str:
    told = "".join(
        f'<option value="{_text(value)}"{" selected" if value == chosen else ""}>'
        f"{_text(words)}</option>"
        for value, words in options
    )
    return f'<label>{label} <select name="{name}">{told}</select></label>'


def asked_goal(form: Mapping[str, str]) -> tuple[str, str, SuggestOptions]:
    """What the form of goals asks for: the goal, the same for people, and the options."""
    goal = words = form["goal"]
    if not goal:
        wanted = [Wanted(form["sign"], form["tag"])]
        wanted += [Wanted("=", form["keep"])] if form["keep"] else []
        goal = " ".join(map(str, wanted))
        words = ", ".join(f"{MEANT[one.sign]} {one.word}" for one in wanted)
    stems = (form["stem"],) if form["stem"] else ()
    return goal, words, SuggestOptions(stems=stems, budget=SEARCHES[form["search"]])


def asked_edit(form: Mapping[str, str]) -> Edit:
    """The edit that its form asks for."""
    return Edit(form["stem"], form["preset"], float(form["amount"]))


def forms(result: Mapping[str, Any]) -> str:
    """Both forms for a job's result. Raises `preset_invalid`, `goal_invalid` for files of the user
    that are not what they must be."""
    known = goals(result["tagger"]["name"])
    return (
        f"<h3>Suggest changes</h3>{suggest_form(result, known)}"
        f"<h3>Try an edit</h3>{try_form(result, Presets())}"
    )


# ------------------------------------------------------------------------------- what came of it


def tried(job: str, request: str, document: Mapping[str, Any], is_open: bool) -> str:
    """What came of one request."""
    trials = "".join(_trial(job, request, document, trial) for trial in document["trials"])
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


def _trial(job: str, request: str, document: Mapping[str, Any], trial: Mapping[str, Any]) -> str:
    rank = trial["rank"]  # 0: the one that was asked for, which the summary names
    head = f"<h4>{rank}. {_text(title(trial))}</h4>" if rank else ""
    names = [edit["name"] for edit in trial["edits"]]
    rows = "".join(_row(tag, _wanted(document)) for tag in trial["tags"][:TAGS])
    column = '<th scope="col">Goal</th>' if document["goal"] else ""
    return (
        f'<article class="sl-trial">{head}'
        f"<p>{_text(isolated_in(trial['words'], names))}</p>"
        f"<p>{_nearer(trial)}The difference in sound is {_sound(trial)}.</p>"
        f"{_listen(job, request, trial)}"
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


def _listen(job: str, request: str, trial: Mapping[str, Any]) -> str:
    """The two buttons of an A/B comparison, where it was rendered."""
    if not (trial["before_path"] and trial["after_path"]):
        return '<p class="sl-muted">It was not rendered, so it cannot be heard.</p>'
    buttons = " ".join(
        play_button(
            address(job, "trial", request, str(trial["rank"]), side),
            f"{side.upper()}: {title(trial)}",
            f"{side.upper()}: {what}",
        )
        for side, what in (("a", "before"), ("b", "after"))
    )
    about = _text(f"Listen: {title(trial)}")
    return (
        f'<div role="group" aria-label="{about}">{buttons} '
        '<span class="sl-muted">at the same loudness</span></div>'
    )


def _text(words: str) -> str:
    return html.escape(words)
