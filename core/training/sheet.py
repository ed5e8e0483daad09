"""Sample sheets: columns of pictures with a caption under each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor


def save_sheet(columns: list[Tensor], captions: list[list[str]], path: Path, *, cell: int = 128) -> None:
    """columns: tensors [N, C, H, W] in [0, 1], one a column; captions: the same shape in text."""
    sheet = Image.new("RGB", (cell * len(columns), (cell + 14) * len(columns[0])), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (column, texts) in enumerate(zip(columns, captions, strict=True)):
        for j, (picture, text) in enumerate(zip(column, texts, strict=True)):
            pixels = np.rint(picture.float().cpu().clamp(0, 1).permute(1, 2, 0).numpy() * 255).astype(np.uint8)
            tile = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
            sheet.paste(tile.resize((cell, cell), Image.Resampling.BICUBIC), (i * cell, j * (cell + 14)))
            draw.text((i * cell + 3, j * (cell + 14) + cell + 1), text, fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
