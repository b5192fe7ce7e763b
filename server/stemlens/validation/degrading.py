"""Known stems made worse in graded ways, as separators make them worse.

What a separator takes from one stem it gives to another, so that the stems still add up to the mix:
leaks, holes and masks keep the sum. MP3 and noise do not. Sounds are float32 `[frames, channels]`;
every change is of one stem, `victim`, but that of masks, which is of all stems at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pedalboard import MP3Compressor
from pedalboard._pedalboard import Pedalboard
from scipy.ndimage import uniform_filter
from scipy.signal import istft, stft

from stemlens.validation.leakage import leaking

Sound = NDArray[np.float32]
Stems = dict[str, Sound]
Degrade = Callable[[Stems, str, str, float, int], Stems]

FRAME = 4096  # as Demucs has it at 44.1 kHz


def leak(stems: Stems, victim: str, other: str, db: float, rate: int) -> Stems:
    """Moves part of another stem, `db` below that stem, into the victim."""
    parts = np.array([[0.0, 10 ** (db / 20)], [0.0, 0.0]])
    own, lacking = leaking(np.stack([stems[victim], stems[other]]), parts)
    return stems | {victim: own, other: lacking}


def holes(stems: Stems, victim: str, other: str, percent: float, rate: int) -> Stems:
    """Moves random cells of the victim's spectrogram into another stem."""
    spectra = _spectra(stems[victim])
    gone = np.random.RandomState(0).random_sample(spectra.shape[1:]) < percent / 100
    moved = _sound(spectra * gone, len(stems[victim]))
    return stems | {victim: stems[victim] - moved, other: stems[other] + moved}


def mp3(stems: Stems, victim: str, other: str, quality: float, rate: int) -> Stems:
    """The victim after MP3 of a variable bit rate: 0 is the best quality, 9.5 the worst."""
    board = Pedalboard([MP3Compressor(vbr_quality=quality)])
    return stems | {victim: np.asarray(board(stems[victim].T, rate), dtype=np.float32).T}


def noise(stems: Stems, victim: str, other: str, db: float, rate: int) -> Stems:
    """White noise, `db` below the victim's RMS, in its second half, which is silent before that."""
    sound = stems[victim].copy()
    half = len(sound) // 2
    level = np.sqrt(np.mean(np.square(sound))) * 10 ** (db / 20)
    sound[half:] = level * np.random.RandomState(0).standard_normal(sound[half:].shape)
    return stems | {victim: sound}


def masks(stems: Stems, victim: str, other: str, reach: float, rate: int) -> Stems:
    """All stems as the mix times masks of their true powers, smeared over `reach` frames and bins;
    at 1 frame this is the best that masks can do."""
    mix = np.sum(list(stems.values()), axis=0)
    whole = _spectra(mix)
    size = (1, int(reach), int(reach))
    powers = [uniform_filter(np.abs(_spectra(s)) ** 2, size) for s in stems.values()]
    total = np.sum(powers, axis=0) + 1e-12
    return {
        name: _sound(whole * power / total, len(mix))
        for name, power in zip(stems, powers, strict=True)
    }


KINDS: dict[str, tuple[Degrade, str, tuple[float, ...]]] = {
    "leak": (leak, "dB", (-30, -24, -18, -12, -6)),
    "holes": (holes, "%", (5, 10, 20, 40, 60)),
    "MP3": (mp3, "VBR quality", (0, 2, 5, 7, 9.5)),
    "noise in silence": (noise, "dB", (-60, -50, -40, -30, -20)),
    "masks": (masks, "frames", (1, 5, 15, 45, 135)),
}
"""The ways: what does it, the unit of its grades, and the grades, the mildest first."""


def _spectra(sound: Sound) -> NDArray[np.complex64]:
    spectra: NDArray[np.complex64] = stft(sound.T, nperseg=FRAME, noverlap=3 * FRAME // 4)[2]
    return spectra


def _sound(spectra: NDArray[np.complexfloating], frames: int) -> Sound:
    sound = istft(spectra, nperseg=FRAME, noverlap=3 * FRAME // 4)[1]
    return np.asarray(sound[:, :frames].T, dtype=np.float32)
