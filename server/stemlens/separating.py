"""Sessions that lack stems get them: a lone mix is separated, and on request also what a mix has
beyond its stems.

What was made is kept as 32-bit float WAV files, with a `session.json` beside them, in a folder
named by the mix's content and the model's identity. It is made once, it is a session of its own for
whoever wants to go on with it, and edits are rendered from its files. The folder takes up to
`MAX_BYTES`; what was used least lately goes first.

A session with stems of its own passes untouched, and Demucs is not even imported.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from stemlens import audio, separation
from stemlens import mix as mixes
from stemlens.audio import MAX_DURATION_S, Samples
from stemlens.separation import Separator
from stemlens.separation.trust import Trust, assess
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.folders import cache_folder
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import FILE_NAME, Session, Stem
from stemlens_bridge.writing import failed

MAX_BYTES = 8 << 30
SILENT_DB = -50.0
"""A stem is silent whose loudest 0.4 s lie that far under the mix's loudest 0.4 s: what a network
leaves where there is nothing of its kind (an instrumental has no vocals) lies lower still."""
LOUDEST_S = 0.4
_BEXT_BYTES, _BEXT_REFERENCE = 602, 338  # EBU Tech 3285, version 1

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Separated:
    """A session with all its stems, the options that it is to be analysed with, and what to tell.

    warnings: (code, sentence).
    """

    session: Session
    options: Options
    warnings: tuple[tuple[str, str], ...] = ()


def default_folder() -> Path:
    """Where separated stems are kept: the user's cache, or what `STEMLENS_SEPARATED` names."""
    named = os.environ.get("STEMLENS_SEPARATED")
    return Path(named) if named else cache_folder() / "separated"


def with_stems(
    session: Session,
    options: Options,
    device: str = "auto",
    on_progress: Progress = lambda stage, fraction: None,
    *,
    folder: Path | None = None,
    max_duration_s: float = MAX_DURATION_S,
) -> Separated:
    """The session with the stems that the options want separated; without any, as it came.

    Raises the errors of `audio.read` and `separation.load`, `session_invalid` where a lone mix is
    not to be separated, `nothing_to_analyse` for a silent one, `disk_full`, `output_failed`.
    """
    kept = folder or default_folder()
    if session.stems and options.separate == "rest":
        return _with_rest(session, options, device, on_progress, kept, max_duration_s)
    if session.stems:
        treated = session.source == "multitrack" or options.master == "rest"
        return Separated(session, options if treated else replace(options, master="off"))
    if options.separate == "off" or session.mix is None:
        raise StemlensError(
            "session_invalid",
            f"The session {session.project} is only a mix, and separate is off. Hand over stems, "
            "or set separate to auto.",
        )
    audio.probe(session.mix, max_duration_s=max_duration_s)  # before a model is fetched
    clip = audio.read(session.mix, max_duration_s=max_duration_s)
    stems = stems_of(clip.samples, clip.sample_rate, options.separator, device, kept, on_progress)
    told = (
        "separated",
        f"The stems were made out of the mix by {options.separator}: shares explain what it takes "
        "for drums, bass and so on. Real stems say more.",
    )
    master = options.master if options.master == "rest" else "off"
    return Separated(replace(session, stems=stems), replace(options, master=master), (told,))


def stems_of(
    samples: Samples,
    rate: int,
    separator: str,
    device: str,
    folder: Path,
    on_progress: Progress,
    time_reference_s: float | None = None,
) -> tuple[Stem, ...]:
    """The stems of a mix `[frames, channels]` by the separator of that name, from `folder` where
    they were made before, silent ones left out.

    `time_reference_s` is written into the files, for stems beside others that have one.
    """
    if not samples.any():
        raise StemlensError(
            "nothing_to_analyse", "The mix is silent, so there is nothing to separate: bounce it."
        )
    place = folder / _key(samples, rate, separation.identity(separator), time_reference_s)
    if not (place / FILE_NAME).is_file():
        on_progress("loading the separator", 0.0)
        loaded = separation.load(separator, device)
        made = separate(loaded, samples, rate, lambda done: on_progress("separating", done))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as part:
                looking = partial(on_progress, "looking for traces")
                trusts = assess(samples, made, rate, looking)
                write(Path(part) / "whole", made, rate, separator, trusts, time_reference_s)
                _move(Path(part) / "whole", place)
            _make_room(folder, place)
        except OSError as error:
            raise failed(folder, error) from error
    os.utime(place)
    return Session.read(place).stems


def separate(
    separator: Separator, samples: Samples, rate: int, on_progress: Callable[[float], None]
) -> dict[str, Samples]:
    """The stems of a mix that sound, by name; raises `separation_failed` where none does."""
    made = drop_silent(separator.separate(samples, rate, on_progress), samples, rate)
    if not made:
        raise StemlensError(
            "separation_failed",
            f"{separator.name} finds nothing in this mix. Try another model (--model).",
        )
    return made


def drop_silent(stems: Mapping[str, Samples], mix: Samples, rate: int) -> dict[str, Samples]:
    """The stems that sound beside their mix (see `SILENT_DB`)."""
    least = _loudest(mix, rate) * 10 ** (SILENT_DB / 20)
    return {name: stem for name, stem in stems.items() if _loudest(stem, rate) > least}


def write(
    folder: Path,
    stems: Mapping[str, Samples],
    rate: int,
    separator: str,
    trusts: Sequence[Trust],
    time_reference_s: float | None = None,
    *,
    project: str = "separated",
    mix: Path | None = None,
) -> Session:
    """Writes stems as 32-bit float WAV files and a `session.json`, which comes last; returns the
    session. `trusts`: how far each may be believed, in their order. Raises `disk_full`,
    `output_failed`."""
    session = Session(
        project=project,
        daw="files",
        stems=tuple(
            Stem(
                id=name,
                name=name,
                path=folder / f"{file_name(name)}.wav",
                facts={"separator": separator, "trust": trust.value, "doubt": trust.reason},
            )
            for name, trust in zip(stems, trusts, strict=True)
        ),
        mix=mix,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stem, samples in zip(session.stems, stems.values(), strict=True):
            write_wav(stem.path, samples, rate, time_reference_s)
    except OSError as error:
        raise failed(folder, error) from error
    session.write(folder / FILE_NAME, beside=True)
    return session


def file_name(name: str) -> str:
    """A stem's name as the name of a file, on any system."""
    return re.sub(r"[^\w .()+-]", "_", name).strip(" .") or "stem"


def write_wav(
    path: Path, samples: Samples, rate: int, time_reference_s: float | None = None
) -> None:
    """Writes `[frames, channels]` as a 32-bit float WAV file (RF64 where that is too small), the
    time reference in a Broadcast-WAV chunk."""
    large = samples.nbytes > audio.RF64_BYTES
    audio.write_float(path, samples, rate)
    if time_reference_s is None or large:
        return
    content = bytearray(_BEXT_BYTES)
    content[_BEXT_REFERENCE : _BEXT_REFERENCE + 8] = round(time_reference_s * rate).to_bytes(
        8, "little"
    )
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.write(b"bext" + _BEXT_BYTES.to_bytes(4, "little") + content)
        file.seek(4)
        file.write((end + _BEXT_BYTES).to_bytes(4, "little"))  # all but the first eight bytes


# ----------------------------------------------------------------------------------- the rest


def _with_rest(
    session: Session,
    options: Options,
    device: str,
    on_progress: Progress,
    folder: Path,
    max_duration_s: float,
) -> Separated:
    """A session whose mix has more than its stems, with the parts of that as stems of their own."""
    if session.mix is None:
        why = "separate is rest, but the session has no mix to take a rest from: bounce the master"
        return Separated(session, options, (("rest_without_mix", f"{why} too."),))
    clip = audio.read(session.mix, max_duration_s=max_duration_s)
    total, rate, references = _sum(session, max_duration_s)
    origin = audio.offsets([*references, clip.time_reference_s])
    late_s = origin[-1] - min(origin[:-1])
    bounce = mixes.placed(clip, late_s, total, rate, len(total), rate)
    treatment = mixes.treatment("rest", bounce, audio.to_mono(total), rate)
    if treatment.kind != "rest":
        why = f"The mix has nothing beyond the stems to separate ({treatment.reason})."
        return Separated(session, options, (("no_rest", why),))
    left = mixes.rest(bounce.stereo, total, bounce.covered, treatment.gain)
    known = [reference for reference in references if reference is not None]
    start_s = min(known) if len(known) == len(references) else None
    parts = stems_of(left, rate, options.separator, device, folder, on_progress, start_s)
    taken = {stem.id for stem in session.stems}
    extra = tuple(
        replace(part, id=_free(f"rest-{part.id}", taken), name=f"rest: {part.name}", kind="rest")
        for part in parts
    )
    told = (
        "rest_separated",
        f"The mix has more than the stems ({treatment.before_db:.0f} dB): {options.separator} made "
        f"{len(extra)} stems of that, and the master bus plays no other part.",
    )
    return Separated(
        replace(session, stems=(*session.stems, *extra)), replace(options, master="off"), (told,)
    )


def _sum(session: Session, max_duration_s: float) -> tuple[Samples, int, list[float | None]]:
    """The stems at their gains together, `[frames, 2]` from the start of the first, the session's
    rate, and their files' time references."""
    headers = [audio.probe(stem.path, max_duration_s=max_duration_s) for stem in session.stems]
    references = [header.time_reference_s for header in headers]
    offsets = audio.offsets(references)
    rate = Counter(header.sample_rate for header in headers).most_common(1)[0][0]
    ends = [at + header.duration_s for at, header in zip(offsets, headers, strict=True)]
    if max(ends) > max_duration_s:
        raise audio.too_long(f"the session {session.project}", max(ends), max_duration_s)
    total = np.zeros((math.ceil(max(ends) * rate), 2), dtype=np.float32)
    for stem, at in zip(session.stems, offsets, strict=True):
        clip = audio.read(stem.path, max_duration_s=max_duration_s)
        gain = np.float32(10 ** (stem.gain_db / 20))
        audio.play_at(total, audio.to_stereo(clip.samples) * gain, clip.sample_rate, rate, at)
    return total, rate, references


def _free(own: str, taken: Iterable[str]) -> str:
    return own if own not in taken else _free(f"{own}-2", taken)


# ------------------------------------------------------------------------------------ keeping


def _key(samples: Samples, rate: int, identity: str, time_reference_s: float | None) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    hashed.update(f"{samples.shape} {rate} {time_reference_s} {identity}".encode())
    hashed.update(np.ascontiguousarray(samples).data)
    return hashed.hexdigest()


def _move(made: Path, place: Path) -> None:
    """Puts a finished folder into its place, where another process may have been faster."""
    try:
        os.rename(made, place)
    except OSError:
        if not (place / FILE_NAME).is_file():
            raise


def _make_room(folder: Path, latest: Path) -> None:
    """Deletes what was used least lately, until the rest fits; never the latest."""
    sizes = {
        place: sum(file.stat().st_size for file in place.iterdir())
        for place in folder.iterdir()
        if (place / FILE_NAME).is_file()
    }
    for place in sorted(sizes, key=lambda place: place.stat().st_mtime):
        if sum(sizes.values()) <= MAX_BYTES:
            return
        if place != latest:
            del sizes[place]
            shutil.rmtree(place)


def _loudest(samples: Samples, rate: int) -> float:
    """The RMS of the loudest `LOUDEST_S`."""
    step = max(round(LOUDEST_S * rate), 1)
    energy = np.einsum("fc,fc->f", samples, samples, dtype=np.float64) / samples.shape[1]
    blocks = np.add.reduceat(energy, range(0, len(energy), step))
    return float(np.sqrt(blocks.max() / min(step, len(energy))))
