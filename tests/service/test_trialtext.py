"""The panel's trials: what its forms ask for, how the answers are told, which files are played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stemlens.edits.goals import Goal
from stemlens.edits.presets import Presets
from stemlens.edits.terms import signed_db
from stemlens.report.trialtext import LISTED, below, headline, tried
from stemlens.service.panel.sounds import Sounds
from stemlens.service.panel.trialforms import (
    asked_edit,
    asked_goal,
    goals,
    suggest_form,
    try_form,
)
from stemlens.service.places import Places
from stemlens.service.store import Store
from stemlens.tagging.weights import MODELS
from stemlens_bridge import schemas
from stemlens_bridge.edits import Edit

TAGGER = "msd-musicnn"
RESULT = {
    "session": {"stems": [{"id": "1", "name": "<b>kick"}, {"id": "2", "name": "Lead vocal"}]},
    "tags": [{"tag": "rock"}, {"tag": "classic rock"}],
}


def trial(rank: int = 0, **told: Any) -> dict[str, Any]:
    edit = {"title": "Quieter", "amount": 1.0, "name": "<b>kick"}
    tags = [
        {"tag": "rock", "before": 0.2, "after": 0.26, "change": 0.06, "low": 0.01, "high": 0.1},
        {"tag": "happy", "before": 0.3, "after": 0.28, "change": -0.02, "low": -0.05, "high": 0.01},
    ]
    return {
        "rank": rank, "edits": [edit], "words": "<b>kick: level −3 dB", "sentence": "rock +6.0",
        "loudness_db": -0.42, "audible": "subtle", "gain": None, "tags": tags,
        "before_path": None, "after_path": None, **told,
    }  # fmt: skip


def document(*trials: dict[str, Any], sentence: str = "") -> dict[str, Any]:
    if not sentence:
        bare = {"goal": None, "suggestion": None, "trials": list(trials), "warnings": []}
        return {"schema": schemas.TRIALS, **bare}
    weights = [
        {"tag": "rock", "weight": 1.0, "keep": 0.0},
        {"tag": "happy", "weight": 0.0, "keep": 1.0},
    ]
    goal = {"words": "more rock, keep happy", "weights": weights}
    found = {"sentence": sentence}
    told = {"goal": goal, "suggestion": found, "trials": list(trials), "warnings": []}
    return {"schema": schemas.TRIALS, **told}


def test_a_tagger_is_offered_the_goals_whose_words_it_knows() -> None:
    names = [name for name, _ in goals(TAGGER)]
    assert "happier" in names and "more-orchestral" not in names
    assert "happier" not in [name for name, _ in goals("mtt-musicnn")]
    assert goals("somebody's own") == []


def test_what_the_form_of_goals_asks_for_is_a_goal() -> None:
    form = {"goal": "", "sign": "-", "tag": "classic rock", "keep": "happy", "stem": "2"}
    goal, words, options = asked_goal({**form, "search": "quick"})
    assert words == "less classic rock, keep happy" and options.stems == ("2",)
    assert Goal.from_text(goal, MODELS[TAGGER].tags, TAGGER).words() == words
    goal, _, options = asked_goal({**form, "goal": "calmer", "stem": "", "search": "usual"})
    assert (goal, options.stems, options.budget) == ("calmer", (), None)


def test_what_the_form_of_edits_asks_for_is_an_edit() -> None:
    form = {"stem": "1", "preset": "quieter", "amount": "0.7"}
    assert asked_edit(form) == Edit("1", "quieter", 0.7)


def test_forms_offer_stems_tags_and_presets_as_text() -> None:
    told = suggest_form(RESULT, goals(TAGGER)) + try_form(RESULT, Presets())
    assert "<b>" not in told and '<option value="1">&lt;b&gt;kick</option>' in told
    assert '<option value="classic rock">' in told and '<option value="calmer">' in told
    assert '<option value="telephone">' in told


def test_a_suggestion_is_told_with_what_it_does_to_what_is_to_be_kept() -> None:
    gain = {"value": 0.05, "low": 0.01, "high": 0.09}
    told = tried("job", "r", document(trial(1, gain=gain), sentence="The best of 40 edits."), True)
    assert "<h4>1. Quieter on &lt;b&gt;kick</h4>" in told and "<b>" not in told
    assert "Nearer to the goal by +5.0 points (+1.0 to +9.0)." in told
    assert "The difference in sound is subtle, −0.4 dB." in told
    rock, happy = told.split("<tr>")[2:4]
    assert "<td>more</td><td>20</td><td>26</td>" in rock and "background" in rock
    assert "<td>keep</td>" in happy and "−2.0 <small>(−5.0 to +1.0)" in happy
    assert "background" not in happy  # it includes 0


def test_where_nothing_certainly_helps_that_is_said() -> None:
    told = tried("job", "r", document(sentence="Nothing that was tried certainly helps."), True)
    assert "Nothing that was tried certainly helps." in told and "longer search" in told
    assert "<article" not in told
    short = trial(tags=[{**trial()["tags"][0], "low": None, "high": None}])
    assert "too short to say how sure" in tried("job", "r", document(short), True)


def test_a_change_that_is_shown_to_end_at_0_is_not_certain() -> None:
    fall = {"tag": "happy", "before": 0.3, "after": 0.29, "change": -0.01}
    near, clear = {**fall, "low": -0.021, "high": -0.0004}, {**fall, "low": -0.021, "high": -0.001}
    told = tried("job", "r", document(trial(tags=[near, clear])), True).split("<tr>")[2:]
    assert "(−2.1 to 0.0)" in told[0] and "background" not in told[0]
    assert "(−2.1 to −0.1)" in told[1] and "background" in told[1]


def test_a_name_that_is_written_the_other_way_turns_no_other_words() -> None:
    edit = {"title": "Quieter", "amount": 1.0, "name": "תוף"}
    told = tried("job", "r", document(trial(edits=[edit], words="תוף: level −3 dB")), True)
    assert "Quieter on \u2068תוף\u2069: rock" in told and "\u2068תוף\u2069: level −3 dB" in told


def test_a_level_is_told_as_in_the_summary_line() -> None:
    sentence = f"in the mix it is subtle, {signed_db(-0.45)}"
    told = tried("job", "r", document(trial(sentence=sentence, loudness_db=-0.45)), True)
    assert told.count(f"subtle, {signed_db(-0.45)}") == 2


def test_a_request_is_open_or_folded_and_very_many_are_not_all_shown() -> None:
    told = document(trial())
    assert " open>" in tried("job", "r", told, True)
    assert " open>" not in tried("job", "r", told, False)
    assert headline(told) == "Quieter on <b>kick: rock +6.0"
    assert "2 earlier ones" in below(LISTED + 2) and "earlier" not in below(LISTED)


def test_only_files_of_the_record_below_the_servers_folder_are_played(tmp_path: Path) -> None:
    data = tmp_path / "data"
    inside, outside = data / "results" / "mix.wav", tmp_path / "outside.wav"
    inside.parent.mkdir(parents=True)
    for path in (inside, outside):
        path.write_bytes(b"RIFF")
    turned = data / "turned.wav"
    turned.symlink_to(outside)
    store = Store(data / "jobs.sqlite3")
    store.open("a/b", "", "", "{}")
    records = [
        trial(1, before_path=str(inside), after_path=str(outside)),
        trial(2, before_path=str(turned), after_path=str(data / "gone.wav")),
        trial(3, before_path=f"{data}/../outside.wav", after_path=None),
    ]
    store.keep_trial("a/b", "r", "", document(*records), "", 10)
    assert store.last_trial("a/b") > store.last_trial("another") == 0
    store.close()
    played = Sounds(data, Places([]))._trial_file

    assert played("a/b", "r", 1, "a") == inside.resolve()
    for rank, side in ((1, "b"), (2, "a"), (2, "b"), (3, "a"), (3, "b"), (4, "a"), (1, "c")):
        assert played("a/b", "r", rank, side) is None
    assert played("a/b", "other", 1, "a") is None and played("other", "r", 1, "a") is None
