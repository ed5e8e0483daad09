"""Integrated and Expected Gradients: exact where they must be, complete, and the same as captum's."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from toys import as_choice, bar_network, bar_place, bump_network, make_bars

from core.attributions import integrated
from core.attributions.integrated import expected_gradients, integrated_gradients
from core.attributions.methods import attribute, residual
from core.attributions.score import Score


@pytest.fixture
def score():
    return Score(bump_network(), 0, 1)


def two(seed=1, channels=1):
    """(x, baseline as [N, 1, C, H, W])"""
    generator = torch.Generator().manual_seed(seed)
    x, start = torch.rand(2, 3, channels, 8, 8, generator=generator)
    return x, start[:, None]


# Integrated Gradients


def test_completeness_at_128_steps(score):
    x, start = two()
    maps = integrated_gradients(score, x, start)
    change, gap = residual(score, x, start, maps)
    torch.testing.assert_close(change, score(x) - score(start[:, 0]))
    assert (gap.abs() < 1e-4 * (1 + change.abs())).all()


def test_a_relu_network_is_within_the_published_error():
    torch.manual_seed(2)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3)
    )
    score = Score(as_choice(network, ("a", "b", "c")), 0, 1)
    generator = torch.Generator().manual_seed(3)
    x, start = torch.rand(2, 12, 1, 8, 8, generator=generator)
    change, gap = residual(score, x, start[:, None], integrated_gradients(score, x, start[:, None]))
    assert float((gap.abs() / change.abs()).median()) < 0.01


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_trapezoid_weights_are_exact_for_a_quadratic(steps):
    """Its gradient is linear along the line, and the trapezoid rule is exact for that, however few the steps."""
    weight = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(4))
    x, start = two()

    class Quadratic(nn.Module):
        def forward(self, x):
            return (weight * x**2).sum((1, 2, 3))[:, None]

    maps = integrated_gradients(Score(Quadratic(), 0, 0, "own"), x, start, steps=steps)
    torch.testing.assert_close(maps, weight * (x**2 - start[:, 0] ** 2), atol=1e-5, rtol=1e-4)


def test_there_and_back_is_the_same_with_the_other_sign(score):
    x, start = two()
    there = integrated_gradients(score, x, start)
    back = integrated_gradients(score, start[:, 0], x[:, None])
    torch.testing.assert_close(there, -back, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", ["ig", "eg", "occlusion", "deeplift", "deepshap"])
def test_against_itself_there_is_nothing(method):
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(144, 2)).requires_grad_(False)
    x, _ = two()
    maps = attribute(method, Score(network, 0, 1), x, x[:, None])
    assert float(maps.abs().max()) < (1e-6 if method == "occlusion" else 1e-30)


def test_several_baselines_are_averaged(score):
    x, a = two()
    _, b = two(7)
    both = integrated_gradients(score, x, torch.cat([a, b], 1), steps=8)
    torch.testing.assert_close(
        both, (integrated_gradients(score, x, a, steps=8) + integrated_gradients(score, x, b, steps=8)) / 2
    )


@pytest.mark.parametrize("chunk", [1, 7])
def test_parts_give_the_same_as_one_pass(score, monkeypatch, chunk):
    x, start = two()
    whole = integrated_gradients(score, x, start, steps=16), expected_gradients(score, x, start, 24)
    monkeypatch.setattr(integrated, "CHUNK", chunk)
    seen = []
    network = score.network
    hook = network.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    torch.testing.assert_close(integrated_gradients(score, x, start, steps=16), whole[0])
    torch.testing.assert_close(expected_gradients(score, x, start, 24), whole[1])
    hook.remove()
    assert max(seen) == chunk, "so memory is bounded"


def test_as_captums():
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.Tanh(), nn.Flatten(),
        nn.Linear(32, 4),
    )  # fmt: skip
    x, start = two(6, channels=3)
    ours = integrated_gradients(Score(network, 3, 0, "own"), x, start, steps=64)
    # captum counts places, of which there is one more than intervals, and divides by it
    theirs = attr.IntegratedGradients(network).attribute(
        x, start[:, 0], target=3, n_steps=65, method="riemann_trapezoid"
    )
    torch.testing.assert_close(ours, (theirs * 65 / 64).float(), atol=1e-5, rtol=1e-3)


# Expected Gradients


def test_on_a_linear_network_it_is_the_mean_over_baselines():
    score = Score(as_choice(bar_network(2, 8)), 0, 1)
    x, a = two()
    starts = torch.cat([a, *(two(k)[1] for k in (2, 3, 4, 5))], 1)
    weight = (score.network.net.fc.weight[0] - score.network.net.fc.weight[1]).view(1, 1, 8, 8)
    found = expected_gradients(score, x, starts, samples=7)
    torch.testing.assert_close(found, weight * (x - starts.mean(1)), atol=1e-6, rtol=1e-4)


def test_many_samples_come_to_integrated_gradients(score):
    x, start = two()
    exact, sampled = integrated_gradients(score, x, start), expected_gradients(score, x, start, 2048)
    assert float((exact - sampled).abs().max()) < 0.01 * float(exact.abs().max())


def test_a_seed_repeats_and_another_differs(score):
    x, start = two()
    a, b, c = (expected_gradients(score, x, start, 16, seed) for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


# One against one


@pytest.mark.parametrize("method", ["ig", "eg", "deeplift", "occlusion"])
def test_the_map_lies_where_two_classes_differ_if_the_baseline_is_the_other_class(method):
    """A network that looks at everything; the classes differ in one patch. Black as a baseline blames the rest too."""
    torch.manual_seed(8)
    network = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 256, 2))
    network.requires_grad_(False)
    x = torch.from_numpy(make_bars(4, classes=1)[0]).float() / 255
    patch = torch.zeros(16, 16, dtype=torch.bool)
    patch[bar_place(0)] = True
    other = torch.where(patch, 0.2, x)
    score = Score(network, 0, 1)

    def inside(baseline):
        maps = attribute(method, score, x, baseline[:, None]).abs()
        return (maps[:, 0, patch].sum(1) / maps.sum((1, 2, 3))).min()

    assert inside(other) > (0.5 if method == "occlusion" else 0.8)
    assert inside(torch.zeros_like(x)) < 0.7
    assert inside(torch.zeros_like(x)) < inside(other)
