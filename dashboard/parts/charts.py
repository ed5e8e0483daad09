"""Figures and colours, as pure functions of data: no Streamlit in here."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go


def nice_limit(change: np.ndarray) -> float:
    """The end of a symmetric colour scale for changes in 8-bit grey levels: a round fraction of the grey range.

    One number for all frames of a sweep. It covers 99.5 % of the pixels of the most changed frame; what lies
    beyond takes the colour of the end.
    """
    strongest = change[np.abs(change).mean(axis=tuple(range(1, change.ndim))).argmax()]
    reach = float(np.quantile(np.abs(strongest), 0.995)) / 255
    return next((limit for limit in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75) if reach <= limit), 1.0)


def reliability(bins: list[dict[str, float]], *, title: str) -> go.Figure:
    """Reliability diagram: mean predicted probability against the share that is positive, with the diagonal.

    bins: dicts with `predicted`, `observed` and `n`.
    """
    figure = _square(title, "the network says", "it is so")
    figure.add_scatter(
        x=[b["predicted"] for b in bins],
        y=[b["observed"] for b in bins],
        mode="lines+markers",
        cliponaxis=False,
        marker={"size": [5 + 1.4 * min(b["n"], 200) ** 0.5 for b in bins], "opacity": 1},
        text=[f"{b['n']:.0f} pictures" for b in bins],
        hovertemplate="says %{x:.0%}, is %{y:.0%}<br>%{text}<extra></extra>",
        line={"color": "#3A8FC7", "width": 2},
        name="classifier",
        showlegend=False,
    )
    return figure


def response(requests: list[float], curve: list[float], witness: list[float] | None, *, title: str) -> go.Figure:
    """Mean achieved probability over held-out pictures for each request, with the independent network's."""
    figure = _square(title, "asked for", "measured, mean")
    line = {"mode": "lines+markers", "hovertemplate": "asked %{x:.0%}, got %{y:.0%}<extra></extra>"}
    figure.add_scatter(x=requests, y=curve, name="classifier", line={"color": "#3A8FC7", "width": 2.5}, **line)
    if witness is not None:
        style = {"color": "#E07B39", "width": 1.5, "dash": "dot"}
        figure.add_scatter(x=requests, y=witness, name="independent network", line=style, **line)
    legend = {"orientation": "h", "x": 0.5, "xanchor": "center", "y": 1.0, "yanchor": "bottom"}
    figure.update_layout(legend=legend, margin={"t": 64})
    return figure


def _square(title: str, x: str, y: str) -> go.Figure:
    """Axes from 0 to 100 % both ways, and the diagonal."""
    figure = go.Figure()
    diagonal = {"dash": "dash", "width": 1, "color": "#7D8A96"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=diagonal, hoverinfo="skip", showlegend=False)
    axis = {"range": [-0.02, 1.02], "tickformat": ".0%", "constrain": "domain"}
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        xaxis={"title": x, **axis},
        yaxis={"title": y, "scaleanchor": "x", **axis},
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        height=360,
    )
    return figure


def boxes(pixels: np.ndarray, faces: list[tuple[int, int, int, int]]) -> np.ndarray:
    """The picture as uint8 RGB with a box around each face, numbered where there are several.

    pixels: [H, W] or [H, W, 3] in [0, 1]; faces: (left, top, right, bottom) in its pixels.
    """
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    draw = ImageDraw.Draw(image)
    thick = max(2, max(image.size) // 300)
    font = ImageFont.load_default(size=max(14, max(image.size) // 28))
    for number, (left, top, right, bottom) in enumerate(faces, start=1):
        draw.rectangle((left, top, right, bottom), outline=(255, 159, 64), width=thick)
        if len(faces) == 1:
            break
        tag = draw.textbbox((left + 2 * thick, top + thick), str(number), font=font)
        draw.rectangle((left, top, tag[2] + 2 * thick, tag[3] + 2 * thick), fill=(255, 159, 64))
        draw.text((left + 2 * thick, top + thick), str(number), fill=(0, 0, 0), font=font)
    return np.asarray(image)
