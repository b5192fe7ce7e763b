"""What a server is asked for. Sizes are GB (10⁹ bytes), times s unless the name says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stemlens.audio import MAX_DURATION_S
from stemlens_bridge.protocol import PORT


@dataclass(frozen=True, slots=True)
class Settings:
    """What `stemlens serve` was asked for."""

    data: Path
    host: str = "127.0.0.1"  # the address to listen on
    port: int = PORT  # the port for OSC, UDP and TCP; 0: any
    next_port: bool = False  # where the port is taken, the next that is free
    device: str = "auto"  # where to compute: auto, cpu or cuda
    allow: tuple[Path, ...] = ()  # further folders whose files may be read
    allow_remote: bool = False  # let other machines use this server
    key: Path | None = None  # the key that other machines need; unset: the data folder's "key"
    max_duration_s: float = MAX_DURATION_S  # the longest file that is analysed
    panel: bool = True  # show the panel in the browser
    panel_port: int = PORT + 1  # the port of the panel; 0: any
    upload_gb: float = 20.0  # how much of what other machines sent is kept
    watch: tuple[Path, ...] = ()  # folders that are watched for sessions
    watch_output: Path | None = None  # where results of watched folders go; unset: beside the audio
    watch_polling: bool = False  # look at watched folders instead of being told; for network drives
    settle_s: float = 2.0  # how long files must be quiet before they are taken
    hang_s: float = 120.0  # without progress for so long, a job is given up
    memory_gb: float | None = None  # how much memory the analysing process may take
    spare_gb: float = 1.0  # free disk space below which no job is begun
    keep_jobs: int = 1000  # how many ended jobs are remembered
    keep_days: float = 90.0  # for how many days ended jobs are remembered
