"""What is written of a session beside its audio: `stemlens.json`, `stemlens.txt`, `stemlens.mid`,
`stemlens.html`, or `stemlens-error.txt`.

Each file has a mark by which it is known as ours. A file of that name without the mark is the
user's: it is left alone. Folders are made in an output folder alone, never beside audio.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemlens_bridge import jsontext
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.table import table
from stemlens_bridge.writing import failed, written

log = logging.getLogger(__name__)

TEXT_MARK = b"Written by Stemlens"
JSON_MARK = b'"watched": {'
MIDI_MARK = b": Stemlens"  # in the first track's name
PAGE_MARK = b'<meta name="generator" content="Stemlens'
PAGE_MB = 8.0  # with its sounds
LAST_WORDS = 4000  # characters of what a process said that died
PAGE_PATIENCE_S = 900.0  # while other work has the processor
LONGEST = 200  # bytes of a prefix; file systems take 255 for the whole name


@dataclass(frozen=True, slots=True)
class Target:
    """Where the results of one session go: a folder, and what the files' names begin with.
    `mirrored`: in an output folder, where that is made if need be."""

    folder: Path
    prefix: str = ""
    mirrored: bool = False

    def is_there(self) -> bool:
        """Whether it can be written to: audio may be renamed while it is analysed."""
        return self.mirrored or self.folder.is_dir()

    def path(self, name: str) -> Path:
        """The file of that name."""
        prefix, told = self.prefix, os.fsencode(self.prefix)
        if len(told) > LONGEST:
            digest = hashlib.sha256(told).hexdigest()[:8]
            prefix = told[:LONGEST].decode(errors="ignore") + digest
        return self.folder / (f"{prefix} {name}" if prefix else name)

    @property
    def error(self) -> Path:
        return self.path("stemlens-error.txt")


@dataclass(frozen=True, slots=True)
class Origin:
    """What results are of: the digest of the session's content, and where that is all that a zip
    holds, the zip's own ("" elsewhere), so that it need not be unpacked to be known again."""

    content: str
    archive: str = ""


def origin_of(target: Target) -> Origin | None:
    """What the results are of that lie there already."""
    path = target.path("stemlens.json")
    try:
        if not path.is_file() or JSON_MARK not in path.read_bytes():
            return None
        found = jsontext.read(path.read_text(encoding="utf-8"))["watched"]
        return Origin(str(found["content"]), str(found.get("archive", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(
    target: Target,
    document: Mapping[str, Any],
    saved: Path,
    job: str,
    origin: Origin,
    folders: Sequence[Path],
) -> None:
    """Writes a result; `saved` is the server's own file of it, and audio is read below `folders`
    alone. The JSON file comes last, so that where it is all is. Raises `output_failed` or
    `disk_full`."""
    from stemlens.over_time import saved as read_saved
    from stemlens.report import midi

    _prepare(target)
    page = target.path("stemlens.html")
    _require_ours(page, PAGE_MARK)
    lacking = page_by_process(page, saved, folders)
    text = target.path("stemlens.txt")
    _require_ours(text, TEXT_MARK)
    with written(text) as part:
        told = table(document, width=80) + (f"\n\n{lacking}" if lacking else "")
        part.write_bytes(f"{told}\n\n".encode() + TEXT_MARK + f" as job {job}.\n".encode())
    notes = target.path("stemlens.mid")
    _require_ours(notes, MIDI_MARK)
    midi.write(notes, *read_saved(saved))
    whole = target.path("stemlens.json")
    _require_ours(whole, JSON_MARK)
    known = {key: value for key, value in asdict(origin).items() if value}
    jsontext.write(whole, {**document, "watched": {**known, "job": job}})
    if target.error.is_file() and TEXT_MARK in target.error.read_bytes():
        target.error.unlink()


def page_by_process(page: Path, saved: Path, folders: Sequence[Path]) -> str:
    """Has the page of a result made (see `page_process`); a sentence where the process that does so
    died over it, which is no reason to lack the rest. Raises what it raises."""
    try:
        with written(page) as part:
            _have_made(part, saved, folders)
    except _NoPage as error:
        log.error("there is no page of %s: %s", saved, error)
        page.unlink(missing_ok=True)  # or it is that of an earlier result
        return f"There is no {page.name}: the process that makes it {error}."
    return ""


class _NoPage(Exception):
    """What the process did instead."""


def _have_made(page: Path, saved: Path, folders: Sequence[Path]) -> None:
    asked = {"result": str(saved), "page": str(page), "mb": PAGE_MB}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "stemlens.service.watch.page_process"],
            input=json.dumps({**asked, "folders": [str(folder) for folder in folders]}),
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=PAGE_PATIENCE_S,
            start_new_session=sys.platform != "win32",  # a Ctrl-C is for the server alone
        )
    except subprocess.TimeoutExpired as error:
        raise _NoPage(f"took more than {PAGE_PATIENCE_S / 60:.0f} minutes") from error
    if done.returncode == 0:
        return
    if done.stdout.startswith("{"):
        told = json.loads(done.stdout)
        raise StemlensError.told(told["code"], told["message"])
    log.error("%s", done.stderr[-LAST_WORDS:].rstrip())
    raise _NoPage(f"ended with {done.returncode}")


def write_error(target: Target, error: StemlensError) -> None:
    """Says beside the audio why there is no result."""
    _prepare(target)
    _require_ours(target.error, TEXT_MARK)
    with written(target.error) as part:
        told = f"{error.message} [{error.code}]\n\nDelete this file to have it tried again.\n"
        # a name in the sentence may be in no encoding that is known
        part.write_bytes(told.encode(errors="backslashreplace") + TEXT_MARK + b".\n")


def _prepare(target: Target) -> None:
    if target.mirrored:
        try:
            target.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise failed(target.folder, error) from error


def _require_ours(path: Path, mark: bytes) -> None:
    try:
        theirs = path.is_symlink() or (path.exists() and not path.is_file())  # a pipe, a folder
        if theirs or (path.exists() and mark not in path.read_bytes()):
            raise StemlensError(
                "output_failed", f"{path} is not from Stemlens and is left alone; rename it."
            )
    except OSError as error:
        raise failed(path, error) from error
