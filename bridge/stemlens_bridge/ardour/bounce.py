"""Bounces the stems of an Ardour session, and its mix, into a folder of WAV files.

All stems come out of one export (see `snapshot`), after fader and pan, 32-bit float at the
session's rate, as long as the session's range; the mix is the session's own export with the
master's effects off, so that the stems must add up to it. Stems that turn out to be silence are
left out. Bounces lie in the user's cache, the newest `KEPT` of each session.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemlens_bridge import routing
from stemlens_bridge.ardour import program, snapshot, wave64
from stemlens_bridge.ardour.session_file import SessionFile
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.folders import cache_folder
from stemlens_bridge.protocol import MAX_TEXT
from stemlens_bridge.session import FILE_NAME, Session, Stem, require_text

KEPT = 3
STEMS_AT_ONCE = 64
MARGIN_BYTES = 64 << 20
_FORBIDDEN = re.compile(r"[^\w .()-]+")

OnProgress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a bounce will be, for the user to see before it begins."""

    session: SessionFile
    cut: routing.Cut
    warnings: tuple[str, ...]

    @property
    def frames(self) -> int:
        """How long each stem will be, in samples."""
        return round((self.session.end_s - self.session.start_s) * self.session.rate)

    @property
    def stem_bytes(self) -> int:
        """How large one stem will be."""
        return self.frames * len(self.session.master.inputs) * 4

    def told(self) -> str:
        """The plan in words: stems, what is left out and why, length and size."""
        minutes, seconds = divmod(round(self.session.end_s - self.session.start_s), 60)
        gigabytes = self.stem_bytes * (len(self.cut.stems) + 1) / 1e9
        size = f"{minutes}:{seconds:02} min each, {gigabytes:.2g} GB with the mix"
        return ". ".join([self.cut.told(), size, *self.warnings]) + "."


@dataclass(frozen=True, slots=True)
class Bounce:
    """A finished bounce: the session to be analysed, and what was found silent."""

    session: Session
    folder: Path
    warnings: tuple[str, ...]


def plan(session: SessionFile, choices: Mapping[str, str] | None = None) -> Plan:
    """Which routes of a session are stems; `choices` as for `routing.cut`.

    Raises `nothing_to_analyse`, `project_invalid`, `session_invalid`.
    """
    width = len(session.master.inputs)
    if width not in (1, 2):
        raise StemlensError(
            "project_invalid",
            f"The master bus of {session.snapshot} has {width} channels; Stemlens bounces mono "
            "and stereo masters.",
        )
    if session.end_s <= session.start_s:
        raise StemlensError(
            "nothing_to_analyse",
            f"{session.snapshot} has no session range: its start and end markers are not set. Set "
            "them in Ardour and save the session.",
        )
    found = routing.cut(session.tracks(), choices)
    if not found.stems:
        raise StemlensError(
            "nothing_to_analyse", f"No track of {session.snapshot} sounds: {found.told()}."
        )
    soloed = [route.name for route in session.mixed if route.soloed]
    warnings = []
    if session.missing:
        warnings.append(f"Files are missing and will be silence: {', '.join(session.missing)}")
    if soloed:
        warnings.append(f"The solo of {', '.join(soloed)} is left out of the bounce")
    if session.master.automated or abs(session.master.fader_db) > routing.UNITY_DB:
        warnings.append("The master's fader and its automation are left out of the bounce")
    planned = Plan(session, found, tuple(warnings))
    for stem in found.stems:
        require_text(stem.name, MAX_TEXT)
    if planned.stem_bytes > wave64.MAX_WAV_BYTES:
        raise StemlensError(
            "project_invalid",
            f"The range of {session.snapshot} is so long that a stem would be larger than a WAV "
            "file can be (4 GB). Make the session range shorter.",
        )
    return planned


def bounce(
    planned: Plan,
    folder: Path,
    ardour: str,
    on_progress: OnProgress = lambda stage, fraction: None,
) -> Bounce:
    """Bounces what was planned into `folder`, which is made; on failure it is removed again.

    `ardour` is the headless program. Raises `disk_full`, `bounce_failed`, `nothing_to_analyse`,
    `output_failed`.
    """
    stems = planned.cut.stems
    most = min(len(stems), STEMS_AT_ONCE)
    _require_space(folder, planned.stem_bytes * (len(stems) + most + 2) + MARGIN_BYTES)
    try:
        folder.mkdir(parents=True)
        try:
            with tempfile.TemporaryDirectory(prefix="bouncing-", dir=folder) as work:
                return _bounced(planned, folder, Path(work), ardour, on_progress)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise StemlensError(
            "output_failed", f"The bounce in {folder} cannot be written: {error.strerror}."
        ) from error


def _bounced(
    planned: Plan, folder: Path, work: Path, ardour: str, on_progress: OnProgress
) -> Bounce:
    session, stems = planned.session, planned.cut.stems
    names = _file_names([stem.name for stem in stems])
    parts: list[wave64.Part] = []
    for first in range(0, len(stems), STEMS_AT_ONCE):
        batch = slice(first, first + STEMS_AT_ONCE)
        own = [stem.id for stem in stems[batch]]
        targets = [folder / name for name in names[batch]]
        parts += _exported(planned, f"stems{first}", targets, work, ardour, on_progress, own)
    mix = _exported(planned, "mix", [folder / "mix.wav"], work, ardour, on_progress)[0]
    heard = [(stem, part) for stem, part in zip(stems, parts, strict=True) if not part.silent]
    if not heard:
        raise StemlensError(
            "nothing_to_analyse", f"Every track of {session.snapshot} is silent from start to end."
        )
    for part in parts:
        if part.silent:
            part.path.unlink()
    result = Session(
        project=session.snapshot,
        daw="Ardour",
        stems=tuple(_stem(stem, part.path) for stem, part in heard),
        mix=mix.path,
        start_s=session.start_s,
        tempo=session.tempo,
        mix_bypassed=True,
    )
    result.write(folder / FILE_NAME)
    return Bounce(result, folder, tuple(_told(planned, parts)))


def _told(planned: Plan, parts: list[wave64.Part]) -> list[str]:
    """What should be known of the stems that came out."""
    names = [stem.name for stem in planned.cut.stems]
    told = []
    silent = [name for name, part in zip(names, parts, strict=True) if part.silent]
    if silent:
        told.append(f"Left out, because nothing is heard of them: {', '.join(silent)}.")
    alike: dict[str, list[str]] = {}
    for name, part in zip(names, parts, strict=True):
        if not part.silent:
            alike.setdefault(part.fingerprint, []).append(name)
    told += [
        f"{' and '.join(same)} sound exactly the same." for same in alike.values() if len(same) > 1
    ]
    return told


def _exported(
    planned: Plan,
    name: str,
    targets: list[Path],
    work: Path,
    ardour: str,
    on_progress: OnProgress,
    stems: Sequence[str] = (),
) -> list[wave64.Part]:
    """What reaches the master or, with `stems`, what each of them gives to it, a file each."""
    session = planned.session
    width = len(session.master.inputs)
    what = "bouncing the stems" if stems else "bouncing the mix"
    on_progress(what, 0.0)
    own = snapshot.copy(session, work / name, stems)
    exported = work / f"{name}.w64"
    start = round(session.start_s * session.rate)
    try:
        program.export(
            ardour,
            own,
            session.snapshot,
            (start, start + planned.frames),
            exported,
            planned.stem_bytes * len(targets),
            lambda fraction: on_progress(what, 0.9 * fraction),
        )
    except StemlensError:
        _require_space(work, MARGIN_BYTES)  # whatever Ardour says when the disk is full
        raise
    try:
        frames = wave64.layout(exported).frames
        if frames != planned.frames:
            raise ValueError(f"it has {frames} samples instead of {planned.frames}")
        parts = wave64.split(
            exported,
            width,
            targets,
            lambda fraction: on_progress(what, 0.9 + 0.1 * fraction),
        )
    except (ValueError, EOFError, FileNotFoundError) as error:
        raise StemlensError(
            "bounce_failed", f"What Ardour exported cannot be used: {error}."
        ) from error
    exported.unlink()
    shutil.rmtree(work / name)
    return parts


def _stem(stem: routing.CutStem, path: Path) -> Stem:
    return Stem(
        id=stem.id,
        name=stem.name,
        path=path,
        kind=stem.kind,
        group=stem.group,
        facts={
            "fader_db": stem.fader_db,
            "pan": stem.pan,
            "sidechains": list(stem.sidechains),
            "feeds": list(stem.feeds),
            "inside": list(stem.inside),
        },
    )


def _file_names(names: list[str]) -> list[str]:
    """A file name for each stem: its place and its name."""
    return [f"{place:02} {_plain(name)}.wav" for place, name in enumerate(names, 1)]


def _plain(name: str) -> str:
    """A name in characters that every system takes, and not too many bytes of them."""
    return _FORBIDDEN.sub("_", name).strip(" .").encode()[:160].decode(errors="ignore")


def _require_space(folder: Path, needed: int) -> None:
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise StemlensError(
            "disk_full",
            f"The bounce needs {needed / 1e9:.1f} GB in {place}, and {free / 1e9:.1f} GB are free. "
            "Make room, or name another folder with --bounce-folder.",
        )


def new_folder(session: SessionFile) -> Path:
    """A folder for the next bounce of a session, in the user's cache; older ones beyond `KEPT` are
    removed."""
    mark = hashlib.blake2b(str(session.path).encode(), digest_size=4).hexdigest()
    own = cache_folder() / "ardour" / f"{_plain(session.snapshot)}-{mark}"
    if own.is_dir():
        former = sorted(path for path in own.iterdir() if path.is_dir())
        for path in former[: max(0, len(former) - KEPT + 1)]:
            shutil.rmtree(path, ignore_errors=True)
    return own / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
