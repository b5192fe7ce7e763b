"""Verdicts on constructed sessions, of which it is known what is heard, where, and by whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.explained import TAGS, document, over_time
from support.meter import Meter

from stemlens import Options, Session, analyze
from stemlens.explain import intended, intent
from stemlens.explain.intended import Word
from stemlens.report.page import outstanding
from stemlens.service.delivery import result_messages
from stemlens.tagging.vocabulary import MSD
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import MAX_RESULT_BYTES
from stemlens_bridge.session import Stem

SCORES = st.floats(0, 1)


def word(name: str, **weights: float) -> Word:
    return Word(name, name, weights or {name: 1.0})


def shares(*rows: list[float]) -> np.ndarray:
    """Shares of a session of one segment: a row of tags for each stem."""
    return np.array([rows])


def judged(session: Any, *words: Word, **how: Any) -> list[dict[str, Any]]:
    over = over_time(session)
    return intent.judged(words, document(over, **how), over, TAGS)


# rock, metal, pop, sad, happy, weird; silence scores 1 in each
BAND = shares(
    [0.20, 0.02, 0.01, 0.03, 0.00, 0.0],
    [0.10, 0.06, 0.02, -0.02, 0.09, 0.0],
)


def test_what_is_heard_what_is_weak_and_what_is_not() -> None:
    found = judged(BAND, *map(word, ("rock", "metal", "pop", "sad", "happy", "weird")))
    assert [one["verdict"] for one in found] == [
        "heard",
        "weak",  # 9 points, a good quarter of rock's 31
        "not heard",  # 4 points
        "not heard",  # a point above silence
        "heard",
        "not heard",  # nothing, though there is no other of its kind
    ]
    assert [one["of_best"] for one in found][-1] is None
    rock, metal = found[:2]
    assert rock["score"] == pytest.approx(0.31) and rock["instead"] == []
    assert [tag["tag"] for tag in metal["instead"]] == ["rock"]
    assert "Rock is heard: 31 of 100 points, silence 1, and no other genre" in rock["sentence"]
    less = "less than half of what rock (31) has above silence. More plainly heard: rock (31)."
    assert less in metal["sentence"]


SILENCE = [0.2, 0.01, 0.01, 0.01, 0.01, 0.01]  # as msd-musicnn's, which has 20 points of rock


@pytest.mark.parametrize(("rock_above", "how"), [(0.01, "hardly"), (-0.01, "no")])
def test_the_loudest_tag_is_not_heard_where_silence_has_as_much(
    rock_above: float, how: str
) -> None:
    over = over_time(shares([rock_above, 0.06, 0, 0, 0, 0]), baseline=SILENCE)
    told = document(over)
    rock, metal = intent.judged([word("rock"), word("metal")], told, over, TAGS)
    assert told["tags"][0]["tag"] == "rock"
    assert rock["verdict"] == "not heard" and f"{how} more than silence (20)" in rock["sentence"]
    assert metal["verdict"] == "heard" and metal["instead"] == []  # rock says nothing
    assert metal["fails"] == []  # nor in the segments


def test_what_silence_scores_speaks_for_no_rival() -> None:
    """All as the page's headline has it: by what is above silence, rock's 30 points are 10."""
    over = over_time(shares([0.10, 0.05, 0.12, 0, 0, 0]), baseline=SILENCE)
    told = document(over)
    rock, metal, pop = intent.judged(list(map(word, ("rock", "metal", "pop"))), told, over, TAGS)
    assert [one["verdict"] for one in (rock, metal, pop)] == ["heard", "weak", "heard"]
    assert metal["of_best"] == pytest.approx(5 / 12, abs=1e-4)
    assert [tag["tag"] for tag in metal["instead"]] == ["pop", "rock"]
    assert "More plainly heard: pop (13) and rock (30, silence 20)." in metal["sentence"]
    assert "silence 20, behind pop (13)" in rock["sentence"] and pop["instead"] == []
    headline = [tag["tag"] for tag in outstanding(told)][:3]
    assert headline == [tag["tag"] for tag in metal["instead"]] + ["metal"]


BOTH = {"heard", "not heard"}
MOVES = st.floats(-intent.SURE_OF + 1e-9, intent.SURE_OF - 1e-9)


def verdict(above: float, best: float) -> str:
    return intent.verdict(above, intent.part_of(above, best))


@given(SCORES, SCORES, st.floats(0, 0.3), SCORES)
def test_a_verdict_never_gets_worse_where_a_score_rises_or_its_rivals_fall(
    above: float, best: float, more: float, less: float
) -> None:
    order = ["not heard", "weak", "heard"]
    low = order.index(verdict(above, best))
    assert order.index(verdict(above + more, best)) >= low
    assert order.index(verdict(above, best - less)) >= low


@given(st.floats(0, 0.3), st.floats(-0.1, 0.6), MOVES, MOVES)
def test_two_points_turn_no_heard_into_not_heard_whatever_moves(
    above: float, best: float, by: float, rival_by: float
) -> None:
    assert {verdict(above, best), verdict(above + by, best + rival_by)} != BOTH


@given(st.floats(0, 0.3), st.floats(-0.1, 0.6), st.floats(0, 1))
def test_of_a_word_alone_it_takes_more_than_half_of_it_and_two_and_a_half_points(
    above: float, best: float, part: float
) -> None:
    least = max(0.025, above / 2) * (1 - 1e-9)
    assert {verdict(above, best), verdict(above - part * least, best)} != BOTH


def test_those_limits_are_reached() -> None:
    assert {verdict(0.05, 0.1), verdict(0.0299, 0.12)} == BOTH
    assert {verdict(0.05, 0.1), verdict(0.0249, 0.1)} == BOTH
    assert {verdict(0.3, 0.6), verdict(0.149, 0.6)} == BOTH


def test_the_stems_for_and_against_with_their_numbers() -> None:
    rock, sad = judged(BAND, word("rock"), word("sad"))
    assert [(own["stem"], own["value"]) for own in rock["for"]] == [("s0", 0.2), ("s1", 0.1)]
    assert [own["stem"] for own in sad["for"]] == ["s0"]
    assert [own["stem"] for own in sad["against"]] == ["s1"]
    assert "For it: S0 (+3); against it: S1 (−2)." in sad["sentence"]


def test_a_mixture_is_a_weighted_mean_held_to_its_heaviest_tag() -> None:
    (hard,) = judged(BAND, word("hard", rock=0.5, metal=0.25, happy=-0.25))
    assert hard["score"] == pytest.approx(0.5 * 0.31 + 0.25 * 0.09 - 0.25 * 0.10)
    assert hard["for"][0]["value"] == pytest.approx(0.5 * 0.20 + 0.25 * 0.02)
    (whole,) = judged(BAND, word("rock", rock=1.0))
    (alone,) = judged(BAND, word("guitars", rock=0.4, metal=1e-9))
    assert alone["of_best"] is not None and alone["verdict"] == whole["verdict"] == "heard"
    (both,) = judged(BAND, word("both", metal=0.5, pop=0.5))
    assert both["verdict"] == "weak"  # 8 and 3 above silence: as one tag with 11 beside 30


def test_a_mixtures_interval_is_the_widest_that_its_tags_allow() -> None:
    (one,) = judged(BAND, word("one", rock=0.75, happy=-0.25), off=0.01)
    first = one["for"][0]
    assert first["low"] == pytest.approx(first["value"] - 0.01)
    assert first["high"] == pytest.approx(first["value"] + 0.01)


def test_the_passages_where_it_fails_are_those_in_which_it_is_missing() -> None:
    session = np.zeros((8, 1, 6))
    session[:, 0, 0] = [0.3, 0, 0, 0.3, 0.5, 0, 0.3, 0]
    over = over_time(session, start_s=60.0)
    (rock,) = intent.judged([word("rock")], document(over), over, TAGS)
    spans = [(span["start_s"], span["end_s"]) for span in rock["fails"]]
    assert spans == [(63, 69), (75, 78), (81, 84)]
    assert (rock["clearest"]["start_s"], rock["clearest"]["end_s"]) == (72, 75)
    assert (
        "from 1:03 to 1:09, 1:15 to 1:18 and 1:21 to 1:24; clearest at 1:12 (51)"
        in (rock["sentence"])
    )


def test_passages_of_overlapping_segments_are_of_the_hop() -> None:
    session = np.zeros((5, 1, 6))
    session[:, 0, 0] = [0.3, 0.3, 0, 0, 0.3]
    over = over_time(session, hop_s=1.0)
    (rock,) = intent.judged([word("rock")], document(over), over, TAGS)
    assert rock["fails"] == [{"start_s": 3.0, "end_s": 5.0}]


def test_each_stem_pulls_to_the_tag_for_which_it_does_most() -> None:
    session = shares(
        [0.05, 0.20, 0.0, 0, 0, 0],  # the guitar
        [0.20, 0.03, 0.0, 0, 0, 0],  # the vocals
        [0.05, 0.055, 0.0, 0, 0, 0],  # the bass, as much for the one as for the other
        [-0.02, -0.02, 0.0, 0, 0, 0],
    )
    over = over_time(session, stems=("guitar", "vocals", "bass", "pad"))
    told = document(over)
    whole = intent.whole(intent.judged([word("rock"), word("metal")], told, over, TAGS), told)
    assert [(pull["stem"], pull["to"], pull["next"]) for pull in whole["pulls"]] == [
        ("guitar", "metal", "rock"),
        ("vocals", "rock", "metal"),
    ]
    assert "Guitar pulls towards metal (+20, rock +5), Vocals towards rock" in whole["sentence"]


def test_a_stem_may_pull_to_what_is_heard_instead() -> None:
    over = over_time(BAND)
    told = document(over)
    whole = intent.whole(intent.judged([word("pop")], told, over, TAGS), told)
    assert whole["sentence"].startswith("Not heard: pop. Heard instead: rock (31) and metal (9).")
    assert {pull["to"] for pull in whole["pulls"]} == {"rock"}


def test_what_is_heard_of_any_kind_where_no_word_is_and_nothing_of_its_kind() -> None:
    over = over_time(shares([0.3, 0.06, 0.04, 0.01, 0.01, 0]), baseline=SILENCE)
    told = document(over)
    whole = intent.whole(intent.judged([word("sad"), word("weird")], told, over, TAGS), told)
    assert "Heard instead: rock (50, silence 20) and metal (7)." in whole["sentence"]


def test_log_odds_are_no_points_and_no_stem_is_told() -> None:
    over = over_time(BAND)
    told = document(over, unit="log-odds")
    found = intent.judged([word("rock")], told, over, TAGS)
    whole = intent.whole(found, told)
    assert found[0]["verdict"] == "heard" and found[0]["for"] == found[0]["against"] == []
    assert "log-odds, which are no points" in whole["sentence"] and whole["pulls"] == []


def test_of_separated_stems_only_what_is_certain_is_told() -> None:
    over = over_time(BAND)
    told = document(over, off=0.15, trust=0.5)
    found = intent.judged([word("rock")], told, over, TAGS)
    assert [own["stem"] for own in found[0]["for"]] == ["s0"]
    assert "made out of the mix" in intent.whole(found, told)["sentence"]


def test_one_segment_has_no_passages_to_tell_apart() -> None:
    (rock,) = judged(BAND, word("rock"))
    assert rock["fails"] == [] and "clearest" not in rock["sentence"]
    (pop,) = judged(BAND, word("pop"))
    assert len(pop["fails"]) == 1


def test_a_silent_session_is_heard_as_nothing() -> None:
    over = over_time(np.zeros((3, 2, 6)))
    told = document(over)
    found = intent.judged([word("rock"), word("sad")], told, over, TAGS)
    assert {one["verdict"] for one in found} == {"not heard"}
    assert "heard nowhere" in found[0]["sentence"]
    assert intent.whole(found, told)["sentence"] == "Not heard: rock, sad."


@pytest.mark.parametrize("name", ["<b>" * 200, "גיטרה" * 80, "\u0301" * 400, "鼓" * 400, ""])
def test_a_verdict_fits_into_a_datagram_whatever_the_stems_are_called(name: str) -> None:
    over = over_time(np.full((9, 6, 6), 0.02) * np.array([1, 1, 1, -0.9, -1, -1])[:, None])
    told = document(over)
    for stem in told["session"]["stems"]:
        stem["name"] = name
    told |= {"revision": 1, "annotations": [], "markers": []}
    told["intent"] = intent.judged([word("rock"), word("weird")], told, over, TAGS)
    messages = result_messages("job", told, tags=0)
    assert [type(message).__name__ for message in messages] == ["Verdict", "Verdict"]
    assert all(len(message.encode()) <= MAX_RESULT_BYTES for message in messages)


# ---------------------------------------------------------------------------- the words


def test_words_are_spelt_as_in_goals_and_taken_once() -> None:
    found = intended.words('Classic_Rock, R&B,, "sad", SAD, energetic', MSD, "msd-musicnn")
    assert [one.name for one in found] == ["classic rock", "rnb", "sad", "energetic"]
    assert found[1].plain == "R&B" and found[2].weights == {"sad": 1.0}
    energetic = found[3]
    assert sum(map(abs, energetic.weights.values())) == pytest.approx(1)
    assert energetic.weights["Mellow"] < 0 and energetic.heaviest < 0.5
    assert intended.words(" , ", MSD, "msd-musicnn") == ()


def test_an_unknown_word_is_refused_with_the_nearest() -> None:
    with pytest.raises(StemlensError, match="nearest is 'rock'") as refused:
        intended.require_known(Options(intended="sad, rok"))
    assert refused.value.code == "bad_options"
    intended.require_known(Options(tagger="of somebody else", intended="rok"))


def test_an_unknown_word_is_refused_before_stems_are_read() -> None:
    nowhere = Session("p", "", (Stem("a", "a", Path("nowhere.wav")),))
    with pytest.raises(StemlensError) as refused:
        analyze(nowhere, Options(intended="lout"), tagger=Meter())
    assert refused.value.code == "bad_options" and "'loud'" in refused.value.message
