"""Coalitions are the same by Gram and by spectra; what was opened is not opened again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stemlens.tagging import mel, mel_stems
from stemlens.tagging.lanes import Lanes
from stemlens.tagging.mel_stems import MelStems

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def lanes():
    made = Lanes(2)
    yield made
    made.close()


@pytest.fixture
def stfts(monkeypatch):
    """The segments of which spectra were made, as often as they were."""
    made: list[int] = []
    plain = mel.stft

    def counted(waveforms, segment, *others):
        made.append(segment)
        return plain(waveforms, segment, *others)

    monkeypatch.setattr(mel, "stft", counted)
    return made


def session(lanes, stems=4, seconds=9):
    noise = np.random.RandomState(0).standard_normal((stems, seconds * 16_000)).astype(np.float32)
    return MelStems(0.1 * noise, CPU, CPU, lanes)


@pytest.mark.parametrize("count", [0, 1, 5, 24, 40])
def test_the_gram_and_sums_of_spectra_mix_alike(count, monkeypatch):
    random = np.random.RandomState(count)
    waveforms = (0.1 * random.standard_normal((count, 60_000))).astype(np.float32)
    spectra = mel.stft(torch.from_numpy(waveforms), 0)
    gains = torch.from_numpy(random.uniform(-2, 2, (7, count)))
    by_gram = mel.mix(mel.gram(spectra), gains)
    by_sums = mel.mix_planes(mel.planes(spectra), gains)
    torch.testing.assert_close(by_sums, by_gram, rtol=1e-9, atol=1e-9)


def test_stems_that_cancel_leave_nothing_in_either_way(lanes, stems, monkeypatch):
    """100 stems that sum up to the mix, and the mix turned round: a null test."""
    random = np.random.RandomState(0)
    split = random.dirichlet(np.ones(33), 3).T[..., None] * stems  # 33 parts of each
    parts = split.reshape(-1, stems.shape[1]).astype(np.float32)
    mix = -parts.astype(np.float64).sum(0).astype(np.float32)
    null = np.concatenate([parts, mix[None]])
    all_of_them = np.ones((1, len(null)))
    few = np.concatenate([stems, -stems])
    for waveforms in (null, few):
        opened = MelStems(waveforms, CPU, CPU, lanes)
        segment = opened.segment(1, range(len(waveforms)))
        for _ in range(30):  # from spectra, then (where they are few) from the Gram
            heard = segment.mix(np.ones((1, len(waveforms))))
            assert heard.max() < 1e-4
    without_the_mix = all_of_them.copy()
    without_the_mix[0, -1] = 0
    expected = mel.compress(mel.power(mel.stft(-torch.from_numpy(mix)[None], 1)))
    found = MelStems(null, CPU, CPU, lanes).segment(1, range(100)).mix(without_the_mix)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_many_coalitions_are_mixed_from_the_gram_and_few_are_not(lanes, monkeypatch):
    made = []
    plain = mel.gram
    monkeypatch.setattr(mel, "gram", lambda *given: made.append(1) or plain(*given))
    opened = session(lanes, stems=25)
    few, many = opened.segment(0, range(8)), opened.segment(0, range(25))
    gains = np.random.RandomState(0).rand(400, 8)
    first = few.mix(gains[:20])
    assert not made
    again = torch.cat([few.mix(gains[:20]), few.mix(gains[20:])])
    assert made == [1]
    torch.testing.assert_close(again[:20], first, rtol=0, atol=1e-6)
    many.mix(np.ones((400, 25)))
    assert made == [1]


def test_another_gain_or_a_mute_costs_no_stft(lanes, stfts):
    opened = session(lanes)
    stfts.clear()
    first = opened.segment(1, [0, 1, 2, 3]).mix(np.ones((1, 4)))
    assert stfts == [1]
    louder = opened.segment(1, [0, 1, 2, 3]).mix(np.full((1, 4), 2.0))
    alone = opened.segment(1, [2]).mix(np.ones((1, 1)))
    turned = opened.segment(1, [3, 0]).mix(np.array([[2.0, 1.0]]))
    assert stfts == [1]
    assert (louder > first).all()
    fresh = session(lanes)
    torch.testing.assert_close(fresh.segment(1, [2]).mix(np.ones((1, 1))), alone)
    torch.testing.assert_close(fresh.segment(1, [0, 3]).mix(np.array([[1.0, 2.0]])), turned)
    stfts.clear()
    opened.segment(0, [0, 1])
    opened.segment(0, [1, 2])  # the third stem has not been opened there
    assert stfts == [0, 0]


def test_opened_segments_take_a_bounded_amount_of_memory(lanes, stfts, monkeypatch):
    opened = session(lanes)
    one = opened.segment(0, range(4))._opened
    monkeypatch.setattr(mel_stems, "KEPT", 2 * one.size)
    stfts.clear()
    for index in (0, 1, 0, 2, 0):  # 1 was used longest ago when 2 comes
        opened.segment(index, range(4))
    assert stfts == [1, 2]
    opened.segment(1, range(4))
    assert stfts == [1, 2, 1]
    monkeypatch.setattr(mel_stems, "KEPT", 0)  # the last one is kept all the same
    opened.segment(2, range(4))
    opened.segment(2, range(4)).mix(np.ones((100, 4)))
    assert len(opened._opened) == 1


def test_power_does_not_depend_on_groups(lanes, stems, monkeypatch):
    together = MelStems(stems, CPU, CPU, lanes).power
    monkeypatch.setattr(mel_stems, "GROUP", 2)
    apart = MelStems(stems, CPU, CPU, lanes).power
    assert together.shape == (2, 3)
    np.testing.assert_allclose(apart, together, rtol=1e-12)
    assert MelStems(stems[:0], CPU, CPU, lanes).power.shape == (2, 0)
