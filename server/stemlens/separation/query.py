"""Stems asked for in words: `query:the piano`, or several: `query:the piano,the choir`.

Each words' stem is asked for from what the ones before left of the mix, and what all of them leave
is the stem `rest`. So stems and rest always add up to the mix, and all are players of the game.

The network is one that is installed beside Stemlens, the first that can be imported of
- SAM-Audio (Meta, 2025; package `sam_audio`): `SAMAudio.from_pretrained(NAME)`, and
  `SAMAudioProcessor` of the same name makes a batch of `audios` (tensors `[channels, frames]` at
  its `audio_sampling_rate`) and `descriptions`, whose `separate(batch)` has a `target`. NAME is
  `facebook/sam-audio-large` or what `STEMLENS_SAM_AUDIO` says; its weights are given out on request
  only (SAM License).
- AudioSep (Liu et al., 2023; its checkout on `PYTHONPATH`, module `pipeline`):
  `build_audiosep(config_yaml, checkpoint_path, device)`; `query_encoder.get_query_embed` turns
  words into a condition, `ss_model({mixture, condition})` gives a `waveform`. `AUDIOSEP_CONFIG` and
  `AUDIOSEP_CHECKPOINT` say where both files lie (code MIT).

Both networks hear mono, so each channel of the mix is asked on its own; AudioSep works at 32 kHz,
so what lies above 16 kHz stays in the rest. Neither can be installed where Stemlens is tested: the
tests run these lines against stand-ins of the same interfaces.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stemlens import audio
from stemlens.audio import Samples
from stemlens_bridge.errors import StemlensError

REST = "rest"
PACKAGES = {"sam_audio": "SAM-Audio", "pipeline": "AudioSep"}
AUDIOSEP_RATE = 32_000

Ask = Callable[[Samples, str], Samples]
"""Mono `[frames]` at the network's rate and words → what they mean, `[frames]`."""


def installed() -> str | None:
    """The package of the network that would be used, None where there is none."""
    return next((name for name in PACKAGES if importlib.util.find_spec(name)), None)


def load(words: str, device: str) -> QuerySeparator:
    """The separator for some words; raises `separator_unknown`, `weights_missing`."""
    asked = tuple(part.strip() for part in words.split(",") if part.strip())
    if not asked or len(set(asked)) < len(asked) or REST in asked:
        raise StemlensError(
            "separator_unknown",
            "Say which stems you want, each once: query:the piano, or query:the piano,the choir.",
        )
    package = installed()
    if package is None:
        raise StemlensError(
            "separator_unknown",
            "Stems by words need a network that understands words, and none is installed: install "
            "SAM-Audio (github.com/facebookresearch/sam-audio) or put AudioSep "
            "(github.com/Audio-AGI/AudioSep) on PYTHONPATH. For stems without words take htdemucs.",
        )
    rate, ask = {"sam_audio": _sam_audio, "pipeline": _audiosep}[package](device)
    return QuerySeparator(asked, rate, ask)


@dataclass(frozen=True)
class QuerySeparator:
    """A `Separator` (see `stemlens.separation`) of what words ask for, and the rest."""

    words: tuple[str, ...]
    rate: int
    ask: Ask

    @property
    def name(self) -> str:
        return f"query:{','.join(self.words)}"

    @property
    def stems(self) -> tuple[str, ...]:
        return (*self.words, REST)

    def separate(
        self,
        samples: Samples,
        rate: int,
        on_progress: Callable[[float], None] = lambda fraction: None,
    ) -> dict[str, Samples]:
        """See `Separator.separate`."""
        left = samples if samples.shape[1] == 1 else audio.to_stereo(samples)
        stems: dict[str, Samples] = {}
        steps = len(self.words) * left.shape[1]
        for word in self.words:
            stem = np.zeros_like(left)
            for channel in range(left.shape[1]):
                on_progress((len(stems) * left.shape[1] + channel) / steps)
                heard = audio.resample(np.ascontiguousarray(left[:, channel]), rate, self.rate)
                made = np.asarray(self.ask(heard, word), dtype=np.float32).reshape(-1)
                if not np.isfinite(made).all():
                    raise StemlensError(
                        "separation_failed",
                        f"The network's answer to {word!r} is no sound. Ask in other words.",
                    )
                audio.add_at(stem[:, channel], audio.resample(made, self.rate, rate), 0)
            stems[word] = stem
            left = left - stem
        on_progress(1.0)
        return {**stems, REST: left}


def _sam_audio(device: str) -> tuple[int, Ask]:
    import torch

    package = importlib.import_module("sam_audio")
    name = os.environ.get("STEMLENS_SAM_AUDIO", "facebook/sam-audio-large")
    try:
        model = package.SAMAudio.from_pretrained(name).eval().to(device)
        processor = package.SAMAudioProcessor.from_pretrained(name)
    except OSError as error:
        raise StemlensError(
            "weights_missing",
            f"The weights of {name} are not here ({error}). Ask for access on its page on the "
            "Hugging Face hub, then: hf auth login.",
        ) from error

    def ask(heard: Samples, words: str) -> Samples:
        batch = processor(audios=[torch.from_numpy(heard)[None]], descriptions=[words]).to(device)
        with torch.inference_mode():
            found = model.separate(batch)
        return _samples(found.target[0])

    return int(processor.audio_sampling_rate), ask


def _audiosep(device: str) -> tuple[int, Ask]:
    import torch

    places = [os.environ.get(name, "") for name in ("AUDIOSEP_CONFIG", "AUDIOSEP_CHECKPOINT")]
    if not all(os.path.isfile(place) for place in places):
        raise StemlensError(
            "weights_missing",
            "Say where AudioSep's files lie: AUDIOSEP_CONFIG=…/audiosep_base.yaml and "
            "AUDIOSEP_CHECKPOINT=…/audiosep_base_4M_steps.ckpt.",
        )
    model = importlib.import_module("pipeline").build_audiosep(
        config_yaml=places[0], checkpoint_path=places[1], device=device
    )

    def ask(heard: Samples, words: str) -> Samples:
        with torch.inference_mode():
            condition = model.query_encoder.get_query_embed(
                modality="text", text=[words], device=device
            )
            mixture = torch.from_numpy(heard)[None, None].to(device)
            found = model.ss_model({"mixture": mixture, "condition": condition})
        return _samples(found["waveform"])

    return AUDIOSEP_RATE, ask


def _samples(tensor: Any) -> Samples:
    made: Samples = tensor.float().cpu().numpy()
    return made
