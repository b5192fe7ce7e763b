"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stemlens_bridge.errors import StemlensError

FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path to write to; it becomes `path` when the block ends well, and is gone when it does not.

    A link is followed, and what is no file (a terminal, a pipe) is written to directly. Raises
    `disk_full`, or `output_failed` with the system's reason.
    """
    part = None
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            yield target
            return
        part = _beside(target)
        yield part
        part.replace(target)
    except (OSError, ValueError) as error:
        raise failed(path, error) from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def require_writable(*paths: Path | None) -> None:
    """Raises `output_failed` for a path that could not be written, and says what to do; to be asked
    before long work."""
    for path in paths:
        if path is None:
            continue
        try:
            if path.is_dir():
                raise IsADirectoryError(None, "it is a folder; name a file in it")
            if path.exists():
                if not os.access(path, os.W_OK):
                    raise PermissionError(None, "it may not be changed; choose another name")
                continue
            target = Path(os.path.realpath(path))
            _require_into(target.parent)
            if not target.parent.exists():
                raise FileNotFoundError(
                    None, f"there is no folder {target.parent}; make it, or choose another"
                )
            part = _beside(target)
            part.touch()
            part.unlink()
        except (OSError, ValueError) as error:
            raise failed(path, error) from error


def require_folder(folder: Path) -> None:
    """Raises `output_failed` for a folder in which nothing could be written, or that could not be
    made, and says what to do; to be asked before long work. Nothing is made."""
    try:
        _require_into(folder.absolute())
    except (OSError, ValueError) as error:
        raise failed(folder, error) from error


def _require_into(folder: Path) -> None:
    """Raises OSError, with a reason for people, where nothing could be written into an absolute
    folder, or into the nearest above it that is there."""
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(None, f"{folder} is a file and no folder; choose another")
    if not os.access(folder, os.W_OK):
        raise PermissionError(None, f"nothing may be written into {folder}; choose another folder")


def require_copy(source: Path, target: Path, *, replace: bool) -> None:
    """Raises `output_failed` where a copy, `target`, is its own `source`, by whatever path or link,
    or exists and is not to be replaced."""
    if not os.path.lexists(target):
        return
    try:
        same = source.exists() and target.exists() and os.path.samefile(source, target)
    except OSError as error:
        raise StemlensError("output_failed", f"{target} cannot be read: {error}.") from error
    if same:
        raise StemlensError(
            "output_failed",
            f"{target} is the project itself, which is never changed; give the copy another name.",
        )
    if not replace:
        raise StemlensError(
            "output_failed", f"{target} exists already; give another name, or --replace it."
        )


def _beside(target: Path) -> Path:
    """A name beside `target` that nobody else uses."""
    return target.with_name(f".{target.name[:50]}.{os.getpid()}.part")


def failed(path: Path, error: BaseException) -> StemlensError:
    """The sentence for what could not be written: `disk_full` or `output_failed`."""
    if isinstance(error, OSError) and error.errno in FULL:
        return StemlensError(
            "disk_full", f"{path} cannot be written: the disk is full. Make room and try again."
        )
    reason = getattr(error, "strerror", None) or error
    return StemlensError("output_failed", f"{path} cannot be written: {reason}.")


def plain_name(name: str) -> str:
    """A name, or what is left of it, that every file system takes."""
    kept = "".join(c if c.isalnum() or c in " -_" else "-" for c in name).strip()
    return kept[:60] or "unnamed"
