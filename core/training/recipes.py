"""From a folder and a CSV to a checkpoint: what `contralens train` runs."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.classifiers.blackbox import BlackBox, Classifier
from core.classifiers.multiclass import MultiClass
from core.classifiers.store import load_classifier, save_classifier
from core.data.organs import organ_masks
from core.data.table import LabelledTable, class_numbers
from core.errors import UserError
from core.evaluation.classification import classification_report
from core.networks.autoencoder import SIZES, AutoencoderConfig
from core.networks.exaggerator import Band, ExaggeratorConfig
from core.networks.inpainter import InpainterConfig
from core.networks.store import save_autoencoder, save_exaggerator, save_infill, save_segmenter, save_translator
from core.networks.translator import TranslatorConfig
from core.networks.unet import UNetConfig
from core.networks.vae_infill import VaeInfillConfig
from core.training.autoencoder import AutoencoderTrainer, AutoencoderTraining, reconstruction_report
from core.training.classifier import ClassifierConfig, ClassifierTrainer, predict_logits
from core.training.exaggerator import ExaggeratorTrainer
from core.training.inpainter import InfillTraining, InpainterTrainer
from core.training.job import Job
from core.training.knob_settings import ExaggeratorTraining
from core.training.loop import Outcome, is_main
from core.training.segmenter import SegmenterTrainer, SegmenterTraining
from core.training.source import Source
from core.training.translator import TranslatorTrainer, TranslatorTraining
from core.training.vae_infill import VaeInfillTrainer
from core.training.values import check_side

# What worked best on each modality (README, design notes). Faces need a fine band for lips and teeth, blurred against
# the stripes a decoder draws, and little colour; hearts do not.
SHAPES = {
    "chest": ExaggeratorConfig(channels=1, bands=(Band(16, 0.3),)),
    "face": ExaggeratorConfig(channels=3, shift=0.05, bands=(Band(64, 0.4), Band(16, 0.08, colour=True)), blur=1.5),
}


def train_classifier(
    source: Source,
    config: ClassifierConfig,
    job: Job,
    *,
    balance: str | None = None,
    classes: str | None = None,
) -> tuple[Outcome, dict[str, Any]]:
    """Train, calibrate on `val`, write `classifier.safetensors` and `training.json`; returns the val report as well.

    Targets get the spelling of their columns. classes: a column whose values are the classes, in place of targets.

    balance: an attribute; rows are thinned until it is as frequent among the positives of the first target as among
    its negatives, and both are as many.
    """
    place = job.place()
    table = source.table()
    if classes is not None:
        table, names = table.by_value(classes)
        config = replace(config, targets=names, exclusive=True)
    config = replace(
        config,
        targets=tuple(table.column(t) for t in config.targets),
        auxiliary=tuple(table.column(t) for t in config.auxiliary),
    )
    table = table.where(~np.isnan(_labels(table, config.targets)).all(1))
    if config.exclusive and config.auxiliary:
        raise UserError("Exclusive targets are learned alone: a softmax over them has no room for auxiliary labels.")
    if config.exclusive:
        table = table.where(np.nansum(_labels(table, config.targets), 1) == 1)
    train, val = table.split("train"), table.split("val")
    if not len(train) or not len(val):
        raise UserError("The label file needs rows in both 'train' and 'val'.")
    if balance:
        train, val = (part.balanced(config.targets[0], balance, config.seed) for part in (train, val))
    for target in config.targets:
        if np.isnan(val.label(target)).all():
            raise UserError(f"'{target}' has no known label in split 'val', so it could not be calibrated.")
    config = replace(config, channels=source.channels, size=source.size)
    trainer = ClassifierTrainer(config, source.images(train), _labels(train, config.targets + config.auxiliary), place)
    about = {"config": asdict(config), "balance": balance}
    outcome = job.run(trainer, about)
    val_images, val_labels = source.images(val), _labels(val, config.targets)
    model = trainer.finished(val_images, val_labels)
    logits = torch.from_numpy(predict_logits(model, val_images))
    scaled = logits / model.temperature + model.bias
    posterior = (torch.softmax(scaled, 1) if config.exclusive else torch.sigmoid(scaled)).numpy()
    report: dict[str, Any] = {}
    if config.exclusive:
        right = float((posterior.argmax(1) == np.nan_to_num(val_labels).argmax(1)).mean())
        report = {"all classes": {"n": len(val_labels), "top1": round(right, 5)}}
    else:
        for k, target in enumerate(config.targets):
            known = ~np.isnan(val_labels[:, k])
            report[target] = classification_report(val_labels[known, k], posterior[known, k])
    if is_main():
        save_classifier(model, job.out / "classifier.safetensors")
        job.record(outcome, source, train, **about, val=report)
    return outcome, report


def train_exaggerator(
    source: Source,
    f: BlackBox,
    config: ExaggeratorConfig,
    training: ExaggeratorTraining,
    job: Job,
    *,
    target: str,
) -> Outcome:
    """Train the knob for one target against f (already on `device`), on the `train` split alone; writes
    `exaggerator.safetensors`, `training.json` and a sheet of samples.
    """
    place = job.place()
    check_side(source.size, 2 ** (config.depth + 1), "A knob")
    if training.keep and not training.init:
        raise UserError("`keep` holds a knob to the one it began from; name that one with --init.")
    train = source.train("a knob")
    siblings = [_beside(file, source, str(place)).target(target) for file in training.siblings]
    recogniser = _beside(training.recogniser, source, str(place)) if training.recogniser else None
    trainer = ExaggeratorTrainer(config, training, f, source.images(train), place, siblings, recogniser)
    about = {"target": target, "network": asdict(config), "training": asdict(training)}
    outcome = job.run(trainer, about)
    if is_main():
        save_exaggerator(trainer.finished(), job.out / "exaggerator.safetensors", target=target)
        job.record(outcome, source, train, **about)
    return outcome


def train_infill(
    source: Source,
    kind: str,
    width: int,
    training: InfillTraining,
    job: Job,
) -> Outcome:
    """Train the infill `kind` ('vae' or 'ca') on the `train` split alone; writes `infill-<kind>.safetensors`,
    `training.json` and a sheet of samples.
    """
    place = job.place()
    check_side(source.size, 8, "An infill")
    train = source.train("an infill")
    channels = source.channels
    images = source.images(train)
    trainer: InpainterTrainer | VaeInfillTrainer
    shape: InpainterConfig | VaeInfillConfig
    if kind == "ca":
        shape = InpainterConfig(source.size, channels, width)
        trainer = InpainterTrainer(shape, training, images, place)
    else:
        shape = VaeInfillConfig(source.size, channels, width)
        trainer = VaeInfillTrainer(shape, training, images, place)
    about = {"infill": kind, "network": shape.to_dict(), "training": asdict(training)}
    outcome = job.run(trainer, about)
    if is_main():
        save_infill(trainer.finished(), job.out / f"infill-{kind}.safetensors")
        job.record(outcome, source, train, **about)
    return outcome


def train_autoencoder(
    source: Source,
    base: int,
    latent: int,
    training: AutoencoderTraining,
    job: Job,
) -> tuple[Outcome, dict[str, Any]]:
    """Train the autoencoder on the `train` split alone and measure it on `val`; writes `autoencoder.safetensors`,
    `training.json` and a sheet of samples. base: channels at half resolution; latent: numbers in a code. The report
    is empty where there are no `val` rows.
    """
    place = job.place()
    if not SIZES[0] <= source.size <= SIZES[1]:
        raise UserError(f"An autoencoder takes pictures of {SIZES[0]} to {SIZES[1]} pixels, not of {source.size}.")
    train, val = source.train("an autoencoder"), source.table().split("val")
    config = AutoencoderConfig(source.size, source.channels, base, latent)
    trainer = AutoencoderTrainer(config, training, source.images(train), place)
    about = {"network": config.to_dict(), "training": asdict(training)}
    outcome = job.run(trainer, about)
    report = reconstruction_report(trainer.finished(), source.images(val)) if len(val) else {}
    if is_main():
        save_autoencoder(trainer.finished(), job.out / "autoencoder.safetensors")
        job.record(outcome, source, train, **about, val=report)
    return outcome, report


def train_translator(
    source: Source,
    classifier: MultiClass,
    width: int,
    training: TranslatorTraining,
    job: Job,
    *,
    choice: str,
) -> Outcome:
    """Train GANMEX's translator between the classes of a choice, on the `train` split alone; writes
    `ganmex-<choice>.safetensors`, `training.json` and a sheet of samples. classifier: frozen, on `device`.
    """
    place = job.place()
    check_side(source.size, 4, "A translator")
    table = source.table().split("train")
    labels, known = class_numbers(table, classifier.classes)
    if not known.any():
        raise UserError(
            "No row in split 'train' belongs to exactly one of the classes; a translator is trained on those."
        )
    table, labels = table.where(known), labels[known]
    shape = TranslatorConfig(len(classifier.classes), source.size, source.channels, width)
    trainer = TranslatorTrainer(shape, training, classifier, source.images(table), labels, place)
    about = {"choice": choice, "network": shape.to_dict(), "training": asdict(training)}
    outcome = job.run(trainer, about)
    if is_main():
        save_translator(trainer.finished(), job.out / f"ganmex-{choice}.safetensors", choice=choice)
        job.record(outcome, source, table, **about)
    return outcome


def train_segmenter(
    source: Source,
    masks: Path,
    organs: tuple[str, ...],
    base: int,
    training: SegmenterTraining,
    job: Job,
) -> Outcome:
    """Train the organ segmenter on the `train` rows that have a mask; writes `segmenter.safetensors`,
    `training.json` and a sheet of samples. masks: folder with masks.csv, see `organ_masks`.
    """
    place = job.place()
    config = UNetConfig(source.size, organs, source.channels, base)
    check_side(source.size, 2**config.depth, "A segmenter")
    train = source.table().split("train")
    found = {organ: organ_masks(train, masks, organ, source.size) for organ in organs}
    rows = np.array(sorted(set().union(*found.values())), dtype=int)
    if not len(rows):
        raise UserError(f"No picture in split 'train' has a mask in {masks}; a segmenter is trained on those.")
    missing = np.full((source.size, source.size), np.nan, np.float16)
    drawn = np.stack([[found[o].get(int(r), missing).astype(np.float16) for o in organs] for r in rows])
    train = train.where(rows)
    trainer = SegmenterTrainer(config, training, source.images(train), drawn, place)
    about = {"network": config.to_dict(), "training": asdict(training)}
    outcome = job.run(trainer, about)
    if is_main():
        save_segmenter(trainer.finished(), job.out / "segmenter.safetensors")
        job.record(outcome, source, train, **about)
    return outcome


def _beside(file: str, source: Source, place: str) -> Classifier:
    """A frozen classifier that a knob is trained with beside f. Raises UserError where it sees other pictures."""
    found = load_classifier(Path(file), place, fold=True)
    if found.channels != source.channels:
        raise UserError(f"{file} is for pictures of {found.channels} channels, not of {source.channels}.")
    return found


def _labels(table: LabelledTable, targets: tuple[str, ...]) -> np.ndarray:
    return np.stack([table.label(t) for t in targets], axis=1)
