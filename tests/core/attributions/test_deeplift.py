"""DeepLIFT: sums to the difference of the scores on every network there is, and refuses what it has no rule for."""

from __future__ import annotations

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from toys import as_choice, bar_network

from core.attributions.deeplift import CHUNK, deeplift
from core.attributions.gradient import gradient
from core.attributions.integrated import integrated_gradients
from core.attributions.methods import residual
from core.attributions.score import Score
from core.errors import UserError
from core.networks.classifier import ARCHITECTURES, make_classifier


def two(n=3, channels=1, size=8, seed=1) -> tuple[Tensor, Tensor]:
    """(x, baselines as [N, 1, C, H, W])"""
    x, start = torch.rand(2, n, channels, size, size, generator=torch.Generator().manual_seed(seed))
    return x, start[:, None]


def frozen(network: nn.Module) -> nn.Module:
    """With statistics other than 0 and 1 in its normalisations."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval().requires_grad_(False)


class Everything(nn.Module):
    """What hooks on modules get wrong: one ReLU used twice, a functional one, an addition, poolings, a join."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.conv3, self.relu = nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(inplace=True)
        self.norm, self.most, self.average = nn.BatchNorm2d(6), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2)
        self.leaky, self.fc = nn.LeakyReLU(0.3), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.conv1(x * 2 - 1))
        h = self.relu(self.norm(self.conv2(h)) + h)
        h = self.most(h)
        h = F.relu(self.conv3(h)) + 0.5 * h
        h = torch.cat([self.average(h), self.average(self.leaky(self.conv2(h)))], 1)
        return self.fc(torch.tanh(h).mean((2, 3)))


@pytest.mark.parametrize("kind", ["own", "contrast"])
@pytest.mark.parametrize("name", [*ARCHITECTURES, "everything"])
def test_it_sums_to_the_difference_of_the_scores(name, kind):
    torch.manual_seed(3)
    network = Everything() if name == "everything" else make_classifier(name, 1, 3, 4)
    with torch.no_grad():
        for p in network.parameters():  # far from the origin, so that there is something to add up
            p.mul_(1.5)
    score = Score(as_choice(frozen(network), ("a", "b", "c")), 0, 1, kind)
    x, start = two(4, size=16)
    found = deeplift(score, x, start)
    change, gap = residual(score, x, start, found)
    assert float(change.abs().min()) > 1e-4
    # Rounding goes with what is added up, of which most cancels, and differs from one processor to the next.
    assert (gap.abs() <= 2e-6 * (1 + found.abs().flatten(1).sum(1))).all()


def test_the_sum_in_double_precision_is_exact():
    torch.manual_seed(3)
    score = Score(frozen(Everything().double()), 0, 1)
    x, start = (t.double() for t in two(4, size=16))
    change, gap = residual(score, x, start, deeplift(score, x, start))
    assert (gap.abs() <= 1e-9 * (1 + change.abs())).all()


def test_on_a_linear_network_it_is_gradient_times_change():
    score = Score(as_choice(bar_network(2, 8)), 0, 1)
    x, start = two()
    torch.testing.assert_close(deeplift(score, x, start), gradient(score, x, start) * (x - start[:, 0]))


@pytest.mark.parametrize("layer", [nn.ReLU, nn.Sigmoid, nn.Softplus, nn.Tanh])
def test_on_one_monotone_layer_it_is_integrated_gradients(layer):
    """One unit: its line from the baseline is a line in its one input, so both split the change alike."""
    torch.manual_seed(4)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 1), layer()).requires_grad_(False)
    score = Score(network, 0, 0, "own")
    x, start = two()
    torch.testing.assert_close(
        deeplift(score, x, start), integrated_gradients(score, x, start, 512), atol=1e-5, rtol=0.02
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_as_captums():
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4)
    )
    x, start = two(channels=3)
    theirs = attr.DeepLift(network).attribute(x, start[:, 0], target=2)
    ours = deeplift(Score(network.requires_grad_(False), 2, 0, "own"), x, start)
    torch.testing.assert_close(ours, theirs.detach(), atol=1e-6, rtol=1e-4)


def test_deepshap_is_the_mean_over_baselines():
    torch.manual_seed(6)
    score = Score(frozen(Everything()), 0, 1)
    x, _ = two(size=16)
    starts = torch.rand(3, 5, 1, 16, 16)
    mean = torch.stack([deeplift(score, x, starts[:, k : k + 1]) for k in range(5)]).mean(0)
    torch.testing.assert_close(deeplift(score, x, starts), mean, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(deeplift(score, x, starts, chunk=2), mean, atol=1e-6, rtol=1e-4)


def test_a_pass_holds_no_more_than_a_chunk_of_baselines():
    """So memory is bounded: 32 baselines take two passes of 16 pictures with their baselines."""
    network, seen = frozen(Everything()), []
    hook = network.norm.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    x, _ = two(1, size=16)
    deeplift(Score(network, 0, 1), x, torch.rand(1, 32, 1, 16, 16))
    hook.remove()
    assert seen == [2 * CHUNK, 1, 2 * CHUNK] == [32, 1, 32]  # one alone: is it the same network?


def test_a_picture_alone_and_in_company_has_the_same_map():
    torch.manual_seed(6)
    score = Score(frozen(Everything()), 0, 1)
    x, start = two(size=16)
    torch.testing.assert_close(deeplift(score, x, start)[1:2], deeplift(score, x[1:2], start[1:2]))


class Odd(nn.Module):
    """A linear layer after one operation."""

    def __init__(self, operation) -> None:
        super().__init__()
        self.operation, self.fc = operation, nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.operation(x.flatten(1)))


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda x: torch.softmax(x, 1), "softmax"),
        (lambda x: x.softmax(1), "softmax"),
        (nn.Softmax(1), "Softmax"),
        (nn.GELU(), "GELU"),
        (lambda x: x * x, "mul"),
        (lambda x: x * torch.sigmoid(x), "mul"),
        (lambda x: x**2, "pow"),
        (lambda x: x.exp(), "exp"),
        (lambda x: F.gelu(x), "gelu"),
        (lambda x: F.max_pool1d(x[:, None], 1)[:, 0], "max_pool1d"),
    ],
)
def test_what_has_no_rule_is_named(operation, name):
    x, start = two()
    with pytest.raises(UserError, match=f"no rule for the operation {name.lower()}"):
        deeplift(Score(Odd(operation).requires_grad_(False), 0, 1), x, start)


def test_other_threads_are_left_alone():
    """The page makes maps while other sessions use other networks, or the same one."""
    torch.manual_seed(6)
    network = frozen(Everything())
    x, start = two(size=16)
    with torch.no_grad():
        wanted = network(x)
    stop, wrong, count = threading.Event(), [], 0

    def ask() -> None:
        nonlocal count
        while not stop.is_set():
            with torch.no_grad():
                answer = network(x)
            count += 1
            if type(answer) is not Tensor or not torch.equal(answer, wanted):
                wrong.append(answer)

    thread = threading.Thread(target=ask)
    thread.start()
    for _ in range(20):
        deeplift(Score(network, 0, 1), x, start)
    stop.set()
    thread.join()
    assert count > 0
    assert not wrong
    assert not [name for name in vars(network) if "constant" in name]


class Sly(nn.Module):
    """Changes a value in place and goes on with it under its old name."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x.flatten(1))
        h.relu_()
        return self.last(h)


def test_what_the_rules_would_change_is_refused():
    torch.manual_seed(8)
    x, start = two()
    with pytest.raises(RuntimeError, match="answers something else"):
        deeplift(Score(Sly().requires_grad_(False), 0, 1), x, start)


@pytest.mark.parametrize("operation", [lambda x: 3 * x, lambda x: x / 2, lambda x: x - 0.5, lambda x: 1 - x])
def test_arithmetic_with_constants_is_linear(operation):
    score = Score(Odd(operation).requires_grad_(False), 0, 1)
    x, start = two()
    torch.testing.assert_close(deeplift(score, x, start), gradient(score, x, start) * (x - start[:, 0]))


def test_a_network_without_a_change_at_a_unit_takes_its_slope():
    """Half of the picture is as in the baseline: no division by zero."""
    torch.manual_seed(7)
    score = Score(frozen(Everything()), 0, 1)
    x, start = two(size=16)
    x[..., :8] = start[:, 0, ..., :8]
    maps = deeplift(score, x, start)
    assert torch.isfinite(maps).all()
    assert not maps[..., :8].any()
