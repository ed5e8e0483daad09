"""Find faces and bring them to the frame the face classifiers were trained on.

Detector and landmarks are dlib's (HOG detector; five points: two corners of each eye and the base of the nose).
The frame is the 150-pixel centre crop of CelebA's aligned pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from core.errors import UserError
from core.images.frame import resize
from core.images.picture import Picture

# Where the five points lie in the frame, as fractions of its side: medians over 148 aligned CelebA crops as the
# detector and predictor below find them. Outer and inner corner of the eye at the right of the picture, then of
# the one at the left, then the nose.
TEMPLATE = np.array([[0.678, 0.5215], [0.576, 0.529], [0.318, 0.5215], [0.422, 0.529], [0.498, 0.7207]])

# The 95th percentile of an aligned training crop's points lies within .05 of the template.
ALIGNED = 0.06
VIEW_SIDE = 512

_ONE_AT_A_TIME = Lock()  # dlib's detector keeps its pyramid between calls, and pages run in threads


@dataclass(frozen=True)
class Face:
    """A found face, in upload pixels: box (left, top, right, bottom) and landmarks [5, 2] (x, y)."""

    box: tuple[float, float, float, float]
    landmarks: np.ndarray
    score: float


class SeveralFaces(UserError):
    """More than one face; `faces` are the candidates, left to right."""

    def __init__(self, faces: list[Face]) -> None:
        super().__init__(
            "There is only one face in this picture; leave out which one."
            if len(faces) == 1
            else f"There are {len(faces)} faces in this picture; choose one."
        )
        self.faces = faces


class NoFace(UserError):
    """No face was found."""

    def __init__(self) -> None:
        super().__init__("No face was found in this picture; mark it by hand with the manual crop, or upload another.")


def model_file(name: str) -> str:
    """Path of one of the model files of the package face_recognition_models, which is never imported."""
    spec = find_spec("face_recognition_models")
    places = list(spec.submodule_search_locations or []) if spec else []
    file = Path(places[0]) / "models" / name if places else None
    if file is None or not file.is_file():
        raise UserError("Finding faces needs the package face_recognition_models: pip install face_recognition_models.")
    return str(file)


@cache
def _networks() -> tuple[Any, Any]:
    try:
        import dlib
    except ImportError:
        raise UserError("Finding faces needs the package dlib-bin: pip install dlib-bin.") from None
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(model_file("shape_predictor_5_face_landmarks.dat"))


def find_faces(picture: Picture) -> list[Face]:
    """Every frontal face, left to right. The search runs at about 640 pixels, so small faces in large crowds are
    passed over.
    """
    height, width = picture.size
    scale = min(640 / max(height, width), 3.0)
    small = resize(_rgb(picture), max(1, round(height * scale)), max(1, round(width * scale)))
    search = np.ascontiguousarray(np.rint(small * 255).astype(np.uint8))
    with _ONE_AT_A_TIME:
        detector, predictor = _networks()
        boxes, scores, _ = detector.run(search, 0, 0.0)
        found = [(box, score, predictor(search, box)) for box, score in zip(boxes, scores, strict=True)]
    faces = []
    for box, score, points in found:
        landmarks = (np.array([[p.x, p.y] for p in points.parts()], np.float64) + 0.5) / scale
        faces.append(
            Face(
                (box.left() / scale, box.top() / scale, box.right() / scale, box.bottom() / scale),
                landmarks,
                float(score),
            )
        )
    return sorted(faces, key=lambda f: f.box[0])


def is_aligned(picture: Picture, faces: list[Face]) -> bool:
    """Whether the picture already has the training frame: one face whose points lie at the template, or a small
    square in which the detector, which wants larger faces, sees none.
    """
    height, width = picture.size
    if abs(height - width) > 0.04 * max(height, width):
        return False
    if len(faces) == 1:
        points = faces[0].landmarks / np.array([width, height])
        return float(np.abs(points - TEMPLATE).max()) < ALIGNED
    return not faces and height == width == 128


def align(picture: Picture, face: Face, max_view: int = VIEW_SIDE) -> tuple[np.ndarray, np.ndarray]:
    """(view [S, S, 3] float32, placement [2, 3]): the face turned, scaled and shifted to the template.

    The view has the upload's own resolution up to max_view pixels; placement maps its pixels on the upload's.
    """
    rotation, shift = _similarity(TEMPLATE, face.landmarks)
    extent = float(np.hypot(*rotation[:, 0]))  # side of the frame in upload pixels
    side = int(np.clip(round(extent), 64, max_view))
    placement = np.column_stack([rotation / side, rotation @ np.array([0.5 / side, 0.5 / side]) + shift - 0.5])
    return sample(_rgb(picture), placement, side), placement


def manual_frame(
    picture: Picture, centre_x: float, centre_y: float, side: float, max_view: int = VIEW_SIDE
) -> tuple[np.ndarray, np.ndarray]:
    """The same for an upright square given by hand: centre and side as fractions of the picture's size, the side of
    its shorter edge. Raises UserError for a centre outside of the picture and for a side that is none.
    """
    if not (0 <= centre_x <= 1 and 0 <= centre_y <= 1):  # NaN is refused too
        raise UserError("The middle of the cut lies outside of the picture; give fractions from 0 to 1.")
    if not 0 < side < np.inf:
        raise UserError("The side of the cut must be a fraction above 0; 1 is the picture's shorter edge.")
    height, width = picture.size
    extent = max(8.0, side * min(height, width))
    left, top = centre_x * width - extent / 2, centre_y * height - extent / 2
    pixels = int(np.clip(round(extent), 64, max_view))
    scale = extent / pixels
    placement = np.array([[scale, 0.0, left + 0.5 * scale - 0.5], [0.0, scale, top + 0.5 * scale - 0.5]])
    return sample(_rgb(picture), placement, pixels), placement


def sample(pixels: np.ndarray, placement: np.ndarray, side: int) -> np.ndarray:
    """[side, side, C] sampled from [H, W, C] at placement @ (x, y, 1); edges repeat outside. Antialiased."""
    shrink = float(np.hypot(*placement[:, 0]))
    if shrink > 1.2:  # sampling every few pixels only would alias: make the source smaller first
        height, width = max(1, round(pixels.shape[0] / shrink)), max(1, round(pixels.shape[1] / shrink))
        sx, sy = width / pixels.shape[1], height / pixels.shape[0]
        pixels = resize(pixels, height, width)
        scale = np.array([[sx], [sy]])
        placement = placement * scale + np.array([[0, 0, sx * 0.5 - 0.5], [0, 0, sy * 0.5 - 0.5]])
    ys, xs = np.mgrid[0:side, 0:side]
    at = np.einsum("ij,jhw->hwi", placement, np.stack([xs, ys, np.ones_like(xs)]).astype(np.float64))
    return bilinear(pixels, at)


def bilinear(pixels: np.ndarray, at: np.ndarray) -> np.ndarray:
    """pixels [H, W, C] at positions at [h, w, 2] (x, y) in pixels -> [h, w, C]."""
    height, width = pixels.shape[:2]
    grid = (at + 0.5) / np.array([width, height]) * 2 - 1
    image = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32)).permute(2, 0, 1)[None]
    picked = F.grid_sample(
        image, torch.from_numpy(grid.astype(np.float32))[None], mode="bilinear", padding_mode="border",
        align_corners=False,
    )  # fmt: skip
    return picked[0].permute(1, 2, 0).numpy()


def _similarity(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(A [2, 2], b [2]) of the turn, scale and shift with least square error from source to target, [N, 2] each.

    Umeyama, IEEE PAMI 1991.
    """
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt * (s * sign).sum() / np.square(a).sum()
    return rotation, target.mean(0) - rotation @ source.mean(0)


def _rgb(picture: Picture) -> np.ndarray:
    return picture.pixels if picture.pixels.ndim == 3 else np.repeat(picture.pixels[..., None], 3, axis=2)
