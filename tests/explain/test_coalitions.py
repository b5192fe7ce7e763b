"""Which stems make a tag, and which are all the others."""

from __future__ import annotations

import pytest
from support.results import result

from stemlens.explain.coalitions import Coalitions, coalitions, explaining
from stemlens_bridge.errors import StemlensError

SHARES = {"a": (0.1, 0.1, 0.1), "b": (0.3, -0.1, 0.7), "c": (0.2, 0.1, 0.3), "d": (0, 0, 0)}


def test_only_what_is_certain_makes_a_tag_and_the_others_are_the_rest() -> None:
    document = result(SHARES)
    assert explaining(document, "rock") == Coalitions(("c", "a"), ("b", "d"))
    assert explaining(document, "rock", 1) == Coalitions(("c",), ("a", "b", "d"))
    document["tags"][0]["attributions"] = document["tags"][0]["attributions"][1:2]
    with pytest.raises(StemlensError, match="larger budget") as caught:
        explaining(document, "rock")
    assert caught.value.code == "nothing_explains"
    assert coalitions(document, "rock").only == coalitions(document, "no tag").only == ()


def test_a_crossfade_is_of_what_makes_the_tag() -> None:
    both = coalitions(result(SHARES), "rock")
    assert both.of("only") == both.of("crossfade") == ("c", "a")
    assert both.of("without") == ("b", "d")
    assert both.among({"a", "d"}) == Coalitions(("a",), ("d",))
