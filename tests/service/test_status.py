"""What a person is told of a server and of an installation."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.server import ServerProcess
from typer.testing import CliRunner

from stemlens.cli import app
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
    assert all(
        len(line) <= 80 for line in done.stdout.splitlines() if str(server.log.parent) not in line
    )


def test_status_where_no_server_is() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind(("127.0.0.1", 0))
        done = stemlens("status", "--server", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1 and "No Stemlens server answers" in done.stderr
    assert CliRunner().invoke(app, ["status", "--server", "nonsense"]).exit_code == 2


def test_what_runs_is_told_with_what_is_left() -> None:
    running = {"job": "song", "stage": "tagging", "fraction": 0.25, "since_s": 61, "left_s": 183}
    report = {"version": "1", "uptime_s": 90_000, "worker": "busy", "running": running}
    report |= {
        "jobs": {"queued": 2, "done": 1234},
        "panel": "http://127.0.0.1:9421",
        "free_gb": 5.25,
        "data": "/data",
        "log": "/logs/stemlens.log",
    }
    told = "\n".join(status_lines(report))
    assert "up for 25.0 h" in told and "At work: song" in told
    assert "tagging 25 % after 61 s, 3 min left in this stage" in told
    assert "Waiting: 2. Ended: 1,234 done." in told
    assert "Log: /logs/stemlens.log" in told


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2.0 h"), (200_000, "2 days")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_port_after_a_taken_one_is_used_on_request(
    server: ServerProcess, tmp_path: Path
) -> None:
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
