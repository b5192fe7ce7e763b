"""The live mix of the panel: what its faders mean, and what is told of their tags."""

from __future__ import annotations

import math
from itertools import pairwise

from stemlens.service.panel.faders import (
    SCALE_DB,
    mixer,
    read_moves,
    scores,
    shown_tags,
    status,
    summary,
)
from stemlens_bridge.live import View
from stemlens_bridge.moves import Move
from stemlens_bridge.protocol import TAKEN_OVER


def view(**now: float) -> View:
    bounced = {f"tag {at}": 0.9 - 0.05 * at for at in range(12)}
    return View(message="", tags={**bounced, **now}, bounced={**bounced, **dict.fromkeys(now, 0.1)})


def test_a_fader_has_0_db_in_its_middle_and_finer_steps_about_it() -> None:
    steps = [above - below for below, above in pairwise(SCALE_DB)]
    assert (SCALE_DB[0], SCALE_DB[len(SCALE_DB) // 2], SCALE_DB[-1]) == (-60, 0, 12)
    assert len(SCALE_DB) % 2 == 1 and min(steps) > 0
    assert set(steps[len(steps) // 2 - 12 :]) == {0.5}
    assert steps[: len(steps) // 2] == sorted(steps[: len(steps) // 2], reverse=True)


def test_names_of_stems_stay_text() -> None:
    told = mixer([{"id": '"><b>', "name": "<i>kick"}])
    assert "<b>" not in told and "<i>" not in told
    assert 'aria-label="&lt;i&gt;kick: level"' in told


def test_moves_of_a_page_are_read_and_nonsense_is_left_out() -> None:
    told = [["kick", -3, False], ["chord", 99, True], ["noise", math.nan, True], [1, 2], "kick"]
    assert read_moves(told) == [Move("kick", -3, False), Move("chord", 12, True)]
    assert read_moves({"kick": 0}) == []


def test_rows_stay_where_they_were_and_what_moved_most_joins_them() -> None:
    still = shown_tags(view())
    assert still == [f"tag {at}" for at in range(10)]
    moved = shown_tags(view(low=0.104, techno=0.3, metal=0.0))
    assert moved == [*still, "techno", "metal"]  # and not "low": it moved by less than half a point


def test_a_change_has_its_sign_in_words_and_an_arrow_beside_its_colour() -> None:
    told = scores(view(techno=0.312, metal=0.05))
    assert "▲ </span>+21.2</td>" in told and "▼ </span>−5.0</td>" in told
    assert '<span aria-hidden="true"></span>0.0</td>' in told
    assert summary(view(techno=0.312, metal=0.05)) == "techno 31, +21.2; metal 5, −5.0"


def test_what_is_heard_is_told_or_why_nothing_is() -> None:
    assert status(View(message="it was closed")) == "It was closed."
    taken = f"{TAKEN_OVER}; moving a fader opens it again"
    assert status(View(message=taken)).startswith("Another page or your DAW has opened it; moving")
    assert status(View(message="", start_s=62, end_s=74)).startswith("Listening to 1:02 to 1:14. ")
