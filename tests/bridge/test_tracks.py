"""Tracks are found again after edits, or reported; never mistaken."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from stemlens_bridge.tracks import located


def test_a_stable_id_survives_a_new_name_which_is_told() -> None:
    found = located(
        [("{A}", "Bass"), ("{B}", "Pad")], [("{A}", "Sub"), ("{C}", "Pad")], stable_ids=True
    )
    assert found.places == {"{A}": "{A}"}
    told = " ".join(found.problems)
    assert "'Bass' is called 'Sub' now" in told and "'Pad' is no longer there" in told


def test_a_position_counts_only_with_its_name() -> None:
    stems = [("0", "Drums"), ("1", "Bass"), ("2", "Pad")]
    found = located(stems, [("0", "Bass"), ("1", "Drums"), ("2", "Lead")], stable_ids=False)
    assert found.places == {"0": "1", "1": "0"}
    assert "'Pad' was renamed or deleted" in " ".join(found.problems)


def test_tracks_of_one_name_are_told_apart_only_while_nothing_moved() -> None:
    stems = [("0", "Audio"), ("1", "Audio"), ("2", "Bass")]
    assert len(located(stems, stems, stable_ids=False).places) == 3
    moved = located(stems, [("0", "Audio"), ("1", "Bass"), ("2", "Audio")], stable_ids=False)
    assert moved.places == {"2": "1"}
    for one_more_or_less in ([("0", "Audio")], [(str(i), "Audio") for i in range(3)]):
        found = located(stems[:2], one_more_or_less, stable_ids=False)
        assert not found.places and "several are called 'Audio'" in found.problems[0]


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), st.randoms())
def test_whatever_was_moved_a_stem_never_lands_on_a_track_of_another_name(
    names: list[str], chance: random.Random
) -> None:
    stems = [(str(i), name) for i, name in enumerate(names)]
    after = chance.sample(names, chance.randrange(len(names) + 1))
    present = [(str(i), name) for i, name in enumerate(after)]
    found = located(stems, present, stable_ids=False)
    for own, place in found.places.items():
        assert dict(stems)[own] == dict(present)[place]
    assert len(set(found.places.values())) == len(found.places)
