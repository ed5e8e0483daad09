"""`contralens train MODEL`: classifiers, knobs and gates from a folder of pictures and a CSV.

On several GPUs: torchrun --nproc-per-node 4 -m core.cli train exaggerator ... --device cuda
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands.show import Bar, choose_device
from core.errors import UserError

app = typer.Typer(help="Train a model of a study.", no_args_is_help=True)

Data = Annotated[Path, typer.Option(help="Folder of pictures.")]
Labels = Annotated[
    Path | None,
    typer.Option(help="CSV with a `file` column, one column a label, and `split` if known; not for MNIST's idx files."),
]
Out = Annotated[Path, typer.Option(help="Folder for the checkpoint, its state and its record.")]
Minutes = Annotated[
    float | None, typer.Option(help="Time limit; the speed of the first steps fixes how many there are.")
]
Steps = Annotated[int | None, typer.Option(help="Number of steps; repeats exactly with the same seed.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the state in --out.")]
Where = Annotated[
    str | None, typer.Option(help="Keep only rows with column=value[,value]; & joins conditions, | alternatives.")
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
StudyName = Annotated[str, typer.Option(help="Name of an installed study, or a folder with a study.toml.")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 leaves it to torch.")]


@app.command()
def classifier(
    study: StudyName,
    data: Data,
    targets: Annotated[str, typer.Option(help="Label columns, comma-separated.")],
    out: Out,
    labels: Labels = None,
    architecture: Annotated[str, typer.Option(help="resnet or densenet.")] = "resnet",
    width: Annotated[int, typer.Option(help="Channels of the first stage, or DenseNet's growth rate.")] = 24,
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="The targets are classes of which a picture has exactly one.")
    ] = False,
    auxiliary: Annotated[str, typer.Option(help="Further label columns to learn from; not kept.")] = "",
    balance: Annotated[
        str | None, typer.Option(help="Column that shall be as frequent among positives as among negatives.")
    ] = None,
    init: Annotated[Path | None, typer.Option(help="Classifier to take weights over from.")] = None,
    mixup: Annotated[float, typer.Option(help="Beta parameter of mixup; 0 switches it off.")] = 0.2,
    rate: Annotated[float, typer.Option(help="Greatest learning rate.")] = 2e-3,
    weight_decay: Annotated[float, typer.Option(help="AdamW's weight decay.")] = 0.05,
    minutes: Minutes = None,
    steps: Steps = None,
    where: Where = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 0,
    resume: Resume = False,
) -> None:
    """Train a classifier with one or several binary targets, calibrated on the val split."""
    from core.training.classifier import ClassifierConfig
    from core.training.recipes import train_classifier

    settings, source = _source(study, data, labels, out, where)
    _threads(threads)
    config = ClassifierConfig(
        targets=_names(targets), auxiliary=_names(auxiliary), architecture=architecture, width=width, mixup=mixup,
        init=str(init) if init else None, learning_rate=rate, weight_decay=weight_decay,
        flip=settings["study"]["modality"] == "face", seed=seed, exclusive=exclusive,
    )  # fmt: skip
    bar = Bar()
    report = train_classifier(
        source, config, _budget(minutes, steps), out, balance=balance, device=choose_device(device), resume=resume,
        progress=bar,
    )  # fmt: skip
    bar.close()
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
    print(f"written: {out / 'classifier.safetensors'}")


@app.command()
def exaggerator(
    study: StudyName,
    data: Data,
    target: Annotated[str, typer.Option(help="The classifier's target the knob turns.")],
    out: Out,
    labels: Labels = None,
    head: Annotated[str, typer.Option(help="paper, residual or morph.")] = "morph",
    base: Annotated[int, typer.Option(help="Channels at half resolution.")] = 24,
    batch: Annotated[int, typer.Option(help="Pictures a step and process.")] = 32,
    options: Annotated[str, typer.Option(help='JSON of further training settings, such as {"f": 2.0}.')] = "{}",
    limits: Annotated[
        str, typer.Option(help='JSON of what the head may do, such as {"shift": 0.05, "bands": [[16, 0.3]]}.')
    ] = "{}",
    init: Annotated[Path | None, typer.Option(help="Exaggerator to take weights over from.")] = None,
    minutes: Minutes = None,
    steps: Steps = None,
    where: Where = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 0,
    compile: Annotated[bool, typer.Option("--compile", help="torch.compile the generator.")] = False,
    resume: Resume = False,
) -> None:
    """Train Progressive Exaggeration for one target of a study's classifier."""
    from core.networks.exaggerator import HEADS, Band
    from core.studies import open_study
    from core.training.exaggerator import ExaggeratorTraining
    from core.training.loop import start_processes
    from core.training.recipes import SHAPES, train_exaggerator

    if head not in HEADS:
        raise UserError(f"There is no head '{head}'; choose one of {', '.join(HEADS)}.")
    settings, source = _source(study, data, labels, out, where)
    _threads(threads)
    place = start_processes(choose_device(device))
    f = open_study(study, str(place)).blackbox(target)
    modality = settings["study"]["modality"]
    if modality not in SHAPES:
        raise UserError(
            f"Knobs are trained for studies of {' and '.join(SHAPES)} pictures, not of {modality} pictures."
        )
    try:
        allowed = json.loads(limits)
        allowed |= {"bands": tuple(Band(*band) for band in allowed["bands"])} if "bands" in allowed else {}
        limited = replace(SHAPES[modality], **allowed)
    except (TypeError, ValueError) as fault:
        raise UserError(f"--limits is not a JSON object of limits ({fault}).") from None
    shape = replace(
        limited, head=head, base=base, size=settings["study"]["size"],
        skips=head != "paper", continuous=head != "paper",
    )  # fmt: skip
    try:
        training = ExaggeratorTraining(
            **(
                {
                    "batch": batch,
                    "flip": modality == "face",
                    "compile": compile,
                    "seed": seed,
                    "init": str(init) if init else None,
                }
                | json.loads(options)
            )
        )
    except (TypeError, ValueError) as fault:
        raise UserError(f"--options is not a JSON object of training settings ({fault}).") from None
    bar = Bar()
    outcome = train_exaggerator(
        source, f, shape, training, _budget(minutes, steps), out, target=target, device=str(place), resume=resume,
        progress=bar,
    )  # fmt: skip
    bar.close()
    print(f"{outcome.stop} after {outcome.steps} steps, {outcome.seconds / 60:.1f} minutes: {_line(outcome.last)}")
    print(f"written: {out / 'exaggerator.safetensors'}, samples.png beside it")


Width = Annotated[int, typer.Option(help="Channels at full resolution; four times that at a quarter of it.")]
InfillOptions = Annotated[str, typer.Option("--options", help='JSON of further settings, such as {"rate": 0.0005}.')]


@app.command("vae-infill")
def vae_infill(
    study: StudyName,
    data: Data,
    out: Out,
    labels: Labels = None,
    width: Width = 16,
    options: InfillOptions = "{}",
    minutes: Minutes = None,
    steps: Steps = None,
    where: Where = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 0,
    resume: Resume = False,
) -> None:
    """Train the conditional VAE that fills holes, for the mask explainers."""
    _infill("vae", study, data, labels, out, width, options, minutes, steps, where, seed, device, threads, resume)


@app.command()
def inpainter(
    study: StudyName,
    data: Data,
    out: Out,
    labels: Labels = None,
    width: Width = 16,
    options: InfillOptions = "{}",
    minutes: Minutes = None,
    steps: Steps = None,
    where: Where = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 0,
    resume: Resume = False,
) -> None:
    """Train the contextual-attention in-painter that fills holes, for the mask explainers."""
    _infill("ca", study, data, labels, out, width, options, minutes, steps, where, seed, device, threads, resume)


@app.command()
def autoencoder(
    study: StudyName,
    data: Data,
    out: Out,
    labels: Labels = None,
    base: Annotated[int, typer.Option(min=8, help="Channels at half resolution.")] = 24,
    latent: Annotated[int, typer.Option(min=1, help="Numbers a picture is reduced to.")] = 96,
    options: InfillOptions = "{}",
    minutes: Minutes = None,
    steps: Steps = None,
    where: Where = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 0,
    resume: Resume = False,
) -> None:
    """Train the variational autoencoder on whose manifold xGEM and Latent Shift search."""
    from core.training.autoencoder import AutoencoderTraining
    from core.training.recipes import train_autoencoder

    settings, source = _source(study, data, labels, out, where)
    _threads(threads)
    try:
        training = AutoencoderTraining(
            **({"flip": settings["study"]["modality"] == "face", "seed": seed} | json.loads(options))
        )
    except (TypeError, ValueError) as fault:
        raise UserError(f"--options is not a JSON object of training settings ({fault}).") from None
    bar = Bar()
    outcome, val = train_autoencoder(
        source, base, latent, training, _budget(minutes, steps), out, device=choose_device(device), resume=resume,
        progress=bar,
    )  # fmt: skip
    bar.close()
    print(f"{outcome.stop} after {outcome.steps} steps, {outcome.seconds / 60:.1f} minutes: {_line(outcome.last)}")
    if val:
        print(f"val: mean error {val['error']:.4f}, {val['active']} of {val['latent']} latent numbers in use")
    print(f"written: {out / 'autoencoder.safetensors'}, samples.png beside it")


@app.command()
def ganmex(
    study: StudyName,
    data: Data,
    out: Out,
    labels: Labels = None,
    choice: Annotated[str | None, typer.Option(help="One of the study's choices; by default the first.")] = None,
    width: Annotated[int, typer.Option(help="Channels at full resolution; four times that at a quarter of it.")] = 24,
    options: InfillOptions = "{}",
    minutes: Minutes = None,
    steps: Steps = None,
    where: Where = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 0,
    resume: Resume = False,
) -> None:
    """Train GANMEX's translator between the classes of one choice, against the study's classifier."""
    from core.studies import open_study
    from core.training.recipes import train_translator
    from core.training.translator import TranslatorTraining

    settings, source = _source(study, data, labels, out, where)
    _threads(threads)
    place = choose_device(device)
    opened = open_study(study, place)
    if not opened.choices:
        raise UserError(f"{opened.title} has no choice among several classes to translate between.")
    name = choice or opened.choices[0]
    try:
        training = TranslatorTraining(
            **({"flip": settings["study"]["modality"] == "face", "seed": seed} | json.loads(options))
        )
    except (TypeError, ValueError) as fault:
        raise UserError(f"--options is not a JSON object of training settings ({fault}).") from None
    bar = Bar()
    outcome = train_translator(
        source, opened.choice(name), width, training, _budget(minutes, steps), out, choice=name, device=place,
        resume=resume, progress=bar,
    )  # fmt: skip
    bar.close()
    print(f"{outcome.stop} after {outcome.steps} steps, {outcome.seconds / 60:.1f} minutes: {_line(outcome.last)}")
    print(f"written: {out / f'ganmex-{name}.safetensors'}, samples.png beside it")


@app.command()
def segmenter(
    study: StudyName,
    data: Data,
    masks: Annotated[Path, typer.Option(help="Folder with masks.csv (file, one column an organ) and the masks.")],
    out: Out,
    labels: Labels = None,
    organs: Annotated[str, typer.Option(help="Columns of masks.csv, comma-separated.")] = "heart,lungs",
    size: Annotated[
        int, typer.Option(help="Side of the pictures in pixels; more than the study's, for borders.")
    ] = 128,
    base: Annotated[int, typer.Option(help="Channels at full resolution.")] = 12,
    minutes: Minutes = None,
    steps: Steps = None,
    where: Where = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 0,
    resume: Resume = False,
) -> None:
    """Train the network that outlines organs, for heart size and the cardiothoracic ratio under the knob."""
    from core.training.recipes import train_segmenter
    from core.training.segmenter import SegmenterTraining

    _, source = _source(study, data, labels, out, where)
    _threads(threads)
    bar = Bar()
    outcome = train_segmenter(
        replace(source, size=size), masks, _names(organs), base, SegmenterTraining(seed=seed),
        _budget(minutes, steps), out, device=choose_device(device), resume=resume, progress=bar,
    )  # fmt: skip
    bar.close()
    print(f"{outcome.stop} after {outcome.steps} steps, {outcome.seconds / 60:.1f} minutes: {_line(outcome.last)}")
    print(f"written: {out / 'segmenter.safetensors'}, samples.png beside it")


def _infill(
    kind: str, study: str, data: Path, labels: Path | None, out: Path, width: int, options: str, minutes: float | None,
    steps: int | None, where: str | None, seed: int, device: str, threads: int, resume: bool,
) -> None:  # fmt: skip
    from core.training.inpainter import InfillTraining
    from core.training.recipes import train_infill

    settings, source = _source(study, data, labels, out, where)
    _threads(threads)
    try:
        training = InfillTraining(
            **({"flip": settings["study"]["modality"] == "face", "seed": seed} | json.loads(options))
        )
    except (TypeError, ValueError) as fault:
        raise UserError(f"--options is not a JSON object of training settings ({fault}).") from None
    bar = Bar()
    outcome = train_infill(
        source, kind, width, training, _budget(minutes, steps), out, device=choose_device(device), resume=resume,
        progress=bar,
    )  # fmt: skip
    bar.close()
    print(f"{outcome.stop} after {outcome.steps} steps, {outcome.seconds / 60:.1f} minutes: {_line(outcome.last)}")
    print(f"written: {out / f'infill-{kind}.safetensors'}, samples.png beside it")


@app.command()
def gate(
    study: StudyName,
    data: Data,
    negatives: Annotated[list[Path], typer.Option(help="Folder of pictures of another kind; may be repeated.")],
    out: Out,
    labels: Labels = None,
    minutes: Minutes = 3.0,
    steps: Steps = None,
    where: Where = None,
    seed: Seed = 0,
    threads: Threads = 0,
) -> None:
    """Train the gate that turns away pictures of another kind."""
    from core.training.gate import train_gate

    _, source = _source(study, data, labels, out, where)
    _threads(threads)
    bar = Bar()
    result = train_gate(source, tuple(negatives), _budget(minutes, steps), out, seed=seed, progress=bar)
    bar.close()
    print(f"threshold {result['threshold']:.4f}; val: {result['caught']:.1%} of other pictures caught,")
    print(f"{result['false_alarms']:.1%} of the study's own turned away")
    print(f"written: {out / 'gate.safetensors'}; put the threshold into study.toml")


def _source(study: str, data: Path, labels: Path | None, out: Path, where: str | None) -> tuple[dict[str, Any], Any]:
    from core.studies import open_study
    from core.training.recipes import Source

    settings = open_study(study).settings
    about = settings["study"]
    return settings, Source(data, labels, about["modality"], about["size"], out.parent / "cache", where)


def _budget(minutes: float | None, steps: int | None) -> Any:
    from core.training.loop import Budget

    if minutes is None and steps is None:
        raise UserError("Say how long to train: --minutes M or --steps N.")
    return Budget(steps=steps, minutes=minutes)


def _threads(threads: int) -> None:
    if threads:
        import torch

        torch.set_num_threads(threads)


def _names(text: str) -> tuple[str, ...]:
    return tuple(n.strip() for n in text.split(",") if n.strip())


def _line(numbers: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())
