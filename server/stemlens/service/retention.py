"""What lies in the data folder and belongs to no job any more: unpacked zips, and stems that were
made of mixes.

Both lie in folders named by 32 hex digits of their content. A folder goes when no remembered job
names it and when it was not used lately, so that what is being unpacked or separated stays. Nothing
else is touched: no file and no folder of another name, and no link, whatever it leads to.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

log = logging.getLogger(__name__)

OURS = re.compile(r"((?P<key>[0-9a-f]{32})|making-\w+)(\.part|\.gone)?")
GONE = ".gone"


def put_aside(folder: Path, is_named: Callable[[str], bool], before_s: float) -> list[Path]:
    """Renames what may go, so that nobody finds it any more, and returns it for `delete`.

    `is_named`: whether a remembered job names this key. `before_s`: what was used since then
    (seconds since 1970) stays.
    """
    aside = []
    for place in _places(folder):
        found = OURS.fullmatch(place.name)
        assert found is not None
        try:
            if place.stat(follow_symlinks=False).st_mtime >= before_s:
                continue
            if place.suffix != GONE:  # of a server that ended before it was deleted
                if found["key"] and is_named(found["key"]):
                    continue
                place = place.rename(place.with_name(f"{place.name.removesuffix('.part')}{GONE}"))
        except OSError as error:  # in use, on Windows; the next time will do
            log.info("%s stays for now: %s", place, error)
            continue
        aside.append(place)
    return aside


def delete(places: list[Path]) -> None:
    """Deletes what was put aside; links in it are not followed. What cannot be deleted is tried
    again the next time."""
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
        log.info("%s belongs to no job any more and is deleted", place)


def _places(folder: Path) -> Iterator[Path]:
    """The folders in `folder` that are ours; none where that is a link."""
    if folder.is_symlink():
        return
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError:  # nothing was unpacked or separated so far
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and OURS.fullmatch(entry.name):
            yield Path(entry.path)
