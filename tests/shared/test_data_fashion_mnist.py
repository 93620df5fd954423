"""The shipped Fashion-MNIST: its shape, its balance, and that no test picture is a training picture."""

import numpy as np
import pytest

from shared.data.fashion_mnist import CLASSES, fashion_mnist


@pytest.mark.parametrize(("split", "count"), [("train", 12_000), ("test", 2_000)])
def test_shapes_and_balance(split, count):
    images, labels = fashion_mnist(split)
    assert images.shape == (count, 28, 28) and images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [count // len(CLASSES)] * len(CLASSES)
    assert images.min() == 0 and images.max() == 255
    assert len({picture.tobytes() for picture in images}) == count, "no picture twice"


def test_no_test_picture_is_in_the_training_set():
    train, test = ({picture.tobytes() for picture in fashion_mnist(split)[0]} for split in ("train", "test"))
    assert not train & test


def test_classes_look_like_their_names():
    """A trouser is narrow, a sandal leaves most of the picture empty, a bag is wide: labels are not shifted."""
    images, labels = fashion_mnist("train")
    mean = np.stack([images[labels == c].mean(0) for c in range(len(CLASSES))])
    brightness = dict(zip(CLASSES, mean.mean((1, 2)), strict=True))
    assert min(brightness, key=brightness.get) == "sandal"
    width = dict(zip(CLASSES, (mean.mean(1) > 30).sum(1), strict=True))
    assert min(width, key=width.get) == "trouser"


def test_shared_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        fashion_mnist("train")[0][0, 0, 0] = 1


def test_another_split_is_named():
    with pytest.raises(ValueError, match="'validation'"):
        fashion_mnist("validation")
