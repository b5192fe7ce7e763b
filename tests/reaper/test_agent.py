"""The agent at the other end of REAPER's mailbox: it lives, answers, follows jobs and ends."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.liveserver import LiveServer
from support.network import HOST, remote
from support.reaperside import AgentProcess, AgentThread, Scripts, awaited
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens_bridge import __version__, client, live, osc, protocol
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import LiveClose, LiveTrack
from stemlens_bridge.reaper import agent as module
from stemlens_bridge.reaper import job as job_module
from stemlens_bridge.reaper.mailbox import Mailbox
from stemlens_bridge.session import Session

START_LIMIT_S = 2.0  # generous: the figure is benchmarks/bridge_start.py's


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "Resource path with Ümlaut" / "Stemlens" / "mailbox"


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port where somebody listens who never says anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(20)
        yield listening


def described(folder: Path) -> str:
    """A `session.json` as the script writes it beside the bounces."""
    session = Session.read(folder)
    session.write(folder / "session.json")
    return str(folder / "session.json")


class Replies:
    """A server that answers each message as it is told to; only for faults no real one shows."""

    def __init__(self, listening: socket.socket, answer: Any) -> None:
        self.came: list[protocol.Message] = []
        self._socket, self._answer = listening, answer
        self._socket.settimeout(0.1)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                packet, sender = self._socket.recvfrom(65_536)
            except TimeoutError:
                continue
            for part in osc.messages(packet):
                message = protocol.decode(part)
                self.came.append(message)
                for reply in self._answer(message):
                    self._socket.sendto(reply.encode(), sender)

    def __enter__(self) -> Replies:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(5)


# ---------------------------------------------------------------------------- it lives and ends


def test_its_heart_beats_and_says_who_it_is(folder: Path, silent: socket.socket) -> None:
    with AgentThread(folder, silent.getsockname()) as scripts:
        first = scripts.beat()
        assert first == {
            "pid": os.getpid(),
            "version": __version__,
            "mailbox": 1,
            "beat": first and first["beat"],
        }
        second = awaited(lambda: (beat := scripts.beat()) and beat != first and beat)
        assert second["beat"] == first["beat"] + 1
    assert scripts.beat() is None


def test_a_second_agent_leaves_the_mailbox_to_the_first(
    folder: Path, silent: socket.socket
) -> None:
    first = AgentThread(folder, silent.getsockname())
    with first as scripts:
        pid = scripts.beat()
        assert not module.serve(folder, silent.getsockname(), "udp", threading.Event())
        assert pid and scripts.beat() is not None
    assert first.served == [True]


def test_a_killed_agent_is_followed_by_another(folder: Path, silent: socket.socket) -> None:
    with AgentProcess(folder, silent.getsockname()) as first:
        old = awaited(first.scripts.beat)
        first.kill()
        assert first.scripts.beat() == old  # nobody took it away
        with AgentThread(folder, silent.getsockname()) as scripts:
            new = awaited(lambda: (beat := scripts.beat()) != old and beat)
            assert new["pid"] == os.getpid() and new["beat"] != old["beat"]


def test_it_ends_cleanly_when_it_is_asked_to(folder: Path, silent: socket.socket) -> None:
    with AgentProcess(folder, silent.getsockname()) as running:
        awaited(running.scripts.beat)
        code, said = running.end()
    assert (code, said) == (0, "") and running.scripts.beat() is None
    log = (folder.parent / "agent.log").read_text()
    assert "serves" in log and "ends" in log and "Traceback" not in log


def test_it_says_who_serves_already(folder: Path, silent: socket.socket) -> None:
    with AgentThread(folder, silent.getsockname()):
        second = AgentProcess(folder, silent.getsockname())
        said, _ = second.process.communicate(timeout=20)
        assert second.process.returncode == 0 and "serves this mailbox already" in said


def test_it_ends_when_nobody_comes_any_more(folder: Path, silent: socket.socket) -> None:
    running = AgentThread(folder, silent.getsockname(), idle_s=0.3)
    with running:
        running.thread.join(10)
        assert running.served == [True]


def test_goodbye_ends_it_unless_somebody_else_is_there(folder: Path, silent: socket.socket) -> None:
    running = AgentThread(folder, silent.getsockname())
    with running as scripts:
        for kind in ("bye", "plan"):
            scripts.post(kind)
        scripts.answer(scripts.post("plan", tracks=[]))
        assert running.thread.is_alive()
        assert scripts.ask("bye") == {"ok": True}
        running.thread.join(10)
        assert running.served == [True]


def test_it_ends_when_its_folder_is_gone(folder: Path, silent: socket.socket) -> None:
    running = AgentThread(folder, silent.getsockname())
    with running:
        aside = folder.with_name("moved")
        folder.rename(aside)
        running.thread.join(10)
        assert running.served == [True] and not folder.exists()


def test_a_folder_that_is_no_good_is_a_sentence(
    folder: Path, silent: socket.socket, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")
    done = AgentProcess(folder, silent.getsockname())
    done.kill()
    with AgentProcess.__new__(AgentProcess) as bad:
        where = ["--mailbox", str(tmp_path / "mine")]
        bad.process = subprocess.Popen(
            [sys.executable, "-m", "stemlens_bridge.cli", "reaper", "agent", *where],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said, _ = bad.process.communicate(timeout=20)
    assert bad.process.returncode == 1
    assert "mine cannot be written" in said and "output_failed" in said


def test_a_disk_that_fills_up_does_not_end_it(
    folder: Path, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AgentThread(folder, silent.getsockname()) as scripts:
        write = Path.write_text

        def full(self: Path, *given: Any, **more: Any) -> int:
            if self.is_relative_to(folder) and "to-bridge" not in self.parts:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
            return write(self, *given, **more)

        with monkeypatch.context() as disk:
            disk.setattr(Path, "write_text", full)
            before = scripts.beat()
            log = folder.parent / "agent.log"
            awaited(lambda: "the disk is full" in log.read_text(encoding="utf-8"))
        awaited(lambda: scripts.beat() != before)
        assert scripts.ask("plan", tracks=[])["ok"]


def test_an_end_that_found_no_room_is_told_later(
    folder: Path, silent: socket.socket, stems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AgentThread(folder, silent.getsockname()) as scripts:
        scripts.ask("submit", job="room", session=described(stems))
        write = Mailbox.write_job

        def full(self: Mailbox, job: str, state: Any) -> None:
            raise StemlensError("disk_full", "The disk is full.")

        with monkeypatch.context() as disk:
            disk.setattr(Mailbox, "write_job", full)
            assert scripts.ask("cancel", job="room")["ok"]
            assert scripts.read("job-room.lua")["state"] == "queued"
        assert write is Mailbox.write_job
        scripts.job("room", "cancelled")


def test_findings_that_find_no_room_fail_the_job(
    server: ServerProcess, folder: Path, stems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def full(self: Path, *given: Any, **more: Any) -> int:
        if self.name.startswith("findings-"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return write(self, *given, **more)

    monkeypatch.setattr(Path, "write_text", full)
    with AgentThread(folder, server.address) as scripts:
        scripts.ask("submit", job="no room", session=described(stems))
        state = scripts.job("no room", "failed", "done", patience_s=60)
    assert state["code"] == "disk_full" and "Make room" in state["message"]


def test_it_starts_fast(folder: Path, silent: socket.socket) -> None:
    Scripts(folder).post("hello")
    started = time.perf_counter()
    with AgentProcess(folder, silent.getsockname()):
        packet, _ = silent.recvfrom(1024)
        took = time.perf_counter() - started
    assert packet.startswith(b"/stemlens/ping") and took < START_LIMIT_S


# ---------------------------------------------------------------------------- it answers


def test_hello_tells_of_a_server_that_is_there(server: ServerProcess, folder: Path) -> None:
    with AgentThread(folder, ("127.0.0.1", 9)) as scripts:
        named = f"127.0.0.1:{server.port}"  # the script's settings come before the agent's
        reply = scripts.ask("hello", server=named)
        assert reply["ok"] and reply["version"] == __version__
        assert reply["server"] == {"reachable": True, "version": __version__, "message": ""}


def test_hello_tells_of_a_server_that_is_not(folder: Path, silent: socket.socket) -> None:
    with AgentThread(folder, silent.getsockname()) as scripts:
        reply = scripts.ask("hello")
        assert reply["ok"] and reply["server"]["reachable"] is False
        assert "stemlens serve" in reply["server"]["message"]
        assert scripts.ask("hello", server="localhost")["code"] == "bad_options"


def test_hello_tells_of_a_server_that_speaks_otherwise(folder: Path, silent: socket.socket) -> None:
    with (
        Replies(silent, lambda message: [protocol.Pong("9.0", 7)]),
        AgentThread(folder, silent.getsockname()) as scripts,
    ):
        found = scripts.ask("hello")["server"]
        assert found["reachable"] and "version 7 of the protocol" in found["message"]


def test_a_plan_is_the_cut_of_the_routing(folder: Path, silent: socket.socket) -> None:
    tracks: list[dict[str, Any]] = [
        {"id": "{D}", "name": "Drums", "sounds": False, "effects": True},
        {"id": "{K}", "name": "Kick", "output": "{D}"},
        {"id": "{C}", "name": "Click", "muted": True},
    ]
    with AgentThread(folder, silent.getsockname()) as scripts:
        plan = scripts.ask("plan", tracks=tracks, choices=[])
        (stem,) = plan["stems"]
        assert (stem["id"], stem["kind"], stem["inside"]) == ("{D}", "bus", ["{K}"])
        assert plan["skipped"] == [{"id": "{C}", "name": "Click", "why": "muted"}]
        assert "Click (muted)" in plan["sentence"]
        opened = scripts.ask("plan", tracks=tracks, choices={"{D}": "open"})
        assert [stem["id"] for stem in opened["stems"]] == ["{K}"]
        for bad in (
            {"tracks": 7},
            {"tracks": [{"name": "no id"}]},
            {"tracks": tracks, "choices": {"{D}": "maybe"}},
            {"tracks": tracks, "returns": "later"},
        ):
            assert scripts.ask("plan", **bad)["ok"] is False


def test_faders_are_played_and_what_they_do_is_told(folder: Path) -> None:
    moves = [{"track": "{K}", "gain_db": -3}, {"track": "{S}", "muted": True}]
    with LiveServer() as player, AgentThread(folder, player.address) as scripts:
        assert scripts.ask("live", job="a", moves=[])["live"] is True
        awaited(lambda: (scripts.read("live-a.lua") or {}).get("tags"))
        assert not player.states()
        assert scripts.ask("live", job="a", moves=moves)["live"] is True

        def moved() -> Any:
            known = scripts.read("live-a.lua")
            return known if known["fresh"] and known["tags"][0]["change"] else None

        known = awaited(moved)
        assert known["tags"][0] == {"tag": "loud", "score": pytest.approx(0.47),
                                    "change": pytest.approx(-0.03)}  # fmt: skip
        kick, chord = known["faders"]
        assert kick["track"] == "kick" and kick["mute"][0]["tag"] == "loud"
        assert chord["up"] == [{"tag": "loud", "value": pytest.approx(-0.002)}]
        assert set(player.states()[-1].tracks) == {
            LiveTrack("{K}", -3, 0), LiveTrack("{S}", 0, 1),
        }  # fmt: skip
        for bad in ([{"gain_db": 1}], [{"track": "{K}", "gain_db": "loud"}], {"track": "{K}"}):
            assert scripts.ask("live", job="a", moves=bad)["code"] == "bad_message"
        assert scripts.ask("live", job="a", stale="a track inside a bus was soloed")["live"]
        assert scripts.read("live-a.lua")
        scripts.ask("live", job="b", moves=moves)  # another project is followed now
        awaited(lambda: scripts.read("live-b.lua"))
        assert scripts.ask("live", job="a", ended=True)["ok"] and scripts.read("live-b.lua")
        scripts.ask("live", job="b", ended=True)
        awaited(lambda: [m.job for m in player.heard if isinstance(m, LiveClose)] == ["a", "b"])
        assert not scripts.read("live-b.lua") and not scripts.read("live-a.lua")


def test_faders_without_a_server_say_so(
    folder: Path, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RETRY_S", 0.2)
    with AgentThread(folder, silent.getsockname()) as scripts:
        assert scripts.ask("live", job="a", moves=[])["live"] is True
        awaited(lambda: "stemlens serve" in (scripts.read("live-a.lua") or {}).get("message", ""))


def test_a_fault_of_ours_is_told_and_survived(
    folder: Path, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stemlens_bridge.routing.cut", lambda *_: 1 / 0)
    with AgentThread(folder, silent.getsockname()) as scripts:
        assert scripts.ask("plan", tracks=[])["code"] == "internal"
        assert scripts.ask("live", job="a")["ok"]
    assert "ZeroDivisionError" in (folder.parent / "agent.log").read_text()


# ---------------------------------------------------------------------------- it follows jobs


@pytest.fixture
def scripts(server: ServerProcess, folder: Path) -> Iterator[Scripts]:
    with AgentThread(folder, server.address) as running:
        yield running


def test_a_job_from_its_bounce_to_findings(scripts: Scripts, stems: Path) -> None:
    job = "Möwe {1} – Song-1a2b"
    assert scripts.ask("submit", job=job, session=described(stems), options={"tags": 5}) == {
        "ok": True
    }
    state = scripts.job(job, "done", "failed", patience_s=60)
    assert state["state"] == "done" and state["fraction"] == 1 and state["job"] == job
    assert state["findings"] == f"findings-{job}.lua" and "message" not in state
    found = scripts.read(state["findings"])
    assert found["schema"] == "stemlens.findings/1" and found["job"] == job
    assert {stem["id"] for stem in found["stems"]} == {"kick", "chord"}
    for tag in found["tags"]:
        shares = sum(share["value"] for share in tag["shares"])
        assert shares == pytest.approx(tag["score"] - tag["baseline"], abs=1e-5)
    assert not list((scripts.folder / "jobs").iterdir())

    again = scripts.folder / "to-reaper" / state["findings"]
    again.unlink()  # REAPER was closed, and somebody tidied up
    scripts.ask("results", job=job)
    awaited(lambda: scripts.read(state["findings"]) == found)


@remote
def test_a_server_on_another_machine_is_sent_the_files(
    folder: Path, stems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert HOST is not None
    where = ("--host", "0.0.0.0", "--allow-remote", "--panel-port", "0")
    with ServerProcess(tmp_path / "data", *where) as far:
        monkeypatch.setenv("STEMLENS_KEY", str(tmp_path / "data" / "key"))
        with AgentThread(folder, (HOST, far.port)) as scripts:
            scripts.ask("submit", job="far", session=described(stems))
            state = scripts.job("far", "done", "failed", patience_s=60)
            assert state["state"] == "done"
            found = scripts.read(state["findings"])
        assert {stem["id"] for stem in found["stems"]} == {"kick", "chord"}
        assert len(list((tmp_path / "data" / "uploads").iterdir())) == 2


def test_progress_is_told_as_it_goes(scripts: Scripts, tmp_path: Path) -> None:
    folder = stem_folder(tmp_path / "long", seconds=30, stems=4)
    seen = []
    scripts.ask("submit", job="long", session=described(folder))
    while (state := scripts.job("long", "queued", "running", "done"))["state"] != "done":
        if state.get("stage") == "tagging":
            seen.append(state["fraction"])
        time.sleep(0.005)
    assert seen == sorted(seen) and len(set(seen)) > 1


def test_a_flood_of_progress_is_told_now_and_then(
    folder: Path, silent: socket.socket, stems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flood(message: protocol.Message) -> list[protocol.Message]:
        job = getattr(message, "job", "")
        if isinstance(message, protocol.JobSubmit):
            return [protocol.JobState(job, "running", 2)]
        if isinstance(message, protocol.JobStatus):
            last = protocol.Error(job, "worker_died", "It died.")
            return [*(protocol.JobProgress(job, "tagging", n / 200) for n in range(200)), last]
        return [protocol.JobState(job, "open", 0)]

    told = []
    write = Mailbox.write_job
    monkeypatch.setattr(
        Mailbox,
        "write_job",
        lambda self, job, state: (told.append(dict(state)), write(self, job, state)),
    )
    with Replies(silent, flood), AgentThread(folder, silent.getsockname()) as scripts:
        scripts.ask("submit", job="flood", session=described(stems))
        assert scripts.job("flood", "failed")["code"] == "worker_died"
    tagging = [state for state in told if state.get("stage") == "tagging"]
    assert 2 <= len(tagging) < 20 and tagging[-1]["state"] == "failed"


def test_what_is_wrong_with_a_bounce_is_told_before_the_server_hears_of_it(
    folder: Path, silent: socket.socket, stems: Path
) -> None:
    session = described(stems)
    (stems / "chord.wav").write_bytes((stems / "kick.wav").read_bytes())
    with (
        Replies(silent, lambda message: []) as server,
        AgentThread(folder, silent.getsockname()) as scripts,
    ):
        assert scripts.ask("submit", job="a", session=session)["ok"]
        state = scripts.job("a", "failed")
        assert state["code"] == "bounce_failed" and "chord and kick" in state["message"]
        (stems / "chord.wav").unlink()
        assert scripts.ask("submit", job="b", session=session)["ok"]
        assert "chord.wav" in scripts.job("b", "failed")["message"]
        assert scripts.ask("submit", job="c", session=str(stems / "nowhere.json"))["ok"]
        assert "nowhere.json" in scripts.job("c", "failed")["message"]
        assert not server.came


def test_silent_stems_are_a_warning_of_the_findings(scripts: Scripts, tmp_path: Path) -> None:
    folder = stem_folder(tmp_path / "stems")
    empty = (folder / "kick.wav").read_bytes()
    empty = empty[:44] + b"\0" * (len(empty) - 44)
    for name in ("pad", "choir"):
        (folder / f"{name}.wav").write_bytes(empty)
    scripts.ask("submit", job="silent", session=described(folder))
    state = scripts.job("silent", "done", "failed", patience_s=60)
    assert state["state"] == "done", state
    warnings = scripts.read(state["findings"])["warnings"]
    (told,) = [w["message"] for w in warnings if w["code"] == "silent_stems"]
    assert "choir, pad" in told


@pytest.mark.parametrize("options", [{"tags": 0}, {"colour": "red"}, {"tagger": "nobody"}])
def test_options_that_make_no_sense_fail_the_job_with_a_sentence(
    scripts: Scripts, stems: Path, options: dict[str, Any]
) -> None:
    job = f"options-{next(iter(options))}"
    scripts.ask("submit", job=job, session=described(stems), options=options)
    state = scripts.job(job, "failed")
    assert state["code"] in ("bad_options", "tagger_unknown") and state["message"]


def test_requests_without_what_they_need_are_refused(scripts: Scripts) -> None:
    for kind, body in (("submit", {"job": "a"}), ("submit", {"session": "a"}), ("cancel", {})):
        assert scripts.ask(kind, **body)["code"] == "bad_message"
    assert scripts.ask("submit", job="../a", session="a")["code"] == "bad_message"


def test_a_running_job_can_be_cancelled(
    scripts: Scripts, server: ServerProcess, tmp_path: Path
) -> None:
    folder = stem_folder(tmp_path / "long", seconds=60, stems=4)
    scripts.ask("submit", job="stopped", session=described(folder))
    scripts.job("stopped", "running", patience_s=60)
    assert scripts.ask("cancel", job="stopped") == {"ok": True}
    state = scripts.job("stopped", "cancelled", patience_s=1)
    assert "message" not in state and "findings" not in state

    def at_server() -> bool:
        with client.Client(server.address) as asking:
            status = protocol.JobStatus("stopped")
            return asking._until_acknowledged("stopped", status, lambda state: True).state == (
                "cancelled"
            )

    awaited(at_server)
    short = stem_folder(tmp_path / "next")  # and the server is free for the next
    scripts.ask("submit", job="after", session=described(short))
    assert scripts.job("after", "done", "failed", patience_s=60)["state"] == "done"


def test_a_job_can_be_cancelled_while_no_server_answers(
    folder: Path, silent: socket.socket, stems: Path
) -> None:
    with AgentThread(folder, silent.getsockname()) as scripts:
        scripts.ask("submit", job="a", session=described(stems))
        scripts.ask("cancel", job="a")
        scripts.job("a", "cancelled", patience_s=1)
        assert scripts.ask("cancel", job="of another agent") == {"ok": True}
        scripts.job("of another agent", "cancelled", patience_s=1)


def test_without_a_server_a_job_fails_with_the_way_out(
    folder: Path, silent: socket.socket, stems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE_S", 0.5)
    waiting = client.Client._until_acknowledged
    monkeypatch.setattr(waiting, "__defaults__", (None, 0.5))
    with AgentThread(folder, silent.getsockname()) as scripts:
        scripts.ask("submit", job="a", session=described(stems))
        state = scripts.job("a", "failed")
    assert state["code"] == "server_unreachable" and "stemlens serve" in state["message"]


def test_what_the_server_objects_to_is_passed_on(
    folder: Path, silent: socket.socket, stems: Path
) -> None:
    def object_to(message: protocol.Message) -> list[protocol.Message]:
        return [protocol.Error(getattr(message, "job", ""), "path_not_allowed", "Use --allow.")]

    with Replies(silent, object_to), AgentThread(folder, silent.getsockname()) as scripts:
        scripts.ask("submit", job="a", session=described(stems))
        state = scripts.job("a", "failed")
    assert (state["code"], state["message"]) == ("path_not_allowed", "Use --allow.")


def test_a_server_that_falls_silent_is_told_and_waited_for(
    folder: Path,
    silent: socket.socket,
    stems: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_module, "QUIET_S", 0.2)
    monkeypatch.setattr(job_module, "PING_S", 0.3)
    monkeypatch.setattr(module, "BEAT_S", 0.2)
    monkeypatch.setattr(client, "LOYALTY_S", 3.0)
    submitted = threading.Event()

    def until_submitted(message: protocol.Message) -> list[protocol.Message]:
        if submitted.is_set():
            return []
        if isinstance(message, protocol.JobSubmit):
            submitted.set()
            return [protocol.JobState(message.job, "running", 2)]
        return [protocol.JobState(getattr(message, "job", ""), "open", 0)]

    with Replies(silent, until_submitted), AgentThread(folder, silent.getsockname()) as scripts:
        scripts.ask("submit", job="a", session=described(stems))
        state = awaited(lambda: (s := scripts.read("job-a.lua")) and s.get("message") and s)
        assert state["state"] == "running" and "does not answer" in state["message"]
        assert "stemlens serve" in state["message"]
        ended = scripts.job("a", "failed")
    assert ended["code"] == "server_stopped" and "kept" in ended["message"]


def test_a_killed_agent_loses_no_job(server: ServerProcess, folder: Path, tmp_path: Path) -> None:
    session = described(stem_folder(tmp_path / "long", seconds=30, stems=4))
    with AgentProcess(folder, server.address) as first:
        first.scripts.ask("submit", job="kept", session=session)
        first.scripts.job("kept", "running", patience_s=60)
        first.kill()
    left = first.scripts.read("job-kept.lua")
    assert left["state"] == "running"
    with AgentThread(folder, server.address) as scripts:
        scripts.ask("results", job="kept")
        state = scripts.job("kept", "done", "failed", patience_s=60)
        assert state["state"] == "done", state
        assert scripts.read(state["findings"])["stems"]


def test_a_job_that_never_reached_the_server_is_submitted_after_all(
    server: ServerProcess, folder: Path, stems: Path
) -> None:
    """The agent died between taking the request and submitting it."""
    Mailbox(folder).remember("half", {"session": described(stems), "options": {}})
    with AgentThread(folder, server.address) as scripts:
        scripts.ask("results", job="half")
        assert scripts.job("half", "done", "failed", patience_s=60)["state"] == "done"
        scripts.ask("results", job="never heard of")
        state = scripts.job("never heard of", "failed")
        assert state["code"] == "job_unknown"


def test_the_same_submit_twice_is_one_job(folder: Path, silent: socket.socket, stems: Path) -> None:
    session = described(stems)
    with (
        Replies(silent, lambda message: []) as server,
        AgentThread(folder, silent.getsockname()) as scripts,
    ):
        for _ in range(3):
            assert scripts.ask("submit", job="one", session=session)["ok"]
        awaited(lambda: len(server.came) >= 2)
        assert {type(message) for message in server.came} == {protocol.JobOpen}
        assert sum(thread.name == "job one" for thread in threading.enumerate()) == 1
        scripts.ask("cancel", job="one")


def test_sigterm_leaves_a_running_job_to_the_next_agent(
    server: ServerProcess, folder: Path, tmp_path: Path
) -> None:
    session = described(stem_folder(tmp_path / "long", seconds=30, stems=4))
    with AgentProcess(folder, server.address) as first:
        first.scripts.ask("submit", job="left", session=session)
        first.scripts.job("left", "running", patience_s=60)
        os.kill(first.process.pid, signal.SIGTERM)
        assert first.process.wait(20) == 0
    kept = json.loads((folder / "jobs" / "left.json").read_text())
    assert kept["session"] == session
    with client.Client(server.address) as asking:
        asking.cancel("left")
