"""Frames of any size through networks that halve them several times."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def padded(frames: Tensor, multiple: int) -> Tensor:
    """Continue (n, c, rows, columns) by reflection, to the right and below, to multiples of ``multiple``.

    Zeros would be a dark wall that no wafer has.

    Raises
    ------
    ValueError
        The frame is too small to be continued so far.
    """
    rows, columns = frames.shape[-2:]
    below, right = -rows % multiple, -columns % multiple
    if below >= rows or right >= columns:
        raise ValueError(f"a frame of {rows} x {columns} px is too small; it needs {multiple} px or more")
    return functional.pad(frames, (0, right, 0, below), mode="reflect") if below or right else frames


def cropped(frames: Tensor, like: Tensor) -> Tensor:
    """Cut what :func:`padded` has added."""
    return frames[..., : like.shape[-2], : like.shape[-1]]
