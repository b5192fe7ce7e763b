"""The network on a CUDA GPU: the fastest way of computing it whose scores are close enough.

Everything up to the logarithm is float64 (`mel.py`); what follows may be rounded more coarsely.
When a tagger is loaded, each way scores the same made-up segments: one whose scores differ from
float32 by more than `TOLERANCE`, or that this GPU or its libraries cannot do, is left out, and of
the others the fastest is taken. Emulated on a CPU with coalitions of a real session, float16
differs by up to 0.0014 and bfloat16 by up to 0.011: so float16, which has as many digits as
TensorFloat-32.

A micro-batch is one CUDA graph, so that its hundred kernels are started by one call, and no result
is waited for before the whole batch is on its way. Its memory is bounded by the micro-batch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stemlens.tagging import mel

log = logging.getLogger(__name__)

TOLERANCE = 2e-3

Run = Callable[[Tensor], Tensor]
"""Scores `[batch, tags]` of log-mel power `[batch, 187, 96]`."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A way of computing a network, by how much its scores differed from float32's, and why faster
    ways could not be had, if any."""

    name: str
    run: Run
    difference: float
    failed: tuple[str, ...] = ()

    def told(self) -> tuple[tuple[str, str], ...]:
        """What a result should say of it: (code, sentence)."""
        notes = [("gpu_way_failed", f"This GPU does without {why}.") for why in self.failed]
        if self.difference:
            notes.append(
                (
                    "reduced_precision",
                    f"Scores were computed in {self.name}, which is faster; on a test they differ "
                    f"from float32 by at most {100 * self.difference:.2f} points.",
                )
            )
        return tuple(notes)


def choose(ways: Mapping[str, Run], probe: Tensor, seconds: Callable[[Run], float]) -> Chosen:
    """The fastest way that is close enough to the one named float32."""
    exact = ways["float32"](probe)
    passed, failed = [], []
    for name, run in ways.items():
        try:
            difference = (run(probe) - exact).abs().max().item()
            if difference <= TOLERANCE:  # not so where a score is not a number
                passed.append((seconds(run), Chosen(name, run, difference)))
        except Exception as error:
            if name == "float32":
                raise
            log.warning("this GPU does without %s: %s", name, error)
            failed.append(f"{name} ({error})")
    fastest = min(passed, key=lambda timed: timed[0])[1]
    return replace(fastest, failed=tuple(failed))


def probe(segments: int, device: torch.device) -> Tensor:
    """Made-up segments, from nearly silent to full scale, in which neighbours sound alike."""
    generator = torch.Generator().manual_seed(0)
    rough = torch.randn(segments, 1, mel.FRAMES, mel.BANDS, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(rough, 5, 1, 2)[:, 0] * 5
    level = torch.linspace(-6, 0, segments)[:, None, None]
    return mel.compress(10 ** (smooth + level)).to(device)


def seconds(run: Run, x: Tensor, times: int = 5) -> float:
    """How long a micro-batch takes when the GPU has nothing else to do."""
    run(x)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(times):
        run(x)
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / times


class Graphed:
    """A function of a micro-batch as a CUDA graph, made on the first call; smaller batches are
    computed in its size."""

    def __init__(self, function: Run, batch: int) -> None:
        self._function, self._batch = function, batch
        self._graph: torch.cuda.CUDAGraph | None = None
        self._lock = threading.Lock()

    def __call__(self, x: Tensor) -> Tensor:
        with self._lock, torch.inference_mode():
            if self._graph is None:
                self._record(x)
            self._input[: len(x)] = x
            assert self._graph is not None
            self._graph.replay()
            return self._output[: len(x)].clone()

    def _record(self, x: Tensor) -> None:
        self._input = torch.zeros(self._batch, *x.shape[1:], device=x.device)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # what is done once, as choosing algorithms, is not recorded
            for _ in range(3):
                self._function(self._input)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._output = self._function(self._input)
        self._graph = graph


def ways(network: torch.nn.Module, fused: Mapping[str, Run], batch: int) -> dict[str, Run]:
    """All ways of computing a network in micro-batches: as it is, and `fused` ones by precision."""
    plain: dict[str, Run] = dict.fromkeys(("float32", "tf32", "float16"), network)
    named = plain | {f"{precision}, fused": run for precision, run in fused.items()}
    found = {
        name: Graphed(_at(name.partition(",")[0], function), batch)
        for name, function in named.items()
    }
    return dict(found)


def _at(precision: str, function: Run) -> Run:
    def run(x: Tensor) -> Tensor:
        half = torch.autocast(
            "cuda", torch.float16, enabled=precision == "float16", cache_enabled=False
        )
        with _tensor_float(precision == "tf32"), half:
            return function(x).float()

    return run


_switches = threading.Lock()


@contextmanager
def _tensor_float(allowed: bool) -> Iterator[None]:
    """TensorFloat-32 or none inside, whatever the rest of the process prefers. A graph remembers
    with which it was recorded."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    with _switches:  # they are the whole process's
        before = convolutions.allow_tf32, products.allow_tf32
        convolutions.allow_tf32 = products.allow_tf32 = allowed
        try:
            yield
        finally:
            convolutions.allow_tf32, products.allow_tf32 = before
