"""A step called again and again: on a CPU it is just called, on a GPU recorded and replayed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.explainers.replay import Replay, adam, set_rate

CPU = torch.device("cpu")


def descent(place: torch.device, generator: torch.Generator):
    """A quadratic's descent by Adam, whose rate and aim change from step to step, and a random number beside it."""
    x = torch.full((3,), 4.0, device=place, requires_grad=True)
    aim = torch.zeros((), device=place)
    optimiser = adam([x], 0.5)

    def step() -> Tensor:
        loss = (x - aim).square().sum()
        (x.grad,) = torch.autograd.grad(loss, [x])
        optimiser.step()
        return torch.stack([loss.detach(), torch.rand((), device=place, generator=generator)])

    replay = Replay(step, place, generator)
    found = []
    for index in range(12):
        set_rate(optimiser, 0.5 / (index + 1))
        aim.fill_(index / 10)
        found.append(replay())
    return torch.stack(found).cpu(), x.detach().cpu()


def test_every_call_is_a_step():
    found, x = descent(CPU, torch.Generator().manual_seed(3))
    plain = torch.full((3,), 4.0, requires_grad=True)
    optimiser = torch.optim.Adam([plain], 0.5)
    generator = torch.Generator().manual_seed(3)
    for index in range(12):
        optimiser.param_groups[0]["lr"] = 0.5 / (index + 1)
        loss = (plain - index / 10).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert found[index, 0] == loss
        assert found[index, 1] == torch.rand((), generator=generator)
    assert torch.equal(x, plain.detach())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_recorded_step_is_the_step_itself():
    here, x = descent(CPU, torch.Generator().manual_seed(3))
    there, y = descent(torch.device("cuda"), torch.Generator("cuda").manual_seed(3))
    torch.testing.assert_close(there[:, 0], here[:, 0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(y, x, rtol=1e-4, atol=1e-4)
    assert len(set(there[:, 1].tolist())) == 12  # and every replay draws anew


def test_a_rate_is_set_where_it_is_kept():
    optimiser = torch.optim.Adam([torch.zeros(1, requires_grad=True)], torch.tensor(0.5))
    kept = optimiser.param_groups[0]["lr"]
    set_rate(optimiser, 0.25)
    assert optimiser.param_groups[0]["lr"] is kept
    assert float(kept) == 0.25
