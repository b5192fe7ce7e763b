"""Stemlens' own words stay apart from the user's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlens_bridge import marks

PIECES = st.sampled_from(["[Stemlens]", "[/Stemlens]", "[Stem", "lens]", " ", "\n", "\r", "rock"])
TEXTS = st.lists(PIECES | st.text(max_size=5)).map("".join)
WHOLE_BLOCK = re.compile(r"\[Stemlens\] .* \[/Stemlens\]", re.DOTALL)
OWN = TEXTS.filter(lambda text: not WHOLE_BLOCK.search(text))


@given(OWN, TEXTS, TEXTS)
def test_what_the_user_wrote_comes_back_to_the_letter(own: str, first: str, second: str) -> None:
    once = marks.put(own, first)
    again = marks.put(once, second)
    assert again == marks.put(own, second), "running again replaces, and never piles up"
    assert marks.taken_out(again) == own
    assert marks.taken_out(own) == own


def test_words_that_the_user_adds_later_stay() -> None:
    text = marks.put("loud!", "rock: 3 of 9 points") + "\nnew take on Monday"
    assert marks.taken_out(text) == "loud!\nnew take on Monday"
    assert marks.ours(text) == "rock: 3 of 9 points"
    assert marks.ours("loud!") is None


def test_a_block_that_a_program_has_cut_off_takes_nothing_with_it() -> None:
    cut_off = "loud!\n[Stemlens] rock: 3 of 9 poi\nand my own words"
    assert marks.taken_out(marks.put(cut_off, "rock: 4 of 9 points")) == cut_off
    assert marks.ours(marks.put(cut_off, "rock: 4 of 9 points")) == "rock: 4 of 9 points"


@pytest.mark.parametrize("before", [None, "", "7", "#1A2b3C", "dark red (old)"])
def test_a_colour_comes_back_unless_the_user_has_given_another_since(before: str | None) -> None:
    ours = marks.with_colour("rock: 3 of 9 points (muting it: −1)", "#E69F00", before)
    assert marks.colour_before(ours, "#e69f00") == before
    assert marks.colour_before(ours, "#000000") == "#000000"
    assert marks.colour_before(ours, None) is None
    assert marks.colour_before("rock: 3 of 9 points", "7") == "7"


@pytest.mark.parametrize("label", ["rock 21 of 63 points", "80s -4 of 20 points"])
@pytest.mark.parametrize(
    "name", ["Guitar", "Gtr {take 2}", "", "{x}", "  spaces  ", "two\nlines\n"]
)
def test_a_name_with_a_label_and_back(name: str, label: str) -> None:
    labelled = marks.with_label(name, label)
    assert marks.without_label(labelled) == name
    assert marks.with_label(labelled, label) == labelled
    assert not set(labelled) & set('/\\:*?"<>|'), "file systems take it"
    assert marks.without_label(name) == name
