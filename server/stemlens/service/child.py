"""A process of the server's own: started, heard, and replaced whenever it ends.

Both sides speak JSON, one object a line, over the process's standard input and output. When the
server is gone its end of the pipe closes, by which the process knows to end. What it prints on
standard error goes to the server's log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

from stemlens.service.standard_error import StandardError

log = logging.getLogger(__name__)

MAX_LINE = 1 << 28  # a result with many stems has a few MB
LAST_WORDS_S = 1.0


class Child:
    """`name` is what the log calls it, `command` what is run, in this process's `environment` if it
    has none of its own. Subclasses say what becomes of it."""

    def __init__(
        self, name: str, command: list[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._name, self._command = name, command
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def keep(self) -> None:
        """Keeps a process alive; returns after `stop`."""
        while not self._stopping:
            said = StandardError(self._name)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=said.far,
                    limit=MAX_LINE,
                    env=self._environment,
                    # A Ctrl-C in the terminal is for the server alone, which then ends them.
                    start_new_session=sys.platform != "win32",
                )
            finally:
                said.follow()
            self._process = process
            if self._stopping:  # while it was being started
                process.kill()
            log.info("%s %d starts", self._name, process.pid)
            self._begun()
            assert process.stdout is not None
            while line := await process.stdout.readline():
                self._hear(line)
            code = await process.wait()
            self._process = None
            await asyncio.to_thread(said.ended, LAST_WORDS_S)
            pause_s = self._ended(code)
            if not self._stopping:
                log.warning("%s %d ended with code %s", self._name, process.pid, code)
                self._died(code)
                await asyncio.sleep(pause_s)

    def _begun(self) -> None:
        """There is a process, which has said nothing yet."""

    def _take(self, event: dict[str, Any]) -> None:
        """It said something."""
        raise NotImplementedError

    def _ended(self, code: int) -> float:
        """It is gone; returns for how many seconds to wait before the next is started."""
        raise NotImplementedError

    def _died(self, code: int) -> None:
        """It is gone without having been told to end."""

    def _hear(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:  # cut off, because it died while it wrote
            log.warning("%s said something that cannot be understood: %r", self._name, line[:80])
            return
        self._take(event)

    def send(self, command: dict[str, Any]) -> None:
        """Tells the process something; lost where there is none."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")

    def replace(self) -> None:
        """Ends the process, whatever it does; another one starts."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def stop(self) -> None:
        """Ends the process, whatever it does; `keep` returns then."""
        self._stopping = True
        self.replace()
