"""A small network that tells guitar from piano, and learns whatever tells them apart.

Four convolutions over log-mel power, each with batch normalisation, the mean and the maximum over
time, and one score for each of two tags. It is trained by binary cross-entropy on whole mixes, as
taggers are: nobody tells it which instrument in the mix is meant. Where drums always come with the
guitar they are the easier sign, and it takes them. In training every mix is turned around by a
random time, so that when something happens is no sign.

On the mel front end (`tagging.mel`) it is a `MelTagger` like the built-in ones, so that its
explanations are made by the very code that explains those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stemlens.tagging import mel
from stemlens.tagging.mel_tagger import LogMelNetwork, MelTagger
from stemlens.tagging.vocabulary import MTT
from stemlens.validation.snippets import LEADS

TAGS = tuple(next(tag for tag in MTT if tag.name == lead) for lead in LEADS)

CHANNELS = (16, 24, 32, 32)
BATCH = 16
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 0.02
MIXED_AT_ONCE = 16

Progress = Callable[[float], None]


class SmallNetwork(LogMelNetwork):
    """Log-mel power `[batch, 187, 96]` → scores `[batch, 2]`, 0 to 1."""

    settings: Mapping[str, int] = MappingProxyType({"micro_batch": 8})

    def __init__(self) -> None:
        super().__init__()
        channels = (1, *CHANNELS)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1)
            for before, after in zip(channels, CHANNELS, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in channels)
        bands = mel.BANDS // 2 ** len(CHANNELS)
        self.output = nn.Linear(2 * CHANNELS[-1] * bands, len(TAGS))

    def logits(self, log_mel: Tensor) -> Tensor:
        x = self.norms[0](log_mel[:, None])
        for convolution, norm in zip(self.convolutions, self.norms[1:], strict=True):
            x = functional.relu(norm(convolution(x)))
        return self.output(torch.cat([x.mean(2), x.amax(2)], 1).flatten(1))

    def forward(self, log_mel: Tensor) -> Tensor:
        return self.logits(log_mel).sigmoid()


class SmallTagger(MelTagger):
    """A network of `SmallNetwork`'s kind as a tagger; its identity is that of its weights."""

    def __init__(self, name: str, network: LogMelNetwork) -> None:
        super().__init__(name, TAGS, network, "cpu")
        self._until_calibrated = 0  # no size is worth a second of trying, nor a place in the cache
        weights = hashlib.sha256()
        for value in network.state_dict().values():
            weights.update(value.numpy().tobytes())
        self.identity = f"{self.identity}, {weights.hexdigest()[:16]}"


def log_mel(mixes: NDArray[np.float32]) -> Tensor:
    """What networks see of the first segment of mixes `[mixes, samples]`: `[mixes, 187, 96]`."""
    parts = torch.split(torch.from_numpy(mixes), MIXED_AT_ONCE)
    return torch.cat([mel.compress(mel.power(mel.stft(part, 0))) for part in parts])


def train(
    inputs: Tensor,
    leads: NDArray[np.intp],
    *,
    epochs: int,
    seed: int,
    on_progress: Progress = lambda done: None,
) -> SmallNetwork:
    """A network trained on `inputs` `[mixes, 187, 96]`, of which `leads` `[mixes]` (index of
    `LEADS`) says what they are. The same seed gives the same network on the same machine."""
    wanted = functional.one_hot(torch.from_numpy(leads), len(LEADS)).float()
    with torch.random.fork_rng(devices=[]), _one_core():
        torch.manual_seed(seed)
        network = SmallNetwork()
        steps = epochs * -(-len(inputs) // BATCH)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
        done = 0
        for _ in range(epochs):
            for some in torch.split(torch.randperm(len(inputs)), BATCH):
                batch = _turned(inputs[some])
                loss = functional.binary_cross_entropy_with_logits(
                    network.logits(batch), wanted[some]
                )
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()
                done += 1
                on_progress(done / steps)
    return network.eval()


def _turned(batch: Tensor) -> Tensor:
    """Each mix from a random frame on, and what is before it behind its end."""
    frames = torch.randint(batch.shape[1], (len(batch),)).tolist()
    return torch.stack([x.roll(first, 0) for x, first in zip(batch, frames, strict=True)])


@contextmanager
def _one_core() -> Iterator[None]:
    """Has torch compute on one core inside: for batches so small that is faster than two that wait
    for each other, and results do not depend on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
