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

*The same window once.* Those two convolutions see seven frames at a time, and where a stem is
silent for seven frames, coalitions with and without it look the same there, to the bit. On a CPU
each distinct window of a batch is computed once (`Musicnn.scorer`): of a nine-stem song, a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stemlens.tagging.mel_tagger import Each, LogMelNetwork

Weights = Mapping[str, NDArray[np.float32]]

BANDS = 96
WINDOW = 7  # frames that a timbral convolution sees
COLUMNS = 187  # windows that go through the timbral convolutions together
EPSILON = 1e-3  # of TensorFlow's batch normalisation


class Musicnn(LogMelNetwork):
    """Two timbral and three temporal convolutions, three dense-connected ones, global pooling."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.normalize = _Affine(weights, "batch_normalization")
        timbral = [
            _TimbralBlock(weights, f"conv2d{n}", f"batch_normalization{m}")
            for n, m in (("", "_1"), ("_1", "_2"))
        ]
        self.timbral = nn.ModuleList(timbral)
        self.timbral_filters = sum(block.real.shape[1] for block in timbral)
        self.temporal = nn.ModuleList(
            _TemporalBlock(weights, f"conv2d_{n}", f"batch_normalization_{n + 1}")
            for n in (2, 3, 4)
        )
        self.middle = nn.ModuleList(
            _MiddleBlock(weights, f"conv2d_{n}", f"batch_normalization_{n + 1}") for n in (5, 6, 7)
        )
        self.normalize_pool = _Affine(weights, "batch_normalization_9")
        self.penultimate = _Dense(weights, "dense")
        self.normalize_penultimate = _Affine(weights, "batch_normalization_10")
        self.output = _Dense(weights, "dense_1")

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.normalize(log_mel)
        timbral = self._timbral_features(_spectrum(x))
        return self._rest(x, timbral.view(*x.shape[:2], -1))

    def scorer(self, log_mel: Tensor, each: Each) -> Callable[[slice], Tensor]:
        if log_mel.device.type != "cpu" or len(log_mel) < 2:
            return super().scorer(log_mel, each)
        which, examples = distinct_windows(log_mel)
        normalized = self.normalize(log_mel)
        parts = _parts(normalized)
        features = torch.empty(len(examples), self.timbral_filters)

        def compute(at: int) -> None:
            some = slice(at, at + COLUMNS)
            with torch.inference_mode():
                features[some] = self._timbral_features(_windows(parts, examples[some]))

        each(compute, range(0, len(examples), COLUMNS))
        return lambda some: self._rest(normalized[some], features[which[some]])

    def _timbral_features(self, windows: Tensor) -> Tensor:
        """`[windows, 2 × filters]` of `[bins, 14, windows]`."""
        return torch.cat([block(windows) for block in self.timbral]).T

    def _rest(self, x: Tensor, timbral: Tensor) -> Tensor:
        """Scores, given the timbral features `[batch, frames, 2 × filters]`."""
        front = torch.cat([timbral.mT, *(block(x) for block in self.temporal)], dim=1)
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

    real: Tensor
    imag: Tensor
    cosines: Tensor
    sines: Tensor

    TILE = 17  # filters at a time, so that on a CPU their Y stay in the cache

    def __init__(self, weights: Weights, conv: str, norm: str) -> None:
        super().__init__()
        self.tail = _Tail(weights, conv, norm)
        kernel = self.tail.signed(
            torch.from_numpy(weights[f"{conv}/kernel"])[:, :, 0].movedim(2, 0)
        )
        outputs = BANDS - kernel.shape[2] + 1
        bins = torch.arange(BANDS // 2 + 1, dtype=torch.float64)
        angle = 2 * math.pi * bins / BANDS
        # Rows of the inverse DFT; every bin but the first and the last stands for two.
        twice = torch.where((bins == 0) | (bins == BANDS // 2), 1.0, 2.0) / BANDS
        to_middle = torch.exp(1j * angle * (outputs - 1) / 2)
        response = torch.fft.rfft(kernel.double(), n=BANDS).conj() * twice * to_middle
        real, imag = response.real, response.imag
        distance = torch.arange((outputs - 1) / 2 % 1, outputs / 2, dtype=torch.float64)[:, None]
        tables = {
            # [bins, filters, 2 × 7]: what the real and imaginary parts of X (see _spectrum)
            # contribute to the real and to the imaginary part of Y
            "real": torch.cat([real, -imag], 1).movedim(2, 0),
            "imag": torch.cat([imag, real], 1).movedim(2, 0),
            "cosines": torch.cos(distance * angle),
            "sines": torch.sin(distance * angle),
        }
        for name, table in tables.items():
            self.register_buffer(name, table.float().contiguous())

    def forward(self, windows: Tensor) -> Tensor:
        """`[filters, windows]` of `[bins, 14, windows]` (see `_spectrum`)."""
        bins, filters, _ = self.real.shape
        tile = self.TILE if windows.device.type == "cpu" else filters
        maxima = []
        for at in range(0, filters, tile):
            real, imag = self.real[:, at : at + tile], self.imag[:, at : at + tile]
            even = self.cosines @ torch.bmm(real, windows).view(bins, -1)
            odd = self.sines @ torch.bmm(imag, windows).view(bins, -1)
            maxima.append(even.add_(odd.abs_()).amax(0).view(real.shape[1], -1))
        return self.tail(torch.cat(maxima))


class _TemporalBlock(nn.Module):
    """A convolution many frames long and one band wide; its maximum over all bands."""

    kernel: Tensor

    def __init__(self, weights: Weights, conv: str, norm: str) -> None:
        super().__init__()
        self.tail = _Tail(weights, conv, norm)
        kernel = torch.from_numpy(weights[f"{conv}/kernel"]).permute(3, 2, 0, 1)
        self.register_buffer("kernel", self.tail.signed(kernel).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        length = self.kernel.shape[2]
        before = (length - 1) // 2  # TensorFlow's "same" pads an even filter more at the end
        padded = functional.pad(x[:, None], (0, 0, before, length - 1 - before))
        return self.tail(functional.conv2d(padded, self.kernel).amax(3))


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
    return _windows(_parts(x), torch.arange(batch * frames, device=x.device))


def _parts(x: Tensor) -> Tensor:
    """DFT along the bands of `[batch, frames, 96]`, with three frames of zeros on both sides:
    `[batch, frames + 6, bins, 2]`."""
    return torch.view_as_real(torch.fft.rfft(functional.pad(x, (0, 0, 3, 3))))


def _windows(parts: Tensor, which: Tensor) -> Tensor:
    """The windows numbered batch × frames + frame, from `_parts`: `[bins, 2 × 7, windows]`."""
    frames = parts.shape[1] - WINDOW + 1
    first = which + (which // frames) * (WINDOW - 1)
    rows = first + torch.arange(WINDOW, device=which.device)[:, None]
    return parts.flatten(0, 1)[rows].permute(2, 3, 0, 1).flatten(1, 2)


def distinct_windows(log_mel: Tensor) -> tuple[Tensor, Tensor]:
    """Which windows of seven frames of `[batch, frames, 96]` are the same to the bit.

    Returns a number for each window, `[batch, frames]`, and for each number a window that has it
    (batch × frames + frame). Windows are compared by a 64-bit hash with odd random factors: two
    that differ get the same with a probability below 1e-9 a batch.
    """
    factors = _FACTORS.to(log_mel.device)
    frame = (log_mel.contiguous().view(torch.int32).long() * factors[:BANDS]).sum(2) + factors[-1]
    around = functional.pad(frame, (3, 3)).unfold(1, WINDOW, 1)  # outside is unlike any frame
    window = (around * factors[BANDS : BANDS + WINDOW]).sum(2)
    distinct, which = torch.unique(window, return_inverse=True)
    examples = torch.empty(len(distinct), dtype=torch.long, device=log_mel.device)
    examples[which.flatten()] = torch.arange(which.numel(), device=log_mel.device)
    return which, examples


_FACTORS = torch.from_numpy(
    np.random.RandomState(0).randint(-(2**62), 2**62, BANDS + WINDOW + 1, dtype=np.int64) * 2 + 1
)
