"""Zips of sessions, unpacked into the data folder: audio files and `session.json`, nothing else.

What the zip says of itself is not believed: names may not lead out of the folder, links are
refused, and bytes are counted as they come.
"""

from __future__ import annotations

import os
import shutil
import stat
import threading
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from stemlens.service.watch.candidates import may_belong
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.writing import failed

MAX_FILES = 2_000
MAX_BYTES = 50_000_000_000
MAX_RATIO = 200  # PCM of digital silence packs by more, music never
SMALL = 100_000_000  # bytes up to which the ratio does not matter
SPARE_BYTES = 1_000_000_000
BLOCK = 1 << 20


def unpack(archive: Path, folder: Path, stop: threading.Event) -> None:
    """Unpacks into `folder`, whole or not at all; does nothing where that is there already.

    Raises `session_invalid` for what is no zip or a dangerous one, `disk_full`, `output_failed`,
    and `cancelled` soon after `stop` is set.
    """
    try:
        os.utime(folder)  # it is used, and therefore not cleared
        return
    except FileNotFoundError:
        pass
    except OSError as error:
        raise failed(folder, error) from error
    part = folder.with_name(f"{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of a server that was killed
        part.mkdir(parents=True)
        with zipfile.ZipFile(archive) as opened:
            _unpack(opened, archive, part, stop)
        part.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise _refused(archive, f"it cannot be unpacked ({error})") from error
    except OSError as error:
        raise failed(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unpack(opened: zipfile.ZipFile, archive: Path, into: Path, stop: threading.Event) -> None:
    chosen = []
    for info in opened.infolist():
        name = PurePosixPath(info.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in info.filename:
            raise _refused(archive, f"{info.filename!r} leads out of its folder")
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
        if info.is_dir() or hidden or not may_belong(name.name) or name.suffix.lower() == ".zip":
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _refused(archive, f"{info.filename!r} is a link")
        chosen.append((info, into / name))
    if len(chosen) > MAX_FILES:
        raise _refused(archive, f"it has {len(chosen)} audio files, more than {MAX_FILES}")
    room = min(MAX_BYTES, shutil.disk_usage(into).free - SPARE_BYTES)
    if sum(info.file_size for info, _ in chosen) > room:
        raise StemlensError(
            "disk_full", f"{archive} unpacks to more than there is room for in {into.parent}."
        )
    packed = max(archive.stat().st_size, 1)
    total = 0
    for info, path in chosen:
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(info) as source, path.open("xb") as target:
            while block := source.read(BLOCK):
                total += len(block)
                if total > room or (total > SMALL and total > MAX_RATIO * packed):
                    raise _refused(archive, "it unpacks to far more than audio does")
                if stop.is_set():
                    raise StemlensError("cancelled", "The server stops.")
                target.write(block)
        os.chmod(path, 0o600)


def _refused(archive: Path, why: str) -> StemlensError:
    return StemlensError(
        "session_invalid", f"{archive} is not taken: {why}. Unpack it into a folder instead."
    )
