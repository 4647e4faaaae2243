import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from semwatchd.models.losses import adversarial, gradient_l1, huber_and_gradient, printed_rmse, rmse


def pair() -> tuple[Tensor, Tensor]:
    dice = torch.Generator().manual_seed(0)
    found = torch.randn(2, 1, 5, 4, dtype=torch.float64, generator=dice)
    return found.requires_grad_(), torch.randn(2, 1, 5, 4, dtype=torch.float64, generator=dice)


@pytest.mark.parametrize(
    "loss", [rmse, gradient_l1, lambda found, truth: huber_and_gradient(found, truth, delta=0.3)]
)
def test_gradients_are_those_of_finite_differences(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    found, truth = pair()
    assert torch.autograd.gradcheck(lambda f: loss(f, truth), (found,))


@pytest.mark.parametrize("adversary", ["bce", "lsgan"])
@pytest.mark.parametrize("real", [0.0, 1.0])
def test_adversarial_gradients_too(adversary: str, real: float) -> None:
    logits, _ = pair()
    assert torch.autograd.gradcheck(lambda x: adversarial(x, real, adversary), (logits,))  # type: ignore[arg-type]


def test_a_discriminator_that_knows_nothing_has_a_loss_of_ln_2() -> None:
    assert adversarial(torch.zeros(3), 1.0, "bce").item() == pytest.approx(math.log(2))
    assert adversarial(torch.full((3,), 0.5), 1.0, "lsgan").item() == 0.25


def test_the_rmse_of_a_known_error() -> None:
    truth = torch.zeros(2, 1, 4, 4)
    assert rmse(truth + torch.tensor([3.0, 1.0])[:, None, None, None], truth).item() == pytest.approx(2.0)


def test_an_rmse_made_by_numpy_adds_no_gradient() -> None:
    found, truth = pair()
    l1 = (found - truth).abs().mean()
    (alone,) = torch.autograd.grad(l1, found, retain_graph=True)
    (with_rmse,) = torch.autograd.grad(l1 + printed_rmse(found, truth), found)
    assert torch.equal(alone, with_rmse)
    assert printed_rmse(found, truth) == pytest.approx(rmse(found, truth).item(), abs=1e-6)
    (slope,) = torch.autograd.grad(rmse(found, truth), found)
    assert slope.norm() > 0.01


def test_huber_is_quadratic_below_delta_and_linear_above() -> None:
    flat = torch.zeros(1, 1, 4, 4)

    def loss(error: float) -> float:
        return huber_and_gradient(flat + error, flat, delta=2.0).item()

    assert loss(1.0) == pytest.approx(0.25)
    assert loss(8.0) - loss(6.0) == pytest.approx(2.0)


def test_gradient_l1_sees_walls_not_levels() -> None:
    wall = torch.zeros(1, 1, 4, 4)
    wall[..., 2:] = 1
    assert gradient_l1(wall + 5, wall).item() == 0
    assert gradient_l1(wall, torch.zeros_like(wall)).item() == pytest.approx(1 / 3)
