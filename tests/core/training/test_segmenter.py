"""Training the organ segmenter: it finds a disc, unknown organs do not count, and a run goes on where it stopped."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from toys import make_discs

from core.errors import UserError
from core.evaluation.segmentation import dice
from core.networks.store import load_segmenter
from core.networks.unet import UNetConfig
from core.training import segmenter
from core.training.job import Job
from core.training.loop import Budget, run
from core.training.recipes import train_segmenter
from core.training.segmenter import SegmenterTrainer, SegmenterTraining, soft_dice_loss
from core.training.source import Source

CPU = torch.device("cpu")
SHAPE = UNetConfig(32, ("disc", "ground"), 1, 4, 2)
FEW = SegmenterTraining(batch=6, ema=0.8, rate=1e-2)


def drawn(discs, size: int = 32) -> np.ndarray:
    """[N, 2, S, S] float16: the disc and all around it."""
    y, x = np.mgrid[0:size, 0:size] + 0.5 - size / 2
    disc = np.hypot(x, y)[None] <= discs.radius[:, None, None] * size
    return np.stack([disc, ~disc], 1).astype(np.float16)


@pytest.fixture(scope="module")
def discs():
    return make_discs(24, seed=3)


@pytest.fixture(scope="module")
def masks(discs):
    return drawn(discs)


def differing(one, two) -> list[str]:
    return [n for n, t in one.state_dict().items() if not torch.equal(t, two.state_dict()[n])]


# The loss


def test_the_soft_dice_loss_by_hand():
    # Of four pixels the mask has all; two are found for certain, then all four by halves.
    masks = torch.ones(1, 1, 2, 2)
    certain = torch.tensor([[[[50.0, 50.0], [-50.0, -50.0]]]])
    known = torch.ones(1, 1)
    assert soft_dice_loss(certain, masks, known).item() == pytest.approx(1 - (2 * 2 + 1) / (2 + 4 + 1))
    assert soft_dice_loss(torch.zeros(1, 1, 2, 2), masks, known).item() == pytest.approx(1 - (4 + 1) / (1 + 4 + 1))
    assert soft_dice_loss(torch.full((1, 1, 2, 2), 50.0), masks, known).item() == pytest.approx(0, abs=1e-6)


def test_only_known_organs_count_in_it():
    logits = torch.full((1, 2, 2, 2), 50.0)
    masks = torch.stack([torch.ones(2, 2), torch.zeros(2, 2)])[None]
    wrong = 1 - 1 / 5  # all four pixels found, none there
    for known, expected in (((1, 1), wrong / 2), ((1, 0), 0), ((0, 1), wrong), ((0, 0), 0)):
        found = soft_dice_loss(logits, masks, torch.tensor([known], dtype=torch.float32))
        assert found.item() == pytest.approx(expected, abs=1e-6)


# A step


def test_an_organ_without_masks_is_not_learned(discs, masks):
    partly = masks.copy()
    partly[:, 1] = np.nan
    trainer = SegmenterTrainer(SHAPE, FEW, discs.images, partly, CPU)
    assert np.isfinite(trainer.step(0, 0.5)["loss"])
    gradient = trainer.model.head.weight.grad
    assert gradient[0].abs().sum() > 0
    assert gradient[1].abs().sum() == 0
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())


def test_pictures_without_any_mask_teach_nothing(discs, masks):
    trainer = SegmenterTrainer(SHAPE, FEW, discs.images, np.full_like(masks, np.nan), CPU)
    assert trainer.step(0, 0.5)["loss"] == 0
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())


def test_each_picture_counts_for_the_organs_it_has(discs, masks, monkeypatch):
    # Whatever a picture without a mask of the ground looks like, it teaches nothing of the ground.
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda parameters, most: None)  # it mixes the organs
    partly = masks.copy()
    partly[::2, 1] = np.nan
    gradients = []
    for shade in (0, 255):
        images = discs.images.copy()
        images[::2] = shade
        trainer = SegmenterTrainer(SHAPE, FEW, images, partly, CPU)
        torch.manual_seed(5)
        trainer.step(0, 0.5)
        gradients.append(trainer.model.head.bias.grad.tolist())
    assert gradients[0][0] != pytest.approx(gradients[1][0], rel=1e-2)
    assert gradients[0][1] == pytest.approx(gradients[1][1], rel=1e-5)
    assert gradients[0][1] != 0


@pytest.fixture
def seen(monkeypatch):
    """Of every step, what the network and what the loss were given."""
    kept = {"x": [], "masks": []}

    def watched(logits, masks, known):
        kept["masks"].append(masks)
        return soft_dice_loss(logits, masks, known)

    monkeypatch.setattr(segmenter, "soft_dice_loss", watched)

    def watch(trainer):
        trainer.model.register_forward_pre_hook(lambda _, inputs: kept["x"].append(inputs[0]))
        for i in range(8):
            trainer.step(i, 0.5)
        return torch.cat(kept["x"]), torch.cat(kept["masks"])

    return watch


def test_masks_move_with_their_pictures(discs, masks, seen):
    images = (masks[:, :1] * 255).astype(np.uint8)  # white where the disc is
    x, moved = seen(SegmenterTrainer(SHAPE, FEW, images, masks, CPU))
    assert moved.unique().tolist() == [0, 1]
    overlaps = [dice((a > 0.5).numpy(), (b > 0.5).numpy()) for a, b in zip(x[:, 0], moved[:, 0], strict=True)]
    assert min(overlaps) > 0.9
    centres = torch.stack([m.nonzero().float().mean(0) for m in moved[:, 0]])
    assert centres.std(0).min() > 0.5  # and they do move, across and along


def test_left_stays_left(discs, masks, seen):
    images = np.zeros_like(discs.images)
    images[..., :16] = 255
    left = masks.copy()
    left[:, 0], left[:, 1] = 0, 1
    left[:, 0, :, :16], left[:, 1, :, :16] = 1, 0
    x, moved = seen(SegmenterTrainer(SHAPE, FEW, images, left, CPU))
    assert (x[..., :8].mean((1, 2, 3)) > x[..., -8:].mean((1, 2, 3))).all()
    assert (moved[:, 0, :, :8].mean((1, 2)) > moved[:, 0, :, -8:].mean((1, 2))).all()


# A whole run


def test_a_disc_is_found_in_few_steps(discs, masks):
    trainer = SegmenterTrainer(SHAPE, FEW, discs.images, masks, CPU)
    for i in range(60):
        trainer.step(i, i / 60)
    held_out = make_discs(12, seed=8)
    found = trainer.finished().segment(held_out.x).numpy()
    truth = drawn(held_out) > 0
    assert np.mean([dice(f, t) for f, t in zip(found[:, 0], truth[:, 0], strict=True)]) > 0.9
    assert np.mean([dice(f, t) for f, t in zip(found[:, 1], truth[:, 1], strict=True)]) > 0.9


def test_the_finished_network_is_the_frozen_average(discs, masks):
    trainer = SegmenterTrainer(SHAPE, FEW, discs.images, masks, CPU)
    trainer.step(0, 0.5)
    finished = trainer.finished()
    assert not finished.training
    assert not any(p.requires_grad for p in finished.parameters())
    assert differing(trainer.model, finished)


def test_the_same_seed_repeats_the_run_and_another_does_not(discs, masks, tmp_path):
    trainers = []
    for name, seed in (("1", 0), ("2", 0), ("3", 1)):
        training = SegmenterTraining(batch=4, seed=seed)
        trainers.append(SegmenterTrainer(SHAPE, training, discs.images, masks, CPU))
        run(trainers[-1], Budget(steps=2), tmp_path / name)
    assert differing(trainers[0].model, trainers[1].model) == []
    assert differing(trainers[0].model, trainers[2].model)


def test_a_run_goes_on_exactly_where_it_stopped(discs, masks, tmp_path):
    def stop(index, of, numbers):
        if index == 3:
            raise KeyboardInterrupt

    def make():
        return SegmenterTrainer(SHAPE, FEW, discs.images, masks, CPU)

    whole = make()
    run(whole, Budget(steps=6), tmp_path / "whole")
    assert run(make(), Budget(steps=6), tmp_path / "parts", progress=stop).stop == "interrupted"
    torch.rand(5)  # whatever else happens in between
    parts = make()
    assert run(parts, Budget(steps=6), tmp_path / "parts", resume=True).steps == 6
    assert differing(whole.model, parts.model) == []
    assert differing(whole.finished(), parts.finished()) == []


@pytest.mark.parametrize("n", [1, 24])
def test_the_sheet_has_a_row_for_up_to_six_pictures(discs, masks, n, tmp_path):
    trainer = SegmenterTrainer(SHAPE, FEW, discs.images[:n], masks[:n], CPU)
    trainer.sample(tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size == (2 * 128, min(n, 6) * (128 + 14))


# The recipe


@pytest.fixture
def drawn_hearts(labelled_folder, tmp_path):
    """Masks of the discs: `heart` for all train and val pictures but the first four, `lungs` for every other one."""
    folder = tmp_path / "masks"
    folder.mkdir()
    with labelled_folder[1].open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    size, discs = 48, make_discs(48, size=48, seed=5)  # as write_table draws them
    lines = ["file,heart,lungs"]
    for i, row in enumerate(rows):
        if row["split"] == "test":
            continue
        for organ, mask in zip(("heart", "lungs"), drawn(discs, size)[i] > 0, strict=True):
            Image.fromarray((mask * 255).astype(np.uint8)).save(folder / f"{i}-{organ}.png")
        lines.append(f"{row['file']},{f'{i}-heart.png' * (i > 4)},{f'{i}-lungs.png' * (i % 2)}")
    (folder / "masks.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def source(labelled_folder, tmp_path):
    return Source(*labelled_folder, "chest", 32, tmp_path / "cache")


def test_a_segmenter_and_its_record(source, drawn_hearts, tmp_path):
    heard = []
    job = Job(Budget(steps=2), tmp_path / "out", progress=lambda i, n, numbers: heard.append((i, n)))
    outcome = train_segmenter(source, drawn_hearts, ("heart", "lungs"), 4, SegmenterTraining(batch=2, seed=3), job)
    assert (outcome.steps, outcome.stop) == (2, "finished")
    assert heard == [(1, 2), (2, 2)]
    network = load_segmenter(tmp_path / "out" / "segmenter.safetensors")
    assert network.config == UNetConfig(32, ("heart", "lungs"), 1, 4)
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    # Of 24 train rows (0, 1, 4, 5, 8, ...), 0 and 4 have neither mask.
    assert record["data"]["rows"] == 22
    assert (record["steps"], record["training"]["seed"]) == (2, 3)
    assert record["network"] == network.config.to_dict() | {"organs": ["heart", "lungs"]}
    assert (tmp_path / "out" / "samples.png").is_file()


def test_it_is_given_train_pictures_with_their_masks(source, drawn_hearts, tmp_path, monkeypatch):
    from core.training import recipes

    seen = []
    trainer = recipes.SegmenterTrainer
    monkeypatch.setattr(recipes, "SegmenterTrainer", lambda *given: seen.append(given) or trainer(*given))
    train_segmenter(
        source, drawn_hearts, ("heart", "lungs"), 4, SegmenterTraining(batch=2), Job(Budget(steps=1), tmp_path / "out")
    )
    _, _, images, masks, _ = seen[0]
    rows = [i for i in range(48) if i % 4 < 2 and i not in (0, 4)]  # the train rows
    np.testing.assert_array_equal(images, source.images(source.table().where(np.array(rows))))
    assert masks.shape == (22, 2, 32, 32)
    unknown = np.isnan(masks)
    assert [i for i, u in zip(rows, unknown[:, 0].all((1, 2)), strict=True) if u] == [1]
    assert [i for i, u in zip(rows, unknown[:, 1].all((1, 2)), strict=True) if u] == [i for i in rows if i % 2 == 0]
    assert unknown.any((2, 3)).tolist() == unknown.all((2, 3)).tolist()
    # The masks are where the discs are.
    radii = make_discs(48, size=48, seed=5).radius[rows]
    heart = ~unknown[:, 0].any((1, 2))
    np.testing.assert_allclose(masks[heart, 0].mean((1, 2), dtype=float), np.pi * radii[heart] ** 2, atol=0.015)


def test_mistakes_of_the_recipe(source, drawn_hearts, tmp_path):
    def refuse(what, organs=("heart",), source=source, masks=drawn_hearts):
        with pytest.raises(UserError, match=what):
            train_segmenter(source, masks, organs, 4, SegmenterTraining(), Job(Budget(steps=1), tmp_path / "out"))

    changed = source.__dict__
    refuse(r"masks\.csv needs the columns 'file' and 'spleen'", ("heart", "spleen"))
    refuse("There is no .*masks.csv", masks=tmp_path)
    refuse("No picture in split 'train' has a mask", source=Source(**changed | {"where": "split=test"}))
    refuse("No picture in split 'train' has a mask", source=Source(**changed | {"where": "file=000.png,004.png"}))
    refuse(
        "halves its pictures, so their side is a multiple of 16, which 40 is not",
        source=Source(**changed | {"size": 40}),
    )
    assert not (tmp_path / "out").exists()
