"""What the panel process is told of the server that it shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PanelContext:
    """The server's OSC address, its data folder, the key of remote clients, the panel's URL."""

    osc: tuple[str, int]
    data: Path
    key: str | None
    url: str
