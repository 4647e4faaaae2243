"""Which network, by a name that a manifest can hold; and the grey scale they all work on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor, nn

from semwatchd.models.pix2pix import Pix2PixGenerator
from semwatchd.models.unet import UNet

MIDDLE = 127.5  # of 8-bit grey, and of depth in nm: networks see -1 to 1, on a scale that is fixed for ever


class Family(StrEnum):
    """A way to build a network."""

    UNET = "unet"  #: two 3x3 convolutions per level, interpolation upwards
    PIX2PIX = "pix2pix"  #: strided 4x4 convolutions, transposed ones upwards


class UnknownArchitectureError(ValueError):
    """No network that this version of semwatchd can build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A family with its number of levels and the channels of the first one."""

    family: Family
    levels: int
    width: int

    def __str__(self) -> str:
        """Return its name, like ``unet-2-16``."""
        return f"{self.family}-{self.levels}-{self.width}"

    @classmethod
    def named(cls, name: str) -> Architecture:
        """Read a name.

        Raises
        ------
        UnknownArchitectureError
            It is none.
        """
        found = re.fullmatch(r"(unet|pix2pix)-([2-5])-([1-9]\d{0,2})", name)
        if not found:
            raise UnknownArchitectureError(
                f"{name!r} is no architecture this version knows; give unet or pix2pix, levels (2 to 5) "
                "and channels, like unet-2-16 or pix2pix-3-64"
            )
        family, levels, width = found.groups()
        return cls(family=Family(family), levels=int(levels), width=int(width))


def build(architecture: Architecture) -> nn.Module:
    """Make the network with fresh weights from torch's own random numbers."""
    family = UNet if architecture.family is Family.UNET else Pix2PixGenerator
    return family(architecture.levels, architecture.width)


def parameter_count(network: nn.Module) -> int:
    """Count what training can change."""
    return sum(parameter.numel() for parameter in network.parameters())


def to_network(grey: Tensor) -> Tensor:
    """Bring 8-bit grey, or depth in nm, of any dtype onto the networks' scale."""
    return grey.float() / MIDDLE - 1


def from_network(scaled: Tensor) -> Tensor:
    """Bring a network's answer back to 0 to 255, float32."""
    return ((scaled.float() + 1) * MIDDLE).clamp(0, 2 * MIDDLE)
