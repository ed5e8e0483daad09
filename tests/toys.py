"""Pictures and black boxes of which everything is known by hand.

A disc on a dark ground has one cause, its radius or its intensity, and one thing that does not matter: a
bright bar in the top left corner, there or not by the toss of a coin. The black boxes are formulas.
"""

from __future__ import annotations

import csv
import gzip
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.classifiers.blackbox import Classifier
from core.classifiers.multiclass import MultiClass
from core.classifiers.packaged import packaged_classes
from core.classifiers.store import save_classifier
from core.errors import UserError
from core.images.picture import Prepared
from core.infills.heuristic import BlurInfill, LocalInfill, MeanInfill, RandomInfill
from core.infills.infill import Infill
from core.infills.learned import AttentionInfill, VaeInfill
from core.networks.exaggerator import Band, Exaggerator, ExaggeratorConfig
from core.networks.inpainter import Inpainter, InpainterConfig
from core.networks.store import save_exaggerator, save_translator
from core.networks.translator import Translator, TranslatorConfig
from core.networks.vae_infill import VaeInfillConfig, VaeInfiller

CPU = torch.device("cpu")
GROUND, INK = 0.2, 0.8
BAR = (slice(1, 3), slice(1, 8))  # rows, columns of the corner bar at any size


@dataclass(frozen=True)
class Discs:
    """images [N, 1, S, S] uint8; radius [N] in fractions of the side; intensity [N]; bar [N] bool."""

    images: np.ndarray
    radius: np.ndarray
    intensity: np.ndarray
    bar: np.ndarray

    @property
    def x(self) -> Tensor:
        """[N, 1, S, S] float32 in [0, 1]."""
        return torch.from_numpy(self.images).float() / 255


def draw_disc(size: int, radius: float, intensity: float = INK, bar: bool = False) -> np.ndarray:
    """[size, size] float32: an antialiased disc in the middle; radius as a fraction of the side."""
    y, x = np.mgrid[0:size, 0:size] + 0.5 - size / 2
    cover = np.clip(radius * size - np.hypot(x, y) + 0.5, 0, 1)
    picture = GROUND + (intensity - GROUND) * cover
    if bar:
        picture[BAR] = 1.0
    return picture.astype(np.float32)


def make_discs(n: int, *, size: int = 32, seed: int = 0, cause: str = "radius") -> Discs:
    """n discs; only `cause` ('radius' or 'intensity') varies, and the bar."""
    rng = np.random.default_rng(seed)
    radius = rng.uniform(0.12, 0.34, n) if cause == "radius" else np.full(n, 0.25)
    intensity = rng.uniform(0.3, 0.95, n) if cause == "intensity" else np.full(n, INK)
    bar = rng.random(n) < 0.5
    pictures = [draw_disc(size, r, i, b) for r, i, b in zip(radius, intensity, bar, strict=True)]
    images = np.rint(np.stack(pictures)[:, None] * 255).astype(np.uint8)
    return Discs(images, radius, intensity, bar)


def middle(x: Tensor) -> Tensor:
    """The part of [N, C, S, S] a black box looks at: all but an eighth at every edge, so never the bar."""
    edge = x.shape[-1] // 8
    return x[..., edge:-edge, edge:-edge]


class BrightnessBox:
    """f = sigmoid(gain * (mean brightness of the middle - threshold)): linear in the picture before the sigmoid."""

    def __init__(self, gain: float = 20.0, threshold: float = 0.5) -> None:
        self.gain, self.threshold = gain, threshold

    def logit(self, x: Tensor) -> Tensor:
        return self.gain * (middle(x).mean((1, 2, 3)) - self.threshold)

    def posterior(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.logit(x))


class AreaBox(BrightnessBox):
    """f = sigmoid(gain * (share of the middle that is disc - threshold)), softly counted so that it has a slope."""

    def __init__(self, gain: float = 12.0, threshold: float = 0.33) -> None:
        super().__init__(gain, threshold)

    def logit(self, x: Tensor) -> Tensor:
        return self.gain * (torch.sigmoid(20 * (middle(x) - 0.5)).mean((1, 2, 3)) - self.threshold)


def area(x: Tensor) -> np.ndarray:
    """[N] pixels of the middle brighter than one half: the radius's own measure, not f's."""
    return (middle(x) > 0.5).sum((1, 2, 3)).numpy()


def has_bar(x: Tensor) -> np.ndarray:
    """[N] bool, whether the corner bar is there."""
    return (x[:, 0][(slice(None), *BAR)].mean((1, 2)) > 0.6).numpy()


WINDOW = (slice(8, 16), slice(12, 20))  # rows, columns of the one cause in `draw_window`


class WindowBox:
    """f = sigmoid(gain * (mean brightness of one window - threshold)): nothing outside the window matters.

    windows: one (rows, columns) for all pictures; with several, the brightest one counts.
    """

    def __init__(self, *windows: tuple[slice, slice], gain: float = 25.0, threshold: float = 0.5) -> None:
        self.windows, self.gain, self.threshold = windows or (WINDOW,), gain, threshold

    def logit(self, x: Tensor) -> Tensor:
        bright = torch.stack([x[(..., *w)].mean((1, 2, 3)) for w in self.windows])
        return self.gain * (bright.amax(0) - self.threshold)

    def posterior(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.logit(x))


class PlacesBox:
    """f = sigmoid(gain * (weighted mean brightness - threshold)): every place of a 32-pixel picture matters, unequally.

    On pictures brighter than the infill there is a best region of every area.
    """

    def __init__(self, gain: float = 60.0, threshold: float = 0.1) -> None:
        weight = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(5))
        self.weight = torch.nn.functional.interpolate(weight, (32, 32), mode="bilinear")
        self.gain, self.threshold = gain, threshold

    def logit(self, x: Tensor) -> Tensor:
        return self.gain * ((self.weight * x).mean((1, 2, 3)) - self.threshold)

    def posterior(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.logit(x))


def draw_window(size: int = 32, window: tuple[slice, slice] = WINDOW, seed: int = 0, channels: int = 1) -> np.ndarray:
    """[C, size, size] float32: a bright window, a bright bar in the corner, and grain that every infill removes."""
    grain = np.random.default_rng(seed).uniform(-0.05, 0.05, (channels, size, size))
    picture = GROUND + grain
    picture[(slice(None), *window)] += 0.7
    picture[(slice(None), *BAR)] = 1.0
    return picture.astype(np.float32)


def prepared_window(window: tuple[slice, slice] = WINDOW) -> Prepared:
    """A prepared picture whose one cause is known."""
    tensor = draw_window(window=window)
    return Prepared(tensor=tensor, view=tensor[0], digest="ef" * 32, placement=np.eye(2, 3))


def overlap(region: np.ndarray, window: tuple[slice, slice] = WINDOW) -> float:
    """Intersection over union of a region [S, S] and a window."""
    wanted = np.zeros(region.shape, dtype=bool)
    wanted[window] = True
    return float((region & wanted).sum() / (region | wanted).sum())


def far_from(window: tuple[slice, slice] = WINDOW, size: int = 32, gap: int = 4) -> np.ndarray:
    """[size, size] bool: all but the window and `gap` pixels around it."""
    far = np.ones((size, size), dtype=bool)
    far[tuple(slice(max(0, s.start - gap), s.stop + gap) for s in window)] = False
    return far


def toy_infill(name: str) -> Infill:
    """An infill by name for one-channel pictures; the trained ones have random weights."""
    torch.manual_seed(11)
    makers = {
        "mean": lambda: MeanInfill(torch.tensor([0.25])),
        "blur": lambda: BlurInfill(10.0),
        "random": RandomInfill,
        "local": LocalInfill,
        "vae": lambda: VaeInfill(VaeInfiller(VaeInfillConfig(32, 1, 4, 4)).eval().requires_grad_(False)),
        "ca": lambda: AttentionInfill(Inpainter(InpainterConfig(32, 1, 4)).eval().requires_grad_(False)),
    }
    if name not in makers:
        raise UserError(f"There is no infill '{name}'; choose one of {', '.join(makers)}.")
    return makers[name]()


class TintNetwork(torch.nn.Module):
    """A stand-in for the network behind the knob that reaches any f of `BrightnessBox`: it adds a constant.

    The constant is `slope` times the conditions' distance, so f's log-odds are linear in the condition.
    limit: the greatest constant, for a network that cannot reach everything.
    """

    def __init__(self, slope: float = 0.05, limit: float = 10.0) -> None:
        super().__init__()
        self.config = ExaggeratorConfig(head="morph", size=32, base=8)
        self.slope, self.limit = slope, limit

    def encode(self, x: Tensor) -> list[Tensor]:
        return [x]

    def embed(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def change(self, x: Tensor, features: list[Tensor], origin: Tensor, wanted: Tensor):
        from core.networks.exaggerator import Change

        residual = (self.slope * (wanted - origin)).clamp(-self.limit, self.limit)[:, None, None, None]
        k = len(wanted)
        x = x.expand(k, -1, -1, -1)
        return Change(x + residual, x.new_zeros(k, 2, *x.shape[-2:]), residual.expand_as(x))


class LinearAutoencoder:
    """G(z) = GROUND + z A with orthonormal rows A, of which the first is even brightness: all of it is known by hand.

    mu(x) is the foot of the perpendicular, so that pictures made by `decode` come back exactly.
    """

    def __init__(self, size: int = 32, latent: int = 3, seed: int = 0, channels: int = 1) -> None:
        columns = torch.randn(channels * size * size, latent, generator=torch.Generator().manual_seed(seed))
        columns[:, 0] = 1
        self.rows = torch.linalg.qr(columns).Q.T  # [D, C * S * S]
        self.rows[0] *= self.rows[0, 0].sign()
        self.shape = (channels, size, size)

    def embed(self, x: Tensor) -> Tensor:
        return (x - GROUND).flatten(1) @ self.rows.T

    def decode(self, z: Tensor) -> Tensor:
        return GROUND + (z @ self.rows).view(-1, *self.shape)

    def slope(self, f: BrightnessBox) -> Tensor:
        """[D] d logit / dz of a box that is linear in the picture."""
        return f.logit(self.rows.view(-1, *self.shape)) - f.logit(torch.zeros(1, *self.shape))


@dataclass
class ToySubject:
    """What an explainer may ask of a study, out of a formula and any network."""

    network: torch.nn.Module | None
    f: BrightnessBox | WindowBox
    other: BrightnessBox | None = None
    name: str = "toy"
    device: torch.device = CPU

    def blackbox(self, target: str) -> BrightnessBox:
        return self.f

    def witness(self, target: str) -> BrightnessBox | None:
        return self.other

    def exaggerator(self, target: str, head: str | None = None) -> torch.nn.Module:
        return self.network

    def infill(self, name: str) -> Infill:
        return toy_infill(name)

    def autoencoder(self) -> LinearAutoencoder:
        return LinearAutoencoder()


def prepared_disc(size: int = 32, radius: float = 0.25, intensity: float = 0.6, view: int = 96) -> Prepared:
    """A prepared disc whose view has three times the network's resolution."""
    return Prepared(
        tensor=draw_disc(size, radius, intensity)[None],
        view=draw_disc(view, radius, intensity),
        digest="ab" * 32,
        placement=np.eye(2, 3),
    )


def shaken(network: torch.nn.Module, scale: float = 0.3, seed: int = 3) -> torch.nn.Module:
    """The network with noise on every weight, so that nothing holds only because a layer starts at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(scale * torch.randn(p.shape, generator=generator))
    return network.eval().requires_grad_(False)


def small_config(head: str = "morph", **changes) -> ExaggeratorConfig:
    """A network for 32-pixel pictures that runs in milliseconds."""
    shape = {"head": head, "size": 32, "channels": 1, "base": 8, "field": 16, "bands": (Band(8, 0.3),)}
    return ExaggeratorConfig(**(shape | {"skips": head != "paper"} | changes))


STUDY = """\
[study]
name = "toy"
title = "Toy discs"
modality = "chest"
size = 32
channels = 1
summary = "Discs, large or small."

[classifier]
file = "classifier.safetensors"
targets = ["Large", "Bright"]

[witness]
file = "witness.safetensors"
targets = ["Large"]

[[oracle]]
target = "Bar"
file = "oracle.safetensors"

[[knob]]
target = "Large"
head = "morph"
file = "morph.safetensors"

[[knob]]
target = "Large"
head = "paper"
file = "paper.safetensors"

[[sample]]
name = "camera"
title = "A man with a camera"
package = "skimage"
path = "data/camera.png"
credit = "scikit-image"
"""


def write_study(checkpoints: Path, settings: str = STUDY) -> Path:
    """Write `checkpoints`/toy with random networks and return `checkpoints`."""
    folder = checkpoints / "toy"
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text(settings, encoding="utf-8")
    for seed, (name, targets) in enumerate(
        {"classifier": ("Large", "Bright"), "witness": ("Large",), "oracle": ("Bar",), "gate": ("in_domain",)}.items()
    ):
        torch.manual_seed(seed)
        save_classifier(Classifier("resnet", 1, targets, 8, 32).freeze(), folder / f"{name}.safetensors")
    for head in ("morph", "paper"):
        model = shaken(Exaggerator(small_config(head)), 0.02)
        save_exaggerator(model, folder / f"{head}.safetensors", target="Large")
    return checkpoints


def write_table(folder: Path, n: int = 48) -> tuple[Path, Path]:
    """n discs as 48-pixel PNGs and a CSV with Large, Bright, Bar, split and patient."""
    from PIL import Image

    discs = make_discs(n, size=48, seed=5)
    grain = np.random.default_rng(6).normal(0, 6, discs.images.shape)  # no two pictures are the same
    images = np.clip(discs.images + grain, 0, 255).astype(np.uint8)
    brightness = images.mean((1, 2, 3))
    rows = []
    for i in range(n):
        Image.fromarray(images[i, 0]).save(folder / f"{i:03}.png")
        rows.append(
            {
                "file": f"{i:03}.png",
                "Large": int(discs.radius[i] > 0.23),
                "Bright": "" if i % 7 == 0 else int(brightness[i] > np.median(brightness)),
                "Bar": int(discs.bar[i]),
                "split": ("train", "train", "val", "test")[i % 4],
                "patient": f"p{i // 2}",
            }
        )
    labels = folder / "labels.csv"
    with labels.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder, labels


MANY = """
[study]
name = "many"
title = "Many things"
modality = "photo"
size = 32
channels = 3
summary = "Pictures of anything."

[classifier]
package = "imagenet"
"""


def many_classes(package: str, device: object = CPU) -> MultiClass:
    """In place of `load_packaged`: 1000 classes of noise, as differentiable as the real ones, for 32 pixels."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(3, 8, 8, 4), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 49, 1000))
    classes = packaged_classes(package)
    return MultiClass(network, classes, mean=(0.5, 0.4, 0.3), centre=(0.5,) * 3, scale=(0.1,) * 3)


def write_many(checkpoints: Path, settings: str = MANY) -> Path:
    """Write `checkpoints`/many, whose network is out of a package, and return `checkpoints`."""
    (checkpoints / "many").mkdir(parents=True, exist_ok=True)
    (checkpoints / "many" / "study.toml").write_text(settings, encoding="utf-8")
    return checkpoints


# Questions with several classes: which of these bars is bright?

PLACES = ("left", "right", "middle")


def bar_place(k: int, size: int = 16) -> tuple[slice, slice]:
    """(rows, columns) of the bar of class k."""
    left = round((0.08, 0.72, 0.4)[k] * size)
    return slice(size // 4, size - size // 4), slice(left, left + max(2, size // 5))


def make_bars(n: int, *, size: int = 16, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(images [N, 1, S, S] uint8, labels [N]): on grainy ground, one bright bar, and where it is, is the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    pictures = GROUND + rng.uniform(-0.08, 0.08, (n, 1, size, size))
    for picture, k in zip(pictures, labels, strict=True):
        picture[(slice(None), *bar_place(k, size))] += rng.uniform(0.5, 0.65)
    return np.rint(pictures * 255).astype(np.uint8), labels


def bar_network(classes: int = 2, size: int = 16, gain: float = 12.0) -> nn.Sequential:
    """[N, 1, S, S] -> [N, K] logits, linear: gain times the mean brightness of each class's place. Frozen."""
    last = nn.Linear(size * size, classes)
    network = nn.Sequential(OrderedDict(flat=nn.Flatten(), fc=last)).eval().requires_grad_(False)
    last.weight.zero_()
    last.bias.zero_()
    for k in range(classes):
        place = last.weight[k].view(size, size)[bar_place(k, size)]
        place.fill_(gain / place.numel())
    return network


def as_choice(network: nn.Module, classes: tuple[str, ...] = PLACES[:2], channels: int = 1) -> MultiClass:
    """Any network of logits as one question with several classes, without a normalisation."""
    zero, one = (0.0,) * channels, (1.0,) * channels
    return MultiClass(network, classes, mean=(0.5,) * channels, centre=zero, scale=one)


def bump_network(channels: int = 1, classes: int = 3, seed: int = 0) -> nn.Sequential:
    """A smooth network with random weights: softplus in place of ReLU, so that integrals along lines converge fast."""
    torch.manual_seed(seed)
    layers = [
        nn.Conv2d(channels, 6, 3, padding=1), nn.Softplus(), nn.AvgPool2d(2), nn.Conv2d(6, 8, 3, padding=1),
        nn.Softplus(), nn.Flatten(), nn.LazyLinear(classes),
    ]  # fmt: skip
    network = nn.Sequential(*layers)
    network(torch.zeros(1, channels, 8, 8))
    with torch.no_grad():
        for p in network.parameters():
            p.mul_(3)
    return network.eval().requires_grad_(False)


CHOICE = """\
[study]
name = "bars"
title = "Toy bars"
modality = "digit"
size = 28
channels = 1
summary = "Which bar is bright?"

[classifier]
choice = "place"

[[choice]]
name = "place"
title = "Where the bar is"
file = "choice.safetensors"
classes = ["0", "1", "2"]

[[sample]]
name = "seven"
title = "A seven"
package = "drawn"
path = "seven"
credit = "drawn by this project"
"""
TRANSLATOR = """
[[translator]]
choice = "place"
file = "ganmex-place.safetensors"
"""


def write_choice(checkpoints: Path, settings: str = CHOICE) -> Path:
    """Write `checkpoints`/bars with a random classifier and translator among three classes; return the folder."""
    folder = checkpoints / "bars"
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text(settings, encoding="utf-8")
    torch.manual_seed(4)
    save_classifier(Classifier("resnet", 1, ("0", "1", "2"), 4, 28).freeze(), folder / "choice.safetensors")
    save_translator(Translator(TranslatorConfig(3, 28, 1, 4, 1)), folder / "ganmex-place.safetensors", choice="place")
    return folder


def write_idx(folder: Path, train: int = 24, test: int = 12, *, packed: bool = False) -> Path:
    """Four idx files as MNIST's, of bars whose class is the digit; packed: as .gz. Returns the folder."""
    for part, n in (("train", train), ("t10k", test)):
        images, labels = make_bars(n, size=28, classes=3, seed=n)
        files = {
            f"{part}-images-idx3-ubyte": np.array([0x803, n, 28, 28], ">u4").tobytes() + images.tobytes(),
            f"{part}-labels-idx1-ubyte": np.array([0x801, n], ">u4").tobytes() + labels.astype(np.uint8).tobytes(),
        }
        for name, data in files.items():
            (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
    return folder
