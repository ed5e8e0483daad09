"""xGEM on a linear manifold and a linear f, where its optimum is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import BrightnessBox, LinearAutoencoder, ToySubject, draw_disc, make_discs, prepared_disc, shaken

from core.errors import UserError
from core.explainers.xgem import Xgem, XgemConfig, explain
from core.networks.autoencoder import Autoencoder, AutoencoderConfig

F = BrightnessBox(gain=10, threshold=0.35)
LINEAR = LinearAutoencoder(latent=4)
GOAL = torch.tensor([[0.05, 0.3, 0.7, 0.95]])


def disc(radius: float = 0.25) -> torch.Tensor:
    return torch.from_numpy(draw_disc(32, radius, 0.6))[None, None]


def optimum(x: torch.Tensor, wanted: float, fidelity: float) -> torch.Tensor:
    """argmin of CE(t, f(G(z))) + fidelity |x - G(z)|^2 / n, by hand.

    With orthonormal rows the gradient is (s - t) w + (2 fidelity / n)(z - mu), w the slope of f's log-odds in z and
    s = f(G(z)): so z = mu - a w, and a solves a = n / (2 fidelity) * (s(a) - t).
    """
    mu, w, n = LINEAR.embed(x)[0], LINEAR.slope(F), x.numel()
    start, square = float(F.logit(LINEAR.decode(mu[None]))), float(w @ w)
    low, high = -1e3, 1e3
    for _ in range(200):
        a = (low + high) / 2
        s = 1 / (1 + np.exp(-(start - a * square)))
        low, high = (a, high) if n / (2 * fidelity) * (s - wanted) > a else (low, a)
    return mu - a * w


@pytest.mark.parametrize("fidelity", [1.0, 10.0, 200.0])
def test_the_optimum_by_hand(fidelity):
    x = disc()
    frames = Xgem(LINEAR, XgemConfig(fidelity=fidelity, steps=600, rate=0.3)).find(F, x, GOAL).frames
    for k, wanted in enumerate(GOAL[0].tolist()):
        expected = LINEAR.decode(optimum(x, wanted, fidelity)[None])
        torch.testing.assert_close(frames[0, k : k + 1], expected, atol=3e-3, rtol=0)


def test_without_a_price_for_change_every_request_is_met():
    frames = Xgem(LINEAR, XgemConfig(fidelity=0, steps=300, rate=0.3)).find(F, disc(), GOAL).frames[0]
    torch.testing.assert_close(F.posterior(frames), GOAL[0], atol=5e-3, rtol=0)


def test_with_an_endless_price_nothing_moves():
    x = disc()
    frames = Xgem(LINEAR, XgemConfig(fidelity=1e6)).find(F, x, GOAL).frames[0]
    still = LINEAR.decode(LINEAR.embed(x))
    torch.testing.assert_close(frames, still.expand_as(frames), atol=2e-3, rtol=0)


def test_the_objective_by_hand():
    method = Xgem(LINEAR, XgemConfig(fidelity=3.0))
    x, picture = torch.full((1, 1, 32, 32), 0.35), torch.full((1, 1, 32, 32), 0.45)
    # log-odds 10 (.45 - .35) = 1; cross-entropy to .8: log(1 + e) - .8; mean squared difference .01.
    expected = np.log(1 + np.e) - 0.8 + 0.03
    assert float(method.objective(F, x, picture, torch.tensor([0.8]))) == pytest.approx(expected, abs=1e-5)


def test_what_is_kept_is_no_worse_than_the_start():
    torch.manual_seed(0)
    network = shaken(Autoencoder(AutoencoderConfig(32, 1, 8, 6)), 0.2)
    x = make_discs(3, seed=2).x
    goal = torch.tensor([[0.05, 0.5, 0.95]]).expand(3, -1)
    for rate in (0.1, 30.0):  # a rate at which Adam runs away
        method = Xgem(network, XgemConfig(steps=6, rate=rate))
        frames = method.find(F, x, goal).frames
        for k in range(3):
            end = method.objective(F, x, frames[:, k], goal[:, k])
            assert (end <= method.objective(F, x, method.still(F, x), goal[:, k]) + 1e-5).all()


def test_pictures_and_requests_do_not_depend_on_each_other():
    x = make_discs(3, seed=2).x
    goal = torch.tensor([[0.1, 0.9], [0.2, 0.6], [0.5, 0.7]])
    method = Xgem(LINEAR, XgemConfig(steps=20))
    together = method.find(F, x, goal).frames
    assert together.shape == (3, 2, 1, 32, 32)
    for i in range(3):
        for k in range(2):
            alone = method.find(F, x[i : i + 1], goal[i : i + 1, k : k + 1]).frames
            torch.testing.assert_close(together[i, k], alone[0, 0], atol=1e-5, rtol=0)


def test_it_finds_its_slopes_where_none_are_kept():
    with torch.no_grad():
        frames = Xgem(LINEAR, XgemConfig(steps=20, rate=0.5)).find(F, disc(), GOAL).frames[0]
    answers = F.posterior(frames)
    assert not frames.requires_grad
    assert answers[-1] - answers[0] > 0.2


def test_it_leaves_no_gradients_behind():
    network = Autoencoder(AutoencoderConfig(32, 1, 8, 6)).eval().requires_grad_(False)
    Xgem(network, XgemConfig(steps=2)).find(F, disc(), GOAL)
    assert all(p.grad is None for p in network.parameters())


def test_a_sweep():
    heard = []
    result = explain(
        ToySubject(None, F), prepared_disc(), "Large", XgemConfig(steps=40, fidelity=0.5),
        lambda done, of: heard.append((done, of)),
    )  # fmt: skip
    assert (result.head, result.method, result.mode) == ("xgem", "xgem", "direct")
    assert heard == [(i, 40) for i in range(1, 41)]
    assert (np.diff(np.delete(result.achieved, result.origin)) > -0.02).all()
    assert not result.exact


@pytest.mark.parametrize("settings", [{"steps": 0}, {"rate": 0.0}, {"fidelity": -1.0}])
def test_mistakes(settings):
    with pytest.raises(UserError, match="xGEM takes at least one step"):
        explain(ToySubject(None, F), prepared_disc(), "Large", XgemConfig(**settings))
