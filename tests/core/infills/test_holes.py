"""The law of the holes: 0 or 1, never nothing and never everything, of every size, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from core.infills import holes as module
from core.infills.holes import KINDS, SHARES, random_holes, random_holes_of


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.sampled_from([16, 32, 64]), n=st.integers(1, 12))
def test_a_hole_is_neither_nothing_nor_everything(seed, size, n):
    holes = random_holes(n, size, rng(seed))
    assert holes.shape == (n, 1, size, size)
    assert holes.dtype == torch.float32
    assert ((holes == 0) | (holes == 1)).all()
    share = holes.mean((1, 2, 3))
    assert (share > 0).all()
    assert (share < 1).all()


def test_a_maker_that_hides_all_or_nothing_is_mended(monkeypatch):
    made = iter([np.ones((16, 16), bool), np.zeros((16, 16), bool)] * 8)
    for maker in ("_grid", "_rectangle", "_strokes"):
        monkeypatch.setattr(module, maker, lambda size, rng: next(made))
    holes = random_holes(8, 16, rng())
    assert (holes.mean((1, 2, 3)) == 0.5).all()


def test_the_same_seed_gives_the_same_holes():
    one, two, other = (random_holes(20, 32, rng(seed)) for seed in (4, 4, 5))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_every_kind_comes_in_its_share(monkeypatch):
    seen = dict.fromkeys(KINDS, 0)
    for kind in KINDS:
        maker = getattr(module, f"_{kind}")

        def counted(size, rng, kind=kind, maker=maker):
            seen[kind] += 1
            return maker(size, rng)

        monkeypatch.setattr(module, f"_{kind}", counted)
    random_holes(400, 16, rng())
    assert sum(SHARES) == 1
    for kind, share in zip(KINDS, SHARES, strict=True):
        assert seen[kind] / 400 == pytest.approx(share, abs=0.08)


def test_holes_of_every_size_come():
    share = random_holes(400, 32, rng()).mean((1, 2, 3))
    counts = torch.histc(share, 10, 0, 1)
    assert (counts >= 8).all(), counts


def test_every_pixel_is_hidden_now_and_then():
    often = random_holes(400, 32, rng()).mean((0, 1))
    assert often.min() > 0.15
    assert often.max() < 0.85


def test_grid_holes_are_coherent():
    # Of an upsampled grid with cells of four pixels or more, no pixel stands alone.
    for seed in range(30):
        hole = module._grid(32, rng(seed))
        for part in (hole, ~hole):
            parts, n = label(part, np.ones((3, 3)))
            assert all((parts == i).sum() >= 4 for i in range(1, n + 1)), seed


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.1), (0.1, 0.3), (0.45, 0.55), (0.9, 1.0)])
def test_only_holes_of_a_size_that_is_wanted(low, high):
    holes = random_holes_of(30, 32, rng(), low, high)
    assert holes.shape == (30, 1, 32, 32)
    share = holes.mean((1, 2, 3))
    assert (share >= low).all()
    assert (share <= high).all()
    assert torch.equal(holes, random_holes_of(30, 32, rng(), low, high))
