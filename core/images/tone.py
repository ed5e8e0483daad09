"""One tone for every chest x-ray.

Scanners, archives and re-cuts of the same film differ by a monotone tone curve (window, gamma, lookup table).
A classifier can read such a curve as easily as it reads a heart, so every radiograph is brought to one
histogram before it is looked at: its quantiles are mapped on fixed reference quantiles by a monotone
piecewise-linear curve. Whatever monotone tone an upload came with is gone afterwards, but for rounding.

The curve is kept, because what an explainer changes at the canonical tone has to be carried back to the
upload's own tone before it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Where the histogram is sampled. The ends stay off 0 and 1: burned-in markers and collimator edges live there.
LEVELS = np.concatenate([[0.005], np.linspace(0.02, 0.98, 25), [0.995]])

# Mean quantiles of 500 NIH training radiographs (250 original, 250 re-cut; central 80 %), stretched to [0.02, 0.98].
REFERENCE = np.array(
    [0.02, 0.105, 0.213, 0.279, 0.335, 0.383, 0.427, 0.47, 0.511, 0.55, 0.586, 0.621, 0.653, 0.683,
     0.711, 0.737, 0.761, 0.784, 0.807, 0.828, 0.849, 0.87, 0.891, 0.911, 0.934, 0.961, 0.98]
)  # fmt: skip


@dataclass(frozen=True)
class ToneCurve:
    """A strictly increasing curve between an upload's grey levels and the canonical ones, both in [0, 1]."""

    source: np.ndarray  # [K] increasing
    target: np.ndarray  # [K] increasing

    @property
    def changes_nothing(self) -> bool:
        """Whether both tones are one, as with photographs."""
        return bool(np.array_equal(self.source, self.target))

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Upload tone -> canonical tone, same shape, float32 in [0, 1]."""
        return np.interp(pixels, self.source, self.target).astype(np.float32)

    def invert(self, pixels: np.ndarray) -> np.ndarray:
        """Canonical tone -> upload tone, same shape, float32 in [0, 1]."""
        return np.interp(pixels, self.target, self.source).astype(np.float32)

    def gentle(self, levels: np.ndarray) -> np.ndarray:
        """The way back without its steep ends, for changes: canonical levels, also outside of [0, 1] -> upload tone.

        Beyond the outermost quantiles the exact inverse falls to black or white within a few levels; a change that
        only just passes them would be shown as a hole. Here the slope near the ends goes on instead.
        """
        if len(self.source) < 8:
            return np.asarray(levels, np.float32)
        inner_source, inner_target = self.source[1:-1], self.target[1:-1]
        low = (inner_source[3] - inner_source[0]) / (inner_target[3] - inner_target[0])
        high = (inner_source[-1] - inner_source[-4]) / (inner_target[-1] - inner_target[-4])
        middle = np.interp(levels, inner_target, inner_source)
        below, above = np.minimum(levels - inner_target[0], 0), np.maximum(levels - inner_target[-1], 0)
        return (middle + low * below + high * above).astype(np.float32)


IDENTITY = ToneCurve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


def measure_tone(pixels: np.ndarray) -> ToneCurve:
    """The curve that brings a radiograph to the canonical tone.

    pixels: [H, W] in [0, 1]. Quantiles are taken over the central 80 %, where collimators and labels are rare.
    """
    height, width = pixels.shape
    dy, dx = height // 10, width // 10
    centre = pixels[dy : height - dy, dx : width - dx]
    knots = np.quantile(centre, LEVELS)
    # A flat stretch of the histogram (a saturated background) would make the curve vertical and not invertible.
    # The steps against that are small beside the range of a dark or faint film as well.
    step = 1e-4 * min(1.0, 4 * float(knots[-1] - knots[0])) or 1e-4
    knots = np.maximum.accumulate(knots) + np.arange(len(knots)) * step
    knots = np.clip(knots, 0.0, 1.0 + 1e-2)
    source = np.concatenate([[min(0.0, knots[0] - 1e-4)], knots, [max(1.0, knots[-1] + 1e-4)]])
    target = np.concatenate([[0.0], REFERENCE, [1.0]])
    keep = np.concatenate([[True], np.diff(source) > 0])
    return ToneCurve(source[keep], target[keep])
