"""Animations and strips of frames, with a caption under each and the research-only line in every file."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

NOTICE = "Contralens: research and teaching software, not a medical device"
_MARGIN = 6

# Pillow's own font, which is everywhere, draws ASCII and a box for the rest.
_SPELT = str.maketrans({
    "δ": "delta", "Δ": "Delta", "σ": "sigma", "κ": "kappa", "µ": "u", "μ": "u", "−": "-", "–": "-", "—": "-", "→": "->",
    "←": "<-", "≥": ">=", "≤": "<=", "≈": "~", "±": "+-", "×": "x", "·": "|", "•": "|", "…": "...", "∞": "inf",
    "‘": "'", "’": "'", "“": '"', "”": '"', "ß": "ss",
})  # fmt: skip


def gif(frames: np.ndarray, captions: Sequence[str], *, milliseconds: int = 120, side: int = 480) -> bytes:
    """Animated GIF, there and back. frames: [K, H, W] or [K, H, W, 3] uint8; captions: K lines."""
    pictures = [p.convert("P", palette=Image.Palette.ADAPTIVE) for p in _there_and_back(frames, captions, side)]
    return _save(pictures, "GIF", duration=milliseconds, comment=NOTICE.encode())


def webp(frames: np.ndarray, captions: Sequence[str], *, milliseconds: int = 120, side: int = 768) -> bytes:
    """Animated WebP, there and back."""
    return _save(_there_and_back(frames, captions, side), "WEBP", duration=milliseconds, quality=85)


def apng(frames: np.ndarray, captions: Sequence[str], *, milliseconds: int = 120, side: int = 480) -> bytes:
    """Animated PNG, there and back, without loss. Its size grows with the square of `side`, in pixels."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", NOTICE)
    return _save(_there_and_back(frames, captions, side), "PNG", duration=milliseconds, pnginfo=text)


def strip(frames: np.ndarray, captions: Sequence[str], *, notice: str = NOTICE, side: int = 256) -> bytes:
    """A PNG row of frames with a caption under each, as in Figure 2 of the paper."""
    cells = [_captioned(frame, caption, side, notice=None) for frame, caption in zip(frames, captions, strict=True)]
    width = sum(c.width for c in cells) + _MARGIN * (len(cells) - 1)
    notice = _drawable(notice)
    room = width - 2 * _MARGIN
    font = _fitting(notice, room, 12, smallest=9)  # below that it takes another line
    lines = _wrapped(notice, font, room)
    sheet = Image.new("RGB", (width, cells[0].height + 4 + 16 * len(lines)), "white")
    left = 0
    for cell in cells:
        sheet.paste(cell, (left, 0))
        left += cell.width + _MARGIN
    draw = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        draw.text((_MARGIN, cells[0].height + 2 + 16 * i), line, fill="#555555", font=font)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", notice)
    out = io.BytesIO()
    sheet.save(out, "PNG", pnginfo=text)
    return out.getvalue()


def _there_and_back(frames: np.ndarray, captions: Sequence[str], side: int) -> list[Image.Image]:
    pictures = [_captioned(f, c, side, notice=NOTICE) for f, c in zip(frames, captions, strict=True)]
    return pictures + pictures[-2:0:-1]


def _captioned(frame: np.ndarray, caption: str, side: int, notice: str | None) -> Image.Image:
    picture = Image.fromarray(np.asarray(frame)).convert("RGB")
    scale = side / max(picture.size)
    if scale < 1 or min(picture.size) < side / 2:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    caption = _drawable(caption)
    lines = [(caption, _fitting(caption, picture.width, 14), "black")]
    if notice:
        lines.append((notice, _fitting(notice, picture.width, 11), "#555555"))
    sheet = Image.new("RGB", (picture.width, picture.height + 20 * len(lines)), "white")
    sheet.paste(picture, (0, 0))
    draw = ImageDraw.Draw(sheet)
    for i, (text, font, colour) in enumerate(lines):
        draw.text((sheet.width / 2, picture.height + 20 * i + 10), text, fill=colour, font=font, anchor="mm")
    return sheet


def _drawable(text: str) -> str:
    """The text in the letters that the font has: symbols spelt out, accents dropped, "?" for the rest."""
    spelt = unicodedata.normalize("NFKD", text.translate(_SPELT))
    return "".join(c for c in spelt if not unicodedata.combining(c)).encode("ascii", "replace").decode("ascii")


def _fitting(text: str, width: int, size: int, smallest: int = 6) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The font at `size`, or smaller where the text would not fit."""
    while size > smallest and _font(size).getlength(text) > width - 4:
        size -= 1
    return _font(size)


def _wrapped(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The text in as many lines as it takes to fit."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _save(pictures: list[Image.Image], kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    pictures[0].save(out, kind, save_all=True, append_images=pictures[1:], loop=0, **options)
    return out.getvalue()
