"""Stems × tags as a table."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import html

from stemlens.report.heatmap import colour, heat_map, shown_tags, told


def document(exact: bool = True, **of: float) -> dict[str, Any]:
    shares = [
        {"stem": stem, "value": value, "low": value - 0.02, "high": value + 0.02}
        for stem, value in of.items()
    ]
    stems = [{"id": stem, "name": f"<{stem}>"} for stem in of]
    tag = {"tag": "rock & roll", "score": 0.63, "attributions": shares}
    session = {"id": "a job", "stems": stems}
    return {"session": session, "method": {"exact": exact}, "tags": [tag]}


def test_every_share_stands_under_its_stem_with_its_sign() -> None:
    table = html.fromstring(heat_map(document(drums=0.314, vocals=-0.12, silent=0.0)))
    heads = [cell.text_content() for cell in table.xpath("//th[@scope='col']")]
    assert heads == ["Tag", "Score", "<drums>", "<vocals>", "<silent>"]
    assert table.xpath("//th[@scope='row']")[0].text_content() == "rock & roll"
    assert [cell.text for cell in table.xpath("//td")] == ["63", "+31", "−12", "·"]


def test_estimates_say_how_far_they_may_be_off() -> None:
    table = html.fromstring(heat_map(document(exact=False, drums=0.314)))
    assert table.xpath("//td")[1].text_content() == "+31 ±2"
    assert "±" in table.xpath("//figcaption")[0].text
    small = document(exact=False, drums=0.03)
    small["tags"][0]["attributions"][0] |= {"low": 0.022, "high": 0.038}
    assert html.fromstring(heat_map(small)).xpath("//td")[1].text_content() == "+3 ±0.8"


def test_what_may_be_0_is_pale() -> None:
    early = document(exact=False, drums=0.21, bass=0.21)
    early["tags"][0]["attributions"][0] |= {"low": -0.66, "high": 1.08}
    drums, bass = html.fromstring(heat_map(early)).xpath("//td")[1:]
    assert drums.text_content() == "+21 ±83"  # a share is 100 at most
    strength = [float(cell.get("style").split("/")[1].rstrip(")")) for cell in (drums, bass)]
    assert 0 < strength[0] < strength[1] / 3


def test_no_share_is_minus_nothing() -> None:
    assert told(-0.004) == told(0.0) == "·" and told(-0.006) == "−0.6"


def test_a_tag_is_chosen_and_a_stem_is_played_by_its_button() -> None:
    table = html.fromstring(heat_map(document(drums=0.314), chosen="rock & roll"))
    (tag,) = table.xpath("//tbody//button")
    assert (tag.get("data-tag"), tag.get("aria-pressed")) == ("rock & roll", "true")
    (stem,) = table.xpath("//thead//button")
    assert stem.get("data-play") == "/audio/a%2520job/stem/drums"
    assert stem.get("aria-label") == "Play <drums>"


def test_all_tags_are_looked_through_for_words() -> None:
    tags = [{"tag": f"tag {n}"} for n in range(30)] + [{"tag": "Free Jazz"}]
    assert len(shown_tags({"tags": tags})) == 10
    assert shown_tags({"tags": tags}, "jazz") == [{"tag": "Free Jazz"}]


def test_log_odds_are_no_points() -> None:
    odds = document(drums=1.25)
    odds["method"]["unit"] = "log-odds"
    table = html.fromstring(heat_map(odds))
    assert table.xpath("//td")[1].text == "+1.25"
    assert "log-odds" in table.xpath("//figcaption")[0].text


@pytest.mark.parametrize("larger", [0.05, 0.2, 0.6])
def test_a_larger_share_is_never_fainter(larger: float) -> None:
    def strength(value: float) -> float:
        return float(colour(value).rsplit("/", 1)[1].rstrip(")"))

    assert strength(larger) >= strength(larger / 2) > 0
    assert strength(-larger) == strength(larger) and colour(-larger) != colour(larger)
