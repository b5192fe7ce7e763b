"""Which candidates are complete: quiet for a while, whole by their headers, open for writing by
nobody.

Who has a file open can be seen on Linux alone, and there of the user's own programs
(`/proc/*/fd`); elsewhere quiet and headers must do.

What is quiet and still not complete is told, once: a file that is missing soon, everything else
after a minute. A download that stood still for an hour was given up by whoever began it; the
session is taken without it.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stemlens.service.watch.candidates import ARCHIVE, Candidate
from stemlens_bridge.session import FILE_NAME
from stemlens_bridge.stemfolder import complete

AGAIN_S, AGAIN_PART = 0.25, 0.05  # between looks at what is quiet and not complete; of its quiet
MISSING_SETTLES = 5  # a missing file is told when a session was quiet for so many settle times
STALLED_S = 60.0
ABANDONED_S = 3600.0

Key = tuple[Path, str, str]


@dataclass(slots=True)
class Waiting:
    """What is there and not taken, for how long it has been quiet, and why it is not complete
    ("" while it may still change)."""

    name: str
    quiet_s: float
    why: str = ""
    missing: bool = False


class Readiness:
    """Follows candidates from look to look."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._quiet: dict[Key, tuple[object, float]] = {}
        self._taken: dict[Key, object] = {}
        self._told: set[Key] = set()
        self.waiting: dict[Key, Waiting] = {}

    def look(self, found: Iterable[Candidate], now_s: float) -> list[Candidate]:
        """Those that are complete now and were not taken as they are; `now_s` rises steadily."""
        quiet: dict[Key, tuple[object, float]] = {}
        taken: dict[Key, object] = {}
        told: set[Key] = set()
        whole = []
        self.waiting = {}
        for candidate in found:
            key = candidate.key
            if self._taken.get(key) == candidate.stamps:
                taken[key] = candidate.stamps
                continue
            state, before = (candidate.stamps, candidate.partial), self._quiet.get(key)
            since = before[1] if before is not None and before[0] == state else now_s
            quiet[key] = (state, since)
            self.waiting[key] = Waiting(candidate.name, now_s - since)
            if since != now_s:
                told |= self._told & {key}
            if now_s - since >= self._settle_s and self._is_whole(candidate):
                whole.append(candidate)
        self._quiet, self._taken, self._told = quiet, taken, told
        written = open_for_writing() if whole else set()
        return [one for one in whole if not self._is_open(one, written)]

    def _is_whole(self, candidate: Candidate) -> bool:
        waits = self.waiting[candidate.key]
        for path, stamp in candidate.stamps:
            if stamp is None:
                waits.why, waits.missing = f"there is no file {path}", True
                return False
        if candidate.partial and waits.quiet_s < ABANDONED_S:
            waits.why = f"the download {candidate.partial[0][0].name} is not finished"
            return False
        for path, _ in candidate.stamps:
            if path.suffix.lower() == ARCHIVE or path.name == FILE_NAME:
                continue
            # a pipe is never opened; hashing refuses it
            if path.is_file() and not complete(path):
                waits.why = f"{path.name} is shorter than its header says"
                return False
        return True

    def _is_open(self, candidate: Candidate, written: set[str]) -> bool:
        for path in candidate.files:
            if os.path.realpath(path) in written:
                self.waiting[candidate.key].why = f"another program writes to {path.name}"
                return True
        return False

    def stalled(self) -> list[Waiting]:
        """What has waited for long enough to be told, each once until it changes."""
        found = []
        for key, waits in self.waiting.items():
            limit_s = MISSING_SETTLES * self._settle_s if waits.missing else STALLED_S
            if waits.why and waits.quiet_s >= limit_s and key not in self._told:
                self._told.add(key)
                found.append(waits)
        return found

    def take(self, candidate: Candidate) -> None:
        """It needs no more looks as it is now."""
        self._taken[candidate.key] = candidate.stamps
        self.waiting.pop(candidate.key, None)

    def again(self, key: Key) -> None:
        """What was taken is looked at as if it were new."""
        self._taken.pop(key, None)

    def next_look_s(self, now_s: float) -> float | None:
        """In how many seconds something can be complete; None when nothing waits."""
        waits = []
        for key in self.waiting:
            quiet_s = now_s - self._quiet[key][1]
            late = quiet_s >= self._settle_s
            waits.append(max(AGAIN_S, AGAIN_PART * quiet_s) if late else self._settle_s - quiet_s)
        return min(waits, default=None)


def open_for_writing() -> set[str]:
    """The real paths of files that the user's programs have open for writing."""
    paths: set[str] = set()
    if not sys.platform.startswith("linux"):
        return paths
    for process in filter(str.isdecimal, os.listdir("/proc")):
        try:
            for number in os.listdir(f"/proc/{process}/fd"):
                link = f"/proc/{process}/fd/{number}"
                # the link's own mode tells how the file was opened
                if os.lstat(link).st_mode & stat.S_IWUSR:
                    paths.add(os.readlink(link))
        except OSError:  # another user's, or it ended
            continue
    return paths
