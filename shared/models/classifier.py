"""A small convolutional network that names the kind of clothing in a 28 × 28 picture, for judging generators."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from shared.models.shipped import shipped_weights

FEATURES = 64


class Classifier(nn.Module):
    """Three convolutions, each halving the picture, then two linear layers: 62,000 weights.

    Takes float32 (N, 1, 28, 28) in -1 … 1 and gives logits (N, 10), in the order of
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
    with torch.device("meta"):  # no initial weights: they would be thrown away, and drawn from the run's own randomness
        model = Classifier()
    tensors, _ = shipped_weights("fashion_classifier")
    model.load_state_dict({name: tensors[name] for name in model.state_dict()}, assign=True)
    # Channels last: torch's pooling is several times quicker then.
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


class Judgement(NamedTuple):
    """What the classifier makes of N pictures: probabilities (N, 10) and penultimate features (N, 64)."""

    probabilities: Tensor
    features: Tensor


def judge(images: Tensor) -> Judgement:
    """The shipped classifier on float32 (N, 1, 28, 28) in -1 … 1."""
    return conclude(look(images))


@torch.no_grad()
def look(images: Tensor) -> Tensor:
    """The features of pictures alone, (N, 64), in pieces that fit in a processor's cache."""
    pieces = images.to(memory_format=torch.channels_last).split(50)
    return torch.cat([fashion_classifier().features(piece) for piece in pieces])


@torch.no_grad()
def conclude(features: Tensor) -> Judgement:
    """What the classifier makes of features that it has seen."""
    return Judgement(fashion_classifier().head(features).softmax(1), features)


class Gaussian(NamedTuple):
    """The mean (D,) and covariance (D, D) of a set of features, float64."""

    mean: Tensor
    covariance: Tensor


def fit_gaussian(features: Tensor) -> Gaussian:
    """The Gaussian with the mean and covariance of (N, D) features, N > 1."""
    features = features.double()
    return Gaussian(features.mean(0), torch.cov(features.T))


@cache
def real_gaussian() -> Gaussian:
    """Features of the 2,000 shipped test pictures, computed when the classifier was made: what others compare with."""
    tensors, _ = shipped_weights("fashion_classifier")
    return Gaussian(tensors["reference.mean"].double(), tensors["reference.covariance"].double())


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """The squared Fréchet distance between two Gaussians, ≥ 0. Heusel et al. 2017, eq. 6 (Dowson & Landau 1982):

    ‖μ_a - μ_b‖² + Tr(C_a + C_b - 2 (C_a C_b)^½). C_a C_b has the eigenvalues of the symmetric C_a^½ C_b C_a^½, so the
    trace of its root is the sum of their roots, and no complex matrix root is needed. Fitted to few samples it comes
    out too large: compare only distances of equally many.
    """
    values, vectors = torch.linalg.eigh(a.covariance)
    root_a = vectors * values.clamp(min=0).sqrt() @ vectors.T
    trace_of_root = torch.linalg.eigvalsh(root_a @ b.covariance @ root_a).clamp(min=0).sqrt().sum()
    apart = (a.mean - b.mean).square().sum()
    return (apart + a.covariance.trace() + b.covariance.trace() - 2 * trace_of_root).clamp(min=0).item()


def class_shares(seen: Judgement) -> Tensor:
    """The share of samples that the classifier puts in each class, (10,)."""
    count, classes = seen.probabilities.shape
    return torch.bincount(seen.probabilities.argmax(1), minlength=classes) / count


def assess(seen: Judgement) -> dict[str, float]:
    """The metrics of generated clothes that the classifier has seen."""
    return {
        "class_share_min": class_shares(seen).min().item(),
        "confidence": seen.probabilities.amax(1).mean().item(),
        "feature_distance": frechet_distance(fit_gaussian(seen.features), real_gaussian()),
    }
