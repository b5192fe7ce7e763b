"""A tagger made of the mel front end (`mel.py`) and any network that reads log-mel segments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stemlens.tagging import calibration, gpu, mel
from stemlens.tagging.calibration import Trial, fastest
from stemlens.tagging.lanes import Lanes, is_urgent
from stemlens.tagging.mel_stems import MelStems
from stemlens.tagging.tagger import Tagger
from stemlens.tagging.vocabulary import Tag

# Segments that go through the network together on a GPU: enough to keep it busy, at 25 MB each.
MICRO_BATCH = {"cuda": 64, "mps": 16}
# Coalitions that are scored together: on a CPU, for each thread, so many that it takes at most half
# a second.
BATCH = {"cpu": 24, "cuda": 1024, "mps": 64}

# A CPU is calibrated when it has scored so many segments: who scores fewer would not notice.
CALIBRATE_AFTER = 64
CALIBRATE_S = 1.0


class LogMelNetwork(nn.Module):
    """A network `[batch, 187, 96]` → `[batch, tags]`.

    settings: how much is computed together on a CPU; `micro_batch`: segments.
    """

    settings: Mapping[str, int] = MappingProxyType({"micro_batch": 1})

    def fused(self) -> dict[str, gpu.Run]:
        """The network with kernels of our own in it, by the precision that they compute in."""
        return {}

    def trials(self) -> dict[str, Trial]:
        """How to find the best settings for a CPU."""
        four = torch.rand(4, mel.FRAMES, mel.BANDS)
        return {
            "micro_batch": Trial((1, 2, 4), lambda size: [self(x) for x in torch.split(four, size)])
        }

    def scorer(self, log_mel: Tensor, each: mel.Each) -> Callable[[slice], Tensor]:
        """How to score parts of a batch; what its segments have in common is done here, once."""
        return lambda some: self(log_mel[some])


class MelTagger(Tagger):
    """`network` maps log-mel power `[batch, 187, 96]` float32 to scores `[batch, tags]`.

    `silence`: a stem counts as not sounding in a segment where 10⁴ × its mel power exceeds 0.01 in
    no frame and band (a tone at −91 dB, noise at −78 dB below full scale). Leaving such stems out
    moves musicnn's scores by less than 0.001, and those of VGG, which hears more of what is
    nearly silent, by less than 0.003.

    On a CUDA GPU the way of computing is chosen when it is loaded (`gpu.py`).
    """

    sample_rate = mel.SAMPLE_RATE
    segment_s = mel.SEGMENT_S
    silence = 0.01

    def __init__(
        self, name: str, tags: tuple[Tag, ...], network: LogMelNetwork, device: str
    ) -> None:
        self.name = name
        self.tags = tags
        threads = torch.get_num_threads() if device == "cpu" else 1
        self.batch = BATCH[device] * threads
        self._until_calibrated = CALIBRATE_AFTER
        self._device = torch.device(device)
        self._linear_device = torch.device("cpu" if device == "mps" else device)  # needs float64
        self._network = network.to(self._device).eval()
        self._lanes = Lanes(threads)
        self._way = self._fastest() if device == "cuda" else None
        if self._way:
            self.notes = self._way.told()
        # Scores of another precision are other scores.
        self.identity = f"{name}, {self._way.name if self._way else 'float32'}"

    def _fastest(self) -> gpu.Chosen:
        batch = MICRO_BATCH["cuda"]
        ways = gpu.ways(self._network, self._network.fused(), batch)
        probe = gpu.probe(batch, self._device)
        chosen = gpu.choose(ways, probe, lambda run: gpu.seconds(run, probe))
        del ways
        torch.cuda.empty_cache()  # gives back what the other ways took
        return chosen

    def segments(self, samples: int) -> tuple[int, float]:
        return mel.segments(samples)

    def reach(self, segment: int) -> tuple[int, int]:
        return mel.reach(segment)

    def open(self, waveforms: NDArray[np.float32]) -> MelStems:
        return MelStems(waveforms, self._linear_device, self._device, self._lanes)

    def open_one(self, waveform: NDArray[np.float32], segment: int) -> Tensor:
        spectra = mel.stft(torch.from_numpy(waveform[None]), segment, device=self._linear_device)
        return mel.compress(mel.power(spectra)).to(self._device)

    def score(self, inputs: Tensor) -> NDArray[np.float32]:
        scores = torch.empty((len(inputs), len(self.tags)), device=self._device)
        together = MICRO_BATCH.get(self._device.type, 1)
        if self._device.type == "cpu":
            self._calibrate(len(inputs))
            together = self._network.settings["micro_batch"]
        scorer = self._scorer(inputs)

        def fill(at: int) -> None:
            some = slice(at, at + together)
            scores[some] = scorer(some)

        self._lanes.map(fill, range(0, len(inputs), together))
        return scores.cpu().numpy()

    def _scorer(self, inputs: Tensor) -> Callable[[slice], Tensor]:
        if self._way:
            run = self._way.run
            return lambda some: run(inputs[some])
        with torch.inference_mode():
            return self._network.scorer(inputs, self._lanes.map)

    def _calibrate(self, segments: int) -> None:
        """Called before so many segments are scored; what is urgent is not kept waiting."""
        if self._until_calibrated <= 0 or is_urgent():
            return
        self._until_calibrated -= segments
        if self._until_calibrated <= 0:
            trials = self._network.trials()
            seconds = CALIBRATE_S / len(trials)
            self._network.settings = calibration.settings(
                self.name,
                trials,
                lambda trial: self._lanes.submit(fastest, trial, seconds).result(),
            )
