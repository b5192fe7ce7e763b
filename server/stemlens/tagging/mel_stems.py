"""The stems of a session, opened for taggers that read log-mel power (`mel.py`).

Of a segment that is asked for, the spectra are made first. A few coalitions are mixed from them: a
sum costs products in proportion to the stems, and a filter bank. Where many are asked for, the
segment's Gram is made, from which each costs products in proportion to the pairs of stems and no
filter bank. Measured on one core (ms): the Gram of 8, 16, 24 stems 37, 72, 153; a coalition from it
0.1, 0.3, 0.6, and 1.3 from spectra; from 30 stems on the Gram is the slower way. Both agree to the
rounding of float64.

Opened segments are kept, the last ones used, up to `KEPT` bytes: estimates come back to every
segment several times, and faders move. What has been opened for some stems also serves any of them
alone, so that neither another gain nor a mute costs an STFT.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemlens.tagging import mel
from stemlens.tagging.lanes import Lanes
from stemlens.tagging.tagger import OpenSegment, OpenStems

KEPT = 512 * 2**20
# More than this stay on the host, and what a segment needs of them is sent to the GPU.
WAVEFORMS_ON_GPU = 2 * 2**30
GRAM_STEMS = 24
GROUP = 16  # stems whose spectra are made in one piece of work

# Coalitions that are mixed in one piece: each takes 0.8 MB for a moment from spectra (sums of two
# planes of float64), 0.15 MB from a Gram.
MIXED_AT_ONCE = {"cpu": 8, "cuda": 512}


class MelStems(OpenStems):
    """Keeps the waveforms `[stems, samples]` (not a copy: they must not be changed) and reads
    segments from them. `linear` is the device that mixes, `device` the network's."""

    def __init__(
        self,
        waveforms: NDArray[np.float32],
        linear: torch.device,
        device: torch.device,
        lanes: Lanes,
    ) -> None:
        self.segments, _ = mel.segments(waveforms.shape[1])
        there = torch.from_numpy(np.ascontiguousarray(waveforms))
        self._waveforms = there.to(linear) if there.nbytes <= WAVEFORMS_ON_GPU else there
        self._linear, self._device, self._lanes = linear, device, lanes
        self._opened: OrderedDict[tuple[int, tuple[int, ...]], MelSegment] = OrderedDict()
        self._lock = threading.Lock()
        every = range(len(waveforms))
        parts = [(t, every[k : k + GROUP]) for t in range(self.segments) for k in every[::GROUP]]

        def loudest(part: tuple[int, Sequence[int]]) -> Tensor:
            power = mel.power(mel.stft(self._waveforms, *part, linear))
            return power.amax((1, 2)) * mel.COMPRESSION

        found = lanes.map(loudest, parts)
        power = torch.cat(found) if found else torch.empty(0, dtype=torch.float64)
        self.power = power.view(self.segments, -1).cpu().numpy()

    def segment(self, index: int, stems: Sequence[int]) -> OpenSegment:
        if not 0 <= index < self.segments:
            raise IndexError(f"segment {index} of {self.segments}")
        wanted = tuple(stems)
        opened = self._find(index, wanted)
        if opened is None:
            opened = MelSegment(self._spectra(index, wanted), wanted, self._device, self._lanes)
            self._keep(index, opened)
        return _Some(opened, [opened.stems.index(stem) for stem in wanted])

    def rest(self) -> None:
        with self._lock:
            self._opened.clear()

    def _find(self, index: int, wanted: tuple[int, ...]) -> MelSegment | None:
        """What has been opened for all of these stems and perhaps more."""
        with self._lock:
            for key, opened in self._opened.items():
                if key[0] == index and set(wanted) <= set(opened.stems):
                    self._opened.move_to_end(key)
                    return opened
        return None

    def _keep(self, index: int, opened: MelSegment) -> None:
        with self._lock:
            self._opened[index, opened.stems] = opened
            while len(self._opened) > 1 and sum(o.size for o in self._opened.values()) > KEPT:
                self._opened.popitem(last=False)

    def _spectra(self, index: int, stems: tuple[int, ...]) -> Tensor:
        groups = [stems[k : k + GROUP] for k in range(0, max(len(stems), 1), GROUP)]
        return torch.cat(
            self._lanes.map(
                lambda group: mel.stft(self._waveforms, index, group, self._linear), groups
            )
        )


class MelSegment:
    """A segment's spectra `[stems, frames, bins]`, or its Gram once that pays.

    stems: their indices in the session; size: bytes at most.
    """

    def __init__(
        self, spectra: Tensor, stems: tuple[int, ...], device: torch.device, lanes: Lanes
    ) -> None:
        self.stems = stems
        self._spectra: Tensor | None = spectra
        self._gram: Tensor | None = None
        self._device, self._lanes = device, lanes
        self._asked_for = 0
        pairs = len(stems) * (len(stems) + 1) // 2 if len(stems) <= GRAM_STEMS else 0
        self.size = max(spectra.nbytes, pairs * mel.FRAMES * mel.BANDS * 8)

    def mix(self, gains: NDArray[np.float64]) -> Tensor:
        """Log-mel power `[coalitions, 187, 96]`, float32, on the network's device."""
        mixed = torch.empty((len(gains), mel.FRAMES, mel.BANDS), device=self._device)
        way, table = self._way(len(gains))
        there = torch.from_numpy(np.asarray(gains, np.float64)).to(table.device)
        at_once = MIXED_AT_ONCE[table.device.type]

        def fill(at: int) -> None:
            some = slice(at, at + at_once)
            mixed[some] = mel.compress(way(table, there[some]))

        self._lanes.map(fill, range(0, len(gains), at_once))
        return mixed

    def _way(self, coalitions: int) -> tuple[mel.Mixing, Tensor]:
        """How to mix as many more, and from what. Two threads that need it at the same time may
        both make the Gram."""
        self._asked_for += coalitions
        spectra, stems = self._spectra, len(self.stems)
        # From so many coalitions on the Gram saves what it costs, as measured above.
        if spectra is not None and stems <= GRAM_STEMS and self._asked_for > stems**2 / 2:
            self._gram = mel.gram(spectra, self._lanes.map)
            self._spectra = None
        if self._gram is not None:
            return mel.mix, self._gram
        assert spectra is not None
        return mel.mix_planes, mel.planes(spectra)


class _Some(OpenSegment):
    """Some stems of an opened segment; the others are at gain 0."""

    def __init__(self, opened: MelSegment, columns: list[int]) -> None:
        self._opened, self._columns = opened, columns

    def mix(self, gains: NDArray[np.float64]) -> Tensor:
        every = np.zeros((len(gains), len(self._opened.stems)))
        every[:, self._columns] = gains
        return self._opened.mix(every)
