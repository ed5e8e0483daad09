"""From a decoded picture to what a study's networks see, and back into the whole upload."""

from __future__ import annotations

import numpy as np

from core.images.faces import (
    VIEW_SIDE,
    NoFace,
    SeveralFaces,
    align,
    bilinear,
    find_faces,
    is_aligned,
    manual_frame,
)
from core.images.frame import centre_frame, chest_frame, resize
from core.images.picture import Picture, Prepared
from core.images.tone import measure_tone

FEATHER = 0.06  # of the side, over which a pasted face fades into its surroundings


def prepare_chest(picture: Picture, size: int = 64, max_view: int = 1024) -> Prepared:
    """Borders trimmed, grey, tone canonical, square. max_view: longest side of the view in pixels."""
    grey = picture.grey
    frame = chest_frame(grey)
    cut = frame.cut(grey)
    tone = measure_tone(cut)
    tensor = resize(tone.apply(cut), size, size)[None]
    height, width = frame.size
    scale = min(1.0, max_view / max(height, width))
    view_height, view_width = max(1, round(height * scale)), max(1, round(width * scale))
    view = resize(cut, view_height, view_width) if scale < 1 else np.ascontiguousarray(cut, dtype=np.float32)
    sx, sy = width / view_width, height / view_height
    placement = np.array([[sx, 0, frame.left + 0.5 * sx - 0.5], [0, sy, frame.top + 0.5 * sy - 0.5]])
    notes = []
    if frame.size != picture.size:
        notes.append("A uniform border was trimmed before the picture was shown to the classifier.")
    return Prepared(
        tensor=tensor.astype(np.float32), view=view, digest=picture.digest, placement=placement, tone=tone,
        spacing=None if picture.spacing is None else (picture.spacing[0] * sy, picture.spacing[1] * sx),
        notes=tuple(notes),
    )  # fmt: skip


def prepare_face(
    picture: Picture,
    size: int = 64,
    *,
    face: int | None = None,
    crop: tuple[float, float, float] | None = None,
    max_view: int = VIEW_SIDE,
) -> Prepared:
    """A face in the training frame. face: which of several, left to right; crop: by hand, (centre x, centre y, side)
    as fractions. Raises SeveralFaces or NoFace when there is something to decide.
    """
    if crop is not None:
        view, placement = manual_frame(picture, *crop, max_view)
        return _face(picture, view, placement, size, "The face was marked by hand.", key=f"{crop}")
    faces = find_faces(picture)
    if is_aligned(picture, faces):
        pixels = picture.pixels if picture.pixels.ndim == 3 else np.repeat(picture.pixels[..., None], 3, axis=2)
        return _face(picture, pixels, np.eye(2, 3), size, "The face already has the classifier's frame.", key="")
    if not faces:
        raise NoFace
    if face is None and len(faces) > 1:
        raise SeveralFaces(faces)
    if face is not None and not 0 <= face < len(faces):
        raise SeveralFaces(faces)
    view, placement = align(picture, faces[face or 0], max_view)
    return _face(
        picture, view, placement, size, "The face was turned and scaled to the classifier's frame.", f"{face or 0}"
    )


def _face(picture: Picture, view: np.ndarray, placement: np.ndarray, size: int, note: str, key: str) -> Prepared:
    view = np.clip(view, 0, 1).astype(np.float32)
    tensor = resize(view, size, size).transpose(2, 0, 1)
    return Prepared(
        tensor=np.ascontiguousarray(tensor, dtype=np.float32), view=view, digest=f"{picture.digest}{key}",
        placement=placement, notes=(note,),
    )  # fmt: skip


def prepare_photo(picture: Picture, size: int = 224, max_view: int = 1024) -> Prepared:
    """The middle square of any photograph, RGB, in its own tone. max_view: longest side of the view in pixels."""
    pixels = picture.pixels if picture.pixels.ndim == 3 else np.repeat(picture.pixels[..., None], 3, axis=2)
    frame = centre_frame(*picture.size)
    cut = frame.cut(pixels)
    side = frame.size[0]
    shown = min(side, max_view)
    view = resize(cut, shown, shown) if shown < side else np.ascontiguousarray(cut, dtype=np.float32)
    scale = side / shown
    placement = np.array([[scale, 0, frame.left + 0.5 * scale - 0.5], [0, scale, frame.top + 0.5 * scale - 0.5]])
    notes = [] if frame.size == picture.size else ["The classifier was shown the middle square of the picture."]
    return Prepared(
        tensor=np.ascontiguousarray(resize(cut, size, size).transpose(2, 0, 1), dtype=np.float32), view=view,
        digest=picture.digest, placement=placement,
        spacing=None if picture.spacing is None else (picture.spacing[0] * scale, picture.spacing[1] * scale),
        notes=tuple(notes),
    )  # fmt: skip


def paste(pixels: np.ndarray, view: np.ndarray, prepared: Prepared) -> np.ndarray:
    """The whole upload with its view replaced: [H, W] or [H, W, 3] float32 in [0, 1], as `pixels`.

    view: a changed view, uint8 or [0, 1], at any resolution. Only the change is carried over, so detail finer
    than the view stays, and every pixel outside of the frame is the upload's to the last bit.
    """
    changed = view.astype(np.float32) / 255 if view.dtype == np.uint8 else view.astype(np.float32)
    base = prepared.view
    if changed.shape[:2] != base.shape[:2]:
        base = resize(base, *changed.shape[:2])
    delta = changed - base
    ratio_y, ratio_x = prepared.view.shape[0] / delta.shape[0], prepared.view.shape[1] / delta.shape[1]
    placement = prepared.placement @ np.array(
        [[ratio_x, 0, 0.5 * ratio_x - 0.5], [0, ratio_y, 0.5 * ratio_y - 0.5], [0, 0, 1]]
    )
    inverse = np.linalg.inv(np.vstack([placement, [0, 0, 1]]))[:2]
    height, width = pixels.shape[:2]
    ys, xs = np.mgrid[0:height, 0:width]
    at = np.einsum("ij,jhw->hwi", inverse, np.stack([xs, ys, np.ones_like(xs)]).astype(np.float64))
    dh, dw = delta.shape[:2]
    u, v = (at[..., 0] + 0.5) / dw, (at[..., 1] + 0.5) / dh
    inside = (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
    planes = delta[..., None] if delta.ndim == 2 else delta
    moved = bilinear(planes, at)
    if prepared.tensor.shape[0] == 3:
        for edge in _edges_inside(placement, delta.shape[:2], pixels.shape[:2], u, v):
            moved = moved * np.clip(edge / FEATHER, 0, 1)[..., None]
    moved = np.where(inside[..., None], moved, 0)
    if pixels.ndim == 2:
        moved = moved.mean(2)
    elif moved.shape[2] == 1:
        moved = np.repeat(moved, 3, axis=2)
    return np.where(moved == 0, pixels, np.clip(pixels + moved, 0, 1)).astype(np.float32)


def _edges_inside(
    placement: np.ndarray, view: tuple[int, int], upload: tuple[int, int], u: np.ndarray, v: np.ndarray
) -> list[np.ndarray]:
    """The distances, as fractions of the view, to those edges of the view that run through the upload.

    placement: of the view on the upload, in pixels; u, v: [H, W], where in the view each pixel of the upload lies.
    At the other edges nothing surrounds the face, so there is nothing to fade into.
    """
    (h, w), (height, width) = view, upload
    corners = np.array([[-0.5, -0.5, 1], [w - 0.5, -0.5, 1], [w - 0.5, h - 0.5, 1], [-0.5, h - 0.5, 1]])
    at = corners @ placement.T + 0.5  # [4, 2] (x, y) from 0 to width or height of the upload
    edges = []
    for i, distance in enumerate((v, 1 - u, 1 - v, u)):
        ends = at[[i, (i + 1) % 4]]
        # Both ends beyond the same border, or within a pixel of it: none of the edge is inside.
        beyond = (ends < 1).all(0).any() or (ends > np.array([width, height]) - 1).all(0).any()
        if not beyond:
            edges.append(distance)
    return edges
