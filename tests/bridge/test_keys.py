"""The stamp of messages: what a key lets in, and what it does not."""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import sys
import time
from pathlib import Path

import pytest
from pythonosc.osc_message_builder import OscMessageBuilder

from stemlens_bridge import keys, osc
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.keys import Gate, Key
from stemlens_bridge.protocol import TO_SERVER, JobOpen, Ping, Pong, decode

KEY = Key(b"correct horse battery staple")
NOW = 1_790_000_000.0


def refusal(gate: Gate, message: bytes) -> str:
    with pytest.raises(StemlensError) as caught:
        gate.admit(message)
    assert caught.value.code == "not_authorised"
    return caught.value.message


@pytest.fixture
def gate() -> Gate:
    return Gate(KEY)


def test_hmac_is_that_of_rfc_4231() -> None:
    assert Key(b"Jefe").digits(b"what do ya want for nothing?") == (
        b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_a_stamped_message_comes_out_as_it_was(gate: Gate) -> None:
    for message in (Ping(), Ping(9), JobOpen("j", "d", "a project ☂", 0, "{}"), Pong("1", 1)):
        sealed = KEY.seal(message.encode())
        assert 0 < len(sealed) - len(message.encode()) <= keys.MAX_SEAL_BYTES
        assert osc.decode(sealed)[1][:-1] == osc.decode(message.encode())[1]  # one argument more
        assert gate.admit(sealed) == message.encode() == keys.unsealed(sealed)
        assert keys.unsealed(message.encode()) == message.encode()
    assert gate.admit(KEY.seal(b"/stemlens/ping\0\0,\0\0\0")) == b"/stemlens/ping\0\0,\0\0\0"


def test_any_program_can_make_the_stamp_as_the_page_says(gate: Gate) -> None:
    """By another library, from docs/remote.md alone."""
    head = f"hmac1:{int(time.time() * 1000):013d}:0123456789abcdef:"
    builder = OscMessageBuilder("/stemlens/ping")
    builder.add_arg(0, "i")
    builder.add_arg(head + "0" * 64, "s")
    packet = builder.build().dgram
    mac = hmac.new(KEY.secret, packet, hashlib.sha256).hexdigest()
    bare = gate.admit(packet.replace(b"0" * 64, mac.encode()))
    assert bare is not None and decode(bare) == Ping(0)


def test_the_same_message_is_let_in_once(gate: Gate) -> None:
    sealed = KEY.seal(Ping().encode())
    assert gate.admit(sealed) is not None
    assert gate.admit(sealed) is None
    assert gate.admit(KEY.seal(Ping().encode())) is not None  # said again, it is another one


def test_what_is_too_old_or_ahead_tells_of_the_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys.time, "time_ns", lambda: int(NOW * 1e9))
    sealed = KEY.seal(Ping().encode())
    assert Gate(KEY, lambda: NOW + 29).admit(sealed) is not None
    assert Gate(KEY, lambda: NOW - 29).admit(sealed) is not None
    assert "31 s ago: set the clocks" in refusal(Gate(KEY, lambda: NOW + 31), sealed)
    assert "40 s ahead" in refusal(Gate(KEY, lambda: NOW - 40), sealed)


def test_what_was_forgotten_is_too_old_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stamp from a clock that is ahead is remembered for as long as it would be let in."""
    at = NOW
    monkeypatch.setattr(keys.time, "time_ns", lambda: int((NOW + 29) * 1e9))
    gate = Gate(KEY, lambda: at, lambda: at)
    sealed = KEY.seal(Ping().encode())
    assert gate.admit(sealed) is not None
    for later_s in (30, 58):
        at = NOW + later_s
        assert gate.admit(sealed) is None
    at = NOW + 61
    assert "ago" in refusal(gate, sealed)


def test_a_clock_that_is_set_back_lets_nothing_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = steady = NOW
    monkeypatch.setattr(keys.time, "time_ns", lambda: int(wall * 1e9))
    gate = Gate(KEY, lambda: wall, lambda: steady)
    old = KEY.seal(Ping().encode())
    assert gate.admit(old) is not None
    wall = steady = NOW + 61
    assert gate.admit(KEY.seal(Ping().encode())) is not None  # by which the first is forgotten
    wall = NOW
    assert "older" in refusal(gate, old)
    for _ in range(3):  # and who lives by the new time is let in, without end
        steady += 100
        wall = steady - 60
        assert gate.admit(KEY.seal(Ping().encode())) is not None
    assert len(gate._seen) == 1


def test_what_was_stamped_for_a_server_before_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys.time, "time_ns", lambda: int(NOW * 1e9))
    sealed = KEY.seal(Ping().encode())
    assert "older than this server" in refusal(Gate(KEY, lambda: NOW + 2, since_s=NOW + 1), sealed)
    assert Gate(KEY, lambda: NOW + 2, since_s=NOW - 1).admit(sealed) is not None


def test_no_changed_byte_and_no_other_key_is_let_in(gate: Gate) -> None:
    sealed = KEY.seal(JobOpen("job", "daw", "project", 0).encode())
    for at in range(len(sealed)):
        with pytest.raises(StemlensError):
            gate.admit(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
    assert "another key" in refusal(gate, Key(b"some other long key").seal(Ping().encode()))
    assert "no stamp" in refusal(gate, Ping().encode())
    assert gate.admit(sealed) is not None  # nothing of that used it up


def test_noise_and_stamps_on_noise_end_in_an_error(gate: Gate) -> None:
    chance = random.Random(1)
    for _ in range(500):
        noise = chance.randbytes(chance.randrange(300))
        tail = b"hmac1:1790000000000:0123456789abcdef:" + b"a" * 64 + b"\0\0\0"
        for packet in (noise, noise + tail, b"/" + noise + tail, tail):
            with pytest.raises(StemlensError):
                gate.admit(packet)
            try:
                keys.unsealed(packet)
            except StemlensError as error:
                assert error.code == "bad_message"


def test_a_flood_with_the_key_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_NONCES", 10)
    gate = Gate(KEY)
    for _ in range(10):
        gate.admit(KEY.seal(Ping().encode()))
    with pytest.raises(StemlensError) as caught:
        gate.admit(KEY.seal(Ping().encode()))
    assert caught.value.code == "too_many"


def test_a_request_over_http_is_let_in_for_what_it_is_and_once(gate: Gate) -> None:
    asked = ("PUT", "/upload/abc.wav", "bytes 0-9/10")
    header = KEY.authorization(*asked)
    for other in (("GET", *asked[1:]), ("PUT", "/upload/abd.wav", asked[2]), (*asked[:2], "")):
        with pytest.raises(StemlensError, match="another key"):
            gate.admit_request(header, *other)
    gate.admit_request(header, *asked)
    with pytest.raises(StemlensError, match="came before"):
        gate.admit_request(header, *asked)
    for wrong in ("", "Bearer x", header.replace("Stemlens", "Basic"), header + "0", "Stemlens é"):
        with pytest.raises(StemlensError, match="no stamp"):
            gate.admit_request(wrong, *asked)


def test_every_message_of_the_protocol_can_be_stamped(gate: Gate) -> None:
    from benchmarks.malformed import valid

    packets = valid()
    assert len(packets) >= len(TO_SERVER)
    for packet in packets:
        assert gate.admit(KEY.seal(packet)) == packet


def test_a_message_that_no_packet_could_carry_with_its_stamp() -> None:
    whole = JobOpen("j", "d", "p" * 65_440, 0).encode()
    with pytest.raises(StemlensError, match="65507"):
        KEY.seal(whole)


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = Key.made(path)
    assert made == Key.made(path) == Key.read(path) and len(made.secret) >= 40
    assert "secret" not in repr(made)
    if sys.platform != "win32":
        assert not keys.is_readable_by_others(path)
        path.chmod(0o644)
        assert keys.is_readable_by_others(path)


def test_files_that_hold_no_key(tmp_path: Path) -> None:
    for name, content in {
        "empty": b"",
        "short": b"abc\n",
        "two words": b"a" * 20 + b" b",
        "x": b"\xff" * 20,
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StemlensError) as caught:
            Key.read(tmp_path / name)
        assert caught.value.code == "key_invalid" and str(tmp_path / name) in caught.value.message
    for missing in (tmp_path / "missing", tmp_path):
        with pytest.raises(StemlensError, match="cannot be read"):
            Key.read(missing)
    with pytest.raises(StemlensError) as caught:
        Key.made(tmp_path / "no folder" / "key")
    assert caught.value.code == "output_failed"


def test_whose_key_is_taken_for_which_server(tmp_path: Path) -> None:
    home, named = tmp_path / "home", tmp_path / "named"
    usual = keys.config_folder({"HOME": str(home)})
    usual.mkdir(parents=True)
    Key.made(usual / "key"), Key.made(named)
    mine = {"HOME": str(home)}
    assert keys.of_user("192.0.2.1", mine) == Key.read(usual / "key")
    assert keys.of_user("127.0.0.1", mine) is None  # this machine needs none
    told = {**mine, "STEMLENS_KEY": str(named)}
    assert keys.of_user("192.0.2.1", told) == keys.of_user("127.0.0.1", told) == Key.read(named)
    assert keys.of_user("192.0.2.1", {"HOME": str(tmp_path)}) is None
    with pytest.raises(StemlensError, match="missing"):
        keys.of_user("127.0.0.1", {**mine, "STEMLENS_KEY": os.fspath(tmp_path / "missing")})
