"""Classifiers on disk."""

from __future__ import annotations

from pathlib import Path

import torch

from core.classifiers.blackbox import Classifier
from core.classifiers.multiclass import MultiClass
from core.errors import UserError
from core.networks.classifier import fold_norms
from core.weights import read_weights, save_weights


def save_classifier(model: Classifier, path: Path) -> None:
    """Write a classifier with its settings, normalisation and calibration."""
    save_weights(model, path, model.config)


def load_classifier(path: Path, device: str = "cpu", *, fold: bool = False) -> Classifier:
    """A frozen classifier in eval mode. fold: join its normalisations to its convolutions, which is faster, but then
    its weights can no longer be saved, trained on or redrawn layer by layer. Raises UserError when the file is not one
    of ours.
    """
    state, config = read_weights(path)
    try:
        model = Classifier(**(config | {"targets": tuple(config["targets"])}))
        model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise UserError(f"{path} does not hold a classifier of this version ({fault}).") from None
    model.freeze()
    if fold:
        fold_norms(model.net)
    # A fifth faster on CPUs and GPUs alike, for batches; the numbers agree to rounding.
    return model.to(device).to(memory_format=torch.channels_last)


def load_choice(path: Path, device: str = "cpu") -> MultiClass:
    """A classifier trained with exclusive targets, as one network of many classes; its temperature is folded into the
    last layer. Raises UserError when the file is not one of ours.
    """
    model = load_classifier(path)  # not folded: its layers are redrawn one by one to check maps (core.evaluation)
    last = model.net.get_submodule("fc" if hasattr(model.net, "fc") else "classifier")
    assert isinstance(last, torch.nn.Linear)
    last.weight.div_(model.temperature[:, None])
    last.bias.div_(model.temperature)
    numbers = {name: value.flatten().tolist() for name, value in (("mean", model.mean), ("scale", model.std))}
    return MultiClass(model.net, model.targets, centre=numbers["mean"], size=model.size, **numbers).to(device)
