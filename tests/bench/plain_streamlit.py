"""What one would write without Vivarium: a thread that trains the 2-D GAN, and `while True` with `st.image`."""

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import streamlit as st
import torch
from PIL import Image, ImageDraw

from apps.gans.points import PointsGan, PointsGanConfig
from shared.live.experiment import Plane

SIZE = 420


def picture(plane: Plane) -> Image.Image:
    """The stage's plane as one picture: the field, the real points, the generated ones, the arrows."""
    x_low, x_high, y_low, y_high = plane.bounds
    shade = np.clip(np.flipud(plane.field), 0, 1)[..., None]
    colours = (shade * (90, 170, 240) + (1 - shade) * (230, 140, 80)).astype(np.uint8)
    sheet = Image.fromarray(colours).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(sheet)

    def at(points: np.ndarray) -> np.ndarray:
        unit = (points - (x_low, y_low)) / (x_high - x_low, y_high - y_low)
        return np.stack([unit[:, 0], 1 - unit[:, 1]], 1) * SIZE

    for name, points in plane.points.items():
        colour = (0, 110, 180) if name == "real" else (210, 90, 0)
        for x, y in at(points):
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)
    for tail, head in zip(at(plane.arrows[:, :2]), at(plane.arrows[:, :2] + plane.arrows[:, 2:]), strict=True):
        draw.line((*tail, *head), fill=(0, 0, 0))
    return sheet


torch.set_num_threads(1)
torch.manual_seed(0)
gan = PointsGan(PointsGanConfig(), 0)


def train() -> None:
    while True:
        gan.advance()


threading.Thread(target=train, daemon=True).start()
place = st.empty()
while True:
    place.image(picture(gan.frame().views["plane"]))
