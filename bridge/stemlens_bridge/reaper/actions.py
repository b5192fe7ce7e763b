"""How REAPER knows that a script is an action: the lines of its file `reaper-kb.ini`.

A script of the main section is a line

    SCR 4 0 RS<hash> "Custom: <file name>" <path below Scripts, in quotes if it has spaces>

where the hash is the SHA-1 of that path in capitals with forward slashes, as 40 hex digits. (Found
by comparing the lines that REAPER itself wrote into files that their owners made public, on Windows
and macOS, for versions 6 and 7.) REAPER reads the file when it starts and writes it when actions or
shortcuts change, so it may only be touched while REAPER does not run. All other lines and the line
ends stay as they are.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

FILE_NAME = "reaper-kb.ini"
BACKUP_NAME = "reaper-kb.ini.before-stemlens"


def line(script: PurePosixPath) -> str:
    """The line for a script, whose path is given below the folder Scripts."""
    text = script.as_posix()
    own = hashlib.sha1(text.upper().encode(), usedforsecurity=False).hexdigest()
    quoted = f'"{text}"' if " " in text else text
    return f'SCR 4 0 RS{own} "Custom: {script.name}" {quoted}'


def added(content: bytes, lines: Sequence[str]) -> bytes:
    """The file's content with those of `lines` at its end that it lacks."""
    end = b"\r\n" if b"\r\n" in content else b"\n"
    present = _own_ids(content)
    new = [text.encode() for text in lines if _own_id(text.encode()) not in present]
    if not new:
        return content
    gap = b"" if not content or content.endswith(b"\n") else end
    return content + gap + b"".join(text + end for text in new)


def removed(content: bytes, lines: Sequence[str]) -> bytes:
    """The file's content without `lines`, whatever REAPER has made of their wording."""
    ours = {_own_id(text.encode()) for text in lines}
    kept = [text for text in content.splitlines(keepends=True) if _own_id(text) not in ours]
    return b"".join(kept)


def _own_ids(content: bytes) -> set[bytes]:
    return {own for text in content.splitlines() if (own := _own_id(text))}


def _own_id(text: bytes) -> bytes:
    """The id in a line of a script; empty for any other line."""
    parts = text.split(maxsplit=4)
    return parts[3].strip(b'"') if len(parts) > 3 and parts[0] == b"SCR" else b""


def reaper_runs() -> bool:
    """Whether any REAPER runs on this machine; yes where that cannot be found out."""
    if sys.platform.startswith("linux"):
        names = _linux_processes()
        return not names or any(name.startswith("reaper") for name in names)
    ask = ["tasklist", "/NH"] if sys.platform == "win32" else ["ps", "-A", "-o", "comm"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, errors="replace", timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return True
    programs = [text.replace("\\", "/").split("/")[-1] for text in done.stdout.splitlines()]
    return done.returncode != 0 or any(name.lower().startswith("reaper") for name in programs)


def _linux_processes() -> list[str]:
    names = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):  # it has ended meanwhile
            names.append(path.read_text(errors="replace").lower())
    return names
