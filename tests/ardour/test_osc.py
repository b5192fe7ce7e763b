"""Ardour's OSC as data: packets, faders, answers told apart."""

from __future__ import annotations

import math

import pytest

from stemlens_bridge import moves, osc
from stemlens_bridge.ardour.osc import fader_db, packet, surface


@pytest.mark.parametrize("level", [6.0206, 0.0, -6.0206, -12.0, -40.0, -80.0, -120.0])
def test_faders_by_ardours_own_scale(level: float) -> None:
    gain = 10 ** (level / 20)
    position = ((6 * math.log2(gain) + 192) / 198) ** 8  # the scale, the other way
    assert fader_db(position) == pytest.approx(level, abs=1e-9)


def test_the_ends_of_a_fader() -> None:
    assert fader_db(0.0) == moves.SILENCE_DB
    assert fader_db(1.0) == pytest.approx(6.0206, abs=1e-4)
    assert fader_db(0.7817867398262024) == pytest.approx(0.0, abs=1e-5)  # as Ardour told it


def test_several_messages_travel_in_one_datagram() -> None:
    sent = packet([*surface(), ("/strip/3/comment", ("ä − \n",)), ("/strip/3/name/q1", ())])
    came = [osc.decode(message) for message in osc.messages(sent)]
    assert came == [
        ("/set_surface/port", [0]),
        ("/set_surface", [0, 31, 16384, 0, 0, 0]),
        ("/strip/3/comment", ["ä − \n"]),
        ("/strip/3/name/q1", []),
    ]
