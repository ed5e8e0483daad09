"""Train a classifier with one or several binary targets, and calibrate it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.classifiers.blackbox import Classifier
from core.classifiers.store import load_classifier
from core.training.augment import CLASSIFIER_VIEW, View, random_view
from core.training.loop import EMA, average_gradients, world
from core.training.pretrained import IMAGENET, imagenet_weights
from core.training.state import Resumable


@dataclass(frozen=True)
class ClassifierConfig:
    """Settings of one classifier's training.

    auxiliary: further labels learned at the same time, for the features' sake, and cut off at the end.
    init: a classifier file whose weights are taken over where the shapes agree (a warm restart), or 'imagenet', see
    `imagenet_weights`.
    blend: how far the result lies on the line from init's weights to the trained ones; 1 is the trained ones.
    """

    targets: tuple[str, ...]
    auxiliary: tuple[str, ...] = ()
    init: str | None = None
    blend: float = 1.0
    architecture: str = "resnet"
    width: int = 24
    size: int = 64
    channels: int = 3
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.02
    mixup: float = 0.0  # Beta parameter; 0 switches it off
    robust: float = 0.0  # greatest length (L2, pixels in [0, 1]) of an adversarial step; 0 switches it off
    flip: bool = False
    balance: bool = False  # draw positives and negatives of the first target equally often
    exclusive: bool = False  # the targets are classes of which a picture has exactly one: cross-entropy over them
    seed: int = 0


class ClassifierTrainer(Resumable):
    """AdamW with a one-cycle cosine schedule, random views, weight averaging; blank labels do not count."""

    def __init__(self, config: ClassifierConfig, images: np.ndarray, labels: np.ndarray, device: torch.device) -> None:
        """images: [N, C, H, W] uint8 at config.size; labels: [N, K] 0, 1 or NaN,
        the targets' columns first, then the auxiliary ones.
        """
        torch.manual_seed(config.seed)
        self.config, self.device = config, device
        self.images = torch.from_numpy(images).to(device)
        self.labels = torch.from_numpy(labels.astype(np.float32)).to(device)
        outputs = config.targets + config.auxiliary
        model = Classifier(config.architecture, config.channels, outputs, config.width, config.size)
        if config.init:
            old, new = _initial(config), model.state_dict()
            model.load_state_dict({n: old[n] if n in old and old[n].shape == t.shape else t for n, t in new.items()})
        pixels = self.images[:4096].float() / 255
        model.mean.copy_(pixels.mean((0, 2, 3)).cpu()[:, None, None])
        model.std.copy_(pixels.std((0, 2, 3)).cpu()[:, None, None])
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.ema = EMA(self.model, 0.998)
        decay = [p for p in self.model.parameters() if p.ndim > 1]
        rest = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": decay, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate)
        rank, _ = world()
        self.view = View(**(asdict(CLASSIFIER_VIEW) | {"flip": config.flip}))
        self.rng = np.random.default_rng([config.seed, rank])
        torch.manual_seed(config.seed * 1000 + rank)
        first = labels[:, 0]
        self.groups = [np.flatnonzero(first == v) for v in (0, 1)] if config.balance else [np.arange(len(labels))]

    def step(self, index: int, fraction: float) -> dict[str, float]:
        """One batch. Returns the loss and the learning rate."""
        rate = (
            self.config.learning_rate
            * min(1.0, (index + 1) / 100)
            * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, fraction))))
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        rows = np.concatenate([self.rng.choice(g, self.config.batch // len(self.groups)) for g in self.groups])
        picked = torch.from_numpy(rows).to(self.device)
        x = self.images[picked].float() / 255
        x = random_view(x, self.view).contiguous(memory_format=torch.channels_last)
        y = self.labels[picked]
        known = ~torch.isnan(y)
        smooth = self.config.label_smoothing
        soft = torch.nan_to_num(y) * (1 - 2 * smooth) + smooth
        if self.config.exclusive:
            soft = torch.nan_to_num(y) * (1 - smooth) + smooth / y.shape[1]
        if self.config.mixup:
            # Zhang et al., ICLR 2018. A pair counts only where both labels are known.
            share = float(self.rng.beta(self.config.mixup, self.config.mixup))
            x, soft, known = (
                share * x + (1 - share) * x.flip(0),
                share * soft + (1 - share) * soft.flip(0),
                known & known.flip(0),
            )
        self.model.train()
        if self.config.robust:
            x = self._attacked(x, soft, known)
        loss = self._loss(x, soft, known)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.ema.update(self.model)
        return {"loss": float(loss.detach()), "rate": rate}

    def _loss(self, x: Tensor, soft: Tensor, known: Tensor) -> Tensor:
        """x: [N, C, H, W]; soft: [N, K] wanted answers; known: [N, K], which of them count."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.model(x)
        if self.config.exclusive:
            return F.cross_entropy(logits.float(), soft)
        losses = F.binary_cross_entropy_with_logits(logits.float(), soft, reduction="none")
        return (losses * known).sum() / known.sum().clamp_min(1)

    def _attacked(self, x: Tensor, soft: Tensor, known: Tensor) -> Tensor:
        """The pictures after one step up the loss from a random start, each inside a ball of its own radius.

        A network trained on these answers to what people see rather than to faint patterns (Tsipras et al., ICLR
        2019), so an explainer that follows its gradient draws shapes and not smudges. One step with a random start is
        Wong et al., ICLR 2020; radii are uniform up to `robust`, so that pictures as they are stay in the mix.
        """
        radius = self.config.robust * torch.rand(len(x), 1, 1, 1, device=x.device)
        start = torch.randn_like(x)
        start = start / start.flatten(1).norm(dim=1)[:, None, None, None] * radius * torch.rand_like(radius)
        moved = (x + start).requires_grad_(True)
        (slope,) = torch.autograd.grad(self._loss(moved, soft, known), moved)
        length = slope.flatten(1).norm(dim=1)[:, None, None, None].clamp_min(1e-12)
        step = start + 1.25 * radius * slope / length
        over = (step.flatten(1).norm(dim=1)[:, None, None, None] / radius.clamp_min(1e-12)).clamp_min(1.0)
        return (x + step / over).detach().contiguous(memory_format=torch.channels_last)

    def sample(self, path: Path) -> None:
        """A classifier has no picture to show."""

    def finished(self, images: np.ndarray, labels: np.ndarray) -> Classifier:
        """The averaged classifier, calibrated on validation images [N, C, H, W] uint8 and labels [N, K]."""
        model = self.ema.module
        assert isinstance(model, Classifier)
        model = model.keep(self.config.targets)
        if self.config.init and self.config.blend < 1:
            # Wortsman et al., CVPR 2022: on this line what either end learned is often kept together.
            old, new = _initial(self.config), model.state_dict()
            for name, weight in new.items():
                if name in old and old[name].shape == weight.shape and weight.is_floating_point():
                    weight.lerp_(old[name].to(weight), 1 - self.config.blend)
        logits = predict_logits(model, images, self.device)
        if self.config.exclusive:
            model.temperature.fill_(fit_temperature(logits, np.nan_to_num(labels).argmax(1)))
            return model.cpu().freeze()
        for k in range(len(self.config.targets)):
            known = ~np.isnan(labels[:, k])
            temperature, bias = fit_platt(logits[known, k], labels[known, k])
            model.temperature[k], model.bias[k] = temperature, bias
        return model.cpu().freeze()


def _initial(config: ClassifierConfig) -> dict[str, Tensor]:
    """The weights that `init` names."""
    if config.init == IMAGENET:
        return imagenet_weights(config.architecture, config.channels)
    return load_classifier(Path(str(config.init))).state_dict()


def fit_temperature(logits: np.ndarray, classes: np.ndarray) -> float:
    """The temperature of a softmax that minimises the log loss (Guo et al., ICML 2017). logits: [N, K]."""
    z, y = torch.from_numpy(np.asarray(logits, np.float64)), torch.from_numpy(np.asarray(classes, np.int64))
    slope = torch.zeros((), dtype=torch.float64, requires_grad=True)  # log of 1 / T
    optimiser = torch.optim.LBFGS([slope], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(z * slope.exp(), y)
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(torch.exp(-slope.detach()))


@torch.no_grad()
def predict_logits(
    model: Classifier, images: np.ndarray, device: torch.device | str = "cpu", batch: int = 256
) -> np.ndarray:
    """[N, C, H, W] uint8 -> [N, K] uncalibrated logits."""
    model.eval()
    out: list[Tensor] = []
    for i in range(0, len(images), batch):
        x = torch.from_numpy(images[i : i + batch]).to(device).float() / 255
        out.append(model(x).float().cpu())
    return torch.cat(out).numpy()


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """(temperature, bias) minimising the log loss of sigmoid(logit / temperature + bias).

    The slope is kept positive: calibration may not reverse an answer.
    """
    z = torch.from_numpy(np.asarray(logits, np.float64))
    y = torch.from_numpy(np.asarray(labels, np.float64))
    theta = torch.zeros(2, dtype=torch.float64, requires_grad=True)  # log slope, bias
    optimiser = torch.optim.LBFGS([theta], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.binary_cross_entropy_with_logits(z * theta[0].exp() + theta[1], y)
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(torch.exp(-theta[0].detach())), float(theta[1].detach())
