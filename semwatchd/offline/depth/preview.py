"""A picture to judge a network by eye: frame, true depth, found depth and their difference, side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from semwatchd.core.files import write_whole
from semwatchd.offline.depth.data import Frames, mean_shot
from semwatchd.offline.depth.scoring import predicted

SCENES = 8
ENLARGED = 3  # pixels of the picture per pixel of the frame
GAP_PX = 2
MIDDLE = 128  # no error
ERROR_GAIN = 8  # grey levels per nm of error: 16 nm make black or white


def write_preview(path: Path, network: nn.Module, frames: Frames) -> None:
    """Write a PNG with a line for each of the first scenes."""
    few = frames.part(slice(SCENES))
    found = predicted(network, mean_shot(few, 1))
    error = (found - few.depth) * ERROR_GAIN + MIDDLE
    lines = zip(few.sem[:, 0], few.depth, found, error, strict=True)
    picture = np.concatenate([_line(line) for line in lines])
    big = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_NEAREST)
    _, png = cv2.imencode(".png", big)
    write_whole(path, png.tobytes())


def _line(parts: tuple[Tensor, ...]) -> NDArray[np.uint8]:
    grey = [part.float().clamp(0, 255).round().to(torch.uint8).cpu().numpy() for part in parts]
    return np.concatenate([np.pad(part, GAP_PX // 2, constant_values=255) for part in grey], axis=1)
