"""The linear half of taggers that begin with a mel power spectrogram.

A coalition with gains g sounds as Σ gᵢxᵢ. Its power spectrogram is |Σ gᵢSᵢ|² = Σᵢⱼ gᵢgⱼ Re(Sᵢ S̄ⱼ),
and the mel filter bank is linear, so its mel power is gᵀGg with the "mel Gram"
Gᵢⱼ = mel(Re(Sᵢ S̄ⱼ)), computed once per segment. Mixing any number of coalitions is then one matrix
product: no audio, no FFT. Of many stems, or for few coalitions, it is cheaper to sum spectra (see
`mel_stems`, which chooses).

Conventions (those of librosa 0.11's melspectrogram, with which the musicnn networks are used):
16 kHz mono, periodic Hann window of 512 samples, hop 256, frames centred on a song that is padded
with zeros, so that frame k reads samples 256k − 256 … 256k + 255; 96 Slaney mel bands from 0 to
8 kHz; networks see log10(1 + 10⁴ × mel power). Segment t is the frames 187t … 187t + 186.

Spectra are complex64; Gram products and everything up to the clamp at 0 are float64, because stems
that cancel each other leave nothing but rounding errors of float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
WINDOW = 512
HOP = 256
BANDS = 96
FRAMES = 187
SEGMENT_S = FRAMES * HOP / SAMPLE_RATE  # 2.992
COMPRESSION = 1e4

Each = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]
"""Calls a function for each item, perhaps on several cores, and returns what it returned."""

Mixing = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Mel power `[coalitions, frames, bands]` from a Gram or planes and gains `[coalitions, stems]`."""


def in_turn(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """An `Each` on one core."""
    return [function(item) for item in items]


def segments(samples: int) -> tuple[int, float]:
    """Whole segments in `samples` samples (at least 1), and the seconds dropped at the end
    (negative: seconds of silence added)."""
    count = max(1, (1 + samples // HOP) // FRAMES)
    return count, samples / SAMPLE_RATE - count * SEGMENT_S


def reach(segment: int) -> tuple[int, int]:
    """The samples that the frames of a segment read: first, last + 1."""
    first = FRAMES * HOP * segment - WINDOW // 2
    return first, first + (FRAMES - 1) * HOP + WINDOW


@cache
def filter_bank() -> NDArray[np.float64]:
    """Weights `[bins, bands]`: triangles on Slaney's mel scale, each of area 1 in Hz.

    The scale is linear below 1 kHz (15 mel) and logarithmic above (27 mel for a factor of 6.4):
    M. Slaney, Auditory Toolbox, Technical Report 1998-010.
    """
    hz_per_mel, knee_hz, octave = 200 / 3, 1000.0, np.log(6.4) / 27
    knee = knee_hz / hz_per_mel
    top = knee + np.log(SAMPLE_RATE / 2 / knee_hz) / octave
    mels = np.linspace(0, top, BANDS + 2)
    log_part = knee_hz * np.exp(octave * np.maximum(mels - knee, 0))
    edges = np.where(mels < knee, hz_per_mel * mels, log_part)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)[:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


@cache
def _bank(device: torch.device) -> torch.Tensor:
    return torch.from_numpy(filter_bank()).to(device)


def stft(
    waveforms: torch.Tensor,
    segment: int,
    stems: Sequence[int] | None = None,
    device: torch.device | None = None,
) -> torch.Tensor:
    """Spectra `[stems, 187, 257]`, complex64, of one segment of `[stems, samples]` float32, of all
    stems or of those at the given indices, on the waveforms' device or on another."""
    first, last = reach(segment)
    wanted = last - first
    inside = waveforms[:, max(first, 0) : max(last, 0)]
    if stems is not None:
        inside = inside[list(stems)]
    inside = inside.to(device)
    if not len(inside):  # a batch of nothing is more than some FFT libraries can take
        return torch.empty((0, FRAMES, WINDOW // 2 + 1), dtype=torch.complex64).to(inside.device)
    before = max(-first, 0)
    padded = torch.nn.functional.pad(inside, (before, wanted - before - inside.shape[1]))
    window = torch.hann_window(WINDOW, dtype=torch.float32, device=inside.device)
    return torch.fft.rfft(padded.unfold(1, WINDOW, HOP) * window)


def power(spectra: torch.Tensor) -> torch.Tensor:
    """Mel power `[stems, frames, bands]`, float64, of each stem alone."""
    real, imag = spectra.real.double(), spectra.imag.double()
    return (real * real + imag * imag) @ _bank(spectra.device)


def gram(spectra: torch.Tensor, each: Each = in_turn) -> torch.Tensor:
    """The mel Gram `[pairs, frames, bands]`, float64, for pairs i ≤ j in the order of triu.

    A pair of two different stems stands for (i, j) and (j, i), and is doubled. `each` computes the
    rows i of the Gram.
    """
    stems, frames, _ = spectra.shape
    real, imag = spectra.real.double(), spectra.imag.double()
    bank = _bank(spectra.device)
    out = torch.empty(
        (stems * (stems + 1) // 2, frames, BANDS), dtype=torch.float64, device=spectra.device
    )

    def compute(i: int) -> None:
        at = i * stems - i * (i - 1) // 2
        row = out[at : at + stems - i]
        torch.matmul(real[i] * real[i:] + imag[i] * imag[i:], bank, out=row)
        row[1:] *= 2

    each(compute, range(stems))
    return out


def mix(gram: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
    """Mel power `[coalitions, frames, bands]`, float64 ≥ 0, at gains `[coalitions, stems]`."""
    i, j = torch.triu_indices(gains.shape[1], gains.shape[1], device=gains.device)
    products = gains[:, i] * gains[:, j]
    power = (products @ gram.flatten(1)).clamp_(min=0)
    return power.view(-1, *gram.shape[1:])


def planes(spectra: torch.Tensor) -> torch.Tensor:
    """Real and imaginary part of spectra, `[stems, 2, frames, bins]` float64, for `mix_planes`."""
    return torch.stack([spectra.real, spectra.imag], 1).double()


def mix_planes(planes: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
    """What `mix` gives, from sums of spectra."""
    sums = (gains @ planes.flatten(1)).view(-1, *planes.shape[1:])
    real, imag = sums[:, 0], sums[:, 1]
    return real.square_().addcmul_(imag, imag) @ _bank(planes.device)


def compress(power: torch.Tensor) -> torch.Tensor:
    """What the networks see: log10(1 + 10⁴ × mel power), float32."""
    return power.float().mul_(COMPRESSION).add_(1).log10_()
