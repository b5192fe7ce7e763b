"""What a server is asked for: one table of settings, from which the configuration file, its
checks and the pages about it are made (see `service.config`).

Sizes are GB (10⁹ bytes), times s unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemlens.audio import MAX_DURATION_S
from stemlens_bridge.protocol import PORT


def setting(default: Any, doc: str) -> Any:
    """A field of `Settings` with the sentence that documents it."""
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class Settings:
    """What `stemlens serve` was asked for."""

    data: Path
    host: str = setting("127.0.0.1", "the address to listen on")
    port: int = setting(PORT, "the port for OSC, UDP and TCP; 0: any")
    device: str = setting("auto", "where to compute: auto, cpu or cuda")
    allow: tuple[Path, ...] = setting((), "further folders whose files may be read")
    allow_remote: bool = setting(False, "let other machines use this server; needs a key")
    max_duration_s: float = setting(MAX_DURATION_S, "the longest file that is analysed")
    panel: bool = setting(True, "show the panel in the browser")
    panel_port: int = setting(PORT + 1, "the port of the panel; 0: any")
    watch: tuple[Path, ...] = setting((), "folders that are watched for sessions")
    watch_output: Path | None = setting(
        None, "where results of watched folders go; unset: beside the audio"
    )
    watch_polling: bool = setting(
        False, "look at watched folders instead of being told; for network drives"
    )
    settle_s: float = setting(2.0, "how long files must be quiet before they are taken")
    hang_s: float = setting(120.0, "without progress for so long, a job is given up")
    memory_gb: float | None = setting(None, "how much memory the analysing process may take")
    spare_gb: float = setting(1.0, "free disk space below which no job is begun")
    keep_jobs: int = setting(1000, "how many ended jobs are remembered")
    keep_days: float = setting(90.0, "for how many days ended jobs are remembered")
