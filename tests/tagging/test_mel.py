"""Facts about the mel front end: its grid, its energies, and that mixing Grams is mixing audio."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stemlens.tagging import mel


def spectra_of(waveforms, segment=0):
    return mel.stft(torch.from_numpy(np.asarray(waveforms, np.float32)), segment)


def naive_log_mel(waveform, segment):
    """From the waveform of the whole song, in float64: [187, 96]."""
    n = np.arange(512)
    window = np.sin(np.pi * n / 512) ** 2
    song = np.concatenate([np.zeros(256), waveform, np.zeros(100_000)])
    frames = range(187 * segment, 187 * (segment + 1))
    spectra = [np.fft.rfft(window * song[256 * k : 256 * k + 512]) for k in frames]
    return np.log10(1 + 1e4 * (np.abs(spectra) ** 2 @ mel.filter_bank()))


def test_filter_bank_is_slaneys():
    """Slaney, 1998: steps of 66.67 Hz up to 1 kHz, then each step a factor of 1.0711703; filters
    are triangles between their neighbours' centres, of height 2 / width."""

    def mel_of(hz):
        return hz / 66.666667 if hz < 1000 else 15 + np.log(hz / 1000) / np.log(1.0711703)

    def hz_of(m):
        return 66.666667 * m if m < 15 else 1000 * 1.0711703 ** (m - 15)

    edges = [hz_of(mel_of(8000) * i / 97) for i in range(98)]
    expected = np.zeros((257, 96))
    for band in range(96):
        low, centre, high = edges[band : band + 3]
        for b in range(257):
            hz = b * 16_000 / 512
            if low < hz <= centre:
                expected[b, band] = (hz - low) / (centre - low) * 2 / (high - low)
            elif centre < hz < high:
                expected[b, band] = (high - hz) / (high - centre) * 2 / (high - low)
    assert np.abs(mel.filter_bank() - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("samples", "segments", "dropped_s"),
    [
        (0, 1, -2.992),
        (16_000, 1, 1 - 2.992),
        (187 * 256, 1, 0.0),
        (2 * 187 * 256, 2, 0.0),
        # a segment is whole when its last frame is centred on the song or on its very end
        (2 * 187 * 256 - 256, 2, -0.016),
        (2 * 187 * 256 - 257, 1, 2.992 - 257 / 16_000),
        (480_000, 10, 30 - 29.92),
    ],
)
def test_segments_of_a_song(samples, segments, dropped_s):
    count, dropped = mel.segments(samples)
    assert count == segments
    assert dropped == pytest.approx(dropped_s)


@given(sample=st.integers(0, 3 * 187 * 256 - 1))
@settings(max_examples=50, deadline=None)
def test_frame_k_reads_256_samples_before_and_after_its_centre(sample):
    click = np.zeros((1, 3 * 187 * 256), np.float32)
    click[0, sample] = 1
    heard = {
        187 * segment + int(frame)
        for segment in range(3)
        for frame in torch.nonzero(mel.power(spectra_of(click, segment)).sum((0, 2)))[:, 0]
    }
    # the Hann window's first sample is 0
    reads = {k for k in range(3 * 187) if 256 * k - 256 < sample <= 256 * k + 255}
    assert heard == reads


def test_a_stem_that_ends_on_the_boundary_is_heard_behind_it():
    stem = np.zeros((1, 2 * 187 * 256), np.float32)
    stem[0, : 187 * 256] = 0.1 * np.random.RandomState(0).standard_normal(187 * 256)
    after = mel.power(spectra_of(stem, 1))[0]
    assert after[0].max() > 0
    assert after[1:].max() == 0


def test_spectra_hold_the_energy_of_the_windowed_frames():
    """Parseval: both halves of the spectrum together hold 512 times the samples' energy."""
    noise = np.random.RandomState(0).standard_normal((1, 60_000)).astype(np.float32)
    power = spectra_of(noise)[0].abs().double().square()
    both_halves = 2 * power.sum(1) - power[:, 0] - power[:, -1]
    window = np.sin(np.pi * np.arange(512) / 512) ** 2
    frame = window * noise[0, 256 * 10 - 256 : 256 * 10 + 256]
    assert both_halves[10].item() == pytest.approx(512 * (frame**2).sum(), rel=1e-5)


def test_white_noise_is_white_in_mel():
    """Filters have area 1 in Hz and bins are 31.25 Hz apart, the Hann window's energy is 192: noise
    of variance v has mel power 192 v / 31.25 in every band that is wide enough to be sampled."""
    noise = 0.1 * np.random.RandomState(0).standard_normal((1, 48_000 * 20))
    found = np.mean([mel.power(spectra_of(noise, t))[0].mean(0).numpy() for t in range(20)], axis=0)
    assert found[40:-1] == pytest.approx(np.full(55, 192 * 0.01 / 31.25), rel=0.1)


def test_a_tone_sounds_in_the_band_of_its_pitch():
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 16_000)[None]
    loudest = int(mel.power(spectra_of(tone))[0, 90].argmax())
    centre = np.argmax(mel.filter_bank()[:, loudest]) * 31.25
    assert abs(centre - 440) < 40


def test_power_is_the_diagonal_of_the_gram(stems):
    spectra = spectra_of(stems, 1)
    diagonal = mel.gram(spectra)[[0, 3, 5]]  # pairs 00 01 02 11 12 22
    torch.testing.assert_close(diagonal, mel.power(spectra), rtol=1e-12, atol=0)


@given(
    gains=arrays(np.float64, (4, 6), elements=st.floats(-4, 4)),
    segment=st.integers(0, 1),
)
@settings(max_examples=12, deadline=None)
def test_mixing_grams_is_mixing_audio(stems, gains, segment):
    """For three stems, an exact negative of one, a near negative of another, and one of -100 dB."""
    chord, beat, glide = stems
    session = np.stack([chord, beat, glide, -chord, -0.999 * beat, 1e-5 * glide])
    gains[0] = [1, 1, 0, 1, 1, 0]  # what is left is beat at -60 dB
    gains[1] = [3, 0, 0, 3, 0, 0]  # nothing is left
    gram = mel.gram(spectra_of(session, segment))
    found = mel.compress(mel.mix(gram, torch.from_numpy(gains))).numpy()
    session = session.astype(np.float32).astype(np.float64)
    expected = np.stack([naive_log_mel(g @ session, segment) for g in gains])
    assert np.abs(found - expected).max() < 1e-4


def test_no_stems_mix_to_silence():
    gram = mel.gram(spectra_of(np.zeros((0, 48_000))))
    mixed = mel.mix(gram, torch.zeros((2, 0), dtype=torch.float64))
    assert mixed.shape == (2, 187, 96)
    assert not mixed.any()


def test_mixed_power_is_never_negative(stems):
    session = np.concatenate([stems, -stems])
    mixed = mel.mix(mel.gram(spectra_of(session)), torch.full((1, 6), 0.7, dtype=torch.float64))
    assert (mixed >= 0).all()
    assert mixed.max() < 1e-9
