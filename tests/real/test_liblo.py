"""A whole job by oscsend and oscdump of liblo, which shares no code with our OSC."""

from __future__ import annotations

import select
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.programs import needs
from support.server import ServerProcess

from stemlens_bridge.client import Client
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import JobSubmit


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Dump:
    """oscdump on a port of its own; `until` reads what it prints."""

    def __init__(self, server: ServerProcess) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            [needs("oscdump", "liblo-tools"), "-L", str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        # It listens when a pong reaches it; until then pings are repeated.
        while not select.select([self._process.stdout], [], [], 0.1)[0]:
            assert self._process.poll() is None, "oscdump ended"
            oscsend(server, "/stemlens/ping", "i", self.port)

    def until(self, text: str) -> list[str]:
        """Lines (time, address, types, arguments) up to the first that has `text`."""
        assert self._process.stdout is not None
        lines = []
        for line in self._process.stdout:
            lines.append(line.strip())
            if text in line:
                return lines
        raise AssertionError(f"oscdump ended without {text!r}: {lines}")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def dump(server: ServerProcess) -> Iterator[Dump]:
    running = Dump(server)
    yield running
    running.close()


def oscsend(server: ServerProcess, address: str, types: str = "", *arguments: object) -> None:
    command = [needs("oscsend", "liblo-tools"), "127.0.0.1", str(server.port), address]
    subprocess.run([*command, *([types] if types else []), *map(str, arguments)], check=True)


def test_a_whole_job(server: ServerProcess, stems: Path, dump: Dump) -> None:
    assert 'pong si "0.1.0" 1' in dump.until("pong")[-1]
    job = ("/stemlens/job", "by liblo")
    oscsend(server, f"{job[0]}/open", "sssis", job[1], "Live", "Söng", dump.port, '{"tags": 3}')
    assert '"by liblo" "open" 0' in dump.until("/stemlens/job/state")[-1]
    for number, path in enumerate(sorted(stems.glob("*.wav"))):
        oscsend(server, f"{job[0]}/stem", "ssss", job[1], number, path.stem, path)
        assert f'"open" {number + 1}' in dump.until("/stemlens/job/state")[-1]
    oscsend(server, f"{job[0]}/submit", "si", job[1], 3)
    assert "missing_stems" in dump.until("/stemlens/error")[-1]
    oscsend(server, f"{job[0]}/submit", "si", job[1], 2)
    lines = dump.until("/stemlens/job/done")
    assert any("/stemlens/job/progress" in line for line in lines)
    kinds = [line.split()[1] for line in lines]
    if "/stemlens/job/revision" in kinds:  # what was known before all was known
        last = len(kinds) - kinds[::-1].index("/stemlens/job/revision")
        lines, kinds = lines[last:], kinds[last:]
    assert kinds.count("/stemlens/tag") == kinds.count("/stemlens/attributions") == 3
    assert any('"by liblo" "done" 2' in line for line in lines)
    shares = next(line for line in lines if "/stemlens/attributions" in line)
    assert "siissfffffsfffff" in shares and '"0"' in shares and '"1"' in shares

    oscsend(server, f"{job[0]}/results", "siii", job[1], 1, 2, 3)
    again = dump.until("/stemlens/job/done")
    numbers = [line.split()[4:6] for line in again if "/stemlens/job/" not in line]
    assert [line for line in again if "/stemlens/attributions" in line] and len(numbers) >= 2
    oscsend(server, f"{job[0]}/status", "s", "never heard of")
    oscsend(server, "/stemlens/nonsense", "s", "?")


def test_liblo_over_tcp(server: ServerProcess) -> None:
    """liblo puts the length in front; the answer goes to its connection, so the job is proof."""
    command = [needs("oscsend", "liblo-tools"), f"osc.tcp://127.0.0.1:{server.port}"]
    subprocess.run(
        [*command, "/stemlens/job/open", "sssi", "liblo tcp", "Live", "Song", "0"], check=True
    )
    code = "job_unknown"  # until the server has read what came over TCP
    while code == "job_unknown":
        with Client(server.address) as client, pytest.raises(StemlensError) as caught:
            client._until_acknowledged("liblo tcp", JobSubmit("liblo tcp", 1), lambda state: True)
        code = caught.value.code
    assert code == "missing_stems"
