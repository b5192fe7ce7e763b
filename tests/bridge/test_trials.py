"""A client gets the whole answer to what it asked to be tried, over any network, or is told why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.badnet import BadNet
from support.liveserver import LiveServer
from support.trialserver import EQ, LEVEL, TAKE, TrialServer

from stemlens_bridge import trials
from stemlens_bridge.edits import (
    Edit,
    ExplainOptions,
    SuggestOptions,
    TryOptions,
    edits_from_json,
    passage_from_text,
)
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import (
    Error,
    Explain,
    Message,
    Suggest,
    TrialCancel,
    TrialDone,
    TrialFailed,
    TrialProgress,
    Try,
    Verify,
    decode,
)
from stemlens_bridge.trials import TrialsClient, Tried, actions

EDITS = [Edit("guitar", "gentler", 0.5, {"2.q": 0.9})]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASK_AFTER_S", "FIRST_RETRY_S", "LAST_RETRY_S", "SETTLE_S"):
        monkeypatch.setattr(trials, name, 0.05)


def test_a_trial_comes_whole(tmp_path: Path) -> None:
    stages = []
    with (
        TrialServer(("3", LEVEL), ("5", [*EQ, *LEVEL]), progress=2) as server,
        TrialsClient(server.address) as client,
    ):
        tried = client.tried(
            "job", EDITS, TryOptions(render=False), "r1", lambda *stage: stages.append(stage)
        )
    asked = [message for message in server.heard if isinstance(message, Try)]
    assert len(asked) == 3 and len(set(asked)) == 1, "the same again, until it is done"
    assert edits_from_json(asked[0].edits) == tuple(EDITS)
    assert TryOptions.from_json(asked[0].options) == TryOptions(render=False)
    assert [stage for stage, _ in stages] == ["trying", "trying"]
    assert (tried.job, tried.request, tried.path) == ("job", "r1", "/trials/1.json")
    assert tried.suggestion is None
    (one,) = tried.trials
    assert [edit.track for edit in one.edits] == ["3", "5"]
    assert actions(one.edits[1]) == [*EQ, *LEVEL]
    assert [tag.tag for tag in one.tags] == ["metal", "tag 1", "tag 2"]
    assert one.shares[0].shares[0].track == "1"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_missing_where_a_third_of_the_datagrams_is_lost(seed: int) -> None:
    with (
        TrialServer(("3", TAKE), ("5", EQ), suggestions=5, tags=12, progress=3) as server,
        BadNet(server.address, 0.3, seed) as net,
        TrialsClient(net.address) as client,
    ):
        found = client.suggested("job", "+metal =happy", SuggestOptions(stems=("3", "5")), "r2")
        assert net.lost and net.doubled and net.reordered
    sent = server.whole(next(m for m in server.heard if isinstance(m, Suggest)))
    expected = [decode(message.encode()) for message in sent]  # numbers as they are on the wire
    assert isinstance(expected[-1], TrialDone)
    assert found.to_dict() == Tried.from_messages(expected[-1], expected).to_dict()
    assert [trial.rank for trial in found.trials] == [1, 2, 3, 4, 5]
    assert all(len(trial.tags) == 12 and len(trial.edits) == 2 for trial in found.trials)


def test_nothing_that_helps_is_an_answer() -> None:
    with TrialServer(suggestions=0) as server, TrialsClient(server.address) as client:
        found = client.suggested("job", "+metal")
    assert found.suggestion is not None and found.suggestion.trials == 0 and not found.trials
    with pytest.raises(StemlensError, match="nothing that was tried helps") as raised:
        found.of_rank(1)
    assert raised.value.code == "trial_unknown"


def test_a_client_with_no_request_of_its_own_makes_a_new_one_each_time() -> None:
    with TrialServer(progress=0) as server, TrialsClient(server.address) as client:
        assert client.tried("job", EDITS).request != client.tried("job", EDITS).request


def test_answers_to_other_requests_are_no_answers() -> None:
    def answer(server: LiveServer, message: Message) -> list[Message]:
        assert isinstance(message, Try)
        return [
            TrialFailed("job", "other", "cancelled", "no"),
            TrialFailed("other", "r1", "cancelled", "no"),
            TrialDone("job", "other", "", 0),
            TrialDone("job", "r1", "right", 0),
        ]

    with LiveServer(answer) as server, TrialsClient(server.address) as client:
        assert client.tried("job", EDITS, request="r1").path == "right"


def test_what_the_server_objects_to_is_told() -> None:
    refused = ("edit_invalid", "There is no stem 'gitar'; did you mean 'guitar'?")
    with TrialServer(failure=refused) as server, TrialsClient(server.address) as client:
        with pytest.raises(StemlensError, match="gitar") as raised:
            client.tried("job", EDITS)
        assert raised.value.code == "edit_invalid"
        with pytest.raises(StemlensError, match="gitar"):
            client.verified("new", "job", "r1", 1)

    def old(server: LiveServer, message: Message) -> list[Message]:
        return [Error("", "unknown_address", "There is no message /stemlens/try")]

    with LiveServer(old) as server, TrialsClient(server.address) as client:
        with pytest.raises(StemlensError, match="stemlens/try") as raised:
            client.tried("job", EDITS)
        assert raised.value.code == "unknown_address"


def test_a_server_that_is_not_there_or_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "PATIENCE_S", 0.3)
    monkeypatch.setattr(trials, "LOYALTY_S", 0.3)
    with LiveServer(lambda server, message: []) as silent, TrialsClient(silent.address) as client:
        with pytest.raises(StemlensError) as raised:
            client.tried("job", EDITS)
        assert raised.value.code == "server_unreachable"
        with pytest.raises(StemlensError) as raised:
            client.cancel("job", "r1", patience_s=0.2)
        assert raised.value.code == "server_unreachable"

    def once(server: LiveServer, message: Message) -> list[Message]:
        first = len(server.heard) == 1
        return [TrialProgress("job", "r1", "trying", 0.5)] if first else []

    with LiveServer(once) as server, TrialsClient(server.address) as client:
        with pytest.raises(StemlensError) as raised:
            client.tried("job", EDITS, request="r1")
        assert raised.value.code == "server_stopped"


def test_who_stops_a_request_stops_it_at_the_server() -> None:
    def stopped(stage: str, fraction: float) -> None:
        raise KeyboardInterrupt

    with (
        TrialServer(progress=99) as server,
        TrialsClient(server.address) as client,
        pytest.raises(KeyboardInterrupt),
    ):
        client.tried("job", EDITS, request="r1", on_progress=stopped)
    assert TrialCancel("job", "r1") in server.heard


def test_a_promise_is_verified_over_a_bad_network() -> None:
    with (
        TrialServer() as server,
        BadNet(server.address, 0.4, seed=4) as net,
        TrialsClient(net.address) as client,
    ):
        for rank in range(1, 6):
            answer = client.verified("new", "job", "r1", rank)
            assert (answer.job, answer.before, answer.rank) == ("new", "job", rank)
            assert [kept.held for kept in answer.tags] == [1, 0]
    assert any(isinstance(message, Verify) for message in server.heard)


def test_a_file_gives_back_what_was_tried(tmp_path: Path) -> None:
    with (
        TrialServer(("3", [*EQ, *LEVEL]), suggestions=2, progress=0) as server,
        TrialsClient(server.address) as client,
    ):
        found = client.suggested("job", "+metal")
    plain = found.to_dict()
    assert plain["schema"] == "stemlens.tried/1"
    assert plain["trials"][0]["edits"][0]["actions"] == [*EQ, *LEVEL]
    path = tmp_path / "tried.json"
    path.write_text(json.dumps(plain))
    assert Tried.read(path).to_dict() == plain
    assert Tried.read(path).of_rank(2).trial.rank == 2


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": "stemlens.analysis/1"},
        {"job": 3},
        {"suggestion": {"goal": "+metal"}},
        {"trials": [{"rank": 1}]},
        {"trials": 5},
        {"trials": [{"edits": [{"actions": "level"}], "tags": [], "shares": []}]},
    ],
)
def test_a_file_that_holds_something_else(tmp_path: Path, damage: dict[str, object]) -> None:
    with TrialServer(progress=0) as server, TrialsClient(server.address) as client:
        plain = client.tried("job", EDITS).to_dict()
    path = tmp_path / "tried.json"
    path.write_text(json.dumps({**plain, **damage}))
    with pytest.raises(StemlensError) as raised:
        Tried.read(path)
    assert raised.value.code == "result_invalid" and str(path) in str(raised.value)


def test_an_explanation_comes_whole_over_a_network_that_loses() -> None:
    options = ExplainOptions(top=2, start_s=62.0)
    with (
        TrialServer(progress=2) as server,
        BadNet(server.address, 0.3, seed=5) as net,
        TrialsClient(net.address) as client,
    ):
        found = client.explained("job", "rock", options, "r1")
    asked = next(message for message in server.heard if isinstance(message, Explain))
    assert ExplainOptions.from_json(asked.options) == options
    assert [(one.kind, one.span) for one in found.sounds] == [
        (kind, span) for span in ("passage", "whole") for kind in ("only", "without", "crossfade")
    ]
    told = found.to_dict()["sounds"]
    assert [one["tracks"] for one in told] == 2 * [["3", "5"], ["1"], ["3", "5"]]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", (None, None)),
        ("62-75.5", (62.0, 75.5)),
        ("1:02 – 1:15.5", (62.0, 75.5)),
        ("1:00:00-", (3600.0, None)),
        ("-9", (None, 9.0)),
    ],
)
def test_passages(text: str, seconds: tuple[float | None, float | None]) -> None:
    assert passage_from_text(text) == seconds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0:20-0:10", "The passage 0:20-0:10 ends before it begins: did you mean 0:10-0:20?"),
        (" 62.5 – 9 ", "The passage 62.5-9 ends before it begins: did you mean 9-62.5?"),
        ("1:00-60", "The passage 1:00-60 has no length: where should it end?"),
    ],
)
def test_a_passage_the_wrong_way_round_is_said_in_the_words_it_was_typed_in(
    text: str, says: str
) -> None:
    with pytest.raises(StemlensError) as raised:
        passage_from_text(text)
    assert (raised.value.code, raised.value.message) == ("bad_options", says)


@pytest.mark.parametrize("text", ["-", "62", "a-b", "1-2-3", "62.5.5-70"])
def test_what_is_no_passage(text: str) -> None:
    with pytest.raises(StemlensError, match="START-END") as raised:
        passage_from_text(text)
    assert raised.value.code == "bad_options"
