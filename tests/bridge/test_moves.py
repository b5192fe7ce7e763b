"""Faders since the bounce."""

from __future__ import annotations

from stemlens_bridge.moves import SILENCE_DB, Move, Strip, moves

BOUNCED = {"g": -6.0, "b": 0.0}
REST = {"g": Strip(-6.0), "b": Strip(0.0)}


def test_a_fader_counts_from_where_it_stood_at_the_bounce() -> None:
    assert moves(REST, {**REST, "g": Strip(-9.0)}, BOUNCED) == [Move("g", gain_db=-3.0)]
    assert moves(REST, REST, BOUNCED) == []


def test_a_solo_mutes_the_others() -> None:
    now = {**REST, "g": Strip(-6.0, soloed=True)}
    assert moves(REST, now, BOUNCED) == [Move("b", muted=True)]
    assert moves(now, REST, BOUNCED) == [Move("b", muted=False)]


def test_a_muted_track_stays_silent_though_soloed_and_a_lost_track_is_muted() -> None:
    now = {"g": Strip(-6.0, muted=True, soloed=True)}
    assert moves(REST, now, BOUNCED) == [Move("g", muted=True), Move("b", muted=True)]


def test_a_fader_at_the_bottom_is_a_number() -> None:
    (move,) = moves(REST, {**REST, "b": Strip(float("-inf"))}, BOUNCED)
    assert move == Move("b", gain_db=SILENCE_DB)
