"""Which candidates are complete: quiet for a while, whole by their headers, open for writing by
nobody.

Who has a file open can be seen on Linux alone, and there of the user's own programs
(`/proc/*/fd`); elsewhere quiet and headers must do.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from stemlens.service.watch.candidates import ARCHIVE, Candidate
from stemlens_bridge.session import FILE_NAME
from stemlens_bridge.stemfolder import complete

AGAIN_S = 0.25  # between looks at what is quiet and not complete


class Readiness:
    """Follows candidates from look to look."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._quiet: dict[tuple[Path, str, str], tuple[object, float]] = {}
        self._taken: dict[tuple[Path, str, str], object] = {}
        self.waiting: dict[str, float] = {}
        """What is there and not taken: for how long it has been quiet."""

    def look(self, found: Iterable[Candidate], now_s: float) -> list[Candidate]:
        """Those that are complete now and were not taken as they are; `now_s` rises steadily."""
        quiet: dict[tuple[Path, str, str], tuple[object, float]] = {}
        taken: dict[tuple[Path, str, str], object] = {}
        settled = []
        self.waiting = {}
        for candidate in found:
            if self._taken.get(candidate.key) == candidate.stamps:
                taken[candidate.key] = candidate.stamps
                continue
            before = self._quiet.get(candidate.key)
            same = before is not None and before[0] == candidate.stamps
            since = before[1] if before is not None and same else now_s
            quiet[candidate.key] = (candidate.stamps, since)
            self.waiting[candidate.name] = now_s - since
            if now_s - since >= self._settle_s and not candidate.partial:
                settled.append(candidate)
        self._quiet, self._taken = quiet, taken
        whole = [candidate for candidate in settled if _whole(candidate)]
        written = open_for_writing() if whole else set()
        return [one for one in whole if written.isdisjoint(map(os.path.realpath, one.files))]

    def take(self, candidate: Candidate) -> None:
        """It needs no more looks as it is now."""
        self._taken[candidate.key] = candidate.stamps
        self.waiting.pop(candidate.name, None)

    def again(self, key: tuple[Path, str, str]) -> None:
        """What was taken is looked at as if it were new."""
        self._taken.pop(key, None)

    def next_look_s(self, now_s: float) -> float | None:
        """In how many seconds something can be complete; None when nothing waits."""
        left = [since + self._settle_s - now_s for _, since in self._quiet.values()]
        ahead = [max(wait, 0.0) for wait in left if wait > 0]
        late = [AGAIN_S] if len(ahead) < len(left) and self.waiting else []
        return min([*ahead, *late], default=None)


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


def _whole(candidate: Candidate) -> bool:
    for path, stamp in candidate.stamps:
        if stamp is None:
            return False
        if path.suffix.lower() == ARCHIVE or path.name == FILE_NAME:
            continue
        if path.is_file() and not complete(path):  # a pipe is never opened; hashing refuses it
            return False
    return True
