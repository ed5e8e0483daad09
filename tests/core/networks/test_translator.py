"""The translator and its critic: shapes, one picture at a time, the class matters, and files."""

from __future__ import annotations

import pytest
import torch
from toys import CPU

from core.errors import UserError
from core.networks.inpainter import Inpainter, InpainterConfig
from core.networks.store import load_exaggerator, load_translator, save_infill, save_translator
from core.networks.translator import ClassNorm, RealismCritic, Translator, TranslatorConfig


def small(size=16, channels=1, classes=3) -> Translator:
    torch.manual_seed(3)
    return Translator(TranslatorConfig(classes, size, channels, 6, 2)).eval().requires_grad_(False)


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (28, 1), (20, 3), (64, 3)])
def test_a_picture_of_the_same_shape_in_range(size, channels):
    x = torch.rand(2, channels, size, size)
    made = small(size, channels)(x, torch.tensor([0, 2]))
    assert made.shape == x.shape
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1


def test_a_picture_does_not_depend_on_its_companions():
    model, x = small(), torch.rand(5, 1, 16, 16)
    target = torch.tensor([0, 1, 2, 0, 1])
    together = model(x, target)
    model.train()
    alone = torch.cat([model(x[i : i + 1], target[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_the_target_changes_the_picture():
    model, x = small(), torch.rand(1, 1, 16, 16).expand(3, -1, -1, -1)
    made = model(x, torch.arange(3))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert float((made[a] - made[b]).abs().mean()) > 1e-4


def test_a_flat_picture_gives_numbers():
    model = small()
    for level in (0.0, 1.0):
        assert torch.isfinite(model(torch.full((2, 1, 16, 16), level), torch.tensor([0, 1]))).all()


def test_each_class_has_its_own_scale_and_shift():
    norm = ClassNorm(4, 2)
    norm.scale.weight.data[1], norm.shift.weight.data[1] = 3.0, -2.0
    made = norm(torch.randn(2, 4, 8, 8), torch.tensor([1, 1]))
    torch.testing.assert_close(made.mean((2, 3)), torch.full((2, 4), -2.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(made.std((2, 3), correction=0), torch.full((2, 4), 3.0), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("size", "side"), [(6, 3), (8, 4), (12, 3), (16, 4), (28, 3), (32, 4), (64, 4), (128, 8), (256, 16)]
)
def test_the_critic_stops_before_three_pixels_and_after_four_layers(size, side):
    critic = RealismCritic(1, 4, size)
    scores = critic(torch.rand(2, 1, size, size))
    assert scores.shape == (2, 1, side, side)
    assert side >= 3


def test_the_critic_has_bounded_slopes():
    """Spectral normalisation: pictures a little apart have scores a little apart."""
    torch.manual_seed(0)
    critic = RealismCritic(1, 4, 16)
    for _ in range(20):
        critic(torch.rand(2, 1, 16, 16))
    critic.eval()
    norms = [m.weight.detach().flatten(1).svd()[1][0] for m in critic.layers if isinstance(m, torch.nn.Conv2d)]
    assert all(float(n) == pytest.approx(1, abs=0.05) for n in norms)


# Files


def test_it_comes_back_as_it_was_and_frozen(tmp_path):
    model, x = small(), torch.rand(3, 1, 16, 16)
    save_translator(model, tmp_path / "t.safetensors", choice="place")
    back = load_translator(tmp_path / "t.safetensors", CPU)
    assert back.config == model.config
    torch.testing.assert_close(back(x, torch.arange(3)), model(x, torch.arange(3)), atol=2e-3, rtol=0)  # stored in half
    assert not back.training
    assert not any(p.requires_grad for p in back.parameters())


def test_another_network_is_no_translator_nor_the_other_way_round(tmp_path):
    save_infill(Inpainter(InpainterConfig(32, 1, 4)), tmp_path / "i.safetensors")
    with pytest.raises(UserError, match="does not hold a translator"):
        load_translator(tmp_path / "i.safetensors")
    save_translator(small(), tmp_path / "t.safetensors")
    with pytest.raises(UserError, match="does not hold an exaggerator"):
        load_exaggerator(tmp_path / "t.safetensors")


def test_a_translator_of_another_shape_is_refused(tmp_path):
    model = small()
    model.config = TranslatorConfig(4, 16, 1, 6, 2)
    save_translator(model, tmp_path / "t.safetensors")
    with pytest.raises(UserError, match="does not hold a translator of this version"):
        load_translator(tmp_path / "t.safetensors")


def test_a_missing_or_damaged_file_is_a_sentence(tmp_path):
    (tmp_path / "t.safetensors").write_bytes(b"no")
    for name in ("t.safetensors", "none.safetensors"):
        with pytest.raises(UserError):
            load_translator(tmp_path / name)
