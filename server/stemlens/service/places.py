"""Which files the server may read: those below its allowed folders, after following links.

By default these are the user's home, the folder for temporary files, the folder in which the
server was started, and where the system mounts external drives. Anyone who can reach the server's
port can name a path, so everything else needs `--allow`.
"""

from __future__ import annotations

import os
import re
import string
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath

from stemlens_bridge.errors import StemlensError

DEVICE = re.compile(r"con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]", re.IGNORECASE)
MOUNTS = {"darwin": ["/Volumes"], "linux": ["/media", "/mnt", "/run/media"]}


def default_folders() -> list[Path]:
    """The folders that are allowed without being asked for."""
    folders = [Path(os.path.expanduser("~")), Path(tempfile.gettempdir()), Path.cwd()]
    # A service is often started in the root of the file system, or has it for a home.
    folders = [folder for folder in folders if folder.is_absolute() and folder != folder.parent]
    if sys.platform == "win32":
        system = os.environ.get("SYSTEMDRIVE", "C:").upper()
        drives = [f"{letter}:" for letter in string.ascii_uppercase]
        folders += [Path(f"{drive}\\") for drive in drives if drive != system]
    else:
        folders += [Path(mount) for mount in MOUNTS.get(sys.platform, [])]
    return folders


def is_elsewhere(path: str, folders: Iterable[str]) -> bool:
    """Whether a path of Windows names a device, or another machine or namespace than any of the
    folders. Told from its text alone: to follow a UNC path is to log in at whoever it names."""
    given = PureWindowsPath(path)
    known = {PureWindowsPath(folder).drive.lower() for folder in folders}
    if given.drive.startswith("\\\\") and given.drive.lower() not in known:
        return True
    # A name means a device whatever its ending, and also with blanks and dots after it.
    return any(DEVICE.fullmatch(part.split(".")[0].split(":")[0].rstrip()) for part in given.parts)


class Places:
    """The allowed folders of one server."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = [Path(os.path.realpath(folder)) for folder in folders]

    def check(self, path: str) -> Path:
        """The file behind a path that a client named, with links followed; nothing is opened.

        Raises `session_invalid` for a path that is not absolute, `path_not_allowed` for one that
        leads outside the allowed folders.
        """
        if "\x00" in path or not os.path.isabs(path):
            raise StemlensError(
                "session_invalid", f"The path {path!r} is not absolute; send whole paths."
            )
        if sys.platform == "win32" and is_elsewhere(path, map(str, self.folders)):
            raise self._not_allowed(path, Path(path))
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(folder) for folder in self.folders):
            raise self._not_allowed(path, real)
        return real

    @staticmethod
    def _not_allowed(path: str, real: Path) -> StemlensError:
        return StemlensError(
            "path_not_allowed",
            f"The server may not read {path}. To allow it, start the server with "
            f"--allow '{real.parent}'.",
        )

    def require_inside(self, path: str, opened: int) -> None:
        """Raises `path_not_allowed` unless the file that was opened by that path is the one that
        the path leads to within the allowed folders: a link may have been turned since `check`."""
        try:
            same = os.path.samestat(os.stat(self.check(path)), os.fstat(opened))
        except OSError:
            same = False
        if not same:
            raise StemlensError(
                "path_not_allowed", f"{path} was turned to another file while it was opened."
            )
