"""Which shares are certain, as they are told, and which stems make a tag."""

from __future__ import annotations

from support.results import result

from stemlens.wording.shares import makers
from stemlens.wording.told import certain, ends


def test_an_interval_whose_end_is_shown_as_0_is_not_certain() -> None:
    assert not certain(ends(-0.021, -0.0004, "points")) and certain(ends(-0.021, -0.001, "points"))
    assert not certain(ends(0.004, 0.09, "points")) and certain(ends(0.006, 0.09, "points"))


def test_what_makes_a_tag_adds_for_certain() -> None:
    shares = {
        "guitars": (0.21, 0.19, 0.23),
        "pads": (-0.03, -0.05, -0.01),
        "keys": (0.02, -0.01, 0.05),
        "bell": (0.0, 0.0, 0.0),
        "hum": (0.004, 0.003, 0.0049),
    }
    document = result(shares)
    assert makers(document, document["tags"][0]) == ["guitars"]
