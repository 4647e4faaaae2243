"""A known picture with a known answer: tells a bad image from a bad device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from semwatchd.pipeline.inference.ways import Run

MOST_DEVIATION_NM = 1.0  # root mean square; bfloat16 alone makes some 0.2 nm of 255
PICTURES, ROWS, COLUMNS = 8, 72, 48
PITCH_PX = 24


@dataclass(frozen=True, slots=True)
class Probe:
    """Pictures of holes, and what the network says of them in float32 on the CPU, as it was trained."""

    grey: NDArray[np.uint8]
    depth_nm: NDArray[np.float32]

    @classmethod
    def of(cls, network: nn.Module) -> Probe:
        """Ask the network itself, without any of what makes it fast."""
        import torch  # noqa: PLC0415

        from semwatchd.models.networks import from_network, to_network  # noqa: PLC0415

        grey = known_pictures()
        with torch.inference_mode():
            depth = from_network(network(to_network(torch.from_numpy(grey))[:, None]))[:, 0]
        return cls(grey, depth.numpy())

    def deviation_nm(self, run: Run) -> float:
        """Root mean square of the difference; not a number where the answer is none."""
        return float(np.sqrt(np.square(run(self.grey) - self.depth_nm).mean()))

    def passed_by(self, run: Run) -> bool:
        """Whether the device still answers as it should; whatever it raises, it does not."""
        try:
            return self.deviation_nm(run) <= MOST_DEVIATION_NM
        except Exception:  # noqa: BLE001 — that is the question
            return False


def known_pictures() -> NDArray[np.uint8]:
    """Dark discs of growing size on a bright ground, with a slope; the same bytes everywhere."""
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float64)
    off = np.hypot(y % PITCH_PX - PITCH_PX / 2, x % PITCH_PX - PITCH_PX / 2)
    radii = np.linspace(4, 10, PICTURES)[:, None, None]
    edge = np.clip((off - radii) / 2, 0, 1)
    grey: NDArray[np.uint8] = np.rint(60 + 110 * edge + 30 * y / ROWS).astype(np.uint8)
    return grey
