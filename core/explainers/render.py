"""Fields found at network resolution, applied to the picture as it was uploaded.

The displacement and the residual are smooth, so they may be enlarged to any size; the upload's own detail is
moved and shaded, never resampled down. The residual is known at the canonical tone: what it does there is
carried over to the upload's tone by the slope of its own tone curve.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from core.explainers.results import Sweep
from core.images.frame import resize
from core.images.picture import Picture, Prepared
from core.images.prepare import paste
from core.images.tone import ToneCurve
from core.networks.exaggerator import Change
from core.networks.fields import enlarge, warp

_LEVELS = 6144


def render_views(prepared: Prepared, change: Change, side: int, keep: int | None = None) -> np.ndarray:
    """[K, H, W] or [K, H, W, 3] uint8: every frame of a change at the view's resolution and tone.

    side: greatest height or width in pixels. keep: index of a frame that is the query and shown untouched.
    """
    view = prepared.view
    scale = min(1.0, side / max(view.shape[:2]))
    if scale < 1:
        view = resize(view, round(view.shape[0] * scale), round(view.shape[1] * scale))
    frames = [to_bytes(view if k == keep else render(view, prepared, change, k)) for k in range(len(change.x))]
    return np.stack(frames)


def render(view: np.ndarray, prepared: Prepared, change: Change, index: int) -> np.ndarray:
    """One frame at the resolution of `view` ([H, W] or [H, W, 3] in [0, 1], the upload's tone); same shape.

    Computed where the change is, so that a GPU's frames do not wait for a CPU.
    """
    planes = view[..., None] if view.ndim == 2 else view
    height, width = planes.shape[:2]
    one = slice(index, index + 1)
    displacement = enlarge(change.displacement[one], height, width)
    residual = enlarge(change.residual[one], height, width)[0]
    shown = torch.from_numpy(np.ascontiguousarray(planes, dtype=np.float32)).permute(2, 0, 1)[None]
    moved = _warp_channels(shown.to(displacement.device), displacement)[0]
    if not prepared.tone.changes_nothing:
        canonical = _interpolate(moved, prepared.tone)
        back = torch.from_numpy(prepared.tone.gentle(np.linspace(-1, 2, _LEVELS))).to(moved.device)
        residual = _look_up(back, canonical + residual) - _look_up(back, canonical)
    pixels = (moved + residual).clamp(0, 1).permute(1, 2, 0).cpu().numpy().astype(np.float32)
    return pixels[..., 0] if view.ndim == 2 else pixels


def _interpolate(levels: Tensor, tone: ToneCurve) -> Tensor:
    """`ToneCurve.apply` on any device."""
    source, target = (torch.from_numpy(k).to(levels) for k in (tone.source, tone.target))
    inside = levels.clamp(float(source[0]), float(source[-1])).contiguous()
    at = torch.bucketize(inside, source, right=True).clamp(1, len(source) - 1)
    share = (inside - source[at - 1]) / (source[at] - source[at - 1])
    return torch.lerp(target[at - 1], target[at], share)


def _look_up(table: Tensor, levels: Tensor) -> Tensor:
    """Linear interpolation in a table over [-1, 2]."""
    position = (levels.clamp(-1, 2) + 1) / 3 * (len(table) - 1)
    floor = position.floor().long().clamp(max=len(table) - 2)
    share = position - floor
    return table[floor] * (1 - share) + table[floor + 1] * share


def full_picture(picture: Picture, prepared: Prepared, sweep: Sweep, index: int) -> np.ndarray:
    """The whole upload with one frame's change in it: [H, W] or [H, W, 3] uint8 at the upload's own size.

    prepared: of the same picture, with `full=True`. Outside of the frame nothing changes.
    """
    if index == sweep.origin and sweep.exact:
        return to_bytes(picture.pixels)
    change = Change(*(torch.from_numpy(a) for a in (sweep.frames, sweep.displacement, sweep.residual)))
    return to_bytes(paste(picture.pixels, render(prepared.view, prepared, change, index), prepared))


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """[0, 1] -> uint8, rounded."""
    return np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def _warp_channels(x: Tensor, displacement: Tensor) -> Tensor:
    """Bilinear for fields that move less than a hundredth of a pixel is not worth a resampling."""
    if float(displacement.abs().max()) * max(x.shape[-2:]) < 0.01:
        return x
    return warp(x, displacement)
