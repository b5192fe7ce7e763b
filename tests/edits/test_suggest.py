"""The search finds what there is to find, spends what it may, and gives only what helps."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from support.meter import Meter

from stemlens.edits import document
from stemlens.edits.goals import Goal
from stemlens.edits.presets import Presets, folders
from stemlens.edits.sketch import Sketches, _merged, _spread
from stemlens.edits.suggest import suggest
from stemlens.edits.trials import TrialSession
from stemlens.opening import open_game
from stemlens_bridge.edits import Edit, SuggestOptions
from stemlens_bridge.protocol import Options

from .conftest import session_of

OFF = Options(session_loudness="off")
FEW = ("darker", "brighter", "louder", "quieter", "presence", "reverb-room", "wider")


def goal(text: str) -> Goal:
    return Goal.from_text(text, Meter.tags, Meter.name)


def test_it_finds_what_trying_everything_finds(session: TrialSession) -> None:
    """Its best is at least nine tenths of the best single edit there is."""
    wanted = goal("+bright")
    best = max(
        float(wanted.gain(session.trial([Edit(stem.id, name)]).mean))
        for stem, name in itertools.product(session.stems, FEW)
    )
    found = suggest(session, wanted, SuggestOptions(presets=FEW))
    assert found.found[0].gain >= 0.9 * best > 0
    gains = [one.gain for one in found.found]
    assert gains == sorted(gains, reverse=True)
    for one in found.found:
        assert 0 < one.low <= one.gain <= one.high
        assert one.gain == pytest.approx(float(wanted.gain(one.trial.mean)))


def test_the_budget_is_kept_in_the_search(session: TrialSession) -> None:
    for budget in (1, 7, 30):
        before = session.hearing.tagged
        found = suggest(session, goal("+bright"), SuggestOptions(presets=FEW, budget=budget))
        in_full = (5 + 3) * session.segments
        assert session.hearing.tagged - before <= budget + in_full
        assert found.taggings == session.hearing.tagged - before


def test_time_ends_it(session: TrialSession) -> None:
    found = suggest(session, goal("+bright"), SuggestOptions(time_s=0.05))
    assert found.tried < 20


def test_the_same_seed_gives_the_same(files: Path) -> None:
    told = []
    for _ in range(2):
        with TrialSession(open_game(session_of(files), Meter(), OFF), OFF) as session:
            options = SuggestOptions(presets=FEW, budget=60, seed=4)
            found = suggest(session, goal("+loud"), options)
            plain = document.of_suggestions(session, found)
            plain["suggestion"].pop("seconds")
            told.append(plain)
    assert told[0] == told[1]


def test_only_what_may_be_edited_is(session: TrialSession) -> None:
    options = SuggestOptions(stems=("Chord",), presets=("louder", "presence"))
    found = suggest(session, goal("+loud"), options)
    assert found.found
    for one in found.found:
        for edit in one.trial.edits:
            assert session.stems[edit.plan.stem].name == "Chord"
            assert edit.plan.preset.name in ("louder", "presence")


def test_nothing_helps_is_an_answer(session: TrialSession) -> None:
    """Turning down makes nothing louder."""
    options = SuggestOptions(presets=("quieter", "nearly-muted"))
    found = suggest(session, goal("+loud"), options)
    assert not found.found
    told = document.of_suggestions(session, found)
    assert told["trials"] == [] and "Nothing that was tried" in told["suggestion"]["sentence"]


def test_what_cannot_be_heard_is_not_tried(session: TrialSession) -> None:
    found = suggest(session, goal("+loud"), SuggestOptions(presets=("wider", "narrower")))
    assert found.tried == 0 and not found.found


def test_keeping_a_tag_costs_what_moves_it(session: TrialSession) -> None:
    free = suggest(session, goal("+loud"), SuggestOptions(presets=FEW, most=1))
    kept = suggest(session, goal("+loud =bright"), SuggestOptions(presets=FEW, most=1))
    assert abs(kept.found[0].trial.mean[1]) <= abs(free.found[0].trial.mean[1])


def test_no_preset_on_a_stem_fills_the_list(session: TrialSession) -> None:
    found = suggest(session, goal("+bright"), SuggestOptions(presets=FEW, most=20))
    used = [
        (edit.plan.stem, edit.plan.preset.name) for one in found.found for edit in one.trial.edits
    ]
    assert max(used.count(one) for one in used) <= 2


def test_stems_that_matter_come_first(session: TrialSession) -> None:
    """With hardly any budget the stem that moves the goal's tags is looked at."""
    steering = np.zeros((4, 2))
    steering[1, 0] = 1.0
    found = suggest(
        session, goal("+loud"), SuggestOptions(presets=("louder",), budget=4), steering=steering
    )
    assert found.found[0].trial.edits[0].plan.stem == 1


def test_a_stem_that_keys_others_is_marked(session: TrialSession) -> None:
    found = suggest(session, goal("+loud"), SuggestOptions(stems=("kick",), presets=("louder",)))
    told = document.of_suggestions(session, found)
    assert all(edit["verify"] for trial in told["trials"] for edit in trial["edits"])
    assert "verify_by_bounce" in {warning["code"] for warning in told["warnings"]}


def test_one_segment_is_too_short_to_tell(tmp_path: Path) -> None:
    from support.sounds import stem_folder

    from stemlens_bridge.session import Session

    own = Session.read(stem_folder(tmp_path / "short", seconds=1.2))
    with TrialSession(open_game(own, Meter(), OFF), OFF) as session:
        found = suggest(session, goal("+loud"), SuggestOptions(presets=("louder",)))
        assert not found.found
        told = document.of_suggestions(session, found)
        assert "too short" in told["suggestion"]["sentence"]


def test_a_plug_in_that_fails_does_not_end_the_search(
    session: TrialSession, tmp_path: Path
) -> None:
    (tmp_path / "broken.toml").write_text(
        'title = "B"\nsays = "S"\n[[chain]]\nplugin = "VST3"\npath = "none.vst3"\n'
    )
    session.presets = Presets([*folders(), tmp_path])
    found = suggest(session, goal("+loud"), SuggestOptions(presets=("broken", "louder")))
    assert found.found and len(found.failed) == 1
    codes = {one["code"] for one in document.of_suggestions(session, found)["warnings"]}
    assert "plugin_failed" in codes


def test_a_sketch_is_near_the_trial(session: TrialSession) -> None:
    sketches = Sketches(session)
    for text in ("noise:darker", "noise:louder", "chord:compress-hard", "chord:reverb-room"):
        plan = session.plan(Edit.from_text(text))
        sketched = sketches.change([plan], range(session.segments))
        trial = session.trial([plan.edit])
        np.testing.assert_allclose(sketched, trial.change, atol=0.04)


def test_a_few_segments_are_spread_over_all() -> None:
    order = _spread(list(range(10, 18)))
    assert sorted(order) == list(range(10, 18)) and order[:4] == [10, 14, 12, 16]
    assert _spread([]) == [] and _spread([3]) == [3]


def test_pieces_of_audio_do_not_overlap() -> None:
    pieces = _merged(Meter().reach, [5, 0, 1, 3], 6 * 16_000, 8_000)
    assert pieces == [(0, 32_000), (40_000, 64_000), (72_000, 96_000)]
