"""The server's end of the panel process: starts it, and again when it ends, never in the way of
anything else. What both say is told in `panel_process`."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from stemlens.service.child import Child
from stemlens.service.door import key_file
from stemlens.service.hosts import one_address
from stemlens.service.places import Places
from stemlens.service.settings import Settings
from stemlens_bridge import keys

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0


class PanelLink(Child):
    """The panel of a server; `url` is where it is, None while there is none."""

    def __init__(self, settings: Settings, places: Places) -> None:
        command = [sys.executable, "-m", "stemlens.service.panel_process"]
        key = key_file(settings)
        # The user may have named the key of another server.
        environment = {name: value for name, value in os.environ.items() if name != keys.VARIABLE}
        environment |= {keys.VARIABLE: str(key)} if key else {}
        super().__init__("panel", command, environment)
        self._told: dict[str, Any] = {
            "data": str(settings.data),
            "places": [str(folder) for folder in places.folders],
            "host": one_address(settings.host),
            "port": settings.panel_port,
            "upload_gb": settings.upload_gb,
            "spare_gb": settings.spare_gb,
        }
        self._pause_s = FIRST_PAUSE_S
        self.url: str | None = None

    async def run(self, osc_port: int) -> None:
        """Keeps a panel alive; returns after `stop`."""
        self._told["osc_port"] = osc_port
        await self.keep()

    def _begun(self) -> None:
        self.send(self._told)

    def _take(self, event: dict[str, Any]) -> None:
        if event["event"] == "ready":
            self.url, self._pause_s = event["url"], FIRST_PAUSE_S
            log.info("the panel is at %s", self.url)
        else:
            log.warning("there is no panel: %s", event["why"])

    def _ended(self, code: int) -> float:
        self.url = None
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, LAST_PAUSE_S)
        return pause_s
