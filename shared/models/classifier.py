"""A small convolutional network that names the kind of clothing in a 28 × 28 picture, for judging generators."""

from functools import cache

import torch
from torch import Tensor, nn

from shared.models.shipped import shipped_weights

FEATURES = 64


class Classifier(nn.Module):
    """Three convolutions, each halving the picture, then two linear layers: 62,000 weights.

    Takes float32 (N, 1, 28, 28) in −1 … 1 and gives logits (N, 10), in the order of
    `shared.data.fashion_mnist.CLASSES`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _block(1, 16), _block(16, 32), _block(32, 64), nn.Flatten(), nn.Linear(64 * 3 * 3, FEATURES), nn.ReLU()
        )  # fmt: skip
        self.head = nn.Linear(FEATURES, 10)

    def features(self, images: Tensor) -> Tensor:
        """The penultimate activations, (N, 64), all ≥ 0: what the Fréchet distance compares."""
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Convolve, normalise, rectify, halve."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)
    )


@cache
def fashion_classifier() -> Classifier:
    """The shipped classifier, ≥ 90 % right on the shipped test pictures; frozen and shared: do not train it."""
    model = Classifier()
    model.load_state_dict(shipped_weights("fashion_classifier")[0], assign=True)
    return model.eval().requires_grad_(False)
