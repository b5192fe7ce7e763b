"""Other machines: let in with the key alone. This machine's own address in its network stands for
one, since to the server whoever comes from there is not on the loopback."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from copy import copy
from pathlib import Path

import pytest
from support.network import HOST, remote
from support.server import ServerProcess

from stemlens.service.door import Door
from stemlens.service.hosts import is_loopback
from stemlens.service.rates import MAX_SENDERS, Bucket, Buckets
from stemlens_bridge import keys, osc
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.keys import Key
from stemlens_bridge.link import UdpLink
from stemlens_bridge.protocol import Error, JobState, JobStatus, Options, Ping, Pong, Subscribe
from stemlens_bridge.session import Session


@pytest.fixture
def shared(open_server: ServerProcess) -> ServerProcess:
    """The server as another machine reaches it."""
    found = copy(open_server)
    assert HOST is not None
    found.address = (HOST, found.port)
    return found


@pytest.fixture
def key(shared: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Key:
    """The server's key, as the user's."""
    path = shared.log.parent / "key"
    monkeypatch.setenv(keys.VARIABLE, str(path))
    return Key.read(path)


@remote
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_session_from_another_machine(
    shared: ServerProcess, key: Key, stems: Path, transport: str
) -> None:
    with Client(shared.address, transport) as client:
        job = new_job_id("remote")
        assert client.ping()
        client.submit(Session.read(stems), Options(), job)
        assert client.follow(job).messages


@remote
def test_without_the_key_nothing_is_done_and_the_reason_is_told(
    shared: ServerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(keys.VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with Client(shared.address) as client, pytest.raises(StemlensError, match="no stamp") as caught:
        client.ping(1.0)
    assert caught.value.code == "not_authorised"
    assert "faster" not in shared.log.read_text()  # who is refused asks again no sooner
    with Client(("127.0.0.1", shared.port)) as client:
        assert client.ping()  # from this machine it needs none


@remote
def test_with_another_key_neither_side_believes_the_other(
    shared: ServerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(keys.VARIABLE, str(tmp_path / "other"))
    Key.made(tmp_path / "other")
    with Client(shared.address) as client, pytest.raises(StemlensError, match="another key"):
        client.ping(1.0)


@remote
def test_what_was_heard_in_the_network_cannot_be_sent_again(
    shared: ServerProcess, key: Key
) -> None:
    link = UdpLink(shared.address, key)
    sealed = key.seal(Ping().encode())
    for _ in range(2):
        link._socket.send(sealed)
    link.send(JobStatus("nobody's"))
    came: list[object] = []
    while not any(isinstance(message, Error) for message in came):
        came += link.receive(5)
    link.close()
    assert len([message for message in came if isinstance(message, Pong)]) == 1


@remote
def test_the_example_of_the_page_is_let_in(
    shared: ServerProcess, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "remote.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(shared.log.parent)
    names: dict[str, bytes] = {}
    exec(code, names)
    link = UdpLink(shared.address, key)
    link._socket.send(names["packet"])
    assert isinstance(link.receive(5)[0], Pong)
    link.close()


@remote
def test_each_message_of_a_bundle_needs_its_stamp(shared: ServerProcess, key: Key) -> None:
    bare, sealed = Ping().encode(), key.seal(Ping().encode())
    link = UdpLink(shared.address, key)
    bundle = osc.BUNDLE_START + bytes(8)
    for one in (sealed, bare):
        bundle += len(one).to_bytes(4, "big") + one
    link._socket.send(bundle)
    came: list[object] = []
    while len(came) < 2:
        came += link.receive(5)
    link.close()
    assert isinstance(came[0], Pong) and isinstance(came[1], Error)
    assert came[1].code == "not_authorised"


@remote
def test_a_stranger_slows_down_himself_alone(shared: ServerProcess) -> None:
    """Without the key, over one connection: what it sends costs it its turn."""
    with socket.create_connection(shared.address) as stranger:
        stranger.sendall(b"\xc0" + b"/\xc0" * 30_000)
        with Client(("127.0.0.1", shared.port), "tcp") as client:
            began = time.monotonic()
            assert client.ping()
            assert time.monotonic() - began < 0.5  # which 30,000 refusals in one go would take


@remote
def test_strangers_leave_room_for_programs_of_this_machine(shared: ServerProcess) -> None:
    strangers = [socket.create_connection(shared.address) for _ in range(60)]
    for stranger in strangers:
        stranger.settimeout(10)
        with suppress(OSError):
            stranger.sendall(b"\xc0")
    closed = 0
    for stranger in strangers[32:]:
        try:
            closed += stranger.recv(1) == b""
        except ConnectionResetError:  # what it had sent was never read
            closed += 1
    assert closed == 60 - 32
    with Client(("127.0.0.1", shared.port), "tcp") as client:
        assert client.ping()
    for stranger in strangers:
        stranger.close()


def test_a_program_on_this_machine_is_shown_the_key_where_it_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ServerProcess
) -> None:
    """A server without a key, and a user who asks for one: nothing is believed."""
    Key.made(tmp_path / "key")
    monkeypatch.setenv(keys.VARIABLE, str(tmp_path / "key"))
    with Client(server.address) as client, pytest.raises(StemlensError, match="be believed"):
        client.ping(1.0)


def test_which_addresses_are_this_machine() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1")))
    others = ("192.168.0.1", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "", "evil.example")
    assert not any(map(is_loopback, others))


def test_without_a_key_a_stamp_is_one_argument_too_many() -> None:
    door = Door(None)
    ping = Ping().encode()
    assert door.admitted(Key(b"a" * 20).seal(ping), "127.0.0.1") == ping == door.seal(ping)


def test_a_bucket_lets_through_what_fills_it() -> None:
    now = 0.0
    bucket = Bucket(rate=10, burst=5, clock=lambda: now)
    bucket.take(5)
    assert bucket.debt_s == 0
    bucket.take(20)
    assert bucket.debt_s == pytest.approx(2.0)
    now = 1.0
    assert bucket.debt_s == pytest.approx(1.0)
    now = 1000.0
    bucket.take(6)  # a burst is no more than that, however long nothing came
    assert bucket.debt_s == pytest.approx(0.1)


def test_the_table_of_senders_does_not_grow() -> None:
    buckets = Buckets(1, 1)
    first = buckets.of("first")
    for number in range(MAX_SENDERS - 1):
        buckets.of(number)
    assert buckets.of("first") is first
    for number in range(MAX_SENDERS):
        buckets.of(number)
    assert len(buckets._of) == MAX_SENDERS and buckets.of("first") is not first


def test_a_flood_is_told_to_slow_down_and_nobody_else_notices(server: ServerProcess) -> None:
    flood = UdpLink(server.address)
    packet = Pong("", 1).encode()  # which a server counts, and leaves unanswered
    many = osc.BUNDLE_START + bytes(8) + (len(packet).to_bytes(4, "big") + packet) * 2000
    for _ in range(40):
        flood._socket.send(many)
    told: set[str] = set()
    with Client(server.address) as other:
        while "too_many" not in told:
            assert other.ping(5.0)
            flood._socket.send(many)
            told |= {one.code for one in flood.receive(0.05) if isinstance(one, Error)}
    flood.close()


def test_one_host_cannot_subscribe_from_every_port(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as fresh:
        subscribes_from_every_port(UdpLink(fresh.address))


def subscribes_from_every_port(link: UdpLink) -> None:
    for port in range(20_000, 20_070):
        link.send(Subscribe(port))
    came: list[object] = []
    while not came:
        came += link.receive(5)
    link.send(Subscribe(20_001))  # renewing is no new one
    link.send(JobStatus("nobody's"))
    while not any(getattr(message, "job", "") == "nobody's" for message in came):
        came += link.receive(5)
    link.close()
    errors = [message for message in came if isinstance(message, Error)]
    assert [error.code for error in errors].count("too_many") == 70 - 64
    assert not any(isinstance(message, JobState) for message in came)
