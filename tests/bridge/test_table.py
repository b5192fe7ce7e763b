"""The table fits its terminal, whatever the names, and its bars tell sign and size."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlens_bridge.protocol import VALUES
from stemlens_bridge.table import EXPLANATIONS, bars, table

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=90)


def result(names: list[str], values: list[float], warning: str = "") -> dict[str, Any]:
    shares = [
        {"stem": str(i), "value": v, "low": v, "high": v, "mute": -v, "solo": v}
        for i, v in enumerate(values)
    ]
    return {
        "session": {
            "project": "Song",
            "duration_s": 61.0,
            "stems": [{"id": str(i), "name": name} for i, name in enumerate(names)],
        },
        "tagger": {"name": "msd-musicnn"},
        "method": {"value": "shapley"},
        "tags": [
            {
                "tag": "rock",
                "score": 0.63,
                "baseline": 0.02,
                "mix_score": 0.6,
                "attributions": shares,
            }
        ],
        "warnings": [{"code": "x", "message": warning}] if warning else [],
    }


def columns(line: str) -> int:
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in line)
    return len(line) + wide - sum(bool(unicodedata.combining(c)) for c in line)


@given(st.lists(NAMES, min_size=1, max_size=20), st.integers(60, 200), st.data())
def test_no_line_is_wider_than_the_terminal(
    names: list[str], width: int, data: st.DataObject
) -> None:
    values = [data.draw(st.floats(-1, 1)) for _ in names]
    for line in table(result(names, values, "word " * 60), width=width).splitlines():
        assert columns(line) <= width


def test_what_it_says() -> None:
    shown = table(result(["Guitar", "Bass"], [0.31, -0.04]))
    assert "Song: 2 stems, 1:01, heard by msd-musicnn" in shown
    assert "rock  63 of 100  (silence 2, your mix 60)" in shown
    guitar, bass = (next(x for x in shown.splitlines() if name in x) for name in ("Guitar", "Bass"))
    assert "+31" in guitar and "muting it:  −31" in guitar and "│█" in guitar
    assert "−4" in bass and "█│" in bass


def test_only_what_adds_up_is_said_to_add_up() -> None:
    one = result(["Guitar"], [0.3])
    assert " add up to its score" in table(one) and "need not add up" not in table(one)
    other = one | {"method": {"value": "banzhaf"}}
    assert "need not add up" in table(other).replace("\n", " ")


def test_every_value_is_explained() -> None:
    assert set(EXPLANATIONS) == set(VALUES)


def estimated(names: list[str], values: list[float], off: list[float]) -> dict[str, Any]:
    told = result(names, values)
    for share, width in zip(told["tags"][0]["attributions"], off, strict=True):
        share |= {"low": share["value"] - width, "high": share["value"] + width}
    return told


def test_estimates_say_how_far_they_may_be_off() -> None:
    told = estimated(
        ["Guitar", "Bass", "Kick", "Pad"], [0.31, -0.04, 0.02, 0.1], [0.02, 0.004, 0, 1]
    )
    shown = table(told)
    rows = [line for line in shown.splitlines() if "muting" in line and "│" in line]
    assert ["±2 " in rows[0], "±100" in rows[1], "±0.4" in rows[2], "±" in rows[3]] == [1, 1, 1, 0]
    assert len({row.index("│") for row in rows}) == 1
    assert "95 of 100" in shown.replace("\n", " ")
    assert "95 of 100" not in table(result(["Guitar"], [0.3])).replace("\n", " ")


@given(st.lists(st.tuples(NAMES, st.floats(-1, 1), st.floats(0, 2)), min_size=1, max_size=9))
def test_no_line_of_estimates_is_too_wide(shares: list[tuple[str, float, float]]) -> None:
    told = estimated(*(list(part) for part in zip(*shares, strict=True)))  # type: ignore[arg-type]
    assert all(columns(line) <= 80 for line in table(told, width=80).splitlines())


def with_group(names: list[str], values: list[float], group: dict[str, Any]) -> dict[str, Any]:
    told = result(names, values)
    own = {"tag": "rock", "value": 0.2, "low": 0.2, "high": 0.2}
    return told | {"groups": [{"why": "session", "attributions": [own], **group}]}


def test_members_stand_under_their_group() -> None:
    told = with_group(
        ["Kick", "Guitar", "Snare"], [0.05, 0.1, 0.15], {"name": "Drums", "stems": ["0", "2"]}
    )
    rows = [line.split("│")[0].rstrip() for line in table(told).splitlines() if "│" in line]
    assert [row.rstrip("█ ") for row in rows] == [
        "  Drums    +20", "    Snare  +15", "    Kick    +5", "  Guitar   +10",
    ]  # fmt: skip


@given(st.lists(NAMES, min_size=2, max_size=9), NAMES)
def test_no_line_of_groups_is_too_wide(names: list[str], name: str) -> None:
    told = with_group(names, [0.1] * len(names), {"name": name, "stems": ["0", "1"]})
    pair = {"tag": "rock", "stems": ["0", "1"], "value": 0.1, "low": 0.1, "high": 0.1}
    for line in table(told | {"interactions": [pair]}, width=80).splitlines():
        assert columns(line) <= 80


@pytest.mark.parametrize(
    ("value", "off", "says"),
    [
        (0.07, 0.01, "Guitar and Bass together: 7 more than one by one"),
        (-0.07, 0.01, "Guitar and Bass together: 7 less than one by one"),
        (0.07, 0.08, None),
        (0.01, 0.0, None),
    ],
)
def test_what_pairs_do_together_is_told_where_it_is_certain(
    value: float, off: float, says: str | None
) -> None:
    pair = {"stems": ["0", "1"], "value": value, "low": value - off, "high": value + off}
    told = result(["Guitar", "Bass"], [0.3, 0.1]) | {"interactions": [{"tag": "rock", **pair}]}
    shown = table(told)
    assert (says in shown) if says else ("together" not in shown and "stand in" not in shown)


def test_stems_that_do_nothing_take_no_room() -> None:
    shown = table(result(["Guitar", "Silence", "Nothing"], [0.3, 0.001, 0.0]))
    assert "Guitar" in shown and "Silence" not in shown
    assert "and 2 more stems: 0 together" in shown
    muted = result(["Guitar", "Quiet"], [0.3, 0.0])
    muted["tags"][0]["attributions"][1]["mute"] = 0.04
    assert "Quiet" in table(muted)
    assert "and one more stem: 0" in table(result(["Guitar", "Silence"], [0.3, 0.0]))


def test_log_odds_are_no_points() -> None:
    told = result(["Guitar"], [-1.25]) | {"method": {"value": "shapley", "unit": "log-odds"}}
    shown = table(told)
    assert "−1.25" in shown and "Log-odds" in shown and "Points of 100" not in shown


def test_what_was_not_measured_is_not_said() -> None:
    told = result(["Guitar"], [0.3])
    told["tags"][0]["attributions"][0]["mute"] = None
    assert "muting it:    ?" in table(told)


def test_tracks_of_one_name_are_told_apart() -> None:
    shown = table(result(["Gtr", "Gtr"], [0.3, 0.2]))
    assert "Gtr (0)" in shown and "Gtr (1)" in shown


def test_many_stems_are_summed_up() -> None:
    shown = table(result([f"t{i}" for i in range(30)], [0.01] * 30), stems=12)
    assert "and 18 more stems: +18 together" in shown


@given(st.floats(-1, 1), st.floats(0.01, 1))
def test_a_bar_is_as_long_as_its_share(value: float, largest: float) -> None:
    left, right = bars(value, largest, 40)
    assert len(left) + len(right) == 40
    filled = len((left + right).replace(" ", ""))
    room = len(right) if value >= 0 else len(left)
    assert abs(filled - room * min(abs(value) / largest, 1)) <= 1
    assert not (left if value >= 0 else right).strip()


def test_nothing_at_all_has_no_bar() -> None:
    assert "".join(bars(0.0, 0.0, 40)).strip() == ""
