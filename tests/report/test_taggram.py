"""One tag over time, as pictures."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from lxml import html
from support.results import result

from stemlens.over_time import OverTime
from stemlens.report.taggram import COLOURS, OTHERS, TALL, WIDE, taggram
from stemlens_bridge.annotations import AGAINST, FOR

STEMS = ("guitars", "pads")
OUTLINE = [(-0.5, 0.25), (-0.1, 0.5)]


def pictures(stems: tuple[str, ...] = STEMS, **more: Any) -> list[Any]:
    """Guitars add 20 points in the second of three segments, pads take 10 in the last."""
    parts = np.zeros((3, len(stems), 1))
    parts[1, 0], parts[2, 1] = 0.2, -0.1
    shares = OverTime(
        np.array([60.0, 63.0, 66.0]),
        3.0,
        np.array([[0.1], [0.6], [0.2]]),
        np.zeros((3, 1)),
        parts,
        stems,
        ("rock",),
    )
    document = result({stem: (0.1, 0.1, 0.1) for stem in stems}) | more
    return list(html.fragments_fromstring(taggram(document, "rock", shares, OUTLINE)))


def numbers(path: str) -> list[float]:
    return [float(one) for one in re.findall(r"[-0-9.]+", path)]


def test_the_score_lies_over_the_waveform_on_the_time_axis_of_the_session() -> None:
    picture = pictures()[0]
    line = numbers(picture.xpath(".//polyline/@points")[0])
    quarter = WIDE / 4  # the session has 12 s, a segment 3
    assert line[::2] == [0, quarter, quarter, 2 * quarter, 2 * quarter, 3 * quarter]
    assert line[1::2] == [90, 90, 40, 40, 80, 80]
    wave = numbers(picture.xpath(".//polygon/@points")[0])
    assert max(wave[1::2]) > 97 > 25 > min(wave[1::2]) > 0  # the loudest side fills it
    assert "highest at 1:03 with 60 of 100, lowest at 1:00" in picture.xpath("./svg/@aria-label")[0]


def test_what_adds_stands_above_the_axis_and_what_takes_hangs_below() -> None:
    guitars, pads = pictures()[1].xpath(".//path/@d")
    left, foot, top, right, _ = numbers(guitars)[5:10]
    assert (left, right, foot, top) == (WIDE / 4, WIDE / 2, TALL / 2, 0)
    left, foot, low, right, _ = numbers(pads)[10:15]
    assert (left, right, foot, low) == (WIDE / 2, 3 * WIDE / 4, TALL / 2, 75)


def test_sections_and_the_highlight_are_drawn_and_told() -> None:
    more = {
        "sections": [{"start_s": 60.0}, {"start_s": 63.0}],
        "highlight": {"start_s": 66.0, "end_s": 72.0},
    }
    (score, shares, _, legend) = pictures(**more)
    (cut,) = score.xpath(".//line[@class='sl-cut']")
    assert cut.get("x1") == cut.get("x2") == "250.0"
    (band,) = score.xpath("./svg/*[1][@class='sl-band']")  # behind all else
    assert (band.get("x"), band.get("width")) == ("500.0", "500.0")
    assert score.xpath("./svg/@aria-label")[0].endswith(
        "; sections begin at 1:03; highlight from 1:06 to 1:12"
    )
    assert not shares.xpath(".//*[@class='sl-cut']")
    assert [li.text_content() for li in legend.xpath("./li")][1:3] == [
        "Highlight", "A section begins",
    ]  # fmt: skip
    (plain, *_) = pictures(sections=[{"start_s": 60.0}], highlight=None)
    assert not plain.xpath(".//*[@class='sl-cut' or @class='sl-band']")


def test_few_stems_have_a_colour_and_the_others_are_one() -> None:
    many = tuple(f"s{n}" for n in range(9))
    legend = pictures(many)[-1].xpath("./li")
    assert [one.text_content() for one in legend] == ["Score of all stems together", "S0", "S1"]


def rgb(colour: str) -> Any:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])


@pytest.mark.parametrize("other", [FOR, AGAINST, OTHERS])
def test_no_stem_looks_like_adding_or_taking(other: str) -> None:
    assert min(np.linalg.norm(rgb(colour) - rgb(other)) for colour in COLOURS) > 80


def test_names_stay_text_and_a_click_has_the_address_of_the_sum() -> None:
    made = pictures(("<b>", "pads"))
    assert not any(part.xpath(".//b") for part in made)
    assert made[0].get("data-seek") == "/audio/a%2520job/sum"
    assert made[0].get("data-seconds") == "12.000"


def test_a_session_without_a_waveform_has_its_line() -> None:
    shares = OverTime(
        np.array([60.0]),
        3.0,
        np.ones((1, 1)),
        np.zeros((1, 1)),
        np.zeros((1, 1, 1)),
        ("a",),
        ("rock",),
    )
    drawn = taggram(result({"a": (0.0, 0.0, 0.0)}), "rock", shares, ())
    assert 'points=""' in drawn and "none to speak of" in drawn
