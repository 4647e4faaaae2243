"""A synthetic data set in memory: all of it, as bytes, on the device that trains."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from semwatchd.core.errors import EnvironmentFault
from semwatchd.offline.dataset import batches, read_spec
from semwatchd.offline.depth.focus import noise_weights, refocused
from semwatchd.offline.depth.orders import Shots, WrongOrderError

DEFOCUSED = 0.5  # share of the scenes that are shown out of focus, if any are
SHOTS_TO_DEFOCUS = 3
KEPT_BACK = 10  # every tenth scene is for testing


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """``sem`` is (scenes, shots, rows, columns) uint8, ``depth`` (scenes, rows, columns) uint8 nm.

    ``level`` is the depth of each scene's floor, (scenes,) float32 nm.
    """

    sem: Tensor
    depth: Tensor
    level: Tensor

    def __len__(self) -> int:
        """Count the scenes."""
        return len(self.sem)

    def part(self, scenes: slice | Tensor) -> Frames:
        """Return some of the scenes."""
        return Frames(sem=self.sem[scenes], depth=self.depth[scenes], level=self.level[scenes])

    def spread(self, count: int) -> Frames:
        """Return so many scenes at most, evenly from first to last: one data set may follow another."""
        return self.part(torch.linspace(0, len(self) - 1, min(count, len(self))).long())

    def to(self, device: torch.device) -> Frames:
        """Move everything to the device."""
        return Frames(sem=self.sem.to(device), depth=self.depth.to(device), level=self.level.to(device))


@dataclass(frozen=True, slots=True)
class DataSet:
    """Frames, and the SHA-256 over all files they came from."""

    frames: Frames
    sha256: str


def load(folders: Iterable[str]) -> DataSet:
    """Read whole data sets, one after the other.

    Raises
    ------
    ForeignDatasetError
        A folder holds none.
    WrongOrderError
        Their images differ in size, or they are no shards.
    EnvironmentFault
        A shard is missing or damaged.
    """
    paths = [path for folder in folders for path in _shards(Path(folder))]
    whole, parts = hashlib.sha256(), []
    for path in paths:
        frames, digest = _shard(path)
        whole.update(digest)
        parts.append(frames)
    sizes = {tuple(part.sem.shape[1:]) for part in parts}
    if len(sizes) > 1:
        raise WrongOrderError(
            f"the data sets differ in shots and size {sorted(sizes)}; make them with equal --shots, --size"
        )
    frames = Frames(
        sem=torch.cat([part.sem for part in parts]),
        depth=torch.cat([part.depth for part in parts]),
        level=torch.cat([part.level for part in parts]),
    )
    return DataSet(frames, whole.hexdigest())


def split(frames: Frames) -> tuple[Frames, Frames]:
    """Divide into scenes for training and for testing; the frames of a scene stay together."""
    place = torch.arange(len(frames)) % KEPT_BACK == KEPT_BACK - 1
    return frames.part(~place), frames.part(place)


def mean_shot(frames: Frames, shots: int) -> Tensor:
    """Average the first frames of each scene: (scenes, 1, rows, columns) float32 grey."""
    return frames.sem[:, :shots].float().mean(1, keepdim=True)


class Feed:
    """Batches that depend on the seed and the step alone, so that a resumed training sees the same."""

    def __init__(self, frames: Frames, shots: Shots, batch: int, seed: int, defocus_px: float = 0.0) -> None:
        if defocus_px and frames.sem.shape[1] < SHOTS_TO_DEFOCUS:
            raise WrongOrderError(
                f"--defocus needs {SHOTS_TO_DEFOCUS} frames of each scene, whose differences are the noise; "
                f"these have {frames.sem.shape[1]}: make them with more --shots, or leave --defocus out"
            )
        if batch > len(frames):
            raise WrongOrderError(f"a batch of {batch} needs more than the {len(frames)} scenes there are")
        self._frames = frames
        self._shots = shots
        self._batch = batch
        self._seed = seed
        self._defocus_px = defocus_px

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return grey frames (batch, 1, rows, columns) float32 and depths of the same shape, in nm.

        Each scene comes once per epoch. Flips are along the slow axis only: the other would turn the
        direction of the charging tails.
        """
        epoch, place = divmod(step, len(self._frames) // self._batch)
        order = torch.randperm(len(self._frames), generator=self._dice(epoch, 0))
        chosen = order[place * self._batch : (place + 1) * self._batch].to(self._frames.sem.device)
        dice = self._dice(step, 1)
        weights = _weights(dice, (self._batch, self._frames.sem.shape[1]), self._shots)
        sem = self._frames.sem[chosen].float()
        grey = _summed(sem, weights)
        depth = self._frames.depth[chosen].float()[:, None]
        flipped = torch.rand((), generator=dice) < 0.5
        if self._defocus_px:
            noise = _summed(sem, noise_weights(dice, weights))
            grey = refocused(grey, noise, self._blurs_px(dice).to(sem.device), self._defocus_px)
        return (grey.flip(-2), depth.flip(-2)) if flipped else (grey, depth)

    def _blurs_px(self, dice: torch.Generator) -> Tensor:
        """Draw how far each scene of a batch is out of focus, (batch,)."""
        blurs_px = self._defocus_px * torch.rand(self._batch, generator=dice)
        return blurs_px * (torch.rand(self._batch, generator=dice) < DEFOCUSED)

    def pairs(self, step: int) -> tuple[Tensor, Tensor]:
        """Return two different frames of each of some scenes, both (batch, 1, rows, columns) grey float32."""
        dice = self._dice(step, 2)
        chosen = torch.randint(len(self._frames), (self._batch,), generator=dice)
        shots = torch.rand((self._batch, self._frames.sem.shape[1]), generator=dice).argsort(1)
        sem = self._frames.sem
        first, second = (sem[chosen.to(sem.device), shots[:, k].to(sem.device)] for k in (0, -1))
        return first.float()[:, None], second.float()[:, None]

    def _dice(self, number: int, purpose: int) -> torch.Generator:
        words = np.random.SeedSequence([self._seed, number, purpose]).generate_state(2)
        return torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


def _summed(sem: Tensor, weights: Tensor) -> Tensor:
    """Sum the frames of each scene: (scenes, 1, rows, columns)."""
    return torch.einsum("nkhw,nk->nhw", sem, weights.to(sem.device))[:, None]


def _weights(dice: torch.Generator, shape: tuple[int, int], shots: Shots) -> Tensor:
    """Weights (scenes, shots) that average one, or one to all, of each scene's frames, chosen at random."""
    scenes, most = shape
    rank = torch.rand(shape, generator=dice).argsort(1)
    count = torch.randint(1, (1 if shots is Shots.ONE else most) + 1, (scenes, 1), generator=dice)
    return (rank < count) / count


def _shards(folder: Path) -> list[Path]:
    spec = read_spec(folder)
    if spec.format != "shards":
        raise WrongOrderError(
            f"{folder} holds TIFFs; make training data with 'semwatchd synth' without --format"
        )
    return [batch.path(folder, spec.format) for batch in batches(spec)]


def _shard(path: Path) -> tuple[Frames, bytes]:
    try:
        content = path.read_bytes()
        with np.load(BytesIO(content), allow_pickle=False) as shard:
            frames = Frames(
                sem=torch.from_numpy(shard["sem"]),
                depth=torch.from_numpy(shard["depth"]),
                level=torch.from_numpy(shard["level_nm"]).float(),
            )
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        hint = "run the same 'semwatchd synth' again to make what is missing (delete a damaged file first)"
        raise EnvironmentFault(f"shard {path} cannot be read ({error}); {hint}") from error
    return frames, hashlib.sha256(content).digest()
