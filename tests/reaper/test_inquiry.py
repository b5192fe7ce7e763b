"""Questions through REAPER's mailbox: the answer whole, cancelled, asked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.liveserver import LiveServer
from support.reaperside import AgentThread, Scripts, awaited
from support.trialserver import EQ, LEVEL, TAKE, TrialServer

from stemlens_bridge import trials
from stemlens_bridge.edits import ExplainOptions, SuggestOptions
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import (
    Explain,
    Message,
    Suggest,
    TrialCancel,
    TrialFailed,
    TrialProgress,
    Verify,
)
from stemlens_bridge.reaper.inquiry import Inquiry, suggestions
from stemlens_bridge.reaper.mailbox import Mailbox

# What the scripts read of a trial and of its edits (suggestpage.lua, applying.lua, audition.lua).
TRIAL = "rank words sentence audible heard verify gain low high before_path after_path edits"
EDIT = "track preset words actions path"
# What they read of what explains a tag (hearing.lua, whytracks.lua, hearpage.lua).
EXPLAINED = "tag request name sounds"
SOUND = "name kind span start_s end_s path sentence"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASK_AFTER_S", "FIRST_RETRY_S", "LAST_RETRY_S", "SETTLE_S"):
        monkeypatch.setattr(trials, name, 0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "REAPER" / "Stemlens" / "mailbox"


def ended(scripts: Scripts, name: str) -> dict[str, Any]:
    """What is known of a question once it has ended."""

    def look() -> Any:
        state = scripts.read(f"trial-{name}.lua")
        return state if state and state["state"] != "running" else None

    found: dict[str, Any] = awaited(look, f"an end of {name}")
    return found


def at_work(server: LiveServer, message: Message) -> list[Message]:
    """A server that never comes to an end by itself."""
    if isinstance(message, Suggest):
        return [TrialProgress(message.job, message.request, "trying", 0.5)]
    if isinstance(message, TrialCancel):
        return [TrialFailed(message.job, message.request, "cancelled", "It was cancelled.")]
    return []


def test_suggestions_come_whole_with_what_the_daw_can_do(folder: Path) -> None:
    server = TrialServer(("{3}", [*EQ, *LEVEL]), ("{5}", TAKE), suggestions=2)
    with server, AgentThread(folder, server.address) as scripts:
        asked = {"job": "a", "request": "r1", "goal": "+metal =happy", "options": []}
        assert scripts.ask("suggest", **asked) == {"ok": True}
        state = ended(scripts, "r1")
    assert (state["state"], state["job"], state["request"]) == ("done", "a", "r1")
    found = state["found"]
    assert found["suggestion"]["sentence"] == "The best of 40 edits."
    assert [one["rank"] for one in found["trials"]] == [1, 2]
    first = found["trials"][0]
    assert first["edits"][0]["actions"] == [*EQ, *LEVEL]
    assert first["edits"][1]["actions"] == TAKE and first["edits"][1]["track"] == "{5}"
    assert first["before_path"] == "/renders/1-before.wav"
    assert set(TRIAL.split()) <= set(first) and set(EDIT.split()) <= set(first["edits"][0])
    asked_of = [message for message in server.heard if isinstance(message, Suggest)]
    assert {(it.job, it.request, it.goal) for it in asked_of} == {("a", "r1", "+metal =happy")}
    assert SuggestOptions.from_json(asked_of[0].options) == SuggestOptions()


def test_what_explains_a_tag_comes_whole(folder: Path) -> None:
    with TrialServer() as server, AgentThread(folder, server.address) as scripts:
        assert scripts.ask("explain", job="a", request="r1", tag="rock", options=[])["ok"]
        found = ended(scripts, "r1")["found"]
    asked = next(message for message in server.heard if isinstance(message, Explain))
    assert (asked.job, asked.request, asked.tag) == ("a", "r1", "rock")
    assert ExplainOptions.from_json(asked.options) == ExplainOptions()
    assert set(EXPLAINED.split()) <= set(found) and found["name"] == "why rock"
    assert [sound["name"] for sound in found["sounds"]] == [
        "only", "without", "crossfade",
        "only, whole song", "without, whole song", "crossfade, whole song",
    ]  # fmt: skip
    first, crossfade = found["sounds"][0], found["sounds"][2]
    assert set(SOUND.split()) <= set(first) and first["tracks"] == ["3", "5"]
    assert (first["start_s"], first["end_s"]) == (62.0, 71.0)
    assert first["score"] == pytest.approx(0.24) and crossfade.get("score") is None
    assert first["path"] == "/sounds/rock-only-passage.wav"


def test_nothing_that_helps_is_an_answer(folder: Path) -> None:
    server = TrialServer(suggestions=0)
    with server, AgentThread(folder, server.address) as scripts:
        scripts.ask("suggest", job="a", request="r1", goal="+metal")
        found = ended(scripts, "r1")["found"]
    assert found["trials"] == [] and "Nothing" in found["suggestion"]["sentence"]


def test_a_search_tells_how_far_it_is_and_can_be_stopped(folder: Path) -> None:
    server = LiveServer(at_work)
    with server, AgentThread(folder, server.address) as scripts:
        scripts.ask("suggest", job="a", request="r1", goal="+metal")

        def far() -> Any:
            return scripts.read("trial-r1.lua").get("fraction") == 0.5

        awaited(far, "progress")
        scripts.ask("cancel", job="a", request="r1")
        assert ended(scripts, "r1")["state"] == "cancelled"
        awaited(lambda: TrialCancel("a", "r1") in server.heard, "the server hears of it")


def test_an_agent_that_died_is_followed_by_one_that_asks_the_same_again(folder: Path) -> None:
    with LiveServer(at_work) as first, AgentThread(folder, first.address) as scripts:
        scripts.ask("suggest", job="a", request="r1", goal="+metal")
        awaited(lambda: first.heard, "the first question")
    with TrialServer() as second, AgentThread(folder, second.address) as scripts:
        scripts.ask("suggest", job="a", request="r1", goal="+metal")
        assert ended(scripts, "r1")["state"] == "done"


def test_the_same_question_twice_is_one(folder: Path) -> None:
    with LiveServer(at_work) as server, AgentThread(folder, server.address) as scripts:
        for _ in range(2):
            scripts.ask("suggest", job="a", request="r1", goal="+metal")
        awaited(lambda: len(server.heard) > 2, "the question")
        scripts.ask("cancel", job="a", request="r1")
        assert ended(scripts, "r1")["state"] == "cancelled"
    asked = [message for message in server.heard if isinstance(message, Suggest)]
    assert len(asked) > 1 and len(set(asked)) == 1


def test_a_promise_and_what_became_of_it(folder: Path) -> None:
    with TrialServer() as server, AgentThread(folder, server.address) as scripts:
        scripts.ask("verify", job="b", before="a", request="r1", rank=2)
        found = ended(scripts, "verify-r1")["found"]
    assert Verify("b", "a", "r1", 2) in server.heard
    assert "metal kept its promise" in found["sentence"]
    metal, happy = found["tags"]
    assert (metal["held"], happy["held"], happy["real"]) == (1, 0, pytest.approx(-0.05))


def test_what_the_server_says_no_to_is_told(folder: Path) -> None:
    server = TrialServer(failure=("goal_invalid", "No tag is called metl; did you mean metal?"))
    with server, AgentThread(folder, server.address) as scripts:
        scripts.ask("suggest", job="a", request="r1", goal="+metl")
        state = ended(scripts, "r1")
    assert (state["state"], state["code"]) == ("failed", "goal_invalid")
    assert "did you mean metal" in state["message"]


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("suggest", {"request": "r1"}, "bad_message"),
        ("suggest", {"request": "../r1", "goal": "+metal"}, "bad_message"),
        ("suggest", {"request": "r1", "goal": "+metal", "options": {"most": 0}}, "bad_options"),
        ("explain", {"request": "r1"}, "bad_message"),
        ("explain", {"request": "r1", "tag": "rock", "options": {"top": 0}}, "bad_options"),
        ("verify", {"before": "a", "request": "r1", "rank": "1"}, "bad_message"),
        ("verify", {"request": "r1", "rank": 1}, "bad_message"),
    ],
)
def test_questions_that_make_no_sense_are_refused(
    folder: Path, kind: str, body: dict[str, Any], code: str
) -> None:
    with TrialServer() as server, AgentThread(folder, server.address) as scripts:
        refused = scripts.ask(kind, job="a", **body)
        assert (refused["ok"], refused["code"]) == (False, code)
        assert not server.heard and not list((folder / "to-reaper").glob("trial-*"))


def test_an_answer_that_found_no_room_is_told_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Mailbox, request: str, state: Any) -> None:
        raise StemlensError("disk_full", "There is no room.")

    with TrialServer() as server:
        mailbox = Mailbox(folder)
        ask = suggestions("a", "r1", "+metal", SuggestOptions())
        inquiry = Inquiry(mailbox, server.address, "udp", "a", "r1", ask)
        with monkeypatch.context() as disk:
            disk.setattr(Mailbox, "write_trial", full)
            inquiry.start()
            awaited(lambda: not inquiry.running, "its end")
            assert not inquiry.settled
        inquiry.watch()
        assert inquiry.settled
        assert '"done"' in (folder / "to-reaper" / "trial-r1.lua").read_text()
