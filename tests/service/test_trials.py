"""Trials and suggestions over OSC, from a real server, and what happens when plugs are pulled."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.badnet import BadNet
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens.service.store import SCHEMA, Store
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.edits import Edit, ExplainOptions, SuggestOptions, TryOptions
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session
from stemlens_bridge.trials import Explained, TrialsClient

pytestmark = pytest.mark.usefixtures("real_weights")

SECONDS = 9.2  # three segments


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stem_folder(tmp_path_factory.mktemp("trials") / "song", seconds=SECONDS, stems=3)


def analysed(server: ServerProcess, folder: Path, **options: Any) -> str:
    job = new_job_id("trials")
    with Client(server.address) as client:
        client.submit(Session.read(folder), Options(**options), job)
        client.follow(job)
    return job


@pytest.fixture(scope="module")
def job(server: ServerProcess, song: Path) -> str:
    return analysed(server, song)


def result_of(server: ServerProcess, job: str) -> dict[str, Any]:
    with Client(server.address) as client:
        return dict(json.loads(Path(client.follow(job).path).read_text()))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_trial_over_osc(server: ServerProcess, job: str, transport: str) -> None:
    with TrialsClient(server.address, transport) as client:
        tried = client.tried(job, [Edit("noise", "darker"), Edit("kick", "quieter", 0.5)])
    (trial,) = tried.trials
    assert trial.trial.edits == 2 and [edit.track for edit in trial.edits] == ["noise", "kick"]
    assert trial.edits[1].words == "level −1.5 dB"
    assert json.loads(trial.edits[1].actions) == [{"do": "level", "db": -1.5}]
    for path in (trial.trial.before_path, trial.trial.after_path, trial.edits[0].path, tried.path):
        assert Path(path).is_file()
    for tag in trial.tags:
        assert tag.after == pytest.approx(tag.before + tag.change, abs=1e-5)
        assert tag.low <= tag.change <= tag.high
    assert abs(trial.tags[0].change) >= abs(trial.tags[-1].change)


def test_what_was_tried_is_in_the_jobs_result(server: ServerProcess, job: str) -> None:
    with TrialsClient(server.address) as client:
        client.tried(job, [Edit("chord", "air")], request="in-the-result")
        client.suggested(job, "+rock", SuggestOptions(budget=40, render=False), request="hopeful")
    result = result_of(server, job)
    assert "in-the-result" in {trial["request"] for trial in result["trials"]}
    document = json.loads(
        Path(server.log.parent / "results" / "trials")
        .glob("hopeful-*/trials.json")
        .__next__()
        .read_text()
    )
    ranks = [trial["rank"] for trial in document["trials"]]
    assert [one["rank"] for one in result["suggestions"] if one["request"] == "hopeful"] == ranks


def test_suggestions_over_a_network_that_loses(server: ServerProcess, job: str) -> None:
    stages: list[str] = []
    with BadNet(server.address, 0.2, 1) as net, TrialsClient(net.address) as client:
        tried = client.suggested(
            job,
            "+electronic -ambient",
            SuggestOptions(budget=120, most=2, presets=("darker", "louder", "lo-fi", "wider")),
            on_progress=lambda stage, fraction: stages.append(stage),
        )
    assert tried.suggestion is not None and tried.suggestion.trials == len(tried.trials) <= 2
    assert stages and tried.suggestion.tried > 3
    for trial in tried.trials:
        assert trial.trial.low > 0 and trial.trial.gain >= trial.trial.low
        assert {tag.tag for tag in trial.tags[:2]} == {"electronic", "ambient"}
        assert "wider" not in {edit.preset for edit in trial.edits}


def test_the_same_request_again_is_answered_from_what_is_known(
    server: ServerProcess, job: str, tmp_path: Path
) -> None:
    """Also by a server that was started later, and has the jobs of the one before."""
    edits = [Edit("noise", "telephone")]
    with TrialsClient(server.address) as client:
        first = client.tried(job, edits, request="r")
        heard = client.explained(job, "electronic", request="e")
        with pytest.raises(StemlensError, match="something else") as caught:
            client.tried(job, [Edit("kick", "air")], request="r")
        assert caught.value.code == "job_exists"
        assert client.tried(job, edits, request="r") == first
    with (
        closing(sqlite3.connect(server.log.with_name("jobs.sqlite3"))) as known,
        closing(sqlite3.connect(tmp_path / "jobs.sqlite3")) as copy,
    ):
        known.backup(copy)
    with ServerProcess(tmp_path) as later, TrialsClient(later.address) as client:
        assert client.tried(job, edits, request="r") == first
        assert client.explained(job, "electronic", request="e") == heard


@pytest.mark.parametrize(
    ("edits", "code", "says"),
    [
        ([Edit("guitar", "air")], "edit_invalid", "there are"),
        ([Edit("kick", "airy")], "preset_unknown", "nearest is air"),
    ],
)
def test_what_cannot_be_tried(
    server: ServerProcess, job: str, edits: list[Edit], code: str, says: str
) -> None:
    with TrialsClient(server.address) as client, pytest.raises(StemlensError, match=says) as caught:
        client.tried(job, edits)
    assert caught.value.code == code


def test_goals_and_jobs_that_cannot_be(server: ServerProcess, job: str) -> None:
    with TrialsClient(server.address) as client:
        with pytest.raises(StemlensError) as caught:
            client.suggested(job, "+metall")
        assert caught.value.code == "goal_invalid" and "metal" in caught.value.message
        with pytest.raises(StemlensError) as caught:
            client.tried("nobody", [Edit("kick", "air")])
        assert caught.value.code == "job_unknown"


def test_a_request_can_be_given_up(server: ServerProcess, job: str) -> None:
    class Enough(Exception):
        pass

    def stop(stage: str, fraction: float) -> None:
        if stage.startswith("round"):
            raise Enough

    with TrialsClient(server.address) as client:
        with pytest.raises(Enough):
            client.suggested(job, "+happy", SuggestOptions(budget=9_000), "given-up", stop)
        client.cancel(job, "given-up")
        client.tried(job, [Edit("kick", "louder")])  # and the lane is free for the next


def test_a_killed_worker_is_replaced_and_the_trial_done(server: ServerProcess, job: str) -> None:
    """And what waited behind it, an explanation."""
    killed: list[psutil.Process] = []
    waits = threading.Event()
    explained: list[Explained] = []

    def explain() -> None:
        with TrialsClient(server.address) as client:
            explained.append(
                client.explained(job, "electronic", on_progress=lambda *_: waits.set())
            )

    beside = threading.Thread(target=explain)

    def kill(stage: str, fraction: float) -> None:
        if stage.startswith("round") and not killed:
            beside.start()
            assert waits.wait(60)
            killed.append(server.worker)
            killed[0].kill()

    with TrialsClient(server.address) as client:
        options = SuggestOptions(budget=60, render=False)
        tried = client.suggested(job, "+rock", options, on_progress=kill)
    beside.join(60)
    assert killed and tried.suggestion is not None
    assert len(explained[0].sounds) == 6


def test_a_trial_beside_a_job(server: ServerProcess, job: str, tmp_path: Path) -> None:
    """It does not wait for the job that runs."""
    long = stem_folder(tmp_path / "long", seconds=60, stems=4)
    other = new_job_id("long")
    with Client(server.address) as client, TrialsClient(server.address) as trials:
        client.submit(Session.read(long), Options(), other)
        trials.tried(job, [Edit("noise", "brighter")], TryOptions(render=False))
        assert client.cancel(other).state == "cancelled"


def test_promised_and_real(server: ServerProcess, song: Path, tmp_path: Path) -> None:
    """Carry the edit out, bounce again at the same level, and ask whether the promise held."""
    import shutil

    import soundfile

    before = analysed(server, song)
    with TrialsClient(server.address) as client:
        tried = client.tried(before, [Edit("noise", "darker", 1.5)], request="promise")
        again = tmp_path / "again"
        shutil.copytree(song, again)
        frames = soundfile.info(again / "kick.wav").frames
        samples, rate = soundfile.read(tried.trials[0].edits[0].path, dtype="float32")
        soundfile.write(again / "noise.wav", samples[:frames], rate, subtype="FLOAT")
        after = analysed(server, again, same_level_as=before)
        kept = client.verified(after, before, "promise")
        assert "promise held" in kept.sentence and all(tag.held for tag in kept.tags)
        for tag in kept.tags:
            assert tag.real == pytest.approx(tag.promised, abs=2e-3)
        untouched = client.verified(before, before, "promise")
        assert any(not tag.held for tag in untouched.tags) or "0 of" not in untouched.sentence
        with pytest.raises(StemlensError) as caught:
            client.verified(after, before, "nothing")
        assert caught.value.code == "trial_unknown"
    gains = [result_of(server, job)["session"]["session_gain_db"] for job in (before, after)]
    assert gains[0] == gains[1]


def test_a_database_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    old = sqlite3.connect(path)
    old.executescript(f"{SCHEMA} PRAGMA user_version = 1;")
    old.execute("INSERT INTO jobs (id, daw, project, options, state, created) VALUES "
                "('j', 'd', 'p', '{}', 'done', 0)")  # fmt: skip
    old.commit()
    old.close()
    store = Store(path)
    document = {"schema": "stemlens.trials/1", "kind": "try"}
    store.keep_trial("j", "r", "asked", document, "", 10)
    assert store.trials("j") == [("r", document)]
    store.close()


def _stop(stage: str, fraction: float) -> None:
    raise KeyboardInterrupt


def test_an_explanation_over_osc(server: ServerProcess, job: str) -> None:
    result = result_of(server, job)
    tag = next(tag for tag in result["tags"] if max(s["low"] for s in tag["attributions"]) > 0.01)
    options = ExplainOptions(top=1)
    with TrialsClient(server.address, "tcp") as client:
        found = client.explained(job, tag["tag"].upper(), options, "explained")
        assert client.explained(job, tag["tag"].upper(), options, "explained") == found
        with pytest.raises(StemlensError, match="something else"):
            client.explained(job, "pop", options, "explained")
        with pytest.raises(KeyboardInterrupt):
            client.explained(job, tag["tag"], options, "given-up", _stop)
        with pytest.raises(StemlensError) as caught:
            client.verified(job, job, "explained")
        assert caught.value.code == "trial_unknown"
    best = max(tag["attributions"], key=lambda share: share["value"])
    assert [(one.kind, one.span) for one in found.sounds] == [
        (kind, span) for span in ("passage", "whole") for kind in ("only", "without", "crossfade")
    ]
    only, without = found.sounds[3], found.sounds[4]
    assert only.tag == tag["tag"] and found.tracks(only) == [best["stem"]]
    assert {*found.tracks(only), *found.tracks(without)} == {"kick", "chord", "noise"}
    assert only.score == pytest.approx(tag["baseline"] + best["solo"], abs=1e-5)
    assert without.score == pytest.approx(tag["score"] + best["mute"], abs=1e-5)
    assert all(Path(one.path).is_file() for one in found.sounds)
    document = json.loads(Path(found.path).read_text())
    assert document["schema"] == "stemlens.explanation/1"
    kept = {one["request"]: one["sounds"] for one in result_of(server, job)["explanations"]}
    assert kept["explained"] == document["explanations"][0]["sounds"]
    assert "given-up" not in kept


@pytest.mark.parametrize(
    ("tag", "options", "code", "says"),
    [
        ("elektronic", ExplainOptions(), "bad_options", "did you mean electronic"),
        ("electronic", ExplainOptions(start_s=60.0, end_s=70.0), "bad_options", "outside"),
    ],
)
def test_what_cannot_be_explained(
    server: ServerProcess, job: str, tag: str, options: ExplainOptions, code: str, says: str
) -> None:
    with TrialsClient(server.address) as client, pytest.raises(StemlensError, match=says) as caught:
        client.explained(job, tag, options)
    assert caught.value.code == code
