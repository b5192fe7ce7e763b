"""Stems of one source: what counts as one, and what must not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt
from support.sounds import RATE, sounds

from stemlens import correlation

Samples = NDArray[np.float32]
SECONDS = 12.0


def hits(hz: float, every_s: float = 0.5, late_s: float = 0.0, seed: int = 0) -> Samples:
    """A drum that a player hits: each time at about the same place, never quite the same sound."""
    rng = np.random.default_rng(seed)
    out = np.zeros(round(SECONDS * RATE))
    length = round(0.3 * RATE)
    fall = np.exp(-np.arange(length) / (0.06 * RATE))
    for at in np.arange(late_s, SECONDS - 0.4, every_s):
        start = round((at + 0.004 * rng.standard_normal()) * RATE)
        tone = np.sin(
            2 * np.pi * hz * (1 + 0.02 * rng.standard_normal()) * np.arange(length) / RATE
        )
        place = slice(max(start, 0), max(start, 0) + length)
        out[place] += rng.uniform(0.5, 1) * fall * (tone + 0.3 * rng.standard_normal(length))
    return out.astype(np.float32)


def delayed(samples: Samples, seconds: float) -> Samples:
    count = round(seconds * RATE)
    return np.concatenate([np.zeros(count, np.float32), samples[: len(samples) - count]])


def in_a_room(samples: Samples, level_db: float) -> Samples:
    """With a reverb of 0.4 s at that level beside it."""
    tail = np.random.default_rng(9).standard_normal(round(0.4 * RATE))
    tail *= np.exp(-6.9 * np.arange(len(tail)) / len(tail))
    tail *= 10 ** (level_db / 20) / np.sqrt((tail**2).sum())
    wet: Samples = samples + fftconvolve(samples, tail)[: len(samples)].astype(np.float32)
    return wet


def one(a: Samples, b: Samples) -> float:
    matrix = correlation.coherence(np.stack([a, b]), RATE)
    assert matrix[0, 1] == matrix[1, 0] and matrix[0, 0] == matrix[1, 1] == 0
    return float(matrix[0, 1])


def bled(into: Samples, other: Samples, level_db: float) -> Samples:
    """With the other source, 3 ms later, so far below its own level."""
    level = 10 ** (level_db / 20) * into.std() / other.std()
    mixed: Samples = into + np.float32(level) * delayed(other, 0.003)
    return mixed


@pytest.mark.parametrize("gain", [1.0, 0.01, -1.0])
@pytest.mark.parametrize(("ms", "least"), [(0, 0.999), (1, 0.99), (3, 0.97), (10, 0.7)])
def test_two_microphones_on_one_source(gain: float, ms: float, least: float) -> None:
    """At any level and either polarity, up to 3.4 m apart; the cosine of a phase would not do."""
    kick = hits(60)
    assert one(kick, np.float32(gain) * delayed(kick, ms / 1000)) > least
    chord = sounds(SECONDS)[1] + 0.1 * hits(300)
    assert one(chord, np.float32(gain) * delayed(chord, ms / 1000)) > least


@pytest.mark.parametrize("kind", ["highpass", "lowpass"])
def test_an_equaliser_makes_no_other_source(kind: str) -> None:
    snare = hits(200)
    other = sosfilt(butter(1, 500, kind, fs=RATE, output="sos"), snare).astype(np.float32)
    assert one(snare, other) > 0.85


def test_a_parallel_bus_is_the_same_source() -> None:
    drums = hits(60) + hits(200, 1.0, 0.5, seed=1)
    assert one(drums, np.tanh(4 * drums)) > correlation.THRESHOLD


def test_a_room_microphone_is_the_same_source_until_the_room_is_all_there_is() -> None:
    snare = hits(200)
    near, far = (one(snare, delayed(in_a_room(snare, level), 0.006)) for level in (-6, 12))
    assert near > 0.7 and far < near - 0.3


def test_bleed_counts_the_more_the_louder_it_is() -> None:
    kick, snare = hits(60), hits(200, 1.0, 0.5, seed=1)
    found = [one(kick, bled(snare, kick, level)) for level in (0, -6, -12, -20, -40)]
    assert found == sorted(found, reverse=True)
    assert found[0] > correlation.THRESHOLD > found[3] and found[4] < 0.15


def test_players_who_play_together_are_not_one_source() -> None:
    """The same beat, the same pitch: two drums, two takes of one part, and voices of one chord."""
    assert one(hits(60), hits(200, seed=1)) < 0.2
    assert one(hits(60), hits(60, seed=1)) < 0.25
    chord, noise, lead = sounds(SECONDS)[1:]
    assert max(one(chord, lead), one(noise, lead), one(chord, noise)) < 0.2


def test_two_samples_that_a_sequencer_triggers_together_are_not_one_source() -> None:
    """Every hit is the same, so their relation is as fixed as that of two microphones; but its
    phase differs from bin to bin."""
    rng = np.random.default_rng(5)
    length = round(0.2 * RATE)
    fall = np.exp(-np.arange(length) / (0.04 * RATE))
    out = np.zeros((2, round(SECONDS * RATE)), dtype=np.float32)
    for own in out:
        sample = fall * rng.standard_normal(length)
        for at in np.arange(0, SECONDS - 0.3, 0.5):
            own[round(at * RATE) :][:length] += sample
    assert one(*out) < 0.3


def test_nothing_is_said_of_stems_that_hardly_sound_together() -> None:
    kick = hits(60)
    early, late = kick.copy(), kick.copy()
    early[6 * RATE :] = 0
    late[: 6 * RATE - RATE // 2] = 0
    assert one(early, late) == 0
    assert one(kick, np.zeros_like(kick)) == 0


@pytest.mark.parametrize(("stems", "samples"), [(1, 5000), (3, 100), (3, 0), (4, 20_000)])
def test_odd_sizes(stems: int, samples: int) -> None:
    quiet = np.zeros((stems, samples), dtype=np.float32)
    assert correlation.correlated(quiet, RATE) == []
    loud = np.random.default_rng(0).standard_normal((stems, samples)).astype(np.float32)
    assert correlation.correlated(loud, RATE) == []


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_at_any_rate(rate: int) -> None:
    noise = np.random.default_rng(0).standard_normal((3, 4 * rate)).astype(np.float32)
    noise[2] = -noise[0]
    matrix = correlation.coherence(noise, rate)
    assert matrix[0, 2] > 0.999 and matrix[0, 1] < 0.2


def test_a_part_of_the_frames_says_what_all_say(monkeypatch: pytest.MonkeyPatch) -> None:
    kick, snare = hits(60), hits(200, 1.0, 0.5, seed=1)
    pair = np.stack([kick, bled(snare, kick, 0)])
    whole = correlation.coherence(pair, RATE)[0, 1]
    monkeypatch.setattr(correlation, "FRAMES", 60)
    assert correlation.coherence(pair, RATE)[0, 1] == pytest.approx(whole, abs=0.1)


def test_groups_are_joined_by_their_strongest_links() -> None:
    links = np.zeros((6, 6))
    for i, j, strength in ((0, 3, 0.9), (3, 4, 0.7), (0, 4, 0.2), (1, 2, 0.95), (4, 5, 0.39)):
        links[i, j] = links[j, i] = strength
    assert correlation.grouped(links) == [
        correlation.Correlated((1, 2), 0.95),
        correlation.Correlated((0, 3, 4), 0.7),
    ]
    assert correlation.grouped(np.zeros((0, 0))) == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("Kick in", "Kick out"), "Kick"),
        (("Gtr - close", "Gtr - room", "Gtr - DI"), "Gtr"),
        (("Überhall 1", "Überhall 2"), "Überhall"),
        (("Bass", "Bass DI"), "Bass"),
        (("snare", "snake"), None),
        (("1 Kick", "1 Snare"), None),
        (("Kick", "Snare"), None),
    ],
)
def test_a_group_is_called_by_what_its_names_have_in_common(
    names: tuple[str, ...], expected: str | None
) -> None:
    assert correlation.common_name(names) == expected
