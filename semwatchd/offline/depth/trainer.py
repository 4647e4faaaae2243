"""One training: the networks, their optimisers, and what one step does to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from semwatchd.models import losses
from semwatchd.models.adabn import follow
from semwatchd.models.muon import ConvolutionMuon, is_mixing
from semwatchd.models.networks import MIDDLE, Architecture, build, to_network
from semwatchd.models.patchgan import PatchGAN
from semwatchd.offline.depth.device import laid_out, placed
from semwatchd.offline.depth.orders import Adversary, Loss, Optimiser, TrainingOrder

L1_WEIGHT = 100.0  # of the depth's loss against the discriminator's word, as in pix2pix
PIX2PIX_RATE, PIX2PIX_BETAS = 2e-4, (0.5, 0.999)
TOP_RATE, MUON_TOP_RATE, WEIGHT_DECAY = 2e-3, 6e-3, 1e-4
WARM_UP = 0.2  # of the steps, up to the top rate
HUBER_DELTA_NM = 2.0  # near the error to be reached: smaller errors count by their square


#: Gives the frames and the depths of a step, (batch, 1, rows, columns) float32 in grey and nm.
Batches = Callable[[int], tuple[Tensor, Tensor]]


class Trainer:
    """Goes step by step; what it is at any step can be saved and taken up again."""

    def __init__(self, order: TrainingOrder, batches: Batches, device: torch.device) -> None:
        torch.manual_seed(order.seed)
        self._order = order
        self._batches = batches
        self._device = device
        self._adversary: losses.Adversary = "bce" if order.adversary is Adversary.BCE else "lsgan"
        self.generator = placed(device, build(Architecture.named(order.architecture)))
        self.critic: nn.Module | None = None
        self._optimisers = {"generator": _optimisers(order.optimiser, self.generator)}
        if order.adversary is not Adversary.NONE:
            self.critic = placed(device, PatchGAN(order.critic_width, order.critic_layers))
            self._optimisers["critic"] = _optimisers(Optimiser.ADAM, self.critic)
        self.average = deepcopy(self.generator) if order.ema else self.generator
        self.done = 0

    def step(self) -> dict[str, float]:
        """Do one step; return the losses."""
        grey, depth = self._batches(self.done)
        frames, truth = laid_out(to_network(grey)), laid_out(to_network(depth))
        self._set_rate()
        self.generator.train()
        with self._half():
            found = self.generator(frames)
        found = found.float()
        seen = {}
        if self.critic is not None and self.done % self._order.critic_every == 0:
            seen["critic"] = self._teach_critic(self.critic, frames, found, truth)
        seen |= self._teach_generator(frames, found, truth)
        self.done += 1
        if self._order.ema:
            follow(self.average, self.generator, min(self._order.ema, self.done / (self.done + 9)))
        return seen

    def _teach_critic(self, critic: nn.Module, frames: Tensor, found: Tensor, truth: Tensor) -> float:
        """First the discriminator, on a fake that is cut off from the generator."""
        critic.train()
        with self._half():
            of_fake, of_real = critic(frames, found.detach()), critic(frames, truth)
        loss = (self._judged(of_fake, real=0.0) + self._judged(of_real, real=1.0)) / 2
        self._descend("critic", loss)
        return loss.item()

    def _teach_generator(self, frames: Tensor, found: Tensor, truth: Tensor) -> dict[str, float]:
        """Then the generator, against a discriminator that does not move."""
        loss = depth_loss = self._depth_loss(found, truth)
        seen = {"depth": depth_loss.item()}
        if self.critic is not None:
            self.critic.requires_grad_(requires_grad=False)
            with self._half():
                logits = self.critic(frames, found)
            fooled = self._judged(logits, real=1.0)
            loss = fooled + L1_WEIGHT * depth_loss
            seen["fooled"] = fooled.item()
        self._descend("generator", loss)
        if self.critic is not None:
            self.critic.requires_grad_(requires_grad=True)
        return seen

    def _descend(self, name: str, loss: Tensor) -> None:
        for optimiser in self._optimisers[name]:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in self._optimisers[name]:
            optimiser.step()

    def _judged(self, logits: Tensor, *, real: float) -> Tensor:
        return losses.adversarial(logits.float(), real, self._adversary)

    def _depth_loss(self, found: Tensor, truth: Tensor) -> Tensor:
        match self._order.loss:
            case Loss.L1:
                return functional.l1_loss(found, truth)
            case Loss.L1_PRINTED_RMSE:
                return functional.l1_loss(found, truth) + losses.printed_rmse(found, truth)
            case Loss.MSE:
                return functional.mse_loss(found, truth)
            case Loss.RMSE:
                return losses.rmse(found, truth)
            case Loss.HUBER_GRADIENT:
                return losses.huber_and_gradient(found, truth, HUBER_DELTA_NM / MIDDLE)

    def _set_rate(self) -> None:
        if self._order.optimiser is Optimiser.ADAM:
            return
        top = MUON_TOP_RATE if self._order.optimiser is Optimiser.MUON else TOP_RATE
        for optimiser in self._optimisers["generator"]:
            for group in optimiser.param_groups:
                group["lr"] = top * rate_share(self.done, self._order.steps)

    def _half(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16)

    def state(self) -> dict[str, Any]:
        """Everything the next step depends on, as tensors and plain numbers."""
        return {
            "done": self.done,
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "critic": self.critic.state_dict() if self.critic is not None else {},
            "optimisers": {
                name: [optimiser.state_dict() for optimiser in optimisers]
                for name, optimisers in self._optimisers.items()
            },
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state` has returned."""
        self.done = state["done"]
        self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        if self.critic is not None:
            self.critic.load_state_dict(state["critic"])
        for name, optimisers in self._optimisers.items():
            for optimiser, saved in zip(optimisers, state["optimisers"][name], strict=True):
                optimiser.load_state_dict(saved)


def rate_share(step: int, steps: int) -> float:
    """Share of the top rate: up along a cosine, then down to nothing (Smith, 2018, arXiv:1803.09820)."""
    warm = max(1, round(WARM_UP * steps))
    part = (step + 1) / warm if step < warm else 1 - (step + 1 - warm) / max(1, steps - warm)
    return (1 - math.cos(math.pi * part)) / 2


def _optimisers(kind: Optimiser, network: nn.Module) -> tuple[torch.optim.Optimizer, ...]:
    weights = list(network.parameters())
    match kind:
        case Optimiser.ADAM:
            return (torch.optim.Adam(weights, PIX2PIX_RATE, PIX2PIX_BETAS),)
        case Optimiser.ONE_CYCLE:
            return (torch.optim.AdamW(weights, TOP_RATE, weight_decay=WEIGHT_DECAY),)
        case Optimiser.MUON:
            rest = [weight for weight in weights if not is_mixing(weight)]
            muon = ConvolutionMuon(filter(is_mixing, weights), MUON_TOP_RATE)
            return (muon, torch.optim.AdamW(rest, MUON_TOP_RATE, weight_decay=WEIGHT_DECAY))
