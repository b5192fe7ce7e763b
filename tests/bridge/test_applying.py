"""Which trials a DAW's faders can carry out, and which are left to the user."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from support.trialserver import EQ, LEVEL, TAKE, numbered, trial

from stemlens_bridge import marks
from stemlens_bridge.applying import Step, impossible, moved, steps
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import TrialDone
from stemlens_bridge.trials import Tried, TriedTrial


def tried(*edits: tuple[str, list[Any]]) -> TriedTrial:
    messages = numbered(trial("job", "r", 1, *edits), "job", "r")
    assert isinstance(messages[-1], TrialDone)
    return Tried.from_messages(messages[-1], messages).of_rank(1)


def test_levels_alone_move_faders() -> None:
    assert steps(tried(("3", LEVEL), ("5", LEVEL))) == [
        Step("3", "3: level −3 dB", -3.0),
        Step("5", "5: level −3 dB", -3.0),
    ]
    (twice,) = steps(tried(("3", LEVEL), ("3", LEVEL)))
    assert twice.level_db == -6.0


@pytest.mark.parametrize(
    "edits",
    [
        [("3", [*EQ, *LEVEL])],  # an equaliser's level alone is half a promise
        [("3", [*LEVEL, *TAKE])],
        [("3", LEVEL), ("5", EQ)],  # they were tried together
        [("3", LEVEL), ("3", EQ)],
        [("3", [])],
    ],
)
def test_whatever_else_it_takes_is_left_whole(edits: list[tuple[str, list[Any]]]) -> None:
    found = steps(tried(*edits))
    assert found and all(step.level_db is None and step.words for step in found)
    assert len(found) == len({track for track, _ in edits})


@pytest.mark.parametrize("level", [None, "loud", True, 1e9, float("nan")])
def test_a_level_that_is_none(level: object) -> None:
    one = tried(("3", LEVEL))
    wrong = replace(one.edits[0], actions=json.dumps([{"do": "level", "db": level}]))
    with pytest.raises(StemlensError) as raised:
        steps(replace(one, edits=(wrong,)))
    assert raised.value.code == "bad_message"


def test_a_fader_has_its_ends() -> None:
    assert impossible(-3.0, 0.0, -193.0) is None
    assert impossible(6.0, 0.0, -193.0) is None
    assert "ends at +6 dB" in str(impossible(3.5, 3.0, -193.0))
    assert "all the way down" in str(impossible(-3.0, -193.0, -193.0))
    assert "so far" in str(impossible(-190.0, -10.0, -193.0))
    assert moved("Bass", -2.0, -5.0) == "Bass: fader −2.0 → −5.0 dB"


def test_what_to_try_stands_before_the_rest_of_our_block_and_goes_without_it() -> None:
    user = "mine // to try: everything"
    shares = marks.put(user, "rock: 21 of 63 points")
    words = marks.with_suggestion(marks.ours(shares), "EQ // −3 dB\nat 2.5 kHz")
    assert words == "to try: EQ / −3 dB at 2.5 kHz // rock: 21 of 63 points"
    again = marks.with_suggestion(words, "darker")
    assert again == "to try: darker // rock: 21 of 63 points"
    assert marks.put(user, str(marks.without_suggestion(again))) == shares
    assert marks.without_suggestion(marks.with_suggestion(None, "darker")) is None
    coloured = marks.with_colour("rock: 21 of 63 points", "#0072B2", "#112233")
    tried_too = marks.with_suggestion(coloured, "darker")
    assert marks.colour_before(tried_too, "#0072B2") == "#112233"


def test_what_to_try_stands_behind_a_name_s_label_and_goes_without_it() -> None:
    labelled = marks.with_label("Bass {mine}", "rock 21 of 63 points")
    both = marks.with_suggestion_label(labelled, "EQ: −3 dB {at}\n2.5 kHz")
    assert both == "Bass {mine} {rock 21 of 63 points} {to try EQ -3 dB (at) 2.5 kHz}"
    assert marks.with_suggestion_label(both, "darker").endswith("points} {to try darker}")
    assert marks.without_suggestion_label(both) == labelled
    assert marks.without_label(both) == "Bass {mine}"
    assert marks.with_label(both, "jazz 3 of 9 points") == "Bass {mine} {jazz 3 of 9 points}"
