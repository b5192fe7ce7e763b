"""`stemlens-bridge try`, `suggest`, `verify`: what a musician reads, and what is kept in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.trialserver import EQ, LEVEL, TrialServer

from stemlens_bridge import client
from stemlens_bridge.cli import main
from stemlens_bridge.edits import ExplainOptions, SuggestOptions, edits_from_json
from stemlens_bridge.protocol import (
    Explain,
    JobStem,
    Suggest,
    Suggestion,
    Trial,
    TrialDone,
    TrialTag,
    Try,
    Verify,
)
from stemlens_bridge.session import Session
from stemlens_bridge.trials import Tried
from stemlens_bridge.trialtable import trial_table


def run(server: TrialServer, *command: object) -> int:
    where = f"127.0.0.1:{server.address[1]}"
    return main([*map(str, command), "--server", where])


def test_an_edit_is_tried_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "tried.json"
    with TrialServer(("Guitar bus", [*EQ, *LEVEL])) as server:
        code = run(
            server, "try", "job", "--edit", "Guitar bus:gentler@0.5", "--edit", "bass:gate",
            "--json", kept, "--no-render", "--request", "r1",
        )  # fmt: skip
    out, err = capsys.readouterr()
    assert code == 0, err
    asked = next(message for message in server.heard if isinstance(message, Try))
    assert [str(edit) for edit in edits_from_json(asked.edits)] == [
        "Guitar bus:gentler@0.5", "bass:gate",
    ]  # fmt: skip
    assert '"render": false' in asked.options
    assert "Guitar bus: −3 dB at 2.5 kHz, Q 0.7, level −3 dB" in out
    assert "20 → 28   +8.0 (+5.0 to +11.0)" in out
    assert "Listen, before: /renders/0-before.wav" in out and "/renders/0-after.wav" in out
    assert "trying" in err and "--request r1" in err
    assert Tried.read(kept).request == "r1"


def test_suggestions_are_told_best_first(capsys: pytest.CaptureFixture[str]) -> None:
    with TrialServer(suggestions=2, progress=0) as server:
        code = run(
            server, "suggest", "job", "--goal", "+metal =happy", "--budget", 500, "--time", 9.5,
            "--stems", "Guitar bus", "3", "--most", 2,
        )  # fmt: skip
    out, err = capsys.readouterr()
    assert code == 0, err
    asked = next(message for message in server.heard if isinstance(message, Suggest))
    assert SuggestOptions.from_json(asked.options) == SuggestOptions(
        stems=("Guitar bus", "3"), budget=500, time_s=9.5, most=2
    )
    assert out.index("1. 3: level −3 dB") < out.index("2. 3: level −3 dB")
    assert "Nearer to the goal by +8.0 (+5.0 to +11.0)." in out


def test_nothing_that_helps_is_told_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with TrialServer(suggestions=0, progress=0) as server:
        assert run(server, "suggest", "job", "--goal", "calmer") == 0
    out = capsys.readouterr().out
    assert "calmer: Nothing that was tried helps." in out and "--budget" in out


def test_what_cannot_be_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with TrialServer(failure=("goal_invalid", "'metl' is no tag; did you mean metal?")) as server:
        assert run(server, "suggest", "job", "--goal", "+metl") == 1
        assert "did you mean metal? [goal_invalid]" in capsys.readouterr().err
        assert run(server, "try", "job", "--edit", "guitar") == 1
        assert "[edit_invalid]" in capsys.readouterr().err
        assert run(server, "suggest", "job", "--goal", "calmer", "--most", 0) == 1
        assert "[bad_options]" in capsys.readouterr().err


def test_promised_and_real_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    with TrialServer() as server:
        code = run(server, "verify", "new", "--before", "job", "--request", "r1", "--rank", 2)
    assert code == 0 and Verify("new", "job", "r1", 2) in server.heard
    told = " ".join(capsys.readouterr().out.split())
    assert "metal promised +8.0 (+5.0 to +11.0) real +7.0 held" in told
    assert "happy promised 0 (−1.0 to +1.0) real −5.0 not held" in told


def test_an_explanation_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "explained.json"
    with TrialServer(progress=0) as server:
        code = run(
            server, "explain", "job", "--tag", "rock", "--top", 2, "--passage", "1:02-1:11",
            "--no-whole", "--json", kept, "--request", "r1",
        )  # fmt: skip
    out, err = capsys.readouterr()
    assert code == 0, err
    asked = next(message for message in server.heard if isinstance(message, Explain))
    assert ExplainOptions.from_json(asked.options) == ExplainOptions(2, False, 62.0, 71.0)
    assert out.startswith("rock\n  only, passage: rock 24 of 100.\n    /sounds/rock-only-passage")
    assert "Explained as r1" in err and "whole" not in out
    assert json.loads(kept.read_text())["schema"] == "stemlens.explained/1"


def test_sounds_that_lie_elsewhere_cannot_be_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrialServer(progress=0) as server:
        code = run(server, "explain", "job", "--tag", "rock", "--folder", tmp_path / "new")
    out, err = capsys.readouterr()
    assert code == 1 and "rock-only-passage" in out, "where they are is told all the same"
    assert "cannot be read here" in err and "[audio_missing]" in err
    assert not (tmp_path / "new").exists()


def test_ugly_words_keep_to_their_columns() -> None:
    words = "Gitärre\x1b[31m 日本語のトラック: " + "−3 dB at 2.5 kHz, Q 0.7; " * 9
    trial = Trial("job", "r", 2, 1, 1, words, "s " * 90, -0.5, 1.2, "yes", 0, 1, 0.01, -1.0, 1.0,
                  "", "")  # fmt: skip
    tag = TrialTag("job", "r", 3, 1, "a very long tag " * 5, 0.2, 0.21, 0.01, -1.0, 1.0)
    goal = Suggestion("job", "r", 1, "+x", "one", 1, 1, 1)
    text = trial_table(Tried.from_messages(TrialDone("job", "r", "", 3), [goal, trial, tag]))
    lines = text.split("\n")
    assert max(map(len, lines)) <= 80 and "\x1b" not in text
    assert "too short to say how sure" in text
    assert "Judge it by your own ears" in text and "Verify by a new bounce." in text
    assert "Listen" not in text


def test_a_lone_mix_is_submitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Client(client.Client):
        def submit(self, session: Session, *_: object) -> None:  # type: ignore[override]
            given.append(session)
            raise KeyboardInterrupt

    given: list[Session] = []
    mix = tmp_path / "song.wav"
    monkeypatch.setattr(Session, "__post_init__", lambda self: None)  # it has no stems
    lone = Session("song", "files", (), mix=mix)
    monkeypatch.setattr(Session, "read", classmethod(lambda cls, *places, mix: lone))
    monkeypatch.setattr("stemlens_bridge.commands.common.Client", Client)
    with TrialServer() as server:
        assert run(server, "submit", "--mix", mix, "--json", tmp_path / "out.json") == 130
    assert given == [lone] and not any(isinstance(m, JobStem) for m in server.heard)
    assert "makes stems of it first (htdemucs)" in capsys.readouterr().err
    assert main(["submit"]) == 1
    assert "--mix" in capsys.readouterr().err
