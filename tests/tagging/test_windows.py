"""Windows that are the same to the bit are found, and no others; the oldest are forgotten."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch.nn import functional

from stemlens.tagging.windows import Memory, distinct, frame_numbers


def coalitions():
    """All coalitions of two stems, one of which is silent half of the time."""
    one, two = np.random.RandomState(0).rand(2, 187, 96).astype(np.float32)
    two[60:150] = 0
    return torch.from_numpy(np.stack([np.zeros_like(one), one, two, one + two]))


@pytest.mark.parametrize("length", [1, 7, 32, 187])
def test_windows_that_are_the_same_are_found_and_no_others(length):
    x = coalitions()
    found = distinct(frame_numbers(x), length)
    before = (length - 1) // 2
    # + 1: silence is not what lies outside
    padded = functional.pad(x + 1, (0, 0, before, length - 1 - before))
    windows = padded.unfold(1, length, 1).reshape(4 * 187, -1)
    expected = np.unique(windows.numpy(), axis=0, return_inverse=True)[1].reshape(4 * 187)
    which = found.which.flatten()
    assert torch.equal(which[:, None] == which, torch.tensor(expected[:, None] == expected))
    assert torch.equal(which[found.example], torch.arange(len(found.number)))
    first = torch.tensor([int((which == n).nonzero()[0]) for n in range(len(found.number))])
    assert torch.equal(found.example, first)


def test_one_bit_makes_another_window():
    x = coalitions()
    before = len(distinct(frame_numbers(x), 7).number)
    x.view(torch.int32)[0, 100, 50] ^= 1
    assert len(distinct(frame_numbers(x), 7).number) == before + 7


def test_one_window_has_one_number_in_every_batch():
    x = coalitions()
    for length in (7, 128):
        together = distinct(frame_numbers(x), length)
        alone = distinct(frame_numbers(x[2:3]), length)
        assert torch.equal(alone.number[alone.which[0]], together.number[together.which[2]])


def fill(memory, frames):
    """Computes what is missing: a window's feature is its number. Returns how many there were."""
    features = memory.look_up(frames)
    number = distinct(frames, memory.length).number
    features.put(features.missing, number[features.missing, None].float())
    expected = number.float()[distinct(frames, memory.length).which]
    assert torch.equal(features.of(slice(None))[..., 0], expected)
    return len(features.missing)


def test_the_oldest_are_forgotten():
    frames = torch.arange(30).view(3, 10) + 1
    memory = Memory(length=1, width=1, capacity=20)
    assert [fill(memory, frames[n : n + 1]) for n in (0, 1, 0, 1)] == [10, 10, 0, 0]
    assert [fill(memory, frames[n : n + 1]) for n in (2, 1, 0, 2, 1)] == [10, 0, 10, 0, 10]
    assert fill(memory, frames) == 10  # more than it can hold


def test_threads_share_a_memory():
    memory = Memory(length=1, width=1, capacity=50)
    errors = []

    def work(seed):
        random = np.random.RandomState(seed)
        try:
            for _ in range(200):
                fill(memory, torch.from_numpy(random.randint(1, 100, (2, 20))))
        except AssertionError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
