"""Explainers' networks on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from core.errors import UserError
from core.networks.autoencoder import Autoencoder, AutoencoderConfig
from core.networks.exaggerator import Exaggerator, ExaggeratorConfig, config_dict
from core.networks.inpainter import Inpainter, InpainterConfig
from core.networks.translator import Translator, TranslatorConfig
from core.networks.unet import UNet, UNetConfig
from core.networks.vae_infill import VaeInfillConfig, VaeInfiller
from core.weights import read_weights, save_weights

N = TypeVar("N", bound=nn.Module)


def save_exaggerator(model: Exaggerator, path: Path, **about: Any) -> None:
    """Write a network with its shape; `about` says what it was trained for."""
    save_weights(model, path, {"network": config_dict(model.config), **about})


def load_exaggerator(path: Path, device: torch.device | str = "cpu") -> Exaggerator:
    """A frozen network in eval mode. Raises UserError when the file is not one of ours."""
    return _load(path, "an exaggerator", lambda c: Exaggerator(ExaggeratorConfig.from_dict(c["network"])), device)


def save_infill(model: Inpainter | VaeInfiller, path: Path, **about: Any) -> None:
    """Write an infill's network with its shape."""
    kind = "ca" if isinstance(model, Inpainter) else "vae"
    save_weights(model, path, {"infill": kind, "network": model.config.to_dict(), **about})


def load_infill(path: Path, device: torch.device | str = "cpu") -> Inpainter | VaeInfiller:
    """A frozen in-painter or VAE in eval mode. Raises UserError when the file is neither."""
    return _load(path, "an infill", _infill, device, fast=True)


def save_translator(model: Translator, path: Path, **about: Any) -> None:
    """Write a translator with its shape; `about` says between which classes it goes."""
    save_weights(model, path, {"translator": model.config.to_dict(), **about})


def load_translator(path: Path, device: torch.device | str = "cpu") -> Translator:
    """A frozen translator in eval mode. Raises UserError when the file is not one of ours."""
    return _load(path, "a translator", lambda c: Translator(TranslatorConfig(**c["translator"])), device)


def save_segmenter(model: UNet, path: Path, **about: Any) -> None:
    """Write an organ segmenter with its shape."""
    save_weights(model, path, {"segmenter": model.config.to_dict(), **about})


def load_segmenter(path: Path, device: torch.device | str = "cpu") -> UNet:
    """A frozen segmenter in eval mode. Raises UserError when the file is not one of ours."""
    return _load(path, "a segmenter", _segmenter, device, fast=True)


def save_autoencoder(model: Autoencoder, path: Path, **about: Any) -> None:
    """Write an autoencoder with its shape."""
    save_weights(model, path, {"autoencoder": model.config.to_dict(), **about})


def load_autoencoder(path: Path, device: torch.device | str = "cpu") -> Autoencoder:
    """A frozen autoencoder in eval mode. Raises UserError when the file is not one of ours."""
    return _load(
        path, "an autoencoder", lambda c: Autoencoder(AutoencoderConfig(**c["autoencoder"])), device, fast=True
    )


def _autoencoder(config: dict[str, Any]) -> Autoencoder:
    return Autoencoder(AutoencoderConfig(**config["autoencoder"]))


def _segmenter(config: dict[str, Any]) -> UNet:
    shape = config["segmenter"]
    return UNet(UNetConfig(**(shape | {"organs": tuple(shape["organs"])})))


def _infill(config: dict[str, Any]) -> Inpainter | VaeInfiller:
    if config["infill"] == "ca":
        return Inpainter(InpainterConfig(**config["network"]))
    if config["infill"] == "vae":
        return VaeInfiller(VaeInfillConfig(**config["network"]))
    raise ValueError(f"an infill of the kind {config['infill']!r}")


def _load(
    path: Path, what: str, make: Callable[[dict[str, Any]], N], device: torch.device | str, *, fast: bool = False
) -> N:
    """fast: channels last, which suits large batches of convolutions; answers then agree to rounding alone."""
    state, config = read_weights(path)
    try:
        model = make(config)
        model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise UserError(f"{path} does not hold {what} of this version ({fault}).") from None
    if fast:
        model = model.to(memory_format=torch.channels_last)
    return model.to(device).eval().requires_grad_(False)
