"""Ways to run a network: on what, how exactly, in which layout. A machine is asked which is its fastest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from semwatchd.models.folding import folded
from semwatchd.models.networks import from_network, to_network
from semwatchd.pipeline.inference.batching import OutOfMemoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Grey (n, rows, columns) of one shape in, depth in nm of the same shape out.
Run = Callable[["NDArray[Any]"], "NDArray[np.float32]"]

LEVELS_16_BIT = 257  # per level of 8 bits: the bit depth decides, never the brightest pixel
NO_ROOM = ("allocate memory", "bad_alloc", "out of memory")  # how torch's libraries say it on a CPU


class Precision(StrEnum):
    """Of weights and of everything between them; input and answer are float32."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Layout(StrEnum):
    """Which values lie side by side in memory."""

    PLANES = "nchw"  #: pixels of one channel
    PIXELS = "nhwc"  #: channels of one pixel


DTYPES: Mapping[Precision, torch.dtype] = MappingProxyType(
    {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}
)
FORMATS: Mapping[Layout, torch.memory_format] = MappingProxyType(
    {Layout.PLANES: torch.contiguous_format, Layout.PIXELS: torch.channels_last}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run a network."""

    device: str  #: "cpu" or "cuda"
    precision: Precision
    layout: Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a way has shown on this machine."""

    way: Way
    ms_per_image: float  #: CPU time on a CPU, wall time on a GPU
    deviation_nm: float  #: from float32, root mean square on the known picture


EXACT = Way(device="cpu", precision=Precision.FP32, layout=Layout.PLANES)
ON_CPU = (
    EXACT,
    Way(device="cpu", precision=Precision.FP32, layout=Layout.PIXELS),
    Way(device="cpu", precision=Precision.BF16, layout=Layout.PIXELS),
)
ON_CUDA = tuple(Way(device="cuda", precision=precision, layout=Layout.PIXELS) for precision in Precision)


class Prepared(nn.Module):
    """A network from grey to depth in nm: scale, network without normalisation layers, scale back."""

    def __init__(self, network: nn.Module, way: Way) -> None:
        super().__init__()
        assert not network.training  # noqa: S101 — statistics of the batch would be silently wrong
        self._dtype, self._format = DTYPES[way.precision], FORMATS[way.layout]
        lean = folded(network).to(device=way.device, dtype=self._dtype)
        self._network = lean.to(memory_format=self._format)  # type: ignore[call-overload]
        self.eval()

    def forward(self, grey: Tensor) -> Tensor:
        """Map (n, rows, columns) of uint8, uint16 or float32 to depth in nm, float32."""
        levels = grey.float() / LEVELS_16_BIT if grey.dtype == torch.uint16 else grey
        scaled = to_network(levels)[:, None].to(dtype=self._dtype, memory_format=self._format)
        found = self._network(scaled)[:, 0]
        return from_network(torch.where(found.isfinite(), found, torch.nan))  # no overflow becomes a depth


def runner(network: nn.Module, way: Way) -> Run:
    """Make a network ready to be run in this way.

    The runner raises :class:`~semwatchd.pipeline.inference.batching.OutOfMemoryError` where memory is short.
    """
    prepared = Prepared(network, way)
    if way.device == "cpu":
        return _on_cpu(prepared)
    from semwatchd.pipeline.inference.cuda import Graphs  # noqa: PLC0415 — of no use without CUDA

    return Graphs(prepared)


def _on_cpu(prepared: Prepared) -> Run:
    def run(grey: NDArray[Any]) -> NDArray[np.float32]:
        assert not prepared.training  # noqa: S101
        with memory_watched(), torch.inference_mode():
            found: NDArray[np.float32] = prepared(torch.from_numpy(grey)).numpy()
        return found

    return run


@contextmanager
def memory_watched() -> Iterator[None]:
    """Turn every way of saying that memory is short into one."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemoryError(str(error)) from error
    except RuntimeError as error:
        if any(words in str(error) for words in NO_ROOM):
            raise OutOfMemoryError(str(error)) from error
        raise


def timed(run: Run, grey: NDArray[Any], clock: Callable[[], float], rounds: int = 3) -> float:
    """Return ms per image, the best of several rounds after one that is not counted."""
    run(grey)
    spent_s = []
    for _ in range(rounds):
        before_s = clock()
        run(grey)
        spent_s.append(clock() - before_s)
    return min(spent_s) * 1e3 / len(grey)


def clock_of(device: str) -> Callable[[], float]:
    """Return what to time with: others may use the same CPU, but not the same GPU."""
    return time.process_time if device == "cpu" else time.perf_counter


def chosen(timings: Sequence[Timing], most_deviation_nm: float) -> Timing | None:
    """Return the fastest that is exact enough, if any is."""
    exact = (timing for timing in timings if timing.deviation_nm <= most_deviation_nm)
    return min(exact, key=lambda timing: timing.ms_per_image, default=None)
