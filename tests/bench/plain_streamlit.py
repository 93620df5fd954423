"""What one would write without Vivarium: a thread that trains the 2-D GAN, and `while True` with `st.image`.

It draws the pictures that the stage draws in the same scene: those of the canvases each time round, those of the charts
at most four times a second, as the stage does.
"""

import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import streamlit as st
import torch
from PIL import Image, ImageDraw

from apps.gans.page import GANS
from apps.gans.points import PointsGan, PointsGanConfig
from shared.live.experiment import Bars, Curves, Histogram, Plane, View

WIDE, CHART = 472, (328, 184)  # pixels, as on the stage: the plane, and everything else
CHARTS_EVERY = 0.25  # s
COLOURS = ((0, 110, 180), (210, 90, 0), (0, 140, 100))


def draw_plane(plane: Plane) -> Image.Image:
    """The field, the folded grid, the real points, the generated ones, the arrows."""
    x_low, x_high, y_low, y_high = plane.bounds
    shade = np.clip(np.flipud(plane.field), 0, 1)[..., None]
    colours = (shade * (90, 170, 240) + (1 - shade) * (230, 140, 80)).astype(np.uint8)
    sheet = Image.fromarray(colours).resize((WIDE, WIDE), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(sheet)

    def at(points: np.ndarray) -> np.ndarray:
        unit = (points - (x_low, y_low)) / (x_high - x_low, y_high - y_low)
        return np.stack([unit[..., 0], 1 - unit[..., 1]], -1) * WIDE

    mesh = at(plane.mesh)
    for line in (*mesh, *mesh.swapaxes(0, 1)):
        draw.line(list(map(tuple, line)), fill=(90, 90, 90))
    for (_, points), colour in zip(plane.points.items(), COLOURS, strict=False):
        for x, y in at(points):
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)
    for tail, head in zip(at(plane.arrows[:, :2]), at(plane.arrows[:, :2] + plane.arrows[:, 2:]), strict=True):
        draw.line((*tail, *head), fill=(0, 0, 0))
    return sheet


def draw_lines(lines: list[np.ndarray]) -> Image.Image:
    """Each (T, 2) as one line, all on the same axes."""
    sheet = Image.new("RGB", CHART, (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    points = np.concatenate(lines)
    low, high = points.min(0), points.max(0)
    for line, colour in zip(lines, COLOURS, strict=False):
        unit = (line - low) / np.maximum(high - low, 1e-9)
        draw.line([(x * CHART[0], (1 - y) * CHART[1]) for x, y in unit], fill=colour)
    return sheet


def draw(view: View) -> Image.Image:
    if isinstance(view, Plane):
        return draw_plane(view)
    if isinstance(view, Histogram):
        return draw_lines([np.stack([view.edges[:-1], counts], 1) for counts in view.counts.values()])
    if isinstance(view, Bars):
        return draw_lines([np.stack([np.arange(len(view.values)), view.values], 1)])
    assert isinstance(view, Curves)
    return draw_lines([line for line in view.series.values() if len(line)])


torch.set_num_threads(1)
torch.manual_seed(0)
gan = PointsGan(PointsGanConfig(), 0)
gan.advance()


def train() -> None:
    while True:
        gan.advance()


threading.Thread(target=train, daemon=True).start()
scene = GANS.scene("points")
assert scene is not None
names = dict.fromkeys(" ".join(scene.layout).split())
left, right = st.columns(2)
places = {name: (left if name == "plane" else right).empty() for name in names}
charts_at = 0.0
while True:
    views = gan.frame().views
    charts = time.perf_counter() - charts_at > CHARTS_EVERY
    if charts:
        charts_at = time.perf_counter()
    for name, place in places.items():
        if charts or isinstance(views[name], Plane | Histogram):
            place.image(draw(views[name]))
