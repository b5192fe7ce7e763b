"""Is there room for what a job will write? Asked before it begins, because a disk that fills up
in the middle of a bounce is the musician's loss, not only ours.

Sizes are bytes unless the name says GB (10⁹ bytes).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from stemlens.service.store import JobFile
from stemlens_bridge.errors import StemlensError

GB = 1e9
RESULT = 20_000_000
"""A result with its shares over time, at most; of a session with very many stems."""
SEPARATED = 8
"""How much stems made of a mix take for each byte of it: four to six, as 32-bit floats."""


def free_gb(folder: Path) -> float:
    """The free space of the disk that a folder lies on."""
    return shutil.disk_usage(folder).free / GB


def wanted(files: Iterable[JobFile]) -> int:
    """How many bytes a job may write. A session with stems writes its result alone."""
    known = list(files)
    lone = all(file.is_mix for file in known)
    return RESULT + (SEPARATED * sum(file.size or 0 for file in known) if lone else 0)


def require_room(folder: Path, files: Iterable[JobFile], spare_gb: float) -> None:
    """Raises `disk_full` where a job would leave less than `spare_gb` free."""
    free, needed = free_gb(folder), wanted(files) / GB
    if free - needed < spare_gb:
        raise StemlensError(
            "disk_full",
            f"The disk with {folder} has {free:.2f} GB free; this session may write "
            f"{needed:.2f} GB, and {spare_gb:g} GB are to stay free. Make room, or allow less with "
            "--spare-gb.",
        )
