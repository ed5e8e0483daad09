"""Explainers' networks on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from core.errors import UserError
from core.networks.autoencoder import Autoencoder, AutoencoderConfig
from core.networks.exaggerator import Exaggerator, ExaggeratorConfig, config_dict
from core.networks.inpainter import Inpainter, InpainterConfig
from core.networks.translator import Translator, TranslatorConfig
from core.networks.unet import UNet, UNetConfig
from core.networks.vae_infill import VaeInfillConfig, VaeInfiller
from core.weights import read_weights, save_weights


def save_exaggerator(model: Exaggerator, path: Path, **about: Any) -> None:
    """Write a network with its shape; `about` says what it was trained for."""
    save_weights(model, path, {"network": config_dict(model.config), **about})


def load_exaggerator(path: Path, device: torch.device | str = "cpu") -> Exaggerator:
    """A frozen network in eval mode. Raises UserError when the file is not one of ours."""
    state, config = read_weights(path)
    try:
        model = Exaggerator(ExaggeratorConfig.from_dict(config["network"]))
        model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise UserError(f"{path} does not hold an exaggerator of this version ({fault}).") from None
    return model.to(device).eval().requires_grad_(False)


def save_infill(model: Inpainter | VaeInfiller, path: Path, **about: Any) -> None:
    """Write an infill's network with its shape."""
    kind = "ca" if isinstance(model, Inpainter) else "vae"
    save_weights(model, path, {"infill": kind, "network": model.config.to_dict(), **about})


def load_infill(path: Path, device: torch.device | str = "cpu") -> Inpainter | VaeInfiller:
    """A frozen in-painter or VAE in eval mode. Raises UserError when the file is neither."""
    state, config = read_weights(path)
    try:
        model: Inpainter | VaeInfiller
        if config["infill"] == "ca":
            model = Inpainter(InpainterConfig(**config["network"]))
        elif config["infill"] == "vae":
            model = VaeInfiller(VaeInfillConfig(**config["network"]))
        else:
            raise ValueError(f"an infill of the kind {config['infill']!r}")
        model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise UserError(f"{path} does not hold an infill of this version ({fault}).") from None
    return model.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def save_translator(model: Translator, path: Path, **about: Any) -> None:
    """Write a translator with its shape; `about` says between which classes it goes."""
    save_weights(model, path, {"translator": model.config.to_dict(), **about})


def load_translator(path: Path, device: torch.device | str = "cpu") -> Translator:
    """A frozen translator in eval mode. Raises UserError when the file is not one of ours."""
    state, config = read_weights(path)
    try:
        model = Translator(TranslatorConfig(**config["translator"]))
        model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise UserError(f"{path} does not hold a translator of this version ({fault}).") from None
    return model.to(device).eval().requires_grad_(False)


def save_segmenter(model: UNet, path: Path, **about: Any) -> None:
    """Write an organ segmenter with its shape."""
    save_weights(model, path, {"segmenter": model.config.to_dict(), **about})


def load_segmenter(path: Path, device: torch.device | str = "cpu") -> UNet:
    """A frozen segmenter in eval mode. Raises UserError when the file is not one of ours."""
    state, config = read_weights(path)
    try:
        shape = config["segmenter"]
        model = UNet(UNetConfig(**(shape | {"organs": tuple(shape["organs"])})))
        model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise UserError(f"{path} does not hold a segmenter of this version ({fault}).") from None
    return model.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def save_autoencoder(model: Autoencoder, path: Path, **about: Any) -> None:
    """Write an autoencoder with its shape."""
    save_weights(model, path, {"autoencoder": model.config.to_dict(), **about})


def load_autoencoder(path: Path, device: torch.device | str = "cpu") -> Autoencoder:
    """A frozen autoencoder in eval mode. Raises UserError when the file is not one of ours."""
    state, config = read_weights(path)
    try:
        model = Autoencoder(AutoencoderConfig(**config["autoencoder"]))
        model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise UserError(f"{path} does not hold an autoencoder of this version ({fault}).") from None
    return model.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
