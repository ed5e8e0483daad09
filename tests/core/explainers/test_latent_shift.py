"""Latent Shift on a linear manifold and a linear f, where its line and its answers are known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import BrightnessBox, LinearAutoencoder, ToySubject, draw_disc, make_discs, middle, prepared_disc, shaken

from core.errors import UserError
from core.explainers.latent_shift import CHANGED, FALLEN, FLAT, LONG, TURNED, LatentShift, LatentShiftConfig, explain
from core.networks.autoencoder import Autoencoder, AutoencoderConfig

F = BrightnessBox(gain=10, threshold=0.35)
LINEAR = LinearAutoencoder(latent=4)
GOAL = torch.tensor([[0.05, 0.3, 0.7, 0.95]])
FREE = {"change": 10.0}


class Bump(BrightnessBox):
    """Log-odds that rise with the brightness of the middle up to .35, and fall again: at most `top`."""

    def __init__(self, top: float = 0.0) -> None:
        super().__init__()
        self.top = top

    def logit(self, x):
        return self.top - 300 * (middle(x).mean((1, 2, 3)) - 0.35).square()


def disc(radius: float = 0.25) -> torch.Tensor:
    return torch.from_numpy(draw_disc(32, radius, 0.6))[None, None]


def walk(method: LatentShift, f: BrightnessBox, x: torch.Tensor, end: float, sign: int):
    z = method.embed(x)
    base = method.autoencoder.decode(z)
    answer, direction = method.slope(f, x, z, base)
    with torch.no_grad():
        return method.walk(f, x, z, base, direction, answer, np.full(len(x), end), sign)


def steps(first: float, count: int) -> list[float]:
    """The places of the search: every step is longer by a tenth of the way gone."""
    places = [0.0]
    for _ in range(count):
        places.append(places[-1] + first + places[-1] / 10)
    return places[1:]


# The line


def test_the_direction_by_hand():
    x, w = disc(), LINEAR.slope(F)
    z = LINEAR.embed(x)
    answer, direction = LatentShift(LINEAR).slope(F, x, z, LINEAR.decode(z))
    torch.testing.assert_close(answer, F.logit(LINEAR.decode(z)))
    torch.testing.assert_close(direction[0], w / (w @ w), atol=1e-3, rtol=1e-3)


def test_a_shift_of_l_moves_the_log_odds_by_l_and_every_request_is_met():
    x, w = disc(), LINEAR.slope(F)
    frames = LatentShift(LINEAR, LatentShiftConfig(**FREE)).find(F, x, GOAL).frames[0]
    torch.testing.assert_close(F.posterior(frames), GOAL[0], atol=1e-4, rtol=0)
    mu = LINEAR.embed(x)
    shift = torch.logit(GOAL[0]) - F.logit(LINEAR.decode(mu))
    expected = LINEAR.decode(mu + shift[:, None] * w / (w @ w))
    torch.testing.assert_close(frames, expected, atol=2e-3, rtol=0)


def test_the_posteriors_gradient_is_the_same_line():
    # The released code differentiates the probability: p (1 - p) times the slope of the log-odds.
    x = disc()
    z = LINEAR.embed(x).requires_grad_()
    (slope,) = torch.autograd.grad(F.posterior(LINEAR.decode(z)).sum(), z)
    _, direction = LatentShift(LINEAR).slope(F, x, z.detach(), LINEAR.decode(z.detach()))
    torch.testing.assert_close(torch.cosine_similarity(slope, direction), torch.ones(1), atol=1e-5, rtol=0)


def test_the_residual_form_is_the_picture_plus_the_difference():
    x = disc()
    method = LatentShift(LINEAR, LatentShiftConfig(form="residual", **FREE))
    assert torch.equal(method.still(F, x), x)
    wanted = F.posterior(x) + torch.tensor([-0.05, 0.0, 0.05])
    frames = method.find(F, x, wanted[None]).frames[0]
    torch.testing.assert_close(F.posterior(frames), wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(frames[1:2], x, atol=1e-6, rtol=0)
    w = LINEAR.slope(F)
    shift = (torch.logit(wanted[2]) - F.logit(x))[:, None] * w / (w @ w)
    torch.testing.assert_close(frames[2:], x + LINEAR.decode(shift) - LINEAR.decode(0 * shift), atol=2e-3, rtol=0)


# The search and its ends


def test_places_and_answers_of_the_search_by_hand():
    x = disc()
    start = float(F.logit(LINEAR.decode(LINEAR.embed(x))))
    (up,) = walk(LatentShift(LINEAR, LatentShiftConfig(step=0.5, **FREE)), F, x, start + 2.0, 1)
    assert up.shifts == pytest.approx(steps(0.5, 4))  # .5, 1.05, 1.655, 2.32: the first beyond 2
    assert up.answers == pytest.approx([start + way for way in up.shifts], abs=1e-3)
    assert up.stop == ""


def test_nothing_is_searched_where_nothing_is_asked():
    (up,) = walk(LatentShift(LINEAR), F, disc(), -5.0, 1)
    assert (up.shifts, up.answers, up.stop) == ([], [], "")


def test_it_ends_when_the_picture_has_changed_too_much():
    x, w = disc(), LINEAR.slope(F)
    (up,) = walk(LatentShift(LINEAR, LatentShiftConfig(step=0.05, change=0.02)), F, x, 9.0, 1)
    still = LINEAR.decode(LINEAR.embed(x))
    unit = (LINEAR.decode((w / (w @ w))[None]) - LINEAR.decode(torch.zeros(1, 4))).abs().mean()
    changed = np.array(up.shifts) * float(unit / still.abs().mean())
    assert up.stop == CHANGED
    assert changed[-1] > 0.02
    assert (changed[:-1] <= 0.02).all()
    method = LatentShift(LINEAR, LatentShiftConfig(step=0.05, change=0.02))
    found = method.find(F, x, GOAL)
    assert F.posterior(found.frames[0]).tolist()[-1] == pytest.approx(
        float(torch.sigmoid(torch.tensor(up.answers[-1])))
    )
    assert found.stops == (f"down it ended because {CHANGED} and up it ended because {CHANGED}",)


def test_it_ends_when_f_turns_back():
    x = disc()
    method = LatentShift(LINEAR, LatentShiftConfig(step=0.1, **FREE))
    (up,) = walk(method, Bump(), x, 3.0, 1)
    assert up.stop == TURNED
    assert (np.diff([float(Bump().logit(method.still(F, x))), *up.answers]) > 0).all()
    assert -0.2 < up.answers[-1] <= 0  # the top of the bump is 0
    assert "up it ended because f no longer moves that way" in method.find(Bump(), x, GOAL).stops[0]


def test_it_ends_when_f_has_moved_far_enough():
    x = disc()
    (up,) = walk(LatentShift(LINEAR, LatentShiftConfig(fall=0.3, **FREE)), F, x, 9.0, 1)
    start = float(F.posterior(LINEAR.decode(LINEAR.embed(x))))
    moved = torch.sigmoid(torch.tensor(up.answers)).numpy() - start
    assert up.stop == FALLEN
    assert moved[-1] > 0.3
    assert (moved[:-1] <= 0.3).all()


def test_it_ends_after_so_many_rounds():
    (up,) = walk(LatentShift(LINEAR, LatentShiftConfig(rounds=3, **FREE)), F, disc(), 9.0, 1)
    assert up.stop == LONG
    assert up.shifts == pytest.approx(steps(0.2, 3))


def test_a_flat_f_is_said():
    flat = BrightnessBox(gain=0.0)
    method = LatentShift(LINEAR, LatentShiftConfig(**FREE))
    found = method.find(flat, disc(), GOAL)
    still = method.still(flat, disc())
    torch.testing.assert_close(found.frames[0], still.expand_as(found.frames[0]))
    assert found.stops == (f"down it ended because {FLAT} and up it ended because {FLAT}",)


def test_an_f_that_is_sure_is_moved_all_the_same():
    # At log-odds of 20 a probability's gradient is 1e-9; the released steps of 10 would stand still.
    sure = BrightnessBox(gain=100, threshold=0.05)
    frames = LatentShift(LINEAR, LatentShiftConfig(**FREE)).find(sure, disc(), GOAL).frames[0]
    torch.testing.assert_close(sure.posterior(frames), GOAL[0], atol=1e-3, rtol=0)


def test_answers_are_monotone_and_requests_are_met_on_a_curved_manifold():
    network = shaken(Autoencoder(AutoencoderConfig(32, 1, 8, 6)), 0.1)
    x, f = make_discs(4, seed=2).x, BrightnessBox(gain=30, threshold=0.5)
    method = LatentShift(network, LatentShiftConfig(step=0.1, **FREE))
    start = f.logit(method.still(f, x))
    for sign in (-1, 1):
        for one, here in zip(walk(method, f, x, sign * 9.0, sign), start.tolist(), strict=True):
            assert one.answers
            assert (sign * np.diff([here, *one.answers]) > 0).all()
    goal = torch.sigmoid(start[:, None] + torch.tensor([-0.15, -0.05, 0.03, 0.07]))
    answers = torch.stack([f.posterior(frames) for frames in method.find(f, x, goal).frames])
    assert (answers.diff(dim=1) > 0).all()
    torch.testing.assert_close(answers, goal, atol=5e-3, rtol=0)


def test_pictures_do_not_depend_on_each_other():
    x = make_discs(3, seed=2).x
    goal = torch.tensor([[0.1, 0.9], [0.2, 0.6], [0.5, 0.7]])
    method = LatentShift(LINEAR)
    together = method.find(F, x, goal)
    for i in range(3):
        alone = method.find(F, x[i : i + 1], goal[i : i + 1])
        torch.testing.assert_close(together.frames[i], alone.frames[0], atol=1e-5, rtol=0)
        assert together.stops[i] == alone.stops[0]


# The result


def test_a_sweep_says_how_it_ended():
    result = explain(ToySubject(None, F), prepared_disc(), "Large", LatentShiftConfig())
    assert (result.head, result.method) == ("latent-shift", "latent-shift")
    assert CHANGED in result.provenance.stop
    assert "reconstruction and not the upload" in result.provenance.stop
    free = explain(ToySubject(None, F), prepared_disc(), "Large", LatentShiftConfig(**FREE))
    assert np.delete(free.reached, free.origin).all()
    assert free.provenance.stop.startswith("finished: every request was met")


def test_the_residual_forms_sweep_starts_at_the_picture():
    picture = prepared_disc()
    result = explain(ToySubject(None, F), picture, "Large", LatentShiftConfig(form="residual", **FREE))
    assert result.exact
    assert np.array_equal(result.frames[result.origin], picture.tensor)
    assert np.array_equal(result.views[result.origin], np.rint(picture.view * 255).astype(np.uint8))
    assert "reconstruction" not in result.provenance.stop


@pytest.mark.parametrize("settings", [{"step": 0.0}, {"change": 0.0}, {"rounds": 0}])
def test_settings_that_are_not_above_nothing(settings):
    with pytest.raises(UserError, match="above 0"):
        explain(ToySubject(None, F), prepared_disc(), "Large", LatentShiftConfig(**settings))


def test_an_unknown_form():
    with pytest.raises(UserError, match="no form 'gif' of Latent Shift; choose one of published, residual"):
        explain(ToySubject(None, F), prepared_disc(), "Large", LatentShiftConfig(form="gif"))
