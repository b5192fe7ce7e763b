"""A tagger made of the mel front end (`mel.py`) and any network that reads log-mel segments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stemlens.tagging import mel
from stemlens.tagging.lanes import Lanes
from stemlens.tagging.tagger import OpenSegment, OpenStems, Tagger
from stemlens.tagging.vocabulary import Tag

# Segments that go through the network together. On a CPU one at a time (in each thread) stays in
# the cache; on a GPU enough to keep it busy, at some 25 MB each.
MICRO_BATCH = {"cpu": 1, "cuda": 64, "mps": 16}
BATCH = {"cpu": 64, "cuda": 1024, "mps": 64}
# Coalitions that are mixed together, for each of which 144 kB of float64 exist for a moment.
MIXED_AT_ONCE = {"cpu": 64, "cuda": 1024}

_switches = threading.Lock()

Each = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]
"""Calls a function for each item, on as many cores as there are, and returns what it returned."""


class LogMelNetwork(nn.Module):
    """A network `[batch, 187, 96]` → `[batch, tags]`."""

    def scorer(self, log_mel: Tensor, each: Each) -> Callable[[slice], Tensor]:
        """How to score parts of a batch; what its segments have in common is done here, once."""
        return lambda some: self(log_mel[some])


class MelTagger(Tagger):
    """`network` maps log-mel power `[batch, 187, 96]` float32 to scores `[batch, tags]`.

    `silence`: a stem counts as not sounding in a segment where 10⁴ × its mel power exceeds 0.01 in
    no frame and band (a tone at −91 dB, noise at −78 dB below full scale). Leaving such stems out
    moves musicnn's scores by less than 0.001, and those of VGG, which hears more of what is
    nearly silent, by less than 0.003.
    """

    sample_rate = mel.SAMPLE_RATE
    segment_s = mel.SEGMENT_S
    silence = 0.01

    def __init__(
        self, name: str, tags: tuple[Tag, ...], network: LogMelNetwork, device: str
    ) -> None:
        self.name = name
        self.identity = f"{name}, float32"
        self.tags = tags
        threads = torch.get_num_threads() if device == "cpu" else 1
        self.batch = max(BATCH[device], 2 * threads)
        self._micro_batch = MICRO_BATCH[device]
        self._device = torch.device(device)
        self._linear_device = torch.device("cpu" if device == "mps" else device)  # needs float64
        self._network = network.to(self._device).eval()
        self._lanes = Lanes(threads)

    def segments(self, samples: int) -> tuple[int, float]:
        return mel.segments(samples)

    def reach(self, segment: int) -> tuple[int, int]:
        return mel.reach(segment)

    def open(self, waveforms: NDArray[np.float32]) -> _OpenStems:
        there = torch.from_numpy(np.ascontiguousarray(waveforms)).to(self._linear_device)
        return _OpenStems(there, self._device, self._lanes)

    def score(self, inputs: Tensor) -> NDArray[np.float32]:
        scores = torch.empty((len(inputs), len(self.tags)), device=self._device)

        # A CPU knows no such switch, and two lanes must not wait for each other's batches.
        with _plain_float32() if self._device.type == "cuda" else nullcontext():
            with torch.inference_mode():
                scorer = self._network.scorer(inputs, self._lanes.map)

            def fill(at: int) -> None:
                some = slice(at, at + self._micro_batch)
                with torch.inference_mode():
                    scores[some] = scorer(some)

            self._lanes.map(fill, range(0, len(inputs), self._micro_batch))
        return scores.cpu().numpy()


class _OpenStems(OpenStems):
    """Keeps the waveforms (not a copy: they must not be changed) and reads segments from them.

    Spectra and Grams are made one segment at a time, so that memory does not grow with the number
    of pairs of stems.
    """

    def __init__(self, waveforms: Tensor, device: torch.device, lanes: Lanes) -> None:
        self.segments, _ = mel.segments(waveforms.shape[1])
        self._waveforms = waveforms
        self._device = device
        self._lanes = lanes

        def loudest(index: int) -> Tensor:
            with torch.inference_mode():
                return mel.power(mel.stft(waveforms, index)).amax((1, 2)) * mel.COMPRESSION

        self.power = torch.stack(lanes.map(loudest, range(self.segments))).cpu().numpy()

    def segment(self, index: int, stems: Sequence[int]) -> _OpenSegment:
        if not 0 <= index < self.segments:
            raise IndexError(f"segment {index} of {self.segments}")

        def gram() -> Tensor:
            with torch.inference_mode():
                return mel.gram(mel.stft(self._waveforms, index, stems))

        return _OpenSegment(self._lanes.submit(gram).result(), self._device, self._lanes)


class _OpenSegment(OpenSegment):
    def __init__(self, gram: Tensor, device: torch.device, lanes: Lanes) -> None:
        self._gram = gram
        self._device = device
        self._lanes = lanes

    def mix(self, gains: NDArray[np.float64]) -> Tensor:
        """Log-mel power `[coalitions, 187, 96]`, float32, on the network's device."""
        gains_there = torch.from_numpy(np.asarray(gains, np.float64)).to(self._gram.device)
        mixed = torch.empty((len(gains), mel.FRAMES, mel.BANDS), device=self._device)
        at_once = MIXED_AT_ONCE[self._gram.device.type]

        def fill(at: int) -> None:
            some = slice(at, at + at_once)
            with torch.inference_mode():
                mixed[some] = mel.compress(mel.mix(self._gram, gains_there[some]))

        self._lanes.map(fill, range(0, len(gains), at_once))
        return mixed


@contextmanager
def _plain_float32() -> Iterator[None]:
    """No TensorFloat-32 inside, whatever the rest of the process prefers."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    with _switches:  # they are the whole process's
        before = convolutions.allow_tf32, products.allow_tf32
        convolutions.allow_tf32 = products.allow_tf32 = False
        try:
            yield
        finally:
            convolutions.allow_tf32, products.allow_tf32 = before
