"""The server's end of the panel process: starts it, and again when it ends, never in the way of
anything else."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0


class PanelLink:
    """The panel of a server with its folder `data`; `port` is where the page is to be.

    `url` is where it is, None while there is none.
    """

    def __init__(self, data: Path, port: int) -> None:
        self._data, self._port = data, port
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self.url: str | None = None

    async def run(self, osc_port: int) -> None:
        """Keeps a panel alive; returns after `stop`."""
        pause_s = FIRST_PAUSE_S
        while not self._stopping:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "stemlens.service.panel_process"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=sys.platform != "win32",  # as the worker: Ctrl-C is ours alone
            )
            if self._stopping:
                process.kill()
            assert process.stdin is not None and process.stdout is not None
            told = {"osc_port": osc_port, "data": str(self._data), "port": self._port}
            process.stdin.write(json.dumps(told).encode() + b"\n")
            while line := await process.stdout.readline():
                try:
                    event = json.loads(line)
                except ValueError:  # cut off, because the panel died while it wrote
                    log.warning("the panel said something that cannot be understood: %r", line[:80])
                    continue
                if event["event"] == "ready":
                    self.url, pause_s = event["url"], FIRST_PAUSE_S
                    log.info("the panel is at %s", self.url)
                else:
                    log.warning("there is no panel: %s", event["why"])
            code = await process.wait()
            self.url = None
            if not self._stopping:
                log.info("the panel ended with code %s; again in %g s", code, pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LAST_PAUSE_S)

    def stop(self) -> None:
        """Ends the panel."""
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
