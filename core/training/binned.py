"""Training pictures sorted by what f says of them, so that every answer is drawn as often as the next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from core.classifiers.blackbox import BlackBox
from core.networks.exaggerator import bin_of


class BinnedPictures:
    """Pictures in bins of f(x). images: [N, C, S, S] uint8, where f is; rows: of every bin that has any, the row
    numbers.
    """

    @torch.no_grad()
    def __init__(self, images: Tensor, f: BlackBox, bins: int) -> None:
        self.images = images
        posterior = torch.cat([f.posterior(part.float() / 255) for part in images.split(256)])
        found = bin_of(posterior, bins).cpu().numpy()
        self.rows = [rows for k in range(bins) if len(rows := np.flatnonzero(found == k))]

    def draw(self, rng: np.random.Generator, batch: int, *, natural: float, flip: bool) -> Tensor:
        """[batch, C, S, S] in [0, 1], every bin of f(x) as likely as the next; flip: half of them mirrored.

        natural: share drawn as the data comes. Where f is sure of most pictures, balancing leaves few of those that
        users bring, and this gives some back.
        """
        as_they_come = round(natural * batch)
        choice = rng.integers(len(self.rows), size=batch - as_they_come)
        drawn = [int(rng.choice(self.rows[b])) for b in choice]
        drawn += rng.integers(len(self.images), size=as_they_come).tolist()
        # In random order, because half of a batch is shown to f through a view.
        rows = torch.as_tensor(rng.permutation(drawn) if as_they_come else drawn, device=self.images.device)
        x = self.images[rows].float() / 255
        if flip:
            mirror = torch.as_tensor(rng.random(len(x)) < 0.5, device=x.device)
            x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
        return x.contiguous(memory_format=torch.channels_last)
