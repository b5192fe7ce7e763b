"""A convolution with its maximum over frequency in one GPU kernel, which never writes what it is
the maximum of.

Of a timbral convolution's output, 187 frames × up to 59 bands × 204 filters, only the maximum over
bands is wanted. The kernel computes it as an implicit matrix product: a block of frames × a block
of filters at one output band, accumulated in float32 from float32 (TensorFloat-32) or bfloat16
inputs, then the running maximum, then the next band; both stay in registers. The plain ways to the
same are `_TimbralBlock.forward` and a convolution followed by `amax`.

Needs Triton, which comes with PyTorch for CUDA on Linux.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional

BLOCK_ROWS, BLOCK_FILTERS, BLOCK_INNER = 128, 64, 32


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    x,
    kernel,
    offsets,
    out,
    rows,
    frames,
    row_stride,
    segment_stride,
    outputs,
    inner,
    filters,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_FILTERS: tl.constexpr,
    BLOCK_INNER: tl.constexpr,
):
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    column = tl.program_id(1) * BLOCK_FILTERS + tl.arange(0, BLOCK_FILTERS)
    inside = row[:, None] < rows
    window = x + (row // frames) * segment_stride + (row % frames) * row_stride
    best = tl.full((BLOCK_ROWS, BLOCK_FILTERS), float("-inf"), tl.float32)
    for band in range(outputs):
        sums = tl.zeros((BLOCK_ROWS, BLOCK_FILTERS), tl.float32)
        for first in range(0, inner, BLOCK_INNER):
            k = first + tl.arange(0, BLOCK_INNER)
            a = tl.load(window[:, None] + band + tl.load(offsets + k)[None, :], inside, 0.0)
            b = tl.load(kernel + k[:, None] * filters + column[None, :])
            sums = tl.dot(a, b, sums)
        best = tl.maximum(best, sums)
    tl.store(out + row[:, None] * filters + column[None, :], best, inside)


class FusedTimbral:
    """`kernel` `[filters, frames, bands]`, to be applied to inputs of `dtype`, float32 (which the
    GPU rounds to TensorFloat-32) or bfloat16."""

    def __init__(self, kernel: Tensor, dtype: torch.dtype) -> None:
        self.filters, self.length, self.width = kernel.shape
        inner = self.length * self.width
        # Zeros up to whole blocks; they are multiplied with the window's first cell.
        filters, inner_padded = (
            -(-n // block) * block
            for n, block in ((self.filters, BLOCK_FILTERS), (inner, BLOCK_INNER))
        )
        flat = kernel.flatten(1).T
        padding = (0, filters - self.filters, 0, inner_padded - inner)
        self.kernel = functional.pad(flat, padding).to(dtype).contiguous()
        k = torch.arange(inner, device=kernel.device)
        self.taps = k // self.width, k % self.width
        self.padding = inner_padded - inner
        self.offsets: dict[int, Tensor] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Maxima `[batch, frames, filters]`, float32, of `[batch, frames, bands]`."""
        before = (self.length - 1) // 2
        padded = functional.pad(x, (0, 0, before, self.length - 1 - before))
        padded = padded.to(self.kernel.dtype).contiguous()
        batch, frames, bands = x.shape
        if bands not in self.offsets:
            frame, band = self.taps
            offsets = functional.pad(frame * bands + band, (0, self.padding))
            self.offsets[bands] = offsets.to(torch.int32)
        rows, (inner, filters) = batch * frames, self.kernel.shape
        out = torch.empty((rows, filters), device=x.device)
        grid = (triton.cdiv(rows, BLOCK_ROWS), filters // BLOCK_FILTERS)
        _kernel[grid](
            padded,
            self.kernel,
            self.offsets[bands],
            out,
            rows,
            frames,
            padded.stride(1),
            padded.stride(0),
            bands - self.width + 1,
            inner,
            filters,
            BLOCK_ROWS,
            BLOCK_FILTERS,
            BLOCK_INNER,
        )
        return out[:, : self.filters].view(batch, frames, -1)
