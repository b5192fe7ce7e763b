"""Windows of frames that sound the same, so that what a network says of them is computed once.

A convolution sees a window of frames. Where a stem is silent for that long, coalitions with and
without it look the same there, to the bit: of all coalitions of real sessions a twentieth to a half
of the windows of 7 frames are distinct, and a half to nine tenths of those of 32 to 128.

A window is known by a number: a 64-bit hash with random odd factors, of the bits of its frames and
of where it leaves the segment. That two windows that differ get the same number in the life of a
process is less likely than 1e-6.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

LONGEST = 187
_BANDS = 96
_FACTORS = torch.from_numpy(
    np.random.RandomState(0).randint(-(2**62), 2**62, _BANDS + LONGEST + 1, dtype=np.int64) * 2 + 1
)


def frame_numbers(log_mel: Tensor) -> Tensor:
    """A number for each frame of `[batch, frames, 96]` float32: int64 `[batch, frames]`."""
    bits = log_mel.contiguous().view(torch.int32).long()
    return (bits * _FACTORS[:_BANDS]).sum(2).add_(_FACTORS[-1])


class Distinct(NamedTuple):
    """The distinct ones among `[batch, frames]` windows.

    number: what they are known by, `[distinct]`; which: for every window its place in `number`,
    `[batch, frames]`; example: for each of them the first window that is so, batch × frames +
    frame, `[distinct]`.
    """

    number: Tensor
    which: Tensor
    example: Tensor


def distinct(frames: Tensor, length: int) -> Distinct:
    """Of the windows of `length` frames around each frame (the larger half behind it), given
    `frame_numbers`; what lies outside the segment is unlike any frame."""
    before = (length - 1) // 2
    around = torch.nn.functional.pad(frames, (before, length - 1 - before)).unfold(1, length, 1)
    factors = _FACTORS[_BANDS : _BANDS + length]
    number, which = torch.unique((around * factors).sum(2), return_inverse=True)
    example = torch.full((len(number),), which.numel())
    example.scatter_reduce_(0, which.flatten(), torch.arange(which.numel()), "amin")
    return Distinct(number, which, example)


class Memory:
    """The features `[width]` of the last windows of `length` frames that were computed, at most
    `capacity` of them. Several threads may use it."""

    def __init__(self, length: int, width: int, capacity: int) -> None:
        self.length = length
        self._features = torch.empty(capacity, width)  # takes memory as it fills
        self._numbers = np.zeros(capacity, np.int64)
        self._places: dict[int, int] = {}
        self._next = 0
        self._lock = threading.Lock()

    def look_up(self, frames: Tensor) -> Features:
        """The windows of a batch, given its `frame_numbers`, with the features of those known."""
        windows = distinct(frames, self.length)
        features = torch.empty(len(windows.number), self._features.shape[1])
        with self._lock:
            places = torch.tensor(
                [self._places.get(n, -1) for n in windows.number.tolist()], dtype=torch.long
            )
            known = torch.nonzero(places >= 0)[:, 0]
            features[known] = self._features[places[known]]
        return Features(windows, features, torch.nonzero(places < 0)[:, 0], self)

    def keep(self, number: Tensor, features: Tensor) -> None:
        """Remember the features of windows, in place of the oldest."""
        capacity = len(self._features)
        number, features = number[:capacity], features[:capacity]
        with self._lock:
            places = (self._next + np.arange(len(number))) % capacity
            self._next = (self._next + len(number)) % capacity
            old = self._numbers[places].tolist()
            for place, gone, new in zip(places.tolist(), old, number.tolist(), strict=True):
                if self._places.get(gone) == place:
                    del self._places[gone]
                self._places[new] = place
            self._numbers[places] = number.numpy()
            self._features[torch.from_numpy(places)] = features


class Features:
    """The features of the windows of one batch, some of which are still `missing`: these rows are
    to be computed, from their `example`s, and `put`."""

    def __init__(
        self, windows: Distinct, features: Tensor, missing: Tensor, memory: Memory
    ) -> None:
        self._windows, self._features, self._memory = windows, features, memory
        self.example = windows.example
        self.missing = missing

    def put(self, rows: Tensor, features: Tensor) -> None:
        self._features[rows] = features
        self._memory.keep(self._windows.number[rows], features)

    def of(self, some: slice) -> Tensor:
        """`[batch, frames, width]` of some of the batch."""
        return self._features[self._windows.which[some]]
