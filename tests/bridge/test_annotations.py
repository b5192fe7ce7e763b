"""What is told of a track, in words a musician understands, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stemlens_bridge.annotations import (
    KINDS,
    PALETTE,
    AnnotationPolicy,
    annotate,
    markers,
)
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import read_policy


def share(stem: str, value: float, mute: float = 0.0, wide: float = 0.0) -> dict[str, Any]:
    low, high = value - wide, value + wide
    return {"stem": stem, "value": value, "low": low, "high": high, "mute": mute, "solo": 0.0}


def tag(
    name: str, score: float, *shares: dict[str, Any], kind: str = "genre", baseline: float = 0.0
) -> dict[str, Any]:
    return {
        "tag": name, "kind": kind, "score": score, "baseline": baseline, "attributions": [*shares],
    }  # fmt: skip


def result(*tags: dict[str, Any]) -> dict[str, Any]:
    stems = {s["stem"] for t in tags for s in t["attributions"]}
    return {
        "session": {"stems": [{"id": own} for own in sorted(stems)]},
        "method": {"unit": "points"},
        "tags": [*tags],
    }


def told(*tags: dict[str, Any], **policy: Any) -> dict[str, str]:
    found = annotate(result(*tags), AnnotationPolicy(**policy))
    return {item["track"]: item["text"] for item in found}


def test_the_wording() -> None:
    """Points of what, and what muting does: a bare "+21" beside a fader reads as decibels."""
    assert told(
        tag("rock", 0.63, share("guitar", 0.21, mute=-0.09), share("bass", -0.04, 0.02))
    ) == {
        "guitar": "rock: 21 of 63 points (muting it: −9)",
        "bass": "rock: −4 of 63 points (muting it: +2)",
    }


def test_an_estimate_says_how_far_it_may_be_off() -> None:
    assert told(tag("rock", 0.63, share("guitar", 0.21, -0.09, wide=0.02))) == {
        "guitar": "rock: 21 (±2) of 63 points (muting it: −9)"
    }
    assert "±" not in told(tag("rock", 0.63, share("guitar", 0.21, wide=0.004)))["guitar"]


def test_what_was_not_measured_is_not_said() -> None:
    unknown = share("guitar", 0.21) | {"mute": None}
    assert told(tag("rock", 0.63, unknown)) == {"guitar": "rock: 21 of 63 points"}


def test_log_odds_are_no_points() -> None:
    found = result(tag("rock", 0.63, share("guitar", 0.21))) | {"method": {"unit": "log-odds"}}
    assert annotate(found, AnnotationPolicy()) == []


def test_at_most_three_tags_largest_first() -> None:
    tags = [tag(name, 0.5, share("a", value)) for name, value in
            (("one", 0.04), ("two", -0.3), ("three", 0.2), ("four", 0.1))]  # fmt: skip
    names = [part.split(":")[0] for part in told(*tags)["a"].split("; ")]
    assert names == ["two", "three", "four"]


@pytest.mark.parametrize(
    ("reason", "one"),
    [
        ("the tag hardly scores", tag("rock", 0.09, share("a", 0.09))),
        ("silence scores as much", tag("rock", 0.30, share("a", 0.2), baseline=0.31)),
        ("the share is small", tag("rock", 0.5, share("a", 0.02))),
        ("the interval has 0 in it", tag("rock", 0.5, share("a", 0.2, wide=0.21))),
    ],
)
def test_what_is_not_told(reason: str, one: dict[str, Any]) -> None:
    assert told(one) == {}, reason


GUITAR = tag("guitar", 0.5, share("a", 0.4), kind="instrument")


def test_instruments_are_told_on_request_and_where_the_song_has_most_of_one() -> None:
    rock = tag("rock", 0.63, share("a", 0.21))
    only_rock = {"a": "rock: 21 of 63 points (muting it: 0)"}
    assert told(rock, GUITAR) == told(rock, GUITAR, kinds=("genre",)) == only_rock
    assert told(GUITAR, kinds=("instrument",)) == {"a": "guitar: 40 of 50 points (muting it: 0)"}
    silent = rock | {"baseline": 0.2}  # 43 above silence, and the guitar has 50
    assert told(silent, GUITAR, kinds=("genre",)) == only_rock  # asked for genres, told genres
    both = told(silent, GUITAR)["a"].split("; ")
    assert [text.split(":")[0] for text in both] == ["guitar", "rock"]
    assert told(silent, GUITAR, kinds=("top",)) == told(GUITAR)


def test_genres_and_moods_come_before_instruments() -> None:
    tags = [
        tag("guitar", 0.8, share("a", 0.7), kind="instrument"),
        tag("rock", 0.6, share("a", 0.2)),
        tag("sad", 0.6, share("a", -0.3), kind="mood"),
    ]
    (note,) = annotate(result(*tags), AnnotationPolicy(kinds=KINDS))
    assert [part.split(":")[0] for part in note["text"].split("; ")] == ["sad", "rock", "guitar"]


def test_the_label_is_the_strongest_in_plain_characters() -> None:
    (note,) = annotate(
        result(tag("rock", 0.63, share("a", -0.21)), tag("sad", 0.2, share("a", 0.1))),
        AnnotationPolicy(),
    )
    assert note["label"] == "rock -21 of 63 points" and note["label"].isascii()


def test_a_policy_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.toml"
    path.write_text('[annotations]\ntags = 1\nkinds = ["instrument"]\nmarkers = false\n')
    assert read_policy(path) == AnnotationPolicy(tags=1, kinds=("instrument",), markers=False)
    path.write_text('moments = ["entry", "exit"]\n')
    assert read_policy(path) == AnnotationPolicy(moments=("entry", "exit"))
    path.write_text("tags = 2\n")
    assert read_policy(path) == AnnotationPolicy(tags=2)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tag = 2", "did you mean annotations.tags"),
        ('kinds = ["genres"]', "genres"),
        ("tags = ", "is not TOML"),
        ("annotations = 3", "must be an object"),
    ],
)
def test_a_policy_file_that_is_wrong_is_named(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "notes.toml"
    path.write_text(text)
    with pytest.raises(StemlensError, match=why) as caught:
        read_policy(path)
    assert caught.value.code == "bad_options" and "notes.toml" in str(caught.value)
    with pytest.raises(StemlensError, match="cannot be read"):
        read_policy(tmp_path / "none.toml")


def test_colours_are_by_tag_or_by_sign() -> None:
    tags = [tag("rock", 0.5, share("a", 0.4), share("b", -0.3)), tag("pop", 0.4, share("c", 0.3))]
    by_tag = {a["track"]: a["color"] for a in annotate(result(*tags), AnnotationPolicy())}
    assert by_tag["a"] == by_tag["b"] != by_tag["c"] and set(by_tag.values()) <= set(PALETTE)
    by_sign = annotate(result(*tags), AnnotationPolicy(colour="sign"))
    colours = {a["track"]: a["color"] for a in by_sign}
    assert colours["a"] == colours["c"] != colours["b"]


def test_a_policy_that_makes_no_sense() -> None:
    for wrong in (
        {"kinds": ("top", "tempo")},
        {"moments": ("drop",)},
        {"colour": "rainbow"},
        {"tags": -1},
    ):
        with pytest.raises(ValueError, match="|".join(wrong)):
            AnnotationPolicy(**wrong)  # type: ignore[arg-type]


def moment(kind: str, track: str = "a", at: float = 0.0) -> dict[str, Any]:
    return {
        "kind": kind, "track": track, "tag": "rock", "start_s": at, "end_s": at + 3, "value": 0.2,
        "text": f"{kind} of {track}",
    }  # fmt: skip


HIGHLIGHT = {"start_s": 60.0, "end_s": 80.0, "tags": [{"tag": "rock"}], "text": "rock, sad"}
SECTIONS = [
    {"start_s": 0.0, "end_s": 60.0, "tags": [], "text": "like the rest"},
    {"start_s": 60.0, "end_s": 90.0, "tags": [{"tag": "sad"}], "text": "sad"},
]
MOMENTS = [
    moment("peak"), moment("peak", at=9.0), moment("entry"), moment("exit"), moment("peak", "b"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, ["peak of a", "peak of b", "highlight: rock, sad"]),
        ({"moments": ("entry", "exit")}, ["entry of a", "exit of a"]),
        ({"moments": ("section",)}, ["section: like the rest", "section: sad"]),
        ({"moments": ()}, []),
        ({"markers": False}, []),
    ],
)
def test_what_becomes_a_marker(policy: dict[str, Any], expected: list[str]) -> None:
    """By default one peak a track and the highlight, so that no time line is flooded."""
    found = markers(MOMENTS, SECTIONS, HIGHLIGHT, AnnotationPolicy(**policy))
    assert [one["text"] for one in found] == expected
    assert all((one["track"] == "") is (":" in one["text"]) for one in found)
    assert all(set(one) == {"track", "tag", "start_s", "end_s", "text"} for one in found)


def test_one_section_is_no_marker_and_a_song_may_have_no_highlight() -> None:
    policy = AnnotationPolicy(moments=("section", "highlight"))
    assert markers([], SECTIONS[:1], None, policy) == []
