"""Who may come in: this machine without a word, other machines with the server's key.

`stemlens_bridge.keys` has the stamps. A server that has a key stamps all that it sends, so that
other machines can tell it from whoever else sits in their network; to those that have no key it is
one argument too many, and ignored.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from stemlens.service.hosts import is_loopback
from stemlens.service.settings import Settings
from stemlens_bridge.keys import Gate, Key, is_readable_by_others, unsealed

log = logging.getLogger(__name__)


def key_file(settings: Settings) -> Path | None:
    """Where the server's key is; None for a server that has none."""
    if not settings.allow_remote:
        return None
    return settings.key or settings.data / "key"


class Door:
    """What each message passes on its way in, and each answer on its way out."""

    def __init__(self, key: Key | None) -> None:
        # What was stamped for a server that ran before may have been heard by somebody.
        self._gate = Gate(key, since_s=time.time()) if key else None
        self.seal: Callable[[bytes], bytes] = key.seal if key else lambda packet: packet

    @classmethod
    def of(cls, settings: Settings) -> Door:
        """The door of a server, whose key is made if need be; raises `key_invalid`,
        `output_failed`."""
        path = key_file(settings)
        if path is None:
            return cls(None)
        key = Key.made(path)
        if is_readable_by_others(path):
            log.warning("other users of this machine can read %s; chmod 600 mends that", path)
        return cls(key)

    def admitted(self, message: bytes, host: str) -> bytes | None:
        """A message from a host without its stamp; None where the very same came before.

        Raises `not_authorised`.
        """
        if self._gate is None or is_loopback(host):
            return unsealed(message)
        return self._gate.admit(message)
