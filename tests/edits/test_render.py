"""What a mixing engineer expects of an effect: tails, no delay, no clipping, the same loudness."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stemlens import audio
from stemlens.edits.chains import Setting
from stemlens.edits.render import Rendered, render
from stemlens_bridge.errors import StemlensError

RATES = [8_000, 22_050, 44_100, 48_000, 96_000, 192_000]


def noise(seconds: float, rate: int, channels: int = 2, level: float = 0.1) -> NDArray[np.float32]:
    random = np.random.RandomState(0).standard_normal((round(seconds * rate), channels))
    return (level * random).astype(np.float32)


def played(samples: NDArray[np.float32], rate: int, *chain: Setting, **options: bool) -> Rendered:
    return render(samples, rate, chain, **options)  # type: ignore[arg-type]


REVERB = Setting(
    "Reverb",
    {"room_size": 0.8, "damping": 0.3, "wet_level": 0.3, "dry_level": 0.4, "width": 1.0},
)
DELAY = Setting("Delay", {"delay_seconds": 0.25, "feedback": 0.4, "mix": 0.5})
MP3 = Setting("MP3Compressor", {"vbr_quality": 4.0})
COMPRESSOR = Setting(
    "Compressor", {"threshold_db": -30.0, "ratio": 8.0, "attack_ms": 1.0, "release_ms": 80.0}
)
CHAINS = [
    (REVERB,),
    (DELAY,),
    (MP3,),
    (COMPRESSOR,),
    (Setting("GSMFullRateCompressor"),),
    (Setting("PitchShift", {"semitones": 3.0}),),
    (Setting("Chorus", {"rate_hz": 1.0, "depth": 0.3, "mix": 0.5}),),
    (Setting("Mix", {"dry": 0.5, "wet": 0.5}, inside=(COMPRESSOR, MP3)),),
    (Setting("Width", {"side_db": 6.0}),),
    (Setting("BrickwallLimiter", {"ceiling_db": -12.0}),),
]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_mono_and_stereo(rate: int, channels: int) -> None:
    samples = noise(0.3, rate, channels)
    for chain in CHAINS:
        out = render(samples, rate, chain)
        assert out.samples.shape[1] == channels and len(out.samples) >= len(samples)
        assert out.samples.dtype == np.float32 and np.isfinite(out.samples).all()


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain[0].plugin)
def test_the_same_again_to_the_bit(chain: tuple[Setting, ...]) -> None:
    samples = noise(0.6, 44_100)
    first, again = (render(samples, 44_100, chain).samples for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("frames", [1, 2, 3, 100])
@pytest.mark.parametrize("channels", [1, 2])
def test_hardly_any_samples(frames: int, channels: int) -> None:
    """Where pedalboard could take frames for channels."""
    samples = np.full((frames, channels), 0.5, dtype=np.float32)
    out = played(samples, 44_100, Setting("Gain", {"gain_db": -6.0}), loudness_match=False)
    np.testing.assert_allclose(out.samples, samples * 10 ** (-6 / 20), rtol=1e-5)


def test_tails_are_kept_until_they_are_inaudible() -> None:
    samples = noise(0.2, 44_100)
    for setting, least_s in ((REVERB, 0.5), (DELAY, 1.0)):
        out = played(samples, 44_100, setting, loudness_match=False).samples
        tail = out[len(samples) :]
        assert len(tail) > least_s * 44_100
        energy = np.square(tail.astype(np.float64)).mean(axis=1)
        end = energy[-4_410:].mean()
        assert 10 * np.log10(end / np.square(samples).mean()) < -45


def test_a_filter_adds_no_tail_and_silence_stays_silence() -> None:
    samples = noise(0.2, 44_100)
    cut = Setting("HighpassFilter", {"cutoff_frequency_hz": 200.0})
    assert len(played(samples, 44_100, cut).samples) <= len(samples) + 64
    silence = np.zeros_like(samples)
    for chain in CHAINS:
        out = render(silence, 44_100, chain)
        assert not out.samples.any() and out.before_lufs is None


@pytest.mark.parametrize(
    "setting", [MP3, Setting("PitchShift", {"semitones": 0.02}), CHAINS[-1][0]], ids=str
)
def test_nothing_comes_late(setting: Setting) -> None:
    rate = 44_100
    samples = np.zeros((rate, 1), dtype=np.float32)
    click = np.hanning(200)[:, None] * noise(200 / rate, rate, 1, 1.0)
    samples[20_000:20_200] = click
    out = played(samples, rate, setting, loudness_match=False).samples[:rate, 0]
    correlation = np.correlate(out.astype(np.float64), click[:, 0], "valid")
    assert abs(int(np.abs(correlation).argmax()) - 20_000) <= 3


@pytest.mark.parametrize("setting", [MP3, Setting("GSMFullRateCompressor")], ids=str)
def test_what_clips_at_full_scale_gets_headroom(setting: Setting) -> None:
    """A float mix far above full scale comes back as loud as it was, not cut off at ±1."""
    time = np.arange(44_100) / 44_100
    tone = (8 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[:, None]
    out = played(tone, 44_100, setting, loudness_match=False).samples
    assert np.abs(out).max() > 6
    quiet = played(tone / 80, 44_100, setting, loudness_match=False).samples
    assert np.abs(quiet).max() < 0.2


def test_the_limiter_adds_no_gain() -> None:
    tone = noise(0.5, 44_100, level=0.02)
    out = played(tone, 44_100, Setting("BrickwallLimiter", {"ceiling_db": -1.0}))
    np.testing.assert_allclose(out.samples[: len(tone)], tone, atol=1e-6)
    assert out.match_db == pytest.approx(0.0, abs=1e-3)


def test_loudness_is_matched() -> None:
    samples = noise(2.0, 48_000)
    for chain in CHAINS:
        out = render(samples, 48_000, chain)
        assert out.before_lufs is not None
        measured = audio.loudness(out.samples, 48_000)
        assert measured == pytest.approx(out.before_lufs, abs=0.05)
    loud = played(samples, 48_000, Setting("Gain", {"gain_db": 6.0}), loudness_match=False)
    assert audio.loudness(loud.samples, 48_000) == pytest.approx(
        audio.loudness(samples, 48_000) + 6, abs=0.01
    )


def test_width_moves_the_sides_and_leaves_the_mono_sum() -> None:
    samples = noise(0.2, 44_100)
    out = played(samples, 44_100, Setting("Width", {"side_db": 6.0}), loudness_match=False)
    np.testing.assert_allclose(out.samples.mean(axis=1), samples.mean(axis=1), atol=1e-6)
    was, now = (np.ptp(s, axis=1) for s in (samples, out.samples))
    np.testing.assert_allclose(now, was * 10 ** (6 / 20), rtol=1e-3, atol=1e-6)


def test_more_than_two_channels_are_folded() -> None:
    out = played(noise(0.1, 44_100, 6), 44_100, COMPRESSOR)
    assert out.samples.shape[1] == 2


def test_a_mix_blends() -> None:
    samples = noise(0.2, 44_100)
    inside = (Setting("Gain", {"gain_db": -6.0}),)
    out = played(
        samples,
        44_100,
        Setting("Mix", {"dry": 0.5, "wet": 0.5}, inside=inside),
        loudness_match=False,
    )
    np.testing.assert_allclose(out.samples, samples * (0.5 + 0.5 * 10 ** (-6 / 20)), rtol=1e-4)


def test_what_pedalboard_refuses_is_told() -> None:
    with pytest.raises(StemlensError) as caught:
        played(noise(0.1, 44_100), 44_100, Setting("Compressor", {"ratio": 0.1}))
    assert caught.value.code == "plugin_failed" and "Compressor" in caught.value.message
