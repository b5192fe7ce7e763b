"""The master bus: what a gain curve catches, what a rest is, and which of them is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import lfilter
from support.sounds import RATE, sounds

from stemlens import master

Samples = NDArray[np.float32]
SECONDS = 8.0


def db(ratio: float) -> float:
    return 20 * np.log10(ratio)


def stems() -> Samples:
    """Four stems that come and go, so that there are passages without each."""
    time = np.arange(round(SECONDS * RATE)) / RATE
    playing = np.stack([time < 6, time % 4 < 3, np.ones_like(time), (time > 2) & (time < 5)])
    return (sounds(SECONDS) * playing).astype(np.float32)


def compressed(
    samples: Samples, threshold_db: float, ratio: float, attack_s: float = 0.01
) -> Samples:
    """A feed-forward compressor: the level's excess over the threshold, smoothed, in dB."""
    level_db = 20 * np.log10(np.abs(samples.astype(float)) + 1e-6)
    excess_db = np.maximum(level_db - threshold_db, 0) * (1 - 1 / ratio)
    attack, release = (np.exp(-1 / (s * RATE)) for s in (attack_s, 0.1))
    state, reduction_db = 0.0, np.empty(len(samples))
    for i, wanted in enumerate(excess_db.tolist()):
        keep = attack if wanted > state else release
        state = keep * state + (1 - keep) * wanted
        reduction_db[i] = state
    return (samples * 10 ** (-reduction_db / 20)).astype(np.float32)


def equalised(samples: Samples) -> Samples:
    """A shelf: bass +3.5 dB, treble −2.5 dB, the same at all times."""
    filtered: Samples = lfilter([0.9, -0.3], [1, -0.6], samples).astype(np.float32)
    return filtered


def treated(wanted: str, mix: Samples, total: Samples) -> master.Treatment:
    return master.treat(wanted, mix.astype(np.float32), total.astype(np.float32), RATE)


# ----------------------------------------------------------------------------------- the curve


@pytest.mark.parametrize("hz", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("gain", [1.0, 0.5, -2.0])
def test_a_known_gain_curve_is_found(hz: float, gain: float) -> None:
    total = stems().sum(axis=0)
    known = 10 ** (6 * np.sin(2 * np.pi * hz * np.arange(len(total)) / RATE) / 20)
    found = treated("curve", gain * known * total, total)
    assert found.before_db > -15 and found.after_db < found.before_db - 35
    assert found.curve is not None
    played = np.ones(len(total), dtype=np.float32)
    found.curve.apply(played, RATE)
    loud = np.abs(total) > 0.05  # where there is something to hear it by
    off_db = db(played[loud] * abs(found.gain) / (known[loud] * abs(gain)))
    assert np.sqrt(np.mean(off_db**2)) < 0.1


@pytest.mark.parametrize("ratio", [2.0, 4.0, 10.0])
def test_a_compressor_on_the_bus_is_a_gain_curve(ratio: float) -> None:
    total = stems().sum(axis=0)
    found = treated("auto", 1.7 * compressed(total, -20, ratio), total)
    assert (found.kind, found.reason) == ("curve", "level")
    assert found.after_db < found.before_db - 9
    assert found.curve is not None and found.curve.knots.max() < 10 ** (12 / 20)


def test_the_curve_of_a_compressor_makes_of_one_stem_what_a_sidechained_bus_would() -> None:
    """Keyed from the whole mix, a stem gets the gain that the mix got; the sum stays linear."""
    each = stems()
    total = each.sum(axis=0)
    mix = compressed(total, -20, 4)
    found = treated("curve", mix, total)
    assert found.curve is not None
    played = each.copy()
    for waveform in played:
        found.curve.apply(waveform, RATE)
    keyed = each * np.divide(mix, total, out=np.ones_like(mix), where=np.abs(total) > 1e-3)
    for own, expected in zip(played * found.gain, keyed, strict=True):
        assert master.left_db(expected, own) < -15
    assert master.left_db(mix, found.gain * played.sum(axis=0)) == pytest.approx(
        found.after_db, abs=0.1
    )


def test_a_fade_out_of_the_master_is_followed_into_silence() -> None:
    total = stems().sum(axis=0)
    fade = np.clip((SECONDS - 1 - np.arange(len(total)) / RATE) / 3, 0, 1)
    found = treated("auto", fade * total, total)
    assert found.kind == "curve" and found.after_db < -40
    assert found.curve is not None and found.curve.knots[-1] < 10 ** (-40 / 20)


def test_a_stem_that_is_missing_hardly_moves_the_curve() -> None:
    each = stems()
    found = treated("curve", each.sum(axis=0), each[:3].sum(axis=0))
    assert found.after_db > found.before_db - 1
    assert found.curve is not None
    heard = np.abs(db(found.curve.knots * abs(found.gain)))
    assert np.median(heard) < 0.3 and np.quantile(heard, 0.95) < 3


def test_where_the_sum_is_silent_the_curve_goes_on() -> None:
    """A second without stems, in which the mix has a voice: no gain can be told there."""
    total = stems().sum(axis=0)
    total[2 * RATE : 3 * RATE] = 0
    mix = total.copy()
    mix[4 * RATE :] *= 0.5
    mix[2 * RATE : 3 * RATE] += sounds(1.0)[3]
    found = treated("curve", mix, total)
    assert found.curve is not None
    between = found.curve.knots[205:295] * found.gain
    np.testing.assert_allclose(between, 1.0, atol=0.05)


def test_a_curve_is_bounded_whatever_the_mix() -> None:
    total = stems().sum(axis=0)
    loud = total.copy()
    loud[RATE : 2 * RATE] *= 1e4
    found = treated("curve", loud, total)
    assert found.curve is not None
    assert found.curve.knots.min() >= master.DEEPEST and found.curve.knots.max() <= master.HIGHEST


@pytest.mark.parametrize("rate", [RATE, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_curve_plays_at_any_rate_in_any_piece(rate: int, channels: int, monkeypatch) -> None:
    curve = master.Curve(np.array([1.0, 2.0, 0.5]), 0.1, start_s=0.05)
    at = np.arange(rate // 2) / rate
    expected = np.interp(at, [0.05, 0.15, 0.25], [1.0, 2.0, 0.5])
    monkeypatch.setattr(master, "_BLOCK", 1000)
    played = np.ones((len(at), channels), dtype=np.float32)
    curve.apply(played, rate)
    np.testing.assert_allclose(played, expected[:, None].repeat(channels, axis=1), atol=1e-6)


def test_the_curve_is_the_best_of_its_kind() -> None:
    """Against numpy's dense least squares on the same basis, without stiffness."""
    rng = np.random.default_rng(1)
    total = rng.standard_normal(1600).astype(np.float32)
    mix = (total * np.linspace(0.5, 2, 1600) + 0.3 * rng.standard_normal(1600)).astype(np.float32)
    found = master.gain_curve(mix, total, RATE, 1.0)
    at = np.arange(1600) / 160
    hats = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(12)))
    design = np.concatenate(
        [hats * total[:, None], np.sqrt(_stiffness(total)) * np.diff(np.eye(12), axis=0)]
    )
    expected = np.linalg.lstsq(design, np.concatenate([mix, np.zeros(11)]), rcond=None)[0]
    np.testing.assert_allclose(found.knots, expected, rtol=1e-4)


def _stiffness(total: Samples) -> float:
    at = np.arange(1600) / 160
    hats = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(12)))
    return master.STIFFNESS * float(((hats * total[:, None]) ** 2).sum(axis=0).mean())


# ------------------------------------------------------------------------------------ the rest


@pytest.mark.parametrize("missing", range(4))
@pytest.mark.parametrize("gain", [1.0, 0.3, -1.0])
def test_a_missing_stem_is_the_rest_to_the_last_bit_that_counts(missing: int, gain: float) -> None:
    """Even where it and the others have something in common, and the mix is at another level."""
    each = stems()
    mix = (gain * each.sum(axis=0)).astype(np.float32)
    total = np.delete(each, missing, axis=0).sum(axis=0)
    found = treated("rest", mix, total)
    assert found.kind == "rest"
    assert master.left_db(each[missing], mix / np.float32(found.gain) - total) < -80
    chosen = treated("auto", mix, total)
    assert chosen.kind == ("rest" if chosen.before_db > master.BUS_DB else "off")


def test_the_gain_is_not_moved_by_what_the_mix_has_besides() -> None:
    """Least squares is: a stem that goes with the others pulls it."""
    each = stems()
    total = each[:2].sum(axis=0)
    extra = 0.8 * each[0] * (np.arange(len(total)) > 5 * RATE)  # the kick, doubled, at the end
    found = master.fitted_gain((total + extra).astype(np.float32), total, RATE)
    assert found == pytest.approx(1.0, abs=1e-3)
    assert master.treat("off", total + extra, total, RATE).before_db > -30


# ------------------------------------------------------------------------------- what is chosen


@pytest.mark.parametrize("wanted", ["off", "curve", "rest", "auto"])
@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_rounding_is_no_player(wanted: str, gain: float) -> None:
    """A 16-bit bounce of the sum nulls: there is nothing to play, whatever was wanted."""
    total = stems().sum(axis=0)
    found = treated(wanted, np.round(gain * total * 32767) / 32767, total)
    assert (found.kind, found.reason) == ("off", "nulls")


@pytest.mark.parametrize("wanted", ["off", "curve", "rest", "auto"])
def test_silence_on_either_side_is_left_alone(wanted: str) -> None:
    total = stems().sum(axis=0)
    silence = np.zeros_like(total)
    assert treated(wanted, total, silence).reason == "unrelated"
    assert treated(wanted, silence, total).reason == "unrelated"
    assert treated(wanted, silence, silence).reason == "nulls"
    assert {treated(wanted, a, b).kind for a, b in [(total, silence), (silence, total)]} == {"off"}


def test_the_bounce_of_another_song_is_not_a_rest() -> None:
    other = np.random.default_rng(3).standard_normal(round(SECONDS * RATE))
    found = treated("auto", other, stems().sum(axis=0))
    assert (found.kind, found.reason) == ("off", "unrelated")


def test_an_equaliser_is_no_missing_stem() -> None:
    total = stems().sum(axis=0)
    found = treated("auto", equalised(total), total)
    assert found.before_db > master.BUS_DB
    assert (found.kind, found.reason) == ("off", "filter")


def test_what_is_small_is_left_alone_unless_wanted() -> None:
    total = stems().sum(axis=0)
    noisy = total + 0.01 * np.random.default_rng(0).standard_normal(len(total))
    assert (treated("auto", noisy, total).kind, treated("rest", noisy, total).kind) == (
        "off",
        "rest",
    )


def test_wanted_is_what_is_done() -> None:
    each = stems()
    for wanted in ("off", "curve", "rest"):
        found = treated(wanted, each.sum(axis=0), each[:3].sum(axis=0))
        assert (found.kind, found.reason) == (wanted, "asked")


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 700),
    st.sampled_from(["off", "curve", "rest", "auto"]),
    st.integers(0, 2**31),
)
def test_any_length_has_an_answer(samples: int, wanted: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mix, total = rng.standard_normal((2, samples)).astype(np.float32)
    found = treated(wanted, mix, total)
    assert -200 <= found.after_db <= 0 and -200 <= found.before_db <= 0
    if found.curve is not None:
        assert np.isfinite(found.curve.knots).all()
