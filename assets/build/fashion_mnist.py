"""Cut the shipped subset of Fashion-MNIST: the first 1,200 training and 200 test pictures of each class.

    python -m assets.build.fashion_mnist [--source FOLDER] [--download]

FOLDER holds the four original `*-ubyte.gz` files; Debian's `dataset-fashion-mnist` puts them where we look first.
"""

import argparse
import gzip
import urllib.request
from pathlib import Path

import numpy as np
from PIL import Image

from assets.build.card import write_card

DATA = Path(__file__).parents[1] / "data"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
ONLINE = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
SPLITS = {"train": "train", "test": "t10k"}
PER_CLASS = {"train": 1200, "test": 200}
COLUMNS = 100


def read_split(source: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """All pictures, uint8 (N, 28, 28), and labels, uint8 (N,), of "train" (60,000) or "test" (10,000).

    Raises SystemExit with the way out where the files are missing.
    """
    images, labels = (source / f"{SPLITS[split]}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    if not images.exists() or not labels.exists():
        raise SystemExit(
            f"No {images.name} in {source}: `apt-get install dataset-fashion-mnist`, or name a folder with --source, "
            "or fetch the files with --download."
        )
    # An idx file is a big-endian header (16 bytes for pictures, 8 for labels), then the bytes themselves.
    pixels = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28)
    return pixels, np.frombuffer(gzip.decompress(labels.read_bytes()), np.uint8, offset=8)


def download(folder: Path) -> None:
    """Fetch the four files of Zalando Research's repository into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix in SPLITS.values():
        for kind in ("images-idx3", "labels-idx1"):
            name = f"{prefix}-{kind}-ubyte.gz"
            urllib.request.urlretrieve(ONLINE + name, folder / name)


def mosaic(images: np.ndarray, labels: np.ndarray, per_class: int) -> Image.Image:
    """The first `per_class` pictures of each class, class by class, 100 to a row of one grey picture."""
    chosen = np.concatenate([images[labels == c][:per_class] for c in range(10)])
    rows = len(chosen) // COLUMNS
    grid = chosen.reshape(rows, COLUMNS, 28, 28).swapaxes(1, 2)
    return Image.fromarray(np.ascontiguousarray(grid.reshape(rows * 28, COLUMNS * 28)))


def main() -> None:
    """Write the two mosaics and their card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=DEBIAN)
    parser.add_argument("--download", action="store_true", help="fetch the original files into --source first")
    arguments = parser.parse_args()
    if arguments.download:
        download(arguments.source)
    files = []
    for split, per_class in PER_CLASS.items():
        files.append(DATA / f"fashion_mnist_{split}.png")
        mosaic(*read_split(arguments.source, split), per_class).save(files[-1], optimize=True)
    write_card(
        DATA / "fashion_mnist.card.toml",
        files,
        title="Fashion-MNIST, a balanced subset",
        licence="MIT, © 2017 Zalando SE",
        source="https://github.com/zalandoresearch/fashion-mnist (Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747), "
        "as packaged by Debian: dataset-fashion-mnist",
        made_by="python -m assets.build.fashion_mnist",
        how="The first 1,200 pictures of each class of the training split and the first 200 of the test split, in "
        "file order, unchanged; class by class, 100 to a row of 28 × 28 pixels, as grey PNG. The class of a picture "
        "follows from its place, so no label file is needed.",
    )


if __name__ == "__main__":
    main()
