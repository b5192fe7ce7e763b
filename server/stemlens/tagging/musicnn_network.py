"""The musicnn and VGG networks of Pons & Serra, for inference in float32.

Sources: J. Pons, X. Serra, "musicnn: Pre-trained convolutional neural networks for music audio
tagging", 2019 (arXiv:1909.06654); J. Pons et al., "End-to-end learning for music audio tagging at
scale", ISMIR 2018. Trained weights: `weights.py`, in TensorFlow's layout (height, width, in, out;
time is the height, mel bands are the width).

Input: log-mel power `[batch, 187, 96]`; output: scores `[batch, tags]`, 0 to 1.

Three rearrangements make them fast without changing what they compute:

*Maximum first.* Every convolution is followed by relu, batch norm and a maximum. Both are monotonic
per filter, so the maximum can be taken first and the rest be done on what is left. Where batch
norm's scale is negative the maximum of its output is at the minimum of its input; such filters
are negated when loaded, and negated back behind the maximum (`_Tail`).

*Convolution along frequency by DFT.* musicnn spends nearly all its time in two convolutions of
which only the maximum over frequency is wanted (`_TimbralBlock` has the formula). They cost a
quarter of the multiplications as products with the input's DFT along the mel bands, and rounding
errors are no larger than those of a direct convolution.

*The same window once.* The timbral convolutions see seven frames at a time, the temporal ones 32 to
128. On a CPU each distinct window is computed once (`Musicnn.scorer`, `windows.py`), also when it
comes back in a later batch: of real sessions a fifth of the timbral ones and two thirds of the
temporal ones.

*Temporal convolutions as products.* All bands of the frames that a filter sees lie one behind the
other in memory, so that a convolution along time is a product of the filters with a view of the
input, frame by frame, and its maximum over bands is taken before it leaves the cache.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stemlens.tagging import gpu
from stemlens.tagging.calibration import Trial
from stemlens.tagging.mel import Each
from stemlens.tagging.mel_tagger import LogMelNetwork
from stemlens.tagging.windows import Features, Memory, frame_numbers

Weights = Mapping[str, NDArray[np.float32]]

BANDS = 96
WINDOW = 7  # frames that a timbral convolution sees
MARGIN = 64  # frames of zeros on both sides of a segment, for the longest filters
PREPARED = 8  # segments that are looked at together before
REMEMBERED = 2**16  # windows whose features are kept, in 150 MB
EPSILON = 1e-3  # of TensorFlow's batch normalisation


class Musicnn(LogMelNetwork):
    """Two timbral and three temporal convolutions, three dense-connected ones, global pooling.

    settings: `windows` that go through the timbral convolutions together, `pairs` of frames that go
    through the temporal ones, segments that go through the rest.
    """

    settings: Mapping[str, int] = MappingProxyType({"windows": 96, "pairs": 8, "micro_batch": 1})

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.normalize = _Affine(weights, "batch_normalization")
        timbral = [
            _TimbralBlock(weights, f"conv2d{n}", f"batch_normalization{m}")
            for n, m in (("", "_1"), ("_1", "_2"))
        ]
        temporal = [
            _TemporalBlock(weights, f"conv2d_{n}", f"batch_normalization_{n + 1}")
            for n in (2, 3, 4)
        ]
        self._timbral = timbral
        self.timbral = nn.ModuleList(timbral)
        self.temporal = nn.ModuleList(temporal)
        self.middle = nn.ModuleList(
            _MiddleBlock(weights, f"conv2d_{n}", f"batch_normalization_{n + 1}") for n in (5, 6, 7)
        )
        self.normalize_pool = _Affine(weights, "batch_normalization_9")
        self.penultimate = _Dense(weights, "dense")
        self.normalize_penultimate = _Affine(weights, "batch_normalization_10")
        self.output = _Dense(weights, "dense_1")
        timbral_filters = sum(block.filters for block in timbral)
        self._filters = timbral_filters + sum(block.filters for block in temporal)
        self._memory = Memory(WINDOW, timbral_filters, REMEMBERED)
        self._memories = [(b, Memory(b.length, b.filters, REMEMBERED)) for b in temporal]

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.normalize(log_mel)
        timbral = self._timbral_features(_spectrum(x)).view(*x.shape[:2], -1)
        return self._rest(torch.cat([timbral.mT, *(block(x) for block in self.temporal)], dim=1))

    def fused(self) -> dict[str, gpu.Run]:
        try:
            from stemlens.tagging.timbral_kernel import FusedTimbral
        except ImportError as missing:
            warnings.warn(f"No fused kernel: {missing}", RuntimeWarning, stacklevel=2)
            return {}

        def at(dtype: torch.dtype) -> gpu.Run:
            kernels = [(FusedTimbral(block.kernel, dtype), block.tail) for block in self._timbral]

            def run(log_mel: Tensor) -> Tensor:
                x = self.normalize(log_mel)
                timbral = [tail(kernel(x).mT) for kernel, tail in kernels]
                return self._rest(torch.cat([*timbral, *(b(x) for b in self.temporal)], dim=1))

            return run

        return {"tf32": at(torch.float32), "float16": at(torch.float16)}

    def scorer(self, log_mel: Tensor, each: Each) -> Callable[[slice], Tensor]:
        if log_mel.device.type != "cpu":
            return super().scorer(log_mel, each)
        batch, frames, bands = log_mel.shape
        # One row more than the longest filter sees: temporal blocks compute two frames at a time.
        padded = torch.zeros(batch, MARGIN + frames + MARGIN + 1, bands)
        parts = torch.empty(batch, frames + WINDOW - 1, bands // 2 + 1, 2)
        numbers = torch.empty(batch, frames, dtype=torch.long)

        def prepare(at: int) -> None:
            some = slice(at, at + PREPARED)
            padded[some, MARGIN : MARGIN + frames] = self.normalize(log_mel[some])
            parts[some] = _parts(padded[some, MARGIN - 3 : MARGIN + frames + 3])
            numbers[some] = frame_numbers(log_mel[some])

        each(prepare, range(0, batch, PREPARED))
        memories = [self._memory, *(memory for _, memory in self._memories)]
        found: list[Features] = each(lambda memory: memory.look_up(numbers), memories)
        pieces = self._timbral_pieces(parts, found[0])
        for (block, _), features in zip(self._memories, found[1:], strict=True):
            pieces += block.pieces(padded, features, self.settings["pairs"])
        each(lambda piece: piece(), pieces)
        return lambda some: self._rest(torch.cat([f.of(some) for f in found], dim=2).mT)

    def trials(self) -> dict[str, Trial]:
        windows = _spectrum(torch.rand(1, 192, BANDS))
        padded = torch.rand(187 + 2 * MARGIN + 1, BANDS)
        front = torch.rand(4, self._filters, 187)

        def timbral(size: int) -> None:
            for some in torch.split(windows, size, 2):
                self._timbral_features(some)

        def temporal(size: int) -> None:
            for block, _ in self._memories:
                block.run(padded, 0, 187, size)

        def rest(size: int) -> None:
            for some in torch.split(front, size):
                self._rest(some)

        return {
            "windows": Trial((96, 64, 192), timbral),
            "pairs": Trial((8, 4, 16), temporal),
            "micro_batch": Trial((1, 2, 4), rest),
        }

    def _timbral_pieces(self, parts: Tensor, features: Features) -> list[Callable[[], None]]:
        """What computes all that is missing in `features`, given the input's `_parts`."""

        def compute(rows: Tensor) -> None:
            features.put(rows, self._timbral_features(_windows(parts, features.example[rows])))

        parted = torch.split(features.missing, self.settings["windows"])
        return [partial(compute, rows) for rows in parted if len(rows)]

    def _timbral_features(self, windows: Tensor) -> Tensor:
        """`[windows, 2 × filters]` of `[bins, 14, windows]`."""
        return torch.cat([block(windows) for block in self.timbral]).T

    def _rest(self, front: Tensor) -> Tensor:
        """Scores, given the features of all front-end convolutions `[batch, filters, frames]`."""
        first = self.middle[0](front)
        second = self.middle[1](first) + first
        third = self.middle[2](second) + second
        features = torch.cat([front, first, second, third], dim=1)
        # The original interleaves them: maximum and mean of channel 0, of channel 1, …
        pooled = torch.stack([features.amax(2), features.mean(2)], dim=2).flatten(1)
        hidden = functional.relu(self.penultimate(self.normalize_pool(pooled)))
        return torch.sigmoid(self.output(self.normalize_penultimate(hidden)))


class Vgg(LogMelNetwork):
    """Five 3×3 convolutions, each followed by max-pooling, and a dense layer."""

    POOLS = ((4, 1), (2, 2), (2, 2), (2, 2), (4, 4))

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.normalize = _Affine(weights, "batch_normalization")
        self.tails = nn.ModuleList()
        for n in range(1, 6):
            tail = _Tail(weights, f"{n}CNN", f"batch_normalization_{n}", axes=2)
            kernel = torch.from_numpy(weights[f"{n}CNN/kernel"]).permute(3, 2, 0, 1)
            self.tails.append(tail)
            self.register_buffer(f"kernel_{n}", tail.signed(kernel).contiguous())
        self.output = _Dense(weights, "dense")

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.normalize(log_mel)[:, None]
        for n, (pool, tail) in enumerate(zip(self.POOLS, self.tails, strict=True), start=1):
            kernel = self.get_buffer(f"kernel_{n}")
            # The first pool takes every second band only, so the first convolution does too.
            across = 2 if n == 1 else 1
            x = functional.conv2d(x, kernel, stride=(1, across), padding=1)
            step = (2, 1) if n == 1 else pool
            x = tail(functional.max_pool2d(x, pool, step))
        # TensorFlow flattens with the channels last.
        return torch.sigmoid(self.output(x.permute(0, 2, 3, 1).flatten(1)))


class _Affine(nn.Module):
    """Batch normalisation with the statistics of the training, over the last axis."""

    scale: Tensor
    shift: Tensor

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        scale, shift = _batch_norm(weights, name)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class _Dense(nn.Module):
    kernel: Tensor
    bias: Tensor

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.from_numpy(weights[f"{name}/kernel"]))
        self.register_buffer("bias", torch.from_numpy(weights[f"{name}/bias"]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.kernel)


class _Tail(nn.Module):
    """Bias, relu and batch norm of a convolution, applied behind the maximum.

    The convolution must use `signed` filters and no bias. Channels are axis 1, before `axes` more.
    """

    sign: Tensor
    bias: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, weights: Weights, conv: str, norm: str, axes: int = 1) -> None:
        super().__init__()
        scale, shift = _batch_norm(weights, norm)
        sign = torch.where(scale < 0, -1.0, 1.0)
        bias = torch.from_numpy(weights[f"{conv}/bias"])
        for name, value in (("sign", sign), ("bias", bias), ("scale", scale), ("shift", shift)):
            self.register_buffer(name, value.view(-1, *[1] * axes))

    def signed(self, kernel: Tensor) -> Tensor:
        """`kernel` `[filters, …]` with the filters negated whose minimum is wanted."""
        return kernel * self.sign.view(-1, *[1] * (kernel.ndim - 1))

    def forward(self, maximum: Tensor) -> Tensor:
        return functional.relu(maximum * self.sign + self.bias) * self.scale + self.shift


class _TimbralBlock(nn.Module):
    """A convolution 7 frames long and many bands wide; its maximum over all bands.

    With X the DFT of the 96 bands of a frame and G that of a filter (conjugated), summed over the
    filter's 7 frames, Y = ΣXG, the output at band o is Σₖ Re(Yₖ e^(2πiko/96)): circular, but not
    where the filter lies wholly inside the 96 bands, the only outputs wanted. Counted from the
    middle one, outputs at +o and −o are C − S and C + S with C = Σ Re(Yₖ) cos and
    S = Σ Im(Yₖ) sin: their maximum is C + |S|.
    """

    kernel: Tensor
    responses: Tensor
    cosines: Tensor
    sines: Tensor

    TILE = 17  # filters at a time, so that on a CPU their Y stay in the cache

    def __init__(self, weights: Weights, conv: str, norm: str) -> None:
        super().__init__()
        self.tail = _Tail(weights, conv, norm)
        kernel = self.tail.signed(
            torch.from_numpy(weights[f"{conv}/kernel"])[:, :, 0].movedim(2, 0)
        )
        self.filters = len(kernel)
        outputs = BANDS - kernel.shape[2] + 1
        bins = torch.arange(BANDS // 2 + 1, dtype=torch.float64)
        angle = 2 * math.pi * bins / BANDS
        # Rows of the inverse DFT; every bin but the first and the last stands for two.
        twice = torch.where((bins == 0) | (bins == BANDS // 2), 1.0, 2.0) / BANDS
        to_middle = torch.exp(1j * angle * (outputs - 1) / 2)
        response = torch.fft.rfft(kernel.double(), n=BANDS).conj() * twice * to_middle
        real, imag = response.real, response.imag
        # What the real and imaginary parts of X (see _spectrum) contribute to those of Y:
        # [2, filters, 2 × 7, bins]
        parts = torch.stack([torch.cat([real, -imag], 1), torch.cat([imag, real], 1)])
        tiles = parts.view(2, -1, self.TILE, *parts.shape[2:]).permute(1, 4, 0, 2, 3)
        distance = torch.arange((outputs - 1) / 2 % 1, outputs / 2, dtype=torch.float64)[:, None]
        tables = {
            "kernel": kernel,
            "responses": tiles.flatten(2, 3),  # [tiles, bins, 2 × TILE, 2 × 7]
            "cosines": torch.cos(distance * angle),
            "sines": torch.sin(distance * angle),
        }
        for name, table in tables.items():
            self.register_buffer(name, table.float().contiguous())

    def forward(self, windows: Tensor) -> Tensor:
        """`[filters, windows]` of `[bins, 14, windows]` (see `_spectrum`)."""
        count = windows.shape[2]
        half = self.TILE * count
        maxima = []
        for response in self.responses:
            y = torch.bmm(response, windows).flatten(1)
            even, odd = self.cosines @ y[:, :half], self.sines @ y[:, half:]
            maxima.append(even.add_(odd.abs_()).amax(0).view(-1, count))
        return self.tail(torch.cat(maxima))


class _TemporalBlock(nn.Module):
    """A convolution many frames long and one band wide; its maximum over all bands."""

    kernel: Tensor
    pairs: Tensor

    def __init__(self, weights: Weights, conv: str, norm: str) -> None:
        super().__init__()
        self.tail = _Tail(weights, conv, norm)
        kernel = self.tail.signed(
            torch.from_numpy(weights[f"{conv}/kernel"]).permute(3, 2, 0, 1)
        ).contiguous()
        self.filters, _, self.length, _ = kernel.shape
        self.before = (self.length - 1) // 2  # TensorFlow's "same" pads an even filter at the end
        one = kernel[:, 0, :, 0]
        self.register_buffer("kernel", kernel)
        # For a frame and the next, whose windows are nearly the same: [2 × filters, length + 1]
        pairs = torch.cat([functional.pad(one, (0, 1)), functional.pad(one, (1, 0))])
        self.register_buffer("pairs", pairs)

    def forward(self, x: Tensor) -> Tensor:
        """`[batch, filters, frames]` of `[batch, frames, 96]`."""
        padded = functional.pad(x[:, None], (0, 0, self.before, self.length - 1 - self.before))
        return self.tail(functional.conv2d(padded, self.kernel).amax(3))

    def pieces(self, padded: Tensor, features: Features, pairs: int) -> list[Callable[[], None]]:
        """What computes all that is missing in `features`, given the input with `MARGIN` frames of
        zeros before and one more behind: a piece for each segment."""
        frames = padded.shape[1] - 2 * MARGIN - 1
        missing = features.missing[features.example[features.missing].argsort()]
        example = features.example[missing]
        follows = (example.diff() == 1) & (example[1:] % frames != 0)
        starts = [0, *(1 + torch.nonzero(~follows)[:, 0]).tolist(), len(missing)]
        runs: dict[int, list[tuple[int, int, int]]] = {}  # segment → frame, rows of `missing`
        for first, end in pairwise(starts if len(missing) else []):
            segment, frame = divmod(int(example[first]), frames)
            runs.setdefault(segment, []).append((frame, first, end))

        def compute(segment: int) -> None:
            some = runs[segment]
            maxima = [self.run(padded[segment], frame, b - a, pairs) for frame, a, b in some]
            rows = torch.cat([missing[a:b] for _, a, b in some])
            features.put(rows, self.tail(torch.cat(maxima).T).T)

        return [partial(compute, segment) for segment in runs]

    def run(self, padded: Tensor, frame: int, count: int, pairs: int) -> Tensor:
        """Maxima `[count, filters]` for some frames on end of one segment (see `pieces`), so many
        pairs of frames at a time that their outputs stay in the cache."""
        bands = padded.shape[1]
        windows = padded[MARGIN - self.before + frame :].as_strided(
            ((count + 1) // 2, self.length + 1, bands), (2 * bands, bands, 1)
        )
        maxima = [
            torch.bmm(self.pairs.expand(len(some), -1, -1), some).amax(2)
            for some in torch.split(windows, pairs)
        ]
        return torch.cat(maxima).view(-1, self.filters)[:count]


class _MiddleBlock(nn.Module):
    """A convolution 7 frames long over all channels, relu, batch norm."""

    kernel: Tensor

    def __init__(self, weights: Weights, conv: str, norm: str) -> None:
        super().__init__()
        self.tail = _Tail(weights, conv, norm)
        kernel = torch.from_numpy(weights[f"{conv}/kernel"])[:, :, 0].permute(2, 1, 0)
        self.register_buffer("kernel", self.tail.signed(kernel).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(functional.conv1d(x, self.kernel, padding=3))


def _batch_norm(weights: Weights, name: str) -> tuple[Tensor, Tensor]:
    """Scale and shift per channel, float32."""
    gamma, beta, mean, variance = (
        weights[f"{name}/{part}"].astype(np.float64)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    shift = beta - mean * scale
    return torch.from_numpy(scale).float(), torch.from_numpy(shift).float()


def _spectrum(x: Tensor) -> Tensor:
    """All windows of `[batch, frames, 96]` → `[bins, 2 × 7, batch × frames]`: real and imaginary
    part of the DFT along the bands, of the seven frames around each frame."""
    batch, frames, _ = x.shape
    parts = _parts(functional.pad(x, (0, 0, 3, 3)))
    return _windows(parts, torch.arange(batch * frames, device=x.device))


def _parts(padded: Tensor) -> Tensor:
    """DFT along the bands of `[batch, frames + 6, 96]`: `[batch, frames + 6, bins, 2]`."""
    return torch.view_as_real(torch.fft.rfft(padded))


def _windows(parts: Tensor, which: Tensor) -> Tensor:
    """The windows numbered batch × frames + frame, from `_parts`: `[bins, 2 × 7, windows]`."""
    frames = parts.shape[1] - WINDOW + 1
    first = which + (which // frames) * (WINDOW - 1)
    rows = first + torch.arange(WINDOW, device=which.device)[:, None]
    return parts.flatten(0, 1)[rows].permute(2, 3, 0, 1).flatten(1, 2)
