from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from semwatchd.models.networks import to_network
from semwatchd.offline.depth.data import Feed, Frames
from semwatchd.offline.depth.orders import Adversary, Loss, Optimiser, Shots, TrainingOrder
from semwatchd.offline.depth.trainer import Trainer, rate_share

CPU = torch.device("cpu")
ORDER = TrainingOrder(data=(), out="", architecture="unet-2-8", steps=12, batch=4)
GAN = replace(
    ORDER,
    architecture="pix2pix-2-8",
    loss=Loss.L1,
    optimiser=Optimiser.ADAM,
    adversary=Adversary.BCE,
    critic_width=8,
)


def batches(step: int) -> tuple[Tensor, Tensor]:
    """Depth is what the picture shows, brightened and blurred by nothing: easy to learn."""
    dice = torch.Generator().manual_seed(step)
    coarse = torch.rand((4, 1, 5, 4), generator=dice) * 100 + 50
    depth = torch.nn.functional.interpolate(coarse, scale_factor=4)
    return 0.6 * depth + 20 + 3 * torch.randn(depth.shape, generator=dice), depth


def trained(order: TrainingOrder, steps: int) -> Trainer:
    trainer = Trainer(order, batches, CPU)
    for _ in range(steps):
        trainer.step()
    return trainer


def same_weights(one: Trainer, other: Trainer) -> bool:
    pairs = zip(one.average.state_dict().values(), other.average.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_discriminators_lesson_leaves_no_trace_in_the_generator() -> None:
    trainer = Trainer(GAN, batches, CPU)
    grey, depth = batches(0)
    frames, truth = to_network(grey), to_network(depth)
    found = trainer.generator(frames)
    assert trainer.critic is not None
    trainer._teach_critic(trainer.critic, frames, found, truth)
    assert all(weight.grad is None for weight in trainer.generator.parameters())
    assert all(weight.grad is not None for weight in trainer.critic.parameters())


def test_the_generators_lesson_leaves_no_trace_in_the_discriminator() -> None:
    trainer = Trainer(GAN, batches, CPU)
    critic = trainer.critic
    assert critic is not None
    before = [weight.clone() for weight in critic.parameters()]
    grey, depth = batches(0)
    frames = to_network(grey)
    trainer._teach_generator(frames, trainer.generator(frames), to_network(depth))
    assert all(weight.grad is None and weight.requires_grad for weight in critic.parameters())
    assert all(map(torch.equal, before, critic.parameters()))
    assert all(weight.grad is not None for weight in trainer.generator.parameters())


def test_the_adversarial_word_reaches_the_generator() -> None:
    with_critic, without = trained(GAN, 1), trained(replace(GAN, adversary=Adversary.NONE), 1)
    assert not same_weights(with_critic, without)


def test_the_discriminator_may_rest() -> None:
    seen = [set(step) for step in _steps(replace(GAN, critic_every=3), 4)]
    assert [("critic" in step) for step in seen] == [True, False, False, True]


def _steps(order: TrainingOrder, count: int) -> list[dict[str, float]]:
    trainer = Trainer(order, batches, CPU)
    return [trainer.step() for _ in range(count)]


@pytest.mark.parametrize("adversary", [Adversary.NONE, Adversary.BCE])
def test_an_rmse_by_numpy_changes_not_one_bit(adversary: Adversary) -> None:
    plain = replace(GAN, adversary=adversary)
    assert same_weights(trained(plain, 4), trained(replace(plain, loss=Loss.L1_PRINTED_RMSE), 4))


@pytest.mark.parametrize(
    "order",
    [
        ORDER,
        replace(ORDER, ema=0.9),
        replace(ORDER, optimiser=Optimiser.ONE_CYCLE),
        GAN,
        replace(GAN, optimiser=Optimiser.MUON),
        replace(GAN, adversary=Adversary.LSGAN),
    ],
)
def test_a_resumed_training_ends_with_the_same_weights(order: TrainingOrder) -> None:
    whole = trained(order, 6)
    state: dict[str, Any] = trained(order, 3).state()
    taken_up = Trainer(order, batches, CPU)
    taken_up.restore(state)
    for _ in range(3):
        taken_up.step()
    assert same_weights(whole, taken_up)


@pytest.mark.parametrize("loss", list(Loss))
def test_every_loss_falls(loss: Loss) -> None:
    seen = [step["depth"] for step in _steps(replace(ORDER, loss=loss, steps=24), 24)]
    assert sum(seen[-4:]) < 0.7 * sum(seen[:4])


def test_the_seed_decides_the_start() -> None:
    assert same_weights(trained(ORDER, 1), trained(ORDER, 1))
    assert not same_weights(trained(ORDER, 1), trained(replace(ORDER, seed=2), 1))


def test_one_cycle_goes_up_and_comes_down() -> None:
    rates = [rate_share(step, 100) for step in range(100)]
    assert max(rates) == rates[19] == pytest.approx(1)
    assert rates[:20] == sorted(rates[:20])
    assert rates[19:] == sorted(rates[19:], reverse=True)
    assert 0 <= rates[-1] < 1e-3
    assert rates[0] > 0


def test_the_feed_fits_the_trainer() -> None:
    frames = Frames(
        sem=torch.full((8, 2, 20, 16), 90, dtype=torch.uint8),
        depth=torch.full((8, 20, 16), 140, dtype=torch.uint8),
        level=torch.full((8,), 140.0),
    )
    trainer = Trainer(ORDER, Feed(frames, Shots.ANY, ORDER.batch, ORDER.seed), CPU)
    assert trainer.step()["depth"] > 0
