"""A network on a GPU as CUDA graphs, one per batch size: a small network is otherwise all launches.

A batch is padded to the next size there is. Input and output lie at fixed places, in pinned memory on the
host's side, and each batch costs one synchronisation.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from semwatchd.pipeline.inference.batching import OutOfMemoryError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from semwatchd.pipeline.inference.ways import Prepared

SIZES = (1, 8, 32, 64, 128, 256)
MOST_GRAPHS = 16  # each holds the memory of its batch
WARM_UPS = 3  # runs before the capture, in which libraries choose their kernels

Key = tuple[tuple[int, int], torch.dtype, int]  # rows and columns, samples, batch


class Graphs:
    """Runs batches of any size up to the largest; keeps the graphs that were used last."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._graphs: OrderedDict[Key, _Graph] = OrderedDict()

    def __call__(self, grey: NDArray[Any]) -> NDArray[np.float32]:
        """Map (n, rows, columns) of grey to depth in nm."""
        assert not self._prepared.training  # noqa: S101 — statistics of the batch would be silently wrong
        frames = torch.from_numpy(grey)
        try:
            graph = self._graph((frames.shape[1], frames.shape[2]), frames.dtype, next_size(len(frames)))
            return graph.run(frames)
        except torch.OutOfMemoryError as error:
            self._graphs.clear()  # other sizes' graphs hold memory too
            torch.cuda.empty_cache()
            raise OutOfMemoryError(str(error)) from error

    def _graph(self, shape: tuple[int, int], dtype: torch.dtype, size: int) -> _Graph:
        key = (shape, dtype, size)
        if key not in self._graphs:
            while len(self._graphs) >= MOST_GRAPHS:
                self._graphs.popitem(last=False)
            self._graphs[key] = _Graph(self._prepared, (size, *shape), dtype)
        self._graphs.move_to_end(key)
        return self._graphs[key]


def next_size(count: int) -> int:
    """Return the smallest size that holds so many images.

    Raises
    ------
    ValueError
        There is none.
    """
    for size in SIZES:
        if count <= size:
            return size
    raise ValueError(f"{count} images are more than a batch holds; at most {SIZES[-1]}")


class _Graph:
    def __init__(self, prepared: Prepared, shape: tuple[int, int, int], dtype: torch.dtype) -> None:
        self._sent = torch.zeros(shape, dtype=dtype, pin_memory=True)
        self._received = torch.zeros(shape, dtype=torch.float32, pin_memory=True)
        self._grey = torch.zeros(shape, dtype=dtype, device="cuda")
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode():
            _warm_up(prepared, self._grey)
            with torch.cuda.graph(self._graph):
                self._depth = prepared(self._grey)

    def run(self, frames: Tensor) -> NDArray[np.float32]:
        """Rows beyond the frames hold what an earlier batch left there; nobody reads their answer."""
        count = len(frames)
        self._sent[:count].copy_(frames)
        self._grey.copy_(self._sent, non_blocking=True)
        self._graph.replay()
        self._received.copy_(self._depth, non_blocking=True)
        torch.cuda.synchronize()
        found: NDArray[np.float32] = self._received[:count].numpy().copy()
        return found


def _warm_up(prepared: Prepared, grey: Tensor) -> None:
    """Run outside the main stream, as a capture demands."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            prepared(grey)
    torch.cuda.current_stream().wait_stream(stream)
