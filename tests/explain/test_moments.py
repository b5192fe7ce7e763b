"""When stems are strongest, enter and exit: of sessions whose story is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.meter import RATE, Meter
from support.sounds import sounds

from stemlens import Options, analyze
from stemlens.explain.moments import moments
from stemlens.over_time import OverTime
from stemlens_bridge.annotations import AnnotationPolicy, markers

TAGS = ("metal", "happy", "guitar")
KINDS = ("genre", "mood", "instrument")
GENRES_AND_MOODS = AnnotationPolicy(kinds=("genre", "mood"))


def song(
    sounding: str, shares: list[float] | None = None, hop_s: float = 3.0, name: str = "Guitar"
) -> tuple[dict[str, Any], OverTime]:
    """One stem in segments of 3 s that sounds where there is an x, with these shares of metal; it
    has little of happy and much of guitar. The other stems have 20 points of metal."""
    here = np.array([letter == "x" for letter in sounding])
    metal = np.where(here, 0.31, 0.0) if shares is None else np.array(shares)
    parts = np.stack([metal, 0.01 * here, 0.5 * here], axis=1)[:, None, :]
    scores = parts[:, 0] + [0.2, 0.3, 0.0]
    over_time = OverTime(
        60 + hop_s * np.arange(len(here)),
        3.0,
        scores,
        np.zeros_like(scores),
        parts,
        ("g",),
        TAGS,
    )
    document = {
        "session": {"stems": [{"id": "g", "name": name, "kind": "track"}]},
        "method": {"unit": "points"},
        "tags": [
            {
                "tag": tag,
                "kind": kind,
                "score": float(scores[:, k].mean()),
                "baseline": 0.0,
                "attributions": [
                    {"stem": "g", "mute": 0.0, "solo": 0.0}
                    | dict.fromkeys(("value", "low", "high"), float(parts[:, 0, k].mean()))
                ],
            }
            for k, (tag, kind) in enumerate(zip(TAGS, KINDS, strict=True))
        ],
    }
    return document, over_time


def told(*given: Any, kinds: tuple[str, ...] = ("genre", "mood"), **more: Any) -> list[str]:
    """The entries and exits as "time: text"."""
    found = moments(*song(*given, **more), AnnotationPolicy(kinds=kinds))
    return [f"{m['start_s']:g}: {m['text']}" for m in found if m["kind"] != "peak"]


@pytest.mark.parametrize(
    ("sounding", "expected"),
    [
        ("----xxxx", ["72: Guitar enters: +31 points of metal"]),
        ("xxxx----", ["72: Guitar exits: −31 points of metal"]),
        ("xxxxxxxx", []),  # it has always been there
        ("--------", []),
        ("xxx-xxxx", []),  # a rest
        ("-xxxxxx-", []),  # a session that begins and ends
        (
            "xx--xx--",
            [
                "66: Guitar exits: −31 points of metal",
                "72: Guitar enters: +31 points of metal",
                "78: Guitar exits: −31 points of metal",
            ],
        ),
    ],
)
def test_entries_and_exits(sounding: str, expected: list[str]) -> None:
    assert told(sounding) == expected


def test_a_finer_hop_tells_when_to_the_hop() -> None:
    """A guitar that sounds from 71.0 to 79.0 is heard in the segments that begin from 68.5 to
    78.5: each of half a second more."""
    starts = 60 + 0.5 * np.arange(60)
    heard = "".join("x" if at + 3 > 71.0 and at < 79.0 else "-" for at in starts)
    (enters, exits) = told(heard, hop_s=0.5)
    assert enters.startswith("71:") and exits.startswith("79:")


def test_what_it_brings_is_measured_where_it_is_in_full_and_of_tags_that_are_told() -> None:
    assert told("--xx", [0, 0, 0.1, 0.3]) == ["66: Guitar enters: +20 points of metal"]
    assert told("--xx", kinds=("instrument",)) == ["66: Guitar enters: +50 points of guitar"]
    assert told("--xx", kinds=("mood",)) == ["66: Guitar enters"]  # one point is none
    assert told("--xx", [0, 0, -0.12, -0.12]) == ["66: Guitar enters: −12 points of metal"]
    (entry,) = (m for m in moments(*song("--xx"), AnnotationPolicy(kinds=("era",))))
    assert (entry["tag"], entry["value"], entry["text"]) == ("", 0.0, "Guitar enters")


def test_in_log_odds_no_points_are_told() -> None:
    document, over_time = song("--xx")
    document["method"]["unit"] = "log-odds"
    assert [m["text"] for m in moments(document, over_time, AnnotationPolicy())] == [
        "Guitar enters"
    ]


def test_a_rest_of_the_master_has_no_moments() -> None:
    document, over_time = song("--xx")
    document["session"]["stems"][0]["kind"] = "rest"
    assert moments(document, over_time, AnnotationPolicy()) == []


def test_peaks_that_are_apart_are_several_the_strongest_first() -> None:
    shares = [0.2, 0.2, 0.0, 0.0, 0.3, 0.3, 0.05, 0.15, -0.3]
    found = moments(*song("x" * 9, shares), GENRES_AND_MOODS)
    peaks = [(m["start_s"], m["end_s"], m["text"]) for m in found if m["kind"] == "peak"]
    assert peaks == [
        (72, 78, "Guitar: +30 points of metal"),
        (60, 66, "Guitar: +20 points of metal"),
        (81, 84, "Guitar: +15 points of metal"),
    ]
    made = markers(found, [], None, AnnotationPolicy())
    assert [(m["track"], m["start_s"]) for m in made] == [("g", 72)]  # as one a stem


def test_no_sound_is_in_two_peaks() -> None:
    """Passages a segment apart share no sound; nearer ones do, and the weaker is left out."""
    near = [0.3, 0.3, *[0.0] * 5, 0.2, 0.2]  # 2.5 s between
    far = [0.3, 0.3, *[0.0] * 6, 0.2, 0.2]
    for shares, count in ((near, 1), (far, 2)):
        document, over_time = song("x" * len(shares), shares, hop_s=0.5)
        assert len(moments(document, over_time, GENRES_AND_MOODS)) == count


def test_the_song_s_top_tag_has_moments_of_whatever_kind_and_tracks_no_more_markers() -> None:
    document, over_time = song("--xxxxxx")
    document["tags"][0]["baseline"] = 0.2  # silence's metal, and the most that is left is guitar
    found = moments(document, over_time, AnnotationPolicy())
    assert [m["text"] for m in found] == [
        "Guitar: +50 points of guitar",
        "Guitar: +31 points of metal",
        "Guitar enters: +50 points of guitar",
    ]
    assert [m["tag"] for m in markers(found, [], None, AnnotationPolicy())] == ["guitar"]
    document["tags"][0]["baseline"] = 0.0
    assert {m["tag"] for m in moments(document, over_time, AnnotationPolicy())} == {"metal"}


def test_names_are_text() -> None:
    assert told("--xx", name="<b>低音") == ["66: <b>低音 enters: +31 points of metal"]


# ------------------------------------------------------------------------------ a whole session


@pytest.fixture(scope="module")
def entering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 s in which the lead enters after 12.3 s."""
    folder = tmp_path_factory.mktemp("entering")
    waveforms = sounds(24.0)[[1, 3]] * np.array([[0.2], [1.0]], dtype=np.float32)
    waveforms[1, : round(12.3 * RATE)] = 0
    for name, samples in zip(("chord", "lead"), waveforms, strict=True):
        soundfile.write(folder / f"{name}.wav", samples, RATE, "FLOAT")
    return folder


@pytest.mark.parametrize(("hop_s", "at_s"), [(None, 12.0), (0.25, 12.25)])
def test_a_guitar_that_enters_in_the_second_half(
    entering: Path, hop_s: float | None, at_s: float
) -> None:
    analysis = analyze(entering, Options(hop_s=hop_s, start_s=5.0), tagger=Meter())
    result = analysis.to_dict()
    (entry,) = (m for m in result["moments"] if m["kind"] in ("entry", "exit"))
    assert (entry["track"], entry["tag"], entry["start_s"]) == ("lead", "loud", 5 + at_s)
    share = analysis.shares.attributions[13:18, 1, 0].mean()
    assert entry["value"] == pytest.approx(share, abs=0.03)
    peak = next(m for m in result["moments"] if m["kind"] == "peak" and m["track"] == "lead")
    assert peak["start_s"] >= entry["start_s"] - 0.25 and peak["tag"] == "loud"
    assert [m["track"] for m in result["markers"]] == ["lead", ""]


def test_what_becomes_a_marker_is_chosen(entering: Path) -> None:
    policy = {"moments": ["entry", "section"]}
    options = Options.from_dict({"annotations": policy, "hop_s": 0.5})
    result = analyze(entering, options, tagger=Meter()).to_dict()
    kinds = [m["text"].partition(":")[0] for m in result["markers"]]
    assert kinds[0] == "lead enters" and set(kinds[1:]) <= {"section"}
    assert result["policy"]["moments"] == ["entry", "section"]
    assert result["policy"]["kinds"] == ["top", "genre", "mood"]
    options = Options.from_dict({"annotations": {"markers": False}})
    assert analyze(entering, options, tagger=Meter()).to_dict()["markers"] == []
