"""`contralens train MODEL`: every network of a study from a folder of pictures and a CSV.

On several GPUs: torchrun --nproc-per-node 4 -m core.cli train exaggerator ... --device cuda
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from core.commands.request import Request, Settings, print_outcome
from core.commands.shared import above_zero, end, from_zero, json_object, with_options
from core.errors import UserError

app = typer.Typer(help="Train a model of a study.", no_args_is_help=True)

Width = Annotated[int, typer.Option(min=1, help="Channels at full resolution; four times that at a quarter of it.")]


@app.command()
@with_options(Request)
def classifier(
    request: Request,
    targets: Annotated[str, typer.Option(help="Label columns, comma-separated.")] = "",
    classes: Annotated[
        str | None,
        typer.Option(help="In place of --targets: a column whose values are the classes, such as the person."),
    ] = None,
    architecture: Annotated[str, typer.Option(help="resnet, densenet or mobilenet.")] = "resnet",
    width: Annotated[int, typer.Option(min=1, help="Channels of the first stage, or DenseNet's growth rate.")] = 24,
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="The targets are classes of which a picture has exactly one.")
    ] = False,
    auxiliary: Annotated[str, typer.Option(help="Further label columns to learn from; not kept.")] = "",
    balance: Annotated[
        str | None, typer.Option(help="Column that shall be as frequent among positives as among negatives.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(help="Classifier file to take weights over from, or imagenet: those of a package (mobilenet)."),
    ] = None,
    blend: Annotated[
        float, typer.Option(min=0, max=1, help="Where to stop between --init's weights and the trained ones (1).")
    ] = 1.0,
    mixup: Annotated[float, typer.Option(help="Beta parameter of mixup; 0 switches it off.", callback=from_zero)] = 0.2,
    robust: Annotated[
        float,
        typer.Option(
            help="Greatest length of adversarial steps in training, pixels in [0, 1]; 0: none.", callback=from_zero
        ),
    ] = 0.0,
    rate: Annotated[float, typer.Option(help="Greatest learning rate.", callback=above_zero)] = 2e-3,
    weight_decay: Annotated[float, typer.Option(help="AdamW's weight decay.", callback=from_zero)] = 0.05,
) -> None:
    """Train a classifier with one or several binary targets, calibrated on the val split."""
    from core.training.classifier import ClassifierConfig
    from core.training.recipes import train_classifier

    if bool(_names(targets)) == (classes is not None):
        raise UserError("Name what to learn: label columns with --targets Smiling,Young, or one column with --classes.")
    config = ClassifierConfig(
        targets=_names(targets), auxiliary=_names(auxiliary), architecture=architecture, width=width, mixup=mixup,
        robust=robust, init=init, blend=blend, learning_rate=rate, weight_decay=weight_decay,
        flip=request.flip, seed=request.seed, exclusive=exclusive,
    )  # fmt: skip
    outcome, report = request.train(train_classifier, request.source, config, balance=balance, classes=classes)
    for target, numbers in report.items():
        if "top1" in numbers:
            print(f"{target} (val): {numbers['top1']:.2%} right of {numbers['n']}")
            continue
        auc, accuracy = numbers["auc"], numbers["accuracy"]
        if auc["value"] is None:
            print(f"{target} (val): the labels are all alike, so there is nothing to measure")
            continue
        span = f"[{auc['low']:.3f}, {auc['high']:.3f}]"
        print(f"{target} (val): AUC {auc['value']:.3f} {span}, accuracy {accuracy['value']:.3f}")
    print(f"written: {request.out / 'classifier.safetensors'}")
    end(outcome.stop)


@app.command()
@with_options(Request)
def exaggerator(
    request: Request,
    target: Annotated[str, typer.Option(help="The classifier's target the knob turns.")],
    head: Annotated[str, typer.Option(help="paper, residual or morph.")] = "morph",
    base: Annotated[int, typer.Option(min=1, help="Channels at half resolution.")] = 24,
    batch: Annotated[int, typer.Option(min=2, help="Pictures a step and process.")] = 32,
    options: Annotated[str, typer.Option(help='JSON of further training settings, such as {"f": 2.0}.')] = "{}",
    limits: Annotated[
        str, typer.Option(help='JSON of what the head may do, such as {"shift": 0.05, "bands": [[16, 0.3]]}.')
    ] = "{}",
    init: Annotated[
        Path | None, typer.Option(help="Exaggerator to take weights over from; with --steps 0 only --limits change.")
    ] = None,
    sibling: Annotated[
        list[Path] | None,
        typer.Option(help="A robust classifier of the same target that the change must persuade too; repeatable."),
    ] = None,
    recogniser: Annotated[
        Path | None, typer.Option(help="A classifier of persons; the change should leave its features where they are.")
    ] = None,
    compile: Annotated[bool, typer.Option("--compile", help="torch.compile the generator.")] = False,
) -> None:
    """Train Progressive Exaggeration for one target of a study's classifier."""
    from core.networks.exaggerator import HEADS
    from core.studies import open_study
    from core.training.grid import changed, with_head
    from core.training.knob_settings import ExaggeratorTraining
    from core.training.loop import start_processes
    from core.training.recipes import SHAPES, train_exaggerator

    if head not in HEADS:
        raise UserError(f"There is no head '{head}'; choose one of {', '.join(HEADS)}.")
    place = start_processes(request.place)
    f = open_study(request.study, str(place)).blackbox(target)
    modality = request.about["modality"]
    if modality not in SHAPES:
        raise UserError(
            f"Knobs are trained for studies of {' and '.join(SHAPES)} pictures, not of {modality} pictures."
        )
    shape = replace(SHAPES[modality], base=base, size=request.source.size, **with_head(head))
    settings = ExaggeratorTraining(
        batch=batch, flip=request.flip, compile=compile, seed=request.seed, init=str(init) if init else None,
        siblings=tuple(str(file) for file in sibling or ()), recogniser=str(recogniser) if recogniser else None,
    )  # fmt: skip
    shape, settings = changed(shape, settings, json_object(limits, "--limits"), "--limits")
    shape, settings = changed(shape, settings, json_object(options, "--options"), "--options")
    outcome = request.train(
        train_exaggerator, request.source, f, shape, settings, target=target, least=0 if init else 1
    )
    print_outcome(outcome, request.out / "exaggerator.safetensors")


@app.command("vae-infill")
@with_options(Request)
def vae_infill(request: Request, width: Width = 16, options: Settings = "{}") -> None:
    """Train the conditional VAE that fills holes, for the mask explainers."""
    _infill("vae", request, width, options)


@app.command()
@with_options(Request)
def inpainter(request: Request, width: Width = 16, options: Settings = "{}") -> None:
    """Train the contextual-attention in-painter that fills holes, for the mask explainers."""
    _infill("ca", request, width, options)


@app.command()
@with_options(Request)
def autoencoder(
    request: Request,
    base: Annotated[int, typer.Option(min=8, help="Channels at half resolution.")] = 24,
    latent: Annotated[int, typer.Option(min=1, help="Numbers a picture is reduced to.")] = 96,
    options: Settings = "{}",
) -> None:
    """Train the variational autoencoder on whose manifold xGEM and Latent Shift search."""
    from core.training.autoencoder import AutoencoderTraining
    from core.training.recipes import train_autoencoder

    settings = request.settings(AutoencoderTraining, options, flip=request.flip)
    outcome, val = request.train(train_autoencoder, request.source, base, latent, settings)
    print_outcome(outcome, request.out / "autoencoder.safetensors")
    if val:
        print(f"val: mean error {val['error']:.4f}, {val['active']} of {val['latent']} latent numbers in use")


@app.command()
@with_options(Request)
def ganmex(
    request: Request,
    choice: Annotated[str | None, typer.Option(help="One of the study's choices; by default the first.")] = None,
    width: Width = 24,
    options: Settings = "{}",
) -> None:
    """Train GANMEX's translator between the classes of one choice, against the study's classifier."""
    from core.studies import open_study
    from core.training.recipes import train_translator
    from core.training.translator import TranslatorTraining

    opened = open_study(request.study, request.place)
    if not opened.choices:
        raise UserError(f"{opened.title} has no choice among several classes to translate between.")
    name = choice or opened.choices[0]
    settings = request.settings(TranslatorTraining, options, flip=request.flip)
    outcome = request.train(train_translator, request.source, opened.choice(name), width, settings, choice=name)
    print_outcome(outcome, request.out / f"ganmex-{name}.safetensors")


@app.command()
@with_options(Request, size=128)
def segmenter(
    request: Request,
    masks: Annotated[Path, typer.Option(help="Folder with masks.csv (file, one column an organ) and the masks.")],
    organs: Annotated[str, typer.Option(help="Columns of masks.csv, comma-separated.")] = "heart,lungs",
    base: Annotated[int, typer.Option(min=1, help="Channels at full resolution.")] = 12,
) -> None:
    """Train the network that outlines organs, for heart size and the cardiothoracic ratio under the knob."""
    from core.training.recipes import train_segmenter
    from core.training.segmenter import SegmenterTraining

    training = SegmenterTraining(seed=request.seed)
    outcome = request.train(train_segmenter, request.source, masks, _names(organs), base, training)
    print_outcome(outcome, request.out / "segmenter.safetensors")


@app.command()
@with_options(Request, omit=("device", "resume"), minutes=3.0)
def gate(
    request: Request,
    negatives: Annotated[list[Path], typer.Option(help="Folder of pictures of another kind; may be repeated.")],
) -> None:
    """Train the gate that turns away pictures of another kind."""
    from core.training.gate import train_gate

    result = request.train(train_gate, request.source, tuple(negatives), seed=request.seed)
    print(f"threshold {result['threshold']:.4f}; val: {result['caught']:.1%} of other pictures caught,")
    print(f"{result['false_alarms']:.1%} of the study's own turned away")
    print(f"written: {request.out / 'gate.safetensors'}; put the threshold into study.toml")
    end(result["stop"], "what it had learned by then is written")


def _infill(kind: str, request: Request, width: int, options: str) -> None:
    from core.training.inpainter import InfillTraining
    from core.training.recipes import train_infill

    settings = request.settings(InfillTraining, options, flip=request.flip)
    outcome = request.train(train_infill, request.source, kind, width, settings)
    print_outcome(outcome, request.out / f"infill-{kind}.safetensors")


def _names(text: str) -> tuple[str, ...]:
    return tuple(n.strip() for n in text.split(",") if n.strip())
