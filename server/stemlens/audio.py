"""Audio on its way in: files become float32 arrays, and arrays are resampled, aligned, measured,
and written.

Conventions: samples are float32 `[frames, channels]`, ±1 full scale (floats may exceed it; nothing
clips); rates are in Hz; levels are in dB, loudness is in LUFS. `read` either returns every sample
of a file or raises one `StemlensError` that names the file: there is no half result.

Decoding is libsndfile's (soundfile), resampling is soxr's, loudness is pyloudnorm's (ITU-R
BS.1770-4).
"""

from __future__ import annotations

import errno
import io
import math
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from stemlens import containers
from stemlens_bridge.errors import StemlensError

Samples = NDArray[np.float32]

MAX_DURATION_S = 3600.0
MIN_RATE, MAX_RATE = 8_000, 192_000
MONO_LOSS_CAP_DB = 120.0
MONO_LOSS_WARN_DB = 3.1
"""Unrelated sides, and a stem on one side only, lose 3.01 dB in mono: beyond that, sides cancel."""
FLOOR_DB = -200.0
"""What stands for minus infinity, which JSON does not know."""

RF64_BYTES = 4_000_000_000  # a WAV file's size has 32 bits

_LENGTH_UNKNOWN = 2**40  # libsndfile counts frames up to 2⁶³ where a header tells no length
_BLOCK = 1 << 18  # frames handled at once where an array of the whole file would be too much


@dataclass(frozen=True, eq=False)
class Clip:
    """An audio file, read.

    `samples` `[frames, channels]`; `time_reference_s` is the Broadcast-WAV start in seconds since
    midnight, None where the file has none.
    """

    path: Path
    samples: Samples
    sample_rate: int
    time_reference_s: float | None

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Header:
    """What a file is, without its samples; `time_reference_s` as in `Clip`."""

    path: Path
    frames: int
    channels: int
    sample_rate: int
    time_reference_s: float | None

    @property
    def duration_s(self) -> float:
        return self.frames / self.sample_rate


@dataclass(frozen=True)
class Residual:
    """What is left of a mix without its stems: mix − gain · polarity · (sum, `lag_s` later).

    `residual_db`: RMS relative to the mix, −200 to 0. `lag_s`: positive when the mix is later than
    the stems. `gain_db`: how much louder the mix is. `polarity`: −1 when it is upside down.
    Lag and gain mean something only when the residual is well below 0.
    """

    residual_db: float
    lag_s: float
    gain_db: float
    polarity: int = 1


# --------------------------------------------------------------------------------- reading files


def probe(path: str | os.PathLike[str], *, max_duration_s: float = MAX_DURATION_S) -> Header:
    """What a file is, by its header; only where that tells no length is the sound decoded.

    Raises `StemlensError` as `read` does, for all that can be told from the header.
    """
    path = Path(path)
    with _opened(path) as (sound, time_reference_s):
        frames = _promised(path, sound, max_duration_s)
        if frames is None:
            frames = len(_decode(path, sound, max_duration_s))
        return Header(path, frames, sound.channels, sound.samplerate, time_reference_s)


def read(path: str | os.PathLike[str], *, max_duration_s: float = MAX_DURATION_S) -> Clip:
    """All samples of a WAV, RF64, W64, AIFF, CAF, FLAC, OGG or MP3 file, at its own rate.

    Raises `StemlensError`: audio_missing, audio_unreadable (no permission, or not a regular file:
    pipes and devices are never opened), audio_empty, audio_not_audio (also for sample rates
    outside 8 to 192 kHz), audio_truncated, audio_too_long (where the header tells, before anything
    is decoded), audio_not_finite.
    """
    path = Path(path)
    with _opened(path) as (sound, time_reference_s):
        samples = _decode(path, sound, max_duration_s)
        rate = sound.samplerate
    finite = np.isfinite(samples).all(axis=1)
    if not finite.all():
        second = int(np.argmin(finite)) / rate
        raise _error(
            "audio_not_finite",
            path,
            f"has a sample that is not a number or infinite at {second:.3f} s: find the plug-in "
            "that made it and export the file again",
        )
    return Clip(path, samples, rate, time_reference_s)


def blocks(
    path: str | os.PathLike[str], *, max_duration_s: float = MAX_DURATION_S
) -> Iterator[Samples]:
    """The samples of a file `[frames, channels]`, some seconds at a time, for what need not be in
    memory whole; whether they are numbers is not looked at. Raises as `read` does, where it comes
    to what is wrong."""
    path = Path(path)
    with _opened(path) as (sound, _):
        left = _promised(path, sound, max_duration_s)
        came = 0
        while left is None or came < left:
            wanted = _BLOCK if left is None else min(_BLOCK, left - came)
            try:
                block: Samples = sound.read(wanted, dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                raise _truncated(path, _reason(error)) from error
            came += len(block)
            if came > max_duration_s * sound.samplerate:
                raise too_long(_name(path), came / sound.samplerate, max_duration_s)
            yield block
            if len(block) < wanted:
                if left is not None:
                    raise _truncated(path, f"{came / sound.samplerate:.2f} s of it are there")
                return


class _View(io.RawIOBase):
    """The file as libsndfile gets to see it, after `containers.inspect` had a look.

    It has no name, so that nobody takes a file for headerless for being called `.raw`.
    """

    def __init__(self, file: io.BufferedReader, container: containers.Container) -> None:
        self._file = file
        self._patches = container.patches
        self._end = file.seek(0, os.SEEK_END)
        self._size = 2**62 if container.hide_size else self._end
        self._position = 0

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        start = self._position
        # What is read near the pretended end (for tags) is what there is near the real one.
        hidden = self._size - self._end
        self._file.seek(start if start <= self._end else max(start - hidden, 0))
        count = self._file.readinto(buffer)
        for position, patch in self._patches:
            for at, byte in enumerate(patch, position - start):
                if 0 <= at < count:
                    buffer[at : at + 1] = bytes([byte])
        self._position = start + count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if origin + offset >= 0:  # to before the start: as in POSIX, it stays where it is
            self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A sound that is read from start to end.

    soundfile seeks after each read of a seekable file; a FLAC of untold length refuses that.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def _opened(path: Path) -> Iterator[tuple[_Forward, float | None]]:
    """The file, open for decoding, and its time reference in s."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        raise _error(
            "audio_missing", path, "does not exist: check the path, or export it again"
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise _error("audio_unreadable", path, f"is {kind}: give the path of an audio file")
    if status.st_size == 0:
        raise _error("audio_empty", path, "is empty (0 bytes): export it again")
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        try:
            container = containers.inspect(file)
        except OSError as error:
            raise _unreadable(path, error) from error
        if container is None:
            raise _error(
                "audio_not_audio",
                path,
                f"is not an audio file that can be read ({containers.FORMATS} can): export it as "
                "WAV or FLAC",
            )
        if container.truncated:
            raise _truncated(path, f"it does not hold what its {container.name} header promises")
        try:
            sound = _Forward(_View(file, container))
        except soundfile.SoundFileError as error:
            raise _error(
                "audio_not_audio",
                path,
                f"looks like {container.name}, but cannot be decoded ({_reason(error)}): export "
                "it as WAV or FLAC",
            ) from error
        with sound:
            if sound.frames == 0:
                raise _no_samples(path)
            if not MIN_RATE <= sound.samplerate <= MAX_RATE:
                raise _error(
                    "audio_not_audio",
                    path,
                    f"has a sample rate of {sound.samplerate} Hz, and only {MIN_RATE} to "
                    f"{MAX_RATE} Hz can be used: export it at 44100 or 48000 Hz",
                )
            if container.name != "MP3" and sound.subtype.startswith("MPEG"):
                raise _error(
                    "audio_not_audio",
                    path,
                    f"holds MP3 sound in a {container.name}, so that its length is a guess: "
                    "export it as WAV or FLAC",
                )
            reference = container.time_reference
            yield sound, None if reference is None else reference / sound.samplerate


def _promised(path: Path, sound: _Forward, max_duration_s: float) -> int | None:
    """How many frames the header promises; None where only decoding would tell."""
    frames = int(sound.frames)
    if frames >= _LENGTH_UNKNOWN:
        return None
    if frames > max_duration_s * sound.samplerate:
        raise too_long(_name(path), frames / sound.samplerate, max_duration_s)
    return frames


def _decode(path: Path, sound: _Forward, max_duration_s: float) -> Samples:
    """Every sample of the file, as many as its header promises."""
    promised = _promised(path, sound, max_duration_s)
    try:
        if promised is None:
            return _decode_to_the_end(path, sound, max_duration_s)
        samples: Samples = sound.read(promised, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise _truncated(path, _reason(error)) from error
    if len(samples) < promised:
        there_s, promised_s = len(samples) / sound.samplerate, promised / sound.samplerate
        raise _truncated(path, f"{there_s:.2f} s of the promised {promised_s:.2f} s are there")
    return samples


def _decode_to_the_end(path: Path, sound: _Forward, max_duration_s: float) -> Samples:
    """Every sample of a file whose header tells no length (FLAC and MP3 from streaming writers)."""
    blocks: list[Samples] = []
    seconds = 0.0
    while not blocks or len(blocks[-1]) == _BLOCK:
        blocks.append(sound.read(_BLOCK, dtype="float32", always_2d=True))
        seconds += len(blocks[-1]) / sound.samplerate
        if seconds > max_duration_s:
            raise too_long(_name(path), seconds, max_duration_s)
    if not seconds:
        raise _no_samples(path)
    return np.concatenate(blocks)


def too_long(what: str, duration_s: float, max_duration_s: float) -> StemlensError:
    """The error for `what` (a file or a session, named) that lasts longer than the limit."""
    return StemlensError(
        "audio_too_long",
        f"{what} lasts at least {duration_s:.0f} s, and the limit is {max_duration_s:g} s: "
        "export a shorter range",
    )


def _error(code: str, path: Path, what: str) -> StemlensError:
    """An error whose message is the file's name and a predicate."""
    return StemlensError(code, f"{_name(path)} {what}")


def _name(path: Path) -> str:
    """The path for a message, which cannot carry the surrogates of a name that is not UTF-8."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def _unreadable(path: Path, error: OSError) -> StemlensError:
    why = (error.strerror or str(error)).lower()
    return _error("audio_unreadable", path, f"cannot be opened ({why}): check its permissions")


def _truncated(path: Path, why: str) -> StemlensError:
    return _error("audio_truncated", path, f"is cut off or damaged ({why}): export it again")


def _no_samples(path: Path) -> StemlensError:
    return _error("audio_empty", path, "has no samples: export it again")


def _reason(error: soundfile.SoundFileError) -> str:
    """libsndfile's own words, without the address of the object that it read from."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".")


# ----------------------------------------------------------------------------- channels and rates


def to_mono(samples: Samples) -> Samples:
    """The mean of the channels: `[frames, channels]` → `[frames]`."""
    mono: Samples = np.einsum("fc->f", samples) / np.float32(samples.shape[1])
    return mono


def to_stereo(samples: Samples) -> Samples:
    """`[frames, channels]` → `[frames, 2]`.

    Mono plays on both sides at unity. More than two channels are folded to their mean on both
    sides: which channel is which differs between file formats, and the taggers hear mono anyway.
    """
    if samples.shape[1] == 2:
        return samples
    return np.repeat(to_mono(samples)[:, np.newaxis], 2, axis=1)


def resample(samples: Samples, from_rate: float, to_rate: float) -> Samples:
    """`[frames]` or `[frames, channels]` at another rate (Hz), without delay.

    soxr's HQ: linear phase, passband to 0.91 of the lower Nyquist frequency. The length is
    frames · to_rate / from_rate, to the nearest. At the same rate the samples come back as are.
    """
    if from_rate == to_rate:
        return samples
    resampled = soxr.resample(samples, from_rate, to_rate, quality="HQ")
    return np.asarray(resampled, dtype=np.float32)


# ------------------------------------------------------------------------------------- alignment


def offsets(time_references_s: Sequence[float | None]) -> list[float]:
    """When each stem starts, in s after the earliest.

    By the Broadcast-WAV time references if all stems have one; otherwise all start together.
    """
    known = [reference for reference in time_references_s if reference is not None]
    if not known or len(known) < len(time_references_s):
        return [0.0] * len(time_references_s)
    return [reference - min(known) for reference in known]


def add_at(place: Samples, waveform: Samples, start: int) -> None:
    """Adds a waveform into `place` (same channels), from frame `start`, which may be negative.

    What lies outside `place` is left out.
    """
    part = waveform[max(-start, 0) : max(len(place) - start, 0)]
    start = max(start, 0)
    place[start : start + len(part)] += part


def play_at(place: Samples, samples: Samples, from_rate: int, to_rate: int, start_s: float) -> None:
    """Adds `samples` at `from_rate` into `place` at `to_rate`, from `start_s`, which may be < 0.

    Right to a fraction of a sample of `place`: silence is put before it at its own rate, so that it
    starts on a whole second, which is a whole sample at both rates.
    """
    second = math.floor(start_s)
    before = round((start_s - second) * from_rate)
    if before:
        samples = np.pad(samples, [(before, 0), *[(0, 0)] * (samples.ndim - 1)])
    add_at(place, resample(samples, from_rate, to_rate), second * to_rate)


# ----------------------------------------------------------------------------------- measurement


def loudness(samples: Samples, rate: int) -> float | None:
    """Integrated loudness of `[frames, channels]` in LUFS (ITU-R BS.1770-4).

    None for silence, and where nothing is louder than the gate at −70 LUFS. A clip shorter than
    one block of 400 ms is measured in one such block, with silence after it, as a meter would
    show it. A mono clip counts once, as in the standard: `to_stereo` first measures it as it
    plays, 3 dB louder. More than two channels are measured folded, as they play here.
    """
    import pyloudnorm  # with all of scipy's statistics behind it: most of a server's start

    if samples.shape[1] > 2:
        samples = to_stereo(samples)
    meter = pyloudnorm.Meter(rate)
    missing = math.ceil(meter.block_size * rate) - len(samples)
    if missing > 0:
        samples = np.pad(samples, [(0, missing), (0, 0)])
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = float(meter.integrated_loudness(samples))
    return measured if math.isfinite(measured) else None


def mono_loss_db(samples: Samples) -> float:
    """What `[frames, channels]` loses when it is heard in mono, in dB ≥ 0.

    10·log₁₀(mean power of the channels / power of their mean): 0 for equal channels and for
    silence, 3.01 for two unrelated sides or one side only, capped at 120 where the sides cancel.
    """
    power = _energy(samples) / samples.shape[1]
    mono_power = _energy(to_mono(samples)[:, np.newaxis])
    if power == 0.0:
        return 0.0
    return min(
        max(_decibels(power / mono_power if mono_power else math.inf), 0.0), MONO_LOSS_CAP_DB
    )


def residual(mix: Samples, stem_sum: Samples, rate: float, *, max_lag_s: float = 2.0) -> Residual:
    """How much of a mix its stems leave unexplained, after the best lag and gain.

    `mix` and `stem_sum` are `[frames, 2]` at `rate`; the shorter counts as silent after its end.
    The lag is a whole number of samples, at most `max_lag_s` and at most a quarter of the length;
    as much at either end is not compared. The gain is the least-squares one; polarity is free.

    Without signal in the mix or in the sum nothing can be fitted: lag and gain are 0, and the
    residual is 0 dB, or −200 where both are silent, which is a perfect null.
    """
    if not mix.any() or not stem_sum.any():
        return Residual(0.0 if mix.any() or stem_sum.any() else FLOOR_DB, 0.0, 0.0)
    frames = max(len(mix), len(stem_sum))
    lag = _lag(mix, stem_sum, min(int(max_lag_s * rate), frames // 4))
    mix_energy = sum_energy = product = rest = 0.0
    for of_mix, of_sum in _overlap(mix, stem_sum, frames, lag):
        mix_energy += _energy(of_mix)
        sum_energy += _energy(of_sum)
        product += _inner(of_mix, of_sum)
    gain = product / sum_energy if sum_energy else 0.0
    for of_mix, of_sum in _overlap(mix, stem_sum, frames, lag):
        rest += _energy(of_mix - gain * of_sum)
    return Residual(
        residual_db=min(_decibels(rest / mix_energy), 0.0) if mix_energy else 0.0,
        lag_s=lag / rate,
        gain_db=_decibels(gain**2),
        polarity=-1 if gain < 0 else 1,
    )


def _lag(mix: Samples, stem_sum: Samples, max_lag: int) -> int:
    """How many frames the mix is later than the sum: the peak of |cross-correlation|.

    The correlation over the whole length is summed up block by block, so that memory stays
    bounded; whole, because loops repeat exactly and only their ends tell one turn from the next.
    """
    frames = max(len(mix), len(stem_sum))
    size = 1 << (min(frames, 6 * max_lag + _BLOCK) + 2 * max_lag).bit_length()
    hop = size - 2 * max_lag
    spectrum = np.zeros(size // 2 + 1, dtype=np.complex128)
    for start in range(0, len(stem_sum), hop):
        of_sum = np.fft.rfft(_lopsided(_window(stem_sum, start, hop)), size)
        of_mix = np.fft.rfft(_lopsided(_window(mix, start - max_lag, size)), size)
        spectrum += of_sum.conj() * of_mix
    correlation = np.fft.irfft(spectrum, size)[: 2 * max_lag + 1]
    return int(np.argmax(np.abs(correlation))) - max_lag


def _lopsided(samples: Samples) -> Samples:
    """`[frames, 2]` → `[frames]`: not the mono mean, in which sides that cancel would vanish."""
    return samples[:, 0] + 0.5 * samples[:, 1]


def _overlap(
    mix: Samples, stem_sum: Samples, frames: int, lag: int
) -> Iterator[tuple[Samples, Samples]]:
    """Blocks of the mix with what of the sum plays at the same time when it is `lag` later.

    The first and the last |lag| frames are left out: there one of the two may have been cut off.
    """
    last = frames - abs(lag)
    for start in range(abs(lag), last, _BLOCK):
        length = min(_BLOCK, last - start)
        yield _window(mix, start, length), _window(stem_sum, start - lag, length)


def _window(samples: Samples, start: int, length: int) -> Samples:
    """`length` frames from `start` (which may be negative), zeros where there are none."""
    part = samples[max(start, 0) : max(start + length, 0)]
    if len(part) == length:
        return part
    before = min(max(-start, 0), length)
    return np.pad(part, [(before, length - before - len(part)), (0, 0)])


def _energy(samples: Samples) -> float:
    return _inner(samples, samples)


def _inner(a: Samples, b: Samples) -> float:
    """Σ a·b over all frames and channels, in float64 without a float64 copy."""
    return float(np.einsum("fc,fc->", a, b, dtype=np.float64))


def _decibels(power_ratio: float) -> float:
    return max(10.0 * math.log10(power_ratio), FLOOR_DB) if power_ratio else FLOOR_DB


def write_float(path: Path, samples: Samples, rate: int) -> None:
    """Writes `[frames, channels]` as a 32-bit float WAV file; raises as `write_blocks` does."""
    write_blocks(path, [samples], len(samples), samples.shape[1], rate)


def write_blocks(
    path: Path,
    blocks: Iterable[Samples],
    frames: int,
    channels: int,
    rate: int,
    subtype: str = "FLOAT",
) -> None:
    """Writes blocks `[some frames, channels]`, of `frames` in all, as a WAV file of float or 16-bit
    samples ("PCM_16"), or as RF64 where that is too small.

    Raises OSError; libsndfile does not tell a full disk from other failures, so that what is free
    is looked at.
    """
    size = frames * channels * (4 if subtype == "FLOAT" else 2)
    form = "RF64" if size > RF64_BYTES else "WAV"
    try:
        with soundfile.SoundFile(path, "w", rate, channels, subtype, format=form) as file:
            for block in blocks:
                file.write(block)
    except soundfile.LibsndfileError as error:
        full = shutil.disk_usage(path.parent).free < size
        code = errno.ENOSPC if full else errno.EIO
        raise OSError(code, str(error)) from error
