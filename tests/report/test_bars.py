"""One tag in bars and in words."""

from __future__ import annotations

import pytest
from lxml import html
from support.results import result

from stemlens.report.bars import bars, summary

GUITARS = (0.21, 0.19, 0.23)
PADS = (-0.03, -0.05, -0.01)
KEYS = (0.02, -0.01, 0.05)
NOTHING = (0.0, 0.0, 0.0)


def drawn(document: dict[str, object]) -> html.HtmlElement:
    return html.fromstring(bars(document, document["tags"][0]))  # type: ignore[index]


def test_bars_go_from_one_axis_to_either_side_and_whiskers_span_the_interval() -> None:
    table = drawn(result({"pads": PADS, "guitars": GUITARS}))
    guitars, pads = table.xpath("//tbody/tr")  # the largest first

    def edges(row: html.HtmlElement) -> tuple[float, float]:
        (rect,) = row.xpath(".//rect")
        start, width = (float(rect.get(key).rstrip("%")) for key in ("x", "width"))
        return start, start + width

    zero = 100 * 0.05 / 0.28  # from the lowest low, −5, to the highest high, 23
    assert abs(edges(guitars)[0] - zero) < 0.01 and abs(edges(pads)[1] - zero) < 0.01
    assert abs(edges(guitars)[1] - 100 * 0.26 / 0.28) < 0.01
    assert guitars.xpath(".//rect/@class") == ["sl-adds"]
    assert pads.xpath(".//rect/@class") == ["sl-takes"]
    whisker = pads.xpath(".//line[@class='sl-whisker']")[0]
    assert (whisker.get("x1"), whisker.get("x2")) == ("0.00%", f"{100 * 0.04 / 0.28:.2f}%")


def test_the_number_says_it_too_with_what_muting_and_soloing_does() -> None:
    guitars, keys = drawn(result({"keys": KEYS, "guitars": GUITARS})).xpath("//tbody/tr")
    told = [cell.text_content() for cell in guitars.xpath("./td")]
    assert told == ["+21 +19 to +23", "", "−10", "+42"]
    assert "−1 to +5 unclear" in keys.text_content() and "unclear" not in guitars.text_content()


def test_exact_shares_have_no_whiskers() -> None:
    table = drawn(result({"guitars": (0.2, 0.2, 0.2)}, exact=True))
    assert not table.xpath("//line[@class='sl-whisker']") and not table.xpath("//td/small")


def test_names_stay_text() -> None:
    table = drawn(result({'<img src="x">"': GUITARS}))
    assert not table.xpath("//img")
    assert table.xpath("//button")[0].get("data-said") == '<img src="x">"'


def test_a_tag_in_plain_words() -> None:
    document = result({"guitars": GUITARS, "pads": PADS, "keys": KEYS, "bell": NOTHING})
    assert summary(document, document["tags"][0]) == [
        "Rock is 43 of 100 (even silence scores 5).",
        "What adds to it comes from Guitars (+21); against it: Pads (−3).",
        "Unclear, because what is known includes 0: Keys.",
    ]


@pytest.mark.parametrize(("points", "how"), [(6, "hardly"), (5, "no"), (3, "no")])
def test_a_tag_that_silence_scores_too_is_told_as_nothing(points: int, how: str) -> None:
    shares = {"guitars": (0.07, 0.06, 0.08), "pads": (-0.07, -0.08, -0.06)}
    nothing = result(shares, score=points / 100)
    assert summary(nothing, nothing["tags"][0])[:2] == [
        f"Rock is {points} of 100 (even silence scores 5).",
        f"That is {how} more than silence scores, so this mix does not speak for rock.",
    ]
    told = summary(some := result({"guitars": GUITARS}, score=0.08), some["tags"][0])
    assert not any("no more than silence" in sentence for sentence in told)


def test_small_shares_are_told_in_tenths_and_have_short_bars() -> None:
    table = drawn(result({"keys": (0.004, -0.003, 0.011)}))
    assert "+0.4 −0.3 to +1.1 unclear" in table.xpath("//tbody/tr")[0].text_content()
    (bar,) = table.xpath("//rect")
    assert float(bar.get("width").rstrip("%")) == 4.0  # of an axis from −5 to +5
    assert bar.get("class") == "sl-adds sl-unclear"


def test_no_share_is_told_to_be_what_none_can_be() -> None:
    table = drawn(result({"guitars": (0.21, -0.66, 1.08)}))
    assert "−66 to +100" in table.text_content() and "sl-unclear" in table.xpath("//rect/@class")[0]


def test_a_name_that_is_written_the_other_way_turns_no_other_words() -> None:
    document = result({"גיטרה": GUITARS})
    assert "from \u2068גיטרה\u2069 (+21)" in summary(document, document["tags"][0])[1]


def test_mostly_is_half_of_it() -> None:
    even = {f"s{n}": (0.05, 0.04, 0.06) for n in range(8)}
    document = result({**even, "guitars": (0.5, 0.4, 0.6)})
    assert "What adds to it comes mostly from Guitars (+50)." in summary(
        document, document["tags"][0]
    )
    document = result(even)
    assert "What adds to it comes among others from S0 (+5), S1 (+5) and S2 (+5)." in summary(
        document, document["tags"][0]
    )


def test_a_sentence_names_a_few_and_counts_the_others() -> None:
    document = result({f"s{n}": KEYS for n in range(9)})
    assert summary(document, document["tags"][0])[-1].endswith(": S0, S1, S2 and 6 more.")


def test_what_cannot_be_told_is_not_told() -> None:
    document = result({"keys": KEYS})
    assert "No stem adds to it for certain." in summary(document, document["tags"][0])


def test_trust_and_what_the_stems_leave_of_the_mix_are_told_where_they_matter() -> None:
    shares = {"guitars": GUITARS, "pads": PADS}
    separated = result(shares, trust={"guitars": 0.4, "pads": 1.0})
    assert "Made out of the mix, to be trusted: Guitars to 40 %." in summary(
        separated, separated["tags"][0]
    )
    assert "trust 40 %" in drawn(separated).text_content()
    mixed = result(shares, mix_score=0.61, residual_db=-12.0)
    told = summary(mixed, mixed["tags"][0])
    assert "18 more than its stems together" in told[-1] and "-12 dB" in told[-1]
    alike = result(shares, mix_score=0.44, residual_db=-12.0)
    assert not any("dB" in sentence for sentence in summary(alike, alike["tags"][0]))
