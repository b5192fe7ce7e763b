"""Messages survive the wire, lenient about numbers and about nothing else."""

from __future__ import annotations

import json
import struct
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlens_bridge import osc
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import (
    TO_CLIENT,
    TO_SERVER,
    JobOpen,
    JobResults,
    JobStem,
    JobSubmit,
    Message,
    Options,
    Ping,
    decode,
)

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**31), 2**31 - 1),
    float: st.floats(width=32, allow_nan=False, allow_infinity=False),
}


def instances(kind: type[Any]) -> st.SearchStrategy[Any]:
    given: dict[str, Any] = {}
    for spec in fields(kind):
        hint = get_type_hints(kind)[spec.name]
        if get_origin(hint) is tuple:
            member = get_args(hint)[0]
            element = BY_TYPE[member] if member in BY_TYPE else instances(member)
            given[spec.name] = st.lists(element, max_size=4).map(tuple)
        else:
            given[spec.name] = BY_TYPE[hint]
    return st.builds(kind, **given)


MESSAGES = [*TO_SERVER.values(), *TO_CLIENT.values()]


@given(st.sampled_from(MESSAGES).flatmap(instances))
def test_every_message_comes_back_as_it_went(message: Message) -> None:
    assert decode(message.encode()) == message


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_message_is_documented(kind: type[Message]) -> None:
    assert kind.__doc__ and kind.address.startswith("/stemlens/")


def test_the_bytes_are_those_of_the_osc_specification() -> None:
    packet = JobSubmit("j1", 5, 1).encode()
    assert packet == (
        b"/stemlens/job/submit\0\0\0\0" + b",sii\0\0\0\0" + b"j1\0\0" + struct.pack(">ii", 5, 1)
    )


def test_what_may_be_left_out_has_its_default() -> None:
    bare = osc.encode("/stemlens/job/stem", "ssss", ["j", "{guid}", "Bass", "/a.wav"])
    assert decode(bare) == JobStem("j", "{guid}", "Bass", "/a.wav", 0.0, "{}")
    assert decode(b"/stemlens/ping\0\0") == Ping(0)
    assert decode(osc.encode("/stemlens/job/results", "s", ["j"])) == JobResults("j")


def test_extra_arguments_are_ignored() -> None:
    packet = osc.encode("/stemlens/job/submit", "siiss", ["j", 2, 0, "new", "things"])
    assert decode(packet) == JobSubmit("j", 2, 0)


@pytest.mark.parametrize(("types", "stems"), [("sf", 5.0), ("sd", 5.0), ("sh", 5)])
def test_whole_numbers_of_any_type_pass_as_integers(types: str, stems: float) -> None:
    assert decode(osc.encode("/stemlens/job/submit", types, ["j", stems])) == JobSubmit("j", 5)


@pytest.mark.parametrize(
    ("types", "arguments", "says"),
    [
        ("s", ["j"], "lacks the argument stems"),
        ("sf", ["j", 2.5], "whole number"),
        ("ss", ["j", "2"], "whole number"),
        ("sf", ["j", float("nan")], "whole number"),
        ("sd", ["j", 1e12], "whole number"),
        ("ii", [1, 2], "must be a text"),
    ],
)
def test_arguments_that_do_not_fit(types: str, arguments: list[Any], says: str) -> None:
    with pytest.raises(StemlensError, match=says) as caught:
        decode(osc.encode("/stemlens/job/submit", types, arguments))
    assert caught.value.code == "bad_message"


def test_an_address_that_is_nearly_right() -> None:
    with pytest.raises(StemlensError, match=r"did you mean /stemlens/job/submit\?") as caught:
        decode(osc.encode("/stemlens/job/submitt", "", []))
    assert caught.value.code == "unknown_address"


@pytest.mark.parametrize("text", ["a\0b", "caf\udce9.wav"])
def test_text_that_osc_cannot_carry(text: str) -> None:
    with pytest.raises(StemlensError, match="cannot be understood"):
        JobOpen("j", "daw", text, 0).encode()


def test_options_travel_as_json() -> None:
    options = Options(tagger="mtt-musicnn", tags=3, session_loudness="off", silence=0.5)
    assert Options.from_json(options.to_json()) == options
    assert Options.from_json("") == Options()


@pytest.mark.parametrize(
    ("given_options", "says"),
    [
        ({"tagz": 3}, "did you mean tags"),
        ({"zzz": 3}, "no option 'zzz'"),
        ({"tags": 0}, "between 1 and 1000"),
        ({"tags": 2.5}, "whole"),
        ({"tags": True}, "whole"),
        ({"value": "median"}, "one of shapley, banzhaf"),
        ({"unit": "dB"}, "one of points, log-odds"),
        ({"master": "limiter"}, "one of auto, off, curve, rest"),
        ({"budget": -1}, "whole number of 0 or more"),
        ({"budget": 10.5}, "whole number"),
        ({"time_s": -1}, "0 s or more"),
        ({"precision": "high"}, "a score of 0 or more"),
        ({"seed": -1}, "from 0"),
        ({"session_loudness": "loud"}, "LUFS"),
        ({"session_loudness": None}, "LUFS"),
        ({"silence": -1}, "0 or more"),
        ({"start_s": "1"}, "a number"),
        ({"tempo": 0}, "bpm is 0"),
        ({"value": "lime", "parts": 0}, "from 1 to 100"),
        ({"parts": 4}, "the value is not lime"),
        ({"features": 4}, "with the value lime"),
        ({"value": "lime", "features": True}, "a whole number above 0"),
        ({"hop_s": 0.1}, "0.25 s or more"),
        ({"intended": 3}, "a text"),
        ({"steady": 1}, "true or false"),
        ({"annotations": {"kinds": ["tempo"]}}, "there are top, genre"),
        ({"annotations": {"tag": 1}}, "annotations.tag"),
        ({"annotations": 3}, "must be an object"),
        ([], "JSON object"),
    ],
)
def test_options_that_make_no_sense(given_options: Any, says: str) -> None:
    with pytest.raises(StemlensError, match=says) as caught:
        Options.from_json(json.dumps(given_options))
    assert caught.value.code == "bad_options"
