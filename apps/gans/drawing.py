"""What surrounds a game in the plane: a person's drawing comes in, bars, a histogram and a latent grid go out."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from shared.live.experiment import Bars, Histogram, Plain

MOST_DRAWN = 2000  # points of a drawing


def score_histogram(real: Tensor, fake: Tensor) -> Histogram:
    """D's raw scores of the points shown, in 30 bins from the lowest to the highest."""
    low, high = min(real.min(), fake.min()).item(), max(real.max(), fake.max()).item()
    high = max(high, low + 1e-3)
    counts = {"real": torch.histc(real, 30, low, high).numpy(), "generated": torch.histc(fake, 30, low, high).numpy()}
    return Histogram(np.linspace(low, high, 31, dtype=np.float32), counts)


def layer_norms(generator: nn.Module, discriminator: nn.Module, gradients: dict[str, list[Tensor]]) -> Bars:
    """‖W‖ and ‖∂L/∂W‖ of every layer, L being the loss of the network that the layer is in."""
    labels, norms = [], []
    for who, network in (("generator", generator), ("discriminator", discriminator)):
        weights_and_biases = zip(network.parameters(), gradients[who], strict=True)
        weights = [(weight, gradient) for weight, gradient in weights_and_biases if weight.dim() == 2]
        for layer, (weight, gradient) in enumerate(weights):
            labels += [f"{who}.{layer} weight", f"{who}.{layer} gradient"]
            norms += [vector_norm(weight), vector_norm(gradient)]
    return Bars(torch.stack(norms).numpy(), tuple(labels), log=True)


def strokes(drawn: object) -> Tensor:
    """A drawing from the stage, [[x, y], …], as (N, 2). Raises Plain unless it is 1 … 2,000 pairs of finite numbers."""
    if not isinstance(drawn, list | tuple):
        raise Plain("drawing_points")
    if not 1 <= len(drawn) <= MOST_DRAWN:
        raise Plain("drawing_size", low=1, high=MOST_DRAWN, count=len(drawn))
    try:
        table = np.asarray(drawn, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise Plain("drawing_points") from None
    if table.shape != (len(drawn), 2) or not np.isfinite(table).all():
        raise Plain("drawing_points")
    return torch.from_numpy(table.clip(-1e6, 1e6)).float()  # far outside is still outside


def latent_grid(distribution: str, dimension: int) -> Tensor:
    """z on a regular grid: (21, 21, 2), or (1, 201, 1) for a line; ±2 for a Gaussian, where 95 % of it lies."""
    reach = 2.0 if distribution == "gaussian" else 1.0
    if dimension == 1:
        return torch.linspace(-reach, reach, 201).reshape(1, 201, 1)
    side = torch.linspace(-reach, reach, 21)
    return torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=2)
