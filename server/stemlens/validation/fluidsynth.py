"""MIDI as sound: the program FluidSynth and a General MIDI soundfont, found on the user's machine.

Reverb and chorus are off, so that parts rendered one by one add up to parts rendered together (to
−40 dB: FluidSynth plays a voice that it has used before not quite like a new one).
The synthesiser runs at 32 kHz, above what any soundfont's samples would alias into the 8 kHz that
taggers hear, and soxr brings that to 16 kHz. FluidSynth counts time in blocks of 64 samples.

Conventions: what comes out is mono float32 `[samples]` at 16 kHz.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import mido
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.writing import failed, written

PROGRAM = "fluidsynth"
SAMPLE_RATE = 16_000
SYNTH_RATE = 32_000
GAIN = 0.3
PEAK = 0.9  # of what is kept, 16 bits
TIMEOUT_S = 300.0  # a hundred times what a file of some minutes takes
POLL_S = 0.05

FOLDERS = {
    "linux": (
        "/usr/share/sounds/sf2",
        "/usr/share/soundfonts",
        "/usr/local/share/sounds/sf2",
        "/usr/local/share/soundfonts",
        "~/.local/share/sounds/sf2",
        "~/.local/share/soundfonts",
    ),
    "darwin": (
        "/Library/Audio/Sounds/Banks",
        "~/Library/Audio/Sounds/Banks",
        "/opt/homebrew/share/soundfonts",
        "/usr/local/share/soundfonts",
    ),
    "win32": ("C:/soundfonts", "~/soundfonts"),
}
"""Where systems keep soundfonts, by `sys.platform`."""

PREFERRED = ("TimGM6mb.sf2", "FluidR3_GM.sf2")
INSTALL = (
    "Install both: on Debian or Ubuntu 'apt install fluidsynth timgm6mb-soundfont', on macOS 'brew "
    "install fluid-synth', on Windows 'choco install fluidsynth'"
)

Progress = Callable[[float], None]


def program() -> str:
    """The path of FluidSynth. Raises `extra_missing`."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise StemlensError(
            "extra_missing",
            f"This needs the program {PROGRAM} and a General MIDI soundfont. {INSTALL}.",
        )
    return found


@cache
def version(program: str) -> str:
    """What FluidSynth says that it is, "2.3.1". Raises `extra_missing` where it does not run."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StemlensError(
            "extra_missing", f"{program} does not run ({error}). {INSTALL}."
        ) from error
    first: str = done.stdout.splitlines()[0]
    return first.rpartition(" ")[2]


def soundfont(named: Path | None = None) -> Path:
    """The soundfont that the user `named`, or the first that is found in the usual folders.

    Raises `bad_options` for a named one that is none, `extra_missing` where none is found.
    """
    if named is not None:
        if not _is_soundfont(named):
            raise StemlensError(
                "bad_options",
                f"{named} is no soundfont; name a file in the format SF2 or SF3 with the "
                "instruments of General MIDI.",
            )
        return named
    folders = [Path(folder).expanduser() for folder in FOLDERS.get(sys.platform, FOLDERS["linux"])]
    there = [path for folder in folders for path in sorted(folder.glob("*.[sS][fF][23]"))]
    for path in sorted(there, key=lambda path: path.name not in PREFERRED):
        if _is_soundfont(path):
            return path
    raise StemlensError(
        "extra_missing",
        f"There is no soundfont in {', '.join(map(str, folders))}. {INSTALL}, or name one.",
    )


def render(
    midi: mido.MidiFile, soundfont: Path, on_progress: Progress = lambda done: None
) -> NDArray[np.float32]:
    """What the file sounds like, to its last event, at the synthesiser's own level.

    `on_progress` gets the part that is done; what it raises ends FluidSynth. Raises
    `extra_missing`, and `output_failed` where FluidSynth fails.
    """
    with tempfile.TemporaryDirectory(prefix="stemlens-render-") as name:
        score, sound, log = (Path(name) / part for part in ("score.mid", "sound.wav", "log"))
        midi.save(score)
        command = [program(), "-ni", "-q", "-R", "0", "-C", "0", "-g", str(GAIN)]
        command += ["-r", str(SYNTH_RATE), "-T", "wav", "-O", "float", "-F", str(sound)]
        frames = round(midi.length * SYNTH_RATE)
        with log.open("wb") as output:
            child = subprocess.Popen(
                [*command, str(soundfont), str(score)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            _watch(child, sound, frames * 8, on_progress)  # two channels of 4 bytes
        finally:
            child.kill()
            child.wait()
        said = log.read_text(errors="replace").strip().splitlines()
        if child.returncode != 0 or not sound.is_file():
            last = said[-1] if said else f"it ended with code {child.returncode}"
            raise StemlensError(
                "output_failed", f"FluidSynth could not play {soundfont}: {last}. Try another one."
            )
        samples, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    mono = samples[:frames].mean(axis=1, dtype=np.float32)
    mono = np.pad(mono, (0, frames - len(mono)))
    return soxr.resample(mono, SYNTH_RATE, SAMPLE_RATE).astype(np.float32)


def kept(
    midi: mido.MidiFile,
    soundfont: Path,
    folder: Path,
    on_progress: Progress = lambda done: None,
) -> NDArray[np.int16]:
    """What `render` gives, in 16 bits up to `PEAK`; rendered once and kept in `folder`.

    The file's name is the hash of all that the sound depends on. Raises as `render` does,
    `bad_options` where nothing sounds, and `output_failed` or `disk_full`.
    """
    path = folder / f"{_key(midi, soundfont)}.flac"
    if not path.is_file():
        samples = render(midi, soundfont, on_progress)
        peak = float(np.abs(samples).max(initial=0.0))
        if not peak:
            raise StemlensError(
                "bad_options", f"{soundfont} plays nothing; name another soundfont."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise failed(folder, error) from error
        with written(path) as part:
            soundfile.write(
                part, samples * (PEAK / peak), SAMPLE_RATE, subtype="PCM_16", format="FLAC"
            )
    on_progress(1.0)
    pcm: NDArray[np.int16] = soundfile.read(path, dtype="int16")[0]
    return pcm


def _key(midi: mido.MidiFile, soundfont: Path) -> str:
    """Names the notes, the soundfont's content, the synthesiser and its settings."""
    how = f"{version(program())} {GAIN} {SYNTH_RATE} {SAMPLE_RATE} {PEAK} {midi.ticks_per_beat}"
    whole = hashlib.sha256(how.encode() + _content(soundfont, soundfont.stat().st_mtime_ns))
    for track in midi.tracks:
        for message in track:
            whole.update(bytes(message.bytes()) + message.time.to_bytes(4, "little"))
    return whole.hexdigest()[:32]


@cache
def _content(soundfont: Path, changed_ns: int) -> bytes:
    with soundfont.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _is_soundfont(path: Path) -> bool:
    """By its header: FluidSynth takes any file, plays nothing and calls it a success."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head[:4] == b"RIFF" and head[8:] == b"sfbk"


def _watch(child: subprocess.Popen[bytes], sound: Path, size: int, on_progress: Progress) -> None:
    """Waits for the program, and tells how much of its output there is."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        try:
            child.wait(POLL_S)
            return
        except subprocess.TimeoutExpired:
            there = sound.stat().st_size if sound.exists() else 0
            on_progress(min(1.0, there / max(size, 1)))
            if time.monotonic() > until:
                raise StemlensError(
                    "output_failed",
                    f"FluidSynth was not done after {TIMEOUT_S:.0f} s and was stopped; try again.",
                ) from None
