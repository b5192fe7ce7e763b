"""What can be asked of trials, as forms in HTML.

Pure functions: a result (see DESIGN's schema) in, HTML or what a form asks for out; whatever users
wrote stays text.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stemlens.edits.goals import MEANT, Goal, Wanted, table
from stemlens.edits.presets import Preset, Presets
from stemlens.tagging.weights import MODELS
from stemlens_bridge.edits import MAX_AMOUNT, Edit, SuggestOptions
from stemlens_bridge.errors import StemlensError

SEARCHES = {"quick": 600, "usual": None, "thorough": 10_000}
"""How long is searched: the taggings that may be spent; None: the server's default."""

LEAST_AMOUNT = 0.1  # and so far from the most, so that 1 is in the middle


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


def _text(words: str) -> str:
    return html.escape(words)
