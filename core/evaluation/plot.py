"""Small charts as PNG files for reports that are read without the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from core.images.animate import NOTICE

# Okabe and Ito's colours, told apart by colour-blind readers as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_FONT = 15


@dataclass(frozen=True)
class Line:
    """One line of a chart: y over x, and, where known, a band of the same length."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def interval_chart(title: str, rows: Sequence[tuple[str, float, float, float]], path: Path, axis: str = "") -> None:
    """Dots with whiskers, one a row: (label, value, low, high), all on one axis from 0."""
    top = max([h for *_, h in rows] + [1e-6]) * 1.08
    left, width, step = 420, 520, 30
    height = 70 + step * len(rows) + 60
    sheet, draw, font = _sheet(left + width + 120, height, title)

    def place(v: float) -> float:
        return left + width * max(0.0, v) / top

    for i in range(6):
        x = place(top * i / 5)
        draw.line([(x, 56), (x, height - 58)], fill="#e2e2e2")
        draw.text((x - 14, height - 54), f"{top * i / 5:.2g}", fill="#444444", font=font)
    for i, (label, value, low, high) in enumerate(rows):
        y, colour = 70 + step * i, COLOURS[i % len(COLOURS)]
        draw.text((10, y - 9), label[:52], fill="black", font=font)
        draw.line([(place(low), y), (place(high), y)], fill=colour, width=3)
        draw.ellipse([place(value) - 5, y - 5, place(value) + 5, y + 5], fill=colour)
        draw.text((left + width + 12, y - 9), f"{value:.3f}", fill="black", font=font)
    draw.text((left, height - 34), axis, fill="#444444", font=font)
    _save(sheet, draw, font, path)


def line_chart(title: str, lines: Sequence[Line], path: Path, *, x_axis: str = "", y_axis: str = "") -> None:
    """Lines with their bands on one pair of axes."""
    left, top, width, height = 90, 56, 620, 380
    xs = [v for line in lines for v in line.x] or [0.0]
    ys = [v for line in lines for part in (line.y, line.low or (), line.high or ()) for v in part] or [0.0]
    x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)
    x1, y1 = (x1 if x1 > x0 else x0 + 1), (y1 if y1 > y0 else y0 + 1)
    sheet, draw, font = _sheet(left + width + 260, top + height + 80, title)

    def place(x: float, y: float) -> tuple[float, float]:
        return left + width * (x - x0) / (x1 - x0), top + height * (1 - (y - y0) / (y1 - y0))

    for i in range(6):
        y = y0 + (y1 - y0) * i / 5
        draw.line([place(x0, y), place(x1, y)], fill="#e2e2e2")
        draw.text((8, place(x0, y)[1] - 9), f"{y:.3g}", fill="#444444", font=font)
        x = x0 + (x1 - x0) * i / 5
        draw.text((place(x, y0)[0] - 12, top + height + 6), f"{x:.3g}", fill="#444444", font=font)
    for i, line in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        if line.low is not None and line.high is not None:
            for x, low, high in zip(line.x, line.low, line.high, strict=True):
                draw.line([place(x, low), place(x, high)], fill=colour, width=1)
        draw.line([place(x, y) for x, y in zip(line.x, line.y, strict=True)], fill=colour, width=3)
        draw.text((left + width + 16, top + 22 * i), line.name, fill=colour, font=font)
    draw.text((left, top + height + 28), x_axis, fill="#444444", font=font)
    draw.text((left, 34), y_axis, fill="#444444", font=font)
    _save(sheet, draw, font, path)


def _sheet(width: int, height: int, title: str) -> tuple[Image.Image, ImageDraw.ImageDraw, ImageFont.ImageFont]:
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT)
    draw.text((10, 10), title, fill="black", font=ImageFont.load_default(_FONT + 3))
    return sheet, draw, font  # type: ignore[return-value]


def _save(sheet: Image.Image, draw: ImageDraw.ImageDraw, font: ImageFont.ImageFont, path: Path) -> None:
    draw.text((10, sheet.height - 20), NOTICE, fill="#777777", font=font)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
