"""What a person is told of a server and of an installation."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.server import ServerProcess

from stemlens import doctor
from stemlens.cli_service import duration, remote_link, status_lines
from stemlens_bridge.keys import Key


def stemlens(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stemlens", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    )


def test_status_of_a_server_that_rests(server: ServerProcess) -> None:
    server.until(lambda health: health["worker"] == "ready")
    done = stemlens("status", "--server", f"127.0.0.1:{server.port}")
    assert done.returncode == 0 and "Nothing is being analysed." in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "free for" not in line)


def test_status_where_no_server_is() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind(("127.0.0.1", 0))
        done = stemlens("status", "--server", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1 and "No Stemlens server answers" in done.stderr
    assert stemlens("status", "--server", "nonsense").returncode == 2


def test_what_runs_is_told_with_what_is_left() -> None:
    running = {"job": "song", "stage": "tagging", "fraction": 0.25, "since_s": 61, "left_s": 183}
    report = {"version": "1", "uptime_s": 90_000, "worker": "busy", "running": running}
    report |= {
        "jobs": {"queued": 2, "done": 1234},
        "panel": "http://127.0.0.1:9421",
        "free_gb": 5.25,
        "data": "/data",
    }
    told = "\n".join(status_lines(report))
    assert "up for 25.0 h" in told and "At work: song" in told
    assert "tagging 25 % after 61 s, 3 min left in this stage" in told
    assert "Waiting: 2. Ended: 1,234 done." in told


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2.0 h"), (200_000, "2 days")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_port_that_another_program_has_is_a_problem_and_names_it() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", 0))
        (found,) = doctor.listening("127.0.0.1", other.getsockname()[1])
    assert found.state == "problem" and found.mend
    assert str(os.getpid()) in found.told


def test_a_server_that_runs_has_its_port_by_right(server: ServerProcess) -> None:
    (found,) = doctor.listening("127.0.0.1", server.port)
    assert found.state == "ok"


def test_folders_without_room_or_leave_are_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = doctor.folder(tmp_path / "not" / "made" / "yet")
    assert found.state == "ok"
    monkeypatch.setattr(doctor, "free_gb", lambda place: 0.1)
    (found,) = doctor.folder(tmp_path)
    assert found.state == "problem" and "Make room" in found.mend
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    (found,) = doctor.folder(tmp_path)
    assert found.state == "problem" and "cannot be written" in found.told


def test_a_gpu_that_is_not_used_is_told_with_the_way_to_it() -> None:
    def told(**of: object) -> str:
        known = {"version": "2", "gpu": None, "mps": False, "cuda_build": None}
        return [finding for finding in doctor._computes(known | of)][-1].told

    assert told(gpu="H100") == "H100"
    assert "Apple" in told(mps=True)
    assert "none" in told(cuda_build="13.0")
    assert "CPU alone" in told()


def test_a_torch_that_does_not_load_is_told_by_its_last_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "ASK_TORCH", "raise ImportError('libcudart is missing')")
    (found,) = doctor.compute()
    assert found.state == "problem" and "libcudart is missing" in found.told


def test_the_whole_examination_for_programs(tmp_path: Path) -> None:
    done = stemlens("doctor", "--json", "--data", str(tmp_path), "--server", "127.0.0.1:1")
    found = json.loads(done.stdout)
    assert {"version", "data folder", "tagger", "PyTorch"} <= {one["about"] for one in found}
    assert all(one["mend"] or one["state"] == "ok" for one in found)


def test_a_taken_port_is_said_and_the_next_one_is_used_on_request(
    server: ServerProcess, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="is taken"):
        ServerProcess(tmp_path / "one", port=server.port)
    with ServerProcess(tmp_path / "two", "--next-port", port=server.port) as other:
        assert server.port < other.port < server.port + 20


def test_the_panels_link_for_other_machines_shows_its_token_and_not_the_key(tmp_path: Path) -> None:
    key = Key.made(tmp_path / "key")
    report = {"key": str(tmp_path / "key"), "panel": "http://127.0.0.1:9421"}
    link = remote_link(report)
    assert link.endswith(f":9421/#key={key.token()}") and "127.0.0.1" not in link
    assert key.secret.decode() not in link
    assert remote_link({**report, "key": None}) == ""
    assert remote_link({**report, "key": str(tmp_path / "of somebody else")}) == ""
