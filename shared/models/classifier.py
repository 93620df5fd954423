"""A small convolutional network that names the kind of clothing in a 28 × 28 picture, for judging generators."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from shared.data.fashion_mnist import fashion_mnist
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


class Judgement(NamedTuple):
    """What the classifier makes of N pictures: probabilities (N, 10) and penultimate features (N, 64)."""

    probabilities: Tensor
    features: Tensor


@torch.no_grad()
def judge(images: Tensor) -> Judgement:
    """The shipped classifier on float32 (N, 1, 28, 28) in −1 … 1."""
    model = fashion_classifier()
    features = model.features(images)
    return Judgement(model.head(features).softmax(1), features)


@cache
def real_judgement() -> Judgement:
    """The same on the 2,000 shipped test pictures: what generated ones are compared with."""
    return judge(torch.tensor(fashion_mnist("test")[0])[:, None].float() / 127.5 - 1)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """The squared Fréchet distance between Gaussians fitted to two sets of features, (N, D) and (M, D); ≥ 0.

    Heusel et al. 2017, eq. 6: ‖μ_a − μ_b‖² + Tr(C_a + C_b − 2 (C_a C_b)^½). With few samples it comes out too large:
    compare only distances of equal N. C_a C_b has the eigenvalues of the symmetric C_a^½ C_b C_a^½, so that the trace
    of its root is the sum of their roots and no complex matrix root is needed.
    """
    a, b = a.double(), b.double()
    difference = a.mean(0) - b.mean(0)
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(cov_a)
    root_a = vectors * values.clamp(min=0).sqrt() @ vectors.T
    trace_of_root = torch.linalg.eigvalsh(root_a @ cov_b @ root_a).clamp(min=0).sqrt().sum()
    return (difference.square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace_of_root).clamp(min=0).item()
