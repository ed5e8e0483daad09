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
    shown = _planes(view, change.x.device)
    # As bytes before they leave a GPU: a quarter of what there is to copy.
    frames = [_bytes(shown if k == keep else _drawn(shown, prepared, change, k)) for k in range(len(change.x))]
    views: np.ndarray = torch.stack(frames).cpu().numpy()
    return views[..., 0] if view.ndim == 2 else views


def render(view: np.ndarray, prepared: Prepared, change: Change, index: int) -> np.ndarray:
    """One frame at the resolution of `view` ([H, W] or [H, W, 3] in [0, 1], the upload's tone); same shape."""
    pixels = _drawn(_planes(view, change.x.device), prepared, change, index).clamp(0, 1)
    drawn: np.ndarray = pixels.permute(1, 2, 0).cpu().numpy().astype(np.float32)
    return drawn[..., 0] if view.ndim == 2 else drawn


def _planes(view: np.ndarray, device: torch.device) -> Tensor:
    """[H, W] or [H, W, 3] -> [1 or 3, H, W] where the change is, so that a GPU's frames do not wait for a CPU."""
    planes = view[..., None] if view.ndim == 2 else view
    return torch.from_numpy(np.ascontiguousarray(planes, dtype=np.float32)).permute(2, 0, 1).to(device)


def _bytes(planes: Tensor) -> Tensor:
    """[C, H, W] in [0, 1] -> [H, W, C] uint8, as `to_bytes`."""
    return planes.permute(1, 2, 0).clamp(0, 1).mul_(255).round_().to(torch.uint8).contiguous()


def _drawn(shown: Tensor, prepared: Prepared, change: Change, index: int) -> Tensor:
    """[C, H, W], one frame of a change to `_planes`, not clipped."""
    height, width = shown.shape[1:]
    one = slice(index, index + 1)
    displacement = enlarge(change.displacement[one], height, width)
    residual = enlarge(change.residual[one], height, width)[0]
    moved = _warp_channels(shown[None], displacement)[0]
    if not prepared.tone.changes_nothing:
        canonical = _interpolate(moved, prepared.tone)
        back = torch.from_numpy(prepared.tone.gentle(np.linspace(-1, 2, _LEVELS))).to(moved.device)
        residual = _look_up(back, canonical + residual) - _look_up(back, canonical)
    return moved + residual


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
