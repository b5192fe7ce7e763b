"""Runs a Demucs model through Demucs' own separator, `demucs.api.Separator`.

Repeatable: without random shifts, the same mix gives the same stems. Memory: the network sees
`SEGMENT_S` at most at a time; the mix and the stems stay in the machine's own memory, also when the
network runs on a GPU. The library is handed what it takes without a conversion of its own (float32,
the model's rate and channels); the way there and back is `stemlens.audio`'s, so that the stems lie
to the sample where the mix does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import demucs.api
import numpy as np
import torch
from demucs.apply import BagOfModels

from stemlens import audio
from stemlens.audio import Samples
from stemlens.separation import demucs_files
from stemlens.separation.demucs_models import Files
from stemlens_bridge.errors import StemlensError

SEGMENT_S = 12.0  # HTDemucs takes 7.8; HDemucs comes with 40, for which it needs gigabytes
OVERLAP = 0.25
SHORTEST_S = 0.5  # less gets silence after it: of one sample there is no spread to divide by


class _Given(demucs.api.Separator):
    """Demucs' separator with a model that was loaded, and checked, elsewhere."""

    def __init__(self, model: BagOfModels, **options: Any) -> None:
        self._given = model
        super().__init__(**options)

    def _load_model(self) -> None:
        self._model = self._given
        self._audio_channels = self._given.audio_channels
        self._samplerate = self._given.samplerate


class DemucsSeparator:
    """A `Separator` (see `stemlens.separation`) of one Demucs model on one device."""

    def __init__(self, name: str, files: Files, device: str) -> None:
        model = demucs_files.load(files)
        self.name = name
        self.stems: tuple[str, ...] = tuple(model.sources)
        self.rate = int(model.samplerate)
        self._members: list[Any] = list(model.models)
        lengths = [float(member.segment) for member in self._members]
        self._segment_s = min([SEGMENT_S, *lengths])
        # A segment of its own is asked for only where the model's is too long: asked for or not,
        # an HTDemucs pads to the length that it was trained on.
        self._separator = _Given(
            model,
            device=device,
            shifts=0,
            overlap=OVERLAP,
            segment=None if max(lengths) <= SEGMENT_S else self._segment_s,
        )

    def separate(
        self,
        samples: Samples,
        rate: int,
        on_progress: Callable[[float], None] = lambda fraction: None,
    ) -> dict[str, Samples]:
        """See `Separator.separate`."""
        channels = self._separator.audio_channels
        heard = audio.to_stereo(samples) if channels == 2 else audio.to_mono(samples)[:, np.newaxis]
        heard = audio.resample(heard, rate, self.rate)
        shortest = round(SHORTEST_S * self.rate)
        heard = np.pad(heard, [(0, max(shortest - len(heard), 0)), (0, 0)])
        wanted = 1 if samples.shape[1] == 1 else 2

        fraction = 0.0

        def on_segment(told: dict[str, Any]) -> None:
            nonlocal fraction
            done = told["segment_offset"]
            if told["state"] == "end":
                done += (1 - OVERLAP) * self._segment_s * self.rate
            part = min(done / told["audio_length"], 1.0)
            fraction = (told["model_idx_in_bag"] + part) / told["models"]
            on_progress(fraction)

        self._separator.update_parameter(callback=on_segment)
        # A segment takes seconds; whoever cancels is heard before each layer.
        hooks = [
            module.register_forward_pre_hook(lambda *_: on_progress(fraction))
            for member in self._members
            for module in member.modules()
        ]
        try:
            # a copy only where the mix is in memory in another order
            wav = torch.from_numpy(np.ascontiguousarray(heard.T))
            _, made = self._separator.separate_tensor(wav, self.rate)
        except torch.OutOfMemoryError as error:
            raise StemlensError(
                "separation_failed",
                f"The memory of the device was not enough for {self.name}. Choose another device "
                "(--device cpu).",
            ) from error
        finally:
            for hook in hooks:
                hook.remove()
        stems = {}
        for name in self.stems:
            stem = _as_it_came(made.pop(name).numpy().T, self.rate, rate, len(samples), wanted)
            if not np.isfinite(stem).all():
                raise StemlensError(
                    "separation_failed",
                    f"{self.name} made something that is no sound of this mix ({name}). Try "
                    "another model (--model).",
                )
            stems[name] = stem
        on_progress(1.0)
        return stems


def _as_it_came(stem: Samples, from_rate: int, rate: int, frames: int, channels: int) -> Samples:
    """A stem `[frames, channels]` of the model in the form of the mix."""
    stem = audio.to_stereo(stem) if channels == 2 else audio.to_mono(stem)[:, np.newaxis]
    stem = audio.resample(stem, from_rate, rate)[:frames]
    missing = frames - len(stem)  # one at most, by rounding
    return np.ascontiguousarray(np.pad(stem, [(0, missing), (0, 0)]) if missing else stem)
