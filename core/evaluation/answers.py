"""What every network of a study answers, over a whole cohort: one pass, picture by picture, here or on many machines.

The measures that look at every picture (how good the classifiers are, the gate, whom the masks are drawn for) are
computed from these answers, so no measure holds a cohort's pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.classifiers.store import load_classifier
from core.data.packed import check_folder, fingerprint, packed_picture
from core.data.table import LabelledTable
from core.errors import UserError
from core.evaluation.engine import Record, Row, Rows, run_task, weights_digest
from core.studies.study import Study

# What is kept of a packaged network's many classes: the likeliest.
LIKELIEST, FIRST = "likeliest", 5
_FIRST = ("probability", *(f"class {i}" for i in range(1, FIRST + 1)))

Progress = Callable[[int, int], None] | None
Network = tuple[tuple[str, ...], Callable[[Tensor], Tensor]]  # names of K outputs, [1, C, S, S] -> [1, K] or [1]


@dataclass(frozen=True)
class AnswerTask:
    """Networks of a study on one picture.

    folder: the study's, absolute; weights: a digest of its networks, so that new ones are asked anew; asked: targets
    of a network with many classes; wanted: names of networks, see `ask_cohort`.
    """

    folder: str
    variant: str | None
    weights: str
    asked: tuple[str, ...] = ()
    device: str = "cpu"
    wanted: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        """See `Task.key`."""
        return repr(self)

    @torch.no_grad()
    def __call__(self, row: Row) -> Record:
        """Probabilities with six significant digits. Raises UserError for a picture that cannot be read."""
        study, networks = _opened(self)
        picture = packed_picture(Path(row["path"]), study.modality, study.size)
        x = torch.tensor(picture)[None].to(study.device).float() / 255  # a copy: idx pictures are read-only
        return {
            "answers": {
                name: [float(f"{p:.6g}") for p in ask(x).reshape(-1).tolist()] for name, (_, ask) in networks.items()
            }
        }


@dataclass(frozen=True)
class Answers:
    """names: of each network's K outputs; values: [N, K] float32 of the rows whose pictures could be read; failed: the
    other rows, each a file and why.
    """

    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    failed: list[dict[str, str]] = field(default_factory=list)

    def of(self, network: str, output: str) -> np.ndarray:
        """[N] probabilities of one output of one network."""
        return self.values[network][:, self.names[network].index(output)]


def ask_cohort(
    study: Study,
    table: LabelledTable,
    cache: Path,
    *,
    asked: tuple[str, ...] = (),
    wanted: tuple[str, ...] | None = None,
    engine: str = "local",
    address: str | None = None,
    progress: Progress = None,
) -> tuple[LabelledTable, Answers]:
    """Ask a study's networks about every row of a table: (the rows that could be read, the answers to them).

    Answers are kept in `cache`, and asked again only when a network or a file changed; what an interrupted run
    finished is not run again.

    asked: classes to ask a network with many classes about, by default its first; wanted: only these networks, as
    'classifier', 'witness', 'oracle <target>', 'choice <name>', 'gate'; by default all, and with none of them pictures
    are only read. Raises UserError for a folder of another layout, for an unknown engine, and when no picture can be
    read.
    """
    check_folder(table.folder, study.modality)
    asked = (asked or study.targets[:1]) if study.one_of_many else ()
    task = AnswerTask(str(study.folder.resolve()), study.variant, _weights(study), asked, str(study.device), wanted)
    names = {name: outputs for name, (outputs, _) in _networks(study, asked, wanted).items()}
    key = hashlib.sha256(f"{task.key} {fingerprint(table, missing_ok=True)}".encode()).hexdigest()[:16]
    records = run_task(
        task, Rows(table), cache / f"answers-{key}.jsonl", engine=engine, address=address, resume=True,
        progress=progress,
    )  # fmt: skip
    values = {name: np.zeros((len(table), len(outputs)), np.float32) for name, outputs in names.items()}
    read, failed = np.zeros(len(table), dtype=bool), []
    for record in records:
        if "failed" in record:
            failed.append({"file": record["file"], "why": record["failed"]})
            continue
        read[record["index"]] = True
        for name, answer in record["answers"].items():
            values[name][record["index"]] = answer
    if not read.any():
        raise UserError(f"None of the {len(table)} pictures could be read; the first said: {failed[0]['why']}")
    return table.where(read), Answers(names, {name: found[read] for name, found in values.items()}, failed)


def _networks(study: Study, asked: tuple[str, ...], wanted: tuple[str, ...] | None = None) -> dict[str, Network]:
    """By name: classifier, witness, oracle <target>, choice <name>, gate, as far as the study has them and they are
    wanted.
    """
    makers: dict[str, Callable[[], Network]] = {}
    if study.one_of_many:
        boxes = [study.blackbox(target) for target in asked]
        makers["classifier"] = lambda: (asked, lambda x: torch.stack([box.posterior(x) for box in boxes], 1))
        if study.package:
            makers[LIKELIEST] = lambda: (_FIRST, lambda x: _likeliest(study.network.posterior(x)))
    else:
        makers["classifier"] = lambda: (study.classifier.targets, study.classifier.posterior)
    if "witness" in study.settings:
        makers["witness"] = partial(_witness, study)
    for target in study.oracles:
        makers[f"oracle {target}"] = partial(_oracle, study, target)
    for choice in study.choices:
        makers[f"choice {choice}"] = partial(_choice, study, choice)
    if "gate" in study.settings:
        makers["gate"] = partial(_gate, study)
    return {name: make() for name, make in makers.items() if wanted is None or name in wanted}


def _witness(study: Study) -> Network:
    network = study.features()  # loaded once for all measures
    assert network is not None
    return network.targets, network.posterior


def _gate(study: Study) -> Network:
    network = load_classifier(study.folder / study.settings["gate"]["file"], str(study.device), fold=True)
    return network.targets, network.posterior


def _oracle(study: Study, target: str) -> Network:
    return (target,), study.oracle(target).posterior


def _choice(study: Study, name: str) -> Network:
    network = study.choice(name)
    return network.classes, network.posterior


def _likeliest(posterior: Tensor) -> Tensor:
    """[1, K] -> [1, FIRST + 1]: the probability of the likeliest class, then the numbers of the FIRST likeliest."""
    values, classes = posterior.topk(FIRST, 1)
    return torch.cat([values[:, :1], classes.to(values)], 1)


@lru_cache(maxsize=4)
def _opened(task: AnswerTask) -> tuple[Study, dict[str, Network]]:
    study = Study(Path(task.folder), task.device, task.variant)
    return study, _networks(study, task.asked, task.wanted)


def _weights(study: Study) -> str:
    settings = study.settings
    parts = [settings["study"], settings["classifier"], settings.get("witness", {}), settings.get("gate", {})]
    return weights_digest(study.folder, parts + settings.get("oracle", []) + settings.get("choice", []))
