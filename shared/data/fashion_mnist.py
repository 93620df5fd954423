"""Fashion-MNIST: 28 × 28 grey pictures of ten kinds of clothing, a balanced subset that the app ships.

Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747. Made by `python -m assets.build.fashion_mnist`.
"""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("t_shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle_boot")
FOLDER = Path(__file__).parents[2] / "assets" / "data"


@cache
def fashion_mnist(split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Pictures, uint8 (N, 28, 28), 0 black … 255 white, and labels, int64 (N,), 0 … 9 as in CLASSES.

    `split` is "train" (N = 12,000) or "test" (N = 2,000, from the original test split). Pictures come sorted by
    class: shuffle before use. The arrays are shared and read-only. Raises ValueError for another split.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split is 'train' or 'test', not {split!r}")
    with Image.open(FOLDER / f"fashion_mnist_{split}.png") as picture:
        grid = np.asarray(picture)
    rows, columns = grid.shape[0] // 28, grid.shape[1] // 28
    images = np.ascontiguousarray(grid.reshape(rows, 28, columns, 28).swapaxes(1, 2)).reshape(-1, 28, 28)
    labels = np.repeat(np.arange(len(CLASSES)), len(images) // len(CLASSES))
    images.flags.writeable = labels.flags.writeable = False
    return images, labels
