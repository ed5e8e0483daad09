"""Fields at network size, applied to the upload: nothing for nothing, the right pixels, the right tone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from toys import prepared_disc

from core.explainers.render import _interpolate, full_picture, render, render_views, to_bytes
from core.explainers.results import Provenance, Sweep
from core.images.picture import Picture, Prepared
from core.images.tone import IDENTITY, ToneCurve, measure_tone
from core.networks.exaggerator import Change

CURVE = ToneCurve(np.array([0.0, 0.2, 0.5, 1.0]), np.array([0.0, 0.5, 0.8, 1.0]))


def change_of(dx: float = 0.0, dy: float = 0.0, residual: float = 0.0, *, k: int = 1, channels: int = 1) -> Change:
    """The same constant field in k frames at 32 pixels."""
    displacement = torch.zeros(k, 2, 32, 32)
    displacement[:, 0], displacement[:, 1] = dx, dy
    return Change(torch.zeros(k, channels, 32, 32), displacement, torch.full((k, channels, 32, 32), residual))


def spot(side: int, row: int, column: int) -> np.ndarray:
    """A broad bright spot at a pixel."""
    y, x = np.mgrid[0:side, 0:side]
    return (0.1 + 0.8 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 18)).astype(np.float32)


def centre(picture: np.ndarray) -> tuple[float, float]:
    """(row, column) of the spot."""
    weight = picture - picture.min()
    weight = weight * (weight > 0.2)
    y, x = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
    return float((y * weight).sum() / weight.sum()), float((x * weight).sum() / weight.sum())


@pytest.mark.parametrize("tone", [IDENTITY, CURVE], ids=["as it is", "another tone"])
@pytest.mark.parametrize("colour", [False, True])
def test_no_change_gives_the_view_back(tone, colour):
    rng = np.random.default_rng(0)
    view = rng.random((70, 90, 3) if colour else (70, 90)).astype(np.float32)
    prepared = dataclasses.replace(prepared_disc(), tone=tone)
    shown = render(view, prepared, change_of(), 0)
    assert shown.shape == view.shape
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown, view, atol=1 / 1000)


@pytest.mark.parametrize("side", [32, 128, 320])
def test_a_field_moves_the_view_by_its_share_of_the_side(side):
    view = spot(side, side // 2, side // 2)
    # Fetched from an eighth to the right and a sixteenth above: contents go left and down.
    shown = render(view, prepared_disc(), change_of(dx=1 / 8, dy=-1 / 16), 0)
    row, column = centre(shown)
    assert row == pytest.approx(side / 2 + side / 16, abs=0.3)
    assert column == pytest.approx(side / 2 - side / 8, abs=0.3)


def test_a_view_that_is_not_square_moves_by_its_own_sides():
    view = np.zeros((64, 256), np.float32)
    view[30:34, 124:132] = 1
    shown = render(view, prepared_disc(), change_of(dx=-1 / 8, dy=1 / 8), 0)
    row, column = centre(shown)
    assert row == pytest.approx(31.5 - 8, abs=0.2)
    assert column == pytest.approx(127.5 + 32, abs=0.2)


def test_detail_is_moved_and_not_resampled_away():
    rng = np.random.default_rng(0)
    view = rng.random((256, 256)).astype(np.float32)  # finer than any field
    shown = render(view, prepared_disc(), change_of(dx=8 / 256), 0)
    np.testing.assert_allclose(shown[:, :-8], view[:, 8:], atol=2e-3)


def test_a_residual_is_added_at_the_canonical_tone():
    view = np.full((40, 40), 0.2, np.float32)  # canonical .5
    prepared = dataclasses.replace(prepared_disc(), tone=CURVE)
    shown = render(view, prepared, change_of(residual=0.3), 0)  # canonical .8, the upload's own .5
    np.testing.assert_allclose(shown, 0.5, atol=1e-3)


def test_a_grey_residual_shades_all_colours():
    view = np.full((40, 40, 3), 0.2, np.float32)
    view[..., 1] = 0.6
    shown = render(view, prepared_disc(), change_of(residual=0.1), 0)
    np.testing.assert_allclose(shown, view + 0.1, atol=1e-3)


def test_pixels_stay_in_range():
    view = np.full((10, 10), 0.9, np.float32)
    assert render(view, prepared_disc(), change_of(residual=0.5), 0).max() <= 1
    assert render(view, prepared_disc(), change_of(residual=-2.0), 0).min() >= 0


def test_each_frame_gets_its_own_change():
    residual = torch.zeros(2, 1, 32, 32)
    residual[1] = 0.2
    change = Change(torch.zeros(2, 1, 32, 32), torch.zeros(2, 2, 32, 32), residual)
    views = render_views(dataclasses.replace(prepared_disc(), view=np.full((50, 60), 0.4, np.float32)), change, 100)
    assert views.shape == (2, 50, 60)
    assert views[:, 0, 0].tolist() == [102, 153]


def test_views_are_made_smaller_never_larger():
    prepared = dataclasses.replace(prepared_disc(), view=np.full((120, 60), 0.5, np.float32))
    assert render_views(prepared, change_of(k=3), 40).shape == (3, 40, 20)
    assert render_views(prepared, change_of(k=3), 500).shape == (3, 120, 60)


def test_the_kept_frame_is_the_view_itself():
    prepared = dataclasses.replace(prepared_disc(view=48), tone=CURVE)
    views = render_views(prepared, change_of(residual=0.2, k=2), 48, keep=1)
    assert np.array_equal(views[1], to_bytes(prepared.view))
    assert not np.array_equal(views[0], views[1])


def test_bytes_are_rounded():
    assert to_bytes(np.array([-0.1, 0.0, 0.499 / 255, 0.501 / 255, 1.0, 1.1])).tolist() == [0, 0, 0, 1, 255, 255]


def test_a_tone_curve_goes_there_and_back():
    levels = np.linspace(0, 1, 200)
    np.testing.assert_allclose(CURVE.invert(CURVE.apply(levels)), levels, atol=1e-6)
    rng = np.random.default_rng(1)
    film = np.clip(rng.normal(0.4, 0.15, (80, 80)), 0, 1)
    tone = measure_tone(film)
    inside = film[(film > np.quantile(film, 0.01)) & (film < np.quantile(film, 0.99))]
    np.testing.assert_allclose(tone.invert(tone.apply(inside)), inside, atol=1e-5)


def test_the_whole_upload_carries_one_frames_change():
    rng = np.random.default_rng(0)
    upload = Picture(rng.uniform(0.2, 0.6, (90, 120)).astype(np.float32), "00", "PNG")
    # The frame is 60 x 60 pixels of the upload, from column 40 and row 20.
    view = upload.pixels[20:80, 40:100]
    prepared = Prepared(np.zeros((1, 32, 32), np.float32), view, "00", np.array([[1.0, 0, 40], [0, 1, 20]]))
    change = change_of(residual=0.2, k=2)
    sweep = Sweep(
        "toy", "Large", "morph", "direct", "00", 0.4, *[np.array([0.4, 0.9])] * 2, None, *[np.zeros(2)] * 2, 0,
        change.x.numpy(), change.displacement.numpy(), change.residual.numpy(), np.zeros((2, 4, 4), np.uint8),
        Provenance("finished", 0, 0.0, "cpu"),
    )  # fmt: skip
    whole = full_picture(upload, prepared, sweep, 1)
    expected = upload.pixels.copy()
    expected[20:80, 40:100] += 0.2
    assert np.abs(whole.astype(int) - to_bytes(expected).astype(int)).max() <= 1
    outside = np.ones((90, 120), bool)
    outside[20:80, 40:100] = False
    assert np.array_equal(whole[outside], to_bytes(upload.pixels)[outside])
    assert np.array_equal(full_picture(upload, prepared, sweep, 0), to_bytes(upload.pixels))
    painted = dataclasses.replace(
        sweep, distance=np.array([0.1, 0.2])
    )  # a head that repaints even where nothing is asked for
    assert not np.array_equal(full_picture(upload, prepared, painted, 0), to_bytes(upload.pixels))


def test_tones_are_looked_up_as_the_curve_says():
    rng = np.random.default_rng(0)
    tone = measure_tone(rng.random((60, 60)) ** 2 * 0.7 + 0.1)
    levels = np.concatenate([np.linspace(-0.2, 1.3, 400), tone.source]).astype(np.float32)
    found = _interpolate(torch.from_numpy(levels), tone).numpy()
    np.testing.assert_allclose(found, tone.apply(levels), atol=1e-5)
    assert not tone.changes_nothing
    assert IDENTITY.changes_nothing
