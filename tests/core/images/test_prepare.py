"""From pictures to tensors and back into the upload; faces found, aligned, chosen, marked by hand."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import UserError
from core.images import faces
from core.images.faces import TEMPLATE, NoFace, SeveralFaces, find_faces, is_aligned
from core.images.frame import resize
from core.images.picture import Picture
from core.images.prepare import paste, prepare_chest, prepare_face, prepare_photo
from core.images.tone import IDENTITY


def picture(pixels: np.ndarray) -> Picture:
    return Picture(pixels.astype(np.float32), "digest", "PNG")


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    return np.asarray(Image.open(Path(spec.origin).parent / "data" / "astronaut.png").convert("RGB")) / np.float32(255)


def film(height: int = 300, width: int = 260) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(resize(rng.random((9, 9)).astype(np.float32), height, width), 0.05, 0.95)


def test_chest_tensor_has_the_canonical_tone_whatever_the_upload_had() -> None:
    a = prepare_chest(picture(film()))
    b = prepare_chest(picture(film() ** 1.8 * 0.7))
    assert a.tensor.shape == (1, 64, 64)
    assert np.abs(a.tensor - b.tensor).mean() < 0.01
    assert np.array_equal(a.view, film())  # shown in the upload's own tone


def test_chest_view_is_bounded_and_knows_its_place() -> None:
    bordered = np.zeros((500, 500), np.float32)
    bordered[100:400, 120:380] = film()
    prepared = prepare_chest(picture(bordered), max_view=150)
    assert max(prepared.view.shape) == 150
    corner = prepared.placement @ np.array([0, 0, 1])
    assert corner == pytest.approx([120.5, 100.5], abs=1.0)
    assert prepared.notes


def test_paste_changes_the_frame_and_nothing_else() -> None:
    bordered = np.zeros((500, 500), np.float32)
    bordered[100:400, 120:380] = film()
    prepared = prepare_chest(picture(bordered))
    assert np.array_equal(paste(bordered, prepared.view, prepared), bordered)
    brighter = np.clip(prepared.view + 0.05, 0, 1)
    pasted = paste(bordered, brighter, prepared)
    assert pasted[100:400, 120:380] == pytest.approx(bordered[100:400, 120:380] + 0.05, abs=1e-4)
    assert pasted[:100].max() == 0
    assert pasted[:, :120].max() == 0


def test_astronaut_is_found_and_aligned(astronaut: np.ndarray) -> None:
    prepared = prepare_face(picture(astronaut))
    assert prepared.tensor.shape == (3, 64, 64)
    (face,) = find_faces(picture(prepared.view))
    points = face.landmarks / prepared.view.shape[0]
    assert np.abs(points - TEMPLATE).max() < 0.04
    # The template goes where the landmarks were found in the upload.
    (original,) = find_faces(picture(astronaut))
    back = prepared.placement @ np.vstack([TEMPLATE.T * prepared.view.shape[0], np.ones(5)])
    assert np.abs(back.T - original.landmarks).max() < 4


def test_aligned_faces_pass_unharmed(astronaut: np.ndarray) -> None:
    aligned = resize(prepare_face(picture(astronaut)).view, 128, 128)
    again = prepare_face(picture(aligned))
    assert is_aligned(picture(aligned), find_faces(picture(aligned)))
    assert np.array_equal(again.view, aligned)


def test_several_faces_are_a_choice(astronaut: np.ndarray) -> None:
    both = picture(np.hstack([astronaut[:300, 100:350], astronaut[:300, 100:350]]))
    with pytest.raises(SeveralFaces) as caught:
        prepare_face(both)
    assert len(caught.value.faces) == 2
    left, right = (prepare_face(both, face=i) for i in (0, 1))
    assert np.abs(left.tensor - right.tensor).mean() < 0.03
    assert left.digest != right.digest


def test_no_face_offers_the_manual_crop(astronaut: np.ndarray) -> None:
    blank = picture(np.full((200, 200, 3), 0.5))
    with pytest.raises(NoFace, match="manual crop"):
        prepare_face(blank)
    prepared = prepare_face(picture(astronaut), crop=(0.5, 0.5, 0.25))
    assert prepared.view.shape == (128, 128, 3)
    assert np.abs(prepared.view - astronaut[192:320, 192:320]).max() < 1e-4


def test_grey_faces_become_three_equal_channels(astronaut: np.ndarray) -> None:
    prepared = prepare_face(picture(astronaut.mean(2)))
    assert np.array_equal(prepared.tensor[0], prepared.tensor[2])


def test_a_pasted_face_fades_into_its_surroundings(astronaut: np.ndarray) -> None:
    prepared = prepare_face(picture(astronaut))
    assert np.array_equal(paste(astronaut, prepared.view, prepared), astronaut)
    pasted = paste(astronaut, np.clip(prepared.view + 0.1, 0, 1), prepared)
    changed = np.abs(pasted - astronaut).max(2)
    assert changed[400:].max() == 0
    assert changed.max() == pytest.approx(0.1, abs=0.02)


def test_a_face_that_fills_the_upload_does_not_fade_at_its_borders(astronaut: np.ndarray) -> None:
    aligned = resize(prepare_face(picture(astronaut)).view, 128, 128) * np.float32(0.8)
    prepared = prepare_face(picture(aligned))
    assert np.array_equal(prepared.placement, np.eye(2, 3))
    assert paste(aligned, prepared.view + np.float32(0.1), prepared) == pytest.approx(aligned + 0.1, abs=1e-5)


def test_a_cut_at_the_left_border_fades_only_elsewhere(astronaut: np.ndarray) -> None:
    dark = astronaut * np.float32(0.8)
    prepared = prepare_face(picture(dark), crop=(0.125, 0.5, 0.25))
    change = (paste(dark, prepared.view + np.float32(0.1), prepared) - dark).mean(2)
    assert change[256, 0] == pytest.approx(0.1, abs=1e-4)
    assert change[256, 64] == pytest.approx(0.1, abs=1e-4)
    assert change[256, 127] < 0.02
    assert change[193, 64] < 0.02


@pytest.mark.parametrize("crop", [
    (0.5, 0.5, 0), (0.5, 0.5, -0.3), (0.5, 0.5, np.nan), (0.5, 0.5, np.inf), (np.nan, 0.5, 0.3), (1.2, 0.5, 0.3),
    (0.5, -0.1, 0.3),
])  # fmt: skip
def test_a_cut_that_is_none_is_refused(crop: tuple[float, float, float]) -> None:
    with pytest.raises(UserError, match="cut"):
        prepare_face(picture(np.zeros((90, 90, 3))), crop=crop)


def test_one_face_is_said_to_be_one(astronaut: np.ndarray) -> None:
    with pytest.raises(SeveralFaces, match="only one face"):
        prepare_face(picture(astronaut), face=3)


def test_without_dlib_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    faces._networks.cache_clear()
    with pytest.raises(UserError, match="dlib-bin"):
        find_faces(picture(np.zeros((90, 90, 3))))


def test_the_detector_serves_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []

    class Detector:
        def run(self, *_: object) -> tuple[list, list, list]:
            inside.append(1)
            time.sleep(0.01)
            assert len(inside) == 1
            inside.pop()
            return [], [], []

    monkeypatch.setattr(faces, "_networks", lambda: (Detector(), None))
    blank = picture(np.zeros((90, 90, 3)))
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(find_faces, [blank] * 8)) == [[]] * 8


@pytest.mark.parametrize(("height", "width", "corner"), [(90, 141, (25, 0)), (141, 90, (0, 25)), (90, 90, (0, 0))])
def test_a_photograph_is_cut_to_its_middle_square(height: int, width: int, corner: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).random((height, width, 3)).astype(np.float32)
    prepared = prepare_photo(picture(pixels), 32)
    left, top = corner
    assert np.array_equal(prepared.view, pixels[top : top + 90, left : left + 90])
    assert np.array_equal(prepared.tensor, resize(prepared.view, 32, 32).transpose(2, 0, 1))
    assert np.array_equal(prepared.placement, [[1, 0, left], [0, 1, top]])
    assert prepared.tone is IDENTITY
    assert bool(prepared.notes) == (height != width)


def test_a_large_photograph_has_a_smaller_view_that_still_maps_back() -> None:
    # A dot whose place in the view must lead back to its place in the upload.
    pixels = np.zeros((300, 420, 3), np.float32)
    pixels[198:202, 258:262] = 1
    prepared = prepare_photo(picture(pixels), 50, max_view=100)
    assert prepared.view.shape == (100, 100, 3)
    y, x = np.argwhere(prepared.view[..., 0] > 0.1).mean(0)
    assert prepared.placement @ np.array([x, y, 1]) == pytest.approx([259.5, 199.5], abs=1.0)
    # The corners of the view are the corners of the square, 60 pixels from the left.
    assert prepared.placement @ np.array([-0.5, -0.5, 1]) == pytest.approx([59.5, -0.5])
    assert prepared.placement @ np.array([99.5, 99.5, 1]) == pytest.approx([359.5, 299.5])


def test_a_changed_photograph_goes_back_where_it_was_cut() -> None:
    pixels = np.full((90, 150, 3), 0.4, np.float32)
    prepared = prepare_photo(picture(pixels), 32)
    assert np.array_equal(paste(pixels, prepared.view, prepared), pixels)
    change = (paste(pixels, prepared.view + np.float32(0.1), prepared) - pixels).mean(2)
    assert change[:, 45:105] == pytest.approx(0.1, abs=1e-4)
    assert change[:, :30].max() == change[:, 120:].max() == 0


def test_a_grey_photograph_becomes_three_equal_channels() -> None:
    prepared = prepare_photo(picture(film()), 32)
    assert prepared.tensor.shape == (3, 32, 32)
    assert np.array_equal(prepared.tensor[0], prepared.tensor[2])
