"""Whole jobs through a real server in its own process."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.badnet import BadNet
from support.server import ServerProcess
from support.sounds import NAMES, RATE, sounds, stem_folder

from stemlens_bridge.annotations import KINDS, AnnotationPolicy
from stemlens_bridge.client import Client, Results, _collect, new_job_id
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import (
    Annotation,
    Attributions,
    Error,
    JobState,
    Marker,
    Options,
    TagScore,
)
from stemlens_bridge.session import Session

SEGMENT = round(2.992 * RATE)  # what the tagger hears at a time


def run(address: tuple[str, int], folder: Path, transport: str = "udp", **options: Any) -> Results:
    session = Session.read(folder)
    job = new_job_id("test")
    with Client(address, transport) as client:
        client.submit(session, session.options(Options(**options)), job)
        return client.follow(job)


def whole(results: Results) -> dict[str, Any]:
    """The result's file, after checking that what came over OSC agrees with it."""
    document: dict[str, Any] = json.loads(Path(results.path).read_text())
    assert sorted(results.messages) == list(range(1, len(results.messages) + 1))
    by_tag = {tag["tag"]: tag for tag in document["tags"]}
    for score in results.of(TagScore):
        assert score.score == pytest.approx(by_tag[score.tag]["score"], abs=1e-6)
    for message in results.of(Attributions):
        for share in message.shares:
            kept = next(s for s in by_tag[message.tag]["attributions"] if s["stem"] == share.track)
            assert (share.value, share.mute, share.solo) == pytest.approx(
                (kept["value"], kept["mute"], kept["solo"]), abs=1e-6
            )
    return document


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_job_from_stems_to_shares(server: ServerProcess, stems: Path, transport: str) -> None:
    results = run(server.address, stems, transport, tags=5)
    document = whole(results)
    assert len(results.of(TagScore)) == 5 and len(document["tags"]) == 50
    assert {s.track for m in results.of(Attributions) for s in m.shares} == {"kick", "chord"}
    for tag in document["tags"]:
        total = sum(share["value"] for share in tag["attributions"])
        assert total == pytest.approx(tag["score"] - tag["baseline"], abs=1e-5)
    assert document["session"]["project"] == "stems" and document["method"]["coalitions"] == 4


def test_a_network_that_loses_doubles_and_reorders(server: ServerProcess, stems: Path) -> None:
    with BadNet(server.address, loss=0.3, seed=1) as net:
        whole(run(net.address, stems, tags=50))
        assert net.lost and net.reordered and net.doubled


def test_no_annotation_is_lost_at_a_third_of_all_datagrams(
    server: ServerProcess, tmp_path: Path
) -> None:
    """24 tracks, of which four sound at a time: a note and a marker for each that has any share."""
    four = sounds(2.5)
    for i in range(24):
        track = np.zeros(6 * SEGMENT, np.float32)
        start = i // 4 * SEGMENT + 2_000  # away from the edge: no segment hears eight of them
        track[start : start + four.shape[1]] = four[i % 4] * (0.5 + i / 48)
        soundfile.write(tmp_path / f"{NAMES[i % 4]} in part {i // 4}.flac", track, RATE)
    policy = AnnotationPolicy(kinds=KINDS, min_share=0.0, min_score=0.0)
    with BadNet(server.address, loss=0.3, seed=2) as net:
        results = run(net.address, tmp_path, tags=1, annotations=policy)
    document = whole(results)
    notes = [{k: getattr(m, k) for k in ("track", "text", "label", "color")}
             for m in results.of(Annotation)]  # fmt: skip
    assert notes == document["annotations"] and len(notes) > 16
    assert [(m.track, m.text) for m in results.of(Marker)] == [
        (marker["track"], marker["text"]) for marker in document["markers"]
    ]


def test_the_same_job_again_is_harmless_and_another_under_its_id_is_not(
    server: ServerProcess, stems: Path, tmp_path: Path
) -> None:
    job = new_job_id("again")
    session = Session.read(stems)
    with Client(server.address) as client:
        client.submit(session, Options(), job)
        first = client.follow(job)
        assert client.submit(session, Options(), job).state == "done"
        assert client.follow(job).messages == first.messages
        other = Session.read(stem_folder(tmp_path / "other", stems=3))
        for change in ((other, Options()), (session, Options(tags=3))):
            with pytest.raises(StemlensError, match="other content") as caught:
                client.submit(*change, job)
            assert caught.value.code == "job_exists"


def test_a_file_that_changes_under_a_finished_job(server: ServerProcess, stems: Path) -> None:
    job = new_job_id("changed")
    session = Session.read(stems)
    with Client(server.address) as client:
        client.submit(session, Options(), job)
        client.follow(job)
        samples, rate = soundfile.read(stems / "kick.wav")
        soundfile.write(stems / "kick.wav", samples / 2, rate)
        with pytest.raises(StemlensError, match="other content"):
            client.submit(session, Options(), job)


@pytest.mark.parametrize(
    ("break_it", "code", "names"),
    [
        (lambda folder: (folder / "kick.wav").unlink(), "audio_missing", "kick.wav"),
        (lambda folder: (folder / "kick.wav").write_text("la"), "audio_not_audio", "kick.wav"),
        (lambda folder: (folder / "kick.wav").write_bytes(b""), "audio_empty", "kick.wav"),
    ],
)
def test_bad_files_fail_the_job_with_a_sentence(
    server: ServerProcess, stems: Path, break_it: Any, code: str, names: str
) -> None:
    session = Session.read(stems)
    break_it(stems)
    job = new_job_id("bad")
    with Client(server.address) as client, pytest.raises(StemlensError, match=names) as caught:
        client.submit(session, Options(), job)
        client.follow(job)
    assert caught.value.code == code


def test_files_elsewhere_are_not_read(server: ServerProcess, tmp_path: Path) -> None:
    link = tmp_path / "link.wav"
    link.symlink_to("/etc/passwd")
    with Client(server.address) as client, pytest.raises(StemlensError, match="--allow") as caught:
        client.submit(Session.read(link), Options(), new_job_id("elsewhere"))
    assert caught.value.code == "path_not_allowed"


def test_a_running_job_can_be_cancelled(server: ServerProcess, tmp_path: Path) -> None:
    session = Session.read(stem_folder(tmp_path / "long", seconds=60, stems=4))
    job = new_job_id("cancel")
    with Client(server.address) as client:
        client.submit(session, Options(), job)
        running = threading.Event()

        def on_progress(stage: str, fraction: float) -> None:
            if stage == "tagging" and not running.is_set():
                running.set()
                assert client.cancel(job).state == "cancelled"

        with pytest.raises(StemlensError) as caught:
            client.follow(job, on_progress)
        assert caught.value.code == "cancelled" and running.is_set()
    whole(run(server.address, stem_folder(tmp_path / "next")))  # the worker is free again


def test_unknown_jobs_and_options(server: ServerProcess, stems: Path) -> None:
    with Client(server.address) as client:
        with pytest.raises(StemlensError) as caught:
            client.cancel("never heard of")
        assert caught.value.code == "job_unknown"
        with pytest.raises(StemlensError, match="msd-musicnn") as caught:
            client.submit(Session.read(stems), Options(tagger="msd-musicn"), job := new_job_id("t"))
            client.follow(job)
        assert caught.value.code == "tagger_unknown"


def test_a_late_complaint_about_stems_is_no_failure() -> None:
    """A copy that was overtaken by the submit which mended it; anything else still is one."""
    results = Results("j")
    _collect(results, Error("j", "missing_stems", "0 of 2"), lambda stage, fraction: None)
    with pytest.raises(StemlensError, match="gone"):
        _collect(results, Error("j", "files_changed", "gone"), lambda stage, fraction: None)


def test_no_server() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    with Client(address) as client, pytest.raises(StemlensError, match="stemlens serve") as caught:
        client.ping(patience_s=0.3)
    assert caught.value.code == "server_unreachable"
    with pytest.raises(StemlensError, match="stemlens serve"):
        Client(address, "tcp")


def test_a_port_or_a_data_folder_that_is_taken(server: ServerProcess, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"is taken.*port_in_use"):
        ServerProcess(tmp_path, port=server.port)
    with pytest.raises(RuntimeError, match="data_in_use"):
        ServerProcess(server.log.parent)


def test_other_machines_are_let_in_only_on_purpose(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="--allow-remote"):
        ServerProcess(tmp_path, "--host", "0.0.0.0")


def test_the_bridge_command(server: ServerProcess, stems: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    command = [sys.executable, "-m", "stemlens_bridge.cli"]
    at = ["--server", f"127.0.0.1:{server.port}"]
    ping = subprocess.run([*command, "ping", *at], capture_output=True, text=True, check=True)
    assert "protocol 1" in ping.stdout
    done = subprocess.run(
        [*command, "submit", str(stems), *at, "--transport", "tcp", "--json", str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(out.read_text())["schema"] == "stemlens.analysis/1"
    assert "kick" in done.stdout and "muting it" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    wrong = subprocess.run(
        [*command, "submit", str(stems / "none"), *at], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 1 and wrong.stderr.count("\n") == 1 and not wrong.stdout


def test_states_reach_whoever_subscribed(server: ServerProcess, stems: Path) -> None:
    from stemlens_bridge.link import UdpLink
    from stemlens_bridge.protocol import JobDone, Subscribe

    listener = UdpLink(server.address)
    listener.send(Subscribe(0))
    results = run(server.address, stems)
    heard: list[Any] = []
    while not any(isinstance(message, JobDone) for message in heard):
        came = listener.receive(10)
        assert came, "the subscriber was told nothing"
        heard += came
    listener.close()
    states = [m.state for m in heard if isinstance(m, JobState) and m.job == results.job]
    assert states == ["queued", "running", "done"]
