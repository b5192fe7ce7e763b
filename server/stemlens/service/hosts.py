"""Addresses of machines: which is this one."""

from __future__ import annotations

import ipaddress

from stemlens_bridge.keys import LOOPBACK


def one_address(host: str) -> str:
    """What to listen on: "localhost" can be two addresses, and all sockets must have the same."""
    return "127.0.0.1" if host == "localhost" else host


def near(host: str) -> str:
    """The address by which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, one_address(host))


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, as nobody else can have it."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host in LOOPBACK
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
