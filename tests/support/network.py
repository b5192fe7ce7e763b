"""This machine's own address in its network: to a server, whoever comes from there is another
machine."""

from __future__ import annotations

import socket

import pytest


def own_address() -> str | None:
    """The address; nothing is sent to find it out. None where there is no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


HOST = own_address()
remote = pytest.mark.skipif(HOST is None, reason="this machine is in no network")
