"""Edits as people and programs write them."""

from __future__ import annotations

import json

import pytest

from stemlens_bridge.edits import Edit, SuggestOptions, TryOptions, edits_from_json
from stemlens_bridge.errors import StemlensError


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("guitar:presence", Edit("guitar", "presence")),
        ("guitar:presence@0.6", Edit("guitar", "presence", 0.6)),
        ("Bus: drums:gate@2", Edit("Bus: drums", "gate", 2.0)),
        ("vox@home, dry:air@0", Edit("vox@home, dry", "air", 0.0)),
        ("g:presence@1,gain_db=8", Edit("g", "presence", 1.0, {"gain_db": 8.0})),
        ("g:m,2.q=0.9,mode=LPF12", Edit("g", "m", 1.0, {"2.q": 0.9, "mode": "LPF12"})),
    ],
)
def test_what_people_write(text: str, edit: Edit) -> None:
    assert Edit.from_text(text) == edit
    assert Edit.from_text(str(edit)) == edit
    assert Edit.from_plain(json.loads(json.dumps(edit.to_plain()))) == edit


@pytest.mark.parametrize(
    "text", ["guitar", ":presence", "guitar:", "guitar:presence@loud", "g:p@3", "g:p@-1", "g:p@nan"]
)
def test_what_is_no_edit(text: str) -> None:
    with pytest.raises(StemlensError) as caught:
        Edit.from_text(text)
    assert caught.value.code == "edit_invalid"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[3]",
        '[{"stem": "g"}]',
        '[{"stem": "g", "preset": "p", "colour": 1}]',
        '[{"stem": "g", "preset": "p", "amount": true}]',
        '[{"stem": "g", "preset": "p", "parameters": {"q": [1]}}]',
    ],
)
def test_json_that_is_no_edits(text: str) -> None:
    with pytest.raises(StemlensError) as caught:
        edits_from_json(text)
    assert caught.value.code == "edit_invalid"


def test_options_of_requests() -> None:
    assert TryOptions.from_json("") == TryOptions()
    assert TryOptions.from_json('{"loudness_match": false}').loudness_match is False
    asked = SuggestOptions.from_json('{"stems": ["a"], "budget": 10, "time_s": 1.5}')
    assert asked == SuggestOptions(stems=("a",), budget=10, time_s=1.5)


@pytest.mark.parametrize(
    "text",
    ['{"budget": 0}', '{"time_s": -1}', '{"most": 0}', '{"stems": "a"}', '{"renders": true}', "3"],
)
def test_impossible_options(text: str) -> None:
    with pytest.raises(StemlensError) as caught:
        SuggestOptions.from_json(text)
    assert caught.value.code == "bad_options"
